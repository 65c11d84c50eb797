//! What is shown of an SMTP session.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Side, WireLog, assert_shown, dialogue, shown};

#[test]
fn an_smtp_session_without_its_secrets_and_its_mail() {
    assert_shown(
        WireLog::smtp,
        "S: 220 localhost ESMTP Gatepost
C: EHLO pc
S: 250-localhost
S: 250 AUTH PLAIN LOGIN
C: AUTH LOGIN eW91
S: 334 UGFzc3dvcmQ6
C: c2VjcmV0
S: 535 5.7.8 c2VjcmV0 (secret) is wrong
C: AUTH PLAIN AHlvdQBzZWNyZXQ=
S: 235 2.7.0 Accepted
C: MAIL FROM: <a@example.com> SIZE=5
C: RCPT TO: <b@example.com>
C: DATA
S: 250 2.1.0 OK
S: 250 2.1.5 OK
S: 354 Go ahead
C: Subject: private
C: .
S: 250 2.0.0 OK
C: VRFY me
S: 502 no
C: QUIT
S: 221 bye",
        "S: 220 localhost ESMTP Gatepost
C: EHLO pc
S: 250-localhost
S: 250 AUTH PLAIN LOGIN
C: AUTH LOGIN <initial response>
S: 334 UGFzc3dvcmQ6
C: <SASL response>
S: 535 5.7.8 … (…) is wrong
C: AUTH PLAIN <initial response>
S: 235 2.7.0 Accepted
C: MAIL FROM: <a@example.com> SIZE=5
C: RCPT TO: <b@example.com>
C: DATA
S: 250 2.1.0 OK
S: 250 2.1.5 OK
S: 354 Go ahead
C: <message of 21 bytes>
S: 250 2.0.0 OK
C: <7 bytes>
S: 502 no
C: QUIT
S: 221 bye",
    );
}

#[test]
fn a_refused_data_is_followed_by_commands() {
    assert_shown(
        WireLog::smtp,
        "C: DATA
S: 503 5.5.1 no recipient
C: RSET
S: 250 OK",
        "C: DATA
S: 503 5.5.1 no recipient
C: RSET
S: 250 OK",
    );
}

#[test]
fn a_message_behind_a_refused_data_is_not_shown_as_commands() {
    assert_shown(
        WireLog::smtp,
        "C: DATA
S: 503 5.5.1 no recipient
C: Mail me: at home
C: Data of mine
S: 502 what?
S: 503 5.5.1 no recipient
C: helo to all of you
C: Rcpt of mine: here
C: STARTTLS now
S: 502 what?",
        "C: DATA
S: 503 5.5.1 no recipient
C: <16 bytes>
C: DATA
S: 502 what?
S: 503 5.5.1 no recipient
C: <18 bytes>
C: <18 bytes>
C: STARTTLS
S: 502 what?",
    );
}

#[test]
fn a_message_behind_the_reply_to_the_last_one_is_a_message() {
    assert_shown(
        WireLog::smtp,
        "C: DATA
S: 354 Go ahead
C: .
C: MAIL FROM:<a@example.com>
C: RCPT TO:<b@example.com>
C: DATA
S: 250 OK
S: 250 OK
S: 250 OK
S: 354 Go ahead
C: NOOP, or so
C: .",
        "C: DATA
S: 354 Go ahead
C: <message of 3 bytes>
C: MAIL FROM:<a@example.com>
C: RCPT TO:<b@example.com>
C: DATA
S: 250 OK
S: 250 OK
S: 250 OK
S: 354 Go ahead
C: <message of 16 bytes>",
    );
}

#[test]
fn an_empty_chunk_is_its_command_alone() {
    let said = "C: BDAT 0 LAST\nS: 250 OK\nC: QUIT";
    assert_shown(WireLog::smtp, said, said);
}

#[test]
fn of_a_web_address_a_long_query_is_not_shown() {
    let query = "q".repeat(24);
    let said = format!("S: 535 see http://a.example/?{query} or b?{query}q");
    assert_shown(WireLog::smtp, &said, &said);
    let longer = format!("S: 535 see http://a.example/?{query}q");
    assert_shown(WireLog::smtp, &longer, "S: 535 see http://a.example/?…");
}

