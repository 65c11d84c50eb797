//! What a mail client knows of its session: the extensions it enabled, the mailbox it selected, and
//! which messages it has been told of. By this a session can go on over another connection, and the
//! client be told just what has changed – or it shows that this can't be proved.
//!
//! The client's list of messages has two parts. Those below the *floor*, a UID up to which everything
//! was told: the UIDNEXT of the selection, and later what is above all UIDs that were seen. And the
//! *tail* behind them, of which only the number is known. UIDs only ever grow, so that two things hold
//! without a list: a UID below the floor can vanish but never appear, so that none has vanished if
//! there are as many; and if every UID from the floor on is still there, the tail's are the first of
//! them. Which ones have vanished can be told of the *known* ones, at the front of the list, whose
//! UIDs were seen: in answers to the client's FETCHes, or in the answer to a search of the proxy's own.

use std::cmp::Ordering;

use super::data::Data;
use super::response::{Status, StatusResponse};
use super::uid_set::UidSet;

/// A list in more runs than this (12 bytes each) is given up for its count: then nothing that vanished
/// can be named, but it shows when nothing has.
const MAX_RUNS: usize = 64 * 1024;
/// Expunged messages that are told one by one; a client that lost more does better to begin anew.
const MAX_EXPUNGED: usize = 10_000;

/// What the client knows.
#[derive(Debug, Default)]
pub(super) struct MailboxView {
    /// What ENABLE switched on (RFC 5161), as the server named it.
    enabled: Vec<String>,
    /// The arguments of the client's ID (RFC 2971).
    id: Option<Vec<u8>>,
    /// FETCH responses may have MODSEQ in them (RFC 7162 §3.1).
    condstore: bool,
    /// What the client used that can't be carried over to another connection.
    stuck: Option<&'static str>,
    selected: Option<Mailbox>,
    /// A SELECT or EXAMINE under way, or a CLOSE or UNSELECT (without a mailbox): its tag.
    changing: Option<(Vec<u8>, Option<Mailbox>)>,
}

/// A selected mailbox.
#[derive(Debug, Clone, Default)]
pub(super) struct Mailbox {
    /// Its name as the client sent it, as an atom or a quoted string.
    pub(super) name: Vec<u8>,
    /// Selected by EXAMINE.
    examined: bool,
    /// As the server said, which can be so after a SELECT too.
    pub(super) read_only: bool,
    uid_validity: Option<u32>,
    uid_next: Option<u32>,
    modseq: Option<u64>,
    /// How many messages the client was told of.
    exists: u32,
    known: Known,
    /// Every message with a lower UID was told …
    floor: u32,
    /// … and so many have one: all the known ones, and those behind them up to here.
    below: u32,
    /// What keeps the session to its connection as long as this mailbox is selected.
    stuck: Option<&'static str>,
}

#[derive(Debug, Clone)]
enum Known {
    Uids(UidSet),
    /// Too many holes to keep them.
    Count(u32),
}

impl Default for Known {
    fn default() -> Self {
        Self::Uids(UidSet::default())
    }
}

/// A mailbox as another connection finds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) uid_validity: Option<u32>,
    pub(super) uid_next: Option<u32>,
    pub(super) modseq: Option<u64>,
    pub(super) exists: u32,
    pub(super) uids: UidSet,
    /// Flags have changed since it was selected, and `modseq` told.
    pub(super) flags_changed: bool,
}

/// What the client must be told to know the mailbox as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// Numbers and UIDs of what is gone, from the highest to the lowest.
    pub expunged: Vec<(u32, u32)>,
    /// How many messages there are, if the client can't count them up from what it knows.
    pub exists: Option<u32>,
    /// Whether flags may have changed.
    pub flags_since: FlagsSince,
    /// The mailbox's mod-sequence (RFC 7162), once the flags are told.
    pub(super) modseq: Option<u64>,
}

/// Whether flags may differ from what the client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagsSince {
    /// They are the same.
    Same,
    /// They may have changed since this mod-sequence.
    Modseq(u64),
    /// They may have changed.
    Unknown,
}

