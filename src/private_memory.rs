//! What is in this process's memory stays there: no core dump of it, and no other program of the same
//! user that reads it, as far as the system lets a program have that.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many have the process shown just now; `None` while nothing is kept.
static SHOWN: Mutex<Option<usize>> = Mutex::new(None);

/// Done before anything secret is read. Where the system denies it, nobody is told: a stricter sandbox
/// than ours is no fault, and systemd's units say `LimitCORE=0` themselves.
pub fn keep() {
    write_no_core();
    let_look(false);
    shown().get_or_insert(0);
}

/// Lets other programs of the same user look at this process, as long as it lives, or another of its
/// kind: for those of the desktop that want to know who asks before they do anything.
#[derive(Debug)]
pub struct Shown {
    is_counted: bool,
}

impl Shown {
    /// From now on. Nothing changes where nothing is kept.
    pub fn begin() -> Self {
        let mut shown = shown();
        let Some(count) = &mut *shown else { return Self { is_counted: false } };
        *count += 1;
        let_look(true);
        Self { is_counted: true }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut shown = shown();
        if let Some(count) = shown.as_mut().filter(|_| self.is_counted) {
            *count = count.saturating_sub(1);
            let_look(*count > 0);
        }
    }
}

/// Held while the system is told, so that what it was told last is what holds.
fn shown() -> MutexGuard<'static, Option<usize>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For the systems that write a core into a file; what this process starts inherits it, and may raise it.
#[cfg(unix)]
fn write_no_core() {
    use rlimit::{Resource, getrlimit, setrlimit};
    let _ = getrlimit(Resource::CORE).and_then(|(_, hard)| setrlimit(Resource::CORE, 0, hard));
}

/// Windows writes none for a program unless an administrator has asked for them (`LocalDumps`), and
/// has no call that a program could refuse it by.
#[cfg(not(unix))]
fn write_no_core() {}

/// A limit on cores does not hold where the kernel pipes them to a program, as systemd-coredump has it
/// (core(5)). This does, and it closes `/proc/PID/mem`, `environ` and `fd`, and ptrace(2), to every
/// other program that is not root's. What this process starts is as open as ever (execve(2)).
#[cfg(target_os = "linux")]
fn let_look(may: bool) {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    let behavior = if may { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable };
    let _ = set_dumpable_behavior(behavior);
}

/// macOS lets only a debugger look into a program that is signed with the hardened runtime, and into
/// others whoever is the same user; Windows lets every program of the same user. Neither has a safe call
/// that would change that from within.
#[cfg(not(target_os = "linux"))]
fn let_look(_may: bool) {}

/// For tests of what holds for the whole process, beside which no other test may run.
#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test that can't go on says so and fails")]
pub(crate) mod alone {
    use std::process::Command;

    use rustix::process::{DumpableBehavior, dumpable_behavior};

    /// In the process that says yes, the test of this name is the only one; the one that says no has
    /// started it, and it passed.
    pub(crate) fn in_a_process_of_its_own(test: &str) -> bool {
        const MARK: &str = "GATEPOST_TEST_ALONE";
        if std::env::var_os(MARK).is_some() {
            return true;
        }
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let ran = alone.args(["--exact", test]).env(MARK, "1").output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
        false
    }

    pub(crate) fn is_shown() -> bool {
        dumpable_behavior().unwrap() == DumpableBehavior::Dumpable
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::alone::{in_a_process_of_its_own, is_shown};
    use super::*;

    #[test]
    fn it_is_shown_for_as_long_as_that_lasts() {
        let name = "private_memory::tests::it_is_shown_for_as_long_as_that_lasts";
        if !in_a_process_of_its_own(name) {
            return;
        }
        let before = Shown::begin();
        keep();
        assert!(!is_shown());
        drop(before);
        let shown = Shown::begin();
        assert!(is_shown());
        // One that ends does not hide what another one needs.
        let other = Shown::begin();
        drop(shown);
        assert!(is_shown());
        drop(other);
        assert!(!is_shown());
        let (soft, _) = rlimit::getrlimit(rlimit::Resource::CORE).unwrap();
        assert_eq!(soft, 0);
    }
}
