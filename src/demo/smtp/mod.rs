//! The SMTP server: Gmail's dialogue, on a port with implicit TLS and on one with STARTTLS, and what
//! can go wrong with it.

mod command;
mod session;
mod sign_on;
#[cfg(test)]
mod tests;
mod transaction;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsAcceptor;

use self::session::{End, Session};
use super::{
    authorization::Authorization,
    certificates::Certificates,
    control::{Counted, HANDSHAKE_PATIENCE, Order, Orders},
    faults::{Faults, Times},
    listening::Listening,
    mailbox::Mailboxes,
    record::{Records, SessionRecord},
    sync::lock,
    wire::{Stream, Wire},
};

/// What SIZE says.
const SIZE_LIMIT: usize = 35_882_577;

/// How many transactions are remembered; the oldest gives way.
const TRANSACTIONS: usize = 100;

/// How a port is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte, as on port 465.
    Tls,
    /// Plain at first, TLS after STARTTLS, as on port 587.
    StartTls,
}

/// Where in the dialogue something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// AUTH, with a good token.
    SignOn,
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA.
    Data,
    /// The message, after its last byte.
    Message,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Who had signed on.
    pub user: String,
    /// The reverse-path of MAIL, without the angle brackets.
    pub sender: String,
    /// What followed it on the line: `SIZE=…`, `BODY=8BITMIME`, …
    pub parameters: Vec<String>,
    /// The forward-paths of RCPT, without the angle brackets.
    pub recipients: Vec<String>,
    /// The message, dots unstuffed.
    pub bytes: Vec<u8>,
}

/// The running SMTP server. Clones are handles on the same one; it stops when the last is dropped.
#[derive(Clone)]
pub struct Smtp(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    tls: Listening,
    starttls: Listening,
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
    transactions: Mutex<VecDeque<Transaction>>,
}

struct Settings {
    refusals: HashMap<Stage, Faults<String>>,
    greeting: Option<String>,
    hidden: HashSet<String>,
    size_limit: usize,
}

impl Smtp {
    /// Starts a server on two ports of 127.0.0.1, one of each kind; port 0 is any free one. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// If a port can't be bound.
    pub async fn start(
        ports: [(Security, u16); 2],
        certificates: &Certificates,
        authorization: Authorization,
        mailboxes: Mailboxes,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            authorization,
            mailboxes,
            records: Records::default(),
            settings: Mutex::new(Settings {
                refusals: HashMap::new(),
                greeting: None,
                hidden: HashSet::new(),
                size_limit: SIZE_LIMIT,
            }),
            orders: Orders::default(),
            connections: AtomicUsize::new(0),
            live_sessions: AtomicUsize::new(0),
            sign_ons: AtomicUsize::new(0),
            transactions: Mutex::default(),
        });
        let acceptor = TlsAcceptor::from(certificates.server_config());
        let listen = |security| {
            let port = ports
                .iter()
                .find(|(of, _)| *of == security)
                .map_or(0, |(_, port)| *port);
            let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
            let serve = move |tcp| -> Pin<Box<dyn Future<Output = ()> + Send>> {
                Box::pin(serve(tcp, security, acceptor.clone(), Arc::clone(&shared)))
            };
            Listening::start(port, Arc::new(serve))
        };
        let tls = listen(Security::Tls).await?;
        let starttls = listen(Security::StartTls).await?;
        Ok(Self(Arc::new(Handle {
            shared,
            tls,
            starttls,
        })))
    }

    /// The address with implicit TLS.
    pub fn address(&self) -> SocketAddr {
        self.0.tls.address()
    }

    /// The address with STARTTLS.
    pub fn starttls_address(&self) -> SocketAddr {
        self.0.starttls.address()
    }

    /// Stops listening and drops every connection without a word. Returns once that is done.
    pub async fn stop(&self) {
        self.0.tls.stop().await;
        self.0.starttls.stop().await;
    }

    /// Listens again on the same ports.
    ///
    /// # Errors
    /// If one of them has been taken meanwhile.
    pub async fn restart(&self) -> io::Result<()> {
        self.0.tls.restart().await?;
        self.0.starttls.restart().await
    }

    /// Ends every session with `451 4.4.2 Timeout - closing connection.`, between two replies.
    pub fn expire_sessions(&self) {
        self.0.shared.orders.give(Order::Expire);
    }

    /// Resets every connection (RST), whatever it is doing.
    pub fn reset_connections(&self) {
        self.0.shared.orders.give(Order::Reset);
    }

    /// Refuses what would have gone well, with this reply: its lines without CRLF, parted by `\n`.
    /// After a 421 the connection closes.
    pub fn refuse(&self, stage: Stage, reply: &str, times: Times) {
        let mut settings = lock(&self.0.shared.settings);
        settings
            .refusals
            .entry(stage)
            .or_default()
            .add(reply.to_owned(), times);
    }

    /// [`refuse`](Self::refuse) at [`Stage::SignOn`].
    pub fn refuse_sign_on(&self, reply: &str, times: Times) {
        self.refuse(Stage::SignOn, reply, times);
    }

    /// Ends every refusal.
    pub fn clear_faults(&self) {
        lock(&self.0.shared.settings).refusals.clear();
    }

    /// The greeting of new connections, without CRLF; `None`: Gmail's. After one that doesn't begin
    /// with 220 the connection closes.
    pub fn set_greeting(&self, greeting: Option<&str>) {
        lock(&self.0.shared.settings).greeting = greeting.map(str::to_owned);
    }

    /// Leaves a keyword out of the answer to EHLO.
    pub fn hide_capability(&self, keyword: &str) {
        lock(&self.0.shared.settings)
            .hidden
            .insert(keyword.to_ascii_uppercase());
    }

    /// The largest message, in bytes, that SIZE promises.
    pub fn set_size_limit(&self, bytes: usize) {
        lock(&self.0.shared.settings).size_limit = bytes;
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

    /// Connections served so far.
    pub fn connections_so_far(&self) -> usize {
        self.0.shared.records.count()
    }

    /// The lines that the sessions received, the oldest session first.
    pub fn last_client_lines(&self) -> Vec<SessionRecord> {
        self.0.shared.records.all()
    }

    /// The messages taken, the oldest first.
    pub fn transactions(&self) -> Vec<Transaction> {
        lock(&self.0.shared.transactions).iter().cloned().collect()
    }
}

