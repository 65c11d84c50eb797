//! What isn't a mail client, or means no good: a clear answer, then the end, and nobody else notices.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::support::{process, scene::Setting, wire::Wire};

const LIMIT: Duration = Duration::from_secs(180);

/// Memory that the proxy may take more under any load of nonsense.
const BOUND: u64 = 24 * 1024 * 1024;

/// The beginning of a TLS 1.2 ClientHello (RFC 8446 §5.1): a handshake record, 512 bytes of it.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.resize(517, 0x2a);
    hello
}

#[test]
fn a_browser_and_a_tls_client_are_sent_away_and_the_log_says_what_to_change() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut bystander = scene.signed_on();
        for address in [scene.proxy().imap, scene.proxy().smtp] {
            let requests: [&[u8]; 2] =
                [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &client_hello()];
            for request in requests {
                let mut wire = Wire::connect(address);
                wire.line();
                wire.send(request);
                let lines = wire.lines_to_end();
                assert!(lines.len() <= 3, "{}", wire.dialogue());
            }
        }
        bystander.command("a2", "NOOP");
        let log = scene.log();
        for word in ["HTTP", "TLS"] {
            assert!(log.contains(word), "the log says nothing of {word}");
        }
    });
}

#[test]
fn lines_without_end_literals_without_end_and_commands_without_end_are_bounded() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut bystander = scene.signed_on();
        let before = process::memory(scene.proxy().pid());
        let long = vec![b'x'; 4 * 1024 * 1024];
        for address in [scene.proxy().imap, scene.proxy().smtp] {
            let mut wire = Wire::connect(address);
            wire.line();
            // It may close at once, so what is sent after that may fail.
            wire.send_while_open(&long);
            wire.lines_to_end();

            let mut wire = Wire::connect(address);
            wire.line();
            wire.send_while_open("x1 NONSENSE\r\n".repeat(10_000).as_bytes());
            wire.lines_to_end();
        }
        for literal in ["{99999999999999999999}", "{4294967295}", "{100000000+}", "{-1}", "{1"] {
            let mut wire = scene.imap();
            wire.send(format!("a1 LOGIN {literal}\r\n"));
            wire.send_while_open(&long[..1024 * 1024]);
            wire.end_of_sending();
            let lines = wire.lines_to_end();
            assert!(!lines.iter().any(|line| line.starts_with("+ ")), "{literal}: {lines:?}");
        }
        let more = process::memory(scene.proxy().pid()).saturating_sub(before);
        assert!(more < BOUND, "{more} bytes more");
        bystander.command("a2", "NOOP");
        drop(scene.smtp_signed_on());
    });
}

#[test]
fn control_characters_in_a_user_name_go_no_further() {
    Setting::with_smtp().play(LIMIT, |scene| {
        for user in ["a\r\nb2 LOGOUT", "a\nb", "a\u{1}auth=Bearer x\u{1}\u{1}", "\u{0}x"] {
            let message = STANDARD.encode(format!("\0{user}\0{}", scene.password));
            let mut wire = scene.imap();
            wire.send(format!("a1 AUTHENTICATE PLAIN {message}\r\n"));
            let reply = wire.reply("a1").pop().unwrap();
            assert!(reply.starts_with("a1 NO") || reply.starts_with("a1 BAD"), "{reply}");
            wire.command("a2", &scene.login());

            let mut wire = scene.smtp();
            wire.send(format!("AUTH PLAIN {message}\r\n"));
            wire.expect("5");
            wire.send(scene.auth_plain());
            wire.expect_smtp("235");
        }
    });
}

#[test]
fn silent_clients_cost_google_nothing() {
    Setting::default().play(LIMIT, |scene| {
        let mut silent: Vec<_> = (0..100).map(|_| scene.imap()).collect();
        drop(scene.signed_on());
        silent.iter_mut().for_each(|wire| wire.expect_silence(Duration::from_millis(1)));
        for wire in silent.iter_mut().step_by(10) {
            wire.command("a1", &scene.login());
        }
    });
}
