//! TLS between mail clients and the proxy: the ports with implicit TLS, STARTTLS, and what becomes of
//! a certificate that changes.

// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost::certificate::{CertificateFolder, LocalCertificate};
use gatepost::proxy::WarningKind;
use rcgen::{CertificateParams, CertifiedKey, KeyPair, date_time_ymd, generate_simple_self_signed};
use support::{Client, PATIENCE, TlsClient, World, YOU};

/// What the tests add to a world's configuration.
const IMPLICIT: &str = "imaps = \"127.0.0.1:0\"\nsmtps = \"127.0.0.1:0\"\n";

/// A world in whose configuration `listen` stands behind `[listen]`, and `rest` at the end.
async fn world(listen: &str, rest: &str) -> World {
    let mut world = World::new().await;
    configure(&world, listen, rest);
    world.restart().await;
    world
}

fn configure(world: &World, listen: &str, rest: &str) {
    let config = std::fs::read_to_string(world.home.config_file()).unwrap();
    let config = config.replace("[listen]\n", &format!("[listen]\n{listen}"));
    std::fs::write(world.home.config_file(), format!("{config}{rest}")).unwrap();
}

fn folder(world: &World) -> CertificateFolder {
    CertificateFolder::new(world.home.certificates())
}

fn certificate(world: &World) -> LocalCertificate {
    folder(world).load().unwrap().expect("a certificate")
}

async fn connect(world: &World, listener: &str) -> Client {
    Client::connect(&world.server().status().listeners[listener]).await
}

/// A client of the port with implicit TLS, which trusts the local certificate.
async fn secured(world: &World, listener: &str, name: &str) -> std::io::Result<TlsClient> {
    connect(world, listener).await.secure(certificate(world).authority_pem(), name).await
}

/// `certificate trust`, but for the stores.
fn trust(world: &World) {
    let certificate = folder(world).load_or_make(&[]).unwrap();
    folder(world).set_trusted(&certificate).unwrap();
    world.server().reload().unwrap();
}

#[tokio::test]
async fn the_ports_with_implicit_tls_serve_whoever_trusts_the_certificate() {
    let world = world(IMPLICIT, "[certificate]\nnames = [\"mail.home.test\"]\n").await;
    for name in ["localhost", "127.0.0.1", "::1", "mail.home.test"] {
        let mut client = secured(&world, "imaps", name).await.unwrap();
        let greeting = client.line().await;
        assert!(greeting.contains("AUTH=PLAIN") && !greeting.contains("STARTTLS"), "{greeting}");
        assert!(client.log_in(world.password.expose()).await.starts_with("in OK"));
        client.send("a STARTTLS\r\n").await;
        assert!(client.line().await.starts_with("a BAD"));
        client.send("b NOOP\r\n").await;
        client.until("b OK").await;
    }
    for name in ["other.home.test", "127.0.0.2", "gmail.com"] {
        assert!(secured(&world, "imaps", name).await.is_err(), "{name}");
    }
    let mut client = secured(&world, "smtps", "localhost").await.unwrap();
    client.reply().await;
    client.ask("EHLO test").await;
    assert!(client.sign_on(world.password.expose()).await.starts_with("235"));
    assert!(client.ask("MAIL FROM:<you@gmail.com>").await.starts_with("250"));
    assert!(client.ask("RCPT TO:<you@gmail.com>").await.starts_with("250"));
    assert!(client.ask("DATA").await.starts_with("354"));
    assert!(client.ask("Subject: under TLS\r\n\r\nx\r\n.").await.starts_with("250"));
}

#[tokio::test]
async fn starttls_is_offered_once_the_certificate_is_trusted() {
    let world = World::new().await;
    let mut client = connect(&world, "imap").await;
    assert!(!client.line().await.contains("STARTTLS"));
    client.send("a STARTTLS\r\n").await;
    assert!(client.line().await.starts_with("a BAD"));
    assert!(folder(&world).load().unwrap().is_none(), "nothing needed one");

    trust(&world);
    let authority = certificate(&world);
    let mut client = connect(&world, "imap").await;
    assert!(client.line().await.contains(" STARTTLS AUTH=PLAIN]"));
    client.send("a STARTTLS\r\n").await;
    assert_eq!(client.line().await, "a OK Begin TLS now");
    let mut client = client.secure(authority.authority_pem(), "localhost").await.unwrap();
    client.send("b CAPABILITY\r\n").await;
    let list = client.until("* CAPABILITY").await;
    assert!(list.contains("AUTH=PLAIN") && !list.contains("STARTTLS"), "{list}");
    client.until("b OK").await;
    assert!(client.log_in(world.password.expose()).await.starts_with("in OK"));

    let mut client = connect(&world, "smtp").await;
    client.reply().await;
    client.send("EHLO test\r\n").await;
    client.until("250-STARTTLS").await;
    assert_eq!(client.reply().await, "250 AUTH PLAIN LOGIN");
    assert!(client.ask("STARTTLS").await.starts_with("220"));
    let mut client = client.secure(authority.authority_pem(), "localhost").await.unwrap();
    client.send("EHLO test\r\n").await;
    assert!(!client.line().await.contains("STARTTLS"));
    assert_eq!(client.reply().await, "250 AUTH PLAIN LOGIN");
    assert!(client.sign_on(world.password.expose()).await.starts_with("235"));

    // Without TLS as before.
    world.signed_on().await;
    world.smtp_signed_on().await;
}

