//! What a mail server can answer until its client is signed on, whoever it is: no success that it didn't
//! give in its turn, no more than a line or two in memory, and words that are only words.

use std::time::Duration;

use crate::log::Log;
use crate::server::{Act, Server, hear, repeat, say};
use crate::support::papers::{Flaw, Papers};
use crate::support::{World, YOU};
use crate::told;

/// The sign-on in base64, and what comes before it in IMAP.
const TOKEN: [&str; 1] = ["dXNlcj15b3VAZ21haWwuY29tAWF1dGg9"];
/// More than the buffers between two sockets hold, twice, and far less than what a flood would bring.
const TAKEN: u64 = 24 * 1024 * 1024;
const FLOOD: u64 = 512 * 1024 * 1024;

/// One answer: what it is called, what is done, and what is told of it.
struct Row(&'static str, Vec<Act>, &'static str);

const NO_IMAP: &str = "answered with something else than IMAP";
const NO_SMTP: &str = "answered with something else than SMTP";
const NOT_PROVEN: &str = "did not prove who it is";
const CLOSED: &str = "closed the connection";

fn flood(bytes: impl AsRef<[u8]>) -> Act {
    Act::Flood(bytes.as_ref().to_vec(), FLOOD)
}

/// A world whose mail servers are one of this test's, and a session that was there before.
pub(crate) async fn world(provider: &str) -> (World, Server, crate::support::Client) {
    let world = World::with(provider).await;
    let other = world.signed_on().await;
    let papers = Papers::with(Flaw::Nothing);
    world.trust(&papers.authority);
    let server = Server::start(Some(papers.server)).await;
    world.provide("imap", &format!("localhost:{}", server.port));
    world.provide("smtp", &format!("localhost:{}", server.port));
    world.server().reload().unwrap();
    (world, server, other)
}

async fn assert_rows(rows: Vec<Row>, begins: &[Act], by: &str, sends_token: bool) {
    let log = Log::begin_with_wire();
    let (world, server, mut other) = world("").await;
    if by == "STARTTLS" {
        world.provide("smtp", &format!("starttls://localhost:{}", server.port));
    }
    for Row(name, acts, words) in rows {
        server.play([[begins, &acts].concat()]);
        world.server().reload().unwrap();
        let heard = match by {
            "IMAP" => told::imap(&world).await,
            _ => told::smtp(&world).await,
        };
        told::assert_goodbye(name, &heard);
        assert!(heard.contains(words), "{name}, told without “{words}”: {heard}");
        assert!(server.connections() > 0, "{name}: nobody came");
        assert_eq!(server.was_sent(&TOKEN), sends_token, "{name}: {}", server.heard());
        assert!(server.flooded() < TAKEN, "{name}: {} bytes were taken", server.flooded());
        told::assert_unharmed(name, &mut other).await;
        let status = serde_json::to_string(&world.server().status()).unwrap();
        told::assert_shows_nothing_odd(name, &status);
        assert_no_token(name, &heard);
        assert_no_token(name, &status);
    }
    let (log, wire) = (log.text(), log.wire());
    told::assert_shows_nothing_odd("the log", &log);
    assert!(log.contains("session") && wire.contains("<-"), "{log}{wire}");
    assert_no_token("the log", &log);
    assert_no_token("the wire log", &wire);
}

fn assert_no_token(name: &str, text: &str) {
    assert!(!text.contains(TOKEN[0]) && !text.contains("ya29."), "{name}: {text}");
}