impl Shared {
    /// The refusal that is due at this stage.
    fn refusal(&self, stage: Stage) -> Option<String> {
        lock(&self.settings).refusals.get_mut(&stage)?.take()
    }

    fn remember(&self, transaction: Transaction) {
        let mut transactions = lock(&self.transactions);
        if transactions.len() >= TRANSACTIONS {
            transactions.pop_front();
        }
        transactions.push_back(transaction);
    }
}

async fn serve(tcp: TcpStream, security: Security, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let tls = match security {
        Security::Tls => timeout(HANDSHAKE_PATIENCE, acceptor.accept(tcp)).await,
        Security::StartTls => {
            let _open = Counted::one(&shared.connections);
            let number = shared.records.open();
            let Some(tcp) = converse(Wire::new(tcp), false, number, &shared).await else {
                return;
            };
            let Ok(Ok(tls)) = timeout(HANDSHAKE_PATIENCE, acceptor.accept(tcp)).await else {
                return;
            };
            converse(Wire::new(tls), true, number, &shared).await;
            return;
        }
    };
    if let Ok(Ok(tls)) = tls {
        let _open = Counted::one(&shared.connections);
        let number = shared.records.open();
        converse(Wire::new(tls), false, number, &shared).await;
    }
}

/// Speaks SMTP to the end, or to the point where TLS begins: then the stream comes back.
async fn converse<S: Stream + 'static>(
    mut wire: Wire<S>,
    after_starttls: bool,
    number: usize,
    shared: &Shared,
) -> Option<S> {
    let mut ear = shared.orders.hear();
    let ended = {
        let is_tls = std::any::TypeId::of::<S>() != std::any::TypeId::of::<TcpStream>();
        let mut session = Session::new(&mut wire, shared, number, is_tls);
        tokio::select! {
            ended = session.run(!after_starttls) => Some(ended),
            () = ear.wait_for(Order::Reset) => None,
        }
    };
    match ended {
        None => wire.reset(),
        Some(Ok(End::StartTls)) => return Some(wire.into_stream()),
        Some(Ok(End::Close)) => wire.close().await,
        Some(Err(error)) => {
            tracing::debug!(%error, "a demo SMTP session broke off");
            wire.close().await;
        }
    }
    None
}
