//! A signed-on SMTP session as it passes by: both directions, and what they know of one another.

use std::collections::VecDeque;

use super::command::{self, Command};
use super::data::{BareNewlines, Data, DataSink, Seen};
use super::extensions::{Extensions, ehlo_reply};
use super::reply::ReplyReader;
use crate::protocol::StartTls;
use crate::protocol::dialogue::{self, Farewell, Verdict, Violation};
use crate::protocol::line::{LineEnds, trim_end};

/// A command line; RFC 4954 §4 asks for 12,288, more than any other extension.
const MAX_LINE: usize = 16 * 1024;
/// Commands sent ahead of their replies (RFC 2920); a client with more is held back until some
/// came, so that this list stays short.
const MAX_PIPELINED: usize = 1000;

/// Watches a signed-on SMTP session (see [`crate::protocol::Dialogue`]).
pub struct Dialogue {
    bare_newlines: BareNewlines,
    line_ends: LineEnds,
    mode: Mode,
    /// What the server's next replies are for, in order.
    expected: VecDeque<Expected>,
    reply: ReplyReader,
    /// The lines of the reply to an EHLO, held back until they are all there.
    ehlo_bytes: usize,
    farewell: Option<Farewell>,
    /// Set once the server's replies can't be followed any more.
    broken: Option<Violation>,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Commands,
    /// DATA went out; its reply decides what the client's next bytes are.
    DataAsked,
    Message(Data),
    /// In the bytes of a BDAT that was refused.
    Chunk(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Ehlo,
    Data,
    /// The word on a message that was sent whole.
    Message,
    Other,
}

impl Dialogue {
    /// A session whose client was just let in.
    pub fn new(bare_newlines: BareNewlines) -> Self {
        Self {
            bare_newlines,
            line_ends: LineEnds::Any,
            mode: Mode::Commands,
            expected: VecDeque::new(),
            reply: ReplyReader::default(),
            ehlo_bytes: 0,
            farewell: None,
            broken: None,
        }
    }

    /// The same for a client that has ended its lines so.
    #[must_use]
    pub fn with_line_ends(self, line_ends: LineEnds) -> Self {
        Self { line_ends, ..self }
    }

    /// After [`Violation::BareNewline`]: what takes the rest of the refused message.
    pub fn into_sink(self) -> Option<DataSink> {
        match self.mode {
            Mode::Message(data) => Some(DataSink::new(data)),
            _ => None,
        }
    }

    fn command(&mut self, line: &[u8]) -> Verdict {
        let take = line.len();
        let text = trim_end(line);
        // A line that says nothing, or goodbye, can't be a forged one; some scanners end these otherwise.
        let is_harmless = text.is_empty() || text.eq_ignore_ascii_case(b"QUIT");
        if self.line_ends.and(line) != self.line_ends && !is_harmless {
            // What was sent before is answered first.
            return match self.expected.is_empty() {
                true => Verdict::Stop(Violation::ClientNewline),
                false => Verdict::Wait,
            };
        }
        let command = command::parse(text);
        // What is answered here must come behind the replies that are on their way.
        let answer = |words: &str| Verdict::Answer { take, reply: words.as_bytes().to_vec() };
        let own = match command {
            _ if text.iter().any(|byte| matches!(byte, b'\r' | 0)) => {
                Some("500 5.5.2 A line ends in CR LF and has no NUL\r\n")
            }
            // A second sign-on would carry the local password to the provider.
            Command::Auth(..) => Some("503 5.5.1 Already signed on\r\n"),
            Command::StartTls => Some("502 5.5.1 STARTTLS is not offered\r\n"),
            Command::Bdat(_) => Some("502 5.5.1 BDAT is not offered\r\n"),
            _ => None,
        };
        if let Some(words) = own {
            if !self.expected.is_empty() {
                return Verdict::Wait;
            }
            if let Command::Bdat(size) = command {
                let Some(size) = size else {
                    return Verdict::Stop(Violation::ClientLiteral);
                };
                self.mode = after_chunk(size);
            }
            return answer(words);
        }
        if self.expected.len() >= MAX_PIPELINED {
            return Verdict::Wait;
        }
        self.expected.push_back(match command {
            Command::Ehlo(_) => Expected::Ehlo,
            Command::Data => Expected::Data,
            _ => Expected::Other,
        });
        if command == Command::Data {
            self.mode = Mode::DataAsked;
        }
        if line.ends_with(b"\r\n") {
            Verdict::Pass(take)
        } else {
            // Scripts end lines in LF alone; what the server takes for a line must not be left to it.
            Verdict::Replace { take, with: [text, b"\r\n"].concat() }
        }
    }

