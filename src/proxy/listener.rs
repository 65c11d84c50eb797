//! One listening address: sockets, and a task for each client that comes.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::capacity::{Limits, Seat};
use super::client_stream::ClientStream;
use super::places::Seated;
use super::service::{MailService, Service};
use super::session::{Context, one_too_many, say_goodbye};
use super::told::Told;
use super::trouble::{Goodbye, Protocol};
use super::{imap, smtp};
use crate::config::{Endpoint, EndpointHost};
use crate::upstream::set_socket_options;

/// Connections that wait to be accepted: a mail client's morning, many times over.
const BACKLOG: u32 = 1024;
/// The pause after an accept that failed, when descriptors ran out, say; others end meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long a client may be silent where TLS begins with the first byte: one that speaks TLS speaks at
/// once, one that doesn't waits for a greeting.
const TLS_BEGINS: Duration = Duration::from_secs(5);
/// Other free ports that are tried, where one is free on one of localhost's addresses only.
const PORT_TRIES: usize = 16;

/// An address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else listens there.
    #[error("port {port} ({service}) is taken by another program")]
    Taken {
        /// The port.
        port: u16,
        /// Its key under `[listen]`.
        service: &'static str,
        /// The configuration file, where another can be set.
        config: String,
    },
    /// This very proxy, in another way, which can't be changed while it listens.
    #[error(
        "Gatepost itself has port {port}, and can't change to {endpoint} ({service}) while it runs"
    )]
    Ours {
        /// The port.
        port: u16,
        /// The address that is wanted now.
        endpoint: String,
        /// Its key under `[listen]`.
        service: &'static str,
    },
    /// Any other reason.
    #[error("Gatepost can't listen on {endpoint} for {service} ({error})")]
    Other {
        /// The address.
        endpoint: String,
        /// Its key under `[listen]`.
        service: &'static str,
        /// Why.
        error: io::Error,
    },
}

/// A listener in the making: sockets that listen and are not served yet, beside those of the
/// listener before it that it goes on with.
pub(super) struct Bound {
    service: Service,
    endpoint: Endpoint,
    sockets: Vec<TcpListener>,
    /// The first address, which says the port.
    address: SocketAddr,
}

/// A listener that is served: one task for each of its sockets.
pub(super) struct Listener {
    pub(super) endpoint: Endpoint,
    pub(super) address: SocketAddr,
    tasks: BTreeMap<SocketAddr, AbortOnDrop>,
}

