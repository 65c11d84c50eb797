//! The client's direction of a signed-on IMAP session.

use super::dialogue::{Ledger, LiteralAnswer};
use crate::protocol::dialogue::{Verdict, Violation};
use crate::protocol::line::{self, ImpossibleSize, Literal, Tail};

/// A tag and the first word of a command; clients' tags are a dozen bytes.
const MAX_COMMAND_START: usize = 1024;

/// Where in the client's commands the bytes are.
#[derive(Default)]
pub(super) struct FromClient {
    state: State,
    /// The tag of the command under way.
    tag: Vec<u8>,
    idle: bool,
    tail: Tail,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A new command is to come, or an IDLE's `DONE`.
    #[default]
    Start,
    /// In a command's line. A `false` means it is being dropped.
    Line { passes: bool },
    /// In a literal, this many bytes left.
    Literal { left: u64, passes: bool },
    /// A synchronizing literal of this size was announced; the server has the word.
    Announced { size: u64 },
}

impl FromClient {
    pub(super) fn at_command_start(&self) -> bool {
        self.state == State::Start
    }

    /// Judges the front of `buffered`: passes as much as can be passed at once.
    pub(super) fn judge(&mut self, buffered: &[u8], ledger: &mut Ledger) -> Verdict {
        let mut at = 0;
        loop {
            let rest = &buffered[at..];
            if rest.is_empty() && !matches!(self.state, State::Announced { .. }) {
                return passed(at);
            }
            match self.state {
                State::Start => match self.start(rest) {
                    Start::Incomplete if rest.len() > MAX_COMMAND_START => {
                        return Verdict::Stop(Violation::ClientLineTooLong);
                    }
                    Start::Incomplete => return passed(at),
                    Start::Pass => self.state = State::Line { passes: true },
                    Start::Untagged(length) => at += length,
                    Start::Refuse(_) if at > 0 => return Verdict::Pass(at),
                    Start::Refuse(words) => return self.refuse(rest, words),
                },
                State::Line { passes } => {
                    if !passes && at > 0 {
                        return Verdict::Pass(at);
                    }
                    let end = memchr::memchr(b'\n', rest).map(|found| found + 1);
                    let piece = &rest[..end.unwrap_or(rest.len())];
                    self.tail.push(piece);
                    at += piece.len();
                    if end.is_some()
                        && let Err(violation) = self.line_ended(passes, ledger)
                    {
                        return Verdict::Stop(violation);
                    }
                    if !passes {
                        return dropped(at);
                    }
                }
                State::Literal { left, passes } => {
                    let take = left.min(rest.len() as u64);
                    let left = left - take;
                    self.state = match left {
                        0 => State::Line { passes },
                        left => State::Literal { left, passes },
                    };
                    at += usize::try_from(take).unwrap_or(rest.len());
                    if !passes {
                        return dropped(at);
                    }
                }
                State::Announced { size } => match ledger.take_literal_answer() {
                    LiteralAnswer::None => return passed(at),
                    LiteralAnswer::GoOn => self.literal(size, true),
                    LiteralAnswer::Refused => self.state = State::Start,
                },
            }
        }
    }

    /// Looks at a command's tag and first word.
    fn start(&mut self, rest: &[u8]) -> Start {
        let line_end = memchr::memchr(b'\n', rest);
        let line = &rest[..line_end.unwrap_or(rest.len())];
        let Some(space) = memchr::memchr(b' ', line) else {
            // `DONE`, an empty line, or what the server will call BAD.
            return line_end.map_or(Start::Incomplete, |end| Start::Untagged(end + 1));
        };
        let behind = &line[space + 1..];
        let word_end = behind.iter().position(|byte| matches!(byte, b' ' | b'\r'));
        let Some(word_end) = word_end.or(line_end.map(|_| behind.len())) else {
            return Start::Incomplete;
        };
        let word = behind[..word_end].to_ascii_uppercase();
        self.tag.clear();
        self.tag.extend_from_slice(&line[..space]);
        self.tail.clear();
        self.idle = word == b"IDLE";
        match word.as_slice() {
            // A second sign-on would carry the local password to the provider.
            b"LOGIN" | b"AUTHENTICATE" => Start::Refuse("BAD Already signed on"),
            b"STARTTLS" => Start::Refuse("BAD Already signed on"),
            b"COMPRESS" => Start::Refuse("NO [CANNOT] Compression is not offered"),
            b"UNAUTHENTICATE" => Start::Refuse("NO [CANNOT] Not offered"),
            _ => Start::Pass,
        }
    }

    /// Answers a command here and drops it with what belongs to it.
    fn refuse(&mut self, rest: &[u8], words: &str) -> Verdict {
        let end = memchr::memchr(b'\n', rest).map(|found| found + 1);
        let take = end.unwrap_or(rest.len());
        self.tail.push(&rest[..take]);
        self.state = State::Line { passes: false };
        if end.is_some() {
            // The ledger is not touched: the server never hears of this command.
            match self.refused_line_ended() {
                Ok(()) => {}
                Err(violation) => return Verdict::Stop(violation),
            }
        }
        let reply = [self.tag.as_slice(), b" ", words.as_bytes(), b"\r\n"].concat();
        Verdict::Answer { take, reply }
    }

    fn line_ended(&mut self, passes: bool, ledger: &mut Ledger) -> Result<(), Violation> {
        if !passes {
            return self.refused_line_ended();
        }
        let announced = line::announced_literal(self.tail.bytes());
        self.tail.clear();
        match announced {
            Err(ImpossibleSize) => return Err(Violation::ClientLiteral),
            Ok(None) => {
                self.state = State::Start;
                ledger.command_sent();
                if self.idle && !ledger.idle_sent(&self.tag) {
                    return Err(Violation::ClientLineTooLong);
                }
            }
            Ok(Some(Literal {
                size,
                synchronizing: false,
            })) => self.literal(size, true),
            Ok(Some(Literal {
                size,
                synchronizing: true,
            })) => {
                self.state = State::Announced { size };
                if !ledger.literal_announced(&self.tag) {
                    return Err(Violation::ClientLiteral);
                }
            }
        }
        Ok(())
    }

    /// A refused command goes on only with literals that didn't wait for leave.
    fn refused_line_ended(&mut self) -> Result<(), Violation> {
        let announced = line::announced_literal(self.tail.bytes());
        self.tail.clear();
        match announced {
            Err(ImpossibleSize) => return Err(Violation::ClientLiteral),
            Ok(Some(Literal {
                size,
                synchronizing: false,
            })) => self.literal(size, false),
            Ok(_) => self.state = State::Start,
        }
        Ok(())
    }

    fn literal(&mut self, size: u64, passes: bool) {
        self.state = match size {
            0 => State::Line { passes },
            left => State::Literal { left, passes },
        };
    }
}

/// What the first bytes of a command are.
enum Start {
    /// More bytes are needed.
    Incomplete,
    /// A line without a tag; it passes whole.
    Untagged(usize),
    /// A command that passes.
    Pass,
    /// A command that is answered here.
    Refuse(&'static str),
}

fn passed(length: usize) -> Verdict {
    if length == 0 {
        Verdict::Wait
    } else {
        Verdict::Pass(length)
    }
}

fn dropped(length: usize) -> Verdict {
    Verdict::Answer {
        take: length,
        reply: Vec::new(),
    }
}
