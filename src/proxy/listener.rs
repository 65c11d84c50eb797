//! One listening address: sockets, and a task for each client that comes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::session::Context;
use super::{imap, smtp};
use crate::config::{Endpoint, EndpointHost};
use crate::upstream::set_socket_options;

/// Connections that wait to be accepted: a mail client's morning, many times over.
const BACKLOG: u32 = 1024;
/// The pause after an accept that failed, when descriptors ran out, say; others end meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Other free ports that are tried, where one is free on one of localhost's addresses only.
const PORT_TRIES: usize = 16;

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Imap,
    Smtp,
}

impl Service {
    /// As in the configuration and in `status`.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Smtp => "smtp",
        }
    }
}

/// An address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else listens there.
    #[error("port {port} ({service}) is taken by another program; end it, or set `{service}` under [listen] in {config} to another port")]
    Taken {
        /// The port.
        port: u16,
        /// `imap` or `smtp`.
        service: &'static str,
        /// The configuration file.
        config: String,
    },
    /// Any other reason.
    #[error("{endpoint} ({service}) can't be listened on ({error})")]
    Other {
        /// The address.
        endpoint: String,
        /// `imap` or `smtp`.
        service: &'static str,
        /// Why.
        error: io::Error,
    },
}

/// Sockets that listen, and are not served yet.
pub(super) struct Bound {
    service: Service,
    pub(super) endpoint: Endpoint,
    sockets: Vec<TcpListener>,
    /// The first of them, which says the port.
    pub(super) address: SocketAddr,
}

/// A listener that is served.
pub(super) struct Listener {
    pub(super) endpoint: Endpoint,
    pub(super) address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Bound {
    /// Listens on every address of `endpoint`.
    pub(super) fn bind(service: Service, endpoint: Endpoint, config: &str) -> Result<Self, ListenError> {
        let sockets = bind_all(endpoint);
        let first = sockets.and_then(|sockets| {
            let address = sockets.first().ok_or(io::ErrorKind::AddrNotAvailable)?.local_addr()?;
            Ok((sockets, address))
        });
        match first {
            Ok((sockets, address)) => Ok(Self { service, endpoint, sockets, address }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(ListenError::Taken {
                port: endpoint.port,
                service: service.key(),
                config: config.to_owned(),
            }),
            Err(error) => Err(ListenError::Other {
                endpoint: endpoint.to_string(),
                service: service.key(),
                error,
            }),
        }
    }

    /// Serves what comes; `context` makes what each session needs.
    pub(super) fn serve(self, context: impl Fn() -> Context + Clone + Send + Sync + 'static) -> Listener {
        let Self { service, endpoint, sockets, address } = self;
        let tasks = sockets
            .into_iter()
            .map(|socket| tokio::spawn(accept(socket, service, context.clone())))
            .collect();
        Listener { endpoint, address, tasks }
    }
}

fn bind_all(endpoint: Endpoint) -> io::Result<Vec<TcpListener>> {
    let EndpointHost::Ip(ip) = endpoint.host else { return bind_localhost(endpoint.port) };
    Ok(vec![listen(ip, endpoint.port)?])
}

/// 127.0.0.1 and ::1 on one port. A machine without IPv6 has the first only.
fn bind_localhost(port: u16) -> io::Result<Vec<TcpListener>> {
    let mut tries = PORT_TRIES;
    loop {
        let v4 = listen(Ipv4Addr::LOCALHOST.into(), port)?;
        match listen(Ipv6Addr::LOCALHOST.into(), v4.local_addr()?.port()) {
            Ok(v6) => return Ok(vec![v4, v6]),
            // A free port on the one may be taken on the other.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port == 0 && tries > 0 => {
                tries -= 1;
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => {
                tracing::info!("::1 can't be listened on ({error}); 127.0.0.1 is");
                return Ok(vec![v4]);
            }
        }
    }
}

fn listen(ip: IpAddr, port: u16) -> io::Result<TcpListener> {
    let socket = if ip.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Unix this lets a restart take its port back at once; on Windows it would let another
    // program share it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(ip, port))?;
    socket.listen(BACKLOG)
}

async fn accept(
    socket: TcpListener,
    service: Service,
    context: impl Fn() -> Context + Send + 'static,
) {
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                let context = context();
                let span = tracing::info_span!("session", id = context.id, kind = service.key());
                tokio::spawn(serve(stream, service, context).instrument(span));
            }
            Err(error) => {
                tracing::warn!("a client can't be accepted ({error}); trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, service: Service, context: Context) {
    if let Err(error) = set_socket_options(&stream) {
        tracing::debug!("the client is gone already ({error})");
        return;
    }
    tracing::debug!(peer = stream.peer_addr().ok().map(|peer| peer.to_string()), "client connected");
    match service {
        Service::Imap => imap::serve(stream, context).await,
        Service::Smtp => smtp::serve(stream, context).await,
    }
}
