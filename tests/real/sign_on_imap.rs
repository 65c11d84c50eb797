//! Each way in which a mail client may sign on to IMAP.

use std::{thread, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::support::{
    bed::ADDRESS,
    scene::{Scene, Setting, plain, quoted},
    wire::Wire,
};

const LIMIT: Duration = Duration::from_secs(180);

/// Everything that has to be quoted or counted in octets, or is no character of an atom: a quote,
/// backslashes, a space, braces, brackets, wildcards, and letters of two and three bytes.
const AWKWARD: &str = r#"pä"s\s {3} [x]%* 日本\"語 wörd"#;

/// How an argument of LOGIN is written (RFC 3501 §4.3, RFC 7888).
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Atom,
    Quoted,
    Synchronizing,
    NonSynchronizing,
}

const FORMS: [Form; 4] = [Form::Atom, Form::Quoted, Form::Synchronizing, Form::NonSynchronizing];

fn send_argument(wire: &mut Wire, text: &str, form: Form) {
    match form {
        Form::Atom => wire.send(text),
        Form::Quoted => wire.send(quoted(text)),
        Form::Synchronizing => {
            wire.send(format!("{{{}}}\r\n", text.len()));
            wire.expect("+ ");
            wire.send(text);
        }
        Form::NonSynchronizing => wire.send(format!("{{{}+}}\r\n{text}", text.len())),
    }
}

/// Signed on, and through to the real server.
fn expect_signed_on(wire: &mut Wire, tag: &str) {
    wire.expect_ok(tag);
    let status = wire.command("n1", "STATUS INBOX (MESSAGES)").join(" ");
    assert!(status.contains("* STATUS INBOX (MESSAGES 0)"), "{}", wire.dialogue());
}

fn login_in_each_form(scene: &Scene, forms_of_password: &[Form]) {
    for user in FORMS {
        for password in forms_of_password {
            println!("user as {user:?}, password as {password:?}");
            let mut wire = scene.imap();
            wire.send("a1 LOGIN ");
            send_argument(&mut wire, ADDRESS, user);
            wire.send(" ");
            send_argument(&mut wire, &scene.password, *password);
            wire.send("\r\n");
            expect_signed_on(&mut wire, "a1");
        }
    }
}

#[test]
fn login_with_each_form_of_arguments() {
    Setting::default().play(LIMIT, |scene| login_in_each_form(scene, &FORMS));
}

#[test]
fn login_with_a_password_of_any_characters() {
    let setting = Setting { password: Some(AWKWARD), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        login_in_each_form(scene, &FORMS[1..]);
        authenticate_in_each_form(scene);
    });
}

/// What an atom can't have by the letter of RFC 3501 §9, and clients send all the same.
#[test]
fn login_with_an_awkward_password_as_an_atom() {
    let setting = Setting { password: Some(r"pä[s]s\%*{w}örd"), ..Setting::default() };
    setting.play(LIMIT, |scene| login_in_each_form(scene, &FORMS));
}

#[test]
fn login_byte_by_byte() {
    Setting::default().play(LIMIT, |scene| {
        let password = scene.password.clone();
        let as_literals = format!(
            "LOGIN {{{}+}}\r\n{ADDRESS} {{{}+}}\r\n{password}",
            ADDRESS.len(),
            password.len()
        );
        let as_plain = format!("AUTHENTICATE PLAIN {}", plain(ADDRESS, &password));
        for command in [scene.login(), as_literals, as_plain] {
            let mut wire = scene.imap();
            wire.send_slowly(format!("a1 {command}\r\n"));
            expect_signed_on(&mut wire, "a1");
        }
    });
}

#[test]
fn login_whatever_the_letter_case_and_with_a_trailing_space() {
    Setting::default().play(LIMIT, |scene| {
        let password = &scene.password;
        for command in [
            format!("LOGIN {} {password}", ADDRESS.to_lowercase()),
            format!("login {} {password}", ADDRESS.to_uppercase()),
            format!("Login \"{}\" \"{password}\"", ADDRESS.to_uppercase()),
            format!("LOGIN {ADDRESS} {password} "),
            format!("{} ", scene.login()),
            format!("authenticate plain {}", plain(&ADDRESS.to_uppercase(), password)),
        ] {
            let mut wire = scene.imap();
            wire.send(format!("a1 {command}\r\n"));
            expect_signed_on(&mut wire, "a1");
        }
    });
}

#[test]
fn authenticate_with_and_without_an_initial_response() {
    Setting::default().play(LIMIT, |scene| authenticate_in_each_form(scene));
}

fn authenticate_in_each_form(scene: &Scene) {
    let response = plain(ADDRESS, &scene.password);
    let mut wire = scene.imap();
    wire.send(format!("a1 AUTHENTICATE PLAIN {response}\r\n"));
    expect_signed_on(&mut wire, "a1");

    let mut wire = scene.imap();
    wire.send("a1 AUTHENTICATE PLAIN\r\n");
    wire.expect("+ ");
    wire.send(format!("{response}\r\n"));
    expect_signed_on(&mut wire, "a1");

    let with_authorization_id = format!("{ADDRESS}\0{ADDRESS}\0{}", scene.password);
    let mut wire = scene.imap();
    wire.send("a1 AUTHENTICATE PLAIN ");
    wire.send(format!("{}\r\n", STANDARD.encode(with_authorization_id)));
    expect_signed_on(&mut wire, "a1");

    let mut wire = scene.imap();
    wire.send("a1 AUTHENTICATE LOGIN\r\n");
    wire.expect("+ ");
    wire.send(format!("{}\r\n", STANDARD.encode(ADDRESS)));
    wire.expect("+ ");
    wire.send(format!("{}\r\n", STANDARD.encode(&scene.password)));
    expect_signed_on(&mut wire, "a1");
}

