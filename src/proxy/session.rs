//! What the sessions of both protocols have in common.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use zeroize::Zeroizing;

use super::capacity::Capacity;
use super::client_stream::ClientStream;
use super::entrance::{Denied, Entrance};
use super::member::Member;
use super::places::Seated;
use super::relay::End;
use super::trouble::{Goodbye, Protocol, Trouble, hint, no_tls, signed};
use crate::certificate::Acceptor;
use crate::protocol::intruder::Intruder;
use crate::protocol::sasl::Credentials;
use crate::protocol::{Dialogue, StartTls};
use crate::upstream::Stream;

/// How long a client may be silent before it has signed on. RFC 9051 §5.4 asks for 30 minutes after
/// it only; Dovecot gives three here, and Outlook asks its person for a password meanwhile.
const SILENCE: Duration = Duration::from_secs(180);
/// How long a sign-on may take in all, however its bytes dribble in.
const SIGN_ON_IN_ALL: Duration = Duration::from_secs(300);
/// How long a TLS handshake may take: a scanner's processor is slow.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long a client may take to read the last words.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a client that is one too many has for the one line that tells it so.
const ONE_LINE: Duration = Duration::from_millis(500);
/// How long the provider may take to close.
const CLOSING: Duration = Duration::from_millis(500);

/// What a session gets at its birth.
pub(super) struct Context {
    pub(super) entrance: Arc<Entrance>,
    pub(super) stopping: watch::Receiver<bool>,
    /// Names the session in the log.
    pub(super) id: u64,
    /// How many sessions there can be.
    pub(super) capacity: Arc<Capacity>,
    /// Counts the machine's awakenings.
    pub(super) woke: watch::Receiver<u64>,
    /// Where the client is.
    pub(super) peer: IpAddr,
    /// What TLS with the client would be accepted with.
    pub(super) tls: Option<Arc<Acceptor>>,
    /// Held as long as the session lives, so that the server knows when all have ended.
    pub(super) _alive: Option<mpsc::Sender<()>>,
}

impl Context {
    /// Checks a user name and a password. What a wrong one costs, it costs here; an empty one, which some
    /// mail programs try first, costs nothing.
    pub(super) async fn admit(
        &self,
        credentials: Credentials,
        place: &Seated,
    ) -> Result<Arc<Member>, Denied> {
        let begun = Instant::now();
        let is_empty = credentials.password.is_empty();
        place.waits();
        let admitted = self.entrance.admit(credentials, self.peer).await;
        match admitted {
            Ok(_) => place.let_in(),
            Err(_) => place.heard(),
        }
        if matches!(admitted, Err(Denied::Wrong)) && !is_empty {
            sleep_until(begun + self.entrance.patience.wrong(self.peer)).await;
        }
        admitted
    }

    /// Whether TLS may begin on this connection, or must.
    pub(super) fn start_tls(&self, stream: &ClientStream) -> StartTls {
        match &self.tls {
            _ if stream.is_tls() => StartTls::NotOffered,
            _ if !self.peer.is_loopback() => StartTls::Required,
            // To a client that would refuse the certificate the offer is a trap.
            Some(acceptor) if acceptor.is_trusted() => StartTls::Offered,
            _ => StartTls::NotOffered,
        }
    }

    /// Begins TLS with the client; false if there is nothing more to do with it.
    pub(super) async fn begin_tls(&self, stream: &mut ClientStream, protocol: Protocol) -> bool {
        let acceptor = match (&self.tls, protocol) {
            (Some(acceptor), Protocol::Imap) => acceptor.imap(),
            (Some(acceptor), Protocol::Smtp) => acceptor.smtp(),
            (None, _) => return false,
        };
        let mut stopping = self.stopping.clone();
        let begun = tokio::select! {
            begun = timeout(HANDSHAKE, stream.begin_tls(acceptor)) => begun,
            _ = stopping.wait_for(|stopping| *stopping) => return false,
        };
        match begun.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("{}", no_tls(&error));
                false
            }
        }
    }

    /// Gives the reason once the proxy stops or the account is forgotten.
    pub(super) async fn leave(&self, member: &Member) -> String {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => Goodbye::Stopping.to_string(),
            () = member.gone() => Goodbye::SignedOut.to_string(),
        }
    }
}

/// A client's password is right, and it can't be served; what is the matter is told when it is turned
/// away.
pub(super) fn not_served(member: &Member, trouble: Trouble) -> Denied {
    tracing::info!(account = %member.account.address(), "the password is right, but there is trouble");
    Denied::Trouble(trouble)
}

/// A client that has not signed on yet.
pub(super) struct Client<'c> {
    stream: &'c mut ClientStream,
    buffer: Zeroizing<Vec<u8>>,
    until: Instant,
}

/// What came of waiting for a client.
pub(super) enum Read<'b> {
    Bytes(&'b [u8]),
    /// It closed, or broke.
    Gone,
    /// It was silent for too long.
    Silent,
    /// The proxy is stopping.
    Stopping,
    /// The moment that was asked for has come.
    Due,
}

impl<'c> Client<'c> {
    pub(super) fn new(stream: &'c mut ClientStream) -> Self {
        let until = Instant::now() + SIGN_ON_IN_ALL;
        Self { stream, buffer: Zeroizing::new(vec![0; 1024]), until }
    }

