//! When the token of each account was last obtained, over restarts: Google ends a grant that was not
//! used for six months.
//!
//! It is kept in a file of its own, so that no account's record is ever written for it. A file that is
//! lost or damaged is none.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::private_file;

/// How often the file is written for an account. Months are what counts.
const AGAIN: u64 = 24 * 60 * 60;
/// A longer file is not one of Gatepost's.
const LONGEST: u64 = 4 * 1024 * 1024;

/// Unix seconds by account.
type Times = BTreeMap<String, u64>;

pub(super) struct LastUsed {
    file: PathBuf,
    known: Mutex<Known>,
    /// One writes at a time, so that the last one's is what stays.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Known {
    at: Times,
    written: Times,
}

impl LastUsed {
    /// Reads the file.
    pub(super) fn load(file: PathBuf) -> Self {
        let bytes = private_file::read_bounded(&file, LONGEST).ok();
        let at: Times =
            bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let known = Mutex::new(Known { written: at.clone(), at });
        Self { file, known, writing: Mutex::default() }
    }

    /// When a token of this account was last obtained.
    pub(super) fn at(&self, account: &str) -> Option<u64> {
        self.lock().at.get(account).copied()
    }

    /// One was obtained `now`, in Unix seconds; true if the file should be written.
    fn note(&self, account: &str, now: u64) -> bool {
        let mut known = self.lock();
        known.at.insert(account.to_owned(), now);
        let is_due = known.written.get(account).is_none_or(|at| at.abs_diff(now) >= AGAIN);
        if is_due {
            // All of them are written at once.
            known.written = known.at.clone();
        }
        is_due
    }

    /// Forgets all but these; true if there was one to forget.
    fn keep(&self, accounts: &[&str]) -> bool {
        let mut known = self.lock();
        let before = known.at.len();
        known.at.retain(|account, _| accounts.contains(&account.as_str()));
        let is_less = known.at.len() < before;
        if is_less {
            known.written = known.at.clone();
        }
        is_less
    }

    /// One was obtained `now`, in Unix seconds.
    pub(super) fn used(self: &Arc<Self>, account: &str, now: u64) {
        if self.note(account, now) {
            self.write_beside();
        }
    }

    /// Forgets all but these accounts.
    pub(super) fn keep_only(self: &Arc<Self>, accounts: &[&str]) {
        if self.keep(accounts) {
            self.write_beside();
        }
    }

    /// Nobody waits for the disk.
    fn write_beside(self: &Arc<Self>) {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.write());
    }

    fn write(&self) {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let times = self.lock().at.clone();
        let bytes = serde_json::to_vec(&times).unwrap_or_default();
        if let Err(error) = private_file::write_atomically(&self.file, &bytes) {
            // It is written again tomorrow.
            tracing::debug!("{} can't be written ({error})", self.file.display());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YOU: &str = "you@gmail.com";

    fn file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("used.json");
        (folder, file)
    }

    #[test]
    fn it_outlives_a_restart_and_is_written_once_a_day() {
        let (_folder, file) = file();
        let used = LastUsed::load(file.clone());
        assert_eq!(used.at(YOU), None);
        assert!(used.note(YOU, 1_000_000));
        used.write();
        assert!(!used.note(YOU, 1_000_000 + AGAIN - 1), "known, and not written");
        assert_eq!(used.at(YOU), Some(1_000_000 + AGAIN - 1));
        let used = LastUsed::load(file);
        assert_eq!(used.at(YOU), Some(1_000_000));
        assert!(!used.note(YOU, 1_000_001));
        assert!(used.note(YOU, 1_000_000 + AGAIN));
        // A clock that was set back by a year.
        assert!(used.note(YOU, 1));
    }

    #[test]
    fn a_damaged_file_is_none_and_a_forgotten_account_goes() {
        let (_folder, file) = file();
        for bad in ["", "{", "[1]", "{\"you@gmail.com\": -1}", "{\"you@gmail.com\": \"x\"}"] {
            std::fs::write(&file, bad).unwrap();
            assert_eq!(LastUsed::load(file.clone()).at(YOU), None, "{bad}");
        }
        let used = LastUsed::load(file.clone());
        assert!(used.note(YOU, 5) && used.note("other@gmail.com", 6));
        assert!(!used.keep(&[YOU, "other@gmail.com"]) && used.keep(&[YOU]));
        used.write();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), r#"{"you@gmail.com":5}"#);
    }

    #[test]
    fn what_can_not_be_written_harms_nothing() {
        let (folder, _) = file();
        let used = LastUsed::load(folder.path().join("no such folder").join("used.json"));
        assert!(used.note(YOU, 5));
        used.write();
        assert_eq!(used.at(YOU), Some(5));
    }
}
