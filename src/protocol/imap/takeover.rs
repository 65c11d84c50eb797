//! Commands of the proxy's own, on a connection that no command of the client's is under way on:
//! taking a session over, and learning which messages a mailbox has.

use super::capability::Capabilities;
use super::data::{self, Data};
use super::framer::{Frame, Framer};
use super::mailbox_view::{Found, Mailbox, MailboxView, Unlike};
use super::response::{Response, Status};
use super::uid_set::UidSet;
use crate::protocol::dialogue::Farewell;

/// A response that is longer is none: a search of a million messages full of holes has 8 MB.
const MAX_RESPONSE: usize = 16 * 1024 * 1024;
/// Searches that are repeated, because the mailbox changed on the way, up to here.
const MAX_SEARCHES: u32 = 4;

/// Cuts a server's bytes into whole responses, literals included.
#[derive(Debug, Default)]
pub struct Responses {
    framer: Framer,
    buffer: Vec<u8>,
    /// So much of the buffer is framed, and belongs to a response that isn't whole yet.
    framed: usize,
}

/// The server's bytes can't be cut into responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the mail server sent what is no response")]
pub struct NoResponse;

impl Responses {
    /// Begins with what was read already, between two responses.
    pub fn new(rest: Vec<u8>) -> Self {
        Self { buffer: rest, ..Self::default() }
    }

    /// Adds what came.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole response, its CRLF included.
    pub fn next_response(&mut self) -> Result<Option<Vec<u8>>, NoResponse> {
        loop {
            let frame = self.framer.next(&self.buffer[self.framed..]).map_err(|_| NoResponse)?;
            let Some(frame) = frame else {
                let too_long = self.buffer.len() > MAX_RESPONSE;
                return if too_long { Err(NoResponse) } else { Ok(None) };
            };
            let (Frame::Words(bytes)
            | Frame::Line(bytes)
            | Frame::Piece(bytes)
            | Frame::Literal(bytes)) = frame;
            self.framed += bytes.len();
            if self.framer.at_line_start() {
                let length = std::mem::take(&mut self.framed);
                return Ok(Some(self.buffer.drain(..length).collect()));
            }
        }
    }

    /// What came behind the last whole response.
    pub fn into_rest(self) -> Vec<u8> {
        self.buffer
    }
}

/// What follows on a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The response was the proxy's own, and more of them come.
    Own,
    /// The response is the client's as well: it is about the mailbox and not about the search.
    Both,
    /// Send this.
    Send(Vec<u8>),
    /// All is known.
    Done,
    /// The server refused, or said goodbye.
    Failed(String),
}

/// Learns the UIDs of a mailbox by a search, which is repeated where the mailbox changes meanwhile.
struct Search {
    from: u32,
    esearch: bool,
    /// Counts the searches; each has a tag of its own.
    number: u32,
    /// How many may still be sent.
    left: u32,
    list: Option<UidSet>,
    /// The mailbox changed behind the list.
    changed: bool,
}

impl Search {
    fn new(from: u32, capabilities: &Capabilities) -> Self {
        let esearch = capabilities.has("ESEARCH");
        Self { from, esearch, number: 0, left: MAX_SEARCHES, list: None, changed: false }
    }

    fn command(&mut self) -> Vec<u8> {
        self.number += 1;
        self.left = self.left.saturating_sub(1);
        self.list = None;
        self.changed = false;
        let returns = if self.esearch { "RETURN (ALL) " } else { "" };
        let what = match self.from {
            0 | 1 => "ALL".to_owned(),
            from => format!("UID {from}:*"),
        };
        format!("{} UID SEARCH {returns}{what}\r\n", self.tag()).into_bytes()
    }

    fn tag(&self) -> String {
        format!("gp{}", self.number)
    }

