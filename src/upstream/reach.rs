//! How far one gets on the way to a server: its name, a connection, TLS. Nothing
//! is said to it but what TLS needs.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;
use tokio_rustls::rustls::{CertificateError, Error as RustlsError};

use super::connect::{Socket, connect, handshake_with};
use super::error::UpstreamError;
use super::smtp::begin_tls;
use crate::config::{Host, Security};
use crate::sentence;
use crate::tls;

/// How long a name may take to look up.
const LOOK_UP: Duration = Duration::from_secs(10);

/// How long a submission server may take until TLS begins (RFC 3207).
const TLS_BEGINS: Duration = Duration::from_secs(10);

/// One got to the end: the server proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Who signed the server's certificate, if it could be read.
    pub issuer: Option<String>,
}

/// Where the way ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stuck {
    /// The name has no address here; what the system says.
    Name(String),
    /// Nobody takes the connection, or it ended before TLS began; what the system says.
    Connection(String),
    /// It takes connections and does not speak TLS.
    NoTls(String),
    /// Its certificate is signed by somebody whom this machine doesn't trust.
    UnknownIssuer {
        /// Who signed it.
        issuer: Option<String>,
    },
    /// Its certificate isn't valid today, by this machine's clock.
    WrongDate,
    /// Its certificate is made out to another name.
    OtherName,
    /// TLS says no for another reason.
    Tls(String),
}

/// Goes the way to `host`. `ca_file` holds more roots to trust.
pub async fn reach(host: &Host, ca_file: Option<&Path>) -> Result<Reached, Stuck> {
    look_up(host).await?;
    let stream = match host.security {
        Security::Tls => connected(host).await?,
        Security::StartTls => timeout(TLS_BEGINS, begin_tls(host, "EHLO localhost\r\n"))
            .await
            .unwrap_or_else(|_| Err(UpstreamError::unreachable(host, "no answer in time")))
            .map_err(|error| match error {
                UpstreamError::Unreachable { reason, .. } => Stuck::Connection(reason),
                UpstreamError::Tls { reason, .. } => Stuck::NoTls(reason),
                other => Stuck::NoTls(other.to_string()),
            })?,
    };
    let (config, witness) =
        tls::witnessed_config(ca_file).map_err(|error| Stuck::Tls(error.to_string()))?;
    match handshake_with(stream, &host.name, &config).await {
        Ok(_) => Ok(Reached { issuer: witness.issuer() }),
        Err(error) => Err(stuck(&error, witness.issuer())),
    }
}

/// Goes the way to `host` as far as its port.
pub async fn reach_port(host: &Host) -> Result<(), Stuck> {
    look_up(host).await?;
    connected(host).await.map(drop)
}

async fn connected(host: &Host) -> Result<Socket, Stuck> {
    connect(host).await.map_err(|error| Stuck::Connection(error.reason()))
}

/// Looks a host's name up, as a connection does.
async fn look_up(host: &Host) -> Result<(), Stuck> {
    match timeout(LOOK_UP, lookup_host((host.name.as_str(), host.port))).await {
        Ok(Ok(mut addresses)) => match addresses.next() {
            Some(_) => Ok(()),
            None => Err(Stuck::Name("it has no address".into())),
        },
        Ok(Err(error)) => Err(Stuck::Name(error.to_string())),
        Err(_) => Err(Stuck::Name("no answer in time".into())),
    }
}

fn stuck(error: &io::Error, issuer: Option<String>) -> Stuck {
    // What rustls itself objects to is inside.
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>());
    match inner {
        Some(RustlsError::InvalidCertificate(certificate)) => match certificate {
            CertificateError::UnknownIssuer => Stuck::UnknownIssuer { issuer },
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Stuck::WrongDate,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Stuck::OtherName
            }
            // Platforms have words of their own for a root that they don't know.
            other if issuer.is_some() && says_untrusted(other) => Stuck::UnknownIssuer { issuer },
            other => Stuck::Tls(sentence::shown(&other.to_string())),
        },
        Some(other @ RustlsError::InvalidMessage(_)) => Stuck::NoTls(other.to_string()),
        Some(other) => Stuck::Tls(sentence::shown(&other.to_string())),
        // The connection ended, or nothing came by it: what a firewall does.
        None => Stuck::Connection(error.to_string()),
    }
}

fn says_untrusted(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(_) | CertificateError::ApplicationVerificationFailure)
        && error.to_string().to_lowercase().contains("trust")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Where one gets that answers to a greeting with these bytes, and closes.
    async fn reached(answer: &'static [u8]) -> Result<Reached, Stuck> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(answer).await.unwrap();
        });
        let host = Host { name: "127.0.0.1".into(), port, security: Security::Tls };
        let reached = reach(&host, None).await;
        answering.await.unwrap();
        reached
    }

    #[tokio::test]
    async fn who_closes_who_speaks_no_tls_and_who_says_no_in_tls_are_told_apart() {
        let closed = reached(b"").await;
        assert!(matches!(closed, Err(Stuck::Connection(_))), "{closed:?}");
        let plain = reached(b"* OK a mail server\r\n").await;
        assert!(matches!(plain, Err(Stuck::NoTls(_))), "{plain:?}");
        // The alert handshake_failure (RFC 8446 §6.2).
        let alert = reached(b"\x15\x03\x03\x00\x02\x02\x28").await;
        assert!(matches!(alert, Err(Stuck::Tls(_))), "{alert:?}");
    }
}
