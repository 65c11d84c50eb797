//! Keeps one account's access token alive: one refresh at a time for all that wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::endpoint::AuthorizationServer;
use super::google::Cause;
use super::state::{Decision, Now, State, TokenState, TokenUse};
use crate::accounts::{Account, Grant, GrantError, StoreError};

/// How far this machine's clock may be behind Google's, for a grant's last day.
const CLOCK_SLACK: Duration = Duration::from_secs(3600);
/// Requests for one that waits: another one follows only where a person signed in again meanwhile.
const MAX_REQUESTS: u32 = 3;
/// How often a rotated refresh token that could not be written is tried again: whoever made room on the
/// disk, or mounted it anew, need not wait for the next refresh, and a full disk is not pestered.
const STORE_AGAIN: Duration = Duration::from_secs(15);

/// The life of an account's tokens.
pub struct Lifecycle {
    account: Arc<Account>,
    observer: Arc<dyn Observer>,
    state: Mutex<Tokens>,
    flight: tokio::sync::Mutex<()>,
    /// [`store_later`] is under way. It is changed by who holds the flight.
    is_storing: AtomicBool,
}

/// Hears what becomes of each request for a token, whoever it was for, and once for all who waited.
pub trait Observer: Send + Sync {
    /// A token came, of the grant with this id.
    fn refreshed(&self, grant_id: &str);
    /// None came.
    fn failed(&self, grant_id: &str, cause: &Cause);
}

#[derive(Default)]
struct Tokens {
    /// The grant that the state is about; a new sign-in makes another.
    grant_id: String,
    state: State,
    /// A rotated refresh token that could not be written yet. It is changed by who holds the flight.
    unsaved: Option<Unsaved>,
}

/// A refresh token that is in memory only.
struct Unsaved {
    grant: Grant,
    why: Unstored,
}

/// Why a rotated refresh token is in memory only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unstored {
    /// What the store said.
    pub reason: String,
    /// One thing to do.
    pub remedy: &'static str,
    /// True if it is stored by itself once that is done: it is tried again all the time, but what is
    /// wrong with a record isn't cured by that.
    pub passes: bool,
}

impl Unstored {
    fn new(error: &StoreError) -> Self {
        let passes = matches!(error, StoreError::Io { .. });
        Self { reason: error.to_string(), remedy: error.remedy(), passes }
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The authorization server's word, or the way to it.
    #[error("{}", .0.sentence())]
    Cause(Cause),
    /// The account is locked.
    #[error("The account is locked until a mail program signs on.")]
    Locked,
    /// The account's record can't be opened.
    #[error("The account's record can't be used: {0}.")]
    Record(String),
}

impl Lifecycle {
    /// The tokens of `account`; nothing is asked yet.
    pub fn new(account: Arc<Account>, observer: Arc<dyn Observer>) -> Self {
        Self {
            account,
            observer,
            state: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
            is_storing: AtomicBool::new(false),
        }
    }

    /// A token that is good now. `refused` is the version of one that the provider refused though
    /// it looked alive: it isn't given again.
    ///
    /// All that wait share one request, and it goes on when the one that began it has left.
    pub async fn token(
        self: &Arc<Self>,
        server: &Arc<AuthorizationServer>,
        refused: Option<u64>,
    ) -> Result<TokenUse, Trouble> {
        match self.decide(refused) {
            Decision::Use(token) => return Ok(token),
            Decision::GiveUp(cause) => return Err(Trouble::Cause(cause)),
            Decision::Refresh => {}
        }
        let (this, server) = (self.clone(), server.clone());
        let flight = tokio::spawn(async move { this.refresh(&server, refused).await });
        flight.await.unwrap_or_else(|_| Err(Trouble::Cause(Cause::Other("stopped".into()))))
    }

    /// What `status` shows.
    pub fn show(&self) -> TokenState {
        self.tokens().state.show(Now::read())
    }

    /// True while the authorization server is asked.
    pub fn is_refreshing(&self) -> bool {
        self.flight.try_lock().is_err()
    }

    /// Done once no request is under way, so that a rotated refresh token is on disk, if the disk takes it.
    pub async fn at_rest(self: &Arc<Self>) {
        let _flight = self.flight.lock().await;
        self.save_again();
    }

    /// Why the newest refresh token is in memory only, if it is.
    pub fn unstored(&self) -> Option<Unstored> {
        self.tokens().unsaved.as_ref().map(|unsaved| unsaved.why.clone())
    }

    /// How long until a refresh ahead of the token's end is due; `None` while there is no token.
    pub fn next_refresh(&self) -> Option<Duration> {
        self.tokens().state.next_refresh(Now::read())
    }

    /// Forgets failures: the configuration has changed, and a wait would be for nothing.
    pub fn reconsider(&self) {
        self.tokens().state.forget_failure();
    }

    fn decide(&self, refused: Option<u64>) -> Decision {
        self.tokens().state.decide(Now::read(), refused)
    }

    async fn refresh(
        self: &Arc<Self>,
        server: &AuthorizationServer,
        refused: Option<u64>,
    ) -> Result<TokenUse, Trouble> {
        let _flight = self.flight.lock().await;
        for _ in 0..MAX_REQUESTS {
            match self.decide(refused) {
                Decision::Use(token) => return Ok(token),
                Decision::GiveUp(cause) => return Err(Trouble::Cause(cause)),
                Decision::Refresh => self.ask(server).await?,
            }
        }
        match self.decide(refused) {
            Decision::Use(token) => Ok(token),
            Decision::GiveUp(cause) => Err(Trouble::Cause(cause)),
            // Tokens that end the moment they come.
            Decision::Refresh => Err(Trouble::Cause(Cause::Unreadable)),
        }
    }

