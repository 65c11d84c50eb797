//! How many sessions this process can have. Each has two descriptors, its client's and its server's; one
//! that came when there were none left would hang, and so would `status` and `stop`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Descriptors for everything else: listeners, files, token requests, the control channel, and
/// connections that are just changed for others.
const RESERVE: usize = 64;

/// How long a seat is waited for whose client was sent away: it is told, and goes.
const LEAVING: Duration = Duration::from_secs(2);

/// A system that lets a program have fewer sessions than this is in a person's way.
const FEW: usize = 250;

/// As many sessions as there can be.
pub(super) struct Capacity(Option<Limited>);

struct Limited {
    seats: Arc<Semaphore>,
    limits: Limits,
}

/// A session's own seat, where they are counted.
pub(super) type Seat = Option<OwnedSemaphorePermit>;

/// What the system lets this process have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Descriptors.
    pub descriptors: usize,
    /// Sessions, by them.
    pub sessions: usize,
}

impl Limits {
    pub(crate) fn of(descriptors: usize) -> Self {
        Self { descriptors, sessions: descriptors.saturating_sub(RESERVE).max(2) / 2 }
    }

    /// True if they are too few for more than a person or two.
    pub fn are_low(self) -> bool {
        self.sessions < FEW
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, sessions } = self;
        write!(
            f,
            "this system lets Gatepost have {descriptors} descriptors, which is enough for {sessions} \
             connections of mail programs: raise the limit (`ulimit -Hn`, or `LimitNOFILE=` in a systemd unit)"
        )
    }
}

impl Capacity {
    /// Raises the limit of descriptors as far as the system lets it: the soft one of many systems is
    /// 1,024, the hard one far more.
    pub(super) fn raise() -> Self {
        Self(raised().map(Limits::of).map(|limits| Limited {
            seats: Arc::new(Semaphore::new(limits.sessions.min(Semaphore::MAX_PERMITS))),
            limits,
        }))
    }

    /// A seat for one more session.
    ///
    /// # Errors
    /// The limits, where there is none left.
    pub(super) fn seat(&self) -> Result<Seat, Limits> {
        let seat = |Limited { seats, limits }: &Limited| {
            seats.clone().try_acquire_owned().map_err(|_| *limits)
        };
        self.0.as_ref().map(seat).transpose()
    }

    /// A seat that somebody is about to leave.
    ///
    /// # Errors
    /// The limits, where nobody has.
    pub(super) async fn seat_soon(&self) -> Result<Seat, Limits> {
        let Some(Limited { seats, limits }) = &self.0 else { return Ok(None) };
        match timeout(LEAVING, seats.clone().acquire_owned()).await {
            Ok(Ok(seat)) => Ok(Some(seat)),
            _ => Err(*limits),
        }
    }

    pub(super) fn limits(&self) -> Option<Limits> {
        self.0.as_ref().map(|limited| limited.limits)
    }
}

#[cfg(unix)]
fn raised() -> Option<usize> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)
        .or_else(|_| rlimit::getrlimit(rlimit::Resource::NOFILE).map(|(soft, _)| soft));
    limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)).ok()
}

/// Windows has no such limit.
#[cfg(windows)]
fn raised() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept_for_what_is_no_session() {
        assert_eq!(Limits::of(1_064).sessions, 500);
        assert!(Limits::of(256).are_low() && !Limits::of(1_024).are_low());
        // However few: a person can still say what is the matter.
        assert_eq!(Limits::of(10).sessions, 1);
        let limits = Limits { descriptors: 66, sessions: 1 };
        let full = Capacity(Some(Limited { seats: Arc::new(Semaphore::new(1)), limits }));
        let seat = full.seat();
        assert!(seat.is_ok());
        assert_eq!(full.seat().err(), Some(limits));
        drop(seat);
        assert!(full.seat().is_ok());
    }
}
