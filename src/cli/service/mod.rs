//! `gatepost service`: let the system start Gatepost when its person logs in. How it is done is each
//! system's own: a unit of the person's systemd, an agent of launchd, a value of Windows' Run key. With
//! `--system`, for a server: a service of Windows'.

#[cfg(any(test, windows))]
mod command_line;
mod entry;
#[cfg(target_os = "macos")]
mod launchd;
#[cfg(any(test, target_os = "macos"))]
mod plist;
#[cfg(windows)]
mod run_key;
#[cfg(windows)]
mod scm;
#[cfg(all(unix, not(target_os = "macos")))]
mod systemd;
#[cfg(any(test, all(unix, not(target_os = "macos"))))]
mod unit;
mod words;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::background::STARTING;
use super::mistake::Mistake;
use super::report::{Failure, put, say};
use super::running::STOPPING;
use super::terminal::UnderWay;
use crate::config::Home;
use crate::control::Running;
use crate::settings::Settings;
use entry::Entry;
#[cfg(target_os = "macos")]
use launchd as platform;
#[cfg(windows)]
use run_key as platform;
#[cfg(windows)]
pub(super) use scm::AS_SERVICE;
#[cfg(all(unix, not(target_os = "macos")))]
use systemd as platform;
pub(super) use words::Told;

/// Let Gatepost start by itself when you log in
#[derive(Args)]
#[command(after_help = "\
There is one start at log-in for each person. What --home and --config name is kept in it.
`status` leaves with 0 if there is one, else with 1.

Examples:
  gatepost service install     start at log-in, and now
  gatepost service status      see whether it does
  gatepost service uninstall   end it, and start no more
  gatepost service install --system   on a Windows server, as administrator: start with the computer")]
pub(super) struct Service {
    /// What to do
    #[arg(value_enum, default_value_t = Action::Status)]
    action: Action,
    /// For a server with Windows: start with the computer, as a service that needs nobody to log in
    #[arg(long)]
    system: bool,
    /// In the end, one JSON object on stdout with how it is
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Start at log-in, and now
    Install,
    /// End it, and start no more
    Uninstall,
    /// See whether it does
    Status,
}

/// A start at log-in, as the system has it.
#[derive(Debug)]
struct State {
    /// The file or the key that it stands in.
    place: String,
    /// The program and its arguments.
    command: Vec<String>,
    /// The system will heed it.
    enabled: bool,
    /// It serves now.
    running: bool,
    /// It also runs while the person isn't logged in. `None` where that can't be had.
    lingers: Option<bool>,
}

impl Service {
    pub(super) fn run(self, home: Home) -> Result<ExitCode, Failure> {
        #[cfg(not(windows))]
        if self.system {
            return Err(Mistake::NoSystemService.into());
        }
        #[cfg(windows)]
        if self.system {
            match self.action {
                Action::Install => scm::install(home)?,
                Action::Uninstall => scm::uninstall()?,
                Action::Status => {}
            }
            return self.tell(scm::look, Mistake::NoServer);
        }
        match self.action {
            Action::Install => install(&home)?,
            Action::Uninstall => uninstall()?,
            Action::Status => {}
        }
        self.tell(platform::look, Mistake::NoService)
    }

    /// How it is now, if that is wanted.
    fn tell(
        &self,
        look: fn() -> Result<Option<State>, Failure>,
        none: Mistake<'_>,
    ) -> Result<ExitCode, Failure> {
        if self.action != Action::Status && !self.json {
            return Ok(ExitCode::SUCCESS);
        }
        let state = look()?;
        if self.json {
            put(&as_json(state.as_ref()).to_string());
        } else if let Some(state) = &state {
            show(state, self.system);
        }
        match state {
            None if self.action == Action::Status => Err(none.into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Sets the start at log-in up, and starts Gatepost; the person is told what follows. Nothing changes
/// where it is set up already.
pub(super) fn install(home: &Home) -> Result<(), Failure> {
    // What is wrong with the configuration is told here, and not in a log that nobody reads.
    Settings::load(home, None)?;
    let entry = Entry::of(home)?;
    let command = entry.command(platform::COMMAND);
    let before = platform::look()?;
    let other = before.as_ref().filter(|before| before.command != command);
    let serves = before.as_ref().is_some_and(|before| before.running) && other.is_none();
    let by_hand = Running::find(home).ok().filter(|_| !serves).map(|running| running.process());
    {
        let _sign = UnderWay::begin(STARTING);
        platform::install(&entry, home, by_hand.is_none())?;
    }
    let told = match by_hand {
        Some(process) => Told::InstalledBeside { process },
        None => Told::Installed,
    };
    say(&told.to_string());
    if let Some(State { command, .. }) = other {
        say(&format!("  {}", Told::Replaced { command: &command.join(" ") }));
    }
    platform::hints(home).iter().for_each(|hint| say(&format!("  {hint}")));
    Ok(())
}

fn uninstall() -> Result<(), Failure> {
    let Some(state) = platform::look()? else {
        say(&Told::NothingThere.to_string());
        return Ok(());
    };
    {
        let _sign = UnderWay::begin(STOPPING);
        platform::uninstall(&state)?;
    }
    say(&Told::Removed.to_string());
    Ok(())
}

fn show(state: &State, of_server: bool) {
    let State { enabled, running, .. } = *state;
    put(&match of_server {
        true => Told::ServerState { enabled, running },
        false => Told::State { enabled, running },
    }
    .to_string());
    put(&format!("  {}", state.command.join(" ")));
    put(&format!("  {}", state.place));
    if let Some(lingers) = state.lingers {
        put(&format!("  {}", Told::Linger { on: lingers }));
    }
}

fn as_json(state: Option<&State>) -> Value {
    let Some(state) = state else {
        return json!({"installed": false, "enabled": false, "running": false});
    };
    let named = |flag: &str| {
        let at = state.command.iter().position(|word| word == flag);
        at.and_then(|at| state.command.get(at + 1))
    };
    json!({
        "installed": true,
        "enabled": state.enabled,
        "running": state.running,
        "program": state.command.first(),
        "home": named("--home"),
        "config": named("--config"),
        "place": state.place,
        "lingers": state.lingers,
    })
}
