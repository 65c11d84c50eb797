//! One account in use: its tokens, its connection budget, its counters, and what is told of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::budget::{Budget, Connections, Place};
use super::clock;
use super::continuity::{Continued, Continuity};
use super::events::Journal;
use super::inside::Pass;
use super::last_used::LastUsed;
use super::news::News;
use super::relay::Meter;
use super::standing::{Standing, Stands};
use super::traffic::{self, Hour, Hours, Traffic};
use super::trouble::{Protocol, Trouble};
use super::upkeep::{self, GrantFacts, Warning};
use crate::accounts::Account;
use crate::protocol::Farewell;
use crate::secret::LocalPassword;
use crate::settings::Settings;
use crate::token::{
    Cause, Lifecycle, Observer, TokenState, TokenUse, Trouble as TokenTrouble, Unstored,
};
use crate::upstream::Refusal;

/// An account that nobody used for this long lets its token end; the next sign-on gets another.
const KEEP_FRESH: Duration = Duration::from_secs(3600);
/// The longest sleep of the task that refreshes ahead: after the machine woke up, the clock that
/// stood still meanwhile is looked at within this.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Sessions of an account that change their connection at a time, each with one above the budget.
const SWAPS: usize = 1;
/// Sessions of an account that connect again at a time after a loss.
const RECONNECTS: usize = 3;
/// Passes of an account that are good at a time; a person runs one check, and perhaps a script another.
const PASSES: usize = 8;

/// One account in use.
pub(super) struct Member {
    pub(super) account: Arc<Account>,
    /// What of its fortunes was told.
    pub(super) news: Arc<News>,
    last_used: Arc<LastUsed>,
    tokens: Arc<Lifecycle>,
    budget: Arc<Budget>,
    /// What became of its sessions when their connections ended.
    pub(super) continuity: Continued,
    swaps: Semaphore,
    reconnects: Semaphore,
    imap_backoff: Backoff,
    smtp_backoff: Backoff,
    used: Mutex<Instant>,
    /// Wakes the task that refreshes ahead.
    token_came: Notify,
    imap_sessions: AtomicUsize,
    smtp_sessions: AtomicUsize,
    pub(super) imap_bytes: Hours,
    pub(super) smtp_bytes: Hours,
    /// Let the program's own mail clients in.
    passes: Mutex<Vec<Pass>>,
    standing: Arc<Standing>,
    /// The grant for which it was reconsidered last.
    considered: Mutex<String>,
    /// Set when the account is forgotten: its sessions end.
    gone: watch::Sender<bool>,
}

/// One live session of an account; dropping it counts it out.
pub(super) struct Presence {
    pub(super) member: Arc<Member>,
    protocol: Protocol,
}

/// Hears what becomes of its tokens.
struct Hears {
    account: Arc<Account>,
    news: Arc<News>,
    last_used: Arc<LastUsed>,
    standing: Arc<Standing>,
}

/// What `status` shows of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// As typed at login.
    pub address: String,
    /// `ready`, `locked`, `needs_sign_in`, `refreshing` or `unreachable`.
    pub state: String,
    /// What opens it: `password`, `key-file`, `keychain`.
    pub opens_with: Vec<String>,
    /// Seconds; `null` while there is no token.
    pub token_expires_in: Option<u64>,
    /// Unix seconds, for a grant that the provider limits (a Google client in Testing).
    pub grant_expires_at: Option<u64>,
    /// Live sessions.
    pub sessions: Sessions,
    /// IMAP connections to the provider.
    pub connections: Connections,
    /// What became of IMAP sessions whose connection to the provider ended.
    pub continuity: Continuity,
    /// Bytes since the start.
    pub bytes_down: u64,
    /// Bytes since the start.
    pub bytes_up: u64,
    /// Bytes since the start, by protocol.
    #[serde(default)]
    pub since_start: Traffic,
    /// Bytes in each of the last 24 hours, oldest first, the current one last.
    #[serde(default)]
    pub hours: Vec<Hour>,
    /// Their sum.
    #[serde(default)]
    pub today: Traffic,
    /// When a token was last obtained, in Unix seconds, also by an earlier run.
    #[serde(default)]
    pub last_used: Option<u64>,
    /// What went wrong, on either protocol, and has not gone right since: a sentence and what to do.
    pub trouble: Option<String>,
    /// What kind of trouble that is.
    #[serde(default)]
    pub stands: Option<Stands>,
}

