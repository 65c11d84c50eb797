//! A session that is taken over by a server that may say anything. The input's first turn is what
//! the client says, the second what its server does; from there on another server has the word.
//!
//! - How the bytes arrive changes nothing.
//! - What the client is told numbers only messages that it knows of, and then the proxy and the
//!   client count the same.
//! - A few bytes cost no more than a few bytes do (by libFuzzer's own time-out).

use crate::protocol::Dialogue as _;
use crate::protocol::imap::{Capabilities, Dialogue, Responses, Step};
use crate::relay::Relay;
use crate::script::{self, Turn, Way, ways};

pub fn check(input: &[u8]) {
    let turns = script::read(input);
    let mut ways = ways(&turns).into_iter();
    let Some(first) = ways.next() else {
        return;
    };
    let outcome = play(&turns, first);
    for way in ways {
        assert_eq!(outcome, play(&turns, way), "left: {first:?}, right: {way:?}");
    }
}

fn play(turns: &[Turn], way: Way) -> Option<String> {
    let [client, server, others @ ..] = turns else {
        return None;
    };
    let mut relay = Relay::new(Dialogue::default());
    // As one who waits for each answer.
    relay.client_sent(&client.pieces.concat());
    // What waits for the server's word on a literal would be judged amid what the server says, and when
    // depends on how that arrives.
    if relay.held() != (0, 0, 0) {
        return None;
    }
    server.arrives(way).iter().for_each(|piece| relay.server_sent(piece));
    let mut dialogue = relay.dialogue;
    if relay.stopped.is_some() || dialogue.moment(false).is_none() {
        return None;
    }
    let capabilities = Capabilities::parse(b"IMAP4rev1 ESEARCH ENABLE CONDSTORE QRESYNC");
    let exists = dialogue.exists();
    let (mut takeover, commands) = dialogue.take_over(&capabilities);
    let mut sent = commands;
    let mut responses = Responses::default();
    let mut end = "unfinished".to_owned();
    'said: for piece in others.iter().flat_map(|turn| turn.arrives(way)) {
        responses.receive(&piece);
        loop {
            let response = match responses.next_response() {
                Ok(Some(response)) => response,
                Ok(None) => break,
                Err(no_response) => {
                    end = no_response.to_string();
                    break 'said;
                }
            };
            match takeover.response(&response) {
                Step::Own => {}
                Step::Both => panic!("no response is the client's"),
                Step::Send(command) => sent.extend(command),
                Step::Done => {
                    end = told(&mut dialogue, &takeover, exists);
                    break 'said;
                }
                Step::Failed(words) => {
                    assert!(!words.contains(['\r', '\n']), "{words}");
                    end = words;
                    break 'said;
                }
            }
        }
    }
    Some(format!("{} {end}", sent.escape_ascii()))
}

/// What the client is told, which it must be able to follow.
fn told(
    dialogue: &mut Dialogue,
    takeover: &crate::protocol::imap::Takeover,
    before: u32,
) -> String {
    let difference = match dialogue.difference(takeover) {
        Ok(Some(difference)) => difference,
        Ok(None) => return "nothing to tell".into(),
        Err(unlike) => return unlike.to_string(),
    };
    let lines = String::from_utf8(dialogue.told(&difference)).expect("text");
    let mut count = before;
    let mut above = u32::MAX;
    for line in lines.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["*", number, "EXPUNGE"] => {
                let number: u32 = number.parse().expect("a number");
                assert!(0 < number && number <= count && number < above, "{lines}");
                (count, above) = (count - 1, number);
            }
            ["*", "VANISHED", _] => count = count.checked_sub(1).expect("no more than there were"),
            ["*", number, "EXISTS"] => {
                let number: u32 = number.parse().expect("a number");
                assert!(number > count, "{lines}");
                count = number;
            }
            _ => panic!("{line}"),
        }
    }
    dialogue.go_on_with(takeover);
    dialogue.flags_told(&difference);
    assert_eq!(dialogue.exists(), count, "{lines}");
    format!("{lines:?} {:?}", difference.flags_since)
}