/// What is done with each client that comes; it returns at once.
pub(super) type Welcome = Arc<dyn Fn(TcpStream, SocketAddr) + Send + Sync>;

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Bound {
    /// Listens on every address of `endpoint` that `before` doesn't listen on.
    pub(super) fn bind(
        service: Service,
        endpoint: Endpoint,
        before: Option<&Listener>,
        config: &str,
    ) -> Result<Self, ListenError> {
        let is_kept =
            |address: &SocketAddr| before.is_some_and(|it| it.tasks.contains_key(address));
        match bind_all(endpoint, &is_kept) {
            Ok((address, sockets)) => Ok(Self { service, endpoint, sockets, address }),
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

    /// What is spoken on it.
    pub(super) fn service(&self) -> Service {
        self.service
    }

    /// Serves what comes. Sockets of `before` that the endpoint still names go on; its others are
    /// closed.
    pub(super) fn serve(self, before: Option<Listener>, welcome: &Welcome) -> Listener {
        let Self { service, endpoint, sockets, address } = self;
        let whom = if endpoint.is_loopback() { "" } else { " to other machines too" };
        tracing::info!(%address, "{} is served{whom}", service.key());
        let mut tasks = before.map(|before| before.tasks).unwrap_or_default();
        tasks.retain(|address, _| names(endpoint, *address));
        for socket in sockets {
            let Ok(address) = socket.local_addr() else { continue };
            let task = tokio::spawn(accept(socket, welcome.clone()));
            tasks.insert(address, AbortOnDrop(task));
        }
        Listener { endpoint, address, tasks }
    }
}

/// The first address of an endpoint, and its sockets.
type Sockets = (SocketAddr, Vec<TcpListener>);

/// True if `endpoint` is, or has among its addresses, this one. A free port is a new one each time.
fn names(endpoint: Endpoint, address: SocketAddr) -> bool {
    let host = match endpoint.host {
        EndpointHost::Localhost => address.ip().is_loopback(),
        EndpointHost::Ip(ip) => address.ip() == ip,
    };
    host && endpoint.port == address.port()
}

fn bind_all(endpoint: Endpoint, is_kept: &dyn Fn(&SocketAddr) -> bool) -> io::Result<Sockets> {
    let EndpointHost::Ip(ip) = endpoint.host else {
        return bind_localhost(endpoint.port, is_kept);
    };
    let address = SocketAddr::new(ip, endpoint.port);
    if is_kept(&address) {
        return Ok((address, Vec::new()));
    }
    let socket = listen(address)?;
    Ok((socket.local_addr()?, vec![socket]))
}

/// 127.0.0.1 and ::1 on one port. A machine without IPv6 has the first only.
fn bind_localhost(port: u16, is_kept: &dyn Fn(&SocketAddr) -> bool) -> io::Result<Sockets> {
    let mut tries = PORT_TRIES;
    loop {
        let mut sockets = Vec::new();
        let mut first = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        if !is_kept(&first) {
            let v4 = listen(first)?;
            first = v4.local_addr()?;
            sockets.push(v4);
        }
        let second = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), first.port());
        if is_kept(&second) {
            return Ok((first, sockets));
        }
        match listen(second) {
            Ok(v6) => sockets.push(v6),
            // A free port on the one may be taken on the other.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port == 0 && tries > 0 => {
                tries -= 1;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => {
                tracing::info!("::1 can't be listened on ({error}); 127.0.0.1 is");
            }
        }
        return Ok((first, sockets));
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Unix this lets a restart take its port back at once; on Windows it would let another
    // program share it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(socket: TcpListener, welcome: Welcome) {
    let told = Told::default();
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => welcome(stream, peer),
            Err(error) => {
                if told.is_due() {
                    tracing::warn!(
                        "clients can't be accepted ({error}); it is tried again and again"
                    );
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Welcomes mail clients; `context` makes what each session needs.
pub(super) fn mail(
    service: MailService,
    context: impl Fn(IpAddr) -> Option<Context> + Send + Sync + 'static,
) -> Welcome {
    Arc::new(move |stream, peer| {
        let Some(context) = context(origin(&stream, peer)) else {
            tracing::warn!(%peer, "a machine that is not in `allow_from` was turned away");
            return;
        };
        // Of the highest level, so that it names the session at any level of the log.
        let span = tracing::error_span!("session", id = context.id, kind = service.protocol.key());
        tokio::spawn(accepted(stream, service, context).instrument(span));
    })
}

/// Where a client is. One of this machine may come to the address that other machines use; then it
/// comes from that address.
fn origin(stream: &TcpStream, peer: SocketAddr) -> IpAddr {
    match stream.local_addr() {
        Ok(here) if here.ip() == peer.ip() => Ipv4Addr::LOCALHOST.into(),
        _ => peer.ip().to_canonical(),
    }
}

async fn accepted(stream: TcpStream, service: MailService, context: Context) {
    if let Err(error) = set_socket_options(&stream) {
        tracing::debug!("the client is gone already ({error})");
        return;
    }
    tracing::debug!(
        peer = stream.peer_addr().ok().map(|peer| peer.to_string()),
        "client connected"
    );
    serve(ClientStream::new(stream, service.protocol), service, context).await;
}

/// Serves a client, if there is room for it.
pub(super) async fn serve(mut stream: ClientStream, service: MailService, context: Context) {
    let protocol = service.protocol;
    // Under TLS these words would be none.
    let can_be_told = !service.implicit_tls;
    let (_seat, place) = match room(&context).await {
        Ok(room) => room,
        Err(full) => {
            if context.entrance.told_turned_away.is_due() {
                tracing::error!("a client is turned away: {full}");
            }
            if can_be_told {
                one_too_many(&mut stream, protocol).await;
            }
            return;
        }
    };
    if service.implicit_tls {
        match place.hold(begin_with_tls(&mut stream, &context, protocol)).await {
            Some(true) => place.heard(),
            Some(false) => return,
            None => return context.tell_sent_away(),
        }
    }
    match protocol {
        Protocol::Imap => imap::serve(stream, context, place).await,
        Protocol::Smtp => smtp::serve(stream, context, place).await,
    }
}

/// Why there is no room for a client.
#[derive(Debug, thiserror::Error)]
enum Full {
    #[error("{0}")]
    Seats(Limits),
    #[error("too many others have not signed on")]
    Places,
}

/// Room for one more client: a seat for its session, and a place until it has signed on.
async fn room(context: &Context) -> Result<(Seat, Seated), Full> {
    let seat = seat(context).await.map_err(Full::Seats)?;
    let place = context.entrance.places.take(context.peer).ok_or(Full::Places)?;
    Ok((seat, place))
}

/// A seat for the session. Where none is left, one that has not signed on leaves its own.
async fn seat(context: &Context) -> Result<Seat, Limits> {
    let seat = context.capacity.seat();
    if seat.is_err() && context.entrance.places.send_one_away(context.peer) {
        return context.capacity.seat_soon().await;
    }
    seat
}

/// Begins TLS with the first byte; false if there is nothing more to do with the client. One that
/// speaks first without TLS, or waits for a greeting, is told what to change.
async fn begin_with_tls(stream: &mut ClientStream, context: &Context, protocol: Protocol) -> bool {
    let mut stopping = context.stopping.clone();
    let is_tls = tokio::select! {
        first = timeout(TLS_BEGINS, stream.begins_with_tls()) => first.unwrap_or(Ok(false)),
        _ = stopping.wait_for(|stopping| *stopping) => return false,
    };
    match is_tls {
        Ok(true) => context.begin_tls(stream, protocol).await,
        Ok(false) => {
            let words = Goodbye::NeedsTls(protocol);
            tracing::warn!("a client was turned away: {words}");
            say_goodbye(stream, &protocol.goodbye(words)).await;
            false
        }
        Err(_) => false,
    }
}
