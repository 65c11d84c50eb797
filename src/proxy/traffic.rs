//! Bytes between mail clients and the provider, by the hour. Pure: the time is an argument.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What is shown: a day.
pub(super) const HOURS: u64 = 24;
/// The length of an hour, in seconds.
const HOUR: u64 = 3600;

/// Bytes by protocol and direction; down is to the mail client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// From the provider to IMAP clients.
    pub imap_down: u64,
    /// From IMAP clients to the provider.
    pub imap_up: u64,
    /// From the provider to SMTP clients.
    pub smtp_down: u64,
    /// From SMTP clients to the provider.
    pub smtp_up: u64,
}

/// One hour of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// Unix seconds; a whole hour of UTC.
    pub begins_at: u64,
    /// What passed in it.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// One protocol's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) down: u64,
    pub(super) up: u64,
}

/// Counts one protocol's bytes. In the hour that is counted already, a count is one addition; the first
/// one of another hour puts the last hour away, so that no task has to wake up for it.
#[derive(Default)]
pub(super) struct Hours {
    /// Which hour is counted, in hours since 1970.
    hour: AtomicU64,
    down: AtomicU64,
    up: AtomicU64,
    put_away: Mutex<PutAway>,
}

#[derive(Default)]
struct PutAway {
    /// By the hour since 1970.
    hours: BTreeMap<u64, Bytes>,
    /// All that was put away, whatever became of its hour.
    in_all: Bytes,
}

impl Traffic {
    /// Of all protocols, to mail clients.
    pub fn down(&self) -> u64 {
        self.imap_down.saturating_add(self.smtp_down)
    }

    /// Of all protocols, to the provider.
    pub fn up(&self) -> u64 {
        self.imap_up.saturating_add(self.smtp_up)
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        for (mine, more) in [
            (&mut self.imap_down, other.imap_down),
            (&mut self.imap_up, other.imap_up),
            (&mut self.smtp_down, other.smtp_down),
            (&mut self.smtp_up, other.smtp_up),
        ] {
            *mine = mine.saturating_add(more);
        }
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        self.down = self.down.saturating_add(other.down);
        self.up = self.up.saturating_add(other.up);
    }
}

