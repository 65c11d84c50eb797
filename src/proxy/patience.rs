//! What a wrong password costs.
//!
//! On this machine a second, always: everything comes from one address, and some mail programs try an
//! empty password first. Another machine that goes on guessing waits ever longer; that it knows the
//! password of one account makes it no better at the others'.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::places::machine;

/// The first wrong password.
const LEAST: Duration = Duration::from_secs(1);
/// Mail programs give up after a minute.
const MOST: Duration = Duration::from_secs(30);
/// Who has been silent for so long begins anew.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// As many machines are remembered, the latest.
const MOST_PEERS: usize = 1024;

/// The wrong passwords of other machines.
#[derive(Default)]
pub(super) struct Patience(Mutex<HashMap<IpAddr, Guesses>>);

struct Guesses {
    wrong: u32,
    last: Instant,
}

impl Patience {
    /// A wrong password came from there: how long its answer takes.
    pub(super) fn wrong(&self, peer: IpAddr) -> Duration {
        if peer.is_loopback() {
            return LEAST;
        }
        let now = Instant::now();
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|_, guesses| now.duration_since(guesses.last) < FORGOTTEN);
        let peer = machine(peer);
        if peers.len() >= MOST_PEERS
            && !peers.contains_key(&peer)
            && let Some(oldest) =
                peers.iter().min_by_key(|(_, guesses)| guesses.last).map(|(peer, _)| *peer)
        {
            peers.remove(&oldest);
        }
        let guesses = peers.entry(peer).or_insert(Guesses { wrong: 0, last: now });
        guesses.wrong = guesses.wrong.saturating_add(1);
        guesses.last = now;
        LEAST.saturating_mul(1 << (guesses.wrong - 1).min(16)).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn another_machine_waits_ever_longer_and_this_one_does_not() {
        let patience = Patience::default();
        let seconds = |peer: &str| patience.wrong(peer.parse().unwrap()).as_secs();
        let of = |peer: &str| [(); 7].map(|()| seconds(peer));
        assert_eq!(of("127.0.0.1"), [1; 7]);
        assert_eq!(of("192.168.1.7"), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(seconds("192.168.1.8"), 1);
        assert_eq!([seconds("fd00::1"), seconds("fd00::2"), seconds("fd00:0:0:1::1")], [1, 2, 1]);
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(seconds("192.168.1.8"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_remembered_than_fit() {
        let patience = Patience::default();
        for peer in 0..2000_u32 {
            patience.wrong(IpAddr::from((0x0a00_0000 + peer).to_be_bytes()));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(patience.0.lock().unwrap().len(), MOST_PEERS);
        let latest = IpAddr::from((0x0a00_0000_u32 + 1999).to_be_bytes());
        assert_eq!(patience.wrong(latest).as_secs(), 2);
    }
}
