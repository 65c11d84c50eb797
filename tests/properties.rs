//! What holds for every dialogue, not only for those that somebody thought of: dialogues are
//! generated, so that the test knows their structure without reading them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "properties/imap.rs"]
mod imap;
#[path = "support/newlines.rs"]
mod newlines;
#[path = "support/relay.rs"]
mod relay;
#[path = "properties/rubbish.rs"]
mod rubbish;
#[path = "properties/smtp.rs"]
mod smtp;

use gatepost::protocol::Dialogue;
use proptest::prelude::*;

use relay::Relay;

/// More than any verdict may hold back, in bytes, unless it waits for the other side.
const MOST_HELD: usize = 32 * 1024;

/// `PROPTEST_CASES` asks for more of them. A failure prints the smallest dialogue that fails; it is
/// made a transcript, so that no file of seeds is kept.
fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: if default.cases > 256 { default.cases } else { cases },
        failure_persistence: None,
        max_shrink_time: 20_000,
        ..default
    }
}

/// Bytes with others in place of those that mean something.
fn without(bytes: &[u8], unwanted: &[u8]) -> Vec<u8> {
    let replace = |byte: &u8| if unwanted.contains(byte) { b'x' } else { *byte };
    bytes.iter().map(replace).collect()
}

/// One step of a dialogue: what the client says, then what the server says to it.
#[derive(Debug, Clone, Default)]
struct Exchange {
    client: Vec<u8>,
    /// What of it reaches the server.
    to_server: Vec<u8>,
    server: Vec<u8>,
    /// What of that reaches the client.
    to_client: Vec<u8>,
    /// What the proxy itself answers, before the server does.
    answer: Vec<u8>,
}

/// Whether a client waits for the answers to one exchange before it begins the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    Patient,
    /// Says all it will ever say at once, literals and messages included.
    Eager,
}

fn client() -> impl Strategy<Value = Client> {
    prop_oneof![Just(Client::Patient), Just(Client::Eager)]
}

/// The sizes of the pieces in which bytes arrive, used over and over.
fn piece_sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![Just(1_usize), 1_usize..8, 1_usize..200, 1_usize..20_000];
    proptest::collection::vec(size, 1..8)
}

/// Plays a dialogue; the relay that it leaves.
fn play<D: Dialogue>(
    dialogue: D,
    exchanges: &[Exchange],
    client: Client,
    sizes: &[usize],
) -> Relay<D> {
    let mut relay = Relay::new(dialogue);
    let mut sizes = sizes.iter().copied().cycle();
    let mut cut = |mut bytes: &[u8], each: &mut dyn FnMut(&[u8])| {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(sizes.next().unwrap_or(1).min(bytes.len()));
            each(piece);
            bytes = rest;
        }
    };
    if client == Client::Eager {
        let all: Vec<u8> = exchanges.iter().flat_map(|each| each.client.clone()).collect();
        cut(&all, &mut |piece| relay.client_sent(piece));
    }
    for exchange in exchanges {
        if client == Client::Patient {
            cut(&exchange.client, &mut |piece| relay.client_sent(piece));
        }
        cut(&exchange.server, &mut |piece| relay.server_sent(piece));
    }
    relay
}

/// What holds at the end of a dialogue that is complete.
fn check_end<D: Dialogue>(
    relay: &Relay<D>,
    exchanges: &[Exchange],
    client: Client,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(relay.stopped, None);
    let to_server: Vec<u8> = exchanges.iter().flat_map(|each| each.to_server.clone()).collect();
    prop_assert_eq!(
        relay.to_server.escape_ascii().to_string(),
        to_server.escape_ascii().to_string()
    );
    prop_assert_eq!(relay.held(), (0, 0, 0), "held back at the end");
    prop_assert!(relay.most_held_of_server <= MOST_HELD);
    prop_assert!(client == Client::Eager || relay.most_held_of_client <= MOST_HELD);
    prop_assert!(relay.dialogue.is_quiet());
    prop_assert!(!relay.dialogue.awaits_answer());
    Ok(())
}