impl Hours {
    /// So many bytes went to a mail client at `now`, in Unix seconds.
    pub(super) fn add_down(&self, now: u64, bytes: usize) {
        self.turn_to(now / HOUR);
        self.down.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// So many bytes went to the provider at `now`.
    pub(super) fn add_up(&self, now: u64, bytes: usize) {
        self.turn_to(now / HOUR);
        self.up.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// All that was ever counted.
    pub(super) fn in_all(&self) -> Bytes {
        let put_away = self.lock();
        let mut all = put_away.in_all;
        all += self.counted();
        all
    }

    /// What passed in each of the last 24 hours, oldest first; that of `now` is the last.
    fn last(&self, now: u64) -> [Bytes; HOURS as usize] {
        self.turn_to(now / HOUR);
        let put_away = self.lock();
        let counting = self.hour.load(Ordering::Relaxed);
        let first = (now / HOUR + 1).saturating_sub(HOURS);
        std::array::from_fn(|index| {
            let hour = first + index as u64;
            let mut bytes = put_away.hours.get(&hour).copied().unwrap_or_default();
            if hour == counting {
                bytes += self.counted();
            }
            bytes
        })
    }

    /// A clock that was set back is believed: what was counted in an hour that comes again is added to.
    fn turn_to(&self, hour: u64) {
        if self.hour.load(Ordering::Relaxed) == hour {
            return;
        }
        let mut put_away = self.lock();
        let before = self.hour.load(Ordering::Relaxed);
        if before == hour {
            return;
        }
        // Whoever adds between this and the new hour's begin is counted in the new one, and not lost.
        let counted = Bytes {
            down: self.down.swap(0, Ordering::Relaxed),
            up: self.up.swap(0, Ordering::Relaxed),
        };
        put_away.in_all += counted;
        *put_away.hours.entry(before).or_default() += counted;
        put_away.hours.retain(|it, bytes| *bytes != Bytes::default() && it.abs_diff(hour) < HOURS);
        self.hour.store(hour, Ordering::Relaxed);
    }

    fn counted(&self) -> Bytes {
        Bytes { down: self.down.load(Ordering::Relaxed), up: self.up.load(Ordering::Relaxed) }
    }

    fn lock(&self) -> MutexGuard<'_, PutAway> {
        self.put_away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last 24 hours of an account, oldest first, the one of `now` last.
pub(super) fn last_hours(imap: &Hours, smtp: &Hours, now: u64) -> Vec<Hour> {
    let first = (now / HOUR + 1).saturating_sub(HOURS);
    let both = imap.last(now).into_iter().zip(smtp.last(now));
    let hours = both.enumerate().map(|(index, (imap, smtp))| Hour {
        begins_at: (first + index as u64) * HOUR,
        traffic: Traffic {
            imap_down: imap.down,
            imap_up: imap.up,
            smtp_down: smtp.down,
            smtp_up: smtp.up,
        },
    });
    hours.collect()
}

/// All that was ever counted of an account.
pub(super) fn in_all(imap: &Hours, smtp: &Hours) -> Traffic {
    let (imap, smtp) = (imap.in_all(), smtp.in_all());
    Traffic { imap_down: imap.down, imap_up: imap.up, smtp_down: smtp.down, smtp_up: smtp.up }
}

/// The sum of hours.
pub(super) fn sum(hours: &[Hour]) -> Traffic {
    let mut sum = Traffic::default();
    hours.iter().for_each(|hour| sum += hour.traffic);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    #[test]
    fn an_hour_passes_and_a_day_is_kept() {
        let (imap, smtp) = (Hours::default(), Hours::default());
        let noon = 1_800_000_000 / HOUR * HOUR;
        imap.add_down(noon, 10);
        imap.add_up(noon + 3599, 1);
        smtp.add_up(noon + 3600, 100);
        let hours = last_hours(&imap, &smtp, noon + 3600);
        assert_eq!(hours.len(), 24);
        assert_eq!(hours[22].begins_at, noon);
        assert_eq!(hours[22].traffic, Traffic { imap_down: 10, imap_up: 1, ..Traffic::default() });
        assert_eq!(hours[23].traffic, Traffic { smtp_up: 100, ..Traffic::default() });
        let today = sum(&hours);
        assert_eq!((today.down(), today.up()), (10, 101));
        // 23 hours later the first is still the oldest of the day, another hour later it is gone.
        assert_eq!(last_hours(&imap, &smtp, noon + 23 * HOUR)[0].traffic.imap_down, 10);
        assert_eq!(sum(&last_hours(&imap, &smtp, noon + 24 * HOUR)).imap_down, 0);
        assert_eq!(imap.in_all(), Bytes { down: 10, up: 1 });
    }

    #[test]
    fn the_form_that_scripts_read() {
        let hour =
            Hour { begins_at: 7200, traffic: Traffic { imap_down: 1, ..Traffic::default() } };
        assert_eq!(
            serde_json::to_string(&hour).unwrap(),
            r#"{"begins_at":7200,"imap_down":1,"imap_up":0,"smtp_down":0,"smtp_up":0}"#
        );
        let read = serde_json::from_str::<Hour>(&serde_json::to_string(&hour).unwrap());
        assert_eq!(read.unwrap(), hour);
    }

    #[test]
    fn nothing_is_lost_while_hours_turn_under_many_hands() {
        let hours = Arc::new(Hours::default());
        let hands = (0..4_u64).map(|hand| {
            let hours = hours.clone();
            std::thread::spawn(move || {
                for step in 0..20_000_u64 {
                    hours.add_down((step + hand) / 7 * HOUR, 1);
                }
            })
        });
        hands.collect::<Vec<_>>().into_iter().for_each(|hand| hand.join().unwrap());
        assert_eq!(hours.in_all().down, 80_000);
    }

    proptest! {
        /// Against a list of all that was ever counted, with a clock that runs, jumps and is set back.
        #[test]
        fn each_byte_is_in_its_hour(
            steps in prop::collection::vec((-5_400_i64..90_000, 0_usize..1000, any::<bool>()), 1..80)
        ) {
            let hours = Hours::default();
            let mut now = 1_800_000_000_u64;
            let mut all: Vec<(u64, Bytes)> = Vec::new();
            for (by, bytes, is_down) in steps {
                let before = now / HOUR;
                now = now.saturating_add_signed(by);
                // What is a day from the clock is forgotten, also if the clock comes back to it.
                if before != now / HOUR {
                    all.retain(|(hour, _)| hour.abs_diff(now / HOUR) < HOURS);
                }
                if is_down { hours.add_down(now, bytes) } else { hours.add_up(now, bytes) }
                let (down, up) = if is_down { (bytes, 0) } else { (0, bytes) };
                all.push((now / HOUR, Bytes { down: down as u64, up: up as u64 }));
                let last = hours.last(now);
                for (index, told) in last.into_iter().enumerate() {
                    let hour = now / HOUR + 1 + index as u64 - HOURS;
                    let mut expected = Bytes::default();
                    all.iter().filter(|(it, _)| *it == hour).for_each(|(_, it)| expected += *it);
                    prop_assert_eq!(told, expected);
                }
                prop_assert!(hours.lock().hours.len() < 2 * HOURS as usize);
            }
        }
    }
}
