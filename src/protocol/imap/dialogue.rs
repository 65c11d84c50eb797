//! A signed-on IMAP session as it passes by: both directions, and what they know of one another.

use std::collections::VecDeque;

use super::from_client::FromClient;
use super::from_server::{FromServer, Seen};
use super::response::Status;
use crate::protocol::dialogue::{self, Verdict};

/// Watches a signed-on IMAP session (see [`crate::protocol::Dialogue`]).
///
/// What passes is not parsed further than framing needs: lines, literals skipped by count, tags,
/// and the few commands and responses that must differ.
#[derive(Default)]
pub struct Dialogue {
    client: FromClient,
    server: FromServer,
    ledger: Ledger,
}

/// What one direction must know of the other.
#[derive(Default)]
pub(super) struct Ledger {
    /// Commands sent whole whose tagged response has not come.
    in_flight: u32,
    /// A command is being sent.
    half_sent: bool,
    /// Its tagged response came before it was sent whole.
    answered_early: bool,
    /// What the server's next `+` lines are for, in order.
    continuations: VecDeque<Continuation>,
    /// The server's word on the client's literal.
    literal: LiteralAnswer,
}

/// What a `+` line from the server answers.
struct Continuation {
    /// The tag of its command.
    tag: Box<[u8]>,
    /// An IDLE (RFC 2177), else a synchronizing literal.
    idle: bool,
    /// For an IDLE: the `+` came, so that only the client's `DONE` is awaited.
    idling: bool,
}

/// What the server said to a synchronizing literal.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum LiteralAnswer {
    /// Nothing is asked, or nothing said yet.
    #[default]
    None,
    /// `+`: its bytes may come.
    GoOn,
    /// A tagged `NO` or `BAD`: its bytes won't come, the command is over.
    Refused,
}

/// An IDLE that was opened and one literal are all that a client may have open; a few more are
/// let pass for clients that pipeline an IDLE behind a literal's command.
const MAX_CONTINUATIONS: usize = 16;

impl Ledger {
    /// The first bytes of a command go out.
    pub(super) fn command_begun(&mut self) {
        self.half_sent = true;
    }

    /// A command went out whole.
    pub(super) fn command_sent(&mut self) {
        self.half_sent = false;
        if !std::mem::take(&mut self.answered_early) {
            self.in_flight = self.in_flight.saturating_add(1);
        }
    }

    /// An IDLE went out. False if too many are open.
    pub(super) fn idle_sent(&mut self, tag: &[u8]) -> bool {
        self.expect(tag, true)
    }

    /// A synchronizing literal was announced. False if too much is open.
    pub(super) fn literal_announced(&mut self, tag: &[u8]) -> bool {
        self.literal = LiteralAnswer::None;
        self.expect(tag, false)
    }

    fn expect(&mut self, tag: &[u8], idle: bool) -> bool {
        self.continuations.push_back(Continuation { tag: tag.into(), idle, idling: false });
        self.continuations.len() <= MAX_CONTINUATIONS
    }

    /// The server's word on the literal that was announced last; asking takes it.
    pub(super) fn take_literal_answer(&mut self) -> LiteralAnswer {
        std::mem::take(&mut self.literal)
    }

    fn continuation_came(&mut self) {
        let Some(at) = self.continuations.iter().position(|open| !open.idling) else {
            return;
        };
        if self.continuations[at].idle {
            self.continuations[at].idling = true;
        } else {
            self.continuations.remove(at);
            self.literal = LiteralAnswer::GoOn;
        }
    }

    fn tagged_came(&mut self, tag: &[u8], status: Status) {
        let at = self.continuations.iter().position(|open| *open.tag == *tag);
        let open = at.map(|at| &self.continuations[at]);
        let others = self.in_flight.saturating_sub(u32::from(open.is_some_and(|open| open.idle)));
        match (at, open) {
            // Some clients give every command the same tag. What waits for its `+` can't be done,
            // so that this OK is an earlier command's.
            (Some(_), Some(open)) if !open.idling && status == Status::Ok && others > 0 => {
                self.in_flight -= 1;
            }
            (Some(at), Some(open)) if !open.idle => {
                // The command that announced the literal was refused: it never went out whole.
                self.continuations.remove(at);
                self.literal = LiteralAnswer::Refused;
                self.half_sent = false;
            }
            (Some(at), _) => {
                self.continuations.remove(at);
                self.in_flight = self.in_flight.saturating_sub(1);
            }
            // A server may refuse a command while its literal is still on its way.
            (None, _) if self.in_flight == 0 && self.half_sent => self.answered_early = true,
            (None, _) => self.in_flight = self.in_flight.saturating_sub(1),
        }
    }

    /// True if the client's last announcement was answered with a refusal that it has not read on
    /// from.
    fn literal_was_refused(&self) -> bool {
        self.literal == LiteralAnswer::Refused
    }

    fn only_idles(&self) -> bool {
        let idles = self.continuations.iter().filter(|open| open.idling).count();
        self.in_flight as usize <= idles && self.continuations.len() == idles
    }
}

impl dialogue::Dialogue for Dialogue {
    fn client_sent(&mut self, buffered: &[u8]) -> Verdict {
        self.client.judge(buffered, &mut self.ledger)
    }

    fn server_sent(&mut self, buffered: &[u8]) -> Verdict {
        let ledger = &mut self.ledger;
        self.server.judge(buffered, &mut |seen| match seen {
            Seen::Continuation => ledger.continuation_came(),
            Seen::Tagged(tag, status) => ledger.tagged_came(tag, status),
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

    fn farewell(&self, words: &str) -> Option<Vec<u8>> {
        let may = self.server.at_line_start() && self.server.farewell().is_none();
        may.then(|| format!("* BYE {words}\r\n").into_bytes())
    }

    fn server_farewell(&self) -> Option<&str> {
        self.server.farewell()
    }
}
