//! How a signed-on IMAP session falls into lines and literals, and what its responses say, held
//! against imap-codec; what one side says is read for itself.
//!
//! - The server's responses are cut where imap-codec cuts them.
//! - A status response that imap-codec can read has the same tag, word and text here; from
//!   `EXISTS`, `EXPUNGE` and `FETCH` the same numbers and UIDs are taken.
//! - Where imap-codec sees a command's line, literal or end, the dialogue does: it waits for the
//!   server's word on a literal, and is between two commands.
//!
//! They differ by design in this: in a line for people `{5}` announces nothing (RFC 9051 §7.1); a
//! size above 32 bits is none to imap-codec; a line of one word is no command to the dialogue; and
//! of a command that is answered here a literal that waits is never asked for.

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use imap_codec::fragmentizer::{FragmentInfo, Fragmentizer};
use imap_codec::imap_types::core::LiteralMode;
use imap_codec::imap_types::fetch::MessageDataItem;
use imap_codec::imap_types::response::{self, Data, StatusKind};

use crate::imap_relay::is_data;
use crate::protocol::Dialogue as _;
use crate::protocol::imap::{Capabilities, Dialogue, Response, Responses, Status};
use crate::relay::Relay;
use crate::script;
use crate::transcript::Side;

/// So many messages has the mailbox in which a response is heard.
const MESSAGES: u32 = 1000;

pub fn check(input: &[u8]) {
    let turns = script::read(input);
    let (client, server): (Vec<_>, Vec<_>) =
        turns.iter().partition(|turn| turn.speaker == Side::Client);
    commands(&client.iter().flat_map(|turn| turn.pieces.concat()).collect::<Vec<u8>>());
    let pieces: Vec<Vec<u8>> = server.iter().flat_map(|turn| turn.pieces.clone()).collect();
    responses(&pieces);
}

fn responses(pieces: &[Vec<u8>]) {
    let mut ours = Responses::default();
    let mut found = Vec::new();
    let mut followed = true;
    for piece in pieces {
        ours.receive(piece);
        while followed {
            match ours.next_response() {
                Ok(Some(response)) => found.push(response),
                Ok(None) => break,
                Err(_) => followed = false,
            }
        }
    }
    let mut theirs = Fragmentizer::without_max_message_size();
    theirs.enqueue_bytes(&pieces.concat());
    let mut expected = Vec::new();
    while let Some(fragment) = theirs.progress() {
        if let FragmentInfo::Line { start, announcement, .. } = fragment {
            let line = theirs.fragment_bytes(fragment);
            if start == 0 && !is_data(line) {
                expected.push(line.to_vec());
                theirs.skip_message();
                continue;
            }
            if announcement.is_none() && announces(line) {
                followed = false;
                break;
            }
        }
        if theirs.is_message_complete() {
            expected.push(theirs.message_bytes().to_vec());
        }
    }
    let both =
        if followed { found.len().max(expected.len()) } else { found.len().min(expected.len()) };
    let shown = |list: &[Vec<u8>]| -> Vec<String> {
        list.iter().take(both).map(|bytes| bytes.escape_ascii().to_string()).collect()
    };
    assert_eq!(shown(&found), shown(&expected));
    for message in found.iter().take(both) {
        if let Ok((b"", theirs)) = ResponseCodec::default().decode(message) {
            same(message, &theirs);
        }
    }
}