/// What a client may do before it has begun TLS, and what somebody who is on the way may put behind it
/// (CVE-2011-0411; nostarttls.secvuln.info). `\u{16}\u{3}` begins TLS.
const BEHIND: [(&str, &[&str]); 2] = [
    (
        "imap",
        &[
            "a STARTTLS\r\nb NOOP\r\n",
            "a STARTTLS\r\nb",
            "a STARTTLS\r\n\r\n",
            "a STARTTLS\nb NOOP\n",
            "x CAPABILITY\r\na STARTTLS\r\nb LOGIN you@gmail.com PASSWORD\r\n",
            "a STARTTLS\r\nb STARTTLS\r\n",
            // Not even TLS itself: it can't be known whose it is.
            "a STARTTLS\r\n\u{16}\u{3}\u{1}",
            "a STARTTLS\r\nb NOOP\r\n\u{16}\u{3}\u{1}",
        ],
    ),
    (
        "smtp",
        &[
            "STARTTLS\r\nMAIL FROM:<you@gmail.com>\r\n",
            "STARTTLS\r\nR",
            "STARTTLS\r\n\r\n",
            "STARTTLS\nRSET\n",
            "EHLO x\r\nSTARTTLS\r\nAUTH PLAIN PLAIN\r\n",
            "STARTTLS\r\nSTARTTLS\r\n",
            "STARTTLS\r\n\u{16}\u{3}\u{1}",
            "STARTTLS\r\nRSET\r\n\u{16}\u{3}\u{1}",
        ],
    ),
];

/// A client of a port without TLS that has heard its greeting.
async fn greeted(world: &World, listener: &str) -> Client {
    match listener {
        "imap" => world.imap().await,
        _ => world.smtp().await,
    }
}

#[tokio::test]
async fn nothing_may_follow_starttls_before_tls_has_begun() {
    let world = World::new().await;
    trust(&world);
    let before = world.google.imap().connections_so_far();
    let plain = STANDARD.encode(format!("\0{YOU}\0{}", world.password.expose()));
    for (listener, cases) in BEHIND {
        for case in cases {
            let said = case.replace("PASSWORD", world.password.expose());
            let said = said.replace("PLAIN PLAIN", &format!("PLAIN {plain}"));
            let mut client = greeted(&world, listener).await;
            client.send(&said).await;
            let heard = client.rest().await;
            let last = heard.lines().last().unwrap_or_default();
            let told = if listener == "imap" { "* BYE" } else { "421 4.7.0" };
            let told = format!("{told} Nothing may follow STARTTLS before TLS has begun");
            assert_eq!(last, told, "{case:?}: {heard}");
            assert!(!heard.contains("Begin TLS now"), "{case:?}: {heard}");
        }
    }

    // A moment later it is no TLS, and ends with nothing more said.
    let commands = [
        ("imap", "a STARTTLS\r\n", format!("b LOGIN {YOU} \"{}\"\r\n", world.password.expose())),
        ("smtp", "STARTTLS\r\n", format!("AUTH PLAIN {plain}\r\n")),
    ];
    for (listener, begin, injected) in commands {
        let mut client = greeted(&world, listener).await;
        client.send(begin).await;
        assert!(client.line().await.ends_with("Begin TLS now"));
        client.send(&injected).await;
        let heard = client.rest().await;
        assert!(!heard.contains("OK") && !heard.contains("235"), "{listener}: {heard:?}");
    }
    assert_eq!(world.google.imap().connections_so_far(), before);
}

