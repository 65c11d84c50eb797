//! Each way in which a mail client may sign on to SMTP.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::support::{
    bed::ADDRESS,
    scene::{Scene, Setting, plain},
    wire::Wire,
};

const LIMIT: Duration = Duration::from_secs(180);

/// The challenges of AUTH LOGIN, to the letter: Outlook refuses any other.
const USERNAME: &str = "334 VXNlcm5hbWU6";
const PASSWORD: &str = "334 UGFzc3dvcmQ6";

/// Passwords that have no trouble on their way, and all of it.
const PASSWORDS: [Option<&str>; 2] = [None, Some(r#"pä"s\s [x] 100%* 日本 wörd"#)];

/// Signed on, and through to the real server: it takes a sender with Outlook's space before it.
fn expect_signed_on(wire: &mut Wire) {
    wire.expect_smtp("235");
    wire.send(format!("MAIL FROM: <{ADDRESS}>\r\n"));
    wire.expect_smtp("250");
    wire.send(format!("RCPT TO: <{ADDRESS}>\r\n"));
    wire.expect_smtp("250");
    wire.send("RSET\r\n");
    wire.expect_smtp("250");
    wire.send("QUIT\r\n");
    wire.expect_smtp("221");
    wire.expect_end();
}

fn expect_line(wire: &mut Wire, whole: &str) {
    assert_eq!(wire.line(), whole, "{}", wire.dialogue());
}

#[test]
fn auth_plain_with_and_without_an_initial_response() {
    for password in PASSWORDS {
        Setting { password, ..Setting::with_smtp() }.play(LIMIT, |scene| {
            let response = plain(ADDRESS, &scene.password);
            let with_authorization_id =
                STANDARD.encode(format!("{ADDRESS}\0{ADDRESS}\0{}", scene.password));
            for command in [
                format!("AUTH PLAIN {response}\r\n"),
                format!("AUTH PLAIN  {response}\r\n"),
                format!("auth plain {response}\r\n"),
                format!("AUTH PLAIN {}\r\n", plain(&ADDRESS.to_uppercase(), &scene.password)),
                format!("AUTH PLAIN {with_authorization_id}\r\n"),
            ] {
                let mut wire = scene.smtp();
                wire.send(command);
                expect_signed_on(&mut wire);
            }
            let mut wire = scene.smtp();
            wire.send("AUTH PLAIN\r\n");
            expect_line(&mut wire, "334 ");
            wire.send(format!("{response}\r\n"));
            expect_signed_on(&mut wire);

            let mut wire = scene.smtp();
            wire.send_slowly(format!("AUTH PLAIN {response}\r\n"));
            expect_signed_on(&mut wire);
        });
    }
}

#[test]
fn auth_login_with_and_without_an_initial_response() {
    for password in PASSWORDS {
        Setting { password, ..Setting::with_smtp() }.play(LIMIT, |scene| {
            let (user, password) = (STANDARD.encode(ADDRESS), STANDARD.encode(&scene.password));
            let mut wire = scene.smtp();
            wire.send("AUTH LOGIN\r\n");
            expect_line(&mut wire, USERNAME);
            wire.send(format!("{user}\r\n"));
            expect_line(&mut wire, PASSWORD);
            wire.send(format!("{password}\r\n"));
            expect_signed_on(&mut wire);

            for space in [" ", "  "] {
                let mut wire = scene.smtp();
                wire.send(format!("AUTH LOGIN{space}{user}\r\n"));
                expect_line(&mut wire, PASSWORD);
                wire.send(format!("{password}\r\n"));
                expect_signed_on(&mut wire);
            }
        });
    }
}

#[test]
fn what_cannot_be_a_sign_on_is_refused_by_its_code_and_the_connection_stays_good() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut wire = scene.smtp();
        for (said, code) in [
            ("AUTH PLAIN this-is-no-base64!\r\n", "501 5.5.2"),
            ("AUTH CRAM-MD5\r\n", "504"),
            ("AUTH XOAUTH2 AAAA\r\n", "504"),
            ("AUTH\r\n", "501"),
        ] {
            wire.send(said);
            wire.expect_smtp(code);
        }
        for exchange in [["AUTH PLAIN\r\n", "*\r\n"], ["AUTH LOGIN\r\n", "*\r\n"]] {
            wire.send(exchange[0]);
            wire.expect_smtp("334");
            wire.send(exchange[1]);
            wire.expect_smtp("501");
        }
        // `=` is an empty initial response (RFC 4954 §4): no message of PLAIN's at all.
        wire.send("AUTH PLAIN =\r\n");
        wire.expect("5");
        wire.send(scene.auth_plain());
        expect_signed_on(&mut wire);
    });
}

