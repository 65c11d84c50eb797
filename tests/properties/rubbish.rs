//! Bytes that nobody would send: no machine panics, none grows, every sign-on ends.

use gatepost::protocol::smtp::{BareNewlines, Extensions};
use gatepost::protocol::{Dialogue, StartTls, imap, smtp};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::relay::Relay;
use crate::{MOST_HELD, cases};

/// A command with its literals (64 KiB), and a line and a literal that exceed it.
const MOST_WITHOUT_A_WORD: usize = 84 * 1024;
/// A thousand commands of the largest size.
const MOST_BEFORE_THE_END: usize = 1001 * MOST_WITHOUT_A_WORD;

/// Pieces of dialogues in no order, and bytes.
fn rubbish() -> impl Strategy<Value = Vec<u8>> {
    let words: &[&str] = &[
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        " ",
        " ",
        "{5}\r\n",
        "{5+}\r\n",
        "{0}\r\n",
        "{9999999999}\r\n",
        "{",
        "}",
        "\"",
        "\\",
        "*",
        "+ ",
        "* ",
        "=",
        ".",
        ".\r\n",
        "a ",
        "a1 ",
        "LOGIN ",
        "AUTHENTICATE ",
        "PLAIN ",
        "IDLE\r\n",
        "DONE\r\n",
        "NOOP\r\n",
        "APPEND x ",
        "ID ",
        "OK ",
        "NO ",
        "BYE ",
        "[CAPABILITY ",
        "CAPABILITY ",
        "COMPRESS=DEFLATE",
        "FETCH ",
        "EHLO ",
        "HELO x\r\n",
        "AUTH ",
        "MAIL ",
        "DATA\r\n",
        "BDAT 7",
        "RSET\r\n",
        "250 ",
        "250-",
        "354 ",
        "334 ",
        "550 ",
        "421 ",
        "AHUAcA==",
        "LOGOUT",
        "GET / HTTP/1.1\r\n",
        "\u{16}\u{3}",
    ];
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let token = prop_oneof![
        12 => proptest::sample::select(words),
        2 => vec(any::<u8>(), 0..20),
        1 => (any::<u8>(), 0_usize..40_000).prop_map(|(byte, times)| vec![byte; times]),
    ];
    vec(token, 1..40).prop_map(|tokens| tokens.concat())
}

/// Both sides talk rubbish, in turns.
fn talk<D: Dialogue>(
    dialogue: D,
    turns: &[(bool, Vec<u8>)],
    size: usize,
) -> Result<(), TestCaseError> {
    let mut relay = Relay::new(dialogue);
    for (from_client, bytes) in turns {
        for piece in bytes.chunks(size) {
            match from_client {
                true => relay.client_sent(piece),
                false => relay.server_sent(piece),
            }
            let (client, server, _) = relay.held();
            if relay.stopped.is_none() {
                prop_assert!(server <= MOST_HELD, "{server} bytes of the server's are held back");
                // Only the server's word can set free more.
                prop_assert!(client <= MOST_HELD || relay.dialogue.awaits_answer());
            }
            // The trait's other questions have an answer at any time.
            let _ = (relay.dialogue.is_quiet(), relay.dialogue.farewell("x"));
        }
    }
    Ok(())
}

enum Said {
    Something,
    End,
}

/// Says the same rubbish again and again; it must end, and get a word in between.
fn never_ends(
    rubbish: &[u8],
    size: usize,
    mut next: impl FnMut(Option<&[u8]>) -> Option<Said>,
) -> Result<(), TestCaseError> {
    // Nothing, again and again, is silence; how long that may last is the driver's to say.
    if rubbish.is_empty() {
        return Ok(());
    }
    let (mut total, mut silent) = (0, 0);
    loop {
        for piece in rubbish.chunks(size) {
            total += piece.len();
            silent += piece.len();
            let mut said = next(Some(piece));
            while let Some(something) = said {
                if matches!(something, Said::End) {
                    return Ok(());
                }
                silent = 0;
                said = next(None);
            }
            prop_assert!(silent <= MOST_WITHOUT_A_WORD + size, "{silent} bytes without a word");
            prop_assert!(total <= MOST_BEFORE_THE_END, "{total} bytes without an end");
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn dialogues_take_anything(
        turns in vec((any::<bool>(), rubbish()), 1..5),
        size in prop_oneof![1_usize..40, Just(4096_usize), Just(100_000_usize)],
    ) {
        talk(imap::Dialogue::default(), &turns, size)?;
        talk(smtp::Dialogue::new(BareNewlines::Refuse), &turns, size)?;
        talk(smtp::Dialogue::new(BareNewlines::Normalize), &turns, size)?;
    }

    #[test]
    fn an_imap_sign_on_ends(rubbish in rubbish(), size in 16_usize..4096) {
        let mut machine = imap::SignOn::new("IMAP4rev1 IDLE", StartTls::Offered);
        never_ends(&rubbish, size, |piece| {
            machine.receive(piece.unwrap_or_default());
            Some(match machine.next_event()? {
                imap::Event::Reply(_) => Said::Something,
                imap::Event::Credentials(_) => {
                    assert!(!machine.refuse().is_empty());
                    Said::Something
                }
                imap::Event::Close { .. }
                | imap::Event::Intruder(_)
                | imap::Event::StartTls { .. } => {
                    machine.receive(b"a NOOP\r\n");
                    assert!(machine.next_event().is_none(), "a word behind the last");
                    Said::End
                }
            })
        })?;
    }

    #[test]
    fn an_smtp_sign_on_ends(rubbish in rubbish(), size in 16_usize..4096) {
        let mut machine = smtp::SignOn::new(StartTls::Offered);
        never_ends(&rubbish, size, |piece| {
            machine.receive(piece.unwrap_or_default());
            Some(match machine.next_event()? {
                smtp::Event::Reply(_) => Said::Something,
                smtp::Event::Hello => {
                    assert!(!machine.greet(&Extensions::default()).is_empty());
                    Said::Something
                }
                smtp::Event::Credentials(_) => {
                    assert!(!machine.refuse().is_empty());
                    Said::Something
                }
                smtp::Event::Close { .. }
                | smtp::Event::Intruder(_)
                | smtp::Event::StartTls { .. } => {
                    machine.receive(b"NOOP\r\n");
                    assert!(machine.next_event().is_none(), "a word behind the last");
                    Said::End
                }
            })
        })?;
    }
}
