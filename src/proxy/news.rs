//! What of an account's fortunes is news: each thing once, however many sessions come upon it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::events::{EventKind, Journal};
use super::happening::{Happening, Part};
use super::trouble::{Protocol, Trouble};
use crate::accounts::Account;
use crate::token::{Cause, Observer};

/// A limit that is reached again and again is told no more often: Gmail's may last for a day.
const LIMIT_AGAIN: Duration = Duration::from_secs(10 * 60);
/// A mail program with a wrong password tries for as long as it runs, and what ends one session ends
/// others: told at most this often at first, and ever more seldom.
const AGAIN: Duration = Duration::from_secs(60);
/// The most seldom.
const AGAIN_AT_LEAST: Duration = Duration::from_secs(60 * 60);

/// One account's.
pub(super) struct News {
    journal: Arc<Journal>,
    account: Arc<Account>,
    known: Mutex<Known>,
}

/// What was told. Pure: the time is an argument.
#[derive(Debug, Default)]
struct Known {
    grant_id: String,
    /// That grant has ended.
    grant_ended: bool,
    tokens: Told,
    imap: Told,
    smtp: Told,
    wrong: Pace,
    ended: Pace,
}

/// What was told of a part, and is so still.
#[derive(Debug, Default)]
struct Told {
    trouble: Option<EventKind>,
    limit: Option<Instant>,
}

/// How often something is told that comes again and again.
#[derive(Debug, Default)]
struct Pace(Option<(Instant, Duration)>);

impl News {
    pub(super) fn new(journal: Arc<Journal>, account: Arc<Account>) -> Self {
        let grant_id = account.record().grant_id().to_owned();
        let known = Mutex::new(Known { grant_id, ..Known::default() });
        Self { journal, account, known }
    }

    /// Tells it, whatever was told before.
    pub(super) fn tell(&self, happening: Happening<'_>) {
        let address = self.account.address().as_str();
        self.journal.tell(Some(address), happening);
    }

    /// Looks whether the account has another grant than before.
    pub(super) fn look_at_grant(&self) {
        // Within the lock, so that it is told once, and before what becomes of the new grant.
        self.with(|known| {
            if known.take_up(self.account.record().grant_id()) {
                self.tell(Happening::SignedInAgain);
            }
        });
    }

    /// The provider's mail server, or a limit, says no; or the account is served again.
    pub(super) fn served(&self, protocol: Protocol, trouble: Option<&Trouble>) {
        let part = Part::Mail(protocol);
        let Some(trouble) = trouble else {
            return self.with(|known| {
                if known.is_well(part) {
                    self.tell(Happening::Recovered(part));
                }
            });
        };
        let Some(kind) = trouble.event else { return };
        self.with(|known| {
            if known.fares_ill(part, kind, Instant::now()) {
                self.tell(Happening::Trouble(kind, trouble));
            }
        });
    }

    /// A mail program came with a wrong password.
    pub(super) fn wrong_password(&self) {
        if self.with(|known| known.wrong.is_due(Instant::now())) {
            self.tell(Happening::WrongPassword);
        }
    }

    /// A mail program came with the right one.
    pub(super) fn right_password(&self) {
        self.with(|known| known.wrong = Pace::default());
    }

