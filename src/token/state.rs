//! When a token is used, refreshed or given up. Pure: the time is an argument.

use std::time::{Duration, Instant, SystemTime};

use super::google::Cause;
use crate::secret::AccessToken;

/// A token is refreshed this long before its end, or a fifth of its life if that is shorter: a
/// session that begins with it has nearly an hour, and a failed refresh has time for another try.
const REFRESH_AHEAD: Duration = Duration::from_secs(5 * 60);
/// A token this near to its end isn't sent any more: it would die on the way.
const USABLE_UNTIL: Duration = Duration::from_secs(1);
/// The first pause after a refresh that failed for now; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest: a network that came back is noticed within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// After an answer that a person must act on, one more try per this time: such answers have been
/// wrong for minutes at a time, and a reload or a new sign-in asks at once anyway.
const PERMANENT_PAUSE: Duration = Duration::from_secs(300);

/// One moment on both clocks: the monotonic one may stand still while the machine sleeps, the wall
/// clock may be set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) monotonic: Instant,
    pub(super) wall: SystemTime,
}

impl Now {
    pub(super) fn read() -> Self {
        let monotonic = tokio::time::Instant::now().into_std();
        Self { monotonic, wall: SystemTime::now() }
    }
}

/// An access token and its end.
#[derive(Debug, Clone)]
struct Live {
    token: AccessToken,
    version: u64,
    life: Duration,
    received: Now,
}

impl Live {
    /// What is left of its life, by the clock that says less.
    fn left(&self, now: Now) -> Duration {
        let monotonic = now.monotonic.saturating_duration_since(self.received.monotonic);
        let wall = now.wall.duration_since(self.received.wall).unwrap_or_default();
        self.life.saturating_sub(monotonic.max(wall))
    }

    fn refresh_at(&self) -> Duration {
        REFRESH_AHEAD.min(self.life / 5)
    }

    fn as_use(&self, now: Now) -> TokenUse {
        let (token, version) = (self.token.clone(), self.version);
        TokenUse { token, version, left: self.left(now), ahead: self.refresh_at() }
    }
}

/// Why the last refresh gave nothing.
#[derive(Debug, Clone)]
struct Failure {
    cause: Cause,
    attempts: u32,
    retry_at: Instant,
}

/// The token of one account.
#[derive(Debug, Default)]
pub(super) struct State {
    live: Option<Live>,
    failure: Option<Failure>,
    /// Counts the tokens, so that whoever was refused can say which one.
    version: u64,
}

/// A token to sign on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUse {
    /// The token.
    pub token: AccessToken,
    /// Which of the account's tokens it is, to be named if the provider refuses it.
    pub version: u64,
    /// What is left of its life.
    pub left: Duration,
    /// So long before its end whoever lives by it should have another.
    pub ahead: Duration,
}

/// What to do when a token is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// This one is good.
    Use(TokenUse),
    /// Get a new one first.
    Refresh,
    /// There is none, and it is too early to ask again.
    GiveUp(Cause),
}

/// What `status` shows of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenState {
    /// None was needed yet.
    Idle,
    /// Good for this long.
    Live(Duration),
    /// The last refresh failed for now; it is tried again.
    Unreachable(Cause),
    /// A person must act.
    NeedsSignIn(Cause),
}

impl State {
    /// What to do for one that wants a token; `refused` is the version that the provider refused.
    pub(super) fn decide(&self, now: Now, refused: Option<u64>) -> Decision {
        let usable = self.live.as_ref().filter(|live| {
            live.left(now) > USABLE_UNTIL.min(live.life / 5)
                && refused.is_none_or(|refused| live.version > refused)
        });
        let waits = self.failure.as_ref().filter(|failure| now.monotonic < failure.retry_at);
        match (usable, waits) {
            (Some(live), waits) if waits.is_some() || live.left(now) > live.refresh_at() => {
                Decision::Use(live.as_use(now))
            }
            (None, Some(failure)) => Decision::GiveUp(failure.cause.clone()),
            _ => Decision::Refresh,
        }
    }

    /// A refresh succeeded.
    pub(super) fn refreshed(&mut self, now: Now, token: AccessToken, life: Duration) {
        self.version += 1;
        self.failure = None;
        self.live = Some(Live { token, version: self.version, life, received: now });
    }

    /// A refresh failed. A token that still lives is kept.
    pub(super) fn failed(&mut self, now: Now, cause: Cause) {
        let attempts = self.failure.as_ref().map_or(0, |failure| failure.attempts);
        let pause = if cause.is_transient() {
            FIRST_PAUSE.saturating_mul(1 << attempts.min(10)).min(LONGEST_PAUSE)
        } else {
            PERMANENT_PAUSE
        };
        let retry_at = now.monotonic + pause;
        self.failure = Some(Failure { cause, attempts: attempts.saturating_add(1), retry_at });
    }

    /// The next one that wants a token may ask at once.
    pub(super) fn forget_failure(&mut self) {
        self.failure = None;
    }

    /// An empty state that goes on counting, so that no version is given twice.
    pub(super) fn for_another_grant(&self) -> Self {
        Self { live: None, failure: None, version: self.version }
    }

    /// How long until a refresh ahead of the token's end is due; `None` if there is no token.
    pub(super) fn next_refresh(&self, now: Now) -> Option<Duration> {
        let live = self.live.as_ref()?;
        let due = live.left(now).saturating_sub(live.refresh_at());
        let pause = self
            .failure
            .as_ref()
            .map(|failure| failure.retry_at.saturating_duration_since(now.monotonic));
        Some(due.max(pause.unwrap_or_default()))
    }

