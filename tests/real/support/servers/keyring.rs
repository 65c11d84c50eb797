//! GNOME's keyring as the Secret Service, on a session bus of its own: the keychain of a person who
//! has logged in to a desktop.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::{Guarded, PATIENCE, folder, render, text};
use crate::support::process;

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
    bus: Option<Guarded>,
    folder: PathBuf,
}

impl Keyring {
    /// A bus with an unlocked keyring.
    pub(crate) fn unlocked(under: &Path) -> Self {
        let folder = folder(&under.join("keyring"));
        for name in ["home", "run"] {
            let private = super::folder(&folder.join(name));
            fs::set_permissions(private, fs::Permissions::from_mode(0o700)).expect("ours");
        }
        let mut keyring = Self { daemon: None, bus: None, folder };
        keyring.start_bus();
        keyring.start_daemon(Login::WithPassword);
        keyring
    }

    /// What a program in this session has in its environment.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let path = |name: &str| text(&self.folder.join(name)).to_owned();
        vec![
            ("DBUS_SESSION_BUS_ADDRESS".to_owned(), format!("unix:path={}", path("bus"))),
            ("XDG_RUNTIME_DIR".to_owned(), path("run")),
        ]
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
        self.bus = None;
        fs::remove_file(self.folder.join("bus")).expect("the bus left its socket");
    }

    /// The daemon says nothing any more, or goes on: as if it waited for a person at a dialogue.
    pub(crate) fn hold(&self, signal: Hold) {
        let answer = self.ask_bus("GetConnectionUnixProcessID").expect("a bus");
        let pid = answer.split_whitespace().last().expect("a process").to_owned();
        let signal = match signal {
            Hold::Begin => "-STOP",
            Hold::End => "-CONT",
        };
        process::run_well(Command::new("kill").args([signal, &pid]), b"", PATIENCE);
    }

    /// Gatepost's entries as `secret-tool` shows them, the secrets included where they are unlocked.
    pub(crate) fn entries(&self) -> String {
        let mut search = self.command("secret-tool");
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

    fn start_bus(&mut self) {
        let (socket, configuration) = (self.folder.join("bus"), self.folder.join("bus.conf"));
        render("keyring/bus.conf", &configuration, &[("SOCKET", text(&socket))]);
        let log = self.folder.join("bus.log");
        let file = format!("--config-file={}", text(&configuration));
        let arguments = [file.as_str(), "--nofork", "--nopidfile"];
        self.bus = Some(Guarded::start("dbus-daemon", &arguments, &log));
        let is_up = process::until(PATIENCE, || self.is_served().is_some());
        assert!(is_up, "no bus\n{}", process::tail(&log));
    }

    fn start_daemon(&mut self, login: Login) {
        // A file that is gone by the time anybody could look: the guard gives its server no stdin.
        let mut password = tempfile::NamedTempFile::new_in(&self.folder).expect("ours");
        password.write_all(KEYRING_PASSWORD.as_bytes()).expect("ours");
        let daemon = "exec gnome-keyring-daemon --foreground --components=secrets";
        let script = match login {
            Login::WithPassword => format!("{daemon} --unlock < {}", text(password.path())),
            Login::WithoutPassword => daemon.to_owned(),
        };
        let mut arguments = vec!["-i".to_owned()];
        arguments.extend(self.variables().map(|(name, value)| format!("{name}={value}")));
        arguments.extend(["sh".to_owned(), "-c".to_owned(), script]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let log = self.folder.join("daemon.log");
        self.daemon = Some(Guarded::start("env", &arguments, &log));
        let served = process::until(PATIENCE, || self.is_served() == Some(true));
        assert!(served, "no keyring\n{}", process::tail(&log));
    }

    /// Whether a keyring is on the bus; `None` while there is no bus.
    fn is_served(&self) -> Option<bool> {
        Some(self.ask_bus("NameHasOwner")?.contains("boolean true"))
    }

    /// What the bus says of the keyring; `None` while there is no bus.
    fn ask_bus(&self, question: &str) -> Option<String> {
        let mut ask = self.command("dbus-send");
        ask.args(["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/"]);
        ask.args([&format!("org.freedesktop.DBus.{question}"), "string:org.freedesktop.secrets"]);
        let answer = process::run(&mut ask, b"", PATIENCE);
        let said = String::from_utf8_lossy(&answer.stdout).into_owned();
        answer.status.success().then_some(said)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.variables());
        command
    }

    fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let home = text(&self.folder.join("home")).to_owned();
        let more = [("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("HOME", home.as_str())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.environment().into_iter().chain(more)
    }
}