    /// A session had to be ended.
    pub(super) fn session_ended(&self, protocol: Protocol, why: &str) {
        if self.with(|known| known.ended.is_due(Instant::now())) {
            self.tell(Happening::Ended(protocol, why));
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for News {
    fn refreshed(&self, grant_id: &str) {
        self.look_at_grant();
        self.with(|known| {
            if known.refreshed(grant_id) {
                self.tell(Happening::Recovered(Part::Tokens));
            }
        });
    }

    fn failed(&self, grant_id: &str, cause: &Cause) {
        self.look_at_grant();
        self.with(|known| match known.failed(grant_id, cause.is_transient(), Instant::now()) {
            Some(EventKind::NeedsSignIn) => self.tell(Happening::NeedsSignIn(cause)),
            Some(_) => self.tell(Happening::NoToken(cause)),
            None => {}
        });
    }
}

impl Known {
    /// True if it is another grant than before.
    fn take_up(&mut self, grant_id: &str) -> bool {
        if self.grant_id == grant_id {
            return false;
        }
        self.grant_id = grant_id.to_owned();
        self.grant_ended = false;
        self.tokens = Told::default();
        true
    }

    /// A token came; true if that is news.
    fn refreshed(&mut self, grant_id: &str) -> bool {
        if self.grant_id != grant_id {
            return false;
        }
        let had_ended = std::mem::take(&mut self.grant_ended);
        self.is_well(Part::Tokens) || had_ended
    }

    /// No token came; what of it is news.
    fn failed(&mut self, grant_id: &str, for_now: bool, now: Instant) -> Option<EventKind> {
        // An older grant's failure is nobody's any more; of an ended one all is said.
        if self.grant_id != grant_id || self.grant_ended {
            return None;
        }
        if for_now {
            let is_news = self.fares_ill(Part::Tokens, EventKind::Unreachable, now);
            return is_news.then_some(EventKind::Unreachable);
        }
        self.grant_ended = true;
        Some(EventKind::NeedsSignIn)
    }

    /// True if it is news that a part is in trouble of this kind.
    fn fares_ill(&mut self, part: Part, kind: EventKind, now: Instant) -> bool {
        let told = self.told(part);
        if told.trouble.replace(kind) == Some(kind) {
            return false;
        }
        if kind == EventKind::Limit {
            let lately = told.limit.is_some_and(|at| now.duration_since(at) < LIMIT_AGAIN);
            if !lately {
                told.limit = Some(now);
            }
            return !lately;
        }
        true
    }

    /// True if it is news that a part is well.
    fn is_well(&mut self, part: Part) -> bool {
        self.told(part).trouble.take() == Some(EventKind::Unreachable)
    }

    fn told(&mut self, part: Part) -> &mut Told {
        match part {
            Part::Tokens => &mut self.tokens,
            Part::Mail(Protocol::Imap) => &mut self.imap,
            Part::Mail(Protocol::Smtp) => &mut self.smtp,
        }
    }
}

impl Pace {
    /// True if it is time to tell it.
    fn is_due(&mut self, now: Instant) -> bool {
        let pause = match self.0 {
            None => AGAIN,
            Some((told, pause)) if now.duration_since(told) < pause => return false,
            // It had ended.
            Some((told, pause)) if now.duration_since(told) > 2 * pause => AGAIN,
            Some((_, pause)) => (pause * 2).min(AGAIN_AT_LEAST),
        };
        self.0 = Some((now, pause));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IMAP: Part = Part::Mail(Protocol::Imap);
    const SMTP: Part = Part::Mail(Protocol::Smtp);

    #[test]
    fn an_ended_grant_is_told_once_and_the_next_ones_end_again() {
        let (mut known, now) = (Known::default(), Instant::now());
        assert!(known.take_up("one") && !known.take_up("one"));
        assert_eq!(known.failed("one", false, now), Some(EventKind::NeedsSignIn));
        assert_eq!(known.failed("one", false, now + LIMIT_AGAIN), None);
        assert_eq!(known.failed("one", true, now), None, "all is said");
        assert!(known.take_up("two"));
        assert_eq!(known.failed("one", false, now), None, "the older grant's");
        assert!(!known.refreshed("one") && !known.refreshed("two"));
        assert_eq!(known.failed("two", false, now), Some(EventKind::NeedsSignIn));
        // One that was wrongly called ended, as happens for minutes at a time.
        assert!(known.refreshed("two") && !known.refreshed("two"));
        assert_eq!(known.failed("two", false, now), Some(EventKind::NeedsSignIn));
    }

    #[test]
    fn each_server_has_outages_of_its_own() {
        let (mut known, now) = (Known::default(), Instant::now());
        assert!(known.fares_ill(IMAP, EventKind::Unreachable, now));
        assert!(!known.fares_ill(IMAP, EventKind::Unreachable, now));
        assert!(known.fares_ill(SMTP, EventKind::Unreachable, now));
        assert!(known.is_well(IMAP) && !known.is_well(IMAP));
        assert!(!known.fares_ill(SMTP, EventKind::Unreachable, now));
        assert_eq!(known.failed("", true, now), Some(EventKind::Unreachable));
        assert!(known.refreshed(""));
    }

    #[test]
    fn a_limit_is_told_every_ten_minutes_at_most_and_its_end_not_at_all() {
        let (mut known, now) = (Known::default(), Instant::now());
        assert!(known.fares_ill(IMAP, EventKind::Limit, now));
        assert!(!known.is_well(IMAP));
        assert!(!known.fares_ill(IMAP, EventKind::Limit, now + LIMIT_AGAIN / 2));
        assert!(!known.is_well(IMAP));
        assert!(known.fares_ill(IMAP, EventKind::Limit, now + LIMIT_AGAIN));
    }

    #[test]
    fn what_comes_again_and_again_is_told_ever_more_seldom() {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        let mut told = Vec::new();
        for minute in 0..400 {
            // Twice a minute.
            let now = begun + Duration::from_secs(60 * minute);
            if pace.is_due(now) {
                told.push(minute);
            }
            assert!(!pace.is_due(now + Duration::from_secs(30)));
        }
        assert_eq!(told, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]);
        // It was quiet for hours.
        let later = begun + Duration::from_secs(60 * 600);
        assert!(pace.is_due(later) && pace.is_due(later + AGAIN));
    }

    proptest! {
        /// Whatever comes in whatever order: no outage is told twice, and none ends that was not told.
        #[test]
        fn outages_and_their_ends_take_turns(steps in prop::collection::vec((any::<bool>(), 0..2_usize), 0..60)) {
            let (mut known, now) = (Known::default(), Instant::now());
            let mut told: [Vec<&str>; 2] = Default::default();
            for (is_ill, which) in steps {
                let part = [IMAP, SMTP][which];
                if is_ill && known.fares_ill(part, EventKind::Unreachable, now) {
                    told[which].push("away");
                } else if !is_ill && known.is_well(part) {
                    told[which].push("back");
                }
            }
            for told in told {
                prop_assert!(told.iter().enumerate().all(|(at, it)| *it == ["away", "back"][at % 2]));
            }
        }
    }
}