    /// See [`Context::start_tls`].
    pub(super) fn start_tls(&self, context: &Context) -> StartTls {
        context.start_tls(self.stream)
    }

    /// Answers STARTTLS and begins TLS; false if there is nothing more to do with the client.
    pub(super) async fn begin_tls(
        &mut self,
        context: &Context,
        protocol: Protocol,
        answer: &[u8],
    ) -> bool {
        self.send(answer).await.is_ok() && context.begin_tls(self.stream, protocol).await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        let sent = timeout(SILENCE, sending).await;
        sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Waits for bytes, or until `due`.
    pub(super) async fn read(&mut self, context: &Context, due: Option<Instant>) -> Read<'_> {
        let mut stopping = context.stopping.clone();
        tokio::select! {
            read = self.stream.read(&mut self.buffer) => match read {
                Ok(0) | Err(_) => Read::Gone,
                Ok(length) => Read::Bytes(&self.buffer[..length]),
            },
            _ = stopping.wait_for(|stopping| *stopping) => Read::Stopping,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Read::Due,
            () = sleep_until(self.until.min(Instant::now() + SILENCE)) => Read::Silent,
        }
    }

    /// Sends the last words and closes in a way that lets them arrive.
    pub(super) async fn close(self, words: &[u8]) {
        say_goodbye(self.stream, words).await;
    }
}

/// Sends the last words, shuts the writing side, and waits a moment for the client to go: a close
/// with unread bytes would reset the connection and the words with it.
pub(super) async fn say_goodbye(stream: &mut ClientStream, words: &[u8]) {
    let _ = timeout(LAST_WORDS, async {
        stream.write_all(words).await?;
        stream.shutdown().await?;
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    })
    .await;
}

/// Logs how a relayed session ended, and closes both of its connections in order.
pub(super) async fn finish(
    context: &Context,
    protocol: Protocol,
    member: &Member,
    end: &End,
    dialogue: &impl Dialogue,
    client: &mut ClientStream,
    mut upstream: Stream,
) {
    let words = match end {
        End::ClientLeft | End::Held | End::Due => None,
        End::UpstreamLeft => Some(signed(Goodbye::ServerClosed, context.id)),
        End::Lost(why) => Some(signed(Goodbye::ServerLost(why), context.id)),
        End::Stopped(violation) => Some(signed(Goodbye::Broken(*violation), context.id)),
        End::Leaving(words) => Some(words.clone()),
    };
    tracing::info!(
        account = %member.account.address(),
        why = ?end,
        server = dialogue.server_farewell().map(|said| said.text.as_str()),
        "session ended"
    );
    if let (End::UpstreamLeft | End::Lost(_), Some(said)) = (end, dialogue.server_farewell()) {
        member.told_goodbye(protocol, said);
    }
    match end {
        End::Lost(why) => member.news.session_ended(protocol, why),
        End::Stopped(violation) => member.news.session_ended(protocol, &violation.to_string()),
        _ => {}
    }
    let farewell = words.and_then(|words| dialogue.farewell(&words)).unwrap_or_default();
    let close_upstream = timeout(CLOSING, upstream.shutdown());
    let _ = tokio::join!(say_goodbye(client, &farewell), close_upstream);
}

/// Tells a client that there are too many already. It isn't waited for: the next one is.
pub(super) async fn one_too_many(stream: &mut ClientStream, protocol: Protocol) {
    let words = protocol.goodbye(Goodbye::TooMany);
    let _ = timeout(ONE_LINE, stream.write_all(&words)).await;
}

/// Tells a client that has not signed on that another needs its place.
pub(super) async fn make_room(stream: &mut ClientStream, protocol: Protocol) {
    tracing::warn!("too many clients that have not signed on; this one was silent for the longest");
    one_too_many(stream, protocol).await;
}

/// Why a client goes before it has signed on.
pub(super) enum TurnedAway {
    /// It said goodbye itself, or broke a rule; `why` is for the log.
    Answered { reply: Vec<u8>, why: Option<String> },
    /// It is no mail client.
    Intruder(Intruder),
    /// It may be right and can't be served.
    Trouble(Trouble),
    /// It was silent for too long.
    Silent,
    /// The proxy is stopping.
    Stopping,
}

impl Client<'_> {
    /// Tells the client and the log, and closes.
    pub(super) async fn turn_away(self, context: &Context, protocol: Protocol, why: TurnedAway) {
        let name = protocol.name();
        let words = match why {
            TurnedAway::Answered { reply, why } => {
                if let Some(why) = why {
                    tracing::warn!("an {name} client was turned away: {why}");
                }
                reply
            }
            TurnedAway::Intruder(intruder) => {
                tracing::warn!("{}", hint(intruder, protocol));
                protocol.goodbye(Goodbye::OtherProtocol(protocol))
            }
            TurnedAway::Trouble(trouble) => {
                tracing::warn!("{trouble}");
                trouble.words(protocol, context.id)
            }
            TurnedAway::Silent => protocol.goodbye(Goodbye::Silent),
            TurnedAway::Stopping => protocol.goodbye(Goodbye::Stopping),
        };
        self.close(&words).await;
    }
}
