//! A planned change of connections: the new one is there before the old one is left.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::speech::is_tagged;
use super::takeover::Fault;
use super::{Carried, Supply};
use crate::protocol::dialogue::Dialogue as _;
use crate::protocol::imap::Moment;
use crate::proxy::relay::End;

/// How long the old connection may take to end its IDLE: a dead one is known by its silence.
const FREEZE: Duration = Duration::from_secs(3);
/// How long a command of the client's is held for a connection that isn't there yet.
const HELD: Duration = Duration::from_secs(5);

impl<C, S> Carried<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    S: Supply,
{
    /// Lets another connection take over from the present one, which goes on if that fails. `held`: the
    /// client's command is held for it.
    pub(super) async fn change(&mut self, held: bool) -> Result<(), End> {
        self.dialogue.stay();
        if held {
            self.dialogue.release();
        }
        let Ok(Ok((turn, mut leg))) = timeout(HELD, self.next.now()).await else {
            self.next.postpone();
            return Ok(());
        };
        // Frozen, the old connection and the client know the same.
        let (alive, answered) = match self.freeze(held).await {
            Ok(answered) => (true, answered),
            Err(End::UpstreamLeft) => (false, false),
            Err(end) => return Err(end),
        };
        // One that serves is better than one that is behind.
        let fault = match self.prove(&mut leg, held, Duration::ZERO).await {
            Ok(proof) => {
                // Without the old one there is no second connection.
                let _turn = Some(turn).filter(|_| answered);
                self.go_on_with(leg, proof, answered).await?;
                self.supply.count().rotated();
                tracing::info!("another connection to the provider has taken over");
                return Ok(());
            }
            Err(fault) => fault,
        };
        if !alive {
            return Err(End::UpstreamLeft);
        }
        let is_open = self.dialogue.moment(held) == Some(Moment::Open);
        if !is_open && matches!(fault, Fault::View(_)) {
            self.dialogue.stay_until_open();
        } else {
            tracing::info!("the session stays with its connection for now: {fault}");
            self.next.postpone();
        }
        self.idle_again().await
    }

    /// Ends the provider's IDLE, while the client's stays open, and learns the last arrivals. False if
    /// there was nothing to do by which it would be known that the old connection is alive.
    async fn freeze(&mut self, held: bool) -> Result<bool, End> {
        let idle = self.dialogue.open_idle().map(<[u8]>::to_vec);
        if let Some(tag) = &idle {
            self.pass_answers(b"DONE\r\n", FREEZE, |response| is_tagged(response, tag)).await?;
        }
        // The answer to the search may renumber messages.
        let is_open = self.dialogue.moment(held) == Some(Moment::Open);
        let lists = is_open && self.dialogue.wants_list();
        if lists {
            self.list().await?;
        }
        Ok(idle.is_some() || lists)
    }
}
