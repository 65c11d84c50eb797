//! What a server can send to whom it has signed on. It is trusted with the mail, so its words pass as they
//! are; but no more of them is kept than a relay holds, nobody else waits for it, and what it has not said
//! is not made up.

use crate::server::{Act, Server, hear, say};
use crate::support::{Client, PATIENCE, World};
use crate::told;
use crate::upstream::world;

/// More than the buffers between two sockets hold, twice, and far less than a flood.
const TAKEN: u64 = 24 * 1024 * 1024;
const FLOOD: u64 = 512 * 1024 * 1024;
/// A session whose connection is lost ends at once, so that it can be looked at.
const NO_HOLD: &str = "outage_hold = \"0s\"";

const GREETING: &str = "* OK Gimap ready\r\n";
const SIGNED_ON: &str = "g1 OK [CAPABILITY IMAP4rev1 IDLE UIDPLUS] authenticated (Success)\r\n";

/// An IMAP server up to its OK.
fn imap(acts: &[Act]) -> Vec<Act> {
    let begins =
        [Act::Secure, say(GREETING), hear("AUTHENTICATE XOAUTH2 "), hear("\r\n"), say(SIGNED_ON)];
    [&begins[..], acts].concat()
}

/// A submission server up to its 235.
fn smtp(acts: &[Act]) -> Vec<Act> {
    let begins = [
        Act::Secure,
        say("220 a\r\n"),
        hear("EHLO"),
        hear("\r\n"),
        say("250-a\r\n250-PIPELINING\r\n250 AUTH XOAUTH2\r\n"),
        hear("AUTH XOAUTH2\r\n"),
        say("334 \r\n"),
        hear("\r\n"),
        say("235 2.7.0 Accepted\r\n"),
    ];
    [&begins[..], acts].concat()
}

/// A client that has signed on at a server that goes on like this.
async fn with_imap(world: &World, server: &Server, acts: &[Act]) -> Client {
    server.play([imap(acts), vec![]]);
    world.signed_on().await
}

async fn with_smtp(world: &World, server: &Server, acts: &[Act]) -> Client {
    server.play([smtp(acts), vec![]]);
    world.server().reload().unwrap();
    world.smtp_signed_on().await
}

#[tokio::test]
async fn what_belongs_to_the_mail_passes_as_it_is() {
    let answers: [&[u8]; 9] = [
        b"* 1 FETCH (BODY[] {10}\r\n{5}\r\na OK x UID 5)\r\na OK done\r\n",
        b"* 1 FETCH (A {4}\r\n{9}\n B {0}\r\n C {2}\r\n\r\n)\r\na OK done\r\n",
        b"* 1 FETCH (BODY[] {23}\r\na OK made up\r\n* BYE x\r\n)\r\na OK done\r\n",
        b"* OK [ALERT] {99999999999999999999}\r\na OK done {5}\r\n",
        b"* 1 FETCH (X \"\0\xff\xfe\r \x1b[2J\")\r\na OK \xe9\r\n",
        b"* 4294967295 EXISTS\r\n* 99999999999999999999 EXISTS\r\n* 0 EXPUNGE\r\na OK done\r\n",
        b"* VANISHED (EARLIER) 1:4294967295\r\n* SEARCH 0 4294967296 -1\r\na NO no\r\n",
        b"+ one\r\n+ two\r\n+\r\n*\r\n* \r\n\r\nnonsense\r\na BAD what\r\n",
        b"* CAPABILITY\r\n* OK [CAPABILITY\r\n* OK [\r\n* OK []\r\n* PREAUTH x\r\na OK\r\n",
    ];
    let (world, server, mut other) = world("").await;
    for answer in answers {
        let name = answer.escape_ascii().to_string();
        let acts = [hear("a NOOP\r\n"), say(answer), Act::Stay];
        let mut client = with_imap(&world, &server, &acts).await;
        client.send("a NOOP\r\n").await;
        let heard = client.bytes(answer.len()).await;
        assert_eq!(heard.escape_ascii().to_string(), name);
        told::assert_unharmed(&name, &mut other).await;
    }
}