/// Why what the client knows and what was found can't be brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unlike {
    /// It is gone, or may not be written to any more, or now may.
    #[error("the mailbox can't be opened as before")]
    Closed,
    /// Its UIDs mean other messages now.
    #[error("the mailbox was made anew")]
    OtherMailbox,
    /// An extension that the client enabled is missing.
    #[error("the mail server lacks what the mail program enabled")]
    Lacking,
    /// The server hasn't caught up yet with what the client was told; a later look may do.
    #[error("the server is behind what it said before")]
    Behind,
    /// Which of the last messages vanished can't be told.
    #[error("it can't be told which of the newest messages are gone")]
    Ambiguous,
    /// There is something to tell, and the client is between two commands.
    #[error("there is something to tell, and no command to tell it at")]
    NotNow,
    /// Messages vanished, and the client is in the middle of counting on their numbers.
    #[error("messages are gone, which can't be told at a command that counts them")]
    Renumbered,
    /// More messages vanished than are told one by one.
    #[error("too many messages are gone")]
    TooMany,
}

impl Unlike {
    /// True if a later look may find it otherwise: replicas lag, and mailboxes are renamed.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Behind | Self::OtherMailbox | Self::Closed)
    }
}

impl Difference {
    /// True if there is something to tell.
    pub fn tells(&self) -> bool {
        self.renumbers() || self.exists.is_some() || self.flags_since != FlagsSince::Same
    }

    /// True if telling it renumbers messages.
    pub fn renumbers(&self) -> bool {
        !self.expunged.is_empty()
    }

    /// The lines that tell it; with QRESYNC, VANISHED tells what is gone.
    pub(super) fn lines(&self, qresync: bool) -> Vec<u8> {
        let mut lines = String::new();
        for (number, uid) in &self.expunged {
            lines.push_str(&if qresync {
                format!("* VANISHED {uid}\r\n")
            } else {
                format!("* {number} EXPUNGE\r\n")
            });
        }
        if let Some(exists) = self.exists {
            lines.push_str(&format!("* {exists} EXISTS\r\n"));
        }
        lines.into_bytes()
    }
}

impl MailboxView {
    /// The client is about to select another mailbox.
    pub(super) fn leave(&mut self) {
        self.selected = None;
    }

    /// The selected mailbox, unless that is just changing.
    pub(super) fn selected(&self) -> Option<&Mailbox> {
        self.selected.as_ref().filter(|_| self.changing.is_none())
    }

