//! The wall clock, as the proxy's records have it.

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time in Unix seconds; 0 for one before 1970.
pub(super) fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Unix seconds.
pub(super) fn now() -> u64 {
    unix(SystemTime::now())
}
