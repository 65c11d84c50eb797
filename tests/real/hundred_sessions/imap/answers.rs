//! What a session asks, and what must come back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::{ImapSession, Mailbox};
use crate::support::messages::letter;

impl ImapSession<'_> {
    /// Asks, and reads up to the OK. What is `\Recent` is the server's own affair.
    pub(super) fn ask(&mut self, command: &str) -> Vec<String> {
        let (tag, asked) = (self.tag(), Instant::now());
        let mut lines = self.wire.command(&tag, command);
        self.tally.answered(asked);
        lines.retain(|line| !line.ends_with(" RECENT"));
        let untagged = &lines[..lines.len() - 1];
        self.require(untagged.iter().all(|line| line.starts_with("* ")), "nobody else's answer");
        lines
    }

    pub(super) fn fetch(&mut self, set: &str, item: &str) -> Vec<(u32, Vec<u8>)> {
        let (tag, asked) = (self.tag(), Instant::now());
        self.wire.send(format!("{tag} UID FETCH {set} {item}\r\n"));
        let (_, messages) = self.wire.answers(&[tag]);
        self.tally.answered(asked);
        messages
    }

    /// No other session has such a one.
    pub(super) fn tag(&mut self) -> String {
        self.tags += 1;
        format!("s{}c{}", self.number, self.tags)
    }

    pub(super) fn examine_known(&mut self) {
        let lines = self.ask("EXAMINE Known");
        let exists = format!("* {} EXISTS", self.account.known.len());
        let is_right =
            lines.contains(&exists) && lines.iter().any(|line| line.contains("[READ-ONLY]"));
        self.require(is_right, "the known mailbox");
    }

    pub(super) fn select_own(&mut self) {
        let lines = self.ask(&format!("SELECT {}", self.own.name));
        let Mailbox { uid_validity, uid_next, letters, .. } = &self.own;
        let told = [
            format!("* {} EXISTS", letters.len()),
            format!("* OK [UIDVALIDITY {uid_validity}]"),
            format!("* OK [UIDNEXT {uid_next}]"),
        ];
        let is_told = |told: &String| lines.iter().any(|line| line.starts_with(told));
        self.require(told.iter().all(is_told), "the mailbox of this session");
    }

    /// The session's own mailbox, with all that is in it.
    pub(super) fn check_own(&mut self) {
        self.select_own();
        let uids: Vec<_> = self.own.letters.keys().copied().collect();
        if !uids.is_empty() {
            self.check_letters("1:*", &uids);
            let lines = self.ask("UID FETCH 1:* FLAGS");
            self.check_flags(&lines, &uids);
        }
    }

    pub(super) fn check_letters(&mut self, set: &str, uids: &[u32]) {
        let fetched = self.fetch(set, "BODY.PEEK[]");
        let address = &self.account.settings.address;
        let expected = uids.iter().map(|uid| (*uid, letter(address, self.own.letters[uid].number)));
        self.check_mails(fetched, expected.collect());
    }

    pub(super) fn check_known(&self, fetched: Vec<(u32, Vec<u8>)>, uids: &BTreeSet<u32>) {
        let expected = uids.iter().map(|uid| (*uid, self.known(*uid).clone()));
        self.check_mails(fetched, expected.collect());
    }

    /// Each of these mails once, byte for byte, and no other.
    pub(super) fn check_mails(
        &self,
        fetched: Vec<(u32, Vec<u8>)>,
        mut expected: BTreeMap<u32, Vec<u8>>,
    ) {
        for (uid, bytes) in fetched {
            let is_right = expected.remove(&uid).is_some_and(|mail| mail == bytes);
            if !is_right {
                self.fail(&format!("UID {uid} as it is, not {}", bytes.escape_ascii()));
            }
        }
        self.require(expected.is_empty(), &format!("UIDs {:?} as well", expected.keys()));
    }

    /// These are told with their flags, and no others.
    pub(super) fn check_flags(&self, lines: &[String], uids: &[u32]) {
        let mut expected: BTreeMap<u32, _> =
            uids.iter().map(|uid| (*uid, &self.own.letters[uid].flags)).collect();
        for line in &lines[..lines.len() - 1] {
            let told = message_flags(line);
            let is_right = told.is_some_and(|(number, uid, flags)| {
                let place = self.own.letters.keys().position(|it| *it == uid);
                place.is_some_and(|place| place + 1 == number)
                    && expected.remove(&uid) == Some(&flags)
            });
            self.require(is_right, &format!("the flags of {uids:?}, not {line}"));
        }
        self.require(expected.is_empty(), &format!("the flags of {expected:?} as well"));
    }

    /// These untagged responses and no others.
    pub(super) fn check(&self, lines: &[String], untagged: &[String]) {
        self.require(&lines[..lines.len() - 1] == untagged, &format!("only {untagged:?}"));
    }

    pub(super) fn require(&self, is_right: bool, what: &str) {
        if !is_right {
            self.fail(what);
        }
    }

    fn fail(&self, expected: &str) -> ! {
        panic!("{}: expected {expected}\n{}", self.own.name, self.wire.dialogue())
    }
}

/// The number, the UID and the flags in a FETCH response; `\Recent` is the server's alone.
fn message_flags(line: &str) -> Option<(usize, u32, BTreeSet<String>)> {
    let (number, rest) = line.strip_prefix("* ")?.split_once(" FETCH (UID ")?;
    let (uid, flags) = rest.strip_suffix("))")?.split_once(" FLAGS (")?;
    let flags = flags.split_whitespace().filter(|flag| *flag != "\\Recent").map(str::to_owned);
    Some((number.parse().ok()?, uid.parse().ok()?, flags.collect()))
}