    /// What keeps the session to its connection, if anything.
    pub(super) fn stuck(&self) -> Option<&'static str> {
        self.stuck.or(self.selected.as_ref().and_then(|mailbox| mailbox.stuck))
    }

    /// True if all that the client enabled is among these.
    pub(super) fn is_enabled_by(&self, enabled: &[String]) -> bool {
        let has = |name: &String| enabled.iter().any(|other| other.eq_ignore_ascii_case(name));
        self.enabled.iter().all(has)
    }

    /// What must be said on another connection before a mailbox is selected there: commands without
    /// their tags.
    pub(super) fn preamble(&self) -> Vec<Vec<u8>> {
        let id = self.id.iter().map(|arguments| [b"ID ", arguments.as_slice()].concat());
        let enable = (!self.enabled.is_empty())
            .then(|| format!("ENABLE {}", self.enabled.join(" ")).into_bytes());
        id.chain(enable).collect()
    }

    /// The command that selects the mailbox elsewhere, without its tag.
    pub(super) fn selection(&self) -> Option<Vec<u8>> {
        let mailbox = self.selected()?;
        let verb: &[u8] = if mailbox.examined { b"EXAMINE " } else { b"SELECT " };
        let condstore: &[u8] = if self.condstore { b" (CONDSTORE)" } else { b"" };
        Some([verb, &mailbox.name, condstore].concat())
    }

    /// True if FETCH responses may have MODSEQ in them.
    pub(super) fn has_condstore(&self) -> bool {
        self.condstore
    }

    /// True if expunged messages are told as VANISHED (RFC 7162 §3.2.10).
    pub(super) fn has_qresync(&self) -> bool {
        self.enabled.iter().any(|name| name.eq_ignore_ascii_case("QRESYNC"))
    }

    /// The client has sent a command whole. `command` is what stands behind its tag, literals
    /// in their places, or, with `cut`, the beginning of it; `alone`: no other is under way.
    pub(super) fn command(&mut self, tag: &[u8], command: &[u8], cut: bool, alone: bool) {
        let (verb, arguments) = split_word(command);
        match verb.to_ascii_uppercase().as_slice() {
            b"SELECT" | b"EXAMINE" => {
                let examined = verb.eq_ignore_ascii_case(b"EXAMINE");
                let name = mailbox_name(arguments).filter(|_| !cut);
                let stuck = match name {
                    None => Some("the mailbox's name is an unusual one"),
                    // Whose mailbox the responses are about isn't clear then.
                    Some(_) if !alone => Some("the mailbox was selected amid other commands"),
                    Some(_) => None,
                };
                let parameters = words_of_protocol(arguments);
                if contains(&parameters, b"(CONDSTORE") || contains(&parameters, b"(QRESYNC") {
                    self.condstore = true;
                }
                let name = name.unwrap_or_default();
                let mailbox = Mailbox { name, examined, floor: 1, stuck, ..Mailbox::default() };
                self.changing = Some((tag.to_owned(), Some(mailbox)));
            }
            b"CLOSE" | b"UNSELECT" => self.changing = Some((tag.to_owned(), None)),
            b"ID" if !cut && !arguments.contains(&b'{') => self.id = Some(arguments.to_owned()),
            b"UID" => self.message_command(arguments, cut),
            b"FETCH" | b"STORE" | b"SEARCH" | b"SORT" | b"THREAD" => {
                self.message_command(command, cut);
            }
            b"STATUS" => self.condstore |= contains(arguments, b"HIGHESTMODSEQ"),
            // They leave nothing behind in the connection.
            b"ID" | b"CAPABILITY" | b"NOOP" | b"LOGOUT" | b"CHECK" | b"ENABLE" | b"LIST"
            | b"LSUB" | b"XLIST" | b"NAMESPACE" | b"CREATE" | b"DELETE" | b"RENAME"
            | b"SUBSCRIBE" | b"UNSUBSCRIBE" | b"APPEND" | b"EXPUNGE" | b"COPY" | b"MOVE"
            | b"IDLE" | b"GETQUOTA" | b"GETQUOTAROOT" | b"SETQUOTA" | b"GETACL" | b"SETACL"
            | b"DELETEACL" | b"LISTRIGHTS" | b"MYRIGHTS" | b"GETMETADATA" | b"SETMETADATA"
            | b"XYZZY" => {}
            _ => self.stuck = Some("the mail program used an extension that can't be carried over"),
        }
    }

    fn message_command(&mut self, command: &[u8], cut: bool) {
        let words = words_of_protocol(command);
        let has = |what: &[u8]| contains(&words, what);
        if cut && let Some(mailbox) = self.current() {
            mailbox.stuck = Some("the mail program's command was too long to be followed");
        }
        // What switches CONDSTORE on (RFC 7162 §3.1).
        self.condstore |= has(b"MODSEQ") || has(b"CHANGEDSINCE") || has(b"UNCHANGEDSINCE");
        let keeps = has(b"SAVE") || has(b"UPDATE") || has(b"CONTEXT");
        if has(b"RETURN")
            && keeps
            && let Some(mailbox) = self.current()
        {
            mailbox.stuck = Some("the mail program keeps a search on the server");
        }
    }

    /// A tagged response came.
    pub(super) fn tagged(&mut self, tag: &[u8], told: &StatusResponse<'_>) {
        let Some((of, _)) = &self.changing else { return };
        if of != tag {
            return;
        }
        let Some((_, mailbox)) = self.changing.take() else { return };
        let read_only = told.has_code("READ-ONLY");
        match (told.status, mailbox) {
            (Status::Ok, mailbox) => {
                self.selected = mailbox.map(|mailbox| mailbox.opened(read_only));
            }
            // A failed SELECT leaves none selected (RFC 9051 §6.3.2).
            (Status::No, Some(_)) => self.selected = None,
            (Status::No, None) => {}
            _ => self.stuck = Some("the server did not understand the mail program"),
        }
    }

    /// The code of an untagged OK, behind its bracket.
    pub(super) fn code(&mut self, code: &[u8]) {
        let Some(mailbox) = self.current() else { return };
        mailbox.take_code(code);
    }

    /// A line of data, or its beginning; `cut` where it isn't whole.
    pub(super) fn data(&mut self, line: &[u8], cut: bool) {
        match Data::parse(line) {
            Data::Enabled(names) => {
                for name in names.split_ascii_whitespace() {
                    self.condstore |= name.eq_ignore_ascii_case("CONDSTORE")
                        || name.eq_ignore_ascii_case("QRESYNC");
                    if !self.enabled.iter().any(|known| known == name) {
                        self.enabled.push(name.to_owned());
                    }
                }
                if cut {
                    self.stuck = Some("the server's answer is an unusual one");
                }
            }
            data => {
                let selecting = matches!(self.changing, Some((_, Some(_))));
                let Some(mailbox) = self.current() else { return };
                let fits = match data {
                    // It may still be about the mailbox that is being left; the last one counts.
                    Data::Exists(count) if selecting => {
                        mailbox.exists = count;
                        Some(())
                    }
                    _ if selecting => Some(()),
                    Data::Exists(count) => mailbox.exists(count),
                    Data::Expunge(number) => mailbox.expunge(number),
                    Data::Fetch { number, uid: Some(uid), .. } => mailbox.fetched(number, uid),
                    Data::Vanished(set) if !cut => mailbox.vanished(set),
                    Data::Vanished(_) => None,
                    _ => Some(()),
                };
                if fits.is_none() {
                    mailbox.stuck = Some("the server contradicts what it said before");
                }
            }
        }
    }

    /// True if a search of the proxy's own would tell more about the mailbox than is known.
    pub(super) fn wants_list(&self) -> bool {
        self.stuck().is_none() && self.selected().is_some_and(Mailbox::has_tail)
    }

    /// The UIDs from which on such a search is wanted.
    pub(super) fn list_from(&self) -> Option<u32> {
        self.selected().map(|mailbox| mailbox.floor_of_known())
    }

    /// Takes up the answer to such a search, as it was when `exists` messages had been told.
    pub(super) fn listed(&mut self, uids: &UidSet) {
        if let Some(mailbox) = self.selected.as_mut().filter(|_| self.changing.is_none()) {
            mailbox.listed(uids);
        }
    }

    /// Compares with what another connection found.
    pub(super) fn compare(&self, found: &Found) -> Result<Difference, Unlike> {
        self.selected().map_or(Err(Unlike::OtherMailbox), |mailbox| mailbox.compare(found))
    }

    /// The client has been told which messages there are.
    pub(super) fn caught_up(&mut self, found: Found) {
        if let Some(mailbox) = &mut self.selected {
            mailbox.uid_next = found.uid_next.or(mailbox.uid_next);
            mailbox.exists = found.exists;
            let above = found.uids.last().map_or(1, |last| last.saturating_add(1));
            mailbox.floor = above.max(found.uid_next.unwrap_or(1)).max(mailbox.floor);
            mailbox.below = found.exists;
            mailbox.known = Known::of(found.uids);
        }
    }

    /// The client has been told the flags as they were in this state.
    pub(super) fn flags_told(&mut self, modseq: Option<u64>) {
        if let Some(mailbox) = &mut self.selected {
            mailbox.modseq = modseq;
        }
    }

    /// A SELECT that was under way is not: it is sent again.
    pub(super) fn forget_change(&mut self) {
        self.changing = None;
    }

    /// How many messages the client knows of.
    pub(super) fn exists(&self) -> u32 {
        self.selected().map_or(0, |mailbox| mailbox.exists)
    }

    /// The mailbox that untagged responses are about.
    fn current(&mut self) -> Option<&mut Mailbox> {
        match &mut self.changing {
            Some((_, Some(mailbox))) => Some(mailbox),
            _ => self.selected.as_mut(),
        }
    }
}

