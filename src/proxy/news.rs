//! What of an account's fortunes is news: each thing once, however many sessions come upon it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

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
    /// Why that grant has ended, if it has, as far as the last answer goes.
    ended_by: Option<Cause>,
    tokens: Told,
    imap: Told,
    smtp: Told,
    wrong: Pace,
    ended: Pace,
}

/// What was told of a part, and is so still. A limit in the midst of an outage ends none.
#[derive(Debug, Default)]
struct Told {
    is_away: bool,
    at_limit: bool,
    /// When a limit was told last.
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

    /// Why the present grant has ended, if it has: known until an answer says otherwise.
    pub(super) fn ended_by(&self) -> Option<Cause> {
        let record = self.account.record();
        self.with(|known| known.ended_by.clone().filter(|_| known.grant_id == record.grant_id()))
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
        self.with(|known| match known.refreshed(grant_id) {
            Some(EventKind::GrantWorks) => self.tell(Happening::GrantWorks),
            Some(_) => self.tell(Happening::Recovered(Part::Tokens)),
            None => {}
        });
    }

    fn failed(&self, grant_id: &str, cause: &Cause) {
        self.look_at_grant();
        self.with(|known| match known.failed(grant_id, cause, Instant::now()) {
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
        self.ended_by = None;
        self.tokens = Told::default();
        true
    }

    /// A token came; what of it is news.
    fn refreshed(&mut self, grant_id: &str) -> Option<EventKind> {
        if self.grant_id != grant_id {
            return None;
        }
        let was_away = self.is_well(Part::Tokens);
        match self.ended_by.take() {
            Some(_) => Some(EventKind::GrantWorks),
            None => was_away.then_some(EventKind::Recovered),
        }
    }

    /// No token came; what of it is news.
    fn failed(&mut self, grant_id: &str, cause: &Cause, now: Instant) -> Option<EventKind> {
        // An older grant's failure is nobody's any more.
        if self.grant_id != grant_id {
            return None;
        }
        let is_known = self.ended_by.is_some();
        if !cause.is_transient() {
            self.ended_by = Some(cause.clone());
            return (!is_known).then_some(EventKind::NeedsSignIn);
        }
        // Of an ended one all is said.
        let is_news = !is_known && self.fares_ill(Part::Tokens, EventKind::Unreachable, now);
        is_news.then_some(EventKind::Unreachable)
    }

    /// True if it is news that a part is in trouble of this kind.
    fn fares_ill(&mut self, part: Part, kind: EventKind, now: Instant) -> bool {
        let told = self.told(part);
        if kind != EventKind::Limit {
            return !std::mem::replace(&mut told.is_away, true);
        }
        let lately = told.limit.is_some_and(|at| now.duration_since(at) < LIMIT_AGAIN);
        if std::mem::replace(&mut told.at_limit, true) || lately {
            return false;
        }
        told.limit = Some(now);
        true
    }

    /// True if it is news that a part is well.
    fn is_well(&mut self, part: Part) -> bool {
        let told = self.told(part);
        told.at_limit = false;
        std::mem::take(&mut told.is_away)
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
    const ENDED: Cause = Cause::GrantEnded { testing: false };

    #[test]
    fn an_ended_grant_is_told_once_and_the_next_ones_end_again() {
        let (mut known, now) = (Known::default(), Instant::now());
        assert!(known.take_up("one") && !known.take_up("one"));
        assert_eq!(known.failed("one", &ENDED, now), Some(EventKind::NeedsSignIn));
        assert_eq!(known.failed("one", &ENDED, now + LIMIT_AGAIN), None);
        assert_eq!(known.failed("one", &Cause::Busy, now), None, "all is said");
        assert_eq!(known.ended_by, Some(ENDED), "and it is no answer");
        assert!(known.take_up("two"));
        assert_eq!(known.failed("one", &ENDED, now), None, "the older grant's");
        assert_eq!((known.refreshed("one"), known.refreshed("two")), (None, None));
        assert_eq!(known.failed("two", &ENDED, now), Some(EventKind::NeedsSignIn));
        // One that was wrongly called ended, as happens for minutes at a time.
        assert_eq!(known.refreshed("two"), Some(EventKind::GrantWorks));
        assert_eq!((known.refreshed("two"), known.ended_by.clone()), (None, None));
        assert_eq!(known.failed("two", &ENDED, now), Some(EventKind::NeedsSignIn));
    }

    #[test]
    fn each_server_has_outages_of_its_own() {
        let (mut known, now) = (Known::default(), Instant::now());
        assert!(known.fares_ill(IMAP, EventKind::Unreachable, now));
        assert!(!known.fares_ill(IMAP, EventKind::Unreachable, now));
        assert!(known.fares_ill(SMTP, EventKind::Unreachable, now));
        assert!(known.is_well(IMAP) && !known.is_well(IMAP));
        assert!(!known.fares_ill(SMTP, EventKind::Unreachable, now));
        assert_eq!(known.failed("", &Cause::Busy, now), Some(EventKind::Unreachable));
        assert_eq!(known.refreshed(""), Some(EventKind::Recovered));
    }

    #[test]
    fn an_outage_with_a_limit_in_its_midst_is_one_and_ends() {
        let (mut known, now) = (Known::default(), Instant::now());
        let kinds = [EventKind::Unreachable, EventKind::Limit];
        assert!(kinds.iter().all(|kind| known.fares_ill(IMAP, *kind, now)));
        for at in [now, now + 2 * LIMIT_AGAIN] {
            assert!(!kinds.iter().any(|kind| known.fares_ill(IMAP, *kind, at)), "in turns");
        }
        assert!(known.is_well(IMAP) && !known.is_well(IMAP));
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
        /// Whatever comes in whatever order: no outage is told twice, and each that was told ends once;
        /// limits are told seldom, and once until all is well.
        #[test]
        fn outages_and_their_ends_take_turns(
            steps in prop::collection::vec((0..3_usize, 0..2_usize, 0..400_u64), 0..80)
        ) {
            let (mut known, mut now) = (Known::default(), Instant::now());
            let mut told: [Vec<&str>; 2] = Default::default();
            let mut is_away = [false; 2];
            let mut limits: [Option<(Instant, bool)>; 2] = Default::default();
            for (what, which, seconds) in steps {
                now += Duration::from_secs(seconds);
                let part = [IMAP, SMTP][which];
                match what {
                    0 => {
                        let is_news = known.fares_ill(part, EventKind::Unreachable, now);
                        prop_assert_eq!(is_news, !is_away[which]);
                        is_away[which] = true;
                        told[which].extend(is_news.then_some("away"));
                    }
                    1 => if known.fares_ill(part, EventKind::Limit, now) {
                        let may = limits[which].is_none_or(|(at, was_well)| {
                            was_well && now.duration_since(at) >= LIMIT_AGAIN
                        });
                        prop_assert!(may);
                        limits[which] = Some((now, false));
                    },
                    _ => {
                        let is_news = known.is_well(part);
                        prop_assert_eq!(is_news, is_away[which]);
                        is_away[which] = false;
                        told[which].extend(is_news.then_some("back"));
                        if let Some((_, was_well)) = &mut limits[which] {
                            *was_well = true;
                        }
                    }
                }
            }
            for told in told {
                prop_assert!(told.iter().enumerate().all(|(at, it)| *it == ["away", "back"][at % 2]));
            }
        }
    }
}