// RFC 3207 §4.2: what the client said before TLS is forgotten, the name in its EHLO too. (The first EHLO
// opens a connection to the provider, under that name.)
#[tokio::test]
async fn what_was_said_before_tls_is_forgotten() {
    let world = World::new().await;
    trust(&world);
    let authority = certificate(&world);
    for (number, again) in [None, Some("honest.test")].into_iter().enumerate() {
        // So that the provider is asked for its list each time.
        world.server().reload().unwrap();
        let mut client = world.smtp().await;
        client.ask("EHLO somebody-else.test").await;
        assert!(client.ask("STARTTLS").await.starts_with("220"));
        let mut client = client.secure(authority.authority_pem(), "localhost").await.unwrap();
        if let Some(name) = again {
            client.ask(&format!("EHLO {name}")).await;
        }
        assert!(client.sign_on(world.password.expose()).await.starts_with("235"));
        let sessions = world.google.smtp().last_client_lines();
        let signed_on: Vec<_> = sessions.iter().filter(|session| session.user.is_some()).collect();
        assert_eq!(signed_on.len(), number + 1);
        let heard = &signed_on[number].lines;
        let name = again.unwrap_or("[127.0.0.1]");
        assert_eq!(heard[0], format!("EHLO {name}"), "{heard:?}");
    }

    // A sign-on that was under way is none under TLS.
    let mut client = world.imap().await;
    client.send("a STARTTLS\r\n").await;
    client.line().await;
    let mut client = client.secure(authority.authority_pem(), "localhost").await.unwrap();
    client.send(format!("{}\r\n", STANDARD.encode("\0you\0x"))).await;
    assert!(client.line().await.starts_with("* BAD"));
}

// ALPACA (USENIX Security 2021): a browser names what it speaks, and is refused within the handshake, so
// that no page's request is ever read as a command, nor an answer as a page. Mail programs name nothing, or
// what they speak.
#[tokio::test]
async fn who_names_another_protocol_gets_no_tls() {
    let world = world(IMPLICIT, "").await;
    let authority = certificate(&world);
    let authority = authority.authority_pem();
    let cases: [(&str, &[&str], bool); 11] = [
        ("imaps", &[], true),
        ("imaps", &["imap"], true),
        ("imaps", &["http/1.1", "imap"], true),
        ("imaps", &["h2", "http/1.1"], false),
        ("imaps", &["http/1.1"], false),
        ("imaps", &["smtp"], false),
        ("smtps", &[], true),
        ("smtps", &["smtp"], true),
        ("smtps", &["esmtp"], true),
        ("smtps", &["h2", "http/1.1"], false),
        ("smtps", &["imap"], false),
    ];
    for (listener, protocols, is_served) in cases {
        let client = connect(&world, listener).await;
        match client.secure_offering(protocols, authority, "localhost").await {
            Ok(mut client) => {
                let greeting = client.line().await;
                assert!(is_served && greeting.contains("Gatepost"), "{protocols:?}: {greeting}");
            }
            Err(error) => {
                let said = error.to_string();
                assert!(
                    !is_served && said.contains("NoApplicationProtocol"),
                    "{protocols:?}: {said}"
                );
            }
        }
    }
    // STARTTLS likewise.
    trust(&world);
    let mut client = world.imap().await;
    client.send("a STARTTLS\r\n").await;
    client.line().await;
    assert!(client.secure_offering(&["http/1.1"], authority, "localhost").await.is_err());
    // A browser that names nothing is still an HTTP request.
    let mut client = secured(&world, "imaps", "localhost").await.unwrap();
    client.line().await;
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\n\r\na NOOP\r\n").await;
    assert!(client.rest().await.starts_with("* BYE This port speaks IMAP"));
}

