//! Patience with a provider that has refused an account for now: nobody asks it again before a
//! pause is over, then one asks for all, and each refusal makes the pause longer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::trouble::Trouble;
use crate::upstream::{Refusal, UpstreamError};

/// The first pause and the longest, by what the provider says.
fn pauses(refusal: &Refusal) -> Option<(Duration, Duration)> {
    const fn seconds(first: u64, longest: u64) -> Option<(Duration, Duration)> {
        Some((Duration::from_secs(first), Duration::from_secs(longest)))
    }
    match refusal {
        // A phone's connection may end any moment.
        Refusal::TooManyConnections => seconds(5, 60),
        // Gmail keeps an account shut for hours, up to a day.
        Refusal::OverQuota => seconds(60, 30 * 60),
        Refusal::Temporary(_) => seconds(1, 30),
        Refusal::ImapOff | Refusal::ImapOffForDomain | Refusal::WebLogin | Refusal::Other(_) => {
            None
        }
    }
}

/// What one protocol's server of the provider said of one account.
#[derive(Default)]
pub(super) struct Backoff {
    refused: Mutex<Option<Refused>>,
    changed: Notify,
}

struct Refused {
    refusal: Refusal,
    /// What clients are told meanwhile.
    trouble: Trouble,
    pause: Duration,
    until: Instant,
    /// One is asking, for all.
    asking: bool,
}

/// The words may differ: servers put numbers into them.
fn is_same(one: &Refusal, other: &Refusal) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// Leave to ask the provider. Dropped without a word it was none.
#[must_use]
pub(super) struct Leave<'b> {
    backoff: &'b Backoff,
    for_all: bool,
}

impl Backoff {
    /// Leave to ask: at once where nothing was refused lately, else when the pause is over. If that
    /// isn't before `deadline`, the refusal's own words come back at once.
    pub(super) async fn leave(&self, deadline: Instant) -> Result<Leave<'_>, Trouble> {
        loop {
            // Asked for before looking, so that no change is missed between the two.
            let changed = self.changed.notified();
            let wait_until = {
                let mut refused = self.lock();
                let Some(refused) = &mut *refused else {
                    return Ok(Leave { backoff: self, for_all: false });
                };
                let now = Instant::now();
                if refused.until > deadline {
                    return Err(refused.trouble.clone());
                }
                if refused.until <= now && !refused.asking {
                    refused.asking = true;
                    return Ok(Leave { backoff: self, for_all: true });
                }
                if refused.asking && now >= deadline {
                    return Err(refused.trouble.clone());
                }
                if refused.asking { deadline } else { refused.until }
            };
            let _ = timeout_at(wait_until, changed).await;
        }
    }

    /// What the provider has refused the account for, if it has lately.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.lock().as_ref().map(|refused| refused.refusal.clone())
    }

    /// The provider has refused. `trouble` is what clients are told.
    pub(super) fn refused(&self, refusal: &Refusal, trouble: &Trouble) {
        let Some((first, longest)) = pauses(refusal) else { return };
        let mut refused = self.lock();
        let now = Instant::now();
        let same = refused.as_ref().filter(|before| is_same(&before.refusal, refusal));
        let pause = match same {
            // One of several that asked before anybody knew.
            Some(before) if before.until > now => return,
            Some(before) => (before.pause * 2).min(longest),
            None => first,
        };
        let asking = refused.as_ref().is_some_and(|before| before.asking);
        *refused = Some(Refused {
            refusal: refusal.clone(),
            trouble: trouble.clone(),
            pause,
            until: now + pause,
            asking,
        });
        tracing::warn!(seconds = pause.as_secs(), "the provider is not asked again for a while");
        drop(refused);
        self.changed.notify_waiters();
    }

    /// A person has done something about it: what was refused may be asked again at once.
    pub(super) fn reconsider(&self) {
        if let Some(refused) = &mut *self.lock() {
            refused.until = Instant::now();
        }
        self.changed.notify_waiters();
    }

    /// One of the account's own connections has ended: another may find room.
    pub(super) fn connection_ended(&self) {
        if let Some(refused) = &mut *self.lock()
            && refused.refusal == Refusal::TooManyConnections
        {
            refused.until = Instant::now();
        }
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Refused>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leave<'_> {
    /// The provider has let the account in.
    pub(super) fn granted(self) {
        // One that asked before the refusal proves nothing.
        if self.for_all {
            *self.backoff.lock() = None;
        }
    }

    /// What the provider said instead.
    pub(super) fn heard(&self, error: &UpstreamError) {
        if let UpstreamError::Refused { refusal, .. } = error {
            self.backoff.refused(refusal, &Trouble::upstream(error));
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.for_all {
            if let Some(refused) = &mut *self.backoff.lock() {
                refused.asking = false;
            }
            self.backoff.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(refusal: Refusal) -> UpstreamError {
        UpstreamError::Refused { host: "imap.gmail.com:993".into(), refusal }
    }

    fn within(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_one_asks_for_all_once_the_pause_is_over() {
        let backoff = Backoff::default();
        backoff.leave(within(10)).await.unwrap().heard(&refused(Refusal::TooManyConnections));
        let began = Instant::now();
        let first = backoff.leave(within(10)).await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 5);
        // The others wait for what the first one finds out.
        let second = async { backoff.leave(within(10)).await.map(Leave::granted) };
        let other = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            first.granted();
        };
        assert!(tokio::join!(second, other).0.is_ok());
        assert_eq!(began.elapsed().as_secs(), 7);
        assert!(backoff.lock().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_their_longest_and_a_long_one_is_told_at_once() {
        let backoff = Backoff::default();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let leave = backoff.leave(within(3600)).await.unwrap();
            // Two that asked at the same time are refused at the same time.
            leave.heard(&refused(Refusal::OverQuota));
            leave.heard(&refused(Refusal::OverQuota));
            drop(leave);
            let until = backoff.lock().as_ref().unwrap().until;
            pauses.push((until - Instant::now()).as_secs());
            let told = backoff.leave(within(10)).await.err().unwrap();
            assert!(told.sentence.contains("limit of traffic"), "{}", told.sentence);
        }
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1800, 1800]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_connection_of_ones_own_ends_the_pause() {
        let backoff = Backoff::default();
        backoff.leave(within(10)).await.unwrap().heard(&refused(Refusal::TooManyConnections));
        let began = Instant::now();
        let ends = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            backoff.connection_ended();
        };
        let (leave, ()) = tokio::join!(backoff.leave(within(10)), ends);
        leave.unwrap().granted();
        assert_eq!(began.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_asks_for_all_and_goes_leaves_the_way_to_the_next() {
        let backoff = Backoff::default();
        let busy = refused(Refusal::Temporary("Temporary System Problem 1".into()));
        backoff.leave(within(10)).await.unwrap().heard(&busy);
        let first = backoff.leave(within(10)).await.unwrap();
        assert!(backoff.leave(within(2)).await.is_err());
        drop(first);
        drop(backoff.leave(within(0)).await.unwrap());
        // What the person must mend is asked again each time: it may be mended.
        let off = Backoff::default();
        off.leave(within(0)).await.unwrap().heard(&refused(Refusal::ImapOff));
        off.leave(within(0)).await.unwrap().granted();
    }
}