impl Mailbox {
    pub(super) fn take_code(&mut self, code: &[u8]) {
        let (word, value) = split_word(code);
        let number = || std::str::from_utf8(value).ok()?.trim().parse::<u64>().ok();
        let small = || number().and_then(|number| u32::try_from(number).ok());
        match word.to_ascii_uppercase().as_slice() {
            b"UIDVALIDITY" => self.uid_validity = small(),
            b"UIDNEXT" => self.uid_next = small(),
            b"HIGHESTMODSEQ" => self.modseq = number(),
            b"NOMODSEQ" => self.modseq = None,
            _ => {}
        }
    }

    /// What these codes, with the number of messages and their UIDs, say of a mailbox.
    pub(super) fn as_found(&self, exists: u32, uids: UidSet, flags_changed: bool) -> Found {
        let Self { uid_validity, uid_next, modseq, .. } = *self;
        Found { uid_validity, uid_next, modseq, exists, uids, flags_changed }
    }

    /// All that is there when it is selected is below its UIDNEXT.
    fn opened(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        if let Some(next) = self.uid_next {
            (self.floor, self.below) = (next, self.exists);
        }
        self
    }

    /// None where it contradicts what was told before.
    fn exists(&mut self, count: u32) -> Option<()> {
        if count < self.exists {
            return None;
        }
        self.exists = count;
        Some(())
    }

