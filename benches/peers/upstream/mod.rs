//! A mail server that answers from memory: as fast as TLS lets it, so that what is measured is what
//! stands in front of it. It takes every token.

mod imap;
mod smtp;
mod wire;

use std::future::Future;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost::demo::certificates::Certificates;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use wire::Wire;

use crate::process::Program;

/// The server in a process of its own.
pub(crate) struct Upstream {
    pub(crate) program: Program,
    pub(crate) imap: SocketAddr,
    pub(crate) smtp: SocketAddr,
    /// IMAP, where each connection is a full handshake.
    pub(crate) without_tickets: SocketAddr,
    /// The certificate to trust.
    pub(crate) ca_file: PathBuf,
}

impl Upstream {
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        let this = std::env::current_exe()?;
        let (this, folder_name) = (this.to_string_lossy(), folder.to_string_lossy());
        let (program, out) = Program::start_heard(&[&this, "--upstream", &folder_name])?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let mut addresses = line.split_whitespace().map(|address| address.parse());
        let mut next = || {
            let address = addresses.next().and_then(Result::ok);
            address.ok_or_else(|| io::Error::other("the mail server did not start"))
        };
        let (imap, smtp, without_tickets) = (next()?, next()?, next()?);
        Ok(Self { program, imap, smtp, without_tickets, ca_file: folder.join("ca.pem") })
    }
}

/// Serves until it is ended.
pub(crate) fn run(folder: &Path) -> io::Result<()> {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let certificates = Certificates::make()?;
    std::fs::write(folder.join("ca.pem"), certificates.ca_pem())?;
    let tls = TlsAcceptor::from(certificates.server_config());
    let mut ticketless = ServerConfig::clone(&certificates.server_config());
    ticketless.send_tls13_tickets = 0;
    let ticketless = TlsAcceptor::from(Arc::new(ticketless));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let imap = listen()?;
        let smtp = listen()?;
        let without_tickets = listen()?;
        let mut out = io::stdout();
        for listener in [&imap, &smtp, &without_tickets] {
            write!(out, "{} ", listener.local_addr()?)?;
        }
        writeln!(out)?;
        out.flush()?;
        let mail = Arc::new(imap::Mail::make());
        let serve = move |wire| imap::serve(wire, mail.clone());
        tokio::join!(
            accept(imap, tls.clone(), serve.clone()),
            accept(without_tickets, ticketless, serve),
            accept(smtp, tls, smtp::serve),
        );
        Ok(())
    })
}

/// Five hundred clients at a time come here; the usual queue has 128 places.
fn listen() -> io::Result<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    socket.listen(4096)
}

async fn accept<F>(
    listener: TcpListener,
    tls: TlsAcceptor,
    serve: impl Fn(Wire) -> F + Clone + Send + 'static,
) where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, serve) = (tls.clone(), serve.clone());
        tokio::spawn(async move {
            // A client that leaves is no matter.
            if stream.set_nodelay(true).is_ok()
                && let Ok(stream) = tls.accept(stream).await
            {
                let _ = serve(Wire::new(stream)).await;
            }
        });
    }
}
