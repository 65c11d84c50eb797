//! A signed-on IMAP session, both directions. Held against a second reading of it, byte for byte
//! and after the fact:
//!
//! - every byte goes on, once, but for the commands that are answered here and the names that leave
//!   a capability list;
//! - a command that is answered here is dropped whole, with one reply under its tag;
//! - a literal's bytes are never read as lines, and those of a synchronizing one move only behind
//!   the server's word on it;
//! - a reply of the proxy's own may stand where a response of the server's ended, and only there;
//! - how the bytes arrive changes nothing, and what is held back is bounded.

use std::collections::{HashSet, VecDeque};

use crate::protocol::imap::Dialogue;
use crate::script;
use crate::transcript::Side;
use crate::watched::{Event, Fate, play};

/// Of a longer status line only the beginning is read (RFC 4315 §3 may give one).
const MAX_STATUS_LINE: usize = 16 * 1024;

pub fn check(input: &[u8]) {
    let turns = script::read(input);
    let mut session = Session { certain: true, ..Session::default() };
    for event in play(&turns, Dialogue::default) {
        match event.from {
            Side::Client => session.client_said(&event),
            Side::Server => session.server_said(&event),
        }
        assert_eq!(event.may_interject, session.server.is_between_responses(), "{event:?}");
    }
}

#[derive(Default)]
struct Session {
    client: Client,
    server: Server,
    /// What the server's next `+` lines are for: a tag, and whether its command is an IDLE.
    asked: VecDeque<(Vec<u8>, bool)>,
    /// The server's word on the literal that waits.
    word: Option<Word>,
    tags: HashSet<Vec<u8>>,
    /// The client has said LOGOUT.
    leaving: bool,
    /// Unset where RFC 9051 leaves open which command an answer is for: one tag given twice, or an
    /// OK to what can't be done yet. From there on only the server's direction is followed.
    certain: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    GoOn,
    Refused,
}

#[derive(Default)]
struct Client {
    place: Place,
    /// The line under way, from its command's start or its last literal's end.
    line: Vec<u8>,
    command: Option<Command>,
    passed: bool,
    dropped: bool,
    replies: Vec<Vec<u8>>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Line,
    Literal(u64),
    /// The client asked to send this many bytes.
    Asked(u64),
}

enum Command {
    /// Without a word behind its tag: an IDLE's `DONE`, or nothing.
    Untagged,
    Passes {
        tag: Vec<u8>,
        idle: bool,
        leaves: bool,
    },
    AnsweredHere {
        tag: Vec<u8>,
    },
}

impl Session {
    fn client_said(&mut self, event: &Event) {
        if !self.certain {
            return;
        }
        self.settle_literal();
        match &event.fate {
            Fate::Passed => {}
            Fate::Dropped(reply) if reply.is_empty() => {}
            Fate::Dropped(reply) => self.client.replies.push(reply.clone()),
            Fate::Replaced(_) => panic!("a client's bytes are never others: {event:?}"),
        }
        for byte in &event.bytes {
            self.client_byte(*byte, event.fate == Fate::Passed);
        }
    }

    /// Where a literal waits, the client's bytes move by the server's word on it.
    fn settle_literal(&mut self) {
        if let Place::Asked(size) = self.client.place {
            match self.word.take().expect("no byte moves before the server's word on the literal") {
                Word::GoOn => self.client.place = literal(size),
                Word::Refused => self.client.next_command(),
            }
        }
    }

    fn client_byte(&mut self, byte: u8, passed: bool) {
        self.settle_literal();
        let client = &mut self.client;
        if passed {
            client.passed = true;
        } else {
            client.dropped = true;
        }
        match client.place {
            Place::Literal(left) => client.place = literal(left - 1),
            Place::Line | Place::Asked(_) => {
                client.line.push(byte);
                if byte == b'\n' {
                    self.client_line();
                }
            }
        }
    }

