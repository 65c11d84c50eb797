//! What stands between the mail client and the server.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::Door;
use crate::process::{self, Program};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing in between.
    Direct,
    /// Nothing in between once more: what differs between the two is noise.
    DirectAgain,
    Gatepost,
    /// A Gatepost from before a change.
    Against,
    /// Moves bytes between plain TCP and TLS, and signs nobody on.
    Peer,
    /// Signs on as Gatepost does.
    Colleague,
}

/// One of them, running.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The rows that are taken from it, where not all are.
    pub(crate) rows: Option<&'static [&'static str]>,
    pub(crate) door: Door,
    /// None, if nothing is in between.
    pub(crate) served_by: Option<Served>,
}

/// The program in between.
pub(crate) struct Served {
    pub(crate) program: Program,
    /// Prepares another of the same, with a folder and ports of its own.
    pub(crate) another: Another,
}

pub(crate) type Another = Box<dyn Fn() -> io::Result<Launch>>;

/// A program that can be started.
pub(crate) struct Launch {
    pub(crate) command: Vec<String>,
    pub(crate) log: PathBuf,
    pub(crate) door: Door,
    /// It says so when it serves; the others are knocked at.
    pub(crate) says_ready: bool,
}

impl Target {
    pub(crate) fn direct(kind: Kind, name: &str, door: Door) -> Self {
        Self { kind, name: name.to_owned(), rows: None, door, served_by: None }
    }

    pub(crate) fn start(kind: Kind, name: String, another: Another) -> io::Result<Self> {
        let (door, program) = serving(&another)?;
        Ok(Self { kind, name, rows: None, door, served_by: Some(Served { program, another }) })
    }

    /// Puts a fresh program into the old one's place: where things lie in memory makes a difference, and
    /// lasts as long as the program.
    pub(crate) fn renew(&mut self) -> io::Result<()> {
        if let Some(served) = &mut self.served_by {
            (self.door, served.program) = serving(&served.another)?;
        }
        Ok(())
    }

    /// CPU seconds that it has used so far; the server's, where nothing is in between.
    pub(crate) fn cpu(&self) -> io::Result<f64> {
        self.served_by.as_ref().map_or(Ok(0.0), |served| process::cpu(&served.program.processes()?))
    }
}

/// A program that serves, and has signed somebody on: the first time takes longer with each.
fn serving(another: &Another) -> io::Result<(Door, Program)> {
    let launch = another()?;
    let program = launch.start()?;
    launch.door.imap()?.ask("LOGOUT")?;
    Ok((launch.door, program))
}

impl Launch {
    /// Starts it, and waits until it serves.
    pub(crate) fn start(&self) -> io::Result<Program> {
        let command: Vec<&str> = self.command.iter().map(String::as_str).collect();
        let program = Program::start(&command, &self.log)?;
        process::listening(self.door.imap)
            .and_then(|()| process::listening(self.door.smtp))
            .map_err(|error| {
                let said = std::fs::read_to_string(&self.log).unwrap_or_default();
                io::Error::other(format!("{}: {error}\n{said}", self.command[0]))
            })?;
        Ok(program)
    }

    /// Starts it and ends it; how long it took until it served.
    pub(crate) fn time(&self) -> io::Result<Duration> {
        let begin = Instant::now();
        let mut child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut said = BufReader::new(child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let mut ready = if self.says_ready {
            let mut line = String::new();
            while line.trim_end() != "ready" {
                line.clear();
                if said.read_line(&mut line)? == 0 {
                    return Err(io::Error::other(format!("{} is not ready", self.command[0])));
                }
            }
            Ok(())
        } else {
            process::listening(self.door.imap)
        };
        let took = begin.elapsed();
        // With all that it has started.
        let group = format!("-{}", child.id());
        let killed = Command::new("kill").args(["-KILL", "--", &group]).status();
        ready = ready.and(killed.map(drop));
        child.wait()?;
        ready.map(|()| took)
    }
}
