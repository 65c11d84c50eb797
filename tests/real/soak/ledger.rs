//! What the clients did and heard, and whether the mailboxes agree.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use crate::support::{mail_client::Settings, messages, servers::Dovecot, trial::signed_on};

/// What is known of a mail that was appended or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// An OK or a 250 came.
    Accepted,
    /// The connection was lost, or a refusal came that leaves it open.
    Unknown,
}

#[derive(Default)]
pub(super) struct Ledger(Mutex<Books>);

#[derive(Default)]
struct Books {
    next: u64,
    /// By the address and the number of the letter.
    mails: BTreeMap<(String, u64), Fate>,
    done: BTreeMap<&'static str, u64>,
    /// When each error came, by its words.
    errors: BTreeMap<String, Vec<Instant>>,
}

impl Ledger {
    /// The number of a letter that nobody has had.
    pub(super) fn letter(&self) -> u64 {
        let mut books = self.lock();
        books.next += 1;
        books.next
    }

    pub(super) fn book(&self, address: &str, number: u64, fate: Fate) {
        self.lock().mails.insert((address.to_owned(), number), fate);
    }

    /// One more of these.
    pub(super) fn done(&self, what: &'static str) {
        *self.lock().done.entry(what).or_default() += 1;
    }

    /// An error by its words, without what differs between two of a kind. Whatever fails, no client is
    /// told that its password is wrong.
    pub(super) fn error(&self, who: &str, words: &str) {
        let refusals = ["AUTHENTICATIONFAILED", "(535)", " 535 "];
        assert!(!refusals.iter().any(|it| words.contains(it)), "{who}: {words}");
        let is_one = |line: &&str| !line.trim().is_empty() && !line.contains("Warning");
        let said = words.lines().find(|line| line.contains("server message"));
        let kind = kind(said.or(words.lines().rfind(is_one)).unwrap_or_default());
        self.lock().errors.entry(format!("{who}: {kind}")).or_default().push(Instant::now());
    }

    pub(super) fn all_done(&self) -> BTreeMap<&'static str, u64> {
        self.lock().done.clone()
    }

    pub(super) fn errors(&self) -> BTreeMap<String, Vec<Instant>> {
        self.lock().errors.clone()
    }

    /// Accepted, and of unknown fate.
    pub(super) fn mails(&self) -> (usize, usize) {
        let books = self.lock();
        let accepted = books.mails.values().filter(|fate| **fate == Fate::Accepted).count();
        (accepted, books.mails.len() - accepted)
    }

    /// Reads somebody's inbox without Gatepost and compares.
    pub(super) fn assert_arrived(&self, plain: &Dovecot, address: &str) {
        let mut wire = signed_on(&Settings::direct(plain, address));
        wire.command("b", "SELECT INBOX");
        let mut there: BTreeMap<u64, usize> = BTreeMap::new();
        wire.send("c UID FETCH 1:* BODY.PEEK[]\r\n");
        let (_, mails) = wire.answers(&["c".to_owned()]);
        for (uid, mail) in mails {
            let number = number_of(&mail).unwrap_or_else(|| panic!("UID {uid} is nobody's"));
            let known = self.lock().mails.contains_key(&(address.to_owned(), number));
            assert!(known, "{address} has letter {number}, which nobody sent");
            assert!(
                is_letter(&mail, address, number),
                "letter {number} of {address} is not what was sent:\n{}",
                mail.escape_ascii()
            );
            *there.entry(number).or_default() += 1;
        }
        for ((of, number), fate) in &self.lock().mails {
            if of != address {
                continue;
            }
            let times = there.get(number).copied().unwrap_or_default();
            match fate {
                Fate::Accepted => assert_eq!(times, 1, "{address}: letter {number}, accepted"),
                Fate::Unknown => assert!(times <= 1, "{address}: letter {number} {times} times"),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().expect("no panic while held")
    }
}

/// The beginning of what was said, without the numbers.
pub(super) fn kind(words: &str) -> String {
    let kind: String = words.chars().filter(|char| !char.is_ascii_digit()).take(90).collect();
    kind.trim().to_owned()
}

/// The number of the letter that a mail is.
pub(super) fn number_of(mail: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(mail);
    let (_, rest) = text.split_once("Subject: letter ")?;
    rest.split("\r\n").next()?.parse().ok()
}

/// As it was written, behind the lines that a mail server puts before it. lettre puts an empty line behind
/// what ends with a line's end already.
pub(super) fn is_letter(mail: &[u8], address: &str, number: u64) -> bool {
    let letter = messages::letter(address, number);
    mail.ends_with(&letter) || mail.ends_with(&[&letter, b"\r\n".as_slice()].concat())
}