    fn client_line(&mut self) {
        let client = &mut self.client;
        let line = std::mem::take(&mut client.line);
        let command = client.command.take().unwrap_or_else(|| {
            let command = command(&line);
            if let Command::Passes { tag, .. } = &command {
                self.certain &= self.tags.insert(tag.clone());
            }
            command
        });
        match &command {
            Command::Untagged | Command::Passes { .. } => {
                assert!(!client.dropped && client.replies.is_empty(), "{}", line.escape_ascii());
            }
            Command::AnsweredHere { tag } => {
                assert!(!client.passed, "{}", line.escape_ascii());
                let [reply] = client.replies.as_slice() else {
                    panic!("one reply, not {:?}", client.replies);
                };
                let words = reply.strip_prefix(tag.as_slice()).expect("a reply under its tag");
                assert!(words.starts_with(b" BAD ") || words.starts_with(b" NO "));
                assert_eq!(reply.iter().position(|byte| *byte == b'\n'), Some(reply.len() - 1));
            }
        }
        if matches!(command, Command::Untagged) {
            client.next_command();
            return;
        }
        match (announced(&line), command) {
            (Announced::Unclear, _) => self.certain = false,
            (Announced::Literal { size, waits: false }, command) => {
                client.command = Some(command);
                client.place = literal(size);
            }
            (Announced::Literal { size, waits: true }, Command::Passes { tag, idle, leaves }) => {
                self.asked.push_back((tag.clone(), false));
                self.word = None;
                client.command = Some(Command::Passes { tag, idle, leaves });
                client.place = Place::Asked(size);
            }
            (Announced::Nothing, Command::Passes { tag, idle: true, .. }) => {
                self.asked.push_back((tag, true));
                client.next_command();
            }
            (Announced::Nothing, Command::Passes { leaves: true, .. }) => {
                self.leaving = true;
                client.next_command();
            }
            _ => client.next_command(),
        }
    }

    fn server_said(&mut self, event: &Event) {
        match &event.fate {
            Fate::Passed => {}
            Fate::Replaced(with) => {
                assert!(self.server.is_between_responses(), "{event:?}");
                assert!(event.bytes.ends_with(b"\n"), "{event:?}");
                let expected = if with.is_empty() && self.keeps_back(&event.bytes) {
                    Vec::new()
                } else {
                    shown(&event.bytes)
                };
                assert_eq!(*with, expected, "{}", event.bytes.escape_ascii());
            }
            Fate::Dropped(_) => panic!("the server is never answered: {event:?}"),
        }
        for byte in &event.bytes {
            let Some(line) = self.server.byte(*byte) else {
                // Its beginning has been acted on.
                self.certain &= self.server.line.len() < MAX_STATUS_LINE;
                continue;
            };
            if event.fate == Fate::Passed && line.len() <= MAX_STATUS_LINE {
                assert!(!self.certain || !self.keeps_back(&line), "{}", line.escape_ascii());
                assert_eq!(shown(&line), line, "a name went on: {}", line.escape_ascii());
            }
            self.server_line(&line);
        }
    }

    /// A farewell that the client has not asked for.
    fn keeps_back(&self, line: &[u8]) -> bool {
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
        let is_bye = words.next() == Some(b"*")
            && words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"BYE"));
        is_bye && !self.leaving
    }

    /// A `+`, a tagged response, or any other line that is no data.
    fn server_line(&mut self, line: &[u8]) {
        if line.starts_with(b"+") {
            if let Some((_, idle)) = self.asked.pop_front()
                && !idle
            {
                self.word = Some(Word::GoOn);
            }
            return;
        }
        let mut words = trim(line).splitn(3, |byte| *byte == b' ');
        let (Some(tag), Some(status)) = (words.next(), words.next()) else {
            return;
        };
        // No tag, whatever a client takes for one.
        if tag == b"*" {
            return;
        }
        const STATUS: [&[u8]; 5] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];
        if !STATUS.iter().any(|known| status.eq_ignore_ascii_case(known)) {
            return;
        }
        let Some(at) = self.asked.iter().position(|(asked, _)| asked == tag) else {
            return;
        };
        self.certain &= !status.eq_ignore_ascii_case(b"OK");
        if let Some((_, false)) = self.asked.remove(at) {
            self.word = Some(Word::Refused);
        }
    }
}

impl Client {
    fn next_command(&mut self) {
        *self = Self::default();
    }
}

/// A command's tag and word, from its first line.
fn command(line: &[u8]) -> Command {
    let mut words = trim(line).split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let tag = words.next().unwrap_or_default().to_vec();
    let Some(word) = words.next() else {
        return Command::Untagged;
    };
    // A server may take a command for what its first letters are.
    let letters = word.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    match word[..letters].to_ascii_uppercase().as_slice() {
        b"LOGIN" | b"AUTHENTICATE" | b"STARTTLS" | b"COMPRESS" | b"UNAUTHENTICATE" => {
            Command::AnsweredHere { tag }
        }
        word => Command::Passes { tag, idle: word == b"IDLE", leaves: word == b"LOGOUT" },
    }
}