#[test]
fn a_chunk_whose_size_can_t_be_read_is_not_shown_as_commands() {
    for bdat in ["BDAT 8 ", "BDAT 8 LAST 8", "BDAT\t8 LAST", "BDAT", "bdat of mine"] {
        assert_shown(
            WireLog::smtp,
            &format!(
                "C: NOOP
C: {bdat}
C: EHLO word
C: MAIL FROM:<a@example.com>
C: RCPT TO:<b@example.com>
C: BDAT of mine
C: BDAT 8 LAST
C: a word
S: 502 what?
C: AUTH PLAIN AHlvdQBzZWNyZXQ=
S: 535 5.7.8 AHlvdQBzZWNyZXQ= (secret) is wrong
C: QUIT"
            ),
            "C: NOOP
C: BDAT <a size that can't be read; only lengths follow>
C: <9 bytes>
C: <25 bytes>
C: <23 bytes>
C: <12 bytes>
C: <11 bytes>
C: <chunk of 8 bytes>
S: 502 what?
C: <27 bytes>
S: 535 5.7.8 … (…) is wrong
C: <4 bytes>",
        );
    }
    let zeros = "0".repeat(3000);
    let said = format!("C: BDAT {zeros}8\nC: EHLO word");
    assert_shown(WireLog::smtp, &said, "C: <3006 bytes>\nC: <9 bytes>");
}

#[test]
fn many_messages_in_one_read_take_no_more_of_the_stack() {
    let said = [(Side::Client, b"DATA\r\n.\r\n".repeat(64 * 1024 / 9))];
    // As large as that of the threads that sessions run on.
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let lines = thread.spawn(move || shown(WireLog::smtp(), &said, usize::MAX)).unwrap();
    let lines = lines.join().unwrap();
    assert_eq!(lines.len(), 2 * (64 * 1024 / 9));
    assert_eq!(lines[lines.len() - 2..], ["C: DATA", "C: <message of 3 bytes>"]);
}

/// As of IMAP: a client's step, with the server's answers.
pub(super) fn step(kind: u8, secret: &str, mail: &str) -> Vec<(Side, Vec<u8>)> {
    let plain = STANDARD.encode(format!("\0you\0{secret}"));
    let password = STANDARD.encode(secret);
    let text = match kind % 9 {
        0 => format!("C: AUTH PLAIN {plain}\nS: 535 5.7.8 {plain}\nC: EHLO again\nS: 250 hello"),
        1 => format!("C: AUTH PLAIN\nS: 334 \nC: {plain}\nS: 235 {secret}"),
        2 => format!(
            "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: eW91\nS: 334 UGFzc3dvcmQ6\nC: {password}\nS: 235 {password} {secret}"
        ),
        3 => format!(
            "C: MAIL FROM:<a>\nC: RCPT TO:<b>\nC: DATA\nS: 250 OK\nS: 250 OK\nS: 354 go\nC: {mail}\nC: MAIL FROM:<{mail}>\nC: ..\nC: .\nS: 250 OK"
        ),
        4 => format!(
            "C: DATA\nS: 354 go\nC: EHLO {mail}\nC: .\nC: NOOP {mail}\nS: 250 OK\nS: 250 OK"
        ),
        5 => format!(
            "C: DATA\nS: 554 no\nC: data {mail}\nS: 503 no\nC: mail it: {mail}\nC: ehlo to {mail}\nS: 500 what?\nS: 501 what?"
        ),
        6 => format!("C: BDAT {} LAST\nC: {mail}\nS: 250 OK", mail.len() + 2),
        7 => {
            let bdat = ["BDAT 5 ", "BDAT 5 LAST 5", "BDAT\t5"][mail.len() % 3];
            let replies = "\nS: 500 what?".repeat(5);
            format!(
                "C: {bdat}\nC: EHLO {mail}\nC: MAIL FROM:<{mail}>\nC: RCPT TO:<{mail}>\nC: BDAT {mail}{replies}"
            )
        }
        _ => format!("C: {secret}\nS: 500 what?\nC: VRFY {mail}\nS: 500 what?"),
    };
    dialogue(&text)
}