    /// What `status` shows.
    pub(super) fn show(&self, now: Now) -> TokenState {
        let left = self.live.as_ref().map(|live| live.left(now)).filter(|left| !left.is_zero());
        match (&self.failure, left) {
            (Some(failure), _) if !failure.cause.is_transient() => {
                TokenState::NeedsSignIn(failure.cause.clone())
            }
            (_, Some(left)) => TokenState::Live(left),
            (Some(failure), None) => TokenState::Unreachable(failure.cause.clone()),
            (None, None) => TokenState::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(now: Now, seconds: u64) -> Now {
        let by = Duration::from_secs(seconds);
        Now { monotonic: now.monotonic + by, wall: now.wall + by }
    }

    fn with_token(now: Now, life: u64) -> State {
        let mut state = State::default();
        state.refreshed(now, AccessToken::new("one"), Duration::from_secs(life));
        state
    }

    fn is_use(decision: &Decision) -> bool {
        matches!(decision, Decision::Use(_))
    }

    #[test]
    fn a_token_is_refreshed_ahead_of_its_end() {
        let now = Now::read();
        let state = with_token(now, 3600);
        assert!(is_use(&state.decide(later(now, 3299), None)));
        assert_eq!(state.decide(later(now, 3301), None), Decision::Refresh);
        assert_eq!(state.next_refresh(now), Some(Duration::from_secs(3300)));
        let short = with_token(now, 10);
        assert!(is_use(&short.decide(later(now, 7), None)));
        assert_eq!(short.decide(later(now, 8), None), Decision::Refresh);
    }

    #[test]
    fn sleep_and_a_clock_that_is_set_are_noticed() {
        let now = Now::read();
        let state = with_token(now, 3600);
        let slept = Now { monotonic: now.monotonic, wall: now.wall + Duration::from_secs(7200) };
        assert_eq!(state.decide(slept, None), Decision::Refresh);
        let set_back = Now {
            monotonic: now.monotonic + Duration::from_secs(3590),
            wall: now.wall - Duration::from_secs(9),
        };
        assert_eq!(state.decide(set_back, None), Decision::Refresh);
    }

    #[test]
    fn a_refused_token_is_not_used_again_but_a_newer_one_is() {
        let now = Now::read();
        let mut state = with_token(now, 3600);
        assert_eq!(state.decide(now, Some(1)), Decision::Refresh);
        state.refreshed(now, AccessToken::new("two"), Duration::from_secs(3600));
        let (token, left) = (AccessToken::new("two"), Duration::from_secs(3600));
        let newer = TokenUse { token, version: 2, left, ahead: REFRESH_AHEAD };
        assert_eq!(state.decide(now, Some(1)), Decision::Use(newer));
    }

    #[test]
    fn a_failure_for_now_keeps_the_token_and_pauses_longer_each_time() {
        let now = Now::read();
        let mut state = with_token(now, 3600);
        let ahead = later(now, 3400);
        state.failed(ahead, Cause::Busy);
        assert!(is_use(&state.decide(ahead, None)));
        assert_eq!(state.decide(later(ahead, 2), None), Decision::Refresh);
        let dead = later(now, 3600);
        for pause in [2, 4, 8, 15, 15] {
            state.failed(dead, Cause::Busy);
            assert_eq!(state.decide(later(dead, pause - 1), None), Decision::GiveUp(Cause::Busy));
            assert_eq!(state.decide(later(dead, pause), None), Decision::Refresh);
        }
        assert_eq!(state.show(dead), TokenState::Unreachable(Cause::Busy));
    }

    #[test]
    fn an_ended_grant_is_told_and_asked_for_again_only_after_minutes() {
        let now = Now::read();
        let mut state = State::default();
        let ended = Cause::GrantEnded { testing: false };
        state.failed(now, ended.clone());
        assert_eq!(state.decide(later(now, 299), None), Decision::GiveUp(ended.clone()));
        assert_eq!(state.decide(later(now, 300), None), Decision::Refresh);
        assert_eq!(state.show(now), TokenState::NeedsSignIn(ended));
    }

    #[test]
    fn a_dying_token_serves_no_more_even_where_no_other_can_be_had() {
        let now = Now::read();
        let mut state = with_token(now, 3600);
        state.failed(later(now, 3590), Cause::Busy);
        let mut failing = |at| {
            state.failed(later(now, at), Cause::Busy);
            state.decide(later(now, at), None)
        };
        assert!(is_use(&failing(3598)));
        assert_eq!(failing(3599), Decision::GiveUp(Cause::Busy));
        // Of one that lives for two seconds the last second is half its life.
        let mut short = with_token(now, 2);
        short.failed(later(now, 1), Cause::Busy);
        assert!(is_use(&short.decide(later(now, 1), None)));
    }

    #[test]
    fn a_reload_asks_again_and_another_grant_counts_on() {
        let now = Now::read();
        let mut state = with_token(now, 3600);
        let refused = Some(1);
        state.failed(now, Cause::GrantEnded { testing: false });
        assert!(matches!(state.decide(now, refused), Decision::GiveUp(_)));
        state.forget_failure();
        assert_eq!(state.decide(now, refused), Decision::Refresh);
        let mut another = state.for_another_grant();
        assert_eq!(another.show(now), TokenState::Idle);
        another.refreshed(now, AccessToken::new("two"), Duration::from_secs(3600));
        // The old grant's token was refused, the new one's not.
        assert!(is_use(&another.decide(now, refused)));
    }
}
