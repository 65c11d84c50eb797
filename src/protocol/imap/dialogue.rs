//! A signed-on IMAP session as it passes by: both directions, and what they know of one another.

use super::from_client::FromClient;
use super::from_server::{FromServer, Seen};
use super::ledger::Ledger;
use crate::protocol::dialogue::{self, Farewell, Verdict};

/// Watches a signed-on IMAP session (see [`crate::protocol::Dialogue`]).
///
/// What passes is not parsed further than framing needs: lines, literals skipped by count, tags,
/// and the few commands and responses that must differ.
#[derive(Default)]
pub struct Dialogue {
    client: FromClient,
    server: FromServer,
    ledger: Ledger,
}

impl dialogue::Dialogue for Dialogue {
    fn client_sent(&mut self, buffered: &[u8]) -> Verdict {
        self.client.judge(buffered, &mut self.ledger)
    }

    fn server_sent(&mut self, buffered: &[u8]) -> Verdict {
        let ledger = &mut self.ledger;
        self.server.judge(buffered, &mut |seen| match seen {
            Seen::Continuation => ledger.continuation_came(),
            Seen::Tagged(tag, status) => ledger.tagged_came(tag, status),
        })
    }

    fn may_interject(&self) -> bool {
        self.server.at_line_start()
    }

    fn is_quiet(&self) -> bool {
        let between_commands = self.client.at_command_start() || self.ledger.literal_was_refused();
        between_commands && self.server.at_line_start() && self.ledger.only_idles()
    }

    fn awaits_answer(&self) -> bool {
        !self.ledger.only_idles()
    }

    fn farewell(&self, words: &str) -> Option<Vec<u8>> {
        let may = self.server.at_line_start() && self.server.farewell().is_none();
        may.then(|| format!("* BYE {words}\r\n").into_bytes())
    }

    fn server_farewell(&self) -> Option<&Farewell> {
        self.server.farewell()
    }
}
