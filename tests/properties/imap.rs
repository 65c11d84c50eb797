//! Signed-on IMAP sessions.

use gatepost::protocol::imap::Dialogue;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{Exchange, cases, check_end, client, piece_sizes, play, without};

/// The bytes of a literal: anything, and by preference what looks like a dialogue.
fn literal() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"{5}\r\n".to_vec()),
        Just(b"{7+}\r\n".to_vec()),
        Just(b"T1 OK done\r\n".to_vec()),
        Just(b"+ go on\r\n".to_vec()),
        Just(b"* BYE\r\n* CAPABILITY COMPRESS=DEFLATE\r\n".to_vec()),
        Just(b"x LOGIN u p\r\n".to_vec()),
        vec(any::<u8>(), 0..40),
        (0_usize..70_000).prop_map(|length| b"ab {3}\r\n".repeat(length / 8)),
    ];
    vec(token, 0..4).prop_map(|tokens| tokens.concat())
}

/// Text within a line that announces nothing.
fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40).prop_map(|bytes| without(&bytes, b"\r\n}"))
}

/// Text, and literals between it: `text {n}`, CRLF, bytes, again and again; then CRLF.
fn strings(plus: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let string = (text(), any::<bool>(), literal()).prop_map(move |(text, eight, literal)| {
        let eight = if eight { "~" } else { "" };
        let announcement = format!("{eight}{{{}{plus}}}\r\n", literal.len());
        [text, announcement.into_bytes(), literal].concat()
    });
    (vec(string, 0..3), text())
        .prop_map(|(strings, text)| [strings.concat(), text, b"\r\n".to_vec()].concat())
}

/// One untagged response of the server's: what it says, and what reaches the client.
fn untagged() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let same = |bytes: Vec<u8>| (bytes.clone(), bytes);
    let kind = prop_oneof![Just("* LIST "), Just("* 5 FETCH ("), Just("* X "), Just("* 7 ")];
    let data = (kind, strings("")).prop_map(|(kind, rest)| [kind.as_bytes(), &rest].concat());
    let word = prop_oneof![
        Just("* OK "),
        Just("* no "),
        Just("* BAD "),
        Just("* OK [HIGHESTMODSEQ 5]"),
        Just("* OK [UIDNEXT 5] "),
    ];
    let end = prop_oneof![Just("\r\n"), Just("{5}\r\n"), Just("{5+}\r\n"), Just("\n")];
    let status = (word, text(), end)
        .prop_map(|(word, text, end)| [word.as_bytes(), &text, end.as_bytes()].concat());
    prop_oneof![data.prop_map(same), status.prop_map(same), capability(),]
}

fn capability() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let shown = prop_oneof![Just("IDLE"), Just("X-GM-EXT-1"), Just("MOVE"), Just("AUTHX")];
    let hidden = prop_oneof![
        Just("AUTH=XOAUTH2"),
        Just("compress=deflate"),
        Just("STARTTLS"),
        Just("LOGINDISABLED"),
    ];
    let name =
        prop_oneof![shown.prop_map(|name| (name, true)), hidden.prop_map(|name| (name, false)),];
    let frame = prop_oneof![
        Just(("* CAPABILITY IMAP4rev1", "\r\n")),
        Just(("* OK [CAPABILITY IMAP4rev1", "] {5}\r\n")),
    ];
    (frame, vec(name, 0..6)).prop_map(|((start, end), names)| {
        let line = |all: bool| {
            let names = names.iter().filter(|(_, shown)| all || *shown);
            let list: String = names.map(|(name, _)| format!(" {name}")).collect();
            format!("{start}{list}{end}").into_bytes()
        };
        (line(true), line(false))
    })
}

