//! The IMAP sign-on. Held against a second reading of the conversation:
//!
//! - each command has one reply under its own tag, and nothing else is said but what a command asks
//!   for, a `+` for a literal that waits, or a challenge;
//! - a literal's bytes are never read as a command;
//! - the accounts are asked as often as it is answered whether a password was right;
//! - what the client sent behind its sign-on goes on, every byte of it;
//! - how the bytes arrive changes nothing, and no more than a command waits for its end.

use crate::sign_on::{Conversation, Reader, play};
use crate::transcript::Kind;

/// What a client may send as a literal before it has signed on.
const MAX_LITERAL: usize = 4096;
const BYE: &[&[u8]] = &[b"* BYE "];

pub fn check(input: &[u8]) {
    let conversation = play(Kind::ImapSignOn, input);
    let Some(mut reader) = Reader::new(&conversation) else {
        return;
    };
    let mut verdicts = 0;
    loop {
        match command(&mut reader) {
            Step::Command { tag } => match replies(&mut reader, &tag, &mut verdicts) {
                Some(()) => {}
                None => break,
            },
            Step::Incomplete => {
                reader.assert_waits(BYE);
                break;
            }
            Step::CutOff => break,
            Step::TooMuch => {
                let last = reader.reply().expect("a last word");
                assert!(reader.is_cut_off(last, BYE), "{}", last.escape_ascii());
                break;
            }
        }
        if reader.is_over() {
            check_rest(&conversation, reader.said);
            break;
        }
    }
    assert_eq!(verdicts, conversation.heard.asked.len());
}

enum Step {
    Command {
        tag: Vec<u8>,
    },
    /// Its end is still to come.
    Incomplete,
    /// A limit was reached in the middle of it.
    CutOff,
    /// It has a literal that can't be.
    TooMuch,
}

/// Reads the next command, and what is said while it comes.
fn command(reader: &mut Reader<'_>) -> Step {
    let mut tag = None;
    loop {
        let before = reader.said;
        let Some(line) = reader.line() else {
            return Step::Incomplete;
        };
        let tag = tag.get_or_insert_with(|| tag_of(line));
        let Some((size, waits)) = announced(line) else {
            return Step::Command { tag: tag.clone() };
        };
        let Some(size) = size.filter(|size| *size <= MAX_LITERAL) else {
            return Step::TooMuch;
        };
        if waits {
            let Some(reply) = reader.reply() else {
                panic!("no leave for {}", before.escape_ascii());
            };
            if reader.is_cut_off(reply, BYE) {
                return Step::CutOff;
            }
            assert_eq!(reply, b"+ Go on", "for {}", line.escape_ascii());
        }
        if reader.bytes(size).is_none() {
            return Step::Incomplete;
        }
    }
}

/// Reads what answers a command; `None` if a limit was reached.
fn replies(reader: &mut Reader<'_>, tag: &[u8], verdicts: &mut usize) -> Option<()> {
    let mut untagged = 0;
    loop {
        let Some(line) = reader.reply() else {
            panic!("no reply to {}", tag.escape_ascii());
        };
        if reader.is_cut_off(line, BYE) {
            return None;
        }
        let words = line.strip_prefix(tag).filter(|words| words.starts_with(b" "));
        if let Some(words) = words {
            let status =
                [" OK ", " NO ", " BAD "].iter().any(|it| words.starts_with(it.as_bytes()));
            if status && (tag != b"*" || words.starts_with(b" BAD ")) {
                let asked = words == b" OK Signed on" || words.starts_with(b" NO [AUTHENTICATIONF");
                *verdicts += usize::from(asked);
                return Some(());
            }
        }
        if line.starts_with(b"+ ") {
            // A challenge; the client's next line answers it, whatever it looks like.
            if reader.line().is_none() {
                reader.assert_waits(BYE);
                return None;
            }
            continue;
        }
        untagged += 1;
        let known = [b"* CAPABILITY ".as_slice(), b"* ID ", b"* BYE Signing off"];
        let known = known.iter().any(|known| line.starts_with(known));
        assert!(known && untagged == 1, "{} for {}", line.escape_ascii(), tag.escape_ascii());
    }
}

fn check_rest(conversation: &Conversation, rest: &[u8]) {
    if conversation.heard.end.as_deref() == Some("signed on") {
        assert_eq!(conversation.heard.by_server, rest);
    } else {
        assert!(conversation.heard.by_server.is_empty());
    }
}

/// What a reply to a command stands under: its tag, or `*` where it has none (RFC 9051 §9).
fn tag_of(line: &[u8]) -> Vec<u8> {
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(0);
    let tag = &line[..end];
    let is_tag = |byte: &u8| byte.is_ascii_graphic() && !b"(){%*\"\\+".contains(byte);
    if !tag.is_empty() && tag.iter().all(is_tag) { tag.to_vec() } else { b"*".to_vec() }
}

/// The size that a line announces at its end, if one can be read, and whether its bytes wait.
fn announced(line: &[u8]) -> Option<(Option<usize>, bool)> {
    let text = String::from_utf8_lossy(line);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let inner = text.strip_suffix('\r').unwrap_or(text).strip_suffix('}')?;
    let (inner, waits) = match inner.strip_suffix('+') {
        Some(inner) => (inner, false),
        None => (inner, true),
    };
    let before = inner.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &inner[before.len()..];
    (before.ends_with('{') && !digits.is_empty()).then(|| (digits.parse().ok(), waits))
}
