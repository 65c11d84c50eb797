//! One proxy a home.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::time::Duration;

use super::Running;
use crate::config::Home;
use crate::private_file;

/// Held as long as a proxy serves a home; the system lets go of it however the process ends.
#[derive(Debug)]
pub struct InstanceLock(#[expect(dead_code, reason = "dropping it unlocks")] File);

/// Why a home can't be served.
#[derive(Debug, thiserror::Error)]
pub enum AlreadyRunning {
    /// Another proxy serves it.
    #[error("Gatepost is running already{}", match .pid { Some(pid) => format!(" (process {pid})"), None => String::new() })]
    Other {
        /// Its process, where it has said so.
        pid: Option<u32>,
    },
    /// The lock can't be taken for another reason.
    #[error("{path} can't be locked ({error})")]
    Io {
        /// The lock's file.
        path: String,
        /// Why.
        error: io::Error,
    },
}

/// How often, and for how long in all, the lock is tried: a command that looks whether a proxy runs
/// holds it for a moment.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

impl InstanceLock {
    /// Takes the lock of `home`, or says who has it.
    pub fn take(home: &Home) -> Result<Self, AlreadyRunning> {
        let path = home.lock_file();
        let fail = |error| AlreadyRunning::Io { path: path.display().to_string(), error };
        private_file::create_private_dir(home.data()).map_err(fail)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(fail)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => {
                    // One that was killed has left it, and its port may be anybody's by now: a command
                    // that sees the lock held would trust that port with a password.
                    let _ = private_file::remove(&home.control_file());
                    return Ok(Self(file));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => return Err(fail(error)),
            }
        }
        Err(AlreadyRunning::Other { pid: Running::pid(home) })
    }

    /// True if a proxy holds the lock of `home`. Nothing is written.
    pub(super) fn is_held(home: &Home) -> bool {
        // Shared, so that two commands that look at once don't take one another for a proxy.
        let looked = File::open(home.lock_file()).map(|file| file.try_lock_shared());
        matches!(looked, Ok(Err(TryLockError::WouldBlock)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_one_that_was_killed_goes_with_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(folder.path()), None).unwrap();
        let left = br#"{"pid":1,"port":9,"token":"00"}"#;
        private_file::write_atomically(&home.control_file(), left).unwrap();
        let _lock = InstanceLock::take(&home).unwrap();
        assert!(InstanceLock::is_held(&home));
        assert!(Running::find(&home).is_err(), "nobody has opened a channel");
    }
}
