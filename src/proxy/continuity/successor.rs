//! The connection that is to take over from the present one.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::{Leg, Supply};
use crate::proxy::relay::Part;
use crate::proxy::trouble::Trouble;

/// The pauses between attempts to get it.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(900);
/// One that can't take over within this is left: other sessions wait for their turn.
const READY: Duration = Duration::from_secs(10);

/// Waits until it is wanted, and makes it while the present one serves.
pub(super) struct Successor<'s, S: Supply> {
    supply: &'s S,
    /// The token by which the present connection lives.
    version: u64,
    pause: Duration,
    stage: Stage<'s, S>,
}

/// A connection, and the turn to take over by it.
pub(super) type Next<S> = (<S as Supply>::Turn, Leg<<S as Supply>::Stream>);

type Later<'s, T> = Pin<Box<dyn Future<Output = T> + Send + 's>>;

enum Stage<'s, S: Supply> {
    /// A set of one; see `relay`, which asks at each byte.
    Waiting(FuturesUnordered<Later<'s, ()>>),
    /// The next moment at which it could take over is waited for, to be in nobody's way before.
    Wanted,
    Connecting(Later<'s, Result<Next<S>, Trouble>>),
    Ready(Next<S>, Pin<Box<Sleep>>),
}

impl<'s, S: Supply> Stage<'s, S> {
    fn waiting(until: impl Future<Output = ()> + Send + 's) -> Self {
        let until: Later<'s, ()> = Box::pin(until);
        Self::Waiting(FuturesUnordered::from_iter([until]))
    }
}

impl<'s, S: Supply> Successor<'s, S> {
    pub(super) fn new(supply: &'s S, version: u64, wanted_at: Instant) -> Self {
        let stage = Stage::waiting(until_wanted(supply.woke(), wanted_at));
        Self { supply, version, pause: FIRST_PAUSE, stage }
    }

    /// None is wanted, as long as there is none to take over from.
    pub(super) fn never(supply: &'s S, version: u64) -> Self {
        Self { supply, version, pause: FIRST_PAUSE, stage: Stage::waiting(pending()) }
    }

    /// Takes it, if it is there.
    pub(super) fn take(&mut self) -> Option<Next<S>> {
        match std::mem::replace(&mut self.stage, Stage::Wanted) {
            Stage::Ready(next, _) => Some(next),
            stage => {
                self.stage = stage;
                None
            }
        }
    }

    /// Takes it as soon as it is there, which is begun at once if it isn't yet.
    pub(super) async fn now(&mut self) -> Result<Next<S>, Trouble> {
        loop {
            if let Some(next) = self.take() {
                return Ok(next);
            }
            if let Stage::Connecting(next) = &mut self.stage {
                let next = next.as_mut().await;
                self.stage = Stage::Wanted;
                return next;
            }
            let next = self.supply.successor(self.version);
            self.stage = Stage::Connecting(Box::pin(next));
        }
    }

    /// It could not take over: another attempt later.
    pub(super) fn postpone(&mut self) {
        let wanted_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.stage = Stage::waiting(until_wanted(self.supply.woke(), wanted_at));
    }
}

impl<S: Supply> Part for Successor<'_, S> {
    fn is_wanted(&mut self, cx: &mut Context<'_>, possible: bool) -> bool {
        loop {
            match &mut self.stage {
                Stage::Waiting(wait) => match wait.poll_next_unpin(cx) {
                    Poll::Ready(_) => self.stage = Stage::Wanted,
                    Poll::Pending => return false,
                },
                Stage::Wanted if !possible => return false,
                Stage::Wanted => {
                    let next = self.supply.successor(self.version);
                    self.stage = Stage::Connecting(Box::pin(next));
                }
                Stage::Connecting(next) => match next.as_mut().poll(cx) {
                    Poll::Ready(Ok(next)) => {
                        self.stage = Stage::Ready(next, Box::pin(sleep(READY)));
                    }
                    Poll::Ready(Err(trouble)) => {
                        tracing::debug!("no other connection yet: {trouble}");
                        self.postpone();
                    }
                    Poll::Pending => return false,
                },
                Stage::Ready(_, until) => match until.as_mut().poll(cx) {
                    Poll::Ready(()) => self.postpone(),
                    Poll::Pending => return true,
                },
            }
        }
    }
}

async fn until_wanted(mut woke: watch::Receiver<u64>, wanted_at: Instant) {
    woke.mark_unchanged();
    tokio::select! {
        () = sleep_until(wanted_at) => {}
        // The machine slept: the connection may be dead, and nobody would notice.
        Ok(()) = woke.changed() => {}
    }
}
