//! A planned change of connections: the new one is there before the old one is left.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::speech::is_tagged;
use super::takeover::{Fault, Renumber};
use super::{Carried, Supply, next};
use crate::protocol::dialogue::Dialogue as _;
use crate::protocol::imap::{Moment, Unlike};
use crate::proxy::relay::End;

/// How long the old connection may take to end its IDLE: a dead one is known by its silence.
const FREEZE: Duration = Duration::from_secs(3);
/// A change that could not be made is tried again after this.
const POSTPONED: Duration = Duration::from_secs(30);

impl<C, S> Carried<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    S: Supply,
{
    /// Lets the connection that is ready take over from the present one, which goes on if that fails.
    /// `held`: the client's command is held for it.
    pub(super) async fn change(&mut self, held: bool) -> Result<(), End> {
        self.dialogue.stay();
        if held {
            self.dialogue.release();
        }
        let Some((turn, mut leg)) = self.ready.take() else { return Ok(()) };
        // Frozen, the old connection and the client know the same.
        let frozen = match self.freeze(held).await {
            Ok(()) => true,
            Err(End::UpstreamLeft) => false,
            Err(end) => return Err(end),
        };
        let fault = match self.prove(&mut leg, Renumber::Held(held)).await {
            Ok(proof) => {
                let went_on = self.go_on_with(leg, proof, frozen).await;
                if went_on.is_ok() {
                    self.supply.count().rotated();
                    tracing::info!("another connection to the provider has taken over");
                }
                return went_on;
            }
            Err(fault) => fault,
        };
        if !frozen {
            return Err(End::UpstreamLeft);
        }
        if matches!(fault, Fault::View(Unlike::Renumbered)) {
            self.dialogue.stay_until_open();
            self.ready = Some((turn, leg));
        } else {
            tracing::info!("the session stays with its connection for now: {fault}");
            self.next = Box::pin(next(self.supply, self.version, Instant::now() + POSTPONED));
        }
        self.idle_again().await
    }

    /// Ends the provider's IDLE, while the client's stays open, and learns the last arrivals.
    async fn freeze(&mut self, held: bool) -> Result<(), End> {
        if let Some(tag) = self.dialogue.open_idle().map(<[u8]>::to_vec) {
            let ended = self.pass_answers(b"DONE\r\n", |response| is_tagged(response, &tag));
            timeout(FREEZE, ended).await.unwrap_or(Err(End::UpstreamLeft))?;
        }
        // The answer to the search may renumber messages.
        let is_open = self.dialogue.moment(held) == Some(Moment::Open);
        match is_open && self.dialogue.wants_list() {
            true => self.list().await,
            false => Ok(()),
        }
    }
}