    fn data(&mut self, data: &Data<'_>) -> Option<Step> {
        match data {
            Data::Esearch(answer) if self.esearch => self.list = esearch(answer),
            Data::Search(numbers) if !self.esearch => self.list = numbers_of(numbers),
            Data::Exists(_) | Data::Expunge(_) | Data::Vanished(_) => {
                self.changed = self.list.is_some();
                return None;
            }
            _ => return None,
        }
        // `UID n:*` names the last message even where it lies below n (RFC 9051 §6.4.9).
        if let Some(list) = &mut self.list
            && list.last().is_some_and(|last| last < self.from)
        {
            *list = UidSet::default();
        }
        Some(Step::Own)
    }

    /// The tagged response came: the list, or one more search.
    fn tagged(&mut self, status: Status) -> Result<UidSet, Step> {
        match (status, self.list.take()) {
            (Status::Ok, Some(list)) if !self.changed => Ok(list),
            (Status::Ok, Some(_)) if self.left > 0 => Err(Step::Send(self.command())),
            (Status::Ok, _) => Err(Step::Failed("its search gave no list".into())),
            _ => Err(Step::Failed("it refused a search".into())),
        }
    }
}

/// `(TAG "gp1") UID ALL 1:4,7`; no `ALL` where nothing was found.
fn esearch(answer: &str) -> Option<UidSet> {
    let mut words = answer.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case("ALL") {
            return UidSet::parse(words.next()?);
        }
    }
    Some(UidSet::default())
}

fn numbers_of(numbers: &str) -> Option<UidSet> {
    // Behind them CONDSTORE may put `(MODSEQ n)`.
    let numbers = numbers.split('(').next().unwrap_or_default();
    let joined = numbers.split_ascii_whitespace().collect::<Vec<_>>().join(",");
    if joined.is_empty() { Some(UidSet::default()) } else { UidSet::parse(&joined) }
}

/// Learns the messages whose UIDs the client's view doesn't have, on the connection that serves the
/// client: only while an EXPUNGE may be told, since the answer may bring some.
pub struct Listing {
    search: Search,
}

impl Listing {
    /// The command to send first.
    pub(super) fn begin(
        view: &MailboxView,
        capabilities: &Capabilities,
    ) -> Option<(Self, Vec<u8>)> {
        let mut search = Search::new(view.list_from()?, capabilities);
        let command = search.command();
        Some((Self { search }, command))
    }

    /// Takes a response. Where it is [`Step::Both`], the view must hear of it, too, right after.
    pub(super) fn response(&mut self, response: &[u8], view: &mut MailboxView) -> Step {
        match Response::parse(response) {
            Some(Response::Tagged(tag, done)) if tag == self.search.tag().as_bytes() => {
                match self.search.tagged(done.status) {
                    Ok(list) => {
                        view.listed(&list);
                        Step::Done
                    }
                    Err(step) => step,
                }
            }
            Some(Response::Data) => self.search.data(&Data::parse(response)).unwrap_or(Step::Both),
            _ => Step::Both,
        }
    }
}

/// Brings a fresh connection to where the client's session is.
pub struct Takeover {
    search: Option<Search>,
    /// Tags whose answers are awaited before the search's, in order; whether each must be OK.
    awaited: Vec<(String, bool)>,
    /// The command that selects the mailbox, without its tag.
    selection: Option<Vec<u8>>,
    read_only: bool,
    /// The mailbox can't be selected, or not in the same way.
    closed: bool,
    enabled: Vec<String>,
    exists: u32,
    uids: UidSet,
    /// Flags changed behind the selection.
    flags_changed: bool,
    /// What the codes of the selection say.
    mailbox: Mailbox,
}

/// The tag under which the mailbox is selected.
const SELECTION: &str = "gs";

