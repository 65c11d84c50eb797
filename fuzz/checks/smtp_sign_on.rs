//! The SMTP sign-on. Held against a second reading of the conversation:
//!
//! - each line of the client's has one reply, and nothing else is said;
//! - no mail is taken, and no list is shown but with the AUTH of the proxy's own;
//! - the accounts are asked as often as it is answered whether a password was right;
//! - what the client sent behind its sign-on goes on, every byte of it;
//! - how the bytes arrive changes nothing, and no more than a line waits for its end.

use crate::sign_on::{Reader, play};
use crate::transcript::Kind;

/// The last words where a limit was reached.
const LAST: &[&[u8]] = &[b"421 ", b"500 5.5.6 "];
const CODES: [&str; 15] = [
    "214", "221", "235", "250", "334", "421", "500", "501", "502", "503", "504", "530", "535",
    "550", "554",
];

pub fn check(input: &[u8]) {
    let conversation = play(Kind::SmtpSignOn, input);
    let Some(mut reader) = Reader::new(&conversation) else {
        return;
    };
    let (mut verdicts, mut challenged) = (0, false);
    loop {
        let Some(line) = reader.line() else {
            reader.assert_waits(LAST);
            break;
        };
        let reply = reply(&mut reader);
        let (code, last) = reply.last().expect("a reply has a line");
        if reader.is_cut_off(&[code.as_bytes(), b" ", last].concat(), LAST) {
            break;
        }
        assert!(CODES.contains(&code.as_str()), "{code}");
        verdicts += usize::from(matches!(code.as_str(), "235" | "535"));
        if !challenged {
            check_reply(line, &reply);
        }
        challenged = code == "334";
        if reader.is_over() {
            match code.as_str() {
                "235" => assert_eq!(conversation.heard.by_server, reader.said),
                code => assert_eq!(code, "221"),
            }
            break;
        }
    }
    assert_eq!(verdicts, conversation.heard.asked.len());
}

/// The code and the text of each line of a reply.
fn reply(reader: &mut Reader<'_>) -> Vec<(String, Vec<u8>)> {
    let mut lines: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        let line = reader.reply().expect("each line has a reply");
        let (code, text) = line.split_at_checked(3).expect("a code");
        let code = String::from_utf8_lossy(code).into_owned();
        assert!(lines.iter().all(|(first, _)| *first == code), "{}", line.escape_ascii());
        let (separator, text) = text.split_first().expect("a code and what parts it from the text");
        lines.push((code, text.to_vec()));
        match separator {
            b'-' => {}
            b' ' => return lines,
            _ => panic!("{}", line.escape_ascii()),
        }
    }
}

fn check_reply(line: &[u8], reply: &[(String, Vec<u8>)]) {
    let word = line.iter().skip_while(|byte| **byte <= b' ' || **byte == 0x7f);
    let word: Vec<u8> = word.take_while(|byte| byte.is_ascii_alphabetic()).copied().collect();
    let (code, _) = &reply[0];
    match word.to_ascii_uppercase().as_slice() {
        b"EHLO" => {
            let texts: Vec<&[u8]> = reply.iter().map(|(_, text)| text.as_slice()).collect();
            let wanted =
                [b"localhost".as_slice(), b"SIZE 35882577", b"SMTPUTF8", b"AUTH PLAIN LOGIN"];
            assert_eq!((code.as_str(), texts.as_slice()), ("250", wanted.as_slice()));
        }
        b"AUTH" => {}
        b"HELO" | b"RSET" | b"NOOP" => assert_eq!(code, "250"),
        b"HELP" => assert_eq!(code, "214"),
        b"QUIT" => assert_eq!(code, "221"),
        _ => assert!(code.starts_with('5'), "{code} for {}", line.escape_ascii()),
    }
}
