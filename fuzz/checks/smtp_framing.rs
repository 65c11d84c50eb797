//! What of a signed-on SMTP client's bytes are commands, messages and chunks, held against
//! smtp-proto, with a server that takes everything.
//!
//! - What smtp-proto reads as AUTH, STARTTLS or BDAT never goes on; every other command does, as the
//!   one line that it is.
//! - What it reads as DATA begins a message, and one without a bare CR or LF ends where smtp-proto
//!   ends it.
//! - A chunk of BDAT is as long as it says.
//!
//! They differ by design where a message has a bare CR or LF, which ends the session here; and smtp-proto
//! passes over a CR amid a verb, where the line is refused here, and what follows is commands. That the
//! CRLF of the DATA line itself is the one before a message's first dot (RFC 5321 §4.1.1.4) has to be
//! told to smtp-proto.

use smtp_proto::Request;
use smtp_proto::request::receiver::{BdatReceiver, DataReceiver};

use crate::protocol::Dialogue as _;
use crate::protocol::smtp::{BareNewlines, Dialogue};
use crate::relay::Relay;
use crate::script;

pub fn check(input: &[u8]) {
    let bytes: Vec<u8> = script::read(input).iter().flat_map(|turn| turn.pieces.concat()).collect();
    let mut relay = Relay::new(Dialogue::new(BareNewlines::Refuse));
    let mut rest = bytes.as_slice();
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, behind) = rest.split_at(end + 1);
        rest = behind;
        let before = relay.to_server.len();
        relay.client_sent(line);
        if relay.stopped.is_some() {
            return;
        }
        let text = line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]);
        let shown = line.escape_ascii();
        assert_eq!(relay.held(), (0, 0, 0), "{shown}");
        let sent = &relay.to_server[before..];
        let theirs = Request::parse(&mut line.iter());
        match &theirs {
            Ok(Request::Bdat { chunk_size, is_last }) => {
                assert!(sent.is_empty(), "{shown}");
                if text.contains(&b'\r') {
                    return;
                }
                let mut chunk = BdatReceiver::new(*chunk_size, *is_last);
                let (mut behind, mut bytes) = (rest.iter(), Vec::new());
                let ended = chunk.ingest(&mut behind, &mut bytes);
                relay.client_sent(&bytes);
                assert_eq!(relay.to_server.len(), before, "a chunk went on");
                assert!(relay.stopped.is_none());
                rest = behind.as_slice();
                if !ended {
                    return;
                }
                continue;
            }
            Ok(Request::Auth { .. } | Request::StartTls) => assert!(sent.is_empty(), "{shown}"),
            Ok(_) => {
                if text.iter().any(|byte| matches!(byte, b'\r' | 0)) {
                    assert!(sent.is_empty(), "{shown}");
                } else {
                    assert_eq!(sent, [text, b"\r\n"].concat(), "{shown}");
                }
            }
            // What only one of them takes for a chunk can't be followed any further.
            Err(_) if sent.is_empty() => return,
            _ => {}
        }
        if sent.is_empty() {
            continue;
        }
        if !matches!(theirs, Ok(Request::Data)) {
            relay.server_sent(b"250 2.0.0 Yes\r\n");
            assert!(relay.dialogue.is_quiet(), "{shown}");
            continue;
        }
        relay.server_sent(b"354 Go on\r\n");
        assert_eq!(relay.stopped, None, "a message begins with {shown}");
        let mut message = DataReceiver::new();
        let (mut behind, mut text) = (rest.iter(), Vec::new());
        message.ingest(&mut b"\r\n".iter(), &mut Vec::new());
        let ended = message.ingest(&mut behind, &mut text);
        let (raw, left) = rest.split_at(rest.len() - behind.as_slice().len());
        relay.client_sent(raw);
        if relay.stopped.is_some() {
            return;
        }
        assert_eq!(relay.dialogue.awaits_answer(), ended, "{}", raw.escape_ascii());
        if !ended {
            return;
        }
        assert!(relay.to_server.ends_with(raw) && relay.held() == (0, 0, 0));
        relay.server_sent(b"250 2.0.0 Taken\r\n");
        assert!(relay.dialogue.is_quiet());
        rest = left;
    }
}