impl Takeover {
    /// The commands to send, all at once. The view's session must not be stuck.
    pub(super) fn begin(view: &MailboxView, capabilities: &Capabilities) -> (Self, Vec<u8>) {
        let mut commands = Vec::new();
        let mut awaited = Vec::new();
        for command in view.preamble() {
            let tag = format!("ge{}", awaited.len());
            commands.extend_from_slice(&[tag.as_bytes(), b" ", &command, b"\r\n"].concat());
            awaited.push((tag, !command.starts_with(b"ID")));
        }
        let selection = view.selection();
        let mut takeover = Self {
            search: selection.as_ref().map(|_| Search::new(1, capabilities)),
            awaited,
            selection,
            read_only: view.selected().is_some_and(|mailbox| mailbox.read_only),
            closed: false,
            enabled: Vec::new(),
            exists: 0,
            uids: UidSet::default(),
            flags_changed: false,
            mailbox: Mailbox::default(),
        };
        commands.extend_from_slice(&takeover.look().unwrap_or_default());
        (takeover, commands)
    }

    /// Selects the mailbox, as if for the first time, and asks which messages it has.
    pub fn look(&mut self) -> Option<Vec<u8>> {
        let (selection, search) = (self.selection.as_ref()?, self.search.as_mut()?);
        search.left = MAX_SEARCHES;
        self.closed = false;
        self.exists = 0;
        self.flags_changed = false;
        self.mailbox = Mailbox::default();
        self.awaited.push((SELECTION.to_owned(), false));
        let select = [SELECTION.as_bytes(), b" ", selection, b"\r\n"].concat();
        Some([select, search.command()].concat())
    }

    /// True if there is nothing to say.
    pub fn is_done(&self) -> bool {
        self.awaited.is_empty() && self.search.is_none()
    }

    /// Takes a response; none of them is the client's.
    pub fn response(&mut self, response: &[u8]) -> Step {
        match Response::parse(response) {
            Some(Response::Tagged(tag, done)) => self.tagged(tag, &done),
            Some(Response::Untagged(said)) if said.status == Status::Bye => {
                Step::Failed(Farewell::new(b"", said.text).text)
            }
            Some(Response::Untagged(said)) => {
                self.mailbox.take_code(said.code.unwrap_or_default());
                Step::Own
            }
            Some(Response::Data) => {
                let data = Data::parse(response);
                if let Some(search) = &mut self.search {
                    let _ = search.data(&data);
                }
                match data {
                    Data::Exists(count) => self.exists = count,
                    Data::Fetch { .. } => self.flags_changed = true,
                    Data::Expunge(_) => self.exists = self.exists.saturating_sub(1),
                    Data::Vanished(gone) => {
                        let gone = UidSet::parse(gone).map_or(0, |gone| gone.len());
                        self.exists = self.exists.saturating_sub(gone);
                    }
                    Data::Enabled(names) => {
                        self.enabled.extend(names.split_ascii_whitespace().map(str::to_owned));
                    }
                    _ => {}
                }
                Step::Own
            }
            _ => Step::Own,
        }
    }

    fn tagged(&mut self, tag: &[u8], done: &super::response::StatusResponse<'_>) -> Step {
        let of_search = self.search.as_ref().is_some_and(|search| search.tag().as_bytes() == tag);
        if of_search && let Some(search) = &mut self.search {
            return match search.tagged(done.status) {
                Ok(list) => {
                    self.uids = list;
                    Step::Done
                }
                Err(_) if self.closed => Step::Done,
                Err(step) => step,
            };
        }
        let Some(at) = self.awaited.iter().position(|(own, _)| own.as_bytes() == tag) else {
            return Step::Own;
        };
        let (_, must_be_ok) = self.awaited.remove(at);
        if done.status != Status::Ok && must_be_ok {
            return Step::Failed(Farewell::new(b"", done.text).text);
        }
        if tag == SELECTION.as_bytes() {
            let as_before = done.has_code("READ-ONLY") == self.read_only;
            self.closed = done.status != Status::Ok || !as_before;
        }
        if self.is_done() { Step::Done } else { Step::Own }
    }

