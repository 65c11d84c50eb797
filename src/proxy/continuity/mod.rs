//! An IMAP session that outlives its connection to the provider.
//!
//! Gmail ends each OAuth session when its token ends (after about an hour), and networks come and
//! go. The client's own connection stays: another one to the provider takes over, and the client is
//! told what changed in its mailbox as if it had been told all along. Where it can't be proved that
//! the client then knows what is true, it is told BYE, and why.
//!
//! *Planned* (`change`), before the token ends: the next connection is signed on while the old one
//! serves; at a moment at which the client may be told what there is to tell, the old one is frozen
//! and the new one takes over. *Unplanned* (`resume`), after a loss: the same without the old one, and
//! the client waits meanwhile. What both do is in `takeover`.

mod change;
mod count;
mod resume;
mod speech;
mod successor;
mod takeover;
#[cfg(test)]
pub(super) mod tests;

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Instant;

pub(super) use self::count::Continued;
pub use self::count::Continuity;
use self::speech::ANSWER;
use self::successor::Successor;
use super::relay::{Carry, End, Ended, Meter, Until, relay};
use super::trouble::Trouble;
use crate::protocol::dialogue::Dialogue as _;
use crate::protocol::imap::{Capabilities, Dialogue, Responses, Step};
use crate::protocol::line::LineEnds;

/// A connection to the provider that is signed on for one client.
pub(super) struct Leg<S> {
    pub(super) stream: S,
    /// What the provider sent behind its sign-on.
    pub(super) rest: Vec<u8>,
    pub(super) capabilities: Capabilities,
    /// Which of the account's tokens it lives by.
    pub(super) version: u64,
    /// When another one should take over.
    pub(super) part_at: Instant,
}

/// What a session gets from the proxy around it.
pub(super) trait Supply: Sync {
    /// A connection to the provider.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Kept for as long as there is a second connection: few of an account's sessions have one at a
    /// time.
    type Turn: Send;
    /// Counts bytes.
    type Meter: Meter + Sync;

    /// A connection besides the present one, which lives by the token `version`; by a newer token.
    fn successor(
        &self,
        version: u64,
    ) -> impl Future<Output = Result<(Self::Turn, Leg<Self::Stream>), Trouble>> + Send;
    /// A connection in the place of one that was lost.
    fn replacement(&self) -> impl Future<Output = Result<Leg<Self::Stream>, Trouble>> + Send;
    /// A short-lived connection besides the present one.
    fn aside(
        &self,
    ) -> impl Future<Output = Result<(Self::Turn, Leg<Self::Stream>), Trouble>> + Send;
    /// Gives the reason once the session must end.
    fn leave(&self) -> impl Future<Output = String> + Send;
    /// Counts the machine's awakenings.
    fn woke(&self) -> watch::Receiver<u64>;
    /// How long an idle client is kept while the provider can't be reached.
    fn outage_hold(&self) -> Duration;
    /// How the client has ended its lines.
    fn line_ends(&self) -> LineEnds {
        LineEnds::default()
    }
    fn meter(&self) -> &Self::Meter;
    fn count(&self) -> &Continued;
}

/// Serves a signed-on client to its end; gives how it ended and the last connection.
pub(super) async fn serve<C, S>(
    client: &mut C,
    supply: &S,
    leg: Leg<S::Stream>,
    from_client: Vec<u8>,
) -> (End, Dialogue, S::Stream)
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    S: Supply,
{
    let Leg { stream, rest, capabilities, version, part_at } = leg;
    let mut carried = Carried {
        client,
        supply,
        dialogue: Dialogue::of(supply.line_ends()),
        stream,
        rest,
        capabilities,
        version,
        next: Successor::new(supply, version, part_at),
        from_client,
        late: None,
        outage: None,
    };
    let end = carried.serve().await;
    (end, carried.dialogue, carried.stream)
}

struct Carried<'s, C, S: Supply> {
    client: &'s mut C,
    supply: &'s S,
    dialogue: Dialogue,
    stream: S::Stream,
    /// What the provider sent and is not judged yet.
    rest: Vec<u8>,
    capabilities: Capabilities,
    version: u64,
    /// The connection that is to take over.
    next: Successor<'s, S>,
    /// What the client sent and is not judged yet.
    from_client: Vec<u8>,
    /// What it is told only behind the `+` of the IDLE that it sent: Thunderbird takes what comes before
    /// for the IDLE's end.
    late: Option<Vec<u8>>,
    /// The last outage, which may not be over yet.
    outage: Option<resume::Outage>,
}

impl<C, S> Carried<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    S: Supply,
{
    async fn serve(&mut self) -> End {
        loop {
            let Ended { why, from_client, from_upstream } = self.relay().await;
            self.from_client = from_client;
            self.rest = from_upstream;
            // On the heap while it lasts: in place it would make each idle session 3 KiB larger.
            let mut went_on = Box::pin(self.went_on(why)).await;
            if let Err(End::UpstreamLeft) = went_on {
                went_on = Box::pin(self.resume()).await;
            }
            if let Err(end) = went_on {
                return end;
            }
        }
    }

    /// Does what a relay ended for; an error is the session's end, or the connection's.
    async fn went_on(&mut self, why: End) -> Result<(), End> {
        match why {
            End::Held if self.dialogue.is_parting() => self.change(true).await,
            End::Held => self.learn().await,
            End::Due => self.change(false).await,
            end => Err(end),
        }
    }

    /// Passes bytes both ways, while the next connection is made when its time has come.
    async fn relay(&mut self) -> Ended {
        let carry = Carry {
            from_client: std::mem::take(&mut self.from_client),
            from_upstream: std::mem::take(&mut self.rest),
        };
        let until = Until { leave: self.supply.leave(), part: &mut self.next };
        let (stream, dialogue) = (&mut self.stream, &mut self.dialogue);
        relay(self.client, stream, dialogue, carry, until, self.supply.meter()).await
    }

    /// Learns the UIDs of the messages in the open mailbox; the client's NOOP, CHECK or IDLE waits.
    async fn learn(&mut self) -> Result<(), End> {
        self.tell_late();
        let learned = self.list().await;
        self.dialogue.release();
        learned?;
        self.idle_late().await
    }

    /// The search on the connection that serves the client. What it brings besides is the client's.
    async fn list(&mut self) -> Result<(), End> {
        let Some((mut listing, command)) = self.dialogue.list(&self.capabilities) else {
            return Ok(());
        };
        let deadline = Instant::now() + ANSWER;
        let mut responses = Responses::new(std::mem::take(&mut self.rest));
        self.send(&command).await?;
        loop {
            let response = self.response(&mut responses, deadline).await?;
            match self.dialogue.listing_response(&mut listing, &response) {
                Step::Own => {}
                Step::Both => self.pass(&response).await?,
                Step::Send(command) => self.send(&command).await?,
                // Without a list the session is served all the same.
                Step::Done | Step::Failed(_) => break,
            }
        }
        self.rest = responses.into_rest();
        Ok(())
    }
}
