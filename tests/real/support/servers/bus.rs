//! A session bus of its own: what a person's programs meet on after a login.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Guarded, PATIENCE, folder, render, text};
use crate::support::process;

/// The bus, and the folders of the person whose it is.
pub(super) struct SessionBus {
    daemon: Option<Guarded>,
    folder: PathBuf,
}

impl SessionBus {
    /// A bus with nobody on it.
    pub(super) fn start(under: &Path) -> Self {
        let folder = folder(under);
        for name in ["home", "run"] {
            let private = super::folder(&folder.join(name));
            fs::set_permissions(private, fs::Permissions::from_mode(0o700)).expect("ours");
        }
        let (socket, configuration) = (folder.join("bus"), folder.join("bus.conf"));
        render("bus.conf", &configuration, &[("SOCKET", text(&socket))]);
        let log = folder.join("bus.log");
        let file = format!("--config-file={}", text(&configuration));
        let arguments = [file.as_str(), "--nofork", "--nopidfile"];
        let daemon = Some(Guarded::start("dbus-daemon", &arguments, &log));
        let bus = Self { daemon, folder };
        let is_up = process::until(PATIENCE, || bus.has_owner("org.freedesktop.DBus").is_some());
        assert!(is_up, "no bus\n{}", process::tail(&log));
        bus
    }

    /// It ends.
    pub(super) fn stop(&mut self) {
        self.daemon = None;
        fs::remove_file(self.folder.join("bus")).expect("the bus left its socket");
    }

    /// Where it and its programs have their files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where it listens.
    pub(super) fn address(&self) -> String {
        format!("unix:path={}", text(&self.folder.join("bus")))
    }

    /// What a program in this session has in its environment.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let path = |name: &str| text(&self.folder.join(name)).to_owned();
        vec![
            ("DBUS_SESSION_BUS_ADDRESS".to_owned(), self.address()),
            ("XDG_RUNTIME_DIR".to_owned(), path("run")),
        ]
    }

    /// Whether somebody is on the bus under this name; `None` while there is no bus.
    pub(super) fn has_owner(&self, name: &str) -> Option<bool> {
        Some(self.ask("NameHasOwner", name)?.contains("boolean true"))
    }

    /// What the bus says of a name; `None` while there is no bus.
    pub(super) fn ask(&self, question: &str, name: &str) -> Option<String> {
        let mut ask = self.command("dbus-send");
        ask.args(["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/"]);
        ask.args([&format!("org.freedesktop.DBus.{question}"), &format!("string:{name}")]);
        let answer = process::run(&mut ask, b"", PATIENCE);
        let said = String::from_utf8_lossy(&answer.stdout).into_owned();
        answer.status.success().then_some(said)
    }

    /// A program of this session.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.variables());
        command
    }

    /// Starts a server of this session, with more in its environment.
    pub(super) fn serve(&self, program: &[&str], more: &[(&str, &str)], output: &Path) -> Guarded {
        let mut arguments = vec!["-i".to_owned()];
        arguments.extend(self.variables().map(|(name, value)| format!("{name}={value}")));
        arguments.extend(more.iter().map(|(name, value)| format!("{name}={value}")));
        arguments.extend(program.iter().map(|&word| word.to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Guarded::start("env", &arguments, output)
    }

    fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let home = text(&self.folder.join("home")).to_owned();
        let more = [("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("HOME", home.as_str())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.environment().into_iter().chain(more)
    }
}
