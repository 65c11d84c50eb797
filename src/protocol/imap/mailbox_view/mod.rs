//! What a mail client knows of its session: the extensions it enabled, the mailbox it selected, and
//! which messages it has been told of. By this a session can go on over another connection, and the
//! client be told just what has changed – or it shows that this can't be proved.
//!
//! The client's list of messages has two parts. Those below the *floor*, a UID up to which everything
//! was told: the UIDNEXT of the selection, and later what is above all UIDs that were seen. And the
//! *tail* behind them, of which only the number is known. UIDs only ever grow, so that two things hold
//! without a list: a UID below the floor can vanish but never appear, so that none has vanished if
//! there are as many; and if every UID from the floor on is still there, the tail's are the first of
//! them, by a server that isn't behind. Whether one is can't be seen, so that a tail is proved only as
//! long as the client has *heard* nothing of its messages but how many there are. Nor are those below the
//! floor proved by their number, once the client was told of one as gone: a server that is behind may
//! still have that one, and lack another. Which ones have vanished can be told of the *known* ones, at the
//! front of the list, whose UIDs were seen: in answers to the client's FETCHes, or in the answer to a
//! search of the proxy's own. Where all are known, nothing else is needed.

mod difference;
mod mailbox;
mod text;

use super::data::Data;
use super::response::{Status, StatusResponse};
use super::uid_set::UidSet;
use mailbox::Known;
use text::{contains, mailbox_name, split_word, words_of_protocol};

pub(super) use difference::Found;
pub use difference::{Difference, FlagsSince, Unlike};
pub(super) use mailbox::Mailbox;

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
                    Data::Fetch { number, uid, .. } => mailbox.fetched(number, uid),
                    Data::Search(_) | Data::Esearch(_) | Data::Sorted => {
                        mailbox.searched();
                        Some(())
                    }
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

    /// Takes up the answer to such a search.
    pub(super) fn listed(&mut self, uids: &UidSet) {
        if let Some(mailbox) = self.selected.as_mut().filter(|_| self.changing.is_none()) {
            mailbox.listed(uids);
        }
    }

    /// Compares with what another connection found.
    pub(super) fn compare(&self, found: &Found) -> Result<Difference, Unlike> {
        let mailbox = self.selected().ok_or(Unlike::OtherMailbox)?;
        // What its server said last may contradict what it said before.
        if self.stuck().is_some() {
            return Err(Unlike::Ambiguous);
        }
        mailbox.compare(found)
    }

    /// The client has been told which messages there are.
    pub(super) fn caught_up(&mut self, found: Found) {
        if let Some(mailbox) = &mut self.selected {
            mailbox.uid_next = found.uid_next.or(mailbox.uid_next);
            mailbox.exists = found.exists;
            let above = found.uids.last().map_or(1, |last| last.saturating_add(1));
            mailbox.floor = above.max(found.uid_next.unwrap_or(1)).max(mailbox.floor);
            mailbox.below = found.exists;
            mailbox.heard = 0;
            mailbox.thinned = false;
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

#[cfg(test)]
mod tests;
