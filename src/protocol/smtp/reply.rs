//! A server's replies (RFC 5321 §4.2), gathered line by line.

use crate::protocol::dialogue::Violation;
use crate::protocol::line::trim_end;

/// A reply line; RFC 5321 §4.5.3.1.5 allows 512.
const MAX_LINE: usize = 8 * 1024;
/// Lines of one reply.
const MAX_LINES: usize = 100;
/// The lines of one reply together, in bytes; Gmail's answer to EHLO has 250. A relay holds back
/// that answer whole, so this must fit into its buffer with a line of [`MAX_LINE`] behind it.
const MAX_REPLY: usize = 16 * 1024;

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its three digits.
    pub code: u16,
    /// The text of each of its lines.
    pub lines: Vec<String>,
}

impl Reply {
    /// 2yz: done.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// The text on one line.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }
}

/// Gathers lines to replies.
#[derive(Debug, Default)]
pub struct ReplyReader {
    code: Option<u16>,
    lines: Vec<String>,
    bytes: usize,
}

impl ReplyReader {
    /// True between two replies.
    pub fn at_start(&self) -> bool {
        self.code.is_none()
    }

    /// Takes the next line, its end included; gives the reply that it completes.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, Violation> {
        let bytes = self.bytes + line.len();
        let line = trim_end(line);
        let digits = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let code = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let code: u16 = code.ok_or(Violation::ServerReply)?;
        let goes_on = match line.get(3) {
            Some(b'-') => true,
            Some(b' ') | None => false,
            Some(_) => return Err(Violation::ServerReply),
        };
        let is_another = self.code.is_some_and(|first| first != code);
        if is_another || self.lines.len() >= MAX_LINES || bytes > MAX_REPLY {
            return Err(Violation::ServerReply);
        }
        self.bytes = bytes;
        self.code = Some(code);
        self.lines.push(String::from_utf8_lossy(line.get(4..).unwrap_or_default()).into_owned());
        if goes_on {
            return Ok(None);
        }
        self.code = None;
        self.bytes = 0;
        Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) }))
    }

    /// The end of the first line in `buffered`; `Err` if it is longer than a reply's can be.
    pub fn line_end(buffered: &[u8]) -> Result<Option<usize>, Violation> {
        match memchr::memchr(b'\n', buffered) {
            Some(end) if end < MAX_LINE => Ok(Some(end + 1)),
            None if buffered.len() < MAX_LINE => Ok(None),
            _ => Err(Violation::ServerReply),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_one_and_of_many_lines() {
        let mut reader = ReplyReader::default();
        assert_eq!(reader.line(b"250-first\r\n"), Ok(None));
        assert!(!reader.at_start());
        let reply = reader.line(b"250 SIZE 5\r\n").unwrap().unwrap();
        assert_eq!((reply.code, reply.lines), (250, vec!["first".into(), "SIZE 5".into()]));
        assert!(reader.at_start());
        assert_eq!(reader.line(b"354\r\n").unwrap().unwrap().code, 354);
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for line in ["", "25", "abc hello", "2501 x", "250_x"] {
            assert_eq!(
                ReplyReader::default().line(line.as_bytes()),
                Err(Violation::ServerReply),
                "{line}"
            );
        }
        let mut reader = ReplyReader::default();
        assert_eq!(reader.line(b"250-a\r\n"), Ok(None));
        assert_eq!(reader.line(b"550 b\r\n"), Err(Violation::ServerReply));
        let mut reader = ReplyReader::default();
        let line = [b"250-".as_slice(), &[b'x'; 8000], b"\r\n"].concat();
        assert_eq!(reader.line(&line), Ok(None));
        assert_eq!(reader.line(&line), Ok(None));
        assert_eq!(reader.line(&line), Err(Violation::ServerReply));
    }

    #[test]
    fn a_line_may_be_as_long_as_it_may_be_and_no_longer() {
        let line = |length: usize| [vec![b'x'; length - 1], vec![b'\n']].concat();
        assert_eq!(ReplyReader::line_end(&line(MAX_LINE)), Ok(Some(MAX_LINE)));
        assert_eq!(ReplyReader::line_end(&line(MAX_LINE)[..MAX_LINE - 1]), Ok(None));
        assert_eq!(ReplyReader::line_end(&line(MAX_LINE + 1)), Err(Violation::ServerReply));
        assert_eq!(
            ReplyReader::line_end(&line(MAX_LINE + 1)[..MAX_LINE]),
            Err(Violation::ServerReply)
        );
        const { assert!(MAX_LINE >= 512, "RFC 5321 §4.5.3.1.5") };
    }
}
