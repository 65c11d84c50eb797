//! What the two directions of a signed-on IMAP session must know of one another: commands whose
//! answer is awaited, and what the server's next `+` lines are for.

use std::collections::VecDeque;

use super::response::Status;

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
    /// For an IDLE: the client has ended it.
    done: bool,
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

    /// The client has ended its IDLE: the tagged response is awaited now.
    pub(super) fn done_sent(&mut self) {
        if let Some(open) = self.continuations.iter_mut().find(|open| open.idle && !open.done) {
            open.done = true;
        }
    }

    /// A synchronizing literal was announced. False if too much is open.
    pub(super) fn literal_announced(&mut self, tag: &[u8]) -> bool {
        self.literal = LiteralAnswer::None;
        self.expect(tag, false)
    }

    fn expect(&mut self, tag: &[u8], idle: bool) -> bool {
        let open = Continuation { tag: tag.into(), idle, idling: false, done: false };
        self.continuations.push_back(open);
        self.continuations.len() <= MAX_CONTINUATIONS
    }

    /// The server's word on the literal that was announced last; asking takes it.
    pub(super) fn take_literal_answer(&mut self) -> LiteralAnswer {
        std::mem::take(&mut self.literal)
    }

    pub(super) fn continuation_came(&mut self) {
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

    pub(super) fn tagged_came(&mut self, tag: &[u8], status: Status) {
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
    pub(super) fn literal_was_refused(&self) -> bool {
        self.literal == LiteralAnswer::Refused
    }

    /// True if the command that is just going out is the only one.
    pub(super) fn is_alone(&self) -> bool {
        self.in_flight == 0 && self.continuations.is_empty()
    }

    /// True if nothing at all is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && !self.half_sent && self.continuations.is_empty()
    }

    /// The tag of the IDLE that is open, if that is all that is.
    pub(super) fn open_idle(&self) -> Option<&[u8]> {
        match self.continuations.front() {
            Some(open) if self.only_idles() && self.continuations.len() == 1 => Some(&open.tag),
            _ => None,
        }
    }

    /// True if exactly one command was sent whole and awaits its answer.
    pub(super) fn awaits_one(&self) -> bool {
        self.in_flight == 1 && !self.half_sent && self.continuations.is_empty()
    }

    /// Takes back an IDLE that is all there is: what of it the server has not answered.
    pub(super) fn take_back_idle(&mut self) -> Option<Vec<u8>> {
        if self.in_flight != 1 || self.half_sent || self.continuations.len() != 1 {
            return None;
        }
        let open = self.continuations.front_mut().filter(|open| open.idle)?;
        let done = std::mem::take(&mut open.done);
        let end: &[u8] = if done { b"DONE\r\n" } else { b"" };
        if open.idling {
            return done.then(|| end.to_vec());
        }
        let begun = [&open.tag, b" IDLE\r\n".as_slice(), end].concat();
        self.continuations.clear();
        self.in_flight = 0;
        Some(begun)
    }

    /// The command that awaits its answer is sent again, or never was sent.
    pub(super) fn forget_command(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    pub(super) fn only_idles(&self) -> bool {
        let idles = self.continuations.iter().filter(|open| open.idling && !open.done).count();
        self.in_flight as usize <= idles && self.continuations.len() == idles
    }
}
