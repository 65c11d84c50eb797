//! What happened lately: the last events in memory, and as they come to whoever listens.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::clock;
use super::happening::{Happening, Words};

/// As many are kept: some days of a quiet proxy, and no more than a page that can be read.
pub const KEPT: usize = 100;
/// The longest sentence or remedy, in characters: a server's words may be in it.
const LONGEST: usize = 600;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up from 1, as long as the proxy runs.
    pub id: u64,
    /// Unix seconds.
    pub at: u64,
    /// The address of the account that it is about, as typed at login.
    pub account: Option<String>,
    /// What kind of thing.
    pub kind: EventKind,
    /// One sentence.
    pub sentence: String,
    /// One thing to do, where there is one.
    pub remedy: Option<String>,
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The proxy serves.
    Started,
    /// A new account, or the new grant of one, was taken up.
    SignedIn,
    /// A grant has ended: once for each.
    NeedsSignIn,
    /// The provider can't be used for now: once for each outage.
    Unreachable,
    /// It can be used again.
    Recovered,
    /// A grant that was called ended is not: the provider has given a token for it after all.
    GrantWorks,
    /// A limit of the provider's or of Gatepost's own was reached.
    Limit,
    /// A mail program came with a wrong password.
    WrongPassword,
    /// A session had to be ended.
    Ended,
    /// An account was forgotten.
    Forgotten,
    /// The configuration and the accounts were read again, or could not be; then there is a remedy.
    Reloaded,
}

/// Keeps the last events, and tells those who listen.
pub(super) struct Journal {
    kept: Mutex<Kept>,
    listeners: broadcast::Sender<Event>,
}

#[derive(Default)]
struct Kept {
    last_id: u64,
    events: VecDeque<Event>,
    /// How many there were of each kind, also of those that are not kept.
    counts: BTreeMap<EventKind, u64>,
}

impl Default for Journal {
    fn default() -> Self {
        // One who listens too slowly for as many finds the rest among those kept.
        Self { kept: Mutex::default(), listeners: broadcast::Sender::new(KEPT) }
    }
}

impl Journal {
    /// Writes it down.
    fn note(&self, kind: EventKind, account: Option<&str>, sentence: &str, remedy: Option<&str>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last_id += 1;
        *kept.counts.entry(kind).or_default() += 1;
        let event = Event {
            id: kept.last_id,
            at: clock::now(),
            account: account.map(str::to_owned),
            kind,
            sentence: fit(sentence),
            remedy: remedy.map(fit),
        };
        while kept.events.len() >= KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(event.clone());
        // Under the lock, so that they come in their order; an error is that nobody listens.
        let _ = self.listeners.send(event);
    }

    /// Writes down what happened now, in its words; `account` is the address of the one it is about.
    pub(super) fn tell(&self, account: Option<&str>, happening: Happening<'_>) {
        let Words { kind, sentence, remedy } = happening.words(account.unwrap_or_default());
        self.note(kind, account, &sentence, remedy.as_deref());
    }

    /// Those that are kept, newest last.
    pub(super) fn events(&self) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.events.iter().cloned().collect()
    }

    /// How many there were of each kind since the start.
    pub(super) fn counts(&self) -> BTreeMap<EventKind, u64> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).counts.clone()
    }

    /// Each from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.listeners.subscribe()
    }
}

/// Words in one line, and of a length that can be read.
fn fit(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_are_kept_in_order_and_told_as_they_come() {
        let journal = Journal::default();
        journal.note(EventKind::Started, None, "One.", None);
        let mut heard = journal.subscribe();
        for _ in 0..KEPT {
            journal.note(EventKind::SignedIn, Some("you@gmail.com"), "Two.", Some("Do it."));
        }
        let kept = journal.events();
        let ids: Vec<u64> = kept.iter().map(|event| event.id).collect();
        assert_eq!(ids, Vec::from_iter(2..=101), "the first made room for the last");
        let counted = BTreeMap::from([(EventKind::Started, 1), (EventKind::SignedIn, 100)]);
        assert_eq!(journal.counts(), counted, "and is counted all the same");
        for event in kept {
            assert_eq!(heard.recv().await.unwrap(), event);
        }
        assert!(heard.try_recv().is_err());
    }

    #[test]
    fn words_are_one_line_and_not_long() {
        let journal = Journal::default();
        journal.note(EventKind::Limit, None, &"a\r\n".repeat(1000), Some("b\u{1b}[31m"));
        let event = journal.events().remove(0);
        assert_eq!(event.sentence.chars().count(), LONGEST);
        assert!(!event.sentence.contains(char::is_control));
        assert_eq!(event.remedy.as_deref(), Some("b [31m"));
    }

    #[test]
    fn the_form_that_scripts_read() {
        let journal = Journal::default();
        journal.note(EventKind::NeedsSignIn, Some("you@gmail.com"), "It ended.", Some("Sign in."));
        let mut event = journal.events().remove(0);
        event.at = 5;
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"id":1,"at":5,"account":"you@gmail.com","kind":"needs_sign_in","sentence":"It ended.","remedy":"Sign in."}"#
        );
    }
}
