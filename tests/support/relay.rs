//! A relay without sockets: it keeps the contract of `protocol::dialogue` and nothing more.

use gatepost::protocol::dialogue::Violation;
use gatepost::protocol::{Dialogue, Verdict};

/// A dialogue with what waits before it and what came out of it.
pub(crate) struct Relay<D> {
    pub(crate) dialogue: D,
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    /// Replies of the proxy's own that wait for their turn.
    answers: Vec<u8>,
    pub(crate) to_client: Vec<u8>,
    pub(crate) to_server: Vec<u8>,
    pub(crate) stopped: Option<Violation>,
    /// The most bytes that were held back after everything was judged.
    pub(crate) most_held_of_client: usize,
    pub(crate) most_held_of_server: usize,
}

impl<D: Dialogue> Relay<D> {
    pub(crate) fn new(dialogue: D) -> Self {
        Self {
            dialogue,
            from_client: Vec::new(),
            from_server: Vec::new(),
            answers: Vec::new(),
            to_client: Vec::new(),
            to_server: Vec::new(),
            stopped: None,
            most_held_of_client: 0,
            most_held_of_server: 0,
        }
    }

    /// Takes in what the client sent and moves on what may go.
    pub(crate) fn client_sent(&mut self, bytes: &[u8]) {
        self.from_client.extend_from_slice(bytes);
        self.run();
    }

    /// Takes in what the server sent and moves on what may go.
    pub(crate) fn server_sent(&mut self, bytes: &[u8]) {
        self.from_server.extend_from_slice(bytes);
        self.run();
    }

    /// The client's bytes that are held back, the server's, and the proxy's own for the client.
    pub(crate) fn held(&self) -> (usize, usize, usize) {
        (self.from_client.len(), self.from_server.len(), self.answers.len())
    }

    fn run(&mut self) {
        // What one side sends may set free what the other had to hold back.
        while self.stopped.is_none() && (self.judge_client() | self.judge_server()) {}
        self.most_held_of_client = self.most_held_of_client.max(self.from_client.len());
        self.most_held_of_server = self.most_held_of_server.max(self.from_server.len());
    }

    fn judge_client(&mut self) -> bool {
        let mut moved = false;
        while self.stopped.is_none() && !self.from_client.is_empty() {
            let there = self.from_client.len();
            match self.dialogue.client_sent(&self.from_client) {
                Verdict::Pass(length) => {
                    assert_takes(length, there);
                    self.to_server.extend(self.from_client.drain(..length));
                }
                Verdict::Replace { take, with } => {
                    assert_takes(take, there);
                    self.from_client.drain(..take);
                    self.to_server.extend(with);
                }
                Verdict::Answer { take, reply } => {
                    assert_takes(take, there);
                    self.from_client.drain(..take);
                    self.answers.extend(reply);
                    self.interject();
                }
                // Whoever drives the dialogue has done what it was held for.
                Verdict::Hold => self.dialogue.release(),
                Verdict::Wait => break,
                Verdict::Stop(violation) => self.stopped = Some(violation),
            }
            moved = true;
        }
        moved
    }

    fn judge_server(&mut self) -> bool {
        let mut moved = false;
        while self.stopped.is_none() && !self.from_server.is_empty() {
            let there = self.from_server.len();
            match self.dialogue.server_sent(&self.from_server) {
                Verdict::Pass(length) => {
                    assert_takes(length, there);
                    self.to_client.extend(self.from_server.drain(..length));
                }
                Verdict::Replace { take, with } => {
                    assert_takes(take, there);
                    self.from_server.drain(..take);
                    self.to_client.extend(with);
                }
                Verdict::Answer { .. } | Verdict::Hold => panic!("the server is never answered"),
                Verdict::Wait => break,
                Verdict::Stop(violation) => self.stopped = Some(violation),
            }
            self.interject();
            moved = true;
        }
        moved
    }

    fn interject(&mut self) {
        if self.dialogue.may_interject() {
            self.to_client.append(&mut self.answers);
        }
    }
}

fn assert_takes(length: usize, there: usize) {
    assert!(0 < length && length <= there, "took {length} of {there}");
}
