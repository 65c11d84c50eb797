//! A server's responses (RFC 9051 §7), as far as signing on at a provider needs them.

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while1};
use nom::character::complete::char;
use nom::combinator::{eof, opt, peek, rest, value};
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

use super::capability::Capabilities;
use crate::protocol::line::trim_end;

/// One line from a server.
#[derive(Debug, PartialEq, Eq)]
pub enum Response<'a> {
    /// `+ …`: a challenge, or leave to go on.
    Continuation(&'a [u8]),
    /// `* CAPABILITY …`.
    Capability(Capabilities),
    /// `* OK …` and its like.
    Untagged(StatusResponse<'a>),
    /// `tag OK …`, `tag NO …`, `tag BAD …`.
    Tagged(&'a [u8], StatusResponse<'a>),
    /// Any other untagged data.
    Data,
}

/// The word that a status response begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done, or good news.
    Ok,
    /// Refused.
    No,
    /// Not understood.
    Bad,
    /// The server closes the connection.
    Bye,
    /// The connection is signed on already.
    PreAuth,
}

/// A status response behind its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusResponse<'a> {
    /// Its first word.
    pub status: Status,
    /// The code in brackets, as it is: `AUTHENTICATIONFAILED`, `WEBALERT https://…`.
    pub code: Option<&'a [u8]>,
    /// The words for a person, which no program may depend on.
    pub text: &'a [u8],
}

impl StatusResponse<'_> {
    /// True if the code's first word is `word`, in any letter case.
    pub fn has_code(&self, word: &str) -> bool {
        let first = self.code.and_then(|code| code.split(|byte| *byte == b' ').next());
        first.is_some_and(|first| first.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The capability list in the code, if that is what it holds.
    pub fn capabilities(&self) -> Option<Capabilities> {
        let list = self.code.filter(|_| self.has_code("CAPABILITY"))?;
        Some(Capabilities::parse(&list["CAPABILITY".len()..]))
    }
}

impl<'a> Response<'a> {
    /// Reads a line, with or without its CRLF. `None` if it is no response at all.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let line = trim_end(line);
        if let Some(text) = line.strip_prefix(b"+") {
            return Some(Self::Continuation(text.strip_prefix(b" ").unwrap_or(text)));
        }
        if let Some(data) = line.strip_prefix(b"* ") {
            const CAPABILITY: &[u8] = b"CAPABILITY ";
            if data.len() >= CAPABILITY.len()
                && data[..CAPABILITY.len()].eq_ignore_ascii_case(CAPABILITY)
            {
                return Some(Self::Capability(Capabilities::parse(&data[CAPABILITY.len()..])));
            }
            return Some(match status_response(data) {
                Ok((_, status)) => Self::Untagged(status),
                Err(_) => Self::Data,
            });
        }
        let mut tagged = (
            terminated(take_while1(|byte: u8| byte.is_ascii_graphic()), char(' ')),
            status_response,
        );
        let (_, (tag, status)) = tagged.parse(line).ok()?;
        Some(Self::Tagged(tag, status))
    }
}

fn status_response(input: &[u8]) -> IResult<&[u8], StatusResponse<'_>> {
    let word = alt((
        value(Status::Ok, tag_no_case("OK")),
        value(Status::No, tag_no_case("NO")),
        value(Status::Bad, tag_no_case("BAD")),
        value(Status::Bye, tag_no_case("BYE")),
        value(Status::PreAuth, tag_no_case("PREAUTH")),
    ));
    let code = delimited(char('['), take_while1(|byte| byte != b']'), (char(']'), opt(char(' '))));
    // Gmail writes `* OK [HIGHESTMODSEQ n]` without the text that the grammar wants.
    let behind = opt(preceded(char(' '), (opt(code), rest)));
    let word = terminated(word, peek(alt((tag(" "), eof))));
    let (input, (status, behind)) = (word, behind).parse(input)?;
    let (code, text) = behind.unwrap_or((None, b"".as_slice()));
    Ok((input, StatusResponse { status, code, text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gmails_lines_are_read() {
        let greeting = Response::parse(b"* OK Gimap ready for requests from 203.0.113.9\r\n");
        assert!(matches!(
            greeting,
            Some(Response::Untagged(StatusResponse { status: Status::Ok, code: None, .. }))
        ));
        let Some(Response::Tagged(tag, refused)) =
            Response::parse(b"A1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n")
        else {
            panic!("no tagged response")
        };
        assert_eq!((tag, refused.status), (b"A1".as_slice(), Status::No));
        assert!(refused.has_code("authenticationfailed"));
        assert_eq!(refused.text, b"Invalid credentials (Failure)");
        let Some(Response::Untagged(web)) = Response::parse(
            b"* NO [WEBALERT https://accounts.google.com/x] Web login required.\r\n",
        ) else {
            panic!("no untagged response")
        };
        assert!(web.has_code("WEBALERT"));
        assert_eq!(
            Response::parse(b"* OK [HIGHESTMODSEQ 7]\r\n"),
            Some(Response::Untagged(StatusResponse {
                status: Status::Ok,
                code: Some(b"HIGHESTMODSEQ 7"),
                text: b""
            }))
        );
        assert_eq!(Response::parse(b"+ \r\n"), Some(Response::Continuation(b"")));
        assert_eq!(Response::parse(b"* 5 EXISTS\r\n"), Some(Response::Data));
        assert_eq!(Response::parse(b"nonsense\r\n"), None);
        // Words that only begin like a status.
        assert_eq!(Response::parse(b"* NOTIFY x\r\n"), Some(Response::Data));
        assert_eq!(Response::parse(b"a OKAY\r\n"), None);
        assert!(matches!(Response::parse(b"a OK\r\n"), Some(Response::Tagged(b"a", _))));
    }

    #[test]
    fn capabilities_are_found_in_data_and_in_codes() {
        let Some(Response::Capability(list)) = Response::parse(b"* CAPABILITY IMAP4rev1 idle\r\n")
        else {
            panic!("no list")
        };
        assert!(list.has("IDLE") && !list.has("MOVE"));
        let Some(Response::Tagged(_, ok)) =
            Response::parse(b"a OK [CAPABILITY IMAP4rev1 MOVE] Logged in\r\n")
        else {
            panic!("no tagged response")
        };
        assert!(ok.capabilities().unwrap().has("MOVE"));
    }

    #[test]
    fn a_code_is_known_by_its_first_word() {
        let line = b"a OK [read-write to you] done";
        let Some(Response::Tagged(_, status)) = Response::parse(line) else { panic!("it is one") };
        assert!(
            status.has_code("READ-WRITE") && !status.has_code("READ") && !status.has_code("TO")
        );
        assert_eq!(status.capabilities(), None);
    }
}