#[test]
fn a_cancelled_or_garbled_authenticate_leaves_the_connection_good() {
    Setting::default().play(LIMIT, |scene| {
        let mut wire = scene.imap();
        let bad = |wire: &mut Wire, tag: &str| {
            wire.expect(&format!("{tag} BAD"));
        };
        wire.send("a1 AUTHENTICATE PLAIN\r\n");
        wire.expect("+ ");
        wire.send("*\r\n");
        bad(&mut wire, "a1");
        wire.send("a2 AUTHENTICATE LOGIN\r\n");
        wire.expect("+ ");
        wire.send(format!("{}\r\n", STANDARD.encode(ADDRESS)));
        wire.expect("+ ");
        wire.send("*\r\n");
        bad(&mut wire, "a2");
        wire.send("a3 AUTHENTICATE PLAIN\r\n");
        wire.expect("+ ");
        wire.send("this is not base64!\r\n");
        bad(&mut wire, "a3");
        // An unknown mechanism, and a message that isn't one of PLAIN's.
        wire.send("a4 AUTHENTICATE CRAM-MD5\r\n");
        assert!(!wire.line().starts_with("a4 OK"));
        wire.send(format!("a5 AUTHENTICATE PLAIN {}\r\n", STANDARD.encode("no NUL in it")));
        assert!(!wire.line().starts_with("a5 OK"));
        wire.send(format!("a6 {}\r\n", scene.login()));
        expect_signed_on(&mut wire, "a6");
    });
}

#[test]
fn before_sign_on_the_capabilities_are_what_outlook_needs_and_nothing_of_googles() {
    Setting::default().play(LIMIT, |scene| {
        let mut wire = Wire::connect(scene.proxy().imap);
        let greeting = wire.expect("* OK [CAPABILITY ");
        let listed = wire.command("a1", "CAPABILITY").join(" ");
        for list in [&greeting, &listed] {
            for wanted in ["IMAP4rev1", "IDLE", "ID", "SASL-IR", "AUTH=PLAIN"] {
                assert!(list.split([' ', ']']).any(|c| c == wanted), "{wanted} is not in {list}");
            }
            for hidden in ["XOAUTH2", "OAUTHBEARER", "LOGINDISABLED", "STARTTLS", "COMPRESS"] {
                assert!(!list.contains(hidden), "{hidden} is in {list}");
            }
        }
        wire.command("a2", "NOOP");
        wire.command("a3", "ID (\"name\" \"bed\" \"version\" NIL)");
        for command in ["SELECT INBOX", "LIST \"\" *", "NONSENSE", "STARTTLS"] {
            wire.send(format!("a4 {command}\r\n"));
            let reply = wire.reply("a4").pop().unwrap();
            assert!(reply.starts_with("a4 BAD") || reply.starts_with("a4 NO"), "{reply}");
        }
        wire.send("a5 LOGOUT\r\n");
        wire.expect("* BYE");
        wire.expect("a5 OK");
        wire.expect_end();
    });
}

#[test]
fn after_sign_on_the_capabilities_are_the_servers_without_what_the_relay_cannot_pass() {
    Setting::default().play(LIMIT, |scene| {
        let mut wire = scene.imap();
        let told = wire.command("a1", &scene.login()).join(" ");
        let listed = wire.command("a2", "CAPABILITY").join(" ");
        for wanted in ["CONDSTORE", "UIDPLUS", "MOVE", "SPECIAL-USE", "LITERAL-"] {
            assert!(listed.contains(wanted), "{wanted} is not in {listed}");
        }
        for hidden in ["AUTH=", "COMPRESS", "LOGINDISABLED", "STARTTLS"] {
            assert!(
                !listed.contains(hidden) && !told.contains(hidden),
                "{hidden}: {told} {listed}"
            );
        }
        // Not offered, so not accepted either.
        wire.send("a3 COMPRESS DEFLATE\r\n");
        let reply = wire.reply("a3").pop().unwrap();
        assert!(reply.starts_with("a3 BAD") || reply.starts_with("a3 NO"), "{reply}");
        wire.command("a4", "NOOP");
    });
}

#[test]
fn commands_behind_the_sign_on_are_kept_and_answered_in_order() {
    Setting::default().play(LIMIT, |scene| {
        let mail = "Subject: one\r\n\r\na5 NOOP\r\n";
        let size = mail.len();
        let behind = format!(
            "a2 SELECT INBOX\r\na3 APPEND INBOX {{{size}+}}\r\n{mail}\r\na4 NOOP\r\na6 LOGOUT\r\n"
        );
        let together = format!("a1 {}\r\n{behind}", scene.login());
        // Whole, and cut in two at each place around the end of the sign-on.
        let end = together.find("\r\n").unwrap();
        for cut in [None, Some(end + 1), Some(end + 2), Some(end + 4), Some(end + 9)] {
            let mut wire = scene.imap();
            match cut {
                None => wire.send(&together),
                Some(cut) => {
                    wire.send(&together[..cut]);
                    thread::sleep(Duration::from_millis(100));
                    wire.send(&together[cut..]);
                }
            }
            for tag in ["a1", "a2", "a3", "a4"] {
                wire.expect_ok(tag);
            }
            wire.expect("* BYE");
            wire.expect("a6 OK");
            wire.expect_end();
        }
        let status = scene.signed_on().command("b1", "STATUS INBOX (MESSAGES)").join(" ");
        assert!(status.contains("MESSAGES 5"), "{status}");
    });
}