#[tokio::test]
async fn a_client_without_tls_is_told_what_to_change() {
    let world = world(IMPLICIT, "").await;
    for (listener, said) in [("imaps", "a LOGIN a b\r\n"), ("smtps", "EHLO test\r\n")] {
        let mut client = connect(&world, listener).await;
        client.send(said).await;
        assert!(client.line().await.ends_with("or use the port without TLS"));
    }
    // Mail clients wait for the greeting.
    for (listener, begin) in [("imaps", "* BYE This port speaks IMAP"), ("smtps", "421 4.7.0 ")] {
        let mut client = connect(&world, listener).await;
        let told = client.line().await;
        assert!(
            told.starts_with(begin) && told.contains("set the encryption to SSL/TLS"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn ones_own_certificate_is_taken_up_when_it_changes_and_sessions_go_on() {
    let world = World::new().await;
    let [first, second] = [(); 2].map(|()| own());
    let (file, key) = (world.folder.path().join("own.pem"), world.folder.path().join("own.key"));
    let write = |(certificate, secret): &(String, String)| {
        std::fs::write(&file, certificate).unwrap();
        std::fs::write(&key, secret).unwrap();
    };
    write(&first);
    configure(&world, IMPLICIT, "[certificate]\nfile = \"own.pem\"\nkey = \"own.key\"\n");
    world.server().reload().unwrap();
    let shown = world.server().status();
    assert!(shown.certificate.unwrap().is_own);
    assert_eq!(shown.warnings, []);
    // It is trusted, as far as Gatepost can know.
    let mut client = connect(&world, "imap").await;
    assert!(client.line().await.contains(" STARTTLS "));
    let secured = async |authority: &str| {
        connect(&world, "imaps").await.secure(authority, "mail.example.com").await
    };
    let mut session = secured(&first.0).await.unwrap();
    session.line().await;
    assert!(session.log_in(world.password.expose()).await.starts_with("in OK"));

    write(&second);
    let begun = Instant::now();
    while secured(&second.0).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "it was not taken up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(secured(&first.0).await.is_err());
    // Half of a change, or none at all that can be read: the one from before serves, also once it has
    // been looked at.
    std::fs::write(&key, "nothing").unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    secured(&second.0).await.unwrap();
    session.send("a NOOP\r\n").await;
    session.until("a OK").await;

    let refused = world.server().reload().unwrap_err().to_string();
    assert!(refused.contains("own.key") && refused.contains("can't be used"), "{refused}");
    secured(&second.0).await.unwrap();
    std::fs::write(&key, &first.1).unwrap();
    let refused = world.server().reload().unwrap_err().to_string();
    assert!(refused.contains("it is the key of another certificate"), "{refused}");
}

/// A certificate for mail.example.com and its key, as PEM.
fn own() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["mail.example.com".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

#[tokio::test]
async fn a_certificate_is_warned_of_before_it_ends_until_there_is_a_newer_one() {
    let world = world(IMPLICIT, "").await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    let local = world.server().status();
    let ends_at = local.certificate.unwrap().ends_at;
    assert!(!local.certificate.unwrap().is_own && ends_at > (now + days(3650)).as_secs());
    assert_eq!(local.warnings, []);

    let ends = (now + days(10)).as_secs();
    let mut soon = CertificateParams::new(vec!["mail.example.com".to_owned()]).unwrap();
    soon.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(ends);
    let key = KeyPair::generate().unwrap();
    let (own_file, own_key) =
        (world.folder.path().join("own.pem"), world.folder.path().join("own.key"));
    std::fs::write(&own_file, soon.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&own_key, key.serialize_pem()).unwrap();
    configure(&world, "", "[certificate]\nfile = \"own.pem\"\nkey = \"own.key\"\n");
    world.server().reload().unwrap();
    let shown = world.server().status();
    let certificate = shown.certificate.unwrap();
    assert!(certificate.is_own && certificate.ends_at == ends, "{certificate:?}");
    assert_eq!(shown.warnings[0].kind, WarningKind::CertificateEnds);
    assert!(shown.warnings[0].sentence.contains("own.pem ends in 10 days"), "{shown:?}");

    // No reload is needed for one that takes its place.
    let (file, secret) = own();
    std::fs::write(&own_key, secret).unwrap();
    std::fs::write(&own_file, file).unwrap();
    let begun = Instant::now();
    while !world.server().status().warnings.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "it was not taken up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_damaged_certificate_is_told_and_nothing_is_changed() {
    let world = world(IMPLICIT, "").await;
    std::fs::write(world.home.certificates().join("local.pem"), "nothing").unwrap();
    let refused = world.server().reload().unwrap_err().to_string();
    assert!(refused.contains("is no certificate of Gatepost's"), "{refused}");
    assert!(world.server().status().listeners.contains_key("imaps"));
    world.signed_on().await;
}

/// Linux gives a port to all addresses only once none of them has it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_listener_that_can_t_change_while_it_runs_is_not_called_another_programs() {
    let mut world = World::new().await;
    let port = support::free_port();
    let config = std::fs::read_to_string(world.home.config_file()).unwrap();
    let with = |imap: &str| {
        let config = config.replace("imap = \"127.0.0.1:0\"", &format!("imap = \"{imap}:{port}\""));
        let config = config.replace("[listen]\n", "[listen]\nallow_lan = true\n");
        std::fs::write(world.home.config_file(), config).unwrap();
    };
    with("127.0.0.1");
    world.server().reload().unwrap();
    with("0.0.0.0");
    let refused = world.server().reload().unwrap_err().to_string();
    assert!(refused.contains("Gatepost itself has port"), "{refused}");
    world.signed_on().await;
    world.restart().await;
    assert_eq!(world.server().status().listeners["imap"], format!("0.0.0.0:{port}"));
}