#[tokio::test]
async fn before_the_token_an_imap_server_gets_nothing_by_what_it_says() {
    let rows = vec![
        Row("PREAUTH", vec![say("* PREAUTH you are in\r\n"), Act::Stay], NO_IMAP),
        Row("an OK for a greeting", vec![say("g1 OK done\r\n"), Act::Stay], NO_IMAP),
        Row("an OK behind the greeting", vec![say("* OK a\r\ng1 OK done\r\n"), Act::Stay], NO_IMAP),
        Row("half an OK behind it", vec![say("* OK a\r\ng1 O"), Act::Stay], NO_IMAP),
        Row("a challenge behind it", vec![say("* OK a\r\n+ \r\n"), Act::Stay], NO_IMAP),
        Row("HTTP", vec![say("HTTP/1.1 400 Bad Request\r\n\r\n"), Act::Stay], NO_IMAP),
        Row("SMTP", vec![say("220 smtp.gmail.com\r\n"), Act::Stay], NO_IMAP),
        Row("data", vec![say("* 5 EXISTS\r\n"), Act::Stay], NO_IMAP),
        Row("a NO", vec![say("* NO\r\n"), Act::Stay], NO_IMAP),
        Row("an empty line", vec![say("\r\n"), Act::Stay], NO_IMAP),
        Row("NUL", vec![say("\0* OK a\r\n"), Act::Stay], NO_IMAP),
        Row("a line without end", vec![flood("x")], NO_IMAP),
        Row("a greeting without end", vec![say("* OK "), flood("x")], NO_IMAP),
        Row("NUL without end", vec![flood("\0")], NO_IMAP),
        Row("CR without end", vec![flood("\r")], NO_IMAP),
        Row("a close", vec![], CLOSED),
        Row("half a line", vec![say("* OK Gim")], CLOSED),
        Row(
            "BYE",
            vec![say("* BYE Gone to \x1b[2Jlunch\x07 \u{202e}\r\n")],
            "closed the connection: Gone to [2Jlunch.",
        ),
        Row(
            "BYE with the password at fault",
            vec![say("* BYE [AUTHENTICATIONFAILED] no\r\n")],
            "closed the connection: no.",
        ),
        Row(
            "BYE with CR in it",
            vec![say("* BYE a\rin OK b\r\n")],
            "closed the connection: ain OK b.",
        ),
    ];
    assert_rows(rows, &[Act::Secure], "IMAP", false).await;
}

#[tokio::test]
async fn after_the_token_an_imap_server_gets_nobody_in_but_by_an_ok_in_its_turn() {
    let rows = vec![
        Row("another's OK", vec![say("in OK done\r\n"), Act::Stay], NO_IMAP),
        Row("the next one's OK", vec![say("g2 OK done\r\n"), Act::Stay], NO_IMAP),
        Row("PREAUTH", vec![say("* PREAUTH you are in\r\ng1 OK done\r\n"), Act::Stay], NO_IMAP),
        Row("an OK behind a challenge", vec![say("+ e30=\r\ng1 OK done\r\n"), Act::Stay], NO_IMAP),
        Row(
            "challenges in their turn",
            vec![
                say("+ \r\n"),
                hear("\r\n"),
                say("+ \r\n"),
                hear("\r\n"),
                say("+ \r\n"),
                Act::Stay,
            ],
            NO_IMAP,
        ),
        Row("challenges without end", vec![flood("+ \r\n")], NO_IMAP),
        Row("a challenge without end", vec![say("+ "), flood("A")], NO_IMAP),
        Row("words without end", vec![flood("* OK x\r\n")], NO_IMAP),
        Row("data without end", vec![flood("* 1 EXISTS\r\n")], NO_IMAP),
        Row("capabilities without end", vec![say("* CAPABILITY "), flood("X ")], NO_IMAP),
        Row("an OK without end", vec![say("g1 OK "), flood("x")], NO_IMAP),
        Row("a literal amid words", vec![say("* 1 FETCH {2147483648}\r\nabc")], CLOSED),
        Row("NUL in the OK", vec![say("g1\0OK done\r\n"), Act::Stay], NO_IMAP),
        Row("an OK with CR for its end", vec![say("g1 OK done\r")], CLOSED),
        Row("a close", vec![], CLOSED),
        Row("BYE", vec![say("* BYE \x1b]0;x\x07bye\r\n")], "closed the connection: ]0;xbye."),
        Row(
            "a NO that moves the cursor",
            vec![
                say("g1 NO [ALERT] \x1b[2J\u{9b}31mCall\u{2028}\u{202e} 555\x08\x7f\r\n"),
                Act::Stay,
            ],
            "refused the sign-on: The server says no: [2J31mCall 555.",
        ),
        Row("a NO in 8 bits", vec![say(b"g1 NO \xff\xfe\x9b2J\r\n"), Act::Stay], "says no: ???2J."),
        Row(
            "a long NO",
            vec![say(["g1 NO ", &"no ".repeat(5000), "\r\n"].concat()), Act::Stay],
            "says no: no no",
        ),
        Row("BAD", vec![say("g1 BAD what\r\n"), Act::Stay], "says no: what."),
        Row(
            "a NO that repeats the token",
            vec![repeat("g1 NO Not <token> again\r\n"), Act::Stay],
            "refused the sign-on: The server says no: Not ? again.",
        ),
        Row(
            "a NO that repeats the sign-on",
            vec![repeat("g1 NO [ALERT] Not <message> again\r\n"), Act::Stay],
            "refused the sign-on: The server says no: Not ? again.",
        ),
        Row(
            "BYE that repeats both",
            vec![repeat("* BYE <token> <message>\r\n")],
            "closed the connection: ? ?.",
        ),
        Row(
            "a NO behind a challenge",
            vec![say("+ e30=\r\n"), hear("\r\n"), say("g1 NO no\r\n"), Act::Stay],
            "refused the access token.",
        ),
        Row(
            "a challenge that repeats the sign-on, and a NO the token",
            vec![repeat("+ <message>\r\n"), hear("\r\n"), repeat("g1 NO <token>\r\n"), Act::Stay],
            "refused the access token.",
        ),
    ];
    let begins = [Act::Secure, say("* OK a\r\n"), hear("AUTHENTICATE XOAUTH2 "), hear("\r\n")];
    assert_rows(rows, &begins, "IMAP", true).await;
}