    fn expunge(&mut self, number: u32) -> Option<()> {
        if number == 0 || number > self.exists {
            return None;
        }
        self.exists -= 1;
        self.below -= u32::from(number <= self.below);
        match &mut self.known {
            Known::Uids(uids) => {
                if let Some(uid) = uids.uid(number) {
                    uids.remove(uid);
                }
            }
            Known::Count(count) if number <= *count => *count -= 1,
            Known::Count(_) => {}
        }
        self.bound();
        Some(())
    }

    fn vanished(&mut self, set: &str) -> Option<()> {
        let gone = UidSet::parse(set)?;
        for number in 1..=gone.len() {
            let uid = gone.uid(number)?;
            let Known::Uids(uids) = &mut self.known else { return None };
            // A server may name UIDs that never were; one above the known ones is another's.
            if uids.remove(uid) {
                self.below = self.below.checked_sub(1)?;
            } else if uids.last().is_some_and(|last| uid < last) {
                continue;
            } else if uid < self.floor {
                self.below = self.below.checked_sub(1)?;
            }
            self.exists = self.exists.checked_sub(1).filter(|exists| *exists >= self.below)?;
        }
        self.bound();
        Some(())
    }

    /// A FETCH named a message's UID.
    fn fetched(&mut self, number: u32, uid: u32) -> Option<()> {
        if number == 0 || number > self.exists {
            return None;
        }
        if let Known::Uids(uids) = &mut self.known {
            match uids.uid(number) {
                Some(known) if known != uid => return None,
                Some(_) => {}
                None if number == uids.len() + 1 => {
                    uids.push(uid)?;
                    if uid >= self.floor {
                        (self.floor, self.below) = (uid.saturating_add(1), number);
                    }
                    self.below = self.below.max(number);
                    self.bound();
                }
                None => {}
            }
        }
        Some(())
    }

    fn has_tail(&self) -> bool {
        match &self.known {
            Known::Uids(uids) => uids.len() < self.exists,
            // A list that could not be kept isn't asked for again.
            Known::Count(_) => false,
        }
    }

    /// The lowest UID that is not among the known ones.
    fn floor_of_known(&self) -> u32 {
        match &self.known {
            Known::Uids(uids) => uids.last().map_or(1, |last| last.saturating_add(1)),
            Known::Count(_) => self.floor,
        }
    }

    /// All UIDs above the known ones, as a search on this very connection found them. One that doesn't
    /// fit what was told is no answer: the server was amid a change.
    fn listed(&mut self, uids: &UidSet) {
        let Known::Uids(known) = &mut self.known else { return };
        if known.len() + uids.len() != self.exists || !known.append(uids) {
            return;
        }
        // What the client was told at the selection is all known now.
        self.below = self.exists;
        self.floor = self.floor_of_known().max(self.floor).max(self.uid_next.unwrap_or(1));
        self.bound();
    }

    /// Gives a list of too many holes up for its count.
    fn bound(&mut self) {
        if let Known::Uids(uids) = &self.known
            && uids.runs() > MAX_RUNS
        {
            self.known = Known::Count(uids.len());
        }
    }

