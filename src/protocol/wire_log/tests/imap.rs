//! What is shown of an IMAP session.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Side, WireLog, assert_shown, dialogue, shown};

#[test]
fn an_imap_session_without_its_secrets_and_its_mail() {
    assert_shown(
        WireLog::imap,
        r#"S: * OK [CAPABILITY IMAP4rev1 IDLE] Gatepost ready
C: 1 ID ("name" "Microsoft Outlook")
S: * ID ("name" "Gatepost")
S: 1 OK Completed
C: 2 LOGIN "you@gmail.com" "pass \"word\""
S: 2 BAD I don't know "pass \"word\"" or pass "word"
C: 3 LOGIN you@gmail.com {10}
S: + Go on
C: other-word
S: * CAPABILITY IMAP4rev1
S: 3 OK Signed on with other-word
C: 4 LIST "" "*"
S: * LIST (\HasNoChildren) "/" "Private things"
S: 4 OK Done
C: 5 UID FETCH 1:* (UID FLAGS ENVELOPE BODY.PEEK[])
S: * 1 FETCH (UID 7 ENVELOPE ("date" "secret \" subject" NIL) BODY[TEXT] "body" BODY[] {4}
S: mail FLAGS (\Seen))
S: * OK [HIGHESTMODSEQ 7]
S: 5 OK Success
C: 6 UID SEARCH CHARSET UTF-8 SINCE 1-Feb-2026 (SUBJECT wedding) TEXT "a cake" UID 1:*
S: * SEARCH 1 2
S: 6 OK SEARCH completed
C: 7 APPEND "Sent" (\Seen) {14}
S: + OK
C: Subject: ha!
C: 
S: 7 OK [APPENDUID 1 2] (Success)
C: 8 IDLE
S: + idling
S: * 5 EXISTS
C: DONE
S: 8 OK IDLE terminated
C: what is this
S: what BAD Unknown
C: 9 LOGOUT
S: * BYE sign in at https://accounts.google.com/x?continue=abcdefghijklmnopqrstuvwxyz now
S: 9 OK"#,
        r#"S: * OK [CAPABILITY IMAP4rev1 IDLE] Gatepost ready
C: 1 ID ("name" "Microsoft Outlook")
S: * ID ("…" "…")
S: 1 OK Completed
C: 2 LOGIN <…>
S: 2 BAD I don't know "…" or …
C: 3 LOGIN <…>
S: + Go on
C: <…>
S: * CAPABILITY IMAP4rev1
S: 3 OK Signed on with …
C: 4 LIST "" "*"
S: * LIST (\HasNoChildren) "/" "Private things"
S: 4 OK Done
C: 5 UID FETCH 1:* (UID FLAGS ENVELOPE BODY.PEEK[])
S: * 1 FETCH (UID 7 ENVELOPE ("…" "…" NIL) BODY[TEXT] "…" BODY[] {4} FLAGS (\Seen))
S: * OK [HIGHESTMODSEQ 7]
S: 5 OK Success
C: 6 UID SEARCH CHARSET UTF-8 SINCE 1-Feb-2026 (SUBJECT … TEXT "…" UID 1:*
S: * SEARCH 1 2
S: 6 OK SEARCH completed
C: 7 APPEND "Sent" (\Seen) {14}
S: + OK
C: <literal of 14 bytes>
S: 7 OK [APPENDUID 1 2] (Success)
C: 8 IDLE
S: + idling
S: * 5 EXISTS
C: DONE
S: 8 OK IDLE terminated
C: <12 bytes>
S: what BAD Unknown
C: 9 LOGOUT
S: * BYE sign in at https://accounts.google.com/x?… now
S: 9 OK"#,
    );
}

#[test]
fn sasl_responses_are_never_shown_even_where_the_server_wanted_none() {
    assert_shown(
        WireLog::imap,
        "C: 1 AUTHENTICATE PLAIN AHlvdQBzZWNyZXQ=
S: 1 NO [AUTHENTICATIONFAILED] AHlvdQBzZWNyZXQ= is wrong, secret that it is
C: 2 AUTHENTICATE PLAIN
S: +\x20
C: AHlvdQBzZWNyZXQ=
S: 2 OK Signed on
C: 3 AUTHENTICATE KEY-OF-MINE
S: 3 NO no such thing
C: AHlvdQBzZWNyZXQ=
S: AHlvdQBzZWNyZXQ= BAD
C: 4 SELECT INBOX
S: 4 NO literal {5}
C: 5 CREATE {5}
S: 5 NO no",
        "C: 1 AUTHENTICATE PLAIN <initial response>
S: 1 NO [AUTHENTICATIONFAILED] … is wrong, … that it is
C: 2 AUTHENTICATE PLAIN
S: +\x20
C: <SASL response>
S: 2 OK Signed on
C: 3 AUTHENTICATE <another mechanism>
S: 3 NO no such thing
C: <16 bytes>
S: … BAD
C: 4 SELECT INBOX
S: 4 NO literal {5}
C: 5 CREATE {5}
S: 5 NO no",
    );
}

#[test]
fn what_stands_around_literals_is_shown_and_they_are_not() {
    assert_shown(
        WireLog::imap,
        r#"C: 1 CREATE {5}
S: 0 OK an earlier one
S: 1
S: + Go on
C: Trash
S: 1 OK Done
C: 2 STATUS {5}
S: + Go on
C: Trash (MESSAGES)
S: 2 OK Done
C: 3 CREATE {0}
S: + Go on
C:
S: 3 NO no name
C: 4 APPEND Sent {4}
S: + Go on
C: mail (\Seen) {4}
S: + Go on
C: mail
S: 4 OK Done
C: 5 SEARCH TEXT {4}
S: + Go on
C: cake SEEN
S: * SEARCH
S: 5 OK Done
C: 6 NOOP"#
            .replace("C:\n", "C: \n")
            .as_str(),
        r#"C: 1 CREATE {5}
S: 0 OK an earlier one
S: 1
S: + Go on
C: <literal of 5 bytes>
S: 1 OK Done
C: 2 STATUS {5}
S: + Go on
C: <literal of 5 bytes>
C:  (MESSAGES)
S: 2 OK Done
C: 3 CREATE {0}
S: + Go on
S: 3 NO no name
C: 4 APPEND Sent {4}
S: + Go on
C: <literal of 4 bytes>
C: <12 bytes>
S: + Go on
C: <literal of 4 bytes>
S: 4 OK Done
C: 5 SEARCH TEXT {4}
S: + Go on
C: <literal of 4 bytes>
C:  SEEN
S: * SEARCH
S: 5 OK Done
C: 6 NOOP"#,
    );
}

#[test]
fn what_begins_with_no_tag_may_be_anything() {
    let long = "x".repeat(33);
    for (said, shown) in [
        (format!("{} NOOP", &long[..32]), format!("{} NOOP", &long[..32])),
        (format!("{long} NOOP"), "<38 bytes>".to_owned()),
        ("ä NOOP".to_owned(), "<7 bytes>".to_owned()),
        (String::new(), "<0 bytes>".to_owned()),
    ] {
        assert_shown(WireLog::imap, &format!("C: {said}"), &format!("C: {shown}"));
    }
}

#[test]
fn of_a_search_only_what_is_no_text_of_somebodys_is_shown() {
    for (key, shown) in [
        ("SINCE 1-Feb-2026", "SINCE 1-Feb-2026"),
        ("SINCE 21-Feb-2026", "SINCE 21-Feb-2026"),
        ("SINCE 221-Feb-2026", "SINCE …"),
        ("SINCE x-Feb-2026", "SINCE …"),
        ("SINCE 1-Febr-2026", "SINCE …"),
        ("SINCE 1-F3b-2026", "SINCE …"),
        ("SINCE 1-Feb-226", "SINCE …"),
        ("SINCE 1-Feb-22x6", "SINCE …"),
        ("TEXT a{4} SEEN", "TEXT … SEEN"),
        ("TEXT {cake SEEN", "TEXT … SEEN"),
    ] {
        let (said, shown) = (format!("C: 1 SEARCH {key}"), format!("C: 1 SEARCH {shown}"));
        assert_shown(WireLog::imap, &said, &shown);
    }
}

#[test]
fn a_password_of_many_bytes_is_known_to_its_end() {
    let password = "p".repeat(4000);
    let said = format!("C: 1 LOGIN you {{4000}}\nS: + Go on\nC: {password}\nS: 1 NO {password}");
    assert_shown(WireLog::imap, &said, "C: 1 LOGIN <…>\nS: + Go on\nC: <…>\nS: 1 NO …");
}

#[test]
fn a_servers_bytes_are_read_as_long_as_they_can_be() {
    // Many lines at once, and one that comes in pieces.
    let said = [(Side::Server, "* 5 EXISTS\r\n".repeat(2000).into_bytes())];
    assert_eq!(shown(WireLog::imap(), &said, 100_000), vec!["S: * 5 EXISTS"; 2000]);
    let words = "x".repeat(3000);
    assert_shown(WireLog::imap, &format!("S: * OK {words}"), &format!("S: * OK {words}"));
    assert_shown(
        WireLog::imap,
        "S: * 1 FETCH (BODY[] {99999999999999}\nS: * OK this may be mail",
        "S: <what follows can't be read>",
    );
}

#[test]
fn a_mail_that_is_longer_than_its_literal_is_not_shown_as_commands() {
    assert_shown(
        WireLog::imap,
        r#"C: 1 APPEND Drafts UTF8 (~{5}
S: + OK
C: mail!)
S: 1 OK Done
C: 2 APPEND Sent {14}
S: + OK
C: Subject: ha! ha!
C: please list all that is private
C: Ada
S: 2 BAD Could not parse command
S: please BAD Could not parse command
S: Ada BAD Unknown command
C: 3 LOGOUT
S: * BYE LOGOUT Requested
S: 3 OK"#,
        r#"C: 1 APPEND Drafts UTF8 (~{5}
S: + OK
C: <literal of 5 bytes>
C: )
S: 1 OK Done
C: 2 APPEND Sent {14}
S: + OK
C: <literal of 14 bytes>
C: <2 bytes too many for the literal; only lengths follow>
C: <31 bytes>
C: <3 bytes>
S: … BAD Could not parse command
S: … BAD Could not parse command
S: … BAD Unknown command
C: <8 bytes>
S: * BYE LOGOUT Requested
S: … OK"#,
    );
}

