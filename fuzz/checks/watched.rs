//! A dialogue that tells what became of every byte.

use std::cell::RefCell;
use std::rc::Rc;

use crate::protocol::dialogue::Farewell;
use crate::protocol::{Dialogue, Verdict};
use crate::relay::Relay;
use crate::script::{Turn, Way, ways};
use crate::transcript::Side;

/// What a relay may hold back, in bytes, unless it waits for the other side.
const MOST_HELD: usize = 32 * 1024;

/// What became of some bytes, in the order in which it did.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) from: Side,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fate: Fate,
    /// Whether the dialogue awaited an answer right behind them.
    pub(crate) awaits_answer: bool,
    /// Whether a reply of the proxy's own might have been put there.
    pub(crate) may_interject: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Passed,
    Replaced(Vec<u8>),
    /// Dropped, with this reply, which may be empty.
    Dropped(Vec<u8>),
}

/// Plays the turns in every way; all must come to the same. What became of the bytes when each
/// turn arrived whole.
pub(crate) fn play<D: Dialogue>(turns: &[Turn], dialogue: impl Fn() -> D) -> Vec<Event> {
    let mut ways = ways(turns).into_iter();
    let Some(first) = ways.next() else {
        return Vec::new();
    };
    let (outcome, events) = play_one(turns, dialogue(), first);
    for way in ways {
        let (other, _) = play_one(turns, dialogue(), way);
        assert_eq!(outcome, other, "left: {first:?}, right: {way:?}");
    }
    events
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// What the client heard of the server.
    to_client: String,
    /// What it heard of the proxy. Where that stands depends on how the server's bytes arrive; the
    /// checks hold that it never stands inside a response.
    answers: String,
    to_server: String,
    turns: Vec<String>,
}

fn play_one<D: Dialogue>(turns: &[Turn], dialogue: D, way: Way) -> (Outcome, Vec<Event>) {
    let events = Rc::new(RefCell::new(Vec::new()));
    let watched = Watched { dialogue, events: Rc::clone(&events) };
    let mut relay = Relay::new(watched);
    let mut after_turns = Vec::new();
    for turn in turns {
        // No server answers what it hasn't heard: while bytes of the client's wait for its word, each
        // of its lines arrives by itself, however else it is cut.
        let line_by_line = relay.held().0 > 0;
        for piece in turn.arrives(way) {
            match turn.speaker {
                Side::Client => relay.client_sent(&piece),
                Side::Server if line_by_line => {
                    piece
                        .split_inclusive(|byte| *byte == b'\n')
                        .for_each(|line| relay.server_sent(line));
                }
                Side::Server => relay.server_sent(&piece),
            }
        }
        after_turns.push(state(&relay));
    }
    let (_, _, held) = relay.held();
    let (heard, to_server) = (relay.to_client, relay.to_server);
    let events = events.take();
    let told = |from, what: fn(&Fate) -> Option<&[u8]>| -> Vec<u8> {
        let events = events.iter().filter(|event| event.from == from);
        events.flat_map(|event| what(&event.fate).unwrap_or(&event.bytes)).copied().collect()
    };
    let to_client = told(Side::Server, Fate::instead);
    let answers = told(Side::Client, |fate| Some(fate.reply()));
    assert_eq!(heard.len() + held, to_client.len() + answers.len(), "a reply is lost or doubled");
    assert_eq!(to_server, told(Side::Client, Fate::instead), "a byte is lost or doubled");
    let shown = |bytes: Vec<u8>| bytes.escape_ascii().to_string();
    let outcome = Outcome {
        to_client: shown(to_client),
        answers: shown(answers),
        to_server: shown(to_server),
        turns: after_turns,
    };
    (outcome, events)
}

impl Fate {
    /// What went on in the bytes' place; `None` if they themselves did.
    fn instead(&self) -> Option<&[u8]> {
        match self {
            Self::Passed => None,
            Self::Replaced(with) => Some(with),
            Self::Dropped(_) => Some(&[]),
        }
    }

    /// What went back.
    fn reply(&self) -> &[u8] {
        match self {
            Self::Passed | Self::Replaced(_) => &[],
            Self::Dropped(reply) => reply,
        }
    }
}

/// All that the outside may ask of a relay, which must be within its bounds.
fn state<D: Dialogue>(relay: &Relay<Watched<D>>) -> String {
    let (dialogue, to_server) = (&relay.dialogue.dialogue, relay.to_server.len());
    if let Some(violation) = relay.stopped {
        return format!("{to_server} {violation:?}");
    }
    let (quiet, awaits) = (dialogue.is_quiet(), dialogue.awaits_answer());
    let (client, server, answers) = relay.held();
    assert!(server <= MOST_HELD, "{server} bytes of the server's are held back");
    assert!(client <= MOST_HELD || awaits, "{client} bytes of the client's are held back");
    assert!(!(quiet && awaits), "quiet and awaiting an answer");
    assert!(answers == 0 || !dialogue.may_interject(), "an answer is held back for nothing");
    // When an answer gets its turn depends on how the server's bytes arrive, not that it does.
    let to_client = relay.to_client.len() + answers;
    format!(
        "{to_client} {to_server} {client} {server} {quiet} {awaits} {:?} {:?}",
        dialogue.farewell("x").is_some(),
        dialogue.server_farewell(),
    )
}

struct Watched<D> {
    dialogue: D,
    events: Rc<RefCell<Vec<Event>>>,
}

impl<D: Dialogue> Watched<D> {
    fn tell(&self, from: Side, buffered: &[u8], verdict: &Verdict) {
        let (take, fate) = match verdict {
            Verdict::Pass(length) => (*length, Fate::Passed),
            Verdict::Replace { take, with } => (*take, Fate::Replaced(with.clone())),
            Verdict::Answer { take, reply } => (*take, Fate::Dropped(reply.clone())),
            Verdict::Hold | Verdict::Wait | Verdict::Stop(_) => return,
        };
        self.events.borrow_mut().push(Event {
            from,
            bytes: buffered[..take].to_vec(),
            fate,
            awaits_answer: self.dialogue.awaits_answer(),
            may_interject: self.dialogue.may_interject(),
        });
    }
}

impl<D: Dialogue> Dialogue for Watched<D> {
    fn client_sent(&mut self, buffered: &[u8]) -> Verdict {
        let verdict = self.dialogue.client_sent(buffered);
        self.tell(Side::Client, buffered, &verdict);
        verdict
    }

    fn server_sent(&mut self, buffered: &[u8]) -> Verdict {
        let verdict = self.dialogue.server_sent(buffered);
        self.tell(Side::Server, buffered, &verdict);
        verdict
    }

    fn may_interject(&self) -> bool {
        self.dialogue.may_interject()
    }

    fn is_quiet(&self) -> bool {
        self.dialogue.is_quiet()
    }

    fn awaits_answer(&self) -> bool {
        self.dialogue.awaits_answer()
    }

    fn part_soon(&mut self, soon: bool) {
        self.dialogue.part_soon(soon);
    }

    fn release(&mut self) {
        self.dialogue.release();
    }

    fn may_part(&self) -> bool {
        self.dialogue.may_part()
    }

    fn farewell(&self, words: &str) -> Option<Vec<u8>> {
        self.dialogue.farewell(words)
    }

    fn server_farewell(&self) -> Option<&Farewell> {
        self.dialogue.server_farewell()
    }
}
