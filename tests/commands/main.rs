//! The commands, through the real binary: what they print, what they leave with, and what each
//! plausible mistake is told.

// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod background;
mod demo;
mod mistakes;
#[cfg(unix)]
mod notified;
mod running;
#[cfg(target_os = "linux")]
mod service;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use gatepost::accounts::{Address, Grant, GrantFacts, NewPassword, Record, Store, StoreError};
use gatepost::secret::RefreshToken;
use support::YOU;

fn gatepost(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.env_clear().env("GATEPOST_HOME", home).env("NO_COLOR", "1").stdin(Stdio::null());
    // What a program needs to start at all on Windows.
    for name in ["SYSTEMROOT", "PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    gatepost(home).args(arguments).output().unwrap()
}

/// With something on stdin.
fn run_with(home: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut child = gatepost(home)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that doesn't read it has closed it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// The exit code and what a person reads, with the home's path left out, and what each system says in
/// words of its own.
fn told(home: &Path, arguments: &[&str]) -> String {
    told_with(home, arguments, "")
}

/// The same, with something on stdin.
fn told_with(home: &Path, arguments: &[&str], stdin: &str) -> String {
    let output = run_with(home, arguments, stdin);
    let code = output.status.code().unwrap_or(-1);
    let text = String::from_utf8_lossy(&output.stderr);
    let told = format!("$ gatepost {}\n{text}[exit {code}]\n", arguments.join(" "));
    let mut told = told.replace(&home.display().to_string(), "HOME").replace("HOME\\", "HOME/");
    for missing in ["no such file", "no such folder/file"] {
        let words = std::fs::read(home.join(missing)).unwrap_err().to_string();
        told = told.replace(words.split(" (os error").next().unwrap(), "what the system says");
    }
    told
}

/// An account that somebody signed in to once.
fn keep_account(home: &Path) {
    let address = Address::parse(YOU).unwrap();
    let facts = GrantFacts { sign_in_name: YOU.to_owned(), granted: 1, grant_expires: None };
    let grant = Grant { refresh_token: RefreshToken::new("1//token") };
    let password = NewPassword::generate().unwrap();
    let record = Record::create(&address, "gmail", facts, &grant, &password, None).unwrap();
    let store = Store::new(home.join("accounts"));
    store.update(&address, |_| Ok::<_, StoreError>(Some(record))).unwrap();
}

/// `gatepost run`; ended when dropped.
struct Proxy {
    child: Child,
    _stderr: BufReader<std::process::ChildStderr>,
}

impl Proxy {
    fn start(home: &Path) -> Self {
        Self::start_with(home, &[]).0
    }

    /// With more arguments; also what it says up to its `ready`.
    fn start_with(home: &Path, arguments: &[&str]) -> (Self, String) {
        let mut command = gatepost(home);
        command.arg("run").args(arguments);
        Self::start_by(command)
    }

    fn start_by(mut command: Command) -> (Self, String) {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.ends_with("\nready\n") && said != "ready\n" {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended: {said}");
        }
        (Self { child, _stderr: stderr }, said)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
