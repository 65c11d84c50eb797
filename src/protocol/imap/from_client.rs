//! The client's direction of a signed-on IMAP session.

use super::ledger::{Ledger, LiteralAnswer};
use crate::protocol::dialogue::{Verdict, Violation};
use crate::protocol::line::{self, ImpossibleSize, LineEnds, Literal, Tail};

/// A tag and the first word of a command, and the byte that ends it; clients' tags are a dozen
/// bytes.
const MAX_COMMAND_START: usize = 1024;

/// Where in the client's commands the bytes are.
#[derive(Default)]
pub(super) struct FromClient {
    state: State,
    /// The tag of the command under way.
    tag: Vec<u8>,
    idle: bool,
    tail: Tail,
    /// The command behind its tag, or its beginning.
    command: Vec<u8>,
    cut: bool,
    line_ends: LineEnds,
}

/// So much of a command is kept for whoever wants to know what it does: a line as long as servers
/// take (RFC 7162 §4).
const MAX_KEPT: usize = 8192;

/// A command that was sent whole.
pub(super) struct Sent<'a> {
    pub(super) tag: &'a [u8],
    /// What stands behind the tag, literals in their places; the beginning of it where it is `cut`.
    pub(super) command: &'a [u8],
    pub(super) cut: bool,
}

/// What the other parts of the dialogue have to do with the client's commands.
pub(super) trait Listener {
    /// True if a command must wait, until the proxy has done something of its own. It is given from
    /// its first word to the end of its line, which nothing came behind so far.
    fn holds(&mut self, command: &[u8]) -> bool;

    /// A command went out whole.
    fn sent(&mut self, sent: Sent<'_>, ledger: &Ledger);
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
    /// The dialogue can't go on.
    Broken(Violation),
}

impl FromClient {
    /// Of a client that has ended its lines so.
    pub(super) fn of(line_ends: LineEnds) -> Self {
        Self { line_ends, ..Self::default() }
    }

    pub(super) fn at_command_start(&self) -> bool {
        self.state == State::Start
    }