/// Live sessions by protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// IMAP.
    pub imap: usize,
    /// SMTP.
    pub smtp: usize,
}

impl Member {
    pub(super) fn new(
        account: Arc<Account>,
        connections: Option<usize>,
        journal: Arc<Journal>,
        last_used: Arc<LastUsed>,
    ) -> Self {
        let news = Arc::new(News::new(journal, account.clone()));
        let standing = Arc::<Standing>::default();
        let hears = Hears {
            account: account.clone(),
            news: news.clone(),
            last_used: last_used.clone(),
            standing: standing.clone(),
        };
        Self {
            tokens: Arc::new(Lifecycle::new(account.clone(), Arc::new(hears))),
            account,
            news,
            last_used,
            budget: Arc::new(Budget::new(connections)),
            continuity: Continued::default(),
            swaps: Semaphore::new(SWAPS),
            reconnects: Semaphore::new(RECONNECTS),
            imap_backoff: Backoff::default(),
            smtp_backoff: Backoff::default(),
            used: Mutex::new(Instant::now()),
            token_came: Notify::new(),
            imap_sessions: AtomicUsize::new(0),
            smtp_sessions: AtomicUsize::new(0),
            imap_bytes: Hours::default(),
            smtp_bytes: Hours::default(),
            passes: Mutex::default(),
            standing,
            considered: Mutex::default(),
            gone: watch::Sender::new(false),
        }
    }

    /// A token that is good now; see [`Lifecycle::token`].
    pub(super) async fn token(
        &self,
        settings: &Settings,
        refused: Option<u64>,
    ) -> Result<TokenUse, Trouble> {
        let address = self.account.address().as_str();
        let Some(server) = &settings.server else {
            return Err(Trouble::no_client(address));
        };
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let token = self.tokens.token(server, refused).await;
        self.note_token();
        token.map_err(|trouble: TokenTrouble| Trouble::token(&trouble, address))
    }

    /// The life of its tokens.
    pub(super) fn tokens(&self) -> &Arc<Lifecycle> {
        &self.tokens
    }

    /// A token may have come, for the task that refreshes ahead.
    pub(super) fn note_token(&self) {
        self.token_came.notify_one();
    }

    /// Lets the program's own mail client in with this; another one may be under way with its own.
    pub(super) fn give_pass(&self, pass: Pass) {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        passes.retain(Pass::is_good);
        if passes.len() >= PASSES {
            passes.remove(0);
        }
        passes.push(pass);
    }

    /// True if this is a pass that was given and is still good.
    pub(super) fn takes_pass(&self, password: &LocalPassword) -> bool {
        let passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        passes.iter().any(|pass| pass.is(password))
    }

    /// A place for one more IMAP connection, within the account's budget, by `deadline`.
    pub(super) async fn place(&self, deadline: Instant) -> Result<Place, Trouble> {
        self.budget.place(deadline).await.ok_or_else(|| {
            Trouble::no_connection_left(self.budget.show().limit.unwrap_or_default())
        })
    }