#[test]
fn of_many_secrets_the_latest_are_kept() {
    let mut said = String::new();
    for n in 0..100 {
        let plain = STANDARD.encode(format!("\0you\0password-{n:03}"));
        let n = if n == 99 { "last".to_owned() } else { n.to_string() };
        said += &format!("C: {n} AUTHENTICATE PLAIN {plain}\nS: {n} NO {plain} password-099\n");
    }
    let lines = shown(WireLog::imap(), &dialogue(&said), 10_000);
    assert_eq!(lines.last().unwrap(), "S: last NO … …");
}

#[test]
fn a_secret_of_three_bytes_is_a_word_and_of_four_it_is_not_shown() {
    assert_shown(
        WireLog::imap,
        "C: 1 LOGIN you abc\nS: 1 NO abc\nC: 2 LOGIN you abcd\nS: 2 NO abcd abc",
        "C: 1 LOGIN <…>\nS: 1 NO abc\nC: 2 LOGIN <…>\nS: 2 NO … abc",
    );
}

#[test]
fn what_is_no_text_is_escaped_and_what_is_long_is_cut() {
    let said = [
        (Side::Server, b"* OK \xff\x07\r\n".to_vec()),
        (Side::Client, [b"1 SELECT ".to_vec(), vec![b'x'; 5000], b"\r\n".to_vec()].concat()),
    ];
    let lines = shown(WireLog::imap(), &said, 1000);
    assert_eq!(lines[0], "S: * OK \u{fffd}\\u{7}");
    assert!(lines[1].ends_with("x… <5009 bytes in all>") && lines[1].len() < 2200, "{}", lines[1]);
}