#[tokio::test]
async fn a_length_that_is_a_lie_ends_the_session_and_makes_nothing_up() {
    // What is said, what of it passes, and whether a word of farewell can stand behind it.
    let rows: [(&str, &str, bool); 6] = [
        ("* 1 FETCH (BODY[] {2147483648}\r\nabc", "* 1 FETCH (BODY[] {2147483648}\r\nabc", false),
        (
            "* 1 FETCH (A {5}\r\nabcde {9999999999}\r\na OK x\r\n",
            "* 1 FETCH (A {5}\r\nabcde {9999999999}\r\na OK x\r\n",
            false,
        ),
        (
            "* 1 FETCH (X {99999999999999999999}\r\na OK x\r\n",
            "* 1 FETCH (X {99999999999999999999}\r",
            false,
        ),
        (
            "* 1 FETCH (X {18446744073709551616+}\r\na OK x\r\n",
            "* 1 FETCH (X {18446744073709551616+}\r",
            false,
        ),
        ("* 1 FETCH (X", "* 1 FETCH (X", false),
        ("* 1 EXISTS\r\na O", "* 1 EXISTS\r\n", true),
    ];
    let (world, server, mut other) = world(NO_HOLD).await;
    for (said, passes, farewell) in rows {
        let mut client = with_imap(&world, &server, &[hear("a NOOP\r\n"), say(said)]).await;
        client.send("a NOOP\r\n").await;
        let heard = client.rest().await;
        let rest = heard.strip_prefix(passes).unwrap_or_else(|| panic!("{said:?}: {heard:?}"));
        match farewell {
            true => assert!(rest.starts_with("* BYE The "), "{said:?}: {heard:?}"),
            false => assert_eq!(rest, "", "{said:?}"),
        }
        told::assert_unharmed(said, &mut other).await;
    }
}

#[tokio::test]
async fn no_more_is_taken_of_a_flood_than_its_client_reads() {
    let (world, server, mut other) = world(NO_HOLD).await;
    for (name, begins, endless) in [
        ("data", "", "* 1 FETCH (FLAGS ())\r\n"),
        ("a line", "* 1 FETCH ", "x"),
        ("a line of words", "* OK ", "x"),
        ("a tag", "", "x"),
        ("a literal", "* 1 FETCH (X {17179869180}\r\n", "x"),
        ("literals in literals", "", "* 1 FETCH (A {12}\r\n{2147483648} B {0}\r\n)\r\n"),
        ("challenges", "", "+ \r\n"),
        ("NUL", "", "\0"),
        ("empty lines", "", "\r\n"),
    ] {
        let acts = [say(begins), Act::Flood(endless.into(), FLOOD)];
        let client = with_imap(&world, &server, &acts).await;
        // The server gives up when it can't go on; the client has read nothing.
        let (mut before, mut same) = (0, 0);
        while same < 4 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let now = server.flooded();
            same = if now == before && now > 0 { same + 1 } else { 0 };
            before = now;
            assert!(now < TAKEN, "{name}: {now} bytes were taken");
        }
        told::assert_unharmed(name, &mut other).await;
        drop(client);
    }
}

/// A whole IMAP session, each line of the server's by itself: what is waited for, and the line.
const SESSION: [(Option<&str>, &str); 17] = [
    (None, GREETING),
    (Some("AUTHENTICATE XOAUTH2 "), "* OK nearly\r\n"),
    (None, SIGNED_ON),
    (Some("s SELECT INBOX\r\n"), "* FLAGS (\\Seen)\r\n"),
    (None, "* 2 EXISTS\r\n"),
    (None, "* OK [UIDVALIDITY 1] x\r\n"),
    (None, "* OK [UIDNEXT 9] x\r\n"),
    (None, "s OK [READ-WRITE] done\r\n"),
    (Some("f FETCH 1:2 BODY[]\r\n"), "* 1 FETCH (UID 3 BODY[] {4}\r\n"),
    (None, "one\n)\r\n"),
    (None, "* 2 FETCH (UID 4 FLAGS ())\r\n"),
    (None, "f OK done\r\n"),
    (Some("i IDLE\r\n"), "+ idling\r\n"),
    (None, "* 3 EXISTS\r\n"),
    (Some("DONE\r\n"), "i OK done\r\n"),
    (Some("l LOGOUT\r\n"), "* BYE LOGOUT Requested\r\n"),
    (None, "l OK done\r\n"),
];

/// What a client hears of that session.
async fn session(world: &World) -> String {
    let mut client = world.imap().await;
    let login = format!("in LOGIN {} \"{}\"\r\n", crate::support::YOU, world.password.expose());
    let steps: [(&str, &str); 6] = [
        (&login, "in "),
        ("s SELECT INBOX\r\n", "s "),
        ("f FETCH 1:2 BODY[]\r\n", "f "),
        ("i IDLE\r\n", "* 3 EXISTS"),
        ("DONE\r\n", "i "),
        ("l LOGOUT\r\n", "l "),
    ];
    let mut heard = String::new();
    for (command, end) in steps {
        if tokio::io::AsyncWriteExt::write_all(&mut client.stream, command.as_bytes())
            .await
            .is_err()
        {
            break;
        }
        loop {
            let line = client.line().await;
            if line.is_empty() {
                return heard;
            }
            heard.push_str(&line);
            heard.push('\n');
            if line.starts_with(end) {
                break;
            }
        }
    }
    heard + &client.rest().await
}

