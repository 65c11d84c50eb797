//! Checks of passwords that a person chose: each takes a processor and 64 MiB for a good while, so that
//! they run one at a time. They wait here, and not on the threads that others need.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;

/// How long a client waits for its turn; together with the sign-on it waits for less than its minute.
const WAIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct SlowChecks {
    one: Arc<Semaphore>,
    /// Other machines wait here first: this one's own programs find at most one of them before them.
    one_of_others: Arc<Semaphore>,
}

/// The turn of a client.
pub(super) struct Turn {
    _of_others: Option<OwnedSemaphorePermit>,
    _one: OwnedSemaphorePermit,
}

impl Default for SlowChecks {
    fn default() -> Self {
        Self { one: Arc::new(Semaphore::new(1)), one_of_others: Arc::new(Semaphore::new(1)) }
    }
}

impl SlowChecks {
    /// The turn of a client from there; nothing if it waits for too long.
    pub(super) async fn turn(&self, peer: IpAddr) -> Option<Turn> {
        let turn = async {
            let of_others = match peer.is_loopback() {
                true => None,
                false => Some(self.one_of_others.clone().acquire_owned().await.ok()?),
            };
            let one = self.one.clone().acquire_owned().await.ok()?;
            Some(Turn { _of_others: of_others, _one: one })
        };
        timeout(WAIT, turn).await.ok().flatten()
    }

    /// No turn is taken.
    #[cfg(test)]
    pub(super) fn are_at_rest(&self) -> bool {
        self.one.available_permits() == 1 && self.one_of_others.available_permits() == 1
    }
}

impl Turn {
    /// Runs a check. It can't be stopped: the turn lasts as long as the check does, even where the
    /// client has gone and nobody waits for its end.
    pub(super) async fn run<T: Send + 'static>(
        self,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        spawn_blocking(move || {
            let _turn = self;
            check()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_check_has_its_turn_until_it_ends_even_if_its_client_is_gone() {
        let checks = SlowChecks::default();
        for peer in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 168, 1, 7)] {
            let (ends, end) = mpsc::channel::<()>();
            let turn = checks.turn(peer.into()).await.unwrap();
            let client = turn.run(move || end.recv().is_ok());
            assert!(client.now_or_never().is_none(), "it is dropped at its first wait");
            assert!(!checks.are_at_rest());
            assert!(checks.turn(peer.into()).now_or_never().is_none());
            ends.send(()).unwrap();
            let next = checks.turn(peer.into()).await.expect("a turn, the check has ended");
            assert_eq!(next.run(|| 7).await.unwrap(), 7);
        }
        assert!(checks.are_at_rest());
    }
}
