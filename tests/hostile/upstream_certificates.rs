//! Who can't prove by TLS to be the provider is refused and told, and is sent nothing that is worth having.

use crate::server::{Act, Server, hear, say};
use crate::support::World;
use crate::support::papers::{Flaw, Papers};
use crate::told;

/// What none may see who did not prove its name: the sign-on in base64, the tokens, the client's secret.
const SECRETS: [&str; 6] =
    ["dXNlcj15b3VAZ21haWwuY29tAWF1dGg9", "ya29.", "1//", "1%2F%2F", "GOCSPX", "AUTHENTICATE"];

/// What is wrong, and the cause in the words for a person. What a platform's own verifier refuses it has
/// its own words for.
const FLAWS: [(Flaw, &str); 10] = [
    (Flaw::OtherName, "not valid for name"),
    (Flaw::CommonNameOnly, "not valid for"),
    (Flaw::Expired, "expired"),
    (Flaw::NotYetValid, "not valid yet"),
    (Flaw::SelfSigned, ""),
    (Flaw::OtherAuthority, ""),
    (Flaw::Namesake, ""),
    (Flaw::IntermediateMissing, ""),
    (Flaw::SignedByServer, ""),
    (Flaw::ForClients, ""),
];

/// Gmail, as far as a sign-on goes: it would take the token.
fn imap() -> Vec<Act> {
    vec![
        Act::Secure,
        say("* OK Gimap ready\r\n"),
        hear("AUTHENTICATE"),
        hear("\r\n"),
        say("g1 OK [CAPABILITY IMAP4rev1 IDLE] you@gmail.com authenticated (Success)\r\n"),
        Act::Stay,
    ]
}

fn smtp(start_tls: bool) -> Vec<Act> {
    let plain = [
        say("220 smtp.gmail.com ESMTP\r\n"),
        hear("EHLO"),
        say("250-smtp.gmail.com\r\n250 STARTTLS\r\n"),
        hear("STARTTLS\r\n"),
        say("220 2.0.0 Ready to start TLS\r\n"),
        Act::Secure,
    ];
    let secure = [Act::Secure, say("220 smtp.gmail.com ESMTP\r\n")];
    let begins = if start_tls { plain.to_vec() } else { secure.to_vec() };
    let signs_on = [
        hear("EHLO"),
        say("250-smtp.gmail.com\r\n250 AUTH XOAUTH2\r\n"),
        hear("AUTH XOAUTH2\r\n"),
        say("334 \r\n"),
        hear("\r\n"),
        say("235 2.7.0 Accepted\r\n"),
        Act::Stay,
    ];
    [begins, signs_on.to_vec()].concat()
}

/// The token endpoint, with a token for whoever asks.
fn http() -> Vec<Act> {
    let body = "{\"access_token\":\"ya29.x\",\"expires_in\":3599,\"token_type\":\"Bearer\"}";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    vec![Act::Secure, hear("client_secret"), say(answer)]
}

/// A server behind these papers, whose authority the world trusts.
async fn behind(world: &World, flaw: Flaw) -> Server {
    let papers = Papers::with(flaw);
    world.trust(&papers.authority);
    Server::start(Some(papers.server)).await
}

#[tokio::test]
async fn a_mail_server_that_does_not_prove_its_name_is_sent_no_token() {
    let world = World::new().await;
    drop(world.signed_on().await);
    for (flaw, cause) in FLAWS {
        let server = behind(&world, flaw).await;
        let place = format!("localhost:{}", server.port);
        world.provide("imap", &place);
        for (key, script) in
            [(place.clone(), smtp(false)), (format!("starttls://{place}"), smtp(true))]
        {
            world.provide("smtp", &key);
            world.server().reload().unwrap();
            server.play([imap()]);
            let by_imap = told::imap(&world).await;
            let name = format!("{flaw:?}");
            assert_refused(&name, &by_imap, cause, &server);
            server.play([script]);
            let by_smtp = told::smtp(&world).await;
            assert_refused(&name, &by_smtp, cause, &server);
        }
        assert!(world.account().token_expires_in.is_some(), "{flaw:?}: the token is not at fault");
    }
    // What was recorded would have been there.
    let server = behind(&world, Flaw::Nothing).await;
    for (smtp_at, script) in [("", smtp(false)), ("starttls://", smtp(true))] {
        world.provide("imap", &format!("localhost:{}", server.port));
        world.provide("smtp", &format!("{smtp_at}localhost:{}", server.port));
        world.server().reload().unwrap();
        server.play([imap()]);
        drop(world.signed_on().await);
        assert!(server.was_sent(&SECRETS[..1]));
        server.play([script]);
        drop(world.smtp_signed_on().await);
        assert!(server.was_sent(&SECRETS[..1]));
    }
}

fn assert_refused(name: &str, heard: &str, cause: &str, server: &Server) {
    told::assert_goodbye(name, heard);
    assert!(heard.contains("did not prove who it is"), "{name}: {heard}");
    assert!(heard.contains(cause), "{name}, told without its cause “{cause}”: {heard}");
    assert!(heard.contains("no token was sent"), "{name}: {heard}");
    assert!(server.connections() > 0, "{name}: nobody came");
    assert!(!server.was_sent(&SECRETS), "{name}: {}", server.heard());
}

