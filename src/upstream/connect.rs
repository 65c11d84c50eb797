//! From a host's name to a TLS stream: every address raced, dead peers noticed, nothing delayed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Stream;
use super::error::UpstreamError;
use crate::config::Host;
use crate::sentence;
#[cfg(test)]
pub(super) use crate::tls::simulated::Socket;

/// What a connection to a provider runs over.
#[cfg(not(test))]
pub(super) type Socket = TcpStream;

/// From the look-up to the TCP connection. A mail client waits a minute for its LOGIN.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The next address is tried beside a silent one after this (RFC 8305 §5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// Addresses that are tried at all.
const MAX_ADDRESSES: usize = 8;
/// A handshake is two round trips.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// A dead peer is noticed after silence of this length, and six probes of ten seconds.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(120);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// What was sent and isn't acknowledged within this never will be.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNTAKEN: Duration = Duration::from_secs(30);

/// Sets what every connection here has, on either side: no delay for small writes (40 ms each
/// otherwise), and keepalive, so that a peer that is gone is noticed.
pub fn set_socket_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Sets how soon a provider is given up that takes nothing any more: when the network has changed,
/// Linux would try for a quarter of an hour, Windows does for some twenty seconds.
fn give_up_soon(stream: &TcpStream) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return SockRef::from(stream).set_tcp_user_timeout(Some(UNTAKEN));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = stream;
        Ok(())
    }
}

/// Connects, and shakes hands. Name and chain are verified before this returns.
pub(super) async fn connect_tls(
    host: &Host,
    tls: &Arc<ClientConfig>,
) -> Result<Stream, UpstreamError> {
    let stream = connect(host).await?;
    handshake(stream, host, tls).await
}

/// Connects by TCP.
pub(super) async fn connect(host: &Host) -> Result<Socket, UpstreamError> {
    let connected = timeout(CONNECT_TIMEOUT, dial(host)).await;
    connected
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
        .map_err(|error| UpstreamError::unreachable(host, error))
}

#[cfg(not(test))]
async fn dial(host: &Host) -> io::Result<Socket> {
    dial_by_tcp(host).await
}

#[cfg(test)]
async fn dial(host: &Host) -> io::Result<Socket> {
    match crate::tls::simulated::connect(&host.name, host.port) {
        Some(connecting) => connecting.await.map(Socket::Simulated),
        None => dial_by_tcp(host).await.map(Socket::Tcp),
    }
}

async fn dial_by_tcp(host: &Host) -> io::Result<TcpStream> {
    let stream = race(host).await?;
    set_socket_options(&stream)?;
    give_up_soon(&stream)?;
    Ok(stream)
}

/// Turns a TCP connection into a TLS one.
pub(super) async fn handshake(
    stream: Socket,
    host: &Host,
    tls: &Arc<ClientConfig>,
) -> Result<Stream, UpstreamError> {
    handshake_with(stream, &host.name, tls).await.map_err(|error| match error.kind() {
        // What rustls itself objects to.
        io::ErrorKind::InvalidData => UpstreamError::Tls {
            host: host.to_string(),
            reason: sentence::shown(&error.to_string()),
        },
        _ => UpstreamError::unreachable(host, error),
    })
}

/// The same, with the error as it comes: `InvalidData` is what rustls itself objects to, the rest is
/// the network.
pub(super) async fn handshake_with(
    stream: Socket,
    name: &str,
    tls: &Arc<ClientConfig>,
) -> io::Result<Stream> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let name = ServerName::try_from(name.to_owned()).map_err(invalid)?;
    let connecting = TlsConnector::from(tls.clone()).connect(name, stream);
    let connected = timeout(TLS_TIMEOUT, connecting).await.unwrap_or_else(|_| {
        let words = "no answer to the TLS handshake in time";
        Err(io::Error::new(io::ErrorKind::TimedOut, words))
    });
    connected.map(Box::new)
}

/// Tries the addresses one after another, each beside those that have not answered yet.
async fn race(host: &Host) -> io::Result<TcpStream> {
    let addresses = interleave(lookup_host((host.name.as_str(), host.port)).await?.collect());
    let mut rest = addresses.into_iter().take(MAX_ADDRESSES);
    let mut attempts = JoinSet::new();
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match rest.next() {
            Some(address) => {
                attempts.spawn(TcpStream::connect(address));
            }
            None if attempts.is_empty() => return Err(last_error),
            None => {}
        }
        let more_to_try = rest.len() > 0;
        tokio::select! {
            Some(attempt) = attempts.join_next() => match attempt {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last_error = error,
                Err(error) => last_error = io::Error::other(error),
            },
            () = tokio::time::sleep(NEXT_ADDRESS), if more_to_try => {}
        }
    }
}

/// IPv6 and IPv4 in turn, beginning with what the system prefers (RFC 8305 §4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut other = other.into_iter();
    let mut mixed = Vec::new();
    for address in preferred {
        mixed.push(address);
        mixed.extend(other.next());
    }
    mixed.extend(other);
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Security;

    #[test]
    fn families_take_turns() {
        let parse =
            |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let mixed = interleave(parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"]));
        assert_eq!(mixed, parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"]));
        assert_eq!(interleave(vec![]), vec![]);
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_live_one() {
        // `localhost` has both families, and only one of them is listened on.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = Host { name: "localhost".into(), port, security: Security::Tls };
        let Socket::Tcp(stream) = connect(&host).await.unwrap() else { panic!("no simulation") };
        assert_eq!(stream.peer_addr().unwrap().port(), port);
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn a_refused_connection_says_so() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let host = Host { name: "127.0.0.1".into(), port, security: Security::Tls };
        assert!(matches!(connect(&host).await, Err(UpstreamError::Unreachable { .. })));
    }
}
