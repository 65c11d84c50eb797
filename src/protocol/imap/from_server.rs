//! The server's direction of a signed-on IMAP session.

use super::capability;
use super::framer::{Frame, Framer};
use super::response::{Response, Status};
use crate::protocol::dialogue::{Farewell, Verdict, Violation};

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
    framer: Framer,
    /// The dialogue can't go on.
    broken: bool,
    farewell: Option<Farewell>,
}

impl FromServer {
    pub(super) fn at_line_start(&self) -> bool {
        self.framer.at_line_start() && !self.broken
    }

    pub(super) fn farewell(&self) -> Option<&Farewell> {
        self.farewell.as_ref()
    }

    /// Judges the front of `buffered`: passes as much as can be passed at once.
    pub(super) fn judge(&mut self, buffered: &[u8], tell: &mut dyn FnMut(Seen<'_>)) -> Verdict {
        let mut at = 0;
        while !self.broken {
            let frame = match self.framer.next(&buffered[at..]) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => {
                    self.broken = true;
                    break;
                }
            };
            let length = match frame {
                Frame::Words(line) => {
                    // The beginning of one that is too long passes as it is.
                    let whole = line.ends_with(b"\n");
                    if let Some(with) = capability::rewrite(line).filter(|_| whole) {
                        // What came before goes on first; the line is looked at again then.
                        if at > 0 {
                            break;
                        }
                        self.status_line(line, tell);
                        return Verdict::Replace { take: line.len(), with };
                    }
                    self.status_line(line, tell);
                    line.len()
                }
                Frame::Piece(bytes) | Frame::Literal(bytes) => bytes.len(),
            };
            at += length;
        }
        match at {
            0 if self.broken => Verdict::Stop(Violation::ServerLiteral),
            0 => Verdict::Wait,
            at => Verdict::Pass(at),
        }
    }

    fn status_line(&mut self, line: &[u8], tell: &mut dyn FnMut(Seen<'_>)) {
        match Response::parse(line) {
            Some(Response::Continuation(_)) => tell(Seen::Continuation),
            Some(Response::Tagged(tag, told)) => tell(Seen::Tagged(tag, told.status)),
            Some(Response::Untagged(status)) if status.status == Status::Bye => {
                self.farewell = Some(Farewell::new(status.code.unwrap_or_default(), status.text));
            }
            _ => {}
        }
    }
}
