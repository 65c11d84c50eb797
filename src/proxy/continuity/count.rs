//! What became of sessions whose connection to the provider ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Counts it, for one account.
#[derive(Default)]
pub(in crate::proxy) struct Continued(Mutex<Continuity>);

/// What `status` shows of it, since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuity {
    /// Another connection took over before the old one ended.
    pub rotations: u64,
    /// Another connection took over after the old one was lost.
    pub resumptions: u64,
    /// The client was told BYE, by reason.
    pub ended: BTreeMap<String, u64>,
}

impl Continued {
    pub(super) fn rotated(&self) {
        self.lock().rotations += 1;
    }

    pub(super) fn resumed(&self) {
        self.lock().resumptions += 1;
    }

    pub(super) fn ended(&self, reason: &str) {
        *self.lock().ended.entry(reason.to_owned()).or_default() += 1;
    }

    pub(in crate::proxy) fn show(&self) -> Continuity {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Continuity> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