    fn message(&mut self, mut data: Data, buffered: &[u8]) -> Verdict {
        let seen = data.look(buffered);
        self.mode = Mode::Message(data);
        match (seen, self.bare_newlines) {
            (Seen::Text(length), _) => Verdict::Pass(length),
            (Seen::End(length), _) => {
                self.mode = Mode::Commands;
                self.expected.push_back(Expected::Message);
                Verdict::Pass(length)
            }
            (Seen::Incomplete, _) => Verdict::Wait,
            (Seen::Bare(_) | Seen::BareDot, BareNewlines::Refuse) => {
                Verdict::Stop(Violation::BareNewline)
            }
            (Seen::Bare(take), BareNewlines::Normalize) => {
                Verdict::Replace { take, with: b"\r\n".to_vec() }
            }
            (Seen::BareDot, BareNewlines::Normalize) => {
                Verdict::Replace { take: 1, with: b"..".to_vec() }
            }
        }
    }

    /// Stops, behind the `at` bytes of replies that are well.
    fn stop(&mut self, violation: Violation, at: usize) -> Verdict {
        self.broken = Some(violation);
        match at {
            0 => Verdict::Stop(violation),
            at => Verdict::Pass(at),
        }
    }

    /// One line of the server's; what it completes is settled.
    fn reply_line(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, Violation> {
        // A goodbye may come unasked (421, or Gmail's 451 after a silence). A success can't: the client
        // would take it for the word on its next command, or on a message that is still being sent.
        let is_success = matches!(line.first(), Some(b'0'..=b'3')) && !line.starts_with(b"221");
        if is_success && self.reply.at_start() && self.expected.is_empty() {
            return Err(Violation::ServerReply);
        }
        let Some(reply) = self.reply.line(line)? else {
            return Ok(None);
        };
        // 221 answers QUIT, 421 comes unasked: after either there is nothing more to say.
        if matches!(reply.code, 221 | 421) {
            self.farewell = Some(Farewell::new(b"", reply.text().as_bytes()));
        }
        let expected = self.expected.pop_front();
        if reply.code == 354 && expected != Some(Expected::Data) {
            // The server takes what comes next for a message, the client doesn't, or the other way.
            return Err(Violation::ServerReply);
        }
        match expected {
            Some(Expected::Data) => {
                self.mode =
                    if reply.code == 354 { Mode::Message(Data::default()) } else { Mode::Commands };
            }
            Some(Expected::Ehlo) if reply.is_positive() => {
                let (greeting, list) = match reply.lines.split_first() {
                    Some((greeting, list)) => (greeting.as_str(), list),
                    None => ("", [].as_slice()),
                };
                return Ok(Some(ehlo_reply(
                    greeting,
                    &Extensions::new(list.to_vec()),
                    StartTls::NotOffered,
                )));
            }
            _ => {}
        }
        Ok(None)
    }
}

/// In a refused BDAT of which so many bytes are still to come.
fn after_chunk(left: u64) -> Mode {
    match left {
        0 => Mode::Commands,
        left => Mode::Chunk(left),
    }
}

impl dialogue::Dialogue for Dialogue {
    fn client_sent(&mut self, buffered: &[u8]) -> Verdict {
        if buffered.is_empty() {
            return Verdict::Wait;
        }
        match self.mode {
            Mode::Commands => match memchr::memchr(b'\n', buffered) {
                Some(end) if end < MAX_LINE => self.command(&buffered[..=end]),
                None if buffered.len() < MAX_LINE => Verdict::Wait,
                _ => Verdict::Stop(Violation::ClientLineTooLong),
            },
            Mode::DataAsked => Verdict::Wait,
            Mode::Message(data) => self.message(data, buffered),
            Mode::Chunk(left) => {
                let take = left.min(buffered.len() as u64);
                self.mode = after_chunk(left - take);
                let take = usize::try_from(take).unwrap_or(buffered.len());
                Verdict::Answer { take, reply: Vec::new() }
            }
        }
    }

    fn server_sent(&mut self, buffered: &[u8]) -> Verdict {
        if let Some(violation) = self.broken {
            return Verdict::Stop(violation);
        }
        let mut at = 0;
        // A reply to an EHLO is held back whole; `ehlo_bytes` of it were looked at.
        let mut held = std::mem::take(&mut self.ehlo_bytes);
        loop {
            let end = match ReplyReader::line_end(&buffered[at + held..]) {
                Ok(end) => end,
                Err(violation) => return self.stop(violation, at),
            };
            let is_ehlo = self.expected.front() == Some(&Expected::Ehlo);
            let Some(length) = end else {
                self.ehlo_bytes = held;
                return if at == 0 { Verdict::Wait } else { Verdict::Pass(at) };
            };
            if is_ehlo && at > 0 {
                return Verdict::Pass(at);
            }
            let start = at + held;
            match self.reply_line(&buffered[start..start + length]) {
                Err(violation) => return self.stop(violation, at),
                Ok(Some(with)) => {
                    return Verdict::Replace { take: held + length, with };
                }
                Ok(None) if is_ehlo && !self.reply.at_start() => held += length,
                Ok(None) => {
                    at += held + length;
                    held = 0;
                }
            }
        }
    }