    /// One request, and its answer written down – for the grant that it was about: a person may
    /// have signed in again meanwhile, and the new grant has nothing to do with the old one's end.
    async fn ask(self: &Arc<Self>, server: &AuthorizationServer) -> Result<(), Trouble> {
        let (grant_id, grant) = self.account.grant().map_err(|error| match error {
            GrantError::Locked => Trouble::Locked,
            GrantError::Record(error) => Trouble::Record(error.to_string()),
        })?;
        // A rotation that could not be written: what is on disk is the older token.
        let grant = self.unsaved(&grant_id).unwrap_or(grant);
        let account = self.account.address();
        tracing::debug!(%account, "refreshing the access token");
        let answer = match server.refresh(&grant.refresh_token).await {
            Ok(refreshed) => {
                let rotated = refreshed.rotated.map(|refresh_token| Grant { refresh_token });
                self.save(&grant_id, rotated);
                refreshed.access_token.map(|token| (token, refreshed.life))
            }
            Err(cause) => Err(self.with_what_is_known(cause)),
        };
        let Some(mut tokens) = self.tokens_of(&grant_id) else {
            tracing::debug!(%account, "the answer is about an older grant");
            return Ok(());
        };
        match answer {
            Ok((token, life)) => {
                tracing::info!(%account, seconds = life.as_secs(), "access token refreshed");
                tokens.state.refreshed(Now::read(), token, life);
                drop(tokens);
                self.observer.refreshed(&grant_id);
            }
            Err(cause) => {
                let (sentence, remedy) = (cause.sentence(), cause.remedy(account.as_str()));
                tracing::warn!(%account, cause = cause.code(), "{sentence} {remedy}");
                tokens.state.failed(Now::read(), cause.clone());
                drop(tokens);
                self.observer.failed(&grant_id, &cause);
            }
        }
        Ok(())
    }

    /// Writes a rotated refresh token before its access token is used: the authorization server
    /// may have ended the old one already. Called by who holds the flight: an older token must not be
    /// written after a newer one.
    fn save(self: &Arc<Self>, grant_id: &str, rotated: Option<Grant>) {
        // What is unsaved counts as that until it is written, so that nobody hears otherwise meanwhile.
        let unsaved = self.unsaved(grant_id);
        let was_told = unsaved.is_some();
        let Some(grant) = rotated.or(unsaved) else { return };
        let account = self.account.address();
        let written = self.account.rotate(grant_id, &grant);
        // After a new sign-in there is nothing left to keep, whatever came of it.
        let Some(mut tokens) = self.tokens_of(grant_id) else { return };
        match written {
            Ok(is_stored) => {
                tokens.unsaved = None;
                drop(tokens);
                if is_stored && was_told {
                    tracing::info!(%account, "the new refresh token is stored now");
                }
            }
            Err(error) => {
                tokens.unsaved = Some(Unsaved { grant, why: Unstored::new(&error) });
                drop(tokens);
                if was_told {
                    tracing::debug!(%account, "the new refresh token still can't be stored ({error})");
                    return;
                }
                tracing::error!(
                    %account,
                    "the new refresh token can't be stored ({error}); it is kept in memory and tried again. {}",
                    error.remedy()
                );
                // One that is under way takes this one up.
                if !self.is_storing.swap(true, Ordering::Relaxed) {
                    tokio::spawn(store_later(Arc::downgrade(self)));
                }
            }
        }
    }

    /// The grant as it is in memory only.
    fn unsaved(&self, grant_id: &str) -> Option<Grant> {
        self.tokens_of(grant_id)?.unsaved.as_ref().map(|unsaved| unsaved.grant.clone())
    }

    /// Tries again to write what is in memory only. Called by who holds the flight.
    fn save_again(self: &Arc<Self>) {
        let grant_id = self.tokens().grant_id.clone();
        self.save(&grant_id, None);
    }

    /// What the record tells of an ended grant.
    fn with_what_is_known(&self, cause: Cause) -> Cause {
        match cause {
            Cause::GrantEnded { .. } => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let ends = self.account.record().grant_expires();
                // One that ends before its time was ended by somebody.
                let testing =
                    ends.is_some_and(|ends| now + CLOCK_SLACK >= Duration::from_secs(ends));
                Cause::GrantEnded { testing }
            }
            cause => cause,
        }
    }

    /// The state, if it is still about this grant.
    fn tokens_of(&self, grant_id: &str) -> Option<MutexGuard<'_, Tokens>> {
        Some(self.tokens()).filter(|tokens| tokens.grant_id == grant_id)
    }

    /// The state of the grant that is on disk now; a new grant starts afresh.
    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        let record = self.account.record();
        let mut tokens = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.grant_id != record.grant_id() {
            let state = tokens.state.for_another_grant();
            *tokens = Tokens { grant_id: record.grant_id().to_owned(), state, unsaved: None };
        }
        tokens
    }
}

/// Tries to write an unsaved token until it is written, or is nobody's any more.
async fn store_later(tokens: Weak<Lifecycle>) {
    loop {
        tokio::time::sleep(STORE_AGAIN).await;
        let Some(this) = tokens.upgrade() else { return };
        let _flight = this.flight.lock().await;
        this.save_again();
        if this.unstored().is_none() {
            this.is_storing.store(false, Ordering::Relaxed);
            return;
        }
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