#[test]
fn before_sign_on_there_is_no_mail_and_the_list_is_true() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut wire = Wire::connect(scene.proxy().smtp);
        wire.expect("220 ");
        wire.send("EHLO client.test\r\n");
        let list = wire.expect_smtp("250");
        check_list(&list, &wire);
        for (said, code) in [
            (format!("MAIL FROM:<{ADDRESS}>\r\n"), "530"),
            ("NOOP\r\n".to_owned(), "250"),
            ("RSET\r\n".to_owned(), "250"),
            ("HELP\r\n".to_owned(), "214"),
            ("NONSENSE\r\n".to_owned(), "500"),
            ("QUIT\r\n".to_owned(), "221"),
        ] {
            wire.send(said);
            wire.expect_smtp(code);
        }
        wire.expect_end();
    });
}

fn check_list(list: &str, wire: &Wire) {
    for wanted in ["8BITMIME", "SIZE 35882577", "AUTH PLAIN LOGIN"] {
        assert!(list.lines().any(|line| line[4..] == *wanted), "{wanted}?\n{}", wire.dialogue());
    }
    for hidden in ["XOAUTH2", "OAUTHBEARER", "STARTTLS", "AUTH=", "CHUNKING"] {
        assert!(!list.contains(hidden), "{hidden} is in\n{list}");
    }
}

#[test]
fn after_sign_on_a_second_one_is_refused_and_the_list_is_still_true() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut wire = scene.smtp_signed_on();
        wire.send("EHLO client.test\r\n");
        let list = wire.expect_smtp("250");
        for hidden in ["XOAUTH2", "OAUTHBEARER", "STARTTLS", "CHUNKING"] {
            assert!(!list.contains(hidden), "{hidden} is in\n{list}");
        }
        wire.send(scene.auth_plain());
        wire.expect_smtp("503");
        wire.send("QUIT\r\n");
        wire.expect_smtp("221");
    });
}

#[test]
fn a_device_that_says_helo_signs_on_too() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut wire = Wire::connect(scene.proxy().smtp);
        wire.expect("220 ");
        wire.send("HELO scanner\r\n");
        wire.expect_smtp("250");
        wire.send(scene.auth_plain());
        expect_signed_on(&mut wire);
    });
}

#[test]
fn mail_pipelined_behind_the_sign_on_goes_through_in_order() {
    Setting::with_smtp().play(LIMIT, |scene: &mut Scene| {
        let mut wire = scene.smtp();
        let auth = scene.auth_plain();
        wire.send(format!("{auth}MAIL FROM:<{ADDRESS}>\r\nRCPT TO:<{ADDRESS}>\r\nDATA\r\n"));
        for code in ["235", "250", "250", "354"] {
            wire.expect_smtp(code);
        }
        wire.send("Subject: pipelined\r\n\r\nx\r\n.\r\nNOOP\r\nQUIT\r\n");
        for code in ["250", "250", "221"] {
            wire.expect_smtp(code);
        }
        wire.expect_end();
        let mail = crate::support::fetch_when_there(&mut scene.signed_on(), 1);
        assert!(mail.ends_with(b"Subject: pipelined\r\n\r\nx\r\n"));
    });
}
