//! GNOME's keyring as the Secret Service, on a session bus of its own: the keychain of a person who
//! has logged in to a desktop.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output},
};

use super::{Guarded, PATIENCE, SessionBus, text};
use crate::support::process;

const SERVICE: &str = "org.freedesktop.secrets";

/// What unlocks the keyring.
const KEYRING_PASSWORD: &str = "the-password-of-the-desktop";

/// Whether the person's login has unlocked the keyring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    WithPassword,
    WithoutPassword,
}

/// See [`Keyring::hold`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Begin,
    End,
}

/// A session of that person. Fields are dropped in this order.
pub(crate) struct Keyring {
    daemon: Option<Guarded>,
    bus: SessionBus,
}

impl Keyring {
    /// A bus with an unlocked keyring.
    pub(crate) fn unlocked(under: &Path) -> Self {
        let mut keyring = Self { daemon: None, bus: SessionBus::start(&under.join("keyring")) };
        keyring.start_daemon(Login::WithPassword);
        keyring
    }

    /// What a program in this session has in its environment.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.bus.environment()
    }

    /// The daemon ends, and another starts.
    pub(crate) fn restart_daemon(&mut self, login: Login) {
        self.stop_daemon();
        self.start_daemon(login);
    }

    /// Nobody serves secrets any more; the bus is there.
    pub(crate) fn stop_daemon(&mut self) {
        self.daemon = None;
        assert!(
            process::until(PATIENCE, || self.is_served() == Some(false)),
            "the keyring goes on"
        );
    }

    /// Not even a bus is there.
    pub(crate) fn stop_all(&mut self) {
        self.daemon = None;
        self.bus.stop();
    }

    /// The daemon says nothing any more, or goes on: as if it waited for a person at a dialogue.
    pub(crate) fn hold(&self, signal: Hold) {
        let answer = self.bus.ask("GetConnectionUnixProcessID", SERVICE).expect("a bus");
        let pid = answer.split_whitespace().last().expect("a process").to_owned();
        let signal = match signal {
            Hold::Begin => "-STOP",
            Hold::End => "-CONT",
        };
        process::run_well(Command::new("kill").args([signal, &pid]), b"", PATIENCE);
    }

    /// Gatepost's entries as `secret-tool` shows them, the secrets included where they are unlocked.
    pub(crate) fn entries(&self) -> String {
        let mut search = self.bus.command("secret-tool");
        search.args(["search", "--all", "service", "gatepost"]);
        let Output { stdout, stderr, .. } = process::run(&mut search, b"", PATIENCE);
        // It tells attributes on one and the rest on the other.
        String::from_utf8([stdout, stderr].concat()).expect("UTF-8")
    }

    /// The secret of the only entry.
    pub(crate) fn secret(&self) -> String {
        let entries = self.entries();
        let secrets: Vec<_> =
            entries.lines().filter_map(|line| line.strip_prefix("secret = ")).collect();
        assert_eq!(secrets.len(), 1, "{entries}");
        secrets[0].to_owned()
    }

    fn start_daemon(&mut self, login: Login) {
        // A file that is gone by the time anybody could look: the guard gives its server no stdin.
        let mut password = tempfile::NamedTempFile::new_in(self.bus.folder()).expect("ours");
        password.write_all(KEYRING_PASSWORD.as_bytes()).expect("ours");
        let daemon = "exec gnome-keyring-daemon --foreground --components=secrets";
        let script = match login {
            Login::WithPassword => format!("{daemon} --unlock < {}", text(password.path())),
            Login::WithoutPassword => daemon.to_owned(),
        };
        let log = self.bus.folder().join("daemon.log");
        self.daemon = Some(self.bus.serve(&["sh", "-c", &script], &[], &log));
        let served = process::until(PATIENCE, || self.is_served() == Some(true));
        assert!(served, "no keyring\n{}", process::tail(&log));
    }

    /// Whether a keyring is on the bus; `None` while there is no bus.
    fn is_served(&self) -> Option<bool> {
        self.bus.has_owner(SERVICE)
    }
}
