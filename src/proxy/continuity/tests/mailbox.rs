//! Mailboxes as they truly are, apart from what anybody was told of them.

use std::fmt;

const NAMES: [&str; 5] = ["\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "$Later"];

/// A set of flags, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::proxy) struct Flags(pub(in crate::proxy) u8);

impl Flags {
    pub(in crate::proxy) const DELETED: Self = Self(0b1000);

    /// Reads what stands between the brackets.
    pub(in crate::proxy) fn parse(text: &str) -> Self {
        let bit = |name: &str| NAMES.iter().position(|known| known.eq_ignore_ascii_case(name));
        let bits = text.split_ascii_whitespace().filter_map(bit);
        Self(bits.fold(0, |flags, bit| flags | 1 << bit))
    }

    pub(in crate::proxy) fn any(random: u64) -> Self {
        Self((random % 32) as u8)
    }

    pub(in crate::proxy) fn is_deleted(self) -> bool {
        self.0 & Self::DELETED.0 != 0
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = (0..NAMES.len()).filter(|bit| self.0 & (1 << bit) != 0);
        f.write_str(&set.map(|bit| NAMES[bit]).collect::<Vec<_>>().join(" "))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) struct Message {
    pub(in crate::proxy) uid: u32,
    pub(in crate::proxy) flags: Flags,
    pub(in crate::proxy) modseq: u64,
}

/// A message's text, which looks like responses that it must not be taken for. Some are large.
pub(in crate::proxy) fn body(uid: u32) -> String {
    let large = if uid.is_multiple_of(11) { 9000 } else { 0 };
    let filler = "x".repeat(uid as usize * 37 % 300 + large);
    format!("Subject: {uid}\r\n\r\n* 1 EXPUNGE\r\n* BYE {{5}}\r\n{filler}")
}

/// What the APPEND with this tag brings.
pub(in crate::proxy) fn appended(tag: &str) -> String {
    let lines = 1 + tag.bytes().map(usize::from).sum::<usize>() % 60;
    format!("Subject: of {tag}\r\n\r\n{}", "* 1 EXPUNGE\r\n+ go on {3}\r\n".repeat(lines))
}

#[derive(Debug, Clone)]
pub(in crate::proxy) struct Mailbox {
    pub(in crate::proxy) uid_validity: u32,
    pub(in crate::proxy) uid_next: u32,
    pub(in crate::proxy) modseq: u64,
    /// In the order of their UIDs.
    pub(in crate::proxy) messages: Vec<Message>,
    /// A SELECT opens it for reading only.
    pub(in crate::proxy) read_only: bool,
}

impl Mailbox {
    pub(in crate::proxy) fn new(messages: u32) -> Self {
        let mut mailbox = Self {
            uid_validity: 7,
            uid_next: 1,
            modseq: 100,
            messages: Vec::new(),
            read_only: false,
        };
        (0..messages).for_each(|_| mailbox.arrive(Flags::default()));
        mailbox
    }

    pub(in crate::proxy) fn arrive(&mut self, flags: Flags) {
        self.modseq += 1;
        self.messages.push(Message { uid: self.uid_next, flags, modseq: self.modseq });
        self.uid_next += 1;
    }

    /// By its number as it truly is, from 1.
    pub(in crate::proxy) fn expunge(&mut self, number: usize) {
        if (1..=self.messages.len()).contains(&number) {
            self.modseq += 1;
            self.messages.remove(number - 1);
        }
    }

    pub(in crate::proxy) fn expunge_deleted(&mut self, also: impl Fn(u32) -> bool) {
        self.modseq += 1;
        self.messages.retain(|message| !(message.flags.is_deleted() && also(message.uid)));
    }

    pub(in crate::proxy) fn set_flags(
        &mut self,
        uid: u32,
        set: impl Fn(Flags) -> Flags,
    ) -> Option<Message> {
        let at = self.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        let flags = set(self.messages[at].flags);
        if flags != self.messages[at].flags {
            self.modseq += 1;
            self.messages[at] = Message { flags, modseq: self.modseq, ..self.messages[at] };
        }
        Some(self.messages[at])
    }

    /// Made anew: the same mails, with UIDs that mean others.
    pub(in crate::proxy) fn renew(&mut self) {
        self.uid_validity += 1;
        for (uid, message) in (1..).zip(&mut self.messages) {
            message.uid = uid;
        }
        self.uid_next = self.messages.last().map_or(1, |last| last.uid + 1);
    }

    pub(in crate::proxy) fn uids(&self) -> Vec<u32> {
        self.messages.iter().map(|message| message.uid).collect()
    }
}

/// The numbers in a sequence set, of those up to `last`, which `*` stands for.
pub(in crate::proxy) fn numbers(set: &str, last: u32) -> Vec<std::ops::RangeInclusive<u32>> {
    let number = |text: &str| if text == "*" { last } else { text.parse().unwrap_or(0) };
    let part = |part: &str| {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        let (from, to) = (number(from), number(to));
        from.min(to)..=from.max(to)
    };
    set.split(',').map(part).collect()
}