/// A client's step, with the server's answers, in which `secret` and `mail` stand where a
/// password and a mail's words can stand.
pub(super) fn step(kind: u8, n: usize, secret: &str, mail: &str) -> Vec<(Side, Vec<u8>)> {
    let quoted = secret.replace('\\', "\\\\").replace('"', "\\\"");
    let plain = STANDARD.encode(format!("\0you\0{secret}"));
    let (size, literal) = (secret.len(), mail.len());
    let text = match kind % 15 {
        0 => format!("C: t{n} LOGIN you \"{quoted}\"\nS: t{n} NO \"{quoted}\" is not {secret}"),
        1 => {
            format!("C: t{n} LOGIN \"you\" {{{size}}}\nS: + go\nC: {secret}\nS: t{n} BAD {secret}")
        }
        2 => format!("C: t{n} LOGIN {{3+}}\nC: you {{{size}+}}\nC: {secret}\nS: t{n} OK {secret}"),
        3 => format!("C: t{n} AUTHENTICATE PLAIN {plain}\nS: t{n} NO {plain}"),
        4 => format!("C: t{n} AUTHENTICATE PLAIN\nS: + \nC: {plain}\nS: t{n} OK {secret}"),
        5 => {
            let (user, password) = (STANDARD.encode("you"), STANDARD.encode(secret));
            format!(
                "C: t{n} AUTHENTICATE LOGIN\nS: + VXNlcm5hbWU6\nC: {user}\nS: + UGFzc3dvcmQ6\nC: {password}\nS: t{n} OK {password}"
            )
        }
        6 => format!(
            "C: t{n} FETCH 1 BODY[]\nS: * 1 FETCH (BODY[] {{{literal}}}\nS: {mail})\nS: t{n} OK"
        ),
        7 => format!(
            "C: t{n} FETCH 1 ENVELOPE\nS: * 1 FETCH (ENVELOPE (\"{mail}\" NIL) X \"\\\"{mail}\")\nS: t{n} OK"
        ),
        8 => format!("C: t{n} APPEND Sent {{{literal}}}\nS: + go\nC: {mail}\nS: t{n} OK"),
        9 => format!("C: t{n} APPEND Sent {{{literal}+}}\nC: {mail}\nS: t{n} OK"),
        10 => format!(
            "C: t{n} UID SEARCH (TEXT \"{mail}\") OR SUBJECT {mail} BODY {{{literal}}}\nS: + go\nC: {mail}\nS: * SEARCH 1\nS: t{n} OK"
        ),
        11 => {
            format!("C: t{n} STORE 1 +X-GM-LABELS (\"{mail}\")\nS: * OK [ALERT] {{5}}\nS: t{n} OK")
        }
        13 => format!(
            "C: t{n} APPEND Sent {{{literal}+}}\nC: {mail} {mail}\nC: {mail} list {mail}\nS: t{n} BAD no\nS: {mail} BAD no"
        ),
        12 => format!("C: {secret}\nS: * BAD what?\nC: {plain} {secret}\nS: * BAD what?"),
        _ => {
            format!("C: t{n} LIST \"\" *\nS: * LIST () \"/\" {{4}}\nS: name\nS: t{n} OK Done {{7}}")
        }
    };
    dialogue(&text)
}
