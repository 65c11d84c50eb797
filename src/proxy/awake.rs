//! Notices what leaves connections dead without a word: that the machine has slept, and that it is
//! on another network.

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(5);
/// A difference that no busy machine brings about, and no clock that is set a little.
const SLEPT: Duration = Duration::from_secs(20);

/// Counts it, for as long as somebody listens.
pub(super) async fn watch(woke: watch::Sender<u64>) {
    let mut own = Own::now();
    while !woke.is_closed() {
        let (monotonic, wall) = (Instant::now(), SystemTime::now());
        sleep(LOOK).await;
        let slept = has_slept(monotonic.elapsed(), wall.elapsed().unwrap_or_default());
        let moved = own.has_moved(Own::now());
        if slept || moved {
            tracing::info!(slept, moved, "the connections to providers are made anew");
            woke.send_modify(|count| *count += 1);
        }
    }
}

/// The wall clock went on while the monotonic one stood still (as it does on Linux and macOS), or a
/// short sleep took long (as on Windows, where both go on).
fn has_slept(monotonic: Duration, wall: Duration) -> bool {
    monotonic.max(wall) > LOOK + SLEPT
}

/// This machine's addresses towards the internet, by IPv4 and by IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Own([Option<IpAddr>; 2]);

impl Own {
    fn now() -> Self {
        // To connect a UDP socket sends nothing: it asks the routing table. These are addresses that
        // nobody has (RFC 5737, RFC 3849).
        let towards = |own: &str, there: &str| {
            let socket = UdpSocket::bind((own, 0)).ok()?;
            socket.connect((there, 9)).ok()?;
            socket.local_addr().ok().map(|address| address.ip())
        };
        Self([towards("0.0.0.0", "192.0.2.1"), towards("::", "2001:db8::1")])
    }

    /// True if connections from the addresses until now are dead, and others can be made. IPv6's change
    /// while all is well (RFC 8981), so that they count only where there is no IPv4.
    fn has_moved(&mut self, now: Self) -> bool {
        let Self([before, before_six]) = *self;
        let Self([after, after_six]) = now;
        let (before, after) = match (before, after) {
            (None, None) => (before_six, after_six),
            addresses => addresses,
        };
        if after.is_none() {
            // Away: what comes back is compared with what was.
            return false;
        }
        *self = now;
        before != after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_told_from_a_busy_machine() {
        let seconds = Duration::from_secs;
        assert!(!has_slept(seconds(5), seconds(5)));
        assert!(!has_slept(seconds(12), seconds(12)));
        assert!(!has_slept(seconds(5), Duration::ZERO));
        assert!(has_slept(seconds(5), seconds(3600)));
        assert!(has_slept(seconds(3600), seconds(3600)));
    }

    #[test]
    fn another_network_is_told_from_a_short_outage() {
        let own = |four: Option<&str>, six: Option<&str>| {
            let address = |text: Option<&str>| text.map(|text| text.parse().unwrap());
            Own([address(four), address(six)])
        };
        let (home, away) = (own(Some("192.168.1.2"), Some("fd00::1")), own(None, None));
        let mut now = home;
        assert!(!now.has_moved(home));
        assert!(!now.has_moved(own(Some("192.168.1.2"), Some("fd00::2"))), "a temporary address");
        assert!(!now.has_moved(away) && !now.has_moved(home), "nothing is dead yet");
        assert!(!now.has_moved(away) && now.has_moved(own(Some("10.0.0.7"), None)));
        let mut now = own(None, Some("fd00::1"));
        assert!(now.has_moved(own(None, Some("fd00::2"))), "all there is");
        assert!(now.has_moved(home), "another way");
        assert_eq!(Own::now(), Own::now());
    }
}
