//! A signed-on IMAP session as it passes by: both directions, and what they know of one another.

use super::capability::Capabilities;
use super::from_client::{FromClient, Listener, Sent};
use super::from_server::{FromServer, Seen};
use super::ledger::Ledger;
use super::mailbox_view::{Difference, MailboxView, Unlike};
use super::moments;
use super::repeat;
use super::takeover::{Listing, Step, Takeover};
use crate::protocol::dialogue::{self, Farewell, Verdict};
use crate::protocol::line::LineEnds;

/// Watches a signed-on IMAP session (see [`crate::protocol::Dialogue`]).
///
/// What passes is not parsed further than framing needs and than it takes to know what the client
/// was told of its mailbox: lines, literals skipped by count, tags, the numbers and UIDs of
/// messages, and the few commands and responses that must differ.
#[derive(Default)]
pub struct Dialogue {
    client: FromClient,
    server: FromServer,
    ledger: Ledger,
    watch: Watch,
}

/// What is known beyond framing.
#[derive(Default)]
struct Watch {
    view: MailboxView,
    /// The client has said LOGOUT: the server's BYE is its answer.
    leaving: bool,
    /// Another connection is wanted soon.
    part_soon: bool,
    /// It could not take over between two commands, and will at the next that allows it.
    overdue: bool,
    /// What the held command was held for is done.
    released: bool,
    /// The one command under way, if it may be sent again …
    repeatable: Option<Vec<u8>>,
    /// … even though it was answered in part: all that came is news.
    only_news: bool,
    /// The server has said something since that was sent.
    answered: bool,
}

/// Where in its session a client is, for whoever changes its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// In IDLE, or a NOOP, CHECK or IDLE of its is held: anything may be told.
    Open,
    /// Between two commands: nothing that renumbers messages may be told.
    Between,
}

impl Listener for Watch {
    fn holds(&mut self, command: &[u8]) -> bool {
        if std::mem::take(&mut self.released) || self.view.stuck().is_some() {
            return false;
        }
        // An IDLE needs not wait: the change is made in it. Others leave the mailbox.
        let wants_change = (self.part_soon || self.overdue)
            && moments::tells_of_expunged(command)
            && !moments::is_idle(command)
            && !moments::leaves(command);
        wants_change || (self.view.wants_list() && moments::waits(command))
    }

    fn sent(&mut self, sent: Sent<'_>, ledger: &Ledger) {
        self.released = false;
        self.answered = false;
        let letters = sent.command.iter().take_while(|byte| byte.is_ascii_alphanumeric());
        self.leaving |= sent.command[..letters.count()].eq_ignore_ascii_case(b"LOGOUT");
        let alone = ledger.is_alone();
        self.repeatable = (alone && !sent.cut && repeat::is_harmless(sent.command))
            .then(|| [sent.tag, b" ", sent.command, b"\r\n"].concat());
        self.only_news = moments::waits(sent.command);
        self.view.command(sent.tag, sent.command, sent.cut, alone);
    }
}

impl Dialogue {
    /// A session whose client has ended its lines so.
    pub fn of(line_ends: LineEnds) -> Self {
        Self { client: FromClient::of(line_ends), ..Self::default() }
    }

    /// True if an open mailbox has messages whose UIDs must be learned before the server may be
    /// changed.
    pub fn wants_list(&self) -> bool {
        self.watch.view.wants_list()
    }

    /// Begins to learn them; what comes is given to [`listing_response`](Self::listing_response).
    pub fn list(&self, capabilities: &Capabilities) -> Option<(Listing, Vec<u8>)> {
        Listing::begin(&self.watch.view, capabilities)
    }

    /// Takes a response of the server's to that. Where it is the client's as well
    /// ([`Step::Both`]), it must go through [`server_sent`](dialogue::Dialogue::server_sent) next.
    pub fn listing_response(&mut self, listing: &mut Listing, response: &[u8]) -> Step {
        listing.response(response, &mut self.watch.view)
    }

    /// True if a command that is held is so for another connection
    /// ([`part_soon`](dialogue::Dialogue::part_soon)).
    pub fn is_parting(&self) -> bool {
        self.watch.part_soon || self.watch.overdue
    }

    /// True once the client has said LOGOUT.
    pub fn is_leaving(&self) -> bool {
        self.watch.leaving
    }

    /// No other connection is wanted for now.
    pub fn stay(&mut self) {
        self.watch.part_soon = false;
        self.watch.overdue = false;
    }

    /// Another connection can take over only at a moment that is [`Moment::Open`].
    pub fn stay_until_open(&mut self) {
        self.watch.part_soon = false;
        self.watch.overdue = true;
    }

    /// Where the client is, if its server may be changed for another now; `held` says that a
    /// command of its is held.
    pub fn moment(&self, held: bool) -> Option<Moment> {
        let still = self.client.at_command_start() && self.server.at_line_start();
        if !still || self.watch.leaving || self.watch.view.stuck().is_some() {
            return None;
        }
        match self.ledger.open_idle() {
            Some(_) => Some(Moment::Open),
            None if !self.ledger.is_idle() => None,
            None if held || self.watch.view.selected().is_none() => Some(Moment::Open),
            None => Some(Moment::Between),
        }
    }

    /// True if a line of the client's, with its tag, is a command at which anything may be told: it
    /// counts on no message's number.
    pub fn opens(&self, line: &[u8]) -> bool {
        moments::tells_of_expunged(moments::behind_tag(line))
    }