    /// What a FETCH response from elsewhere says of flags, with the number that the message has here
    /// and so for the client. Nothing where it has none.
    pub fn flags_from_elsewhere(&self, response: &[u8]) -> Option<Vec<u8>> {
        let Data::Fetch { uid: Some(uid), items, .. } = Data::parse(response) else { return None };
        let flags = data::flags_in(items)?;
        let number = self.uids.number(uid)?;
        let start = format!("* {number} FETCH (UID {uid} FLAGS (");
        Some([start.as_bytes(), flags, b"))\r\n"].concat())
    }

    /// True of what is said elsewhere as the mailbox is opened, if all changes of flags that are known
    /// here are known there too (RFC 7162 §3.1.2.1).
    pub fn has_caught_up_elsewhere(&self, response: &[u8]) -> bool {
        let Some(Response::Untagged(said)) = Response::parse(response) else { return false };
        let mut there = Mailbox::default();
        there.take_code(said.code.unwrap_or_default());
        there.modseq.is_some() && there.modseq >= self.mailbox.modseq
    }

    /// What was found, once all is known.
    pub(super) fn found(&self, view: &MailboxView) -> Result<Option<Found>, Unlike> {
        if !view.is_enabled_by(&self.enabled) {
            return Err(Unlike::Lacking);
        }
        if view.selected().is_none() {
            return Ok(None);
        }
        if self.closed {
            return Err(Unlike::Closed);
        }
        let of_mailbox =
            || self.mailbox.as_found(self.exists, self.uids.clone(), self.flags_changed);
        Ok(self.selection.as_ref().map(|_| of_mailbox()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialogue::Dialogue;
    use super::*;
    use crate::protocol::Dialogue as _;
    use crate::protocol::imap::{Difference, FlagsSince};

    #[test]
    fn flags_are_told_by_number_however_many_holes_the_mailbox_has() {
        let mut dialogue = Dialogue::default();
        let _ = dialogue.client_sent(b"a SELECT INBOX\r\n");
        let _ = dialogue.server_sent(b"* OK [UIDVALIDITY 1] x\r\n* 70000 EXISTS\r\na OK done\r\n");
        let capabilities = Capabilities::parse(b"IMAP4rev1 ESEARCH");
        let (mut takeover, _) = dialogue.take_over(&capabilities);
        let uids: Vec<_> = (1..=70_000).map(|number| (number * 2).to_string()).collect();
        let found = format!("* ESEARCH (TAG \"gp1\") UID ALL {}\r\n", uids.join(","));
        for response in ["* 70000 EXISTS\r\n", "gs OK [READ-WRITE] x\r\n", found.as_str()] {
            assert_eq!(takeover.response(response.as_bytes()), Step::Own);
        }
        assert_eq!(takeover.response(b"gp1 OK done\r\n"), Step::Done);
        dialogue.go_on_with(&takeover);
        let told = takeover.flags_from_elsewhere(b"* 9 FETCH (UID 20 FLAGS (\\Seen))\r\n");
        assert_eq!(told.as_deref(), Some(b"* 10 FETCH (UID 20 FLAGS (\\Seen))\r\n".as_slice()));
        assert_eq!(takeover.flags_from_elsewhere(b"* 9 FETCH (UID 21 FLAGS ())\r\n"), None);
    }

    #[test]
    fn flags_from_elsewhere_are_all_of_them_if_its_mod_sequence_is_no_older() {
        let mut dialogue = Dialogue::default();
        let _ = dialogue.client_sent(b"a SELECT INBOX\r\n");
        let _ = dialogue.server_sent(b"* OK [UIDVALIDITY 1] x\r\na OK done\r\n");
        let (mut takeover, _) = dialogue.take_over(&Capabilities::default());
        assert_eq!(takeover.response(b"* OK [HIGHESTMODSEQ 20] x\r\n"), Step::Own);
        for (response, all) in [
            ("* OK [HIGHESTMODSEQ 19] x", false),
            ("* OK [HIGHESTMODSEQ 20] x", true),
            ("* OK [HIGHESTMODSEQ 21] x", true),
            ("* OK [NOMODSEQ] x", false),
            ("* OK [UIDNEXT 30] x", false),
            ("* 3 EXISTS", false),
            ("gx OK [READ-ONLY] done", false),
        ] {
            let response = format!("{response}\r\n");
            assert_eq!(takeover.has_caught_up_elsewhere(response.as_bytes()), all, "{response}");
        }
    }

    #[test]
    fn a_response_may_be_as_long_as_any_mailbox_needs_and_no_longer() {
        let mut responses = Responses::default();
        let beginning = b"* SEARCH";
        responses.receive(beginning);
        responses.receive(&vec![b'1'; MAX_RESPONSE - beginning.len()]);
        assert_eq!(responses.next_response(), Ok(None));
        responses.receive(b"1");
        assert_eq!(responses.next_response(), Err(NoResponse));
        const { assert!(MAX_RESPONSE > 8_000_000, "a million messages full of holes") };
    }

    #[test]
    fn what_is_behind_the_last_whole_response_is_kept() {
        let mut responses = Responses::new(b"* 7 EXISTS\r\n* 1 FET".to_vec());
        assert_eq!(responses.next_response(), Ok(Some(b"* 7 EXISTS\r\n".to_vec())));
        assert_eq!(responses.next_response(), Ok(None));
        assert_eq!(responses.into_rest(), b"* 1 FET");
    }

    const SELECTED: &str = "* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 6] x\r\n\
        * OK [HIGHESTMODSEQ 9] x\r\n* 5 EXISTS\r\n";

    /// A client that has a mailbox of five messages open.
    fn session() -> Dialogue {
        let mut dialogue = Dialogue::default();
        let _ = dialogue.client_sent(b"a SELECT INBOX\r\n");
        let _ = dialogue.server_sent(SELECTED.as_bytes());
        let _ = dialogue.server_sent(b"a OK [READ-WRITE] done\r\n");
        dialogue
    }

    fn responses(text: &str) -> Vec<Vec<u8>> {
        text.split_inclusive('\n').map(|line| line.as_bytes().to_vec()).collect()
    }

    /// What comes of another server that answers so: the last step, and what is different.
    fn taken_over(
        dialogue: &Dialogue,
        capabilities: &str,
        answers: &str,
    ) -> (Step, Result<Option<Difference>, Unlike>) {
        let capabilities = Capabilities::parse(capabilities.as_bytes());
        let (mut takeover, _) = dialogue.take_over(&capabilities);
        let steps = responses(answers).into_iter().map(|response| takeover.response(&response));
        let last = steps.last().expect("an answer");
        (last, dialogue.difference(&takeover))
    }

    #[test]
    fn only_the_answer_to_what_was_asked_is_a_list() {
        for (capabilities, answer, other) in [
            ("ESEARCH", "* ESEARCH (TAG \"gp1\") UID ALL 1:5", "* SEARCH 1 2 3 4 7"),
            ("IDLE", "* SEARCH 1 2 3 4 5", "* ESEARCH (TAG \"gp1\") UID ALL 1:4,7"),
        ] {
            let opened = format!("{SELECTED}gs OK [READ-WRITE] x\r\n");
            let answers = format!("{opened}{answer}\r\n{other}\r\ngp1 OK done\r\n");
            let (step, difference) = taken_over(&session(), capabilities, &answers);
            assert_eq!(step, Step::Done);
            assert!(!difference.unwrap().expect("a mailbox is open").tells());
            let (step, _) = taken_over(
                &session(),
                capabilities,
                &format!("{opened}{other}\r\ngp1 OK done\r\n"),
            );
            assert_eq!(step, Step::Failed("its search gave no list".into()));
        }
    }

    #[test]
    fn a_restless_mailbox_is_searched_four_times() {
        let mut answers = format!("{SELECTED}gs OK [READ-WRITE] x\r\n");
        for number in 1..=MAX_SEARCHES {
            answers += &format!("* ESEARCH (TAG \"x\") UID ALL 1:{}\r\n", 4 + number);
            answers += &format!("* {} EXISTS\r\ngp{number} OK done\r\n", 5 + number);
            let (step, _) = taken_over(&session(), "ESEARCH", &answers);
            match number {
                MAX_SEARCHES => assert_eq!(step, Step::Failed("its search gave no list".into())),
                _ => assert!(matches!(step, Step::Send(_)), "{number}: {step:?}"),
            }
        }
        let (step, _) = taken_over(&session(), "ESEARCH", "gs OK x\r\ngp1 NO x\r\n");
        assert_eq!(step, Step::Failed("it refused a search".into()));
    }

    #[test]
    fn what_changes_behind_the_selection_counts() {
        let listed = "* ESEARCH (TAG \"gp1\") UID ALL 1:4\r\ngp1 OK done\r\n";
        for gone in ["* VANISHED 5", "* 5 EXPUNGE"] {
            let answers = format!("{SELECTED}gs OK [READ-WRITE] x\r\n{gone}\r\n{listed}");
            let (_, difference) = taken_over(&session(), "ESEARCH", &answers);
            // Without a list of its own the client can't be told which one is gone.
            assert_eq!(difference, Err(Unlike::Ambiguous));
        }
        let listed = "* ESEARCH (TAG \"gp1\") UID ALL 1:5\r\ngp1 OK done\r\n";
        for (flags, since) in
            [("", FlagsSince::Same), ("* 2 FETCH (FLAGS ())\r\n", FlagsSince::Modseq(9))]
        {
            let answers = format!("{SELECTED}gs OK [READ-WRITE] x\r\n{flags}{listed}");
            let (_, difference) = taken_over(&session(), "ESEARCH", &answers);
            assert_eq!(difference.unwrap().expect("a mailbox is open").flags_since, since);
        }
    }

    #[test]
    fn a_mailbox_that_opens_otherwise_is_another() {
        let listed = "* ESEARCH (TAG \"gp1\") UID ALL 1:5\r\ngp1 OK done\r\n";
        for answers in [
            format!("{SELECTED}gs OK [READ-ONLY] x\r\n{listed}"),
            "gs NO x\r\ngp1 BAD nothing is selected\r\n".to_owned(),
        ] {
            let (step, difference) = taken_over(&session(), "ESEARCH", &answers);
            assert_eq!((step, difference), (Step::Done, Err(Unlike::Closed)), "{answers}");
        }
    }

    #[test]
    fn who_the_client_is_may_be_refused_and_what_it_enabled_may_not() {
        let mut dialogue = session();
        for (said, answer) in [
            ("b ID (\"name\" \"x\")\r\n", "* ID NIL\r\nb OK done\r\n"),
            ("c ENABLE CONDSTORE\r\n", "* ENABLED CONDSTORE\r\nc OK done\r\n"),
        ] {
            let _ = dialogue.client_sent(said.as_bytes());
            for response in responses(answer) {
                let _ = dialogue.server_sent(&response);
            }
        }
        let (step, _) = taken_over(&dialogue, "ESEARCH", "ge0 NO x\r\n");
        assert_eq!(step, Step::Own);
        let (step, _) = taken_over(&dialogue, "ESEARCH", "ge0 NO x\r\nge1 NO not now\r\n");
        assert_eq!(step, Step::Failed("not now".into()));
    }

    #[test]
    fn a_listing_ends_with_its_own_tag() {
        let mut dialogue = session();
        let capabilities = Capabilities::parse(b"ESEARCH");
        let (mut listing, _) = dialogue.list(&capabilities).expect("a mailbox is open");
        let mut step =
            |response: &str| dialogue.listing_response(&mut listing, response.as_bytes());
        assert_eq!(step("* ESEARCH (TAG \"gp1\") UID ALL 1:5\r\n"), Step::Own);
        assert_eq!(step("b OK done\r\n"), Step::Both);
        assert_eq!(step("gp1 OK done\r\n"), Step::Done);
        assert!(!dialogue.wants_list());
    }
}