#[tokio::test]
async fn after_the_token_an_imap_server_that_lets_in_repeats_it_to_nobody() {
    let log = Log::begin_with_wire();
    let (world, server, _other) = world("").await;
    server.play([vec![
        Act::Secure,
        say("* OK a\r\n"),
        hear("AUTHENTICATE XOAUTH2 "),
        hear("\r\n"),
        repeat("* OK [ALERT] Not <token> again\r\n* OK or <message>\r\n"),
        repeat("g1 OK [CAPABILITY IMAP4rev1] <token>\r\n"),
        Act::Stay,
    ]]);
    let mut client = world.imap().await;
    client.send(format!("in LOGIN {YOU} \"{}\"\r\n", world.password.expose())).await;
    let notices = [client.line().await, client.line().await];
    assert_eq!(notices, ["* OK [ALERT] Not … again", "* OK or …"]);
    let answer = client.until("in ").await;
    assert!(answer.starts_with("in OK"), "{answer}");
    let wire = log.wire();
    assert!(wire.contains("g1 OK [CAPABILITY IMAP4rev1] …"), "{wire}");
    assert_no_token("the wire log", &wire);
    assert_no_token("the log", &log.text());
}

#[tokio::test]
async fn before_the_token_an_smtp_server_gets_nothing_by_what_it_says() {
    let auth = || {
        vec![
            say("220 a\r\n"),
            hear("EHLO"),
            hear("\r\n"),
            say("250-a\r\n250 AUTH XOAUTH2\r\n"),
            hear("AUTH XOAUTH2\r\n"),
        ]
    };
    let then = |acts: &[Act]| [auth(), acts.to_vec()].concat();
    let hello = |acts: &[Act]| [vec![say("220 a\r\n"), hear("EHLO")], acts.to_vec()].concat();
    let rows = vec![
        Row("four digits", vec![say("2200 a\r\n"), Act::Stay], NO_SMTP),
        Row("two digits", vec![say("22 a\r\n"), Act::Stay], NO_SMTP),
        Row("another sign", vec![say("220_a\r\n"), Act::Stay], NO_SMTP),
        Row("IMAP", vec![say("* OK a\r\n"), Act::Stay], NO_SMTP),
        Row("two codes in a reply", vec![say("220-a\r\n250 b\r\n"), Act::Stay], NO_SMTP),
        Row("a greeting of lines without end", vec![flood("220-a\r\n")], NO_SMTP),
        Row("a greeting without end", vec![say("220 "), flood("a")], NO_SMTP),
        Row("NUL without end", vec![flood("\0")], NO_SMTP),
        Row("a close", vec![], CLOSED),
        Row("a list without end", hello(&[flood("250-X\r\n")]), NO_SMTP),
        Row("a list and a reply more", hello(&[say("250 a\r\n235 in\r\n"), Act::Stay]), NO_SMTP),
        Row(
            "421",
            vec![say("421-4.7.0 \x1b[2Ja\r\n421 4.7.0 b\x07\r\n")],
            "closed the connection: 4.7.0 [2Ja 4.7.0 b.",
        ),
        Row("535 for a greeting", vec![say("535 5.7.8 no\r\n"), Act::Stay], "says no: 5.7.8 no."),
        Row("235 at once", then(&[say("235 2.7.0 in\r\n"), Act::Stay]), NO_SMTP),
        Row("235 behind the challenge", then(&[say("334 \r\n235 in\r\n"), Act::Stay]), NO_SMTP),
        Row("535 at once", then(&[say("535 5.7.8 no\r\n"), Act::Stay]), "says no: 5.7.8 no."),
        Row("250 at once", then(&[say("250 OK\r\n"), Act::Stay]), "says no: OK."),
        Row("a challenge of lines without end", then(&[flood("334-a\r\n")]), NO_SMTP),
        Row("a challenge without end", then(&[say("334 "), flood("A")]), NO_SMTP),
    ];
    assert_rows(rows, &[Act::Secure], "SMTP", false).await;
}