    /// Judges the front of `buffered`: passes as much as can be passed at once.
    pub(super) fn judge(
        &mut self,
        buffered: &[u8],
        ledger: &mut Ledger,
        listener: &mut dyn Listener,
    ) -> Verdict {
        let mut at = 0;
        loop {
            let rest = &buffered[at..];
            if rest.is_empty() && !matches!(self.state, State::Announced { .. }) {
                return passed(at);
            }
            match self.state {
                State::Start => match self.start(rest) {
                    Start::Incomplete => return passed(at),
                    Start::Pass { word } if self.doubt(&rest[..word.start], None).is_some() => {
                        return self.stop(Violation::ClientNewline, at);
                    }
                    Start::Pass { word } => {
                        let line_end = memchr::memchr(b'\n', rest);
                        let last = line_end.is_some_and(|end| end + 1 == rest.len());
                        if ledger.is_idle() && last && listener.holds(&rest[word.start..]) {
                            return if at > 0 { Verdict::Pass(at) } else { Verdict::Hold };
                        }
                        // The tag is on record; what is kept begins with the word.
                        self.tail.push(&rest[..word.start]);
                        at += word.start;
                        self.state = State::Line { passes: true };
                        ledger.command_begun();
                    }
                    Start::Untagged(length) if self.doubt(&rest[..length], None).is_some() => {
                        return self.stop(Violation::ClientNewline, at);
                    }
                    Start::Untagged(length) => {
                        if rest[..length].trim_ascii().eq_ignore_ascii_case(b"DONE") {
                            ledger.done_sent();
                        }
                        at += length;
                    }
                    // What came before goes on first, however the bytes arrived.
                    Start::TooLong | Start::Refuse { .. } if at > 0 => return Verdict::Pass(at),
                    Start::TooLong => return Verdict::Stop(Violation::ClientLineTooLong),
                    Start::Refuse { take, .. } if self.doubt(&rest[..take], None).is_some() => {
                        return self.stop(Violation::ClientNewline, at);
                    }
                    Start::Refuse { take, words } => return self.refuse(&rest[..take], words),
                },
                State::Line { passes } => {
                    // A line's end is looked at alone, so that what comes before it has gone on
                    // if it must stop the dialogue.
                    let piece = match memchr::memchr(b'\n', rest) {
                        Some(0) => &rest[..1],
                        Some(end) => &rest[..end],
                        None => rest,
                    };
                    let doubt = self.doubt(piece, rest.get(piece.len()));
                    let piece = &piece[..doubt.map_or(piece.len(), |doubt| doubt.at)];
                    self.tail.push(piece);
                    if passes {
                        self.keep(piece);
                    }
                    if let Some(doubt) = doubt {
                        let at = at + piece.len();
                        if doubt.is_sure {
                            self.state = State::Broken(Violation::ClientNewline);
                        }
                        return match (doubt.is_sure, at) {
                            (true, 0) => Verdict::Stop(Violation::ClientNewline),
                            (false, 0) => Verdict::Wait,
                            (_, at) if passes => Verdict::Pass(at),
                            (_, at) => dropped(at),
                        };
                    }
                    if piece == b"\n"
                        && let Err(violation) = self.line_ended(passes, ledger, listener)
                    {
                        return self.stop(violation, at);
                    }
                    at += piece.len();
                    if !passes {
                        return dropped(at);
                    }
                }
                State::Literal { left, passes } => {
                    let take = left.min(rest.len() as u64);
                    let left = left - take;
                    if passes {
                        self.keep(&rest[..usize::try_from(take).unwrap_or(rest.len())]);
                    }
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
                State::Broken(violation) => return Verdict::Stop(violation),
            }
        }
    }

    /// Stops, behind the `at` bytes that are well.
    fn stop(&mut self, violation: Violation, at: usize) -> Verdict {
        // Judged again, it stops again.
        self.state = State::Broken(violation);
        match at {
            0 => Verdict::Stop(violation),
            at => Verdict::Pass(at),
        }
    }

    /// The first CR, LF or NUL in `piece` that a client which ends its lines in CRLF can't have meant.
    /// `piece` follows what is in the tail; `next` comes behind it.
    fn doubt(&self, piece: &[u8], next: Option<&u8>) -> Option<Doubt> {
        if self.line_ends == LineEnds::Any {
            return None;
        }
        memchr::memchr3_iter(0, b'\r', b'\n', piece).find_map(|at| {
            let before = match at {
                0 => self.tail.bytes().last(),
                at => piece.get(at - 1),
            };
            let is_sure = match (piece[at], piece.get(at + 1).or(next)) {
                (b'\r', Some(b'\n')) => return None,
                (b'\r', None) => false,
                (b'\n', _) if before == Some(&b'\r') => return None,
                _ => true,
            };
            Some(Doubt { at, is_sure })
        })
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = MAX_KEPT - self.command.len();
        self.command.extend_from_slice(&piece[..piece.len().min(room)]);
        self.cut |= piece.len() > room;
    }

    /// Looks at a command's tag and first word. More spaces than the grammar has are no reason to
    /// overlook a word that some server may still recognise.
    fn start(&mut self, rest: &[u8]) -> Start {
        let line_end = memchr::memchr(b'\n', rest);
        let line = &rest[..line_end.unwrap_or(rest.len())];
        let is_space = |byte: &u8| *byte == b' ';
        let tag_start = length_while(line, is_space);
        let tag_end = tag_start + length_while(&line[tag_start..], |byte| !is_space(byte));
        let word_start = tag_end + length_while(&line[tag_end..], is_space);
        let word_end = word_start + length_while(&line[word_start..], u8::is_ascii_alphanumeric);
        if matches!(&line[word_start..], b"" | b"\r") {
            // No command behind the tag: `DONE`, an empty line, or what the server will call BAD.
            return match line_end {
                Some(end) if end <= MAX_COMMAND_START => Start::Untagged(end + 1),
                None if rest.len() <= MAX_COMMAND_START => Start::Incomplete,
                _ => Start::TooLong,
            };
        }
        if word_end > MAX_COMMAND_START {
            return Start::TooLong;
        }
        if word_end == rest.len() {
            return Start::Incomplete;
        }
        let word = line[word_start..word_end].to_ascii_uppercase();
        self.command.clear();
        self.cut = false;
        self.tag.clear();
        self.tag.extend_from_slice(&line[tag_start..tag_end]);
        self.tail.clear();
        self.idle = word == b"IDLE";
        let words = match word.as_slice() {
            // A second sign-on would carry the local password to the provider.
            b"LOGIN" | b"AUTHENTICATE" | b"STARTTLS" => "BAD Already signed on",
            b"COMPRESS" => "NO [CANNOT] Compression is not offered",
            b"UNAUTHENTICATE" => "NO [CANNOT] Not offered",
            _ => return Start::Pass { word: word_start..word_end },
        };
        let take = word_end;
        Start::Refuse { take, words }
    }

    /// Answers a command here; the rest of it is dropped as it comes.
    fn refuse(&mut self, start: &[u8], words: &str) -> Verdict {
        self.tail.push(start);
        self.state = State::Line { passes: false };
        // The ledger is not touched: the server never hears of this command.
        let reply = [self.tag.as_slice(), b" ", words.as_bytes(), b"\r\n"].concat();
        Verdict::Answer { take: start.len(), reply }
    }

    fn line_ended(
        &mut self,
        passes: bool,
        ledger: &mut Ledger,
        listener: &mut dyn Listener,
    ) -> Result<(), Violation> {
        if !passes {
            return self.refused_line_ended();
        }
        let announced = line::announced_literal(self.tail.bytes());
        self.tail.clear();
        match announced {
            Err(ImpossibleSize) => return Err(Violation::ClientLiteral),
            Ok(None) => {
                self.state = State::Start;
                let command = crate::protocol::line::trim_end(&self.command);
                listener.sent(Sent { tag: &self.tag, command, cut: self.cut }, ledger);
                ledger.command_sent();
                if self.idle && !ledger.idle_sent(&self.tag) {
                    return Err(Violation::ClientLineTooLong);
                }
            }
            Ok(Some(Literal { size, synchronizing: false })) => self.literal(size, true),
            Ok(Some(Literal { size, synchronizing: true })) => {
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
            Ok(Some(Literal { size, synchronizing: false })) => self.literal(size, false),
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

/// A byte that may begin a command of somebody else's.
#[derive(Clone, Copy)]
struct Doubt {
    at: usize,
    /// False of a CR of which it isn't known what comes next.
    is_sure: bool,
}

/// What the first bytes of a command are.
enum Start {
    /// More bytes are needed.
    Incomplete,
    /// A line without a tag; it passes whole.
    Untagged(usize),
    /// A command that passes.
    Pass {
        /// Where its first word stands.
        word: std::ops::Range<usize>,
    },
    /// A command that is answered here, with these words, and its tag and first word's length.
    Refuse { take: usize, words: &'static str },
    /// No command's start is as long.
    TooLong,
}

fn length_while(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> usize {
    let end = bytes.iter().position(|byte| !belongs(byte));
    end.unwrap_or(bytes.len())
}

fn passed(length: usize) -> Verdict {
    if length == 0 { Verdict::Wait } else { Verdict::Pass(length) }
}

fn dropped(length: usize) -> Verdict {
    Verdict::Answer { take: length, reply: Vec::new() }
}