    fn may_interject(&self) -> bool {
        self.reply.at_start()
    }

    fn is_quiet(&self) -> bool {
        matches!(self.mode, Mode::Commands) && self.expected.is_empty() && self.reply.at_start()
    }

    fn awaits_answer(&self) -> bool {
        !self.expected.is_empty()
    }

    fn farewell(&self, words: &str) -> Option<Vec<u8>> {
        if !self.reply.at_start() || self.farewell.is_some() {
            return None;
        }
        let goodbye = format!("421 4.3.2 {words}\r\n");
        // What became of the message isn't known: not a failure for good, and never a success.
        let unconfirmed = match self.expected.front() {
            Some(Expected::Message) => {
                "451 4.4.2 The mail server has not said whether it took the message\r\n"
            }
            _ => "",
        };
        Some([unconfirmed, &goodbye].concat().into_bytes())
    }

    fn server_farewell(&self) -> Option<&Farewell> {
        self.farewell.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Dialogue as _;

    fn told(server: &[&str]) -> String {
        let mut dialogue = Dialogue::new(BareNewlines::Refuse);
        let mut server = server.iter();
        for client in ["DATA\r\n", "Subject: x\r\n\r\ntext\r\n.\r\n"] {
            let mut left = client.as_bytes();
            while let Verdict::Pass(length) = dialogue.client_sent(left) {
                left = &left[length..];
            }
            if let Some(reply) = server.next() {
                assert_eq!(dialogue.server_sent(reply.as_bytes()), Verdict::Pass(reply.len()));
            }
        }
        String::from_utf8(dialogue.farewell("Gone").unwrap()).unwrap()
    }

    #[test]
    fn a_message_without_an_answer_is_neither_sent_nor_refused() {
        let unconfirmed = "451 4.4.2 The mail server has not said whether it took the message\r\n421 4.3.2 Gone\r\n";
        assert_eq!(told(&["354 Go ahead\r\n"]), unconfirmed);
        assert_eq!(told(&["354 Go ahead\r\n", "250 Taken\r\n"]), "421 4.3.2 Gone\r\n");
        assert_eq!(told(&[]), "421 4.3.2 Gone\r\n");
    }

    #[test]
    fn only_a_message_that_was_refused_has_a_rest() {
        let mut dialogue = Dialogue::new(BareNewlines::Refuse);
        assert_eq!(dialogue.client_sent(b"DATA\r\n"), Verdict::Pass(6));
        assert!(dialogue.into_sink().is_none());
        let mut dialogue = Dialogue::new(BareNewlines::Refuse);
        let _ = dialogue.client_sent(b"DATA\r\n");
        let _ = dialogue.server_sent(b"354 Go ahead\r\n");
        assert_eq!(dialogue.client_sent(b"a\nb"), Verdict::Pass(1));
        assert_eq!(dialogue.client_sent(b"\nb"), Verdict::Stop(Violation::BareNewline));
        let mut sink = dialogue.into_sink().expect("it was in a message");
        assert_eq!(sink.swallow(b"\nb\r\n.\r\nQUIT"), (7, true));
    }

    #[test]
    fn a_command_goes_on_to_its_last_byte() {
        let line = |length: usize| format!("NOOP {}\r\n", "x".repeat(length - 7));
        let heard = |said: &str| Dialogue::new(BareNewlines::Refuse).client_sent(said.as_bytes());
        assert_eq!(heard(&line(MAX_LINE)), Verdict::Pass(MAX_LINE));
        assert_eq!(heard(&line(MAX_LINE)[..MAX_LINE - 1]), Verdict::Wait);
        let too_long = Verdict::Stop(Violation::ClientLineTooLong);
        assert_eq!(heard(&line(MAX_LINE + 1)), too_long);
        assert_eq!(heard(&line(MAX_LINE + 1)[..MAX_LINE]), too_long);
    }

    #[test]
    fn nothing_is_said_amid_a_reply_of_the_servers() {
        let mut dialogue = Dialogue::new(BareNewlines::Refuse);
        assert!(dialogue.may_interject());
        let _ = dialogue.client_sent(b"NOOP\r\n");
        let _ = dialogue.server_sent(b"250-one\r\n");
        assert!(!dialogue.may_interject());
        let _ = dialogue.server_sent(b"250 two\r\n");
        assert!(dialogue.may_interject());
    }
}
