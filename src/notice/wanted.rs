//! Which notices there should be, and which there are. Pure: it hears events, and is told what was shown.

use std::collections::BTreeMap;

use crate::proxy::{Event, EventKind};

/// By account.
#[derive(Default)]
pub(super) struct Wanted {
    /// The ends of grants that no sign-in has followed.
    ended: BTreeMap<String, Event>,
    /// The events that were shown, pressed and dismissed ones too: each is shown once.
    shown: BTreeMap<String, u64>,
    /// The number of the last event that was heard.
    heard: u64,
}

impl Wanted {
    /// Heeds an event, once.
    pub(super) fn hear(&mut self, event: &Event) {
        if event.id <= self.heard {
            return;
        }
        self.heard = event.id;
        let Some(account) = &event.account else { return };
        match event.kind {
            // The same grant has not ended again.
            EventKind::NeedsSignIn => {
                self.ended.entry(account.clone()).or_insert_with(|| event.clone());
            }
            // The same grant, wrongly called ended: if it does end, that is another notice.
            EventKind::SignedIn | EventKind::GrantWorks | EventKind::Forgotten => {
                self.ended.remove(account);
            }
            EventKind::Started
            | EventKind::Unreachable
            | EventKind::Recovered
            | EventKind::Limit
            | EventKind::WrongPassword
            | EventKind::Ended
            | EventKind::Reloaded => {}
        }
    }

    /// The events that should be shown and were not. `is_on`: the person wants notices.
    pub(super) fn to_show(&self, is_on: bool) -> Vec<Event> {
        let is_new = |(account, event): &(&String, &Event)| {
            is_on && self.shown.get(*account) != Some(&event.id)
        };
        self.ended.iter().filter(is_new).map(|(_, event)| event.clone()).collect()
    }

    /// The accounts whose notice should go.
    pub(super) fn to_withdraw(&self, is_on: bool) -> Vec<String> {
        let is_over = |account: &&String| !is_on || !self.ended.contains_key(*account);
        self.shown.keys().filter(is_over).cloned().collect()
    }

    /// The notice of this event is on the desktop.
    pub(super) fn shown(&mut self, account: &str, event: u64) {
        self.shown.insert(account.to_owned(), event);
    }

    /// The account's notice is gone.
    pub(super) fn withdrawn(&mut self, account: &str) {
        self.shown.remove(account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YOU: &str = "you@gmail.com";

    fn event(id: u64, account: &str, kind: EventKind) -> Event {
        let account = Some(account.to_owned());
        Event { id, at: 0, account, kind, sentence: "It ended.".into(), remedy: None }
    }

    fn show_all(wanted: &mut Wanted) -> Vec<u64> {
        let events = wanted.to_show(true);
        for event in &events {
            wanted.shown(event.account.as_deref().unwrap(), event.id);
        }
        events.into_iter().map(|event| event.id).collect()
    }

    #[test]
    fn an_ended_grant_is_shown_once_and_its_notice_goes_with_the_sign_in() {
        let mut wanted = Wanted::default();
        wanted.hear(&event(1, YOU, EventKind::SignedIn));
        assert!(show_all(&mut wanted).is_empty());
        wanted.hear(&event(2, YOU, EventKind::NeedsSignIn));
        assert_eq!(show_all(&mut wanted), [2]);
        assert_eq!(show_all(&mut wanted), [0; 0], "it is there");
        wanted.hear(&event(3, YOU, EventKind::NeedsSignIn));
        assert_eq!(show_all(&mut wanted), [0; 0], "it is the same grant");
        assert!(wanted.to_withdraw(true).is_empty());
        wanted.hear(&event(4, YOU, EventKind::SignedIn));
        assert_eq!(wanted.to_withdraw(true), [YOU]);
        wanted.withdrawn(YOU);
        wanted.hear(&event(5, YOU, EventKind::NeedsSignIn));
        assert_eq!(show_all(&mut wanted), [5], "another grant");
    }

    #[test]
    fn nothing_else_makes_a_notice_and_each_account_has_its_own() {
        let mut wanted = Wanted::default();
        let others = [
            EventKind::Started,
            EventKind::Unreachable,
            EventKind::Recovered,
            EventKind::Limit,
            EventKind::WrongPassword,
            EventKind::Ended,
            EventKind::Reloaded,
        ];
        for (kind, id) in others.into_iter().zip(1..) {
            wanted.hear(&event(id, YOU, kind));
        }
        assert!(wanted.to_show(true).is_empty());
        wanted.hear(&event(12, YOU, EventKind::NeedsSignIn));
        wanted.hear(&event(13, "other@gmail.com", EventKind::NeedsSignIn));
        assert_eq!(show_all(&mut wanted), [13, 12]);
        wanted.hear(&event(14, YOU, EventKind::Forgotten));
        assert_eq!(wanted.to_withdraw(true), [YOU]);
    }

    #[test]
    fn a_grant_that_was_wrongly_called_ended_is_forgotten_and_may_end_again() {
        let mut wanted = Wanted::default();
        wanted.hear(&event(1, YOU, EventKind::NeedsSignIn));
        assert_eq!(show_all(&mut wanted), [1]);
        wanted.hear(&event(2, YOU, EventKind::Recovered));
        assert!(wanted.to_withdraw(true).is_empty(), "a mail server's says nothing of the grant");
        wanted.hear(&event(3, YOU, EventKind::GrantWorks));
        assert_eq!(wanted.to_withdraw(true), [YOU]);
        wanted.withdrawn(YOU);
        assert!(show_all(&mut wanted).is_empty());
        wanted.hear(&event(4, YOU, EventKind::NeedsSignIn));
        assert_eq!(show_all(&mut wanted), [4], "now it is true");
    }

    #[test]
    fn what_is_heard_twice_counts_once() {
        let mut wanted = Wanted::default();
        let events = [event(1, YOU, EventKind::NeedsSignIn), event(2, YOU, EventKind::SignedIn)];
        events.iter().for_each(|event| wanted.hear(event));
        wanted.hear(&events[0]);
        assert!(wanted.to_show(true).is_empty());
    }

    #[test]
    fn where_notices_are_off_none_is_shown_and_those_there_go() {
        let mut wanted = Wanted::default();
        wanted.hear(&event(1, YOU, EventKind::NeedsSignIn));
        assert!(wanted.to_show(false).is_empty());
        assert_eq!(show_all(&mut wanted), [1]);
        assert_eq!(wanted.to_withdraw(false), [YOU]);
    }
}
