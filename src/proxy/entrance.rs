//! Who is this, and a signed-on connection to the provider for them.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::budget::Place;
use super::continuity::Leg;
use super::household::Household;
use super::member::Member;
use super::patience::Patience;
use super::places::Places;
use super::slow_checks::SlowChecks;
use super::told::Told;
use super::trouble::{Protocol, Trouble};
use crate::accounts::{Account, Address, CheckError};
use crate::protocol::sasl::Credentials;
use crate::protocol::smtp::Extensions;
use crate::protocol::wire_log;
use crate::settings::Settings;
use crate::token::TokenUse;
use crate::upstream::{ImapSession, SmtpGreeted, SmtpSession, Stream, UpstreamError};

/// Mail clients give up on a LOGIN after a minute; Outlook does by default. This leaves them time
/// to read the answer, and to wait for a slow check before.
const SIGN_ON_DEADLINE: Duration = Duration::from_secs(48);
/// A connection serves for so long, even with a token that ends at once: no session may do nothing but
/// change them.
const LEAST_SERVICE: Duration = Duration::from_secs(2);
/// Connections to the provider for clients that have not signed on: silent sockets must not
/// become many handshakes with it.
const AHEAD: usize = 4;
/// How long such a connection is kept for its client.
pub(super) const AHEAD_LIFE: Duration = Duration::from_secs(10);
/// How long an EHLO may wait for the provider's; then what is known must do.
const HELLO_PATIENCE: Duration = Duration::from_secs(4);
/// How long a provider's list of extensions is taken for true.
const EXTENSIONS_LIFE: Duration = Duration::from_secs(600);

/// What every session needs to let its client in.
pub(super) struct Entrance {
    pub(super) household: Household,
    settings: watch::Receiver<Arc<Settings>>,
    pub(super) places: Places,
    pub(super) told_sent_away: Told,
    pub(super) told_turned_away: Told,
    ahead: Arc<Semaphore>,
    slow_checks: SlowChecks,
    pub(super) patience: Patience,
    extensions: Mutex<Option<(Instant, Extensions)>>,
}

/// Why a client isn't let in.
pub(super) enum Denied {
    /// Its user name or its password is wrong.
    Wrong,
    /// It may be right and can't be served.
    Trouble(Trouble),
}

/// A connection that was opened before its client signed on.
pub(super) struct Ahead {
    /// What the client was called then: under STARTTLS that is forgotten (RFC 3207 §4.2).
    client_name: String,
    greeted: SmtpGreeted,
    opened: Instant,
    _permit: OwnedSemaphorePermit,
}

/// A signed-on IMAP connection and its place in the account's budget.
pub(super) struct OpenImap {
    pub(super) leg: Leg<Stream>,
    /// What the provider said for the person, each a whole line.
    pub(super) notices: Vec<Vec<u8>>,
    pub(super) place: Place,
}

impl Entrance {
    pub(super) fn new(household: Household, settings: watch::Receiver<Arc<Settings>>) -> Self {
        Self {
            household,
            settings,
            places: Places::default(),
            told_sent_away: Told::default(),
            told_turned_away: Told::default(),
            ahead: Arc::new(Semaphore::new(AHEAD)),
            slow_checks: SlowChecks::default(),
            patience: Patience::default(),
            extensions: Mutex::new(None),
        }
    }

    /// The settings now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// Checks a user name and a local password, which came from there.
    pub(super) async fn admit(
        &self,
        credentials: Credentials,
        peer: IpAddr,
    ) -> Result<Arc<Member>, Denied> {
        let storage = |error: CheckError| {
            tracing::error!("{error}");
            Denied::Trouble(Trouble::storage(&error))
        };
        let found = self.household.find(&credentials.user);
        let Some(member) = found.map_err(|error| storage(error.into()))? else {
            tracing::info!(user = shown(&credentials.user), "there is no such account");
            return Err(Denied::Wrong);
        };
        let account = member.account.clone();
        tracing::trace!(target: wire_log::TARGET, account = %account.address(), "asked for");
        if member.takes_pass(&credentials.password) {
            return Ok(member);
        }
        let is_empty = credentials.password.is_empty();
        let checked = if account.is_slow() {
            let Some(turn) = self.slow_checks.turn(peer).await else {
                return Err(Denied::Trouble(Trouble::too_many_checks()));
            };
            turn.run(move || check(&account, &credentials)).await.unwrap_or(Err(CheckError::Wrong))
        } else {
            check(&account, &credentials)
        };
        match checked {
            Ok(()) => {
                member.news.right_password();
                self.household.signed_on(&member);
                Ok(member)
            }
            Err(CheckError::Wrong) => {
                tracing::info!(account = %member.account.address(), "wrong local password");
                // Some mail programs try an empty one first.
                if !is_empty {
                    member.news.wrong_password();
                }
                Err(Denied::Wrong)
            }
            Err(error) => Err(storage(error)),
        }
    }