/// What a client does, of which an exchange or some are made.
#[derive(Debug, Clone)]
enum Act {
    /// A command that passes at once, with literals that don't wait.
    Command(Vec<u8>),
    /// A literal that waits, and is let in or not.
    Append {
        literal: Vec<u8>,
        accepted: bool,
    },
    Idle,
    /// A command that is answered by the proxy.
    Refused {
        word: &'static str,
        rest: Vec<u8>,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let append = (literal(), any::<bool>())
        .prop_map(|(literal, accepted)| Act::Append { literal, accepted });
    let word = prop_oneof![Just("LOGIN"), Just("authenticate"), Just("STARTTLS")];
    let refused = (word, strings("+")).prop_map(|(word, rest)| Act::Refused { word, rest });
    prop_oneof![strings("+").prop_map(Act::Command), append, Just(Act::Idle), refused,]
}

/// The exchanges of an act, with `between` said by the server before its answer.
fn exchanges(
    index: usize,
    act: Act,
    between: &[(Vec<u8>, Vec<u8>)],
    answer_late: bool,
) -> Vec<Exchange> {
    let says = |exchange: &mut Exchange, line: String| {
        exchange.server.extend_from_slice(line.as_bytes());
        exchange.to_client.extend_from_slice(line.as_bytes());
    };
    let client = |bytes: Vec<u8>| Exchange {
        to_server: bytes.clone(),
        client: bytes,
        ..Exchange::default()
    };
    let chatter = |exchange: &mut Exchange| {
        for (said, heard) in between {
            exchange.server.extend_from_slice(said);
            exchange.to_client.extend_from_slice(heard);
        }
    };
    let tag = format!("T{index}");
    match act {
        Act::Command(rest) => {
            let mut one = client([tag.as_bytes(), b" DO ", &rest].concat());
            chatter(&mut one);
            let mut two = Exchange::default();
            // The answer may come before the next command is said, or behind it.
            let late = if answer_late { &mut two } else { &mut one };
            says(late, format!("{tag} OK done {{5}}\r\n"));
            vec![one, two]
        }
        Act::Append { literal, accepted } => {
            let mut one = client(format!("{tag} APPEND x {{{}}}\r\n", literal.len()).into_bytes());
            chatter(&mut one);
            if !accepted {
                says(&mut one, format!("{tag} NO [TRYCREATE] {{9}}\r\n"));
                return vec![one];
            }
            says(&mut one, "+ go on {5}\r\n".into());
            let mut two = client([literal.as_slice(), b"\r\n"].concat());
            says(&mut two, format!("{tag} OK [APPENDUID 1 2] done\r\n"));
            vec![one, two]
        }
        Act::Idle => {
            let mut one = client(format!("{tag} IDLE\r\n").into_bytes());
            says(&mut one, "+ idling\r\n".into());
            chatter(&mut one);
            let mut two = client(b"DONE\r\n".to_vec());
            says(&mut two, format!("{tag} OK terminated\r\n"));
            vec![one, two]
        }
        Act::Refused { word, rest } => {
            let mut one = Exchange {
                client: [format!("refused{index} {word} ").as_bytes(), &rest].concat(),
                answer: format!("refused{index} BAD Already signed on\r\n").into_bytes(),
                ..Exchange::default()
            };
            chatter(&mut one);
            vec![one]
        }
    }
}

fn session() -> impl Strategy<Value = Vec<Exchange>> {
    let step = (act(), vec(untagged(), 0..4), any::<bool>());
    (vec(step, 1..7), 0_usize..60).prop_map(|(steps, held_up)| {
        let steps = steps.into_iter().enumerate();
        let mut session: Vec<Exchange> = steps
            .flat_map(|(index, (act, between, late))| exchanges(index, act, &between, late))
            .collect();
        // What the proxy answers itself comes while the server is in the middle of something.
        for next in 1..session.len() {
            let waits = session[next - 1].client.ends_with(b"}\r\n");
            if !session[next].answer.is_empty() && !waits {
                let before = &mut session[next - 1].server;
                let late = before.split_off(before.len().saturating_sub(held_up));
                session[next].server.splice(0..0, late);
            }
        }
        session
    })
}

/// Takes the proxy's own lines out of what the client heard, and tells where each of them was.
fn without_answers(heard: &[u8], exchanges: &[Exchange]) -> Option<(Vec<u8>, Vec<usize>)> {
    let (mut rest, mut places) = (heard.to_vec(), Vec::new());
    for answer in exchanges.iter().map(|each| &each.answer) {
        if !answer.is_empty() {
            let at = memchr::memmem::find(&rest, answer)?;
            rest.drain(at..at + answer.len());
            places.push(at);
        }
    }
    Some((rest, places))
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn an_imap_session_comes_through(
        exchanges in session(),
        client in client(),
        sizes in piece_sizes(),
    ) {
        let relay = play(Dialogue::default(), &exchanges, client, &sizes);
        check_end(&relay, &exchanges, client)?;
        let to_client: Vec<u8> = exchanges.iter().flat_map(|each| each.to_client.clone()).collect();
        let split = without_answers(&relay.to_client, &exchanges);
        prop_assert!(split.is_some(), "an answer is missing");
        let (heard, places) = split.unwrap_or_default();
        prop_assert_eq!(heard.escape_ascii().to_string(), to_client.escape_ascii().to_string());
        for place in places {
            prop_assert!(place == 0 || to_client[place - 1] == b'\n', "an answer inside a line");
        }
    }
}
