//! Who stands between a program and its server: passes on what it hears, as it is or by way of a
//! certificate of its own, as antivirus programs and companies' proxies do.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use gatepost::tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{ServerConfig, pki_types::ServerName},
};

/// A day, for certificates.
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// What a server of the bed is behind.
#[derive(Clone, Copy)]
pub(crate) enum Behind<'a> {
    /// Nothing.
    Plain(SocketAddr),
    /// TLS, with a certificate for `localhost` that one in this file has signed.
    Tls(SocketAddr, &'a Path),
}

/// Ports that lead to servers, for as long as this lives.
pub(crate) struct Middle {
    runtime: Runtime,
    at: Ipv4Addr,
}

impl Middle {
    /// At this address of the machine.
    pub(crate) fn at(address: Ipv4Addr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        Self { runtime, at: address }
    }

    /// Passes connections on as they are. The port; 0 asks for any.
    pub(crate) fn pass_on(&self, port: u16, to: SocketAddr) -> u16 {
        self.listen(port, move |mut near| async move {
            let Ok(mut far) = TcpStream::connect(to).await else { return };
            drop(copy_bidirectional(&mut near, &mut far).await);
        })
    }

    /// Opens the encryption, and passes on what is inside. The port; 0 asks for any.
    pub(crate) fn open(&self, port: u16, config: ServerConfig, to: Behind<'_>) -> u16 {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (to, connector) = match to {
            Behind::Plain(to) => (to, None),
            Behind::Tls(to, authority) => {
                let config = tls::client_config(Some(authority)).expect("a certificate");
                (to, Some(TlsConnector::from(config)))
            }
        };
        self.listen(port, move |near| {
            let (acceptor, connector) = (acceptor.clone(), connector.clone());
            async move {
                let Ok(near) = acceptor.accept(near).await else { return };
                let Ok(far) = TcpStream::connect(to).await else { return };
                match connector {
                    None => between(near, far).await,
                    Some(connector) => {
                        let name = ServerName::try_from("localhost").expect("a name");
                        let Ok(far) = connector.connect(name, far).await else { return };
                        between(near, far).await;
                    }
                }
            }
        })
    }

    /// The same for SMTP with STARTTLS (RFC 3207): opens the encryption when the program asks for it, and
    /// goes no further. The port.
    pub(crate) fn open_later(&self, config: ServerConfig, to: SocketAddr) -> u16 {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        self.listen(0, move |near| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(far) = TcpStream::connect(to).await else { return };
                let (mut near, mut far) = (BufReader::new(near), BufReader::new(far));
                let (mut asked, mut answer) = (String::new(), String::new());
                loop {
                    // A reply whose last line has a space behind its code (RFC 5321 §4.2).
                    while answer.as_bytes().get(3) != Some(&b' ') {
                        answer.clear();
                        let Ok(1..) = far.read_line(&mut answer).await else { return };
                        let Ok(()) = near.write_all(answer.as_bytes()).await else { return };
                    }
                    if asked.to_ascii_uppercase().starts_with("STARTTLS") {
                        drop(acceptor.accept(near.into_inner()).await);
                        return;
                    }
                    (asked, answer) = Default::default();
                    let Ok(1..) = near.read_line(&mut asked).await else { return };
                    let Ok(()) = far.write_all(asked.as_bytes()).await else { return };
                }
            }
        })
    }

    fn listen<F>(&self, port: u16, serve: impl Fn(TcpStream) -> F + Send + 'static) -> u16
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = self.runtime.block_on(TcpListener::bind((self.at, port))).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        self.runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(serve(near));
            }
        });
        port
    }
}

async fn between(
    mut near: impl AsyncRead + AsyncWrite + Unpin,
    mut far: impl AsyncRead + AsyncWrite + Unpin,
) {
    drop(copy_bidirectional(&mut near, &mut far).await);
}

/// Somebody who signs certificates.
pub(crate) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

impl Authority {
    /// Its certificates say that this organisation signed them.
    pub(crate) fn called(name: &str) -> Self {
        let key = KeyPair::generate().expect("randomness");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { params, key, pem }
    }

    /// A server's certificate for these names that is good from so long ago and for so long from now.
    pub(crate) fn sign(&self, names: &[&str], since: Duration, still: Duration) -> ServerConfig {
        let key = KeyPair::generate().expect("randomness");
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut leaf = CertificateParams::new(names).expect("names");
        leaf.not_before = (SystemTime::now() - since).into();
        leaf.not_after = (SystemTime::now() + still).into();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
        ServerConfig::builder_with_provider(tls::crypto())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key.into())
            .expect("a key")
    }

    /// Adds its certificate to a file of trusted ones.
    pub(crate) fn is_trusted_in(&self, file: &Path) {
        let all = fs::read_to_string(file).unwrap_or_default() + &self.pem;
        fs::write(file, all).expect("a folder of ours");
    }
}