    /// A signed-on IMAP connection for `member`, within a minute in any case.
    pub(super) async fn imap(&self, member: &Member) -> Result<OpenImap, Trouble> {
        let settings = self.settings();
        let opened = timeout(SIGN_ON_DEADLINE, async {
            let by = Instant::now() + settings.provider.connection_wait;
            let place = member.place(by).await?;
            let mut leave = member.backoff(Protocol::Imap).leave(by).await?;
            let mut turn = Turn::begin(member, &settings, None).await?;
            loop {
                match settings.upstream.imap(&turn.name, &turn.token.token).await {
                    Ok(session) => {
                        leave.granted();
                        let (leg, notices) = turn.leg(session);
                        return Ok(OpenImap { leg, notices, place });
                    }
                    Err(error) => {
                        leave.heard(&error);
                        if error.is_too_many_connections() {
                            // Another one may end meanwhile, a phone's or one of ours.
                            member.news.served(Protocol::Imap, Some(&Trouble::upstream(&error)));
                            drop(leave);
                            leave = member.backoff(Protocol::Imap).leave(by).await?;
                        } else {
                            turn.again(member, &settings, &error).await?;
                        }
                    }
                }
            }
        });
        outcome(member, Protocol::Imap, opened.await)
    }

    /// Another IMAP connection for a session that has one, or had one: its place is its own already.
    /// `newer` is the token by which the session lives now, if it is to live by another.
    pub(super) async fn another_imap(
        &self,
        member: &Member,
        newer: Option<u64>,
    ) -> Result<Leg<Stream>, Trouble> {
        let settings = self.settings();
        let opened = timeout(SIGN_ON_DEADLINE, async {
            let leave = member.backoff(Protocol::Imap).leave(Instant::now()).await?;
            let mut turn = Turn::begin(member, &settings, newer).await?;
            loop {
                match settings.upstream.imap(&turn.name, &turn.token.token).await {
                    Ok(session) => {
                        leave.granted();
                        return Ok(turn.leg(session).0);
                    }
                    Err(error) => {
                        leave.heard(&error);
                        turn.again(member, &settings, &error).await?;
                    }
                }
            }
        });
        outcome(member, Protocol::Imap, opened.await)
    }

    /// A signed-on submission connection for `member`, within a minute in any case.
    pub(super) async fn smtp(
        &self,
        member: &Member,
        client_name: &str,
        ahead: Option<Ahead>,
    ) -> Result<SmtpSession, Trouble> {
        let settings = self.settings();
        let mut ahead = ahead.filter(|ahead| {
            ahead.opened.elapsed() < AHEAD_LIFE && ahead.client_name == client_name
        });
        let opened = timeout(SIGN_ON_DEADLINE, async {
            let by = Instant::now() + settings.provider.connection_wait;
            let leave = member.backoff(Protocol::Smtp).leave(by).await?;
            let mut turn = Turn::begin(member, &settings, None).await?;
            loop {
                let kept = ahead.take();
                let was_kept = kept.is_some();
                let signed_on = match kept {
                    Some(kept) => kept.greeted.sign_on(&turn.name, &turn.token.token).await,
                    None => self.smtp_anew(&settings, client_name, &turn).await,
                };
                match signed_on {
                    Ok(session) => {
                        leave.granted();
                        return Ok(session);
                    }
                    // It may have died since it was opened: a new one is tried.
                    Err(UpstreamError::Closed { .. } | UpstreamError::Unreachable { .. })
                        if was_kept => {}
                    Err(error) => {
                        leave.heard(&error);
                        turn.again(member, &settings, &error).await?;
                    }
                }
            }
        });
        outcome(member, Protocol::Smtp, opened.await)
    }

    /// What the provider's submission server can do, for the answer to an EHLO, and the connection
    /// that was opened to find out.
    pub(super) async fn hello(&self, client_name: &str) -> (Extensions, Option<Ahead>) {
        if let Some(known) = self.remembered(EXTENSIONS_LIFE) {
            return (known, None);
        }
        let settings = self.settings();
        let asked = async {
            let permit = self.ahead.clone().acquire_owned().await.ok()?;
            let greeted = settings.upstream.smtp(client_name).await;
            let greeted = greeted.inspect_err(|error| tracing::debug!("{error}")).ok()?;
            let client_name = client_name.to_owned();
            Some(Ahead { client_name, greeted, opened: Instant::now(), _permit: permit })
        };
        match timeout(HELLO_PATIENCE, asked).await {
            Ok(Some(ahead)) => {
                let extensions = ahead.greeted.extensions.clone();
                self.remember(&extensions);
                (extensions, Some(ahead))
            }
            _ => {
                let preset = || Extensions::new(settings.provider.smtp_extensions.iter().copied());
                (self.remembered(Duration::MAX).unwrap_or_else(preset), None)
            }
        }
    }

