//! What the service manager that started this process is told: systemd by its protocol, sd_notify(3), and
//! Windows' Service Control Manager. Where none asked to be told, nothing happens.

#[cfg(windows)]
mod windows;

use std::time::Duration;

#[cfg(windows)]
use windows::tell;
#[cfg(windows)]
pub use windows::{END, NAME, of_windows, serve, stop_asked};

/// Something to tell.
#[derive(Debug, Clone, Copy)]
enum Word<'w> {
    Ready,
    Reloading,
    Stopping,
    Alive,
    /// A line for the person who looks at the service.
    Status(&'w str),
}

/// Everything is open.
pub fn ready(status: &str) {
    tell(&[Word::Ready, Word::Status(status)]);
}

/// It goes on; to be told each [`pulse`].
pub fn alive(status: &str) {
    tell(&[Word::Alive, Word::Status(status)]);
}

/// It is about to end.
pub fn stopping() {
    tell(&[Word::Stopping, Word::Status("Stopping; sessions come to rest")]);
}

/// How often the manager is to hear that it goes on: in half of the time after which it takes this
/// process for stuck. `None` if it doesn't watch.
pub fn pulse() -> Option<Duration> {
    watchdog().map(|patience| patience / 2).filter(|pulse| !pulse.is_zero())
}

/// As long as this lives, the configuration is being read again.
#[must_use = "dropping it says that the reload is done"]
pub struct Reloading(());

impl Reloading {
    /// Says that it begins.
    pub fn begin() -> Self {
        tell(&[Word::Reloading]);
        Self(())
    }
}

impl Drop for Reloading {
    /// Says that it is done, well or not: the service goes on in either case.
    fn drop(&mut self) {
        tell(&[Word::Ready]);
    }
}

#[cfg(unix)]
fn tell(words: &[Word<'_>]) {
    use sd_notify::NotifyState;

    let mut states = Vec::new();
    for word in words {
        states.push(match word {
            Word::Ready => NotifyState::Ready,
            Word::Reloading => NotifyState::Reloading,
            Word::Stopping => NotifyState::Stopping,
            Word::Alive => NotifyState::Watchdog,
            Word::Status(line) => NotifyState::Status(line),
        });
        // By it a `Type=notify-reload` tells this reload from one before.
        if let Word::Reloading = word {
            states.extend(NotifyState::monotonic_usec_now());
        }
    }
    if let Err(error) = sd_notify::notify(&states) {
        tracing::debug!("the service manager can't be told ({error})");
    }
}

#[cfg(unix)]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(not(unix))]
fn watchdog() -> Option<Duration> {
    None
}
