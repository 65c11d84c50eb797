//! What is in this process's memory stays there: no core dump of it, and no other program of the same
//! user that reads it, as far as the system lets a program have that.

use std::sync::atomic::{AtomicBool, Ordering};

static IS_KEPT: AtomicBool = AtomicBool::new(false);

/// Done before anything secret is read. Where the system denies it, nobody is told: a stricter sandbox
/// than ours is no fault, and systemd's units say `LimitCORE=0` themselves.
pub fn keep() {
    write_no_core();
    let_look(false);
    IS_KEPT.store(true, Ordering::Relaxed);
}

/// Lets other programs of the same user look at this process, as long as it lives: for those of the
/// desktop that want to know who asks before they do anything.
#[derive(Debug)]
pub struct Shown(());

impl Shown {
    /// From now on. Nothing changes where nothing is kept.
    pub fn begin() -> Self {
        if IS_KEPT.load(Ordering::Relaxed) {
            let_look(true);
        }
        Self(())
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if IS_KEPT.load(Ordering::Relaxed) {
            let_look(false);
        }
    }
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    use super::*;

    #[test]
    fn it_is_shown_for_as_long_as_that_lasts() {
        keep();
        let is_shown = || dumpable_behavior().unwrap() == DumpableBehavior::Dumpable;
        assert!(!is_shown());
        let shown = Shown::begin();
        assert!(is_shown());
        drop(shown);
        assert!(!is_shown());
        let (soft, _) = rlimit::getrlimit(rlimit::Resource::CORE).unwrap();
        assert_eq!(soft, 0);
    }
}
