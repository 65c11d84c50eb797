//! The IMAP server: Gmail's dialogue over implicit TLS, and what can go wrong with it.

mod append;
mod command;
mod fetch;
mod folders;
mod mime;
mod parse;
mod search;
mod selected;
mod session;
mod sign_on;
mod store;
mod structure;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsAcceptor;

use super::{
    authorization::Authorization,
    certificates::Certificates,
    control::{Counted, HANDSHAKE_PATIENCE, Order, Orders},
    faults::{Faults, Times},
    listening::Listening,
    mailbox::Mailboxes,
    record::{Records, SessionRecord},
    sync::lock,
    wire::Wire,
};

/// Before sign-on. With [`AFTER_SIGN_ON`], from a transcript of 2024.
const BEFORE_SIGN_ON: &str = "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN \
    X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 AUTH=PLAIN AUTH=PLAIN-CLIENTTOKEN AUTH=OAUTHBEARER";

const AFTER_SIGN_ON: &str = "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN \
    X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED \
    LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584";

/// The running IMAP server. Clones are handles on the same one; it stops when the last is dropped.
#[derive(Clone)]
pub struct Imap(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    listening: Listening,
}

/// What all sessions share.
struct Shared {
    authorization: Authorization,
    mailboxes: Mailboxes,
    records: Records,
    settings: Mutex<Settings>,
    orders: Orders,
    connections: AtomicUsize,
    live_sessions: AtomicUsize,
    sign_ons: AtomicUsize,
}

struct Settings {
    refusals: Faults<String>,
    greeting: Option<String>,
    /// A session's last words where not Gmail's usual ones, without CRLF.
    farewell: Option<String>,
    hidden: HashSet<String>,
    connection_limit: Option<usize>,
    sessions_end_with_token: bool,
}

/// What a command that failed is answered with.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    No(String),
    Bad(String),
}

impl Imap {
    /// Starts a server on 127.0.0.1; port 0 is any free one. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the port can't be bound.
    pub async fn start(
        port: u16,
        certificates: &Certificates,
        authorization: Authorization,
        mailboxes: Mailboxes,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            authorization,
            mailboxes,
            records: Records::default(),
            settings: Mutex::new(Settings {
                refusals: Faults::default(),
                greeting: None,
                farewell: None,
                hidden: HashSet::new(),
                connection_limit: None,
                sessions_end_with_token: true,
            }),
            orders: Orders::default(),
            connections: AtomicUsize::new(0),
            live_sessions: AtomicUsize::new(0),
            sign_ons: AtomicUsize::new(0),
        });
        let tls = TlsAcceptor::from(certificates.server_config());
        let server = Arc::clone(&shared);
        let serve = move |tcp| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(serve(tcp, tls.clone(), Arc::clone(&server)))
        };
        let listening = Listening::start(port, Arc::new(serve)).await?;
        Ok(Self(Arc::new(Handle { shared, listening })))
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.0.listening.address()
    }

    /// Stops listening and drops every connection without a word. Returns once that is done.
    pub async fn stop(&self) {
        self.0.listening.stop().await;
    }

    /// Listens again on the same port.
    ///
    /// # Errors
    /// If the port has been taken meanwhile.
    pub async fn restart(&self) -> io::Result<()> {
        self.0.listening.restart().await
    }

    /// Ends every session as Gmail does after about an hour: `* BYE Session expired, please login
    /// again.`, between two answers, and a close.
    pub fn expire_sessions(&self) {
        self.0.shared.orders.give(Order::Expire);
    }

    /// Ends every session in the same way with other words, without CRLF.
    pub fn end_sessions(&self, farewell: &str) {
        lock(&self.0.shared.settings).farewell = Some(farewell.to_owned());
        self.0.shared.orders.give(Order::Expire);
    }

    /// Resets every connection (RST), whatever it is doing.
    pub fn reset_connections(&self) {
        self.0.shared.orders.give(Order::Reset);
    }

    /// Refuses sign-ons, good tokens included, with a tagged answer such as
    /// `NO [ALERT] Too many simultaneous connections. (Failure)`. Lines that begin with `* ` come
    /// before it, untagged; if the last line does, the connection closes after it.
    pub fn refuse_sign_on(&self, text: &str, times: Times) {
        lock(&self.0.shared.settings).refusals.add(text.to_owned(), times);
    }

    /// Ends what [`refuse_sign_on`](Self::refuse_sign_on) began.
    pub fn clear_faults(&self) {
        lock(&self.0.shared.settings).refusals.clear();
    }

    /// The greeting of new connections, without CRLF; `None`: Gmail's. After a `* BYE` the
    /// connection closes.
    pub fn set_greeting(&self, greeting: Option<&str>) {
        lock(&self.0.shared.settings).greeting = greeting.map(str::to_owned);
    }

    /// Leaves a capability out of what is advertised, before and after sign-on.
    pub fn hide_capability(&self, name: &str) {
        lock(&self.0.shared.settings).hidden.insert(name.to_ascii_uppercase());
    }

    /// More signed-on sessions than this are refused as Gmail refuses its sixteenth; `None`, as at
    /// first: no limit.
    pub fn set_connection_limit(&self, limit: Option<usize>) {
        lock(&self.0.shared.settings).connection_limit = limit;
    }

    /// Whether a session signed on from now on ends with its access token's life, as at Gmail; at
    /// first it does.
    pub fn set_sessions_end_with_token(&self, on: bool) {
        lock(&self.0.shared.settings).sessions_end_with_token = on;
    }

    /// Connections that are open now, signed on or not.
    pub fn connections(&self) -> usize {
        self.0.shared.connections.load(Ordering::SeqCst)
    }

    /// Signed-on sessions that are open now.
    pub fn live_sessions(&self) -> usize {
        self.0.shared.live_sessions.load(Ordering::SeqCst)
    }

    /// Successful sign-ons so far.
    pub fn sign_ons(&self) -> usize {
        self.0.shared.sign_ons.load(Ordering::SeqCst)
    }

    /// Connections accepted so far, those whose handshake failed left out.
    pub fn connections_so_far(&self) -> usize {
        self.0.shared.records.count()
    }

    /// The lines that the sessions received, the oldest session first.
    pub fn last_client_lines(&self) -> Vec<SessionRecord> {
        self.0.shared.records.all()
    }
}

impl Shared {
    fn capabilities(&self, signed_on: bool) -> String {
        let all = if signed_on { AFTER_SIGN_ON } else { BEFORE_SIGN_ON };
        let settings = lock(&self.settings);
        let shown = all.split(' ').filter(|name| !settings.hidden.contains(*name));
        shown.collect::<Vec<_>>().join(" ")
    }
}

async fn serve(tcp: TcpStream, tls: TlsAcceptor, shared: Arc<Shared>) {
    let mut ear = shared.orders.hear();
    let Ok(Ok(stream)) = timeout(HANDSHAKE_PATIENCE, tls.accept(tcp)).await else {
        return;
    };
    let _open = Counted::one(&shared.connections);
    let mut wire = Wire::new(stream);
    let ended = {
        let mut session = session::Session::new(&mut wire, &shared);
        tokio::select! {
            ended = session.run() => Some(ended),
            () = ear.wait_for(Order::Reset) => None,
        }
    };
    match ended {
        None => wire.reset(),
        Some(ended) => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a demo IMAP session broke off");
            }
            wire.close().await;
        }
    }
}
