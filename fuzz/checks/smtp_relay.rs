//! A signed-on SMTP session, both directions; the first byte of an input says what is done with
//! bare newlines. Held against a second reading of it, byte for byte and after the fact:
//!
//! - no bare CR or LF leaves for the server, and no line of a message becomes a command;
//! - a message ends where CRLF `.` CRLF first stands, and nowhere else; it goes on as it is, or as
//!   the reference normalizes it;
//! - what is answered here never reaches the server, and has one reply;
//! - a list of extensions is the server's, in its order, with the AUTH of the proxy's own;
//! - how the bytes arrive changes nothing, and what is held back is bounded.

use std::collections::VecDeque;

use crate::newlines::normalized;
use crate::protocol::smtp::{BareNewlines, Dialogue};
use crate::script;
use crate::transcript::Side;
use crate::watched::{Event, Fate, play};

pub fn check(input: &[u8]) {
    let Some((first, input)) = input.split_first() else {
        return;
    };
    let bare_newlines = bare_newlines(*first);
    let turns = script::read(input);
    let mut session = Session::default();
    let mut events = play(&turns, || Dialogue::new(bare_newlines)).into_iter().peekable();
    while let Some(event) = events.next() {
        match event.from {
            Side::Client => session.client_said(&event, bare_newlines),
            Side::Server => session.server_said(&event),
        }
        // The answer to an EHLO is held back until it is whole; it may have begun already.
        let unseen = session.awaited.front() == Some(&Awaited::Ehlo) && !event.may_interject;
        assert!(event.may_interject == session.lines.is_empty() || unseen, "{event:?}");
        // Behind the last of the server's, the next reply may have ended the session.
        if event.from == Side::Client || events.peek().is_some() {
            assert_eq!(event.awaits_answer, !session.awaited.is_empty(), "{event:?}");
        }
    }
    assert_no_bare_newline(&session.sent);
}

/// So that the first byte of a seed can be read.
fn bare_newlines(first: u8) -> BareNewlines {
    if first == b'n' { BareNewlines::Normalize } else { BareNewlines::Refuse }
}

#[derive(Default)]
struct Session {
    place: Place,
    /// What the server's next replies are for.
    awaited: VecDeque<Awaited>,
    /// The lines of the reply that is under way.
    lines: Vec<Vec<u8>>,
    /// Everything that left for the server.
    sent: Vec<u8>,
}

#[derive(Default)]
enum Place {
    #[default]
    Commands,
    /// DATA went out, the server has the word.
    DataAsked,
    /// In a message: what the client sent of it, and what left.
    Message { raw: Vec<u8>, sent: Vec<u8> },
    /// In the bytes of a BDAT.
    Chunk(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Ehlo,
    Data,
    Other,
}

impl Session {
    fn client_said(&mut self, event: &Event, bare_newlines: BareNewlines) {
        let sent: &[u8] = match &event.fate {
            Fate::Passed => &event.bytes,
            Fate::Replaced(with) => with,
            Fate::Dropped(_) => &[],
        };
        self.sent.extend_from_slice(sent);
        match &mut self.place {
            Place::DataAsked => panic!("bytes moved while the server had the word: {event:?}"),
            Place::Commands => self.command(event),
            Place::Chunk(left) => {
                assert_eq!(event.fate, Fate::Dropped(Vec::new()), "of a refused BDAT: {event:?}");
                *left = left.checked_sub(event.bytes.len() as u64).expect("no more than the chunk");
                if *left == 0 {
                    self.place = Place::Commands;
                }
            }
            Place::Message { raw, sent: so_far } => {
                // An end that was found before is no longer waited for.
                let looked_at = raw.len().saturating_sub(END.len() - 1);
                raw.extend_from_slice(&event.bytes);
                so_far.extend_from_slice(sent);
                if bare_newlines == BareNewlines::Refuse {
                    assert_eq!(event.fate, Fate::Passed, "{event:?}");
                }
                let Some(end) = end_of_data(raw, looked_at) else {
                    return;
                };
                assert_eq!(end, raw.len(), "it went past the end: {}", raw.escape_ascii());
                assert_eq!(*so_far, wanted(raw, bare_newlines), "of {}", raw.escape_ascii());
                self.awaited.push_back(Awaited::Other);
                self.place = Place::Commands;
            }
        }
    }