#[derive(Default)]
struct Server {
    /// Bytes of a literal that are still to come.
    literal: u64,
    line: Vec<u8>,
    /// The line goes on a response whose beginning is data.
    goes_on: bool,
}

impl Server {
    fn is_between_responses(&self) -> bool {
        self.literal == 0 && self.line.is_empty() && !self.goes_on
    }

    /// Gives the line that `byte` ends, unless it is data.
    fn byte(&mut self, byte: u8) -> Option<Vec<u8>> {
        if self.literal > 0 {
            self.literal -= 1;
            return None;
        }
        self.line.push(byte);
        if byte != b'\n' {
            return None;
        }
        let line = std::mem::take(&mut self.line);
        if !self.goes_on && !is_data(&line) {
            return Some(line);
        }
        self.goes_on = match announced(&line) {
            Announced::Nothing => false,
            Announced::Literal { size, .. } => {
                self.literal = size;
                true
            }
            Announced::Unclear => panic!("it went on: {}", line.escape_ascii()),
        };
        None
    }
}

pub(crate) fn is_data(line: &[u8]) -> bool {
    const TEXT: [&[u8]; 6] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH", b"CAPABILITY"];
    let Some(behind) = line.strip_prefix(b"*") else {
        return false;
    };
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\r' | b'\n');
    let word = behind.strip_prefix(b" ").and_then(|text| text.split(is_end).next());
    !word.is_some_and(|word| TEXT.iter().any(|text| word.eq_ignore_ascii_case(text)))
}

enum Announced {
    Nothing,
    Literal {
        size: u64,
        waits: bool,
    },
    /// More digits than the size of anything has.
    Unclear,
}

fn announced(line: &[u8]) -> Announced {
    let text = String::from_utf8_lossy(trim(line));
    let Some(inner) = text.strip_suffix('}') else {
        return Announced::Nothing;
    };
    let (inner, waits) = match inner.strip_suffix('+') {
        Some(inner) => (inner, false),
        None => (inner, true),
    };
    let before = inner.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &inner[before.len()..];
    match (before.ends_with('{'), digits.len()) {
        (_, 21..) => Announced::Unclear,
        (true, 1..) => {
            let size = digits.parse().expect("an impossible size ends the session");
            assert!(size <= 16 * u64::from(u32::MAX), "{size}");
            Announced::Literal { size, waits }
        }
        _ => Announced::Nothing,
    }
}

/// A line as a client may see it: without what of a capability list concerns signing on, STARTTLS
/// and compression.
fn shown(line: &[u8]) -> Vec<u8> {
    let upper = line.to_ascii_uppercase();
    let list = if upper.starts_with(b"* CAPABILITY ") {
        Some(13..trim(line).len())
    } else {
        let spaces = upper.iter().enumerate().filter(|(_, byte)| **byte == b' ');
        let code = spaces.map(|(at, _)| at + 1).nth(1);
        let code = code.filter(|at| upper[*at..].starts_with(b"[CAPABILITY ")).map(|at| at + 12);
        let end = code.and_then(|at| upper[at..].iter().position(|byte| *byte == b']'));
        code.zip(end).map(|(start, length)| start..start + length)
    };
    let Some(list) = list else {
        return line.to_vec();
    };
    let is_hidden = |name: &[u8]| {
        let name = name.to_ascii_uppercase();
        name.starts_with(b"AUTH=")
            || name.starts_with(b"COMPRESS=")
            || [b"LOGINDISABLED".as_slice(), b"STARTTLS", b"UNAUTHENTICATE"].contains(&&*name)
    };
    let names = line[list.clone()].split(|byte| *byte == b' ').filter(|name| !name.is_empty());
    let (hidden, left): (Vec<&[u8]>, Vec<&[u8]>) = names.partition(|name| is_hidden(name));
    match hidden.as_slice() {
        [] => line.to_vec(),
        _ => [&line[..list.start], &left.join(&b' '), &line[list.end..]].concat(),
    }
}

fn literal(size: u64) -> Place {
    if size == 0 { Place::Line } else { Place::Literal(size) }
}

fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
