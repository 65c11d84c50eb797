//! Who may drive the page: one-time links, and what a browser holds after one. Pure: the time is an
//! argument.
//!
//! A link is made over the control channel, which only the owner of the home can reach, so that no
//! other user of the machine and no page of the web gets in.

use std::time::{Duration, Instant};

use crate::secret::BearerToken;

/// How long a link waits: a browser that starts cold on an old machine is there within it.
const LINK_LIFE: Duration = Duration::from_secs(120);
/// A browser that was not heard of for this long must come by a link again.
const VISIT_IDLE: Duration = Duration::from_secs(3600);
/// The longest visit: a working day.
const VISIT_LIFE: Duration = Duration::from_secs(8 * 3600);
/// Links that wait at a time; the oldest goes. A person asks for one, a notice for another.
const LINKS: usize = 8;
/// Visits at a time; the one longest unheard of goes. A person has a browser or two.
const VISITS: usize = 16;

/// The links and visits of one page.
#[derive(Default)]
pub(super) struct Visits {
    links: Vec<Link>,
    visits: Vec<Visit>,
}

struct Link {
    token: BearerToken,
    until: Instant,
}

/// What a browser may do after it came by a link.
struct Visit {
    cookie: BearerToken,
    csrf: BearerToken,
    until: Instant,
    seen: Instant,
}

impl Visits {
    /// A link that opens the page once, within two minutes.
    pub(super) fn link(&mut self, now: Instant) -> Result<BearerToken, getrandom::Error> {
        let token = BearerToken::random()?;
        self.links.retain(|link| now < link.until);
        if self.links.len() >= LINKS {
            self.links.remove(0);
        }
        self.links.push(Link { token: token.clone(), until: now + LINK_LIFE });
        Ok(token)
    }

    /// Takes a link for a visit, and gives its cookie. `None`: the link was used, is too old, or never
    /// was one.
    pub(super) fn open(&mut self, link: &BearerToken, now: Instant) -> Option<BearerToken> {
        let place = self.links.iter().position(|known| known.token == *link)?;
        // Whoever shows it uses it up, in time or not.
        let link = self.links.remove(place);
        if now >= link.until {
            return None;
        }
        let (cookie, csrf) = (BearerToken::random().ok()?, BearerToken::random().ok()?);
        self.visits.retain(|visit| visit.goes_on(now));
        if self.visits.len() >= VISITS {
            let longest_unheard = (0..self.visits.len()).min_by_key(|at| self.visits[*at].seen);
            longest_unheard.map(|at| self.visits.remove(at));
        }
        let until = now + VISIT_LIFE;
        self.visits.push(Visit { cookie: cookie.clone(), csrf, until, seen: now });
        Some(cookie)
    }

    /// The visit of a cookie, which goes on with this; gives what its forms must send along.
    pub(super) fn hear(&mut self, cookie: &BearerToken, now: Instant) -> Option<BearerToken> {
        let visit = self.visits.iter_mut().find(|visit| visit.cookie == *cookie)?;
        if !visit.goes_on(now) {
            return None;
        }
        visit.seen = now;
        Some(visit.csrf.clone())
    }

    /// True if a form of the cookie's own visit sent this.
    pub(super) fn is_own(
        &mut self,
        cookie: &BearerToken,
        csrf: &BearerToken,
        now: Instant,
    ) -> bool {
        self.hear(cookie, now).is_some_and(|own| own == *csrf)
    }
}

impl Visit {
    fn goes_on(&self, now: Instant) -> bool {
        now < self.until && now < self.seen + VISIT_IDLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_once_and_in_time() {
        let (mut visits, now) = (Visits::default(), Instant::now());
        let link = visits.link(now).unwrap();
        let cookie = visits.open(&link, now + LINK_LIFE / 2).unwrap();
        assert!(visits.open(&link, now).is_none(), "a link is replayed");
        assert!(visits.hear(&cookie, now).is_some());
        assert!(visits.hear(&link, now).is_none(), "a link is no cookie");
        let late = visits.link(now).unwrap();
        assert!(visits.open(&late, now + LINK_LIFE).is_none());
        assert!(visits.open(&late, now).is_none(), "what came late is used up");
        assert!(visits.open(&BearerToken::new(""), now).is_none());
    }

    #[test]
    fn a_visit_ends_by_silence_and_after_a_day() {
        let (mut visits, now) = (Visits::default(), Instant::now());
        let link = visits.link(now).unwrap();
        let cookie = visits.open(&link, now).unwrap();
        let mut at = now;
        while at + VISIT_IDLE / 2 < now + VISIT_LIFE {
            at += VISIT_IDLE / 2;
            assert!(visits.hear(&cookie, at).is_some());
        }
        assert!(visits.hear(&cookie, now + VISIT_LIFE).is_none(), "a day is over");
        let link = visits.link(now).unwrap();
        let cookie = visits.open(&link, now).unwrap();
        assert!(visits.hear(&cookie, now + VISIT_IDLE).is_none(), "it was silent");
    }

    #[test]
    fn a_form_is_of_its_own_visit() {
        let (mut visits, now) = (Visits::default(), Instant::now());
        let [one, other] = [(); 2].map(|()| {
            let link = visits.link(now).unwrap();
            visits.open(&link, now).unwrap()
        });
        let csrf = visits.hear(&one, now).unwrap();
        assert!(visits.is_own(&one, &csrf, now));
        assert!(!visits.is_own(&other, &csrf, now), "another visit's");
        assert!(!visits.is_own(&one, &BearerToken::new(""), now));
        assert!(!visits.is_own(&BearerToken::new(""), &csrf, now));
    }

    #[test]
    fn links_and_visits_are_bounded() {
        let (mut visits, now) = (Visits::default(), Instant::now());
        let first = visits.link(now).unwrap();
        let links: Vec<_> = (0..LINKS).map(|_| visits.link(now).unwrap()).collect();
        assert!(visits.open(&first, now).is_none(), "the oldest has gone");
        assert!(visits.open(&links[0], now).is_some());
        for step in 0..2 * VISITS {
            let at = now + Duration::from_secs(step as u64);
            let link = visits.link(at).unwrap();
            visits.open(&link, at).unwrap();
        }
        assert_eq!(visits.visits.len(), VISITS);
    }
}
