//! What the two sign-ons have in common: only the client speaks, and what it hears is held against
//! what it said.

use crate::player;
use crate::protocol::StartTls;
use crate::protocol::line::LineEnds;
use crate::protocol::smtp::BareNewlines;
use crate::script::{self, ways};
use crate::transcript::{Heard, Kind, Settings, Side};

/// A command with its literals (64 KiB), and a line and a literal that exceed it.
const MOST_WITHOUT_A_WORD: usize = 84 * 1024;

/// One connection: all that the client said, and all that came of it.
pub(crate) struct Conversation {
    pub(crate) said: Vec<u8>,
    pub(crate) heard: Heard,
}

/// Plays an input in every way; all must come to the same.
pub(crate) fn play(kind: Kind, input: &[u8]) -> Conversation {
    let turns = script::read(input);
    asks_nobody_before_tls(kind, &turns);
    let settings = settings(kind);
    let mut conversations = ways(&turns).into_iter().map(|way| {
        let mut player = player::player(&settings);
        for piece in turns.iter().flat_map(|turn| turn.arrives(way)) {
            player.hear(Side::Client, &piece);
        }
        (way, player.heard())
    });
    let (first, heard) = conversations.next().expect("there is the whole one");
    for (way, other) in conversations {
        assert!(heard == other, "{first:?}:\n{heard:?}{way:?}:\n{other:?}");
    }
    for asked in &heard.asked {
        assert!(!asked.contains(['\r', '\n', '\0']), "{asked:?}");
    }
    let said = turns.iter().flat_map(|turn| turn.pieces.concat()).collect();
    Conversation { said, heard }
}

fn settings(kind: Kind) -> Settings {
    Settings {
        kind,
        password: "pass word".into(),
        capabilities: "IMAP4rev1 IDLE ID".into(),
        extensions: vec!["SIZE 35882577".into(), "AUTH XOAUTH2".into(), "SMTPUTF8".into()],
        bare_newlines: BareNewlines::Refuse,
        start_tls: StartTls::NotOffered,
        line_ends: LineEnds::Any,
    }
}

/// Where TLS must come first, nobody is asked about a password, whatever comes before it.
fn asks_nobody_before_tls(kind: Kind, turns: &[script::Turn]) {
    let mut player = player::player(&Settings { start_tls: StartTls::Required, ..settings(kind) });
    for turn in turns {
        player.hear(Side::Client, &turn.pieces.concat());
    }
    let heard = player.heard();
    assert!(heard.asked.is_empty() && heard.by_server.is_empty(), "{heard:?}");
}

/// Reads both sides of a conversation, step by step.
pub(crate) struct Reader<'a> {
    pub(crate) said: &'a [u8],
    heard: &'a [u8],
    end: Option<&'a str>,
}

impl<'a> Reader<'a> {
    /// Behind the greeting; `None` if what came was no mail client, whose commands are none.
    pub(crate) fn new(conversation: &'a Conversation) -> Option<Self> {
        let Heard { by_client, end, .. } = &conversation.heard;
        let mut reader = Self { said: &conversation.said, heard: by_client, end: end.as_deref() };
        reader.reply().expect("a greeting");
        let is_intruder = reader.end.is_some_and(|end| end.starts_with("intruder"));
        (!is_intruder).then_some(reader)
    }

    /// The client's next line, its end included.
    pub(crate) fn line(&mut self) -> Option<&'a [u8]> {
        let end = self.said.iter().position(|byte| *byte == b'\n')?;
        self.bytes(end + 1)
    }

    /// The client's next bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.said.split_at_checked(length)?;
        self.said = rest;
        Some(bytes)
    }

    /// The next line that the client hears, without its end.
    pub(crate) fn reply(&mut self) -> Option<&'a [u8]> {
        if self.heard.is_empty() {
            return None;
        }
        let end = self.heard.windows(2).position(|two| two == b"\r\n").expect("lines end in CRLF");
        let (line, rest) = self.heard.split_at(end);
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{line:?}");
        self.heard = &rest[2..];
        Some(line)
    }

    /// True if nothing is said any more, because a limit was reached; `line` is the last word.
    pub(crate) fn is_cut_off(&self, line: &[u8], starts: &[&[u8]]) -> bool {
        self.heard.is_empty()
            && self.end.is_some_and(|end| end.starts_with("closed: "))
            && starts.iter().any(|start| line.starts_with(start))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.heard.is_empty() && self.end.is_some()
    }

    /// The client has not ended what it says: nothing more is answered, unless it grew too long;
    /// `starts` is how the last word then begins.
    pub(crate) fn assert_waits(&mut self, starts: &[&[u8]]) {
        let Some(last) = self.reply() else {
            assert_eq!(self.end, None, "it ended without a word");
            assert!(self.said.len() <= MOST_WITHOUT_A_WORD, "{} bytes wait", self.said.len());
            return;
        };
        assert!(self.is_cut_off(last, starts), "nobody asked for {}", last.escape_ascii());
    }
}
