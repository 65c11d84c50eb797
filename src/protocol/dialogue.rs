//! What a relay asks of a protocol: how far the bytes in its buffer may go.

use crate::sentence;

/// What is to be done with the front of a buffer.
#[must_use = "a verdict that is dropped loses or holds up mail"]
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first bytes, this many (more than none), go on as they are.
    Pass(usize),
    /// The first `take` bytes are dropped; `with` goes on in their place.
    Replace {
        /// How many bytes are dropped.
        take: usize,
        /// What goes on instead.
        with: Vec<u8>,
    },
    /// The first `take` bytes are dropped; `reply` goes back to the side they came from, as soon
    /// as what is on its way there allows it ([`Dialogue::may_interject`]).
    Answer {
        /// How many bytes are dropped.
        take: usize,
        /// What goes back; it may be empty, when only bytes are to be dropped.
        reply: Vec<u8>,
    },
    /// The command at the front waits: the proxy has something of its own to do with the server
    /// first, and nothing else is under way ([`Dialogue::may_part`] holds).
    Hold,
    /// Nothing can be said before more bytes came, from this side or from the other.
    Wait,
    /// The dialogue can't go on.
    Stop(Violation),
}

/// Why a dialogue can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The client's command line is longer than any command needs.
    #[error("the mail program sent an over-long command")]
    ClientLineTooLong,
    /// The client announced a literal whose size can't be right.
    #[error("the mail program announced an impossible literal")]
    ClientLiteral,
    /// A bare CR or LF, or a NUL, in a command of a client that ends its lines in CRLF: a server may
    /// read another command behind it.
    #[error("the mail program sent a bare CR, LF or NUL within a command")]
    ClientNewline,
    /// The server announced a literal whose size can't be right.
    #[error("the mail server announced an impossible literal")]
    ServerLiteral,
    /// The server sent a reply that isn't one.
    #[error("the mail server sent a reply that isn't one")]
    ServerReply,
    /// A bare CR or LF in DATA (RFC 5321 §2.3.8), which other servers may read as an end of data.
    #[error("the message has a bare CR or LF")]
    BareNewline,
}

/// One signed-on session, seen from between client and server.
pub trait Dialogue {
    /// Judges the front of what the client sent.
    fn client_sent(&mut self, buffered: &[u8]) -> Verdict;

    /// Judges the front of what the server sent.
    fn server_sent(&mut self, buffered: &[u8]) -> Verdict;

    /// True where a reply of the proxy's own may be put between two of the server's.
    fn may_interject(&self) -> bool;

    /// True if no command awaits its answer and none is half sent, or if all that is open is an
    /// IDLE, so that a close cuts nothing off.
    fn is_quiet(&self) -> bool;

    /// True if an answer of the server's is still to come for what the client sent; an IDLE, which
    /// only the client can end, doesn't count.
    fn awaits_answer(&self) -> bool;

    /// The connection to the server is to be changed for another: as long as that is so, a command
    /// of the client's at which it can be done is held.
    fn part_soon(&mut self, soon: bool) {
        let _ = soon;
    }

    /// Lets the command pass that was held.
    fn release(&mut self) {}

    /// True where the connection to the server can be changed for another now, unseen by the client.
    fn may_part(&self) -> bool {
        false
    }

    /// What the client is told before the proxy closes its connection for the reason in `words`.
    /// Nothing where the server has said its farewell already, or in the middle of a server's line.
    fn farewell(&self, words: &str) -> Option<Vec<u8>>;

    /// True once the server has said goodbye and the client was not told: nothing more is to come.
    fn server_has_left(&self) -> bool {
        false
    }

    /// What the server gave as its reason when it announced the end of the session.
    fn server_farewell(&self) -> Option<&Farewell>;
}

/// A server's last words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// IMAP's response code (RFC 9051 §7.1), as it is: `OVERQUOTA`. Empty where there is none.
    pub code: String,
    /// The words for a person: one line of a few hundred characters at most.
    pub text: String,
}

impl Farewell {
    /// Keeps what may be shown.
    pub(super) fn new(code: &[u8], text: &[u8]) -> Self {
        let kept = |bytes: &[u8]| sentence::shown(&String::from_utf8_lossy(bytes));
        Self { code: kept(code), text: kept(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_one_line_and_no_more_than_they_look() {
        let said = Farewell::new(b"ALERT", "\u{202e}Bye\x1b[2J\r\n".as_bytes());
        assert_eq!((said.code.as_str(), said.text.as_str()), ("ALERT", "Bye[2J"));
        assert!(Farewell::new(b"", &[b'x'; 100_000]).text.len() < 1000);
    }
}