#[tokio::test]
async fn after_the_token_an_smtp_server_gets_nobody_in_but_by_235_in_its_turn() {
    let rows = vec![
        Row("250", vec![say("250 OK\r\n"), Act::Stay], "says no: OK."),
        Row(
            "235 behind a challenge",
            vec![say("334 e30=\r\n"), hear("\r\n"), say("235 in\r\n"), Act::Stay],
            NO_SMTP,
        ),
        Row(
            "challenges without end",
            vec![say("334 \r\n"), hear("\r\n"), say("334 \r\n"), Act::Stay],
            "refused the access token.",
        ),
        Row("235 of lines without end", vec![flood("235-a\r\n")], NO_SMTP),
        Row("235 without end", vec![say("235 "), flood("a")], NO_SMTP),
        Row("235 and a half", vec![say("2355 in\r\n"), Act::Stay], NO_SMTP),
        Row("NUL", vec![say("2\x0035 in\r\n"), Act::Stay], NO_SMTP),
        Row("a close", vec![], CLOSED),
        Row(
            "a refusal of many lines",
            vec![say("550-5.7.1 \x1b[2Ja\r\n550-\u{202e}b\r\n550 5.7.1 c\r235 in\r\n"), Act::Stay],
            "says no: 5.7.1 [2Ja b 5.7.1 c235 in.",
        ),
        Row(
            "a long refusal",
            vec![say(["550 ", &"no ".repeat(2000), "\r\n"].concat()), Act::Stay],
            "says no: no no",
        ),
        Row(
            "a refusal that repeats the token",
            vec![repeat("550 5.7.1 Not <token> again\r\n"), Act::Stay],
            "says no: 5.7.1 Not ? again.",
        ),
        Row(
            "a refusal that repeats the sign-on",
            vec![repeat("550-5.7.1 Not\r\n550 <message> again\r\n"), Act::Stay],
            "says no: 5.7.1 Not ? again.",
        ),
        Row(
            "421 that repeats both",
            vec![repeat("421 4.7.0 <token> <message>\r\n")],
            "closed the connection: 4.7.0 ? ?.",
        ),
        Row(
            "a challenge that repeats the sign-on, and a refusal the token",
            vec![
                repeat("334 <message>\r\n"),
                hear("\r\n"),
                repeat("535 5.7.8 <token>\r\n"),
                Act::Stay,
            ],
            "refused the access token.",
        ),
    ];
    let begins = [
        Act::Secure,
        say("220 a\r\n"),
        hear("EHLO"),
        hear("\r\n"),
        say("250-a\r\n250 AUTH XOAUTH2\r\n"),
        hear("AUTH XOAUTH2\r\n"),
        say("334 \r\n"),
        hear("\r\n"),
    ];
    assert_rows(rows, &begins, "SMTP", true).await;
}