    /// Before a command that selects another mailbox, nothing more is told about the present one.
    pub fn leave_mailbox(&mut self, line: &[u8]) {
        if moments::leaves(moments::behind_tag(line)) {
            self.watch.view.leave();
        }
    }

    /// True if a line of the client's, with its tag, begins an IDLE: before its `+` nothing should be
    /// told.
    pub fn begins_idle(&self, line: &[u8]) -> bool {
        moments::is_idle(moments::behind_tag(line))
    }

    /// What keeps the session to its connection for good, in words.
    pub fn stuck(&self) -> Option<&'static str> {
        self.watch.view.stuck()
    }

    /// The tag of the client's open IDLE.
    pub fn open_idle(&self) -> Option<&[u8]> {
        self.ledger.open_idle()
    }

    /// After the loss of the server: takes the one command back that awaits its answer, if it only
    /// reads and no more than news came before its answer, and the beginning or the end of an IDLE. It is
    /// to be judged again, as if it came now.
    pub fn take_back(&mut self) -> Option<Vec<u8>> {
        if let Some(idle) = self.ledger.take_back_idle() {
            return Some(idle);
        }
        if !self.ledger.awaits_one() || (self.watch.answered && !self.watch.only_news) {
            return None;
        }
        let command = self.watch.repeatable.take()?;
        self.ledger.forget_command();
        self.watch.view.forget_change();
        Some(command)
    }

    /// Begins to bring another connection to where the session is.
    pub fn take_over(&self, capabilities: &Capabilities) -> (Takeover, Vec<u8>) {
        Takeover::begin(&self.watch.view, capabilities)
    }

    /// What the client must be told for the other connection to be its own; nothing where no
    /// mailbox is selected.
    ///
    /// # Errors
    /// What the client knows can't be proved to be what was found, or to lead there.
    pub fn difference(&self, takeover: &Takeover) -> Result<Option<Difference>, Unlike> {
        let view = &self.watch.view;
        takeover.found(view)?.map(|found| view.compare(&found)).transpose()
    }

    /// The lines that tell the client the difference.
    pub fn told(&self, difference: &Difference) -> Vec<u8> {
        difference.lines(self.watch.view.has_qresync())
    }

    /// The client is told which messages there are, and another server goes on in the place of this
    /// one. Their flags are still to be told ([`flags_told`](Self::flags_told)).
    pub fn go_on_with(&mut self, takeover: &Takeover) {
        self.server.begin_anew();
        self.stay();
        if let Ok(Some(found)) = takeover.found(&self.watch.view) {
            self.watch.view.caught_up(found);
        }
    }

    /// The flags that may differ have been told.
    pub fn flags_told(&mut self, difference: &Difference) {
        self.watch.view.flags_told(difference.modseq);
    }

    /// The command that opens the selected mailbox for reading, on a connection of the proxy's own;
    /// without a tag.
    pub fn examination(&self) -> Option<Vec<u8>> {
        let mailbox = self.watch.view.selected()?;
        Some([b"EXAMINE ", mailbox.name.as_slice()].concat())
    }

    /// True if FETCH responses with MODSEQ in them are nothing new to the client.
    pub fn has_condstore(&self) -> bool {
        self.watch.view.has_condstore()
    }

    /// How many messages the client knows of.
    pub fn exists(&self) -> u32 {
        self.watch.view.exists()
    }
}

impl dialogue::Dialogue for Dialogue {
    fn client_sent(&mut self, buffered: &[u8]) -> Verdict {
        self.client.judge(buffered, &mut self.ledger, &mut self.watch)
    }

    fn server_sent(&mut self, buffered: &[u8]) -> Verdict {
        let Self { server, ledger, watch, .. } = self;
        let hold_bye = !watch.leaving;
        server.judge(buffered, hold_bye, &mut |seen| {
            watch.answered = true;
            match seen {
                Seen::Continuation => ledger.continuation_came(),
                Seen::Tagged(tag, told) => {
                    ledger.tagged_came(tag, told.status);
                    watch.view.tagged(tag, told);
                }
                Seen::Code(code) => watch.view.code(code),
                Seen::Data { line, cut } => watch.view.data(line, cut),
            }
        })
    }

    fn may_interject(&self) -> bool {
        self.server.at_line_start()
    }

    fn is_quiet(&self) -> bool {
        let between_commands = self.client.at_command_start() || self.ledger.literal_was_refused();
        between_commands && self.server.at_line_start() && self.ledger.only_idles()
    }

    fn awaits_answer(&self) -> bool {
        !self.ledger.only_idles()
    }

    fn part_soon(&mut self, soon: bool) {
        self.watch.part_soon = soon;
    }

    fn release(&mut self) {
        self.watch.released = true;
    }

    fn may_part(&self) -> bool {
        match self.moment(false) {
            Some(Moment::Open) => true,
            // What was told and not asked about yet may not fit: the client asks soon.
            Some(Moment::Between) => !self.watch.overdue && !self.watch.view.wants_list(),
            None => false,
        }
    }

    fn farewell(&self, words: &str) -> Option<Vec<u8>> {
        if !self.server.at_line_start() {
            return None;
        }
        match (self.server.held_bye(), self.server.farewell()) {
            (Some(bye), _) => Some(bye.to_vec()),
            (None, Some(_)) => None,
            (None, None) => Some(format!("* BYE {words}\r\n").into_bytes()),
        }
    }

    fn server_has_left(&self) -> bool {
        self.server.held_bye().is_some()
    }

    fn server_farewell(&self) -> Option<&Farewell> {
        self.server.farewell()
    }
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
mod tests;
