//! The server's direction of a signed-on IMAP session.

use super::capability;
use super::response::{Response, Status};
use crate::protocol::dialogue::{Verdict, Violation};
use crate::protocol::line::{self, ImpossibleSize, Tail};

/// The longest status or capability line that is read whole. Of a longer one (a COPYUID of many
/// messages, RFC 4315 §3) the beginning is read, and it passes as it is.
const MAX_STATUS_LINE: usize = 16 * 1024;
/// `* PREAUTH ` and `* CAPABILITY `, the longest beginnings that tell a line's kind.
const LINE_START: usize = 13;
/// The server's last words, kept for the log.
const MAX_FAREWELL: usize = 200;

/// What the client's side must hear of.
pub(super) enum Seen<'a> {
    /// A `+` line.
    Continuation,
    /// A tagged response, with its tag.
    Tagged(&'a [u8], Status),
}

/// Where in the server's responses the bytes are.
#[derive(Default)]
pub(super) struct FromServer {
    state: State,
    tail: Tail,
    farewell: Option<String>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// In a line of data, which may announce a literal at its end.
    Data,
    /// In a line of text for people, in which a `{5}` announces nothing (RFC 9051 §7.1).
    Text,
    /// In a literal, this many bytes left.
    Literal(u64),
    /// The dialogue can't go on.
    Broken,
}

impl FromServer {
    pub(super) fn at_line_start(&self) -> bool {
        self.state == State::Start
    }

    pub(super) fn farewell(&self) -> Option<&str> {
        self.farewell.as_deref()
    }

    /// Judges the front of `buffered`: passes as much as can be passed at once.
    pub(super) fn judge(&mut self, buffered: &[u8], tell: &mut dyn FnMut(Seen<'_>)) -> Verdict {
        let mut at = 0;
        while at < buffered.len() {
            let rest = &buffered[at..];
            match self.state {
                State::Start => match kind_of(rest) {
                    Kind::Unclear => break,
                    Kind::Data => self.state = State::Data,
                    Kind::Text => {
                        let start = &rest[..rest.len().min(MAX_STATUS_LINE)];
                        let Some(end) = memchr::memchr(b'\n', start) else {
                            if start.len() < MAX_STATUS_LINE {
                                break;
                            }
                            self.status_line(start, tell);
                            self.state = State::Text;
                            continue;
                        };
                        let line = &rest[..=end];
                        if let Some(with) = capability::rewrite(line) {
                            if at > 0 {
                                break;
                            }
                            self.status_line(line, tell);
                            return Verdict::Replace { take: line.len(), with };
                        }
                        self.status_line(line, tell);
                        at += line.len();
                    }
                },
                State::Data | State::Text => {
                    // A line's end is looked at alone, so that what comes before it has gone on
                    // if it must stop the dialogue.
                    let piece = match memchr::memchr(b'\n', rest) {
                        Some(0) => &rest[..1],
                        Some(end) => &rest[..end],
                        None => rest,
                    };
                    self.tail.push(piece);
                    if piece == b"\n" && self.line_ended().is_err() {
                        self.state = State::Broken;
                        break;
                    }
                    at += piece.len();
                }
                State::Literal(left) => {
                    let take = left.min(rest.len() as u64);
                    self.state = match left - take {
                        0 => State::Data,
                        left => State::Literal(left),
                    };
                    at += usize::try_from(take).unwrap_or(rest.len());
                }
                State::Broken => break,
            }
        }
        match (at, self.state) {
            (0, State::Broken) => Verdict::Stop(Violation::ServerLiteral),
            (0, _) => Verdict::Wait,
            (at, _) => Verdict::Pass(at),
        }
    }

    fn status_line(&mut self, line: &[u8], tell: &mut dyn FnMut(Seen<'_>)) {
        match Response::parse(line) {
            Some(Response::Continuation(_)) => tell(Seen::Continuation),
            Some(Response::Tagged(tag, told)) => tell(Seen::Tagged(tag, told.status)),
            Some(Response::Untagged(status)) if status.status == Status::Bye => {
                let words = &status.text[..status.text.len().min(MAX_FAREWELL)];
                let words = String::from_utf8_lossy(words);
                self.farewell = Some(words.chars().filter(|c| !c.is_control()).collect());
            }
            _ => {}
        }
    }

    fn line_ended(&mut self) -> Result<(), ImpossibleSize> {
        let announced = match self.state {
            State::Data => line::announced_literal(self.tail.bytes())?,
            _ => None,
        };
        self.tail.clear();
        self.state = match announced {
            None => State::Start,
            Some(literal) if literal.size == 0 => State::Data,
            Some(literal) => State::Literal(literal.size),
        };
        Ok(())
    }
}

/// What a line is, as far as framing cares.
enum Kind {
    /// More bytes are needed to tell.
    Unclear,
    /// Data, which streams.
    Data,
    /// A status response, a capability list or a `+`: read whole.
    Text,
}

fn kind_of(rest: &[u8]) -> Kind {
    let Some(data) = rest.strip_prefix(b"* ") else {
        return match rest {
            b"*" => Kind::Unclear,
            // `*` without its space is nothing known.
            [b'*', ..] => Kind::Data,
            _ => Kind::Text,
        };
    };
    // Most lines of data begin with a number: told by one byte.
    match data.first() {
        None => return Kind::Unclear,
        Some(byte) if byte.is_ascii_digit() => return Kind::Data,
        Some(_) => {}
    }
    let word_end = data.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let Some(word_end) = word_end else {
        return if rest.len() < LINE_START { Kind::Unclear } else { Kind::Data };
    };
    const TEXT: [&[u8]; 6] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH", b"CAPABILITY"];
    let word = &data[..word_end];
    if TEXT.iter().any(|text| word.eq_ignore_ascii_case(text)) { Kind::Text } else { Kind::Data }
}
