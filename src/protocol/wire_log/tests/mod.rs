//! What is shown of a session: none of its secrets, and nothing of its mail.

mod imap;
mod smtp;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::{Side, WireLog, own_line};

/// What is shown of a dialogue: `C: …` and `S: …`.
fn shown(mut log: WireLog, said: &[(Side, Vec<u8>)], piece: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (side, bytes) in said {
        for bytes in bytes.chunks(piece.max(1)) {
            log.said(*side, bytes, &mut |side, line| {
                lines.push(format!("{}: {line}", if side == Side::Client { "C" } else { "S" }));
            });
        }
    }
    lines
}

fn dialogue(text: &str) -> Vec<(Side, Vec<u8>)> {
    let lines = text.lines().map(|line| {
        let (side, said) = line.split_once(": ").unwrap();
        let side = if side == "C" { Side::Client } else { Side::Server };
        (side, format!("{said}\r\n").into_bytes())
    });
    lines.collect()
}

/// The dialogue's lines and, if other, what is shown of them.
fn assert_shown(log: fn() -> WireLog, said: &str, expected: &str) {
    let said = dialogue(said);
    for piece in [1, 7, 10_000] {
        assert_eq!(shown(log(), &said, piece).join("\n"), expected, "in pieces of {piece}");
    }
}

#[test]
fn a_line_of_its_own_is_shown_as_text() {
    assert_eq!(own_line(b"g1 SELECT \"INBOX\"\r\n"), "g1 SELECT \"INBOX\"");
}

fn assert_nothing_shows(lines: &[String], hidden: &[&str]) {
    for line in lines {
        for text in hidden {
            assert!(!line.contains(text), "{text:?} in {line:?}");
            for before in 0..3 {
                let encoded = STANDARD.encode([&vec![b'x'; before], text.as_bytes()].concat());
                let inner = &encoded[4..encoded.len() - 4];
                assert!(inner.len() < 8 || !line.contains(inner), "{text:?} in base64 in {line:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_and_no_mail_survives(
        kinds in prop::collection::vec(any::<u8>(), 1..12),
        secret in "[a-zA-Z0-9\"\\\\ %{}()*]{0,6}S3cr3t[a-z\"\\\\ ]{0,4}x",
        mail in "M41l[a-zA-Z0-9{}%]{0,12}W0rds",
        piece in 1_usize..40,
    ) {
        let steps = |step: &dyn Fn(usize, u8) -> Vec<(Side, Vec<u8>)>| -> Vec<_> {
            kinds.iter().enumerate().flat_map(|(n, kind)| step(n, *kind)).collect()
        };
        let said = steps(&|n, kind| imap::step(kind, n, &secret, &mail));
        let lines = shown(WireLog::imap(), &said, piece);
        assert_nothing_shows(&lines, &[&secret, "S3cr3t", "M41l", "W0rds"]);
        let said = steps(&|_, kind| smtp::step(kind, &secret, &mail));
        let lines = shown(WireLog::smtp(), &said, piece);
        assert_nothing_shows(&lines, &[&secret, "S3cr3t", "M41l", "W0rds"]);
    }

    #[test]
    fn pieces_make_no_difference(
        kinds in prop::collection::vec(any::<u8>(), 1..12),
        piece in 1_usize..40,
    ) {
        let said: Vec<_> =
            kinds.iter().enumerate().flat_map(|(n, kind)| imap::step(*kind, n, "a secret", "mail")).collect();
        prop_assert_eq!(shown(WireLog::imap(), &said, piece), shown(WireLog::imap(), &said, 100_000));
        let said: Vec<_> = kinds.iter().flat_map(|kind| smtp::step(*kind, "a secret", "mail")).collect();
        prop_assert_eq!(shown(WireLog::smtp(), &said, piece), shown(WireLog::smtp(), &said, 100_000));
    }

    #[test]
    fn rubbish_does_no_harm(
        said in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..20),
    ) {
        let said: Vec<_> = said.into_iter()
            .map(|(client, bytes)| (if client { Side::Client } else { Side::Server }, bytes))
            .collect();
        for log in [WireLog::imap(), WireLog::smtp()] {
            for line in shown(log, &said, 50) {
                prop_assert!(line.len() < 20_000 && !line.contains(char::is_control));
            }
        }
    }
}