    fn command(&mut self, event: &Event) {
        let line = event.bytes.as_slice();
        let ends = line.iter().filter(|byte| **byte == b'\n').count();
        assert!(line.ends_with(b"\n") && ends == 1, "one whole line: {event:?}");
        let text = &line[..line.len() - 1];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let word = text.iter().skip_while(|byte| **byte <= b' ' || **byte == 0x7f);
        let word: Vec<u8> = word.take_while(|byte| byte.is_ascii_alphabetic()).copied().collect();
        let word = word.to_ascii_uppercase();
        let has_control = text.iter().any(|byte| matches!(byte, b'\r' | 0));
        if has_control || matches!(word.as_slice(), b"AUTH" | b"STARTTLS" | b"BDAT") {
            let Fate::Dropped(reply) = &event.fate else {
                panic!("it went on: {event:?}");
            };
            assert!(reply.starts_with(b"50") && reply.ends_with(b"\r\n"), "{event:?}");
            assert!(self.awaited.is_empty(), "its reply would come before others: {event:?}");
            if word == b"BDAT" {
                let text = String::from_utf8_lossy(text).to_ascii_uppercase();
                let (_, size) = text.split_once("BDAT").expect("the word that was found");
                self.place = match size.trim().split(' ').next().unwrap_or_default().parse() {
                    Ok(0) => Place::Commands,
                    Ok(size) => Place::Chunk(size),
                    Err(_) => panic!("a BDAT without a size ends the session: {event:?}"),
                };
            }
            return;
        }
        let with_crlf = [text, b"\r\n"].concat();
        match &event.fate {
            Fate::Passed => assert_eq!(line, with_crlf),
            Fate::Replaced(with) => assert_eq!(*with, with_crlf),
            Fate::Dropped(_) => panic!("it was dropped: {event:?}"),
        }
        self.awaited.push_back(match word.as_slice() {
            b"EHLO" => Awaited::Ehlo,
            b"DATA" => Awaited::Data,
            _ => Awaited::Other,
        });
        if word == b"DATA" {
            self.place = Place::DataAsked;
        }
    }

    fn server_said(&mut self, event: &Event) {
        for line in event.bytes.split_inclusive(|byte| *byte == b'\n') {
            assert!(line.ends_with(b"\n"), "whole lines: {event:?}");
            let text =
                line[..line.len() - 1].strip_suffix(b"\r").unwrap_or(&line[..line.len() - 1]);
            self.lines.push(text.to_vec());
            if text.get(3) == Some(&b'-') {
                continue;
            }
            let lines = std::mem::take(&mut self.lines);
            let awaited = self.awaited.pop_front();
            match awaited {
                Some(Awaited::Ehlo) if text.starts_with(b"2") => {
                    let Fate::Replaced(with) = &event.fate else {
                        panic!("the server's own list went on: {event:?}");
                    };
                    assert_eq!(with.escape_ascii().to_string(), list(&lines));
                }
                _ => assert_eq!(event.fate, Fate::Passed, "{event:?}"),
            }
            let go_on = text.starts_with(b"354");
            assert!(!go_on || awaited == Some(Awaited::Data), "a 354 to no DATA: {event:?}");
            if awaited == Some(Awaited::Data) {
                self.place = match go_on {
                    true => Place::Message { raw: Vec::new(), sent: Vec::new() },
                    false => Place::Commands,
                };
            }
        }
    }
}

/// The answer to EHLO as a client may see it, escaped.
fn list(lines: &[Vec<u8>]) -> String {
    const HIDDEN: [&str; 5] = ["AUTH", "STARTTLS", "CHUNKING", "BINARYMIME", "XCLIENT"];
    let text =
        |line: &Vec<u8>| String::from_utf8_lossy(line.get(4..).unwrap_or_default()).into_owned();
    let (greeting, rest) = lines.split_first().expect("a reply has a line");
    let shown = rest.iter().map(text).filter(|line| {
        let keyword = line.split([' ', '=']).next().unwrap_or_default();
        !HIDDEN.contains(&keyword.to_ascii_uppercase().as_str())
    });
    let lines: Vec<String> = [text(greeting)].into_iter().chain(shown).collect();
    let list = format!("250-{}\r\n250 AUTH PLAIN LOGIN\r\n", lines.join("\r\n250-"));
    list.as_bytes().escape_ascii().to_string()
}

/// What ends a message (RFC 5321 §4.1.1.4).
const END: &[u8] = b"\r\n.\r\n";

/// Behind how many bytes a message ends, if that isn't before `from`.
fn end_of_data(raw: &[u8], from: usize) -> Option<usize> {
    // The CRLF of DATA's own line is the first one's.
    if raw.starts_with(&END[2..]) {
        return Some(END.len() - 2);
    }
    let end = raw[from..].windows(END.len()).position(|window| window == END);
    end.map(|at| from + at + END.len())
}

/// What is to leave of a message that has ended.
fn wanted(raw: &[u8], bare_newlines: BareNewlines) -> Vec<u8> {
    if bare_newlines == BareNewlines::Refuse {
        return raw.to_vec();
    }
    // The reference takes text; as Latin-1 any bytes are.
    let text: String = raw[..raw.len() - 3].iter().map(|byte| char::from(*byte)).collect();
    normalized(&text).chars().map(|c| c as u8).chain(*b".\r\n").collect()
}

fn assert_no_bare_newline(sent: &[u8]) {
    for (at, byte) in sent.iter().enumerate() {
        let bare = match byte {
            b'\r' => sent.get(at + 1) != Some(&b'\n'),
            b'\n' => at == 0 || sent[at - 1] != b'\r',
            _ => false,
        };
        assert!(!bare, "a bare newline left: {}", sent.escape_ascii());
    }
}