    fn compare(&self, found: &Found) -> Result<Difference, Unlike> {
        if self.uid_validity.is_none() || self.uid_validity != found.uid_validity {
            return Err(Unlike::OtherMailbox);
        }
        let above = found.uids.last().map_or(1, |last| last.saturating_add(1));
        let uid_next = found.uid_next.unwrap_or(above).max(above);
        if found.uids.len() != found.exists || uid_next < self.floor {
            return Err(Unlike::Behind);
        }
        let new = found.uids.count_from(self.floor);
        let old = found.exists - new;
        let expunged = match &self.known {
            Known::Uids(uids) => {
                uids.missing_in(&found.uids, MAX_EXPUNGED).ok_or(Unlike::TooMany)?
            }
            Known::Count(_) => Vec::new(),
        };
        let gone = u32::try_from(expunged.len()).map_err(|_| Unlike::TooMany)?;
        let tail = self.exists - self.below;
        // Below the floor nothing can appear: what is there is what is left.
        match (self.below - gone).cmp(&old) {
            // It still has what the client was told is gone.
            Ordering::Less => return Err(Unlike::Behind),
            Ordering::Equal => {}
            Ordering::Greater => return Err(Unlike::Ambiguous),
        }
        if tail > 0 {
            if new < tail && uid_next - self.floor < tail {
                return Err(Unlike::Behind);
            }
            // With every UID since the floor still there, the tail's are the first of them.
            if new < tail || new != uid_next - self.floor {
                return Err(Unlike::Ambiguous);
            }
        }
        let told = self.exists - gone;
        let flags_since = match (self.modseq, found.modseq) {
            (Some(before), Some(now)) if before == now && !found.flags_changed => FlagsSince::Same,
            (Some(before), Some(_)) => FlagsSince::Modseq(before),
            _ => FlagsSince::Unknown,
        };
        Ok(Difference {
            expunged,
            exists: (found.exists > told).then_some(found.exists),
            flags_since,
            modseq: found.modseq,
        })
    }
}

impl Known {
    fn of(uids: UidSet) -> Self {
        if uids.runs() > MAX_RUNS { Self::Count(uids.len()) } else { Self::Uids(uids) }
    }
}

/// A mailbox's name as it can be said again on one line: an atom or a quoted string as they stand, a
/// literal's text quoted.
fn mailbox_name(arguments: &[u8]) -> Option<Vec<u8>> {
    let arguments = arguments.trim_ascii_start();
    match arguments.first()? {
        b'"' => {
            let mut at = 1;
            loop {
                match arguments.get(at)? {
                    b'"' => return Some(arguments[..=at].to_vec()),
                    b'\\' => at += 2,
                    _ => at += 1,
                }
            }
        }
        b'{' => {
            let end = memchr::memchr(b'\n', arguments)?;
            let literal = crate::protocol::line::announced_literal(&arguments[..=end]).ok()??;
            let size = usize::try_from(literal.size).ok()?;
            let text = arguments.get(end + 1..end + 1 + size)?;
            if !text.iter().all(|byte| byte.is_ascii() && !byte.is_ascii_control()) {
                return None;
            }
            let mut quoted = vec![b'"'];
            for byte in text {
                if matches!(byte, b'"' | b'\\') {
                    quoted.push(b'\\');
                }
                quoted.push(*byte);
            }
            quoted.push(b'"');
            Some(quoted)
        }
        _ => Some(split_word(arguments).0.to_vec()),
    }
}

fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii_start();
    let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    (text[..end].trim_ascii_end(), text[end..].trim_ascii())
}

/// A command without what stands in its strings, quoted or as literals (RFC 9051 §4.3).
fn words_of_protocol(command: &[u8]) -> Vec<u8> {
    let mut words = Vec::with_capacity(command.len());
    let mut rest = command;
    while let Some(at) = memchr::memchr2(b'"', b'\n', rest) {
        let (before, found) = rest.split_at(at + 1);
        words.extend_from_slice(before);
        rest = found;
        let skip = match before.last() {
            Some(b'"') => {
                let mut end = 0;
                while rest.get(end).is_some_and(|byte| *byte != b'"') {
                    end += if rest[end] == b'\\' { 2 } else { 1 };
                }
                end + 1
            }
            _ => {
                let literal = crate::protocol::line::announced_literal(before);
                literal
                    .ok()
                    .flatten()
                    .map_or(0, |literal| literal.size.try_into().unwrap_or(rest.len()))
            }
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
    words.extend_from_slice(rest);
    words
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(&text.to_ascii_uppercase(), word).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_no_words_of_the_protocol() {
        let words =
            |command: &str| String::from_utf8(words_of_protocol(command.as_bytes())).unwrap();
        assert_eq!(
            words("SEARCH SUBJECT \"modseq \\\" x\" TEXT {6}\r\nMODSEQ ALL"),
            "SEARCH SUBJECT \" TEXT {6}\r\n ALL"
        );
        assert_eq!(words("FETCH 1 (FLAGS) (CHANGEDSINCE 5)"), "FETCH 1 (FLAGS) (CHANGEDSINCE 5)");
        for broken in ["\"", "a \"b\\", "{99999}\r\n", "\n\n", "{3}\r\nabc\"d\"e"] {
            words(broken);
        }
    }
}
