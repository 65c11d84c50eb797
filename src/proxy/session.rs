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
        match &admitted {
            Ok(_) => place.let_in(),
            Err(Denied::Wrong) if !is_empty => {
                place.pauses(begun + self.entrance.patience.wrong(self.peer)).await;
            }
            Err(_) => place.heard(),
        }
        admitted
    }

    /// Tells the log that a client lost its place.
    pub(super) fn tell_sent_away(&self) {
        if self.entrance.told_sent_away.is_due() {
            tracing::warn!(
                "too many clients that have not signed on; another client needs this one's place"
            );
        }
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
    pub(super) async fn parting(&self, member: &Member) -> Goodbye<'static> {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => Goodbye::Stopping,
            () = member.gone() => Goodbye::SignedOut,
        }
    }

    /// [`Self::parting`], in words.
    pub(super) async fn leave(&self, member: &Member) -> String {
        self.parting(member).await.to_string()
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

/// Tells a client that has not signed on that it loses its place.
pub(super) async fn sent_away(stream: &mut ClientStream, context: &Context, protocol: Protocol) {
    context.tell_sent_away();
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::super::household::Household;
    use super::*;
    use crate::accounts::Keys;
    use crate::config::Home;
    use crate::settings::Settings;

    const CONFIG: &str =
        "[secrets]\nkeychain = \"off\"\n[provider.gmail]\nclient_id = \"of a test\"\n";

    #[tokio::test(start_paused = true)]
    async fn a_wrong_password_has_its_place_until_its_answer() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(folder.path()), None).unwrap();
        std::fs::write(home.config_file(), CONFIG).unwrap();
        let settings = Arc::new(Settings::load(&home, None).unwrap());
        let settings = watch::Sender::new(settings).subscribe();
        let keys = Keys { key_file: None, keychain: None };
        let household = Household::new(&home, keys, settings.clone(), Arc::default());
        let peer = IpAddr::from([192, 168, 1, 7]);
        let context = Context {
            entrance: Arc::new(Entrance::new(household, settings)),
            stopping: watch::Sender::new(false).subscribe(),
            id: 1,
            capacity: Arc::new(Capacity::raise()),
            woke: watch::Sender::new(0).subscribe(),
            peer,
            tls: None,
            _alive: None,
        };
        let places = &context.entrance.places;
        let all: Vec<_> = std::iter::from_fn(|| places.take(peer)).take(8).collect();
        let mut guessing = Box::pin(join_all(all.iter().map(|place| {
            let guess = Credentials::new(b"nobody@example.org", b"guess").unwrap();
            place.hold(context.admit(guess, place))
        })));
        assert!(guessing.as_mut().now_or_never().is_none());
        assert!(places.take(peer).is_none(), "one more guess");
        assert!(!places.send_one_away(peer));
        let answers = guessing.await;
        assert!(answers.iter().all(|it| matches!(it, Some(Err(Denied::Wrong)))));
        assert!(places.send_one_away(peer), "it is silent from now on");
    }
}