#[tokio::test]
async fn a_token_endpoint_that_does_not_prove_its_name_is_sent_no_secret() {
    let world = World::new().await;
    let record = std::fs::read(world.record_file()).unwrap();
    for (flaw, cause) in FLAWS {
        let server = behind(&world, flaw).await;
        world.provide("token_url", &format!("https://localhost:{}/token", server.port));
        world.server().reload().unwrap();
        server.play([http()]);
        let heard = told::imap(&world).await;
        let name = format!("{flaw:?}");
        told::assert_goodbye(&name, &heard);
        assert!(heard.contains("sign-in server did not prove who it is ("), "{name}: {heard}");
        let is_date = matches!(flaw, Flaw::Expired | Flaw::NotYetValid);
        assert_eq!(heard.contains("Set the clock"), is_date, "{name}: {heard}");
        assert_eq!(heard.contains("`ca_file`"), !is_date, "{name}: {heard}");
        assert!(heard.contains(cause), "{name}, told without its cause “{cause}”: {heard}");
        assert!(server.connections() > 0, "{name}: nobody came");
        assert!(!server.was_sent(&SECRETS), "{name}: {}", server.heard());
        assert_eq!(std::fs::read(world.record_file()).unwrap(), record, "{name}");
    }
    let server = behind(&world, Flaw::Nothing).await;
    world.provide("token_url", &format!("https://localhost:{}/token", server.port));
    world.server().reload().unwrap();
    server.play([http()]);
    // The stand-in's mail server knows no such token.
    told::imap(&world).await;
    assert!(server.was_sent(&["1%2F%2F"]) && server.was_sent(&["GOCSPX"]));
}

/// A ServerHello in this version's words (RFC 5246 §7.4.1.3), with a suite of that time.
fn server_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    // No session; TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA; no compression.
    hello.extend([0, 0xc0, 0x13, 0]);
    let message = [&[2, 0, 0, hello.len() as u8][..], &hello].concat();
    [&[22, 3, minor, 0, message.len() as u8][..], &message].concat()
}

#[tokio::test]
async fn tls_from_before_1_2_is_refused() {
    let world = World::new().await;
    drop(world.signed_on().await);
    let server = Server::start(None).await;
    for (name, minor) in [("SSL 3.0", 0), ("TLS 1.0", 1), ("TLS 1.1", 2)] {
        world.provide("imap", &format!("localhost:{}", server.port));
        world.provide("smtp", &format!("localhost:{}", server.port));
        world.server().reload().unwrap();
        server.play([vec![say(server_hello(minor)), Act::Stay]]);
        for heard in [told::imap(&world).await, told::smtp(&world).await] {
            told::assert_goodbye(name, &heard);
            assert!(heard.contains("did not prove who it is"), "{name}: {heard}");
        }
        assert!(server.connections() >= 2 && !server.was_sent(&SECRETS), "{name}");
    }
}

#[tokio::test]
async fn check_names_what_is_wrong_with_a_certificate() {
    use gatepost::config::{Host, Security};
    use gatepost::upstream::{Stuck, reach};

    for (flaw, _) in FLAWS {
        let folder = tempfile::tempdir().unwrap();
        let papers = Papers::with(flaw);
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, &papers.authority).unwrap();
        let server = Server::start(Some(papers.server)).await;
        for (security, script) in [(Security::Tls, imap()), (Security::StartTls, smtp(true))] {
            server.play([script]);
            let host = Host { name: "localhost".to_owned(), port: server.port, security };
            let reached = reach(&host, Some(&ca_file)).await;
            let is_right = match &reached {
                Err(Stuck::OtherName) => matches!(flaw, Flaw::OtherName | Flaw::CommonNameOnly),
                Err(Stuck::WrongDate) => matches!(flaw, Flaw::Expired | Flaw::NotYetValid),
                Err(Stuck::UnknownIssuer { .. } | Stuck::Tls(_)) => {
                    !matches!(flaw, Flaw::OtherName | Flaw::Expired | Flaw::NotYetValid)
                }
                _ => false,
            };
            assert!(is_right, "{flaw:?}: {reached:?}");
            assert!(!server.was_sent(&SECRETS), "{flaw:?}: {}", server.heard());
        }
    }
}

/// A hotel's page in plain text, a firewall's alert: neither is about a certificate.
#[tokio::test]
async fn who_does_not_get_as_far_as_a_certificate_is_not_said_to_have_a_wrong_one() {
    let world = World::new().await;
    let server = Server::start(None).await;
    world.provide("token_url", &format!("https://localhost:{}/token", server.port));
    let says: [(&str, &[u8]); 3] = [
        ("a page", b"HTTP/1.1 302 Found\r\nLocation: http://hotel.example/\r\n\r\n"),
        // handshake_failure and protocol_version (RFC 8446 §6.2).
        ("an alert", b"\x15\x03\x03\x00\x02\x02\x28"),
        ("an old version", b"\x15\x03\x01\x00\x02\x02\x46"),
    ];
    for (name, bytes) in says {
        server.play([vec![hear("localhost"), say(bytes)]]);
        world.server().reload().unwrap();
        let heard = told::imap(&world).await;
        told::assert_goodbye(name, &heard);
        assert!(heard.contains("sign-in server can't be reached ("), "{name}: {heard}");
        assert!(
            !heard.contains("nothing was sent") && !heard.contains("ca_file"),
            "{name}: {heard}"
        );
        assert!(server.connections() > 0 && !server.was_sent(&SECRETS), "{name}");
    }
}