#[tokio::test]
async fn a_bye_or_a_close_at_every_line_of_a_session_invents_nothing() {
    let (world, server, mut other) = world(NO_HOLD).await;
    for bye in [Some("* BYE Session \x1b[2Jexpired\r\n"), None] {
        for at in 0..=SESSION.len() {
            let mut acts = vec![Act::Secure];
            for (waits, line) in &SESSION[..at] {
                acts.extend(waits.map(hear));
                acts.push(say(line));
            }
            acts.extend(SESSION.get(at).and_then(|(waits, _)| waits.map(hear)));
            acts.extend(bye.map(say));
            // Any other connection is closed at once.
            server.play([acts, vec![Act::Secure]]);
            world.server().reload().unwrap();
            let heard = session(&world).await;
            let name = format!("before line {at} of the server's: {bye:?}\n{heard}");
            let said: String = SESSION[..at].iter().map(|(_, line)| *line).collect();
            for line in heard.lines() {
                let tagged = ["s ", "f ", "i ", "l "].iter().any(|tag| line.starts_with(tag));
                assert!(!tagged || said.contains(line), "{line} was made up, {name}");
                assert!(!line.starts_with("in NO") && !line.starts_with("in BAD"), "{name}");
            }
            let got_in = said.contains(SIGNED_ON);
            assert_eq!(heard.contains("in OK"), got_in, "{name}");
            if at < SESSION.len() - 1 {
                // In the middle of a literal nothing can be told.
                let amid = at == 9;
                let last = heard.lines().last().unwrap_or_default();
                assert!(last.starts_with("* BYE ") || amid, "{name}");
            }
            if !got_in {
                told::assert_goodbye(&name, &heard.replace('\n', "\r\n"));
            }
            told::assert_unharmed(&name, &mut other).await;
        }
    }
}

#[tokio::test]
async fn a_connection_that_takes_over_can_lie_about_nothing() {
    // What the connection does that a session is to go on over, behind its sign-on.
    let list = "* ESEARCH (TAG \"gp1\") UID ALL ";
    let selected =
        "* 2 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 9] x\r\ngs OK [READ-WRITE] x\r\n";
    let then = |answer: &str| vec![hear("SEARCH"), say([selected, answer].concat()), Act::Stay];
    let rows = [
        (
            "the answers before the questions",
            vec![say([selected, list, "3:4\r\ngp1 OK x\r\n"].concat())],
        ),
        ("no list", then("gp1 OK x\r\n")),
        ("all numbers there are", then(&[list, "1:4294967295\r\ngp1 OK x\r\n"].concat())),
        ("numbers that are none", then(&[list, "0:4294967296\r\ngp1 OK x\r\n"].concat())),
        ("an impossible literal", then("* X {99999999999999999999}\r\n")),
        ("a literal that doesn't come", vec![hear("SEARCH"), say("* X {2147483648}\r\nabc")]),
        ("BYE", then("* BYE \x1b[2Jgone\r\n")),
        ("a refusal", then("gp1 NO no\r\n")),
        (
            "another mailbox",
            vec![
                hear("SEARCH"),
                say(
                    "* 2 EXISTS\r\n* OK [UIDVALIDITY 2] x\r\ngs OK x\r\n* ESEARCH (TAG \"gp1\") UID ALL 3:4\r\ngp1 OK x\r\n",
                ),
                Act::Stay,
            ],
        ),
        ("a close", vec![hear("SEARCH")]),
        ("a line without end", vec![hear("SEARCH"), say("* X "), Act::Flood(b"x".to_vec(), FLOOD)]),
        (
            "a response without end",
            vec![hear("SEARCH"), Act::Flood(b"* X {3}\r\nabc {3}\r\nab".to_vec(), FLOOD)],
        ),
        (
            "a literal without end",
            vec![hear("SEARCH"), say("* X {17179869180}\r\n"), Act::Flood(b"x".to_vec(), FLOOD)],
        ),
        (
            "words without end",
            vec![hear("SEARCH"), say("gs OK "), Act::Flood(b"x".to_vec(), FLOOD)],
        ),
    ];
    let first = |acts: &[Act]| {
        let selects = [
            hear("s SELECT INBOX\r\n"),
            say(
                "* FLAGS (\\Seen)\r\n* 2 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 5] x\r\ns OK [READ-WRITE] done\r\n",
            ),
            hear("f FETCH 1:2 UID\r\n"),
            say("* 1 FETCH (UID 3)\r\n* 2 FETCH (UID 4)\r\nf OK done\r\n"),
            hear("i IDLE\r\n"),
            say("+ idling\r\n"),
        ];
        imap(&[&selects[..], acts].concat())
    };
    let rows = rows.into_iter().map(|(name, acts)| async move {
        let (world, server, mut other) = world("outage_hold = \"1s\"").await;
        let gone = Act::Drip(b"".to_vec(), 1, PATIENCE);
        let expires = [gone, say("* BYE Session expired\r\n")];
        let esearch = SIGNED_ON.replace("UIDPLUS", "ESEARCH");
        let again = [
            vec![Act::Secure, say(GREETING), hear("AUTHENTICATE"), hear("\r\n"), say(esearch)],
            acts,
        ];
        server.play([first(&expires), again.concat()]);
        let mut client = world.signed_on().await;
        for (command, end) in
            [("s SELECT INBOX", "s OK"), ("f FETCH 1:2 UID", "f OK"), ("i IDLE", "+")]
        {
            client.send(format!("{command}\r\n")).await;
            client.until(end).await;
        }
        let heard = client.rest().await;
        assert!(heard.starts_with("* BYE "), "{name}: {heard:?}");
        assert_eq!(heard.matches('\n').count(), 1, "{name}: {heard:?}");
        told::assert_shows_nothing_odd(name, &heard.replace('\r', ""));
        assert!(server.connections() > 1, "{name}: nobody came again");
        // What one response may be, for each connection that was tried.
        let most = TAKEN + server.connections() as u64 * 2 * 16 * 1024 * 1024;
        assert!(server.flooded() < most, "{name}: {} bytes were taken", server.flooded());
        told::assert_unharmed(name, &mut other).await;
    });
    use futures_util::StreamExt;
    futures_util::stream::iter(rows).buffer_unordered(4).collect::<Vec<_>>().await;
}