/// Both take the same from a response.
fn same(message: &[u8], theirs: &response::Response<'_>) {
    let shown = message.escape_ascii();
    match theirs {
        response::Response::CommandContinuationRequest(_) => {
            assert!(matches!(Response::parse(message), Some(Response::Continuation(_))), "{shown}");
        }
        response::Response::Status(status) => {
            let (tag, kind, code, text) = match status {
                response::Status::Tagged(tagged) => {
                    let body = &tagged.body;
                    (Some(tagged.tag.inner()), word(body.kind), body.code.is_some(), &body.text)
                }
                response::Status::Untagged(body) => {
                    (None, word(body.kind), body.code.is_some(), &body.text)
                }
                response::Status::Bye(bye) => (None, Status::Bye, bye.code.is_some(), &bye.text),
            };
            let (our_tag, ours) = match Response::parse(message) {
                Some(Response::Tagged(tag, ours)) => (Some(tag), ours),
                Some(Response::Untagged(ours)) => (None, ours),
                other => panic!("{other:?} for {shown}"),
            };
            assert_eq!((our_tag, ours.status), (tag.map(str::as_bytes), kind), "{shown}");
            if !code && ours.code.is_none() {
                assert_eq!(ours.text, text.inner().as_bytes(), "{shown}");
            }
        }
        response::Response::Data(Data::Exists(count)) => {
            let dialogue = hears(message);
            match *count < MESSAGES {
                true => assert!(dialogue.stuck().is_some(), "{shown}"),
                false => assert_eq!(dialogue.exists(), *count, "{shown}"),
            }
        }
        response::Response::Data(Data::Expunge(number)) => {
            let dialogue = hears(message);
            match number.get() > MESSAGES {
                true => assert!(dialogue.stuck().is_some(), "{shown}"),
                false => assert_eq!(dialogue.exists(), MESSAGES - 1, "{shown}"),
            }
        }
        // The first message's UID is the last of those that are known in a row.
        response::Response::Data(Data::Fetch { seq, items }) if seq.get() == 1 => {
            let uids: Vec<u32> = items
                .as_ref()
                .iter()
                .filter_map(|item| match item {
                    MessageDataItem::Uid(uid) => Some(uid.get()),
                    _ => None,
                })
                .collect();
            let dialogue = hears(message);
            let (_, search) =
                dialogue.list(&Capabilities::parse(b"IMAP4rev1")).expect("a mailbox is open");
            let search = String::from_utf8_lossy(&search).into_owned();
            let known = |uid: &u32| search.contains(&format!("UID {}:*", uid.saturating_add(1)));
            let behind_literal = message.contains(&b'{');
            let nothing = search.ends_with("ALL\r\n") && (uids.is_empty() || behind_literal);
            // Two of them in one response are no response.
            assert!(nothing || uids.iter().any(known) || uids.len() > 1, "{search} for {shown}");
        }
        _ => {}
    }
}

fn word(kind: StatusKind) -> Status {
    match kind {
        StatusKind::Ok => Status::Ok,
        StatusKind::No => Status::No,
        StatusKind::Bad => Status::Bad,
    }
}

/// A session in which a response is heard.
fn hears(message: &[u8]) -> Dialogue {
    let mut relay = Relay::new(Dialogue::default());
    relay.client_sent(b"a SELECT INBOX\r\n");
    let opening = format!("* {MESSAGES} EXISTS\r\na OK [READ-WRITE] done\r\n");
    relay.server_sent(opening.as_bytes());
    relay.server_sent(message);
    assert_eq!(relay.held(), (0, 0, 0));
    relay.dialogue
}

fn commands(bytes: &[u8]) {
    let mut relay = Relay::new(Dialogue::default());
    let mut theirs = Fragmentizer::without_max_message_size();
    theirs.enqueue_bytes(bytes);
    let mut tag = Vec::new();
    let mut sent_before = 0;
    while let Some(fragment) = theirs.progress() {
        let piece = theirs.fragment_bytes(fragment).to_vec();
        if let FragmentInfo::Line { start, announcement, .. } = fragment {
            if announcement.is_none() && announces(&piece) {
                return;
            }
            if start == 0 {
                // A CR amid a line ends no word here.
                let line = piece.strip_suffix(b"\n").unwrap_or(&piece);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let mut words = line.split(|byte| *byte == b' ').filter(|it| !it.is_empty());
                tag = words.next().unwrap_or_default().to_vec();
                let word = words.next().unwrap_or_default();
                let readable =
                    |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_alphanumeric);
                if !readable(&tag) || !readable(word) || word.eq_ignore_ascii_case(b"IDLE") {
                    return;
                }
                sent_before = relay.to_server.len();
            }
        }
        relay.client_sent(&piece);
        if relay.stopped.is_some() {
            return;
        }
        let shown = piece.escape_ascii();
        assert_eq!(relay.held(), (0, 0, 0), "{shown}");
        let passes = relay.to_server.len() > sent_before;
        if let FragmentInfo::Line { announcement: Some(literal), .. } = fragment
            && literal.mode == LiteralMode::Sync
        {
            if passes {
                assert!(relay.dialogue.awaits_answer(), "{shown}");
                relay.server_sent(b"+ go on\r\n");
            } else {
                theirs.skip_message();
                assert!(relay.dialogue.is_quiet(), "{shown}");
            }
            continue;
        }
        if theirs.is_message_complete() {
            if passes {
                assert!(relay.dialogue.awaits_answer(), "{shown}");
                relay.server_sent(&[tag.as_slice(), b" OK done\r\n"].concat());
            }
            assert!(relay.dialogue.is_quiet() && !relay.dialogue.awaits_answer(), "{shown}");
        } else {
            assert!(!relay.dialogue.is_quiet(), "{shown}");
        }
    }
}

/// A literal of any size stands announced at a line's end.
fn announces(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let inner = text.strip_suffix('}').map(|inner| inner.strip_suffix('+').unwrap_or(inner));
    inner.is_some_and(|inner| {
        let before = inner.trim_end_matches(|c: char| c.is_ascii_digit());
        before.len() < inner.len() && before.ends_with('{')
    })
}