    async fn smtp_anew(
        &self,
        settings: &Settings,
        client_name: &str,
        turn: &Turn,
    ) -> Result<SmtpSession, UpstreamError> {
        let greeted = settings.upstream.smtp(client_name).await?;
        self.remember(&greeted.extensions);
        greeted.sign_on(&turn.name, &turn.token.token).await
    }

    /// Forgets what is known of the provider's servers: the configuration has changed.
    pub(super) fn forget(&self) {
        *self.extensions.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// No turn is taken.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> Result<(), String> {
        let free = self.ahead.available_permits();
        if free != AHEAD || !self.slow_checks.are_at_rest() {
            return Err(format!("turns of the entrance: {free} ahead, {:?}", self.slow_checks));
        }
        self.household.all().iter().try_for_each(|member| member.is_at_rest())
    }

    fn remember(&self, extensions: &Extensions) {
        let mut known = self.extensions.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((Instant::now(), extensions.clone()));
    }

    fn remembered(&self, life: Duration) -> Option<Extensions> {
        let known = self.extensions.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|(since, _)| since.elapsed() < life).map(|(_, list)| list.clone())
    }
}

/// One client's sign-on at the provider: the name, and the token that is tried.
struct Turn {
    name: String,
    token: TokenUse,
    forced: bool,
}

impl Turn {
    async fn begin(
        member: &Member,
        settings: &Settings,
        newer: Option<u64>,
    ) -> Result<Self, Trouble> {
        let name = member.account.record().sign_in_name().to_owned();
        Ok(Self { name, token: member.token(settings, newer).await?, forced: false })
    }

    /// The connection that this sign-on gave, and what the provider said for the person. Sessions of
    /// one token part at moments of their own, so that many of them are no stampede.
    fn leg(&self, session: ImapSession) -> (Leg<Stream>, Vec<Vec<u8>>) {
        let TokenUse { version, left, ahead, .. } = self.token;
        let spread = ahead.mul_f64(f64::from(random()) / f64::from(u16::MAX) / 2.0);
        let serves = (left.saturating_sub(ahead) + spread).max(LEAST_SERVICE);
        let part_at = Instant::now() + serves;
        let ImapSession { stream, rest, capabilities, notices } = session;
        (Leg { stream, rest, capabilities, version, part_at }, notices)
    }

    /// What follows on an error: a refused token that looked alive is replaced once, for one more
    /// try on a new connection; anything else is the answer.
    async fn again(
        &mut self,
        member: &Member,
        settings: &Settings,
        error: &UpstreamError,
    ) -> Result<(), Trouble> {
        if self.forced || !matches!(error, UpstreamError::TokenRefused { .. }) {
            return Err(Trouble::upstream(error));
        }
        tracing::info!(account = %member.account.address(), "the provider refused a token that looked alive; getting another");
        self.token = member.token(settings, Some(self.token.version)).await?;
        self.forced = true;
        Ok(())
    }
}

/// Any number; the same one each time where there is no randomness.
fn random() -> u16 {
    #[cfg(test)]
    if let Some(seeded) = crate::tls::simulated::random() {
        return seeded;
    }
    let mut bytes = [0; 2];
    let _ = getrandom::fill(&mut bytes);
    u16::from_le_bytes(bytes)
}

fn outcome<T>(
    member: &Member,
    protocol: Protocol,
    opened: Result<Result<T, Trouble>, tokio::time::error::Elapsed>,
) -> Result<T, Trouble> {
    let opened = opened.unwrap_or_else(|_| Err(Trouble::no_answer()));
    member.note(protocol, opened.as_ref().err());
    opened
}

fn check(account: &Account, credentials: &Credentials) -> Result<(), CheckError> {
    account.sign_on(&credentials.password)?;
    match account.adopt_key_file() {
        Ok(true) => {
            tracing::info!(account = %account.address(), "the key file now opens this account")
        }
        Ok(false) => {}
        // It is for the next start; the client is served all the same.
        Err(error) => tracing::warn!("the key file can't be given to the account: {error}"),
    }
    Ok(())
}

/// A user name for the log. What isn't an address may be a password in the wrong field.
fn shown(user: &str) -> &str {
    if Address::parse(user).is_ok() { user } else { "(no address)" }
}