    /// A turn to change a session's connection for another.
    pub(super) async fn swap(&self) -> Option<SemaphorePermit<'_>> {
        self.swaps.acquire().await.ok()
    }

    /// A turn to connect again after a loss.
    pub(super) async fn reconnect(&self) -> Option<SemaphorePermit<'_>> {
        self.reconnects.acquire().await.ok()
    }

    /// How patient the account has to be with a server of the provider's.
    pub(super) fn backoff(&self, protocol: Protocol) -> &Backoff {
        match protocol {
            Protocol::Imap => &self.imap_backoff,
            Protocol::Smtp => &self.smtp_backoff,
        }
    }

    /// Done once no token is being got.
    pub(super) async fn at_rest(&self) {
        self.tokens.at_rest().await;
    }

    /// Why its newest refresh token is in memory only, if it is.
    pub(super) fn unstored(&self) -> Option<Unstored> {
        self.tokens.unstored()
    }

    /// Counts a session in.
    pub(super) fn enter(self: &Arc<Self>, protocol: Protocol) -> Presence {
        self.counter(protocol).fetch_add(1, Ordering::Relaxed);
        Presence { member: self.clone(), protocol }
    }

    /// The provider has ended a session, and said why: a limit that was reached holds for the next
    /// sign-on as well.
    pub(super) fn told_goodbye(&self, protocol: Protocol, said: &Farewell) {
        let Some(refusal) = Refusal::read(&said.code, &said.text) else { return };
        let trouble = Trouble::farewell(&refusal);
        self.backoff(protocol).refused(&refusal, &trouble);
        self.note(protocol, Some(&trouble));
    }

    /// Keeps what went wrong for `status`; `None` once it went right.
    pub(super) fn note(&self, protocol: Protocol, trouble: Option<&Trouble>) {
        self.news.served(protocol, trouble);
        self.standing.note(protocol, self.account.record().grant_id(), trouble);
    }

    /// The account is forgotten: its sessions end.
    pub(super) fn leave(&self) {
        self.gone.send_replace(true);
    }

    /// Forgets failures: a person has done something about them.
    pub(super) fn reconsider(&self) {
        self.tokens.reconsider();
        self.imap_backoff.reconsider();
        self.smtp_backoff.reconsider();
    }

    /// True, once, if the account is new or has another grant than when this was asked last.
    pub(super) fn has_new_grant(&self) -> bool {
        let grant = self.account.record().grant_id().to_owned();
        let mut considered = self.considered.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *considered, grant.clone()) != grant
    }

    /// See [`Budget::set_limit`].
    pub(super) fn set_limit(&self, limit: Option<usize>) {
        self.budget.set_limit(limit);
    }

    /// Done when the account is forgotten.
    pub(super) async fn gone(&self) {
        let mut gone = self.gone.subscribe();
        // The sender lives as long as the member, so that this ends by the word alone.
        let _ = gone.wait_for(|gone| *gone).await;
    }

    /// What went wrong with one of the protocols and has not gone right since; the gravest.
    pub(super) fn standing(&self) -> Option<Trouble> {
        let Connections { in_use, limit, .. } = self.budget.show();
        let has_room = limit.is_none_or(|limit| in_use < limit);
        self.standing.gravest(self.account.record().grant_id(), has_room)
    }

    /// Why there will be no token before a person acts. A reload has it asked anew; until the answer
    /// comes, what is known of the present grant is shown.
    fn ended_by(&self) -> Option<Cause> {
        match self.tokens.show() {
            TokenState::NeedsSignIn(cause) => Some(cause),
            _ => self.news.ended_by(),
        }
    }

    pub(super) fn status(&self) -> AccountStatus {
        let record = self.account.record();
        let trouble = self.standing();
        // A limit of Gatepost's own says nothing of the provider.
        let is_away = trouble.as_ref().is_some_and(|trouble| !trouble.is_limit);
        let served = if is_away { "unreachable" } else { "ready" };
        let (state, expires_in, cause) = match (self.ended_by(), self.tokens.show()) {
            (Some(cause), _) | (None, TokenState::NeedsSignIn(cause)) => {
                ("needs_sign_in", None, Some(cause))
            }
            (None, TokenState::Unreachable(cause)) => ("unreachable", None, Some(cause)),
            (None, TokenState::Idle) if self.tokens.is_refreshing() => ("refreshing", None, None),
            (None, TokenState::Live(left)) => (served, Some(left), None),
            (None, TokenState::Idle) if self.account.is_locked() => ("locked", None, None),
            (None, TokenState::Idle) => (served, None, None),
        };
        let stands = match &cause {
            Some(cause) if cause.is_transient() => Some(Stands::Away),
            Some(_) => Some(Stands::NeedsPerson),
            None => trouble.as_ref().map(Trouble::stands),
        };
        let words = cause.map(|cause| {
            format!("{} {}", cause.sentence(), cause.remedy(self.account.address().as_str()))
        });
        let since_start = traffic::in_all(&self.imap_bytes, &self.smtp_bytes);
        let hours = traffic::last_hours(&self.imap_bytes, &self.smtp_bytes, clock::now());
        AccountStatus {
            address: self.account.address().to_string(),
            state: state.to_owned(),
            opens_with: record.opens_with().into_iter().map(str::to_owned).collect(),
            token_expires_in: expires_in.map(|left| left.as_secs()),
            grant_expires_at: record.grant_expires(),
            sessions: Sessions {
                imap: self.imap_sessions.load(Ordering::Relaxed),
                smtp: self.smtp_sessions.load(Ordering::Relaxed),
            },
            connections: self.budget.show(),
            continuity: self.continuity.show(),
            bytes_down: since_start.down(),
            bytes_up: since_start.up(),
            since_start,
            today: traffic::sum(&hours),
            hours,
            last_used: self.last_used.at(self.account.address().canonical()),
            trouble: words.or(trouble.map(|trouble| trouble.to_string())),
            stands,
        }
    }

    /// What had better be done about its grant.
    pub(super) fn warnings(&self, now: u64) -> Vec<Warning> {
        let record = self.account.record();
        let facts = GrantFacts {
            address: self.account.address().as_str(),
            granted: record.granted(),
            ends_at: record.grant_expires(),
            last_used: self.last_used.at(self.account.address().canonical()),
            has_ended: self.ended_by().is_some(),
        };
        let unstored = self.unstored();
        let address = self.account.address().as_str();
        let mut warnings = upkeep::grant(now, facts);
        warnings.extend(unstored.map(|why| upkeep::token_unstored(address, &why)));
        warnings
    }

    /// No turn is taken.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> Result<(), String> {
        let turns = (self.swaps.available_permits(), self.reconnects.available_permits());
        if turns == (SWAPS, RECONNECTS) { Ok(()) } else { Err(format!("turns left: {turns:?}")) }
    }

    fn counter(&self, protocol: Protocol) -> &AtomicUsize {
        match protocol {
            Protocol::Imap => &self.imap_sessions,
            Protocol::Smtp => &self.smtp_sessions,
        }
    }

    fn is_in_use(&self) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = [Protocol::Imap, Protocol::Smtp]
            .map(|protocol| self.counter(protocol).load(Ordering::Relaxed));
        sessions.iter().any(|count| *count > 0) || used.elapsed() < KEEP_FRESH
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.member.counter(self.protocol).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Observer for Hears {
    fn refreshed(&self, grant_id: &str) {
        self.last_used.used(self.account.address().canonical(), clock::now());
        self.standing.token_came();
        self.news.refreshed(grant_id);
    }

    fn failed(&self, grant_id: &str, cause: &Cause) {
        self.news.failed(grant_id, cause);
    }
}

impl Meter for Hours {
    fn to_client(&self, bytes: usize) {
        self.add_down(clock::now(), bytes);
    }

    fn to_upstream(&self, bytes: usize) {
        self.add_up(clock::now(), bytes);
    }
}

/// Refreshes an account's token ahead of its end, for as long as the account is in use.
pub(super) async fn keep_fresh(member: Weak<Member>, settings: watch::Receiver<Arc<Settings>>) {
    loop {
        let Some(strong) = member.upgrade() else { return };
        let due = strong.tokens.next_refresh().filter(|_| strong.is_in_use());
        match due {
            Some(due) if due.is_zero() => {
                let current = settings.borrow().clone();
                // A reload may bring one.
                let Some(server) = &current.server else {
                    drop(strong);
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                };
                // What goes wrong is logged and kept there, and the pause is the lifecycle's.
                if strong.tokens.token(server, None).await.is_err() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            Some(due) => {
                drop(strong);
                tokio::time::sleep(due.min(LOOK_AGAIN)).await;
            }
            None => {
                // Nothing holds the member while this waits but the wait itself.
                tokio::select! {
                    () = strong.token_came.notified() => {}
                    () = strong.gone() => return,
                }
            }
        }
    }
}