#[tokio::test]
async fn a_submission_server_can_make_no_message_sent_that_was_not() {
    let flood = |bytes: &str| Act::Flood(bytes.as_bytes().to_vec(), FLOOD);
    // What the server does when the message is half sent.
    let rows = [
        ("a success", vec![say("250 2.0.0 OK\r\n")]),
        ("a success in lines", vec![say("250-2.0.0 OK\r\n250 2.0.0 OK\r\n")]),
        ("another 354", vec![say("354 go\r\n")]),
        ("four digits", vec![say("2500 OK\r\n")]),
        ("no digits", vec![say("OK\r\n")]),
        ("NUL", vec![say("2\x0050 OK\r\n")]),
        ("a line without end", vec![flood("2")]),
        ("lines without end", vec![flood("250-OK\r\n")]),
        ("a challenge", vec![say("334 \r\n")]),
        ("a farewell", vec![say("421 4.7.0 gone\r\n")]),
        ("a close", vec![]),
    ];
    let (world, server, mut other) = world("").await;
    for (name, acts) in rows {
        let begins = [
            hear("MAIL FROM:<a@b>\r\n"),
            say("250 OK\r\n"),
            hear("RCPT TO:<c@d>\r\n"),
            say("250 OK\r\n"),
            hear("DATA\r\n"),
            say("354 go\r\n"),
            hear("half\r\n"),
        ];
        let mut client = with_smtp(&world, &server, &[&begins[..], &acts].concat()).await;
        for (command, code) in
            [("MAIL FROM:<a@b>", "250"), ("RCPT TO:<c@d>", "250"), ("DATA", "354")]
        {
            assert!(client.ask(command).await.starts_with(code), "{name}");
        }
        client.send("Subject: x\r\n\r\nhalf\r\n").await;
        let heard = client.rest().await;
        let lines: Vec<&str> = heard.lines().collect();
        assert!(!lines.iter().any(|line| line.starts_with("250 ")), "{name}: {heard}");
        let told = match name {
            "a farewell" => heard.starts_with("421 4.7.0 gone\r\n"),
            _ => heard.starts_with("421 4.3.2 ") && lines.len() == 1,
        };
        assert!(told, "{name}: {heard}");
        assert!(server.flooded() < TAKEN, "{name}: {} bytes were taken", server.flooded());
        assert!(!server.heard().contains("\r\n.\r\n"), "{name}: the message was ended");
        told::assert_unharmed(name, &mut other).await;
    }
}

#[tokio::test]
async fn replies_that_nobody_asked_for_end_the_session() {
    let (world, server, mut other) = world("").await;
    for (name, said) in [
        ("behind the sign-on", "250 OK\r\n"),
        ("several", "250 OK\r\n250 OK\r\n250 OK\r\n"),
        ("a challenge", "334 \r\n"),
        ("leave to send", "354 go\r\n"),
        ("four digits", "4211 x\r\n"),
    ] {
        let mut client = with_smtp(&world, &server, &[say(said), Act::Stay]).await;
        let heard = client.rest().await;
        assert!(heard.starts_with("421 4.3.2 The session can't go on: "), "{name}: {heard}");
        told::assert_unharmed(name, &mut other).await;
    }
}
