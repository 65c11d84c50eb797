//! The server's direction of a signed-on IMAP session.

use super::capability;
use super::framer::{Frame, Framer};
use super::response::{Response, Status, StatusResponse};
use crate::protocol::dialogue::{Farewell, Verdict, Violation};

/// The beginning of a line of data, as far as it can tell which messages there are; a VANISHED of
/// many runs is longer, and then can't be followed.
const MAX_DATA: usize = 1024;

/// What the client's side must hear of.
pub(super) enum Seen<'a> {
    /// A `+` line.
    Continuation,
    /// A tagged response, with its tag.
    Tagged(&'a [u8], &'a StatusResponse<'a>),
    /// The code of an untagged OK.
    Code(&'a [u8]),
    /// A line of data, or its beginning where it is `cut`.
    Data { line: &'a [u8], cut: bool },
}

/// Where in the server's responses the bytes are.
#[derive(Default)]
pub(super) struct FromServer {
    framer: Framer,
    /// The dialogue can't go on.
    broken: bool,
    farewell: Option<Farewell>,
    /// A BYE that was not passed on.
    held_bye: Option<Vec<u8>>,
    /// The beginning of the line of data that is passing.
    data: Vec<u8>,
    data_cut: bool,
}

impl FromServer {
    pub(super) fn at_line_start(&self) -> bool {
        self.framer.at_line_start() && !self.broken
    }

    pub(super) fn farewell(&self) -> Option<&Farewell> {
        self.farewell.as_ref()
    }

    /// A server's BYE that the client was not told.
    pub(super) fn held_bye(&self) -> Option<&[u8]> {
        self.held_bye.as_deref()
    }

    /// Another server goes on in the place of this one, which is between two responses.
    pub(super) fn begin_anew(&mut self) {
        *self = Self::default();
    }

    /// Judges the front of `buffered`: passes as much as can be passed at once. With `hold_bye`, a
    /// BYE that the client didn't ask for is kept back: the session may go on without this server.
    pub(super) fn judge(
        &mut self,
        buffered: &[u8],
        hold_bye: bool,
        tell: &mut dyn FnMut(Seen<'_>),
    ) -> Verdict {
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
                // Of one that is too long the rest would pass.
                Frame::Words(line) if hold_bye && is_bye(line) && line.ends_with(b"\n") => {
                    if at > 0 {
                        break;
                    }
                    self.status_line(line, tell);
                    self.held_bye = Some(line.to_vec());
                    return Verdict::Replace { take: line.len(), with: Vec::new() };
                }
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
                Frame::Line(line) => {
                    let data = line.strip_suffix(b"\n").unwrap_or(line);
                    let shown = &data[..data.len().min(MAX_DATA)];
                    tell(Seen::Data { line: shown, cut: shown.len() < data.len() });
                    line.len()
                }
                Frame::Piece(bytes) => {
                    self.data_piece(bytes, tell);
                    bytes.len()
                }
                Frame::Literal(bytes) => bytes.len(),
            };
            at += length;
        }
        match at {
            0 if self.broken => Verdict::Stop(Violation::ServerLiteral),
            0 => Verdict::Wait,
            at => Verdict::Pass(at),
        }
    }

    /// Gathers a line of data up to its first literal or its end, and tells it.
    fn data_piece(&mut self, piece: &[u8], tell: &mut dyn FnMut(Seen<'_>)) {
        if piece != b"\n" {
            let room = MAX_DATA - self.data.len();
            self.data.extend_from_slice(&piece[..piece.len().min(room)]);
            self.data_cut |= piece.len() > room;
            return;
        }
        if self.framer.at_line_start() {
            tell(Seen::Data { line: &self.data, cut: self.data_cut });
            self.data.clear();
            self.data_cut = false;
        }
    }

    fn status_line(&mut self, line: &[u8], tell: &mut dyn FnMut(Seen<'_>)) {
        match Response::parse(line) {
            Some(Response::Continuation(_)) => tell(Seen::Continuation),
            Some(Response::Tagged(tag, told)) => tell(Seen::Tagged(tag, &told)),
            Some(Response::Untagged(status)) if status.status == Status::Bye => {
                self.farewell = Some(Farewell::new(status.code.unwrap_or_default(), status.text));
            }
            Some(Response::Untagged(status)) if status.status == Status::Ok => {
                tell(Seen::Code(status.code.unwrap_or_default()));
            }
            _ => {}
        }
    }
}

/// As [`Response::parse`] sees it: the words for a person may be missing.
fn is_bye(line: &[u8]) -> bool {
    let word = line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"* BYE"));
    word && line.get(5).is_some_and(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of the server's lines when they come in portions of so many bytes.
    fn told(bytes: &[u8], portion: usize) -> Vec<String> {
        let mut server = FromServer::default();
        let mut told = Vec::new();
        let (mut start, mut end) = (0, 0);
        while end < bytes.len() {
            end = (end + portion).min(bytes.len());
            let mut tell = |seen: Seen<'_>| {
                told.push(match seen {
                    Seen::Data { line, cut } => format!("{} {cut}", line.escape_ascii()),
                    Seen::Tagged(tag, _) => format!("tagged {}", tag.escape_ascii()),
                    Seen::Continuation => "+".to_owned(),
                    Seen::Code(code) => format!("code {}", code.escape_ascii()),
                });
            };
            while let Verdict::Pass(length) = server.judge(&bytes[start..end], false, &mut tell) {
                start += length;
            }
        }
        assert_eq!(start, bytes.len());
        told
    }

    #[test]
    fn a_line_tells_the_same_whole_and_in_pieces() {
        let long = format!("* SEARCH{}\r\n", " 12345".repeat(400));
        let longest = format!("* SEARCH {}\r\n", "1".repeat(MAX_DATA - "* SEARCH \r".len()));
        let lines = [
            "* 7 EXISTS\r\n* 1 FETCH (UID 5 FLAGS ())\r\n",
            "* 2 FETCH (BODY[] {9}\r\n* 3 FETCH UID 6)\r\n",
            "* 4 FETCH (X {0}\r\n UID 7)\n* LIST () \"/\" {x}\r\n",
            &long,
            &longest,
            // What a mail says is no response, however odd the line that announces it.
            "*5 FETCH (BODY[] {11}\r\nb OK done\r\n)\r\n",
            // What it says of a mailbox that it doesn't open is not about one.
            "* NO [UIDNEXT 9] none\r\n",
            "+ go on\r\n* OK [UIDNEXT 8] next\r\na OK done\r\n",
        ];
        let bytes = lines.concat().into_bytes();
        let whole = told(&bytes, bytes.len());
        assert_eq!(whole[1], "* 1 FETCH (UID 5 FLAGS ())\\r false");
        let cut: Vec<_> = whole.iter().filter(|line| line.ends_with(" true")).collect();
        assert!(cut.len() == 1 && cut[0].starts_with("* SEARCH 12345"), "{cut:?}");
        assert_eq!(whole[whole.len() - 4], "*5 FETCH (BODY[] {11}\\r)\\r false");
        assert_eq!(whole[whole.len() - 3..], ["+", "code UIDNEXT 8", "tagged a"]);
        for portion in 1..80 {
            assert_eq!(told(&bytes, portion), whole, "in portions of {portion}");
        }
    }

    #[test]
    fn compression_is_hidden_in_a_long_list_too() {
        let names = " X-FEATURE".repeat(1500);
        let line = format!("* CAPABILITY IMAP4rev1{names} COMPRESS=DEFLATE\r\n");
        let with = format!("* CAPABILITY IMAP4rev1{names}\r\n").into_bytes();
        let verdict = FromServer::default().judge(line.as_bytes(), false, &mut |_| {});
        assert_eq!(verdict, Verdict::Replace { take: line.len(), with });
    }

    #[test]
    fn every_bye_is_kept_back() {
        for line in ["* BYE Session expired\r\n", "* bye\r\n"] {
            let mut server = FromServer::default();
            let verdict = server.judge(line.as_bytes(), true, &mut |_| {});
            assert_eq!(verdict, Verdict::Replace { take: line.len(), with: Vec::new() });
            assert_eq!(server.held_bye(), Some(line.as_bytes()));
        }
        assert!(!is_bye(b"* BYEBYE\r\n"));
    }
}
