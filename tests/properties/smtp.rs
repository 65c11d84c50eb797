//! Signed-on SMTP sessions.

use gatepost::protocol::smtp::{BareNewlines, Dialogue};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::newlines::normalized;
use crate::{Exchange, cases, check_end, client, piece_sizes, play, without};

/// A line's bytes without CR, LF and NUL.
fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..60).prop_map(|bytes| without(&bytes, b"\r\n\0"))
}

/// A reply of some lines with this code.
fn reply(code: &'static str) -> impl Strategy<Value = Vec<u8>> {
    (vec(text(), 0..3), text(), any::<bool>()).prop_map(move |(lines, last, bare)| {
        let mut reply = Vec::new();
        for line in lines {
            reply.extend([code.as_bytes(), b"-", &line, b"\r\n"].concat());
        }
        match bare {
            true => reply.extend([code.as_bytes(), b"\r\n"].concat()),
            false => reply.extend([code.as_bytes(), b" ", &last, b"\r\n"].concat()),
        }
        reply
    })
}

/// A message as a client sends it, dots stuffed, ended.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        text(),
        Just(b"..".to_vec()),
        Just(b".x".to_vec()),
        Just(b"AUTH PLAIN x".to_vec()),
        Just(b"QUIT".to_vec()),
        (0_usize..50_000).prop_map(|length| vec![b'.'; length + 2]),
    ];
    let line = line.prop_filter("is no end", |line| line != b".");
    vec(line, 0..8).prop_map(|lines| {
        let ended = lines.into_iter().chain([b".".to_vec()]);
        ended.flat_map(|line| [line, b"\r\n".to_vec()].concat()).collect()
    })
}

fn passes(client: &[u8], reply: Vec<u8>) -> Exchange {
    Exchange {
        client: client.to_vec(),
        to_server: client.to_vec(),
        to_client: reply.clone(),
        server: reply,
        answer: Vec::new(),
    }
}

fn act() -> impl Strategy<Value = Vec<Exchange>> {
    let verb =
        prop_oneof![Just("MAIL FROM: <"), Just("RCPT TO:<"), Just("NOOP"), Just("x"), Just("")];
    let code = prop_oneof![reply("250"), reply("550"), reply("452")];
    let command = (verb, text(), code, any::<bool>()).prop_map(|(verb, text, reply, lf_only)| {
        // A text that makes no other command of the verb.
        let line = [verb.as_bytes(), b"#", &text, b"\r\n"].concat();
        let mut exchange = passes(&line, reply);
        if lf_only {
            exchange.client.truncate(line.len() - 2);
            exchange.client.push(b'\n');
        }
        vec![exchange]
    });
    let sent = (reply("354"), message(), reply("250"))
        .prop_map(|(go, message, done)| vec![passes(b"DATA\r\n", go), passes(&message, done)]);
    let refused = reply("554").prop_map(|no| vec![passes(b"data \r\n", no)]);
    let own = prop_oneof![
        text().prop_map(|text| (
            [b"AUTH ", text.as_slice(), b"\r\n"].concat(),
            "503 5.5.1 Already signed on\r\n"
        )),
        Just((b"starttls\r\n".to_vec(), "502 5.5.1 STARTTLS is not offered\r\n")),
        Just((b"NO\rOP\r\n".to_vec(), "500 5.5.2 A line ends in CR LF and has no NUL\r\n")),
        vec(any::<u8>(), 0..3000).prop_map(|chunk| {
            let line = format!("BDAT {} LAST\r\n", chunk.len());
            ([line.into_bytes(), chunk].concat(), "502 5.5.1 BDAT is not offered\r\n")
        }),
    ];
    let own = own.prop_map(|(client, answer)| {
        vec![Exchange { client, answer: answer.into(), ..Exchange::default() }]
    });
    let hello = (any::<bool>(), any::<bool>()).prop_map(|(size, auth)| {
        let (size, auth) =
            (if size { "250-SIZE 5\r\n" } else { "" }, if auth { "250-AUTH X\r\n" } else { "" });
        let mut exchange = passes(
            b"EHLO [::1]\r\n",
            format!("250-host\r\n{size}{auth}250 STARTTLS\r\n").into_bytes(),
        );
        exchange.to_client = format!("250-host\r\n{size}250 AUTH PLAIN LOGIN\r\n").into_bytes();
        vec![exchange]
    });
    prop_oneof![4 => command, 2 => sent, 1 => refused, 2 => own, 1 => hello]
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn an_smtp_session_comes_through(
        acts in vec(act(), 1..8),
        client in client(),
        sizes in piece_sizes(),
    ) {
        let exchanges = acts.concat();
        let relay = play(Dialogue::new(BareNewlines::Refuse), &exchanges, client, &sizes);
        check_end(&relay, &exchanges, client)?;
        // Answers of the proxy's own stand in their order between the server's replies.
        let to_client: Vec<u8> = exchanges
            .iter()
            .flat_map(|each| [each.answer.clone(), each.to_client.clone()].concat())
            .collect();
        prop_assert_eq!(
            relay.to_client.escape_ascii().to_string(),
            to_client.escape_ascii().to_string()
        );
    }

    #[test]
    fn bare_newlines_are_normalized(text in "[a.\r\n]{0,30}", sizes in piece_sizes()) {
        // Behind a line that stands for itself, so that the end is where this test puts it.
        let text = format!("{}z\r\n", text.replace("\r\n.\r\n", "\r\nx\r\n").trim_start_matches('.'));
        prop_assume!(!text.contains("\r\n.\r\n"));
        let mut data = passes(b"DATA\r\n", b"354 go\r\n".to_vec());
        data.client = b"data\r\n".to_vec();
        data.to_server = data.client.clone();
        let message = Exchange {
            client: format!("{text}.\r\n").into_bytes(),
            to_server: format!("{}.\r\n", normalized(&text)).into_bytes(),
            server: b"250 OK\r\n".to_vec(),
            to_client: b"250 OK\r\n".to_vec(),
            answer: Vec::new(),
        };
        let exchanges = [data, message];
        let client = crate::Client::Patient;
        let relay = play(Dialogue::new(BareNewlines::Normalize), &exchanges, client, &sizes);
        check_end(&relay, &exchanges, client)?;
        let sent = String::from_utf8_lossy(&relay.to_server).into_owned();
        prop_assert!(!sent.replace("\r\n", "").contains(['\r', '\n']));
        prop_assert_eq!(sent.matches("\r\n.\r\n").count(), 1);
    }
}