/// The clients' cases of <https://nostarttls.secvuln.info>.
#[tokio::test]
async fn what_is_said_in_the_clear_around_starttls_counts_for_nothing() {
    let list = "250-a\r\n250-STARTTLS\r\n250 AUTH XOAUTH2 PLAIN\r\n";
    let hello = |list: &str| vec![say("220 a\r\n"), hear("EHLO"), hear("\r\n"), say(list)];
    let then = |acts: &[Act]| [hello(list), vec![hear("STARTTLS\r\n")], acts.to_vec()].concat();
    let rows = vec![
        Row(
            "it is left out",
            [hello("250-a\r\n250 AUTH XOAUTH2\r\n"), vec![Act::Stay]].concat(),
            "did not prove who it is (it does not offer STARTTLS); no token was sent.",
        ),
        Row(
            "the word elsewhere in the list",
            [hello("250-STARTTLS\r\n250 X STARTTLS\r\n"), vec![Act::Stay]].concat(),
            "it does not offer STARTTLS",
        ),
        Row(
            "it is refused",
            then(&[say("454 4.7.0 later\r\n"), Act::Stay]),
            "trouble of its own: 4.7.0 later.",
        ),
        Row(
            "it is refused for good",
            then(&[say("502 5.5.1 what\r\n"), Act::Stay]),
            "says no: 5.5.1 what.",
        ),
        Row(
            "a reply behind the list",
            [hello(&format!("{list}220 go\r\n")), vec![Act::Stay]].concat(),
            NO_SMTP,
        ),
        Row(
            "a reply behind it",
            then(&[say("220 go\r\n250 in\r\n"), Act::Secure, Act::Stay]),
            NO_SMTP,
        ),
        Row("half a reply behind it", then(&[say("220 go\r\n2"), Act::Secure, Act::Stay]), NO_SMTP),
        Row(
            "a sign-on behind it",
            then(&[
                say("220 go\r\n220 a\r\n250 AUTH XOAUTH2\r\n334 \r\n235 in\r\n"),
                Act::Secure,
                Act::Stay,
            ]),
            NO_SMTP,
        ),
        Row(
            "a reply in place of TLS",
            then(&[
                say("220 go\r\n"),
                hear("\x16\x03"),
                say("250-a\r\n250 AUTH XOAUTH2\r\n"),
                Act::Stay,
            ]),
            NOT_PROVEN,
        ),
        Row("another code", then(&[say("250 go\r\n"), Act::Secure, Act::Stay]), "says no: go."),
        Row("it closes", then(&[say("220 go\r\n")]), ""),
        Row("535 for a greeting", vec![say("535 5.7.8 no\r\n"), Act::Stay], "says no: 5.7.8 no."),
        Row(
            "somebody's limits",
            vec![say("550 5.4.5 Account exceeded command or bandwidth limits\r\n"), Act::Stay],
            "says no: 5.4.5 Account exceeded command or bandwidth limits.",
        ),
        Row("235 for a greeting", vec![say("235 2.7.0 in\r\n"), Act::Stay], "says no: 2.7.0 in."),
        Row("lines without end", then(&[flood("220-go\r\n")]), NO_SMTP),
    ];
    assert_rows(rows, &[], "STARTTLS", false).await;
}

#[tokio::test]
async fn the_list_of_extensions_is_the_one_under_tls_and_only_of_plain_words() {
    let (world, server, _other) = world("").await;
    world.provide("smtp", &format!("starttls://localhost:{}", server.port));
    world.server().reload().unwrap();
    server.play([vec![
        say("220 a\r\n"),
        hear("EHLO"),
        say("250-a\r\n250-STARTTLS\r\n250-SMTPUTF8\r\n250 X-IN-THE-CLEAR\r\n"),
        hear("STARTTLS\r\n"),
        say("220 go\r\n"),
        Act::Secure,
        hear("EHLO"),
        say(b"250-a\r\n250-SIZE 5\r\n250-X-A\r250 X-B\r\n250-X-C \x1b[2J\r\n250-X-D \xff\r\n250-X-E\0\r\n250 8BITMIME\r\n"),
        Act::Stay,
    ]]);
    let mut client = world.smtp().await;
    client.send("EHLO test\r\n").await;
    let mut list = Vec::new();
    while list.last().is_none_or(|line: &String| line.starts_with("250-")) {
        list.push(client.line().await);
    }
    assert_eq!(list[1..], ["250-SIZE 5", "250-8BITMIME", "250 AUTH PLAIN LOGIN"], "{list:?}");
}

#[tokio::test]
async fn an_answer_that_trickles_in_is_given_up() {
    let greeting = b"* OK a\r\n";
    let slow: [(&str, &str, Vec<Act>); 3] = [
        ("silence", "IMAP", vec![Act::Secure, Act::Stay]),
        (
            "a line by bytes",
            "IMAP",
            vec![
                Act::Secure,
                say(greeting),
                Act::Drip(b"* OK x".repeat(20), 1, Duration::from_secs(1)),
            ],
        ),
        (
            "lines",
            "SMTP",
            vec![Act::Secure, Act::Drip(b"220-a\r\n".repeat(20), 7, Duration::from_secs(1))],
        ),
    ];
    let worlds = slow.into_iter().map(|(name, by, acts)| async move {
        let (world, server, _other) = world("").await;
        server.play([acts]);
        let began = std::time::Instant::now();
        let heard = match by {
            "IMAP" => told::imap(&world).await,
            _ => told::smtp(&world).await,
        };
        told::assert_goodbye(name, &heard);
        assert!(heard.contains("can't be reached (no answer in time)"), "{name}: {heard}");
        // Long before a mail client gives up.
        assert!(began.elapsed() < Duration::from_secs(40), "{name}: {:?}", began.elapsed());
    });
    futures_util::future::join_all(worlds).await;
}
