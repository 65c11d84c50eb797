//! Gmail ends an OAuth session when its token ends; Dovecot does not. So it is done to it.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often it is looked.
const GLANCE: Duration = Duration::from_millis(50);
/// A token's life is told in whole seconds, of which the last has begun.
const ROUNDING: Duration = Duration::from_secs(1);

/// Watches a Dovecot and ends its sessions, until it is dropped.
pub(crate) struct Ending {
    over: Arc<AtomicBool>,
    ended: Arc<AtomicU64>,
    watch: Option<JoinHandle<()>>,
}

impl Ending {
    pub(super) fn begin(log: PathBuf) -> Self {
        let (over, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let watch = {
            let (over, ended) = (Arc::clone(&over), Arc::clone(&ended));
            thread::spawn(move || watch(File::open(log).expect("it runs"), &over, &ended))
        };
        Self { over, ended, watch: Some(watch) }
    }

    /// How many sessions were ended while they lived.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(watch) = self.watch.take() {
            drop(watch.join());
        }
    }
}

/// What the log tells of each session: a process of its own, and how long its token lives.
fn watch(mut log: File, over: &AtomicBool, ended: &AtomicU64) {
    let (mut text, mut sessions) = (String::new(), HashMap::new());
    while !over.load(Ordering::Relaxed) {
        log.read_to_string(&mut text).expect("UTF-8");
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text.drain(..whole).collect::<String>().lines() {
            if let (Some(process), Some(life)) =
                (number(line, "mpid="), number(line, "token_life="))
            {
                sessions.insert(process, Instant::now() + Duration::from_secs(life) + ROUNDING);
            } else if let Some(process) = number(line, ")<")
                && line.contains("Disconnected: ")
            {
                sessions.remove(&process);
            }
        }
        let now = Instant::now();
        sessions.retain(|process, end| {
            let is_over = *end <= now;
            if is_over && is_session(*process) {
                // The very signal of `doveadm kick`.
                let kill = Command::new("kill").arg(process.to_string()).status();
                ended.fetch_add(
                    u64::from(kill.is_ok_and(|status| status.success())),
                    Ordering::Relaxed,
                );
            }
            !is_over
        });
        thread::sleep(GLANCE);
    }
}

/// Whether it still is one, and not another process by now.
fn is_session(process: u64) -> bool {
    fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim() == "imap")
}

/// The number behind this mark.
fn number(line: &str, mark: &str) -> Option<u64> {
    let (_, rest) = line.split_once(mark)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
