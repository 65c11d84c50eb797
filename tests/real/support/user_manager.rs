//! A person who has logged in to a machine with systemd: a service manager of their own, and a home.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use super::process;

/// Nobody in particular.
const PERSON: u32 = 65534;

/// What a command of theirs may take; a stop lets sessions come to rest.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct UserManager {
    guard: Child,
    process: String,
    folder: PathBuf,
}

impl UserManager {
    /// Starts it. Everything that is the person's lies in `folder`, which is given to them.
    pub(crate) fn start(folder: &Path) -> Self {
        let units = folder.join("home/.config/systemd/user");
        fs::create_dir_all(&units).unwrap();
        fs::create_dir(folder.join("run")).unwrap();
        // What else this machine would start for its people is no part of the test.
        for other in ["systemd-tmpfiles-setup.service", "systemd-tmpfiles-clean.timer"] {
            std::os::unix::fs::symlink("/dev/null", units.join(other)).unwrap();
        }
        let manager = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/user-manager.sh");
        give(folder);
        let mut guard = Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .arg(manager)
            .arg(folder)
            .arg(PERSON.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut process = String::new();
        BufReader::new(guard.stdout.take().unwrap()).read_line(&mut process).unwrap();
        let process = process.trim().to_owned();
        let manager = Self { guard, process, folder: folder.to_owned() };
        let is_up = || manager.systemctl(&["is-system-running"]).status.success();
        assert!(process::until(PATIENCE, is_up), "no systemd for the person");
        manager
    }

    /// Runs a program as the person does, to its end.
    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.process, "--"]);
        let person = PERSON.to_string();
        command.args(["setpriv", "--reuid", &person, "--regid", &person, "--clear-groups"]);
        command.arg(program).args(arguments).env_clear().env("NO_COLOR", "1");
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.folder.join("home"));
        command.env("XDG_RUNTIME_DIR", self.folder.join("run"));
        process::run(&mut command, b"", PATIENCE)
    }

    pub(crate) fn systemctl(&self, arguments: &[&str]) -> Output {
        self.run(Path::new("systemctl"), &[&["--user"], arguments].concat())
    }

    /// A property of a unit.
    pub(crate) fn shows(&self, unit: &str, property: &str) -> String {
        let asked = self.systemctl(&["show", "--value", "--property", property, unit]);
        String::from_utf8(asked.stdout).unwrap().trim_end().to_owned()
    }

    /// A file as the manager sees it.
    pub(crate) fn path(&self, absolute: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{absolute}", self.process))
    }
}

impl Drop for UserManager {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Gives the person a folder and what is in it.
pub(crate) fn give(path: &Path) {
    chown(path, Some(PERSON), Some(PERSON)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            if !entry.file_type().unwrap().is_symlink() {
                give(&entry.path());
            }
        }
    }
}
