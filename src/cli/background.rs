//! `run --background`: a process of its own, without a window or a terminal. The one that starts it
//! waits until it serves, and tells its failure as its own.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::mistake::Mistake;
use super::report::{Failure, put};
use super::terminal::UnderWay;
use crate::accounts::Address;
use crate::config::Home;

/// How long a start may take; nothing in it waits for anybody else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells a process that it is the one in the background. No flag, which shells would complete.
const MARK: &str = "GATEPOST_DETACHED";

/// What is told while it starts.
pub(super) const STARTING: &str = "Gatepost starts";

/// The one line that the new process has for the one that started it, on its standard output.
#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Ready,
    Failed(Failure),
}

/// What a person is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    /// It serves, and this process is it.
    Serving { process: u32 },
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Serving { process } = self;
        write!(f, "Gatepost serves in the background (process {process}); `gatepost stop` ends it.")
    }
}

/// Starts it, and waits until it serves; gives its process id.
pub(super) fn start(home: &Home, log_wire: Option<&Address>) -> Result<u32, Failure> {
    let program =
        std::env::current_exe().map_err(|error| Failure::from(Mistake::CantStart(&error)))?;
    let mut command = Command::new(&program);
    command.arg("run").env(MARK, "1");
    for (flag, path) in home.arguments() {
        command.arg(flag).arg(path);
    }
    if let Some(address) = log_wire {
        command.args(["--log-wire", address.as_str()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // It is no part of the service that may have started this one.
    command.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
    // It shall hold no folder or disk that somebody wants to be rid of.
    if let Some(root) = program.ancestors().last() {
        command.current_dir(root);
    }
    of_its_own(&mut command);
    hand_nothing_on();

    let _sign = UnderWay::begin(STARTING);
    let mut child = command.spawn().map_err(|error| Failure::from(Mistake::CantStart(&error)))?;
    let (told, heard) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut line = String::new();
            // An error leaves the line empty, as an end does.
            let _ = BufReader::new(stdout).read_line(&mut line);
            // Nobody waits any more once the patience is at its end.
            let _ = told.send(line);
        });
    }
    match heard.recv_timeout(PATIENCE).map(|line| serde_json::from_str(&line)) {
        Ok(Ok(Line::Ready)) => Ok(child.id()),
        Ok(Ok(Line::Failed(failure))) => Err(failure),
        Ok(Err(_)) | Err(_) => {
            // It may have ended by itself.
            let _ = child.kill();
            Err(Mistake::SilentStart.into())
        }
    }
}

/// True in the new process.
pub(super) fn is_it() -> bool {
    std::env::var_os(MARK).is_some()
}

/// From the new process: it serves.
pub(super) fn say_ready() {
    say(&Line::Ready);
}

/// From the new process: it doesn't. The log has it as well, for a start that nobody watches.
pub(super) fn say_failed(failure: &Failure) {
    tracing::error!("{} {}", failure.sentence, failure.remedy);
    say(&Line::Failed(failure.clone()));
}

fn say(line: &Line) {
    put(&serde_json::to_string(line).unwrap_or_default());
}

/// Ctrl-C in the terminal, and its end, are for the processes of the terminal's own group.
#[cfg(unix)]
fn of_its_own(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// A console of its own that nobody sees. Without any, Windows would not tell it of a log-off or a
/// shutdown, and it could not let its sessions come to rest.
#[cfg(windows)]
fn of_its_own(command: &mut Command) {
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NO_WINDOW);
}

/// Rust's files and pipes are closed to what is started here, but for those that it is given.
#[cfg(unix)]
fn hand_nothing_on() {}

/// What Windows lets a process inherit, the processes that it starts inherit too, and that is so of its
/// standard streams: whoever reads them to their end would wait for the end of the one in the background.
/// So each gives way to a copy that isn't inherited, and is closed.
#[cfg(windows)]
fn hand_nothing_on() {
    use filedescriptor::{FileDescriptor, StdioDescriptor};
    // Where there is no stream, there is nothing to hand on.
    let _ = FileDescriptor::redirect_stdio(&std::io::stdin(), StdioDescriptor::Stdin);
    let _ = FileDescriptor::redirect_stdio(&std::io::stdout(), StdioDescriptor::Stdout);
    let _ = FileDescriptor::redirect_stdio(&std::io::stderr(), StdioDescriptor::Stderr);
}
