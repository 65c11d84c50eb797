//! How a server's bytes fall into lines and literals, after the sign-on.

use crate::protocol::line::{self, ImpossibleSize, Tail};

/// The longest status or capability line that is given whole. Of a longer one (a COPYUID of many
/// messages, RFC 4315 §3) the beginning is given, and then pieces.
const MAX_STATUS_LINE: usize = 16 * 1024;
/// `* PREAUTH ` and `* CAPABILITY `, the longest beginnings that tell a line's kind.
const LINE_START: usize = 13;

/// What the front of a server's bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Frame<'a> {
    /// A whole line for people or about the server: a status response, a capability list, a `+`. Of
    /// one that is too long the beginning, without its end.
    Words(&'a [u8]),
    /// A whole line of data, with its end, that announces no literal.
    Line(&'a [u8]),
    /// A piece of any other line; its LF always comes alone.
    Piece(&'a [u8]),
    /// Bytes of a literal that the line before announced.
    Literal(&'a [u8]),
}

/// Finds the frames in a server's bytes.
#[derive(Debug, Default)]
pub(in crate::protocol) struct Framer {
    state: State,
    tail: Tail,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// In a line of data, which may announce a literal at its end.
    Data,
    /// In a line of text for people, in which a `{5}` announces nothing (RFC 9051 §7.1).
    Text,
    /// In a literal, this many bytes left.
    Literal(u64),
}

impl Framer {
    /// True between two responses.
    pub(in crate::protocol) fn at_line_start(&self) -> bool {
        self.state == State::Start
    }

    /// The frame at the front of `rest`; none where more bytes are needed to tell.
    ///
    /// # Errors
    /// A literal of a size that can't be right; the line's LF was not taken.
    pub(in crate::protocol) fn next<'a>(
        &mut self,
        rest: &'a [u8],
    ) -> Result<Option<Frame<'a>>, ImpossibleSize> {
        if rest.is_empty() {
            return Ok(None);
        }
        if self.state == State::Start {
            match kind_of(rest) {
                Kind::Unclear => return Ok(None),
                // Nearly all lines of data, in one step: 900 instructions for a message's flags, and in
                // pieces 1,290.
                Kind::Data => match whole_line(rest) {
                    Some(line) => return Ok(Some(Frame::Line(line))),
                    None => self.state = State::Data,
                },
                Kind::Text => {
                    let start = &rest[..rest.len().min(MAX_STATUS_LINE)];
                    return Ok(match memchr::memchr(b'\n', start) {
                        Some(end) => Some(Frame::Words(&rest[..=end])),
                        None if start.len() < MAX_STATUS_LINE => None,
                        None => {
                            self.state = State::Text;
                            Some(Frame::Words(start))
                        }
                    });
                }
            }
        }
        if let State::Literal(left) = self.state {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            self.state = match left - take as u64 {
                0 => State::Data,
                left => State::Literal(left),
            };
            return Ok(Some(Frame::Literal(&rest[..take])));
        }
        // A line's end is looked at alone, so that what comes before it has gone on if it must stop
        // the dialogue.
        let piece = match memchr::memchr(b'\n', rest) {
            Some(0) => &rest[..1],
            Some(end) => &rest[..end],
            None => rest,
        };
        self.tail.push(piece);
        if piece == b"\n" {
            self.line_ended()?;
        }
        Ok(Some(Frame::Piece(piece)))
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

/// The line at the front, if all of it is there and its last word can't announce a literal.
fn whole_line(rest: &[u8]) -> Option<&[u8]> {
    let line = &rest[..=memchr::memchr(b'\n', rest)?];
    (!line::trim_end(line).ends_with(b"}")).then_some(line)
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
