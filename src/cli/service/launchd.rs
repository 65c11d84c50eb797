//! An agent of the person's own launchd, by `launchctl`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use directories::BaseDirs;

use super::entry::Entry;
use super::words::Told;
use super::{State, plist};
use crate::cli::mistake::Mistake;
use crate::cli::report::Failure;
use crate::config::{Home, HomeError};
use crate::control::Running;
use crate::private_file;

/// What the agent starts.
pub(super) const COMMAND: &[&str] = &["run"];

/// How long a start or an end may take, and how often it is looked; launchd itself doesn't wait.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// What lies in the folder of agents, and what launchd says of it.
pub(super) fn look() -> Result<Option<State>, Failure> {
    let file = file()?;
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Mistake::UnitUnwritable { file: &file, error: &error }.into()),
    };
    let printed = launchctl(&["print", &target()?]);
    let running = printed.is_ok_and(|printed| printed.contains("state = running"));
    // Those that are switched off stand there by name.
    let off = format!("\"{}\" => disabled", plist::LABEL);
    let enabled = !launchctl(&["print-disabled", &domain()?]).is_ok_and(|list| list.contains(&off));
    Ok(Some(State {
        place: file.display().to_string(),
        command: plist::command(&text).unwrap_or_default(),
        enabled,
        running,
        lingers: None,
    }))
}

/// Writes the agent, and starts it unless one that somebody started serves already.
pub(super) fn install(entry: &Entry, home: &Home, start: bool) -> Result<(), Failure> {
    let file = file()?;
    let wanted = plist::text(&entry.command(COMMAND));
    let is_new = fs::read_to_string(&file).ok().as_ref() != Some(&wanted);
    if is_new {
        file.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| private_file::write_atomically(&file, wanted.as_bytes()))
            .map_err(|error| {
                Failure::from(Mistake::UnitUnwritable { file: &file, error: &error })
            })?;
    }
    let target = target()?;
    launchctl(&["enable", &target])?;
    let is_loaded = launchctl(&["print", &target]).is_ok();
    if !start {
        return Ok(());
    }
    if is_loaded && is_new {
        end(&target)?;
    }
    match is_loaded && !is_new {
        // After `gatepost stop` it is loaded and doesn't run; one that runs goes on.
        true => launchctl(&["kickstart", &target])?,
        false => launchctl(&["bootstrap", &domain()?, &file.display().to_string()])?,
    };
    match until(|| Running::find(home).is_ok()) {
        true => Ok(()),
        false => Err(Mistake::ServiceNotStarted.into()),
    }
}

/// Ends the agent, and waits until it has: launchd takes no other in its place before.
fn end(target: &str) -> Result<(), Failure> {
    launchctl(&["bootout", target])?;
    // Where it goes on, launchd says so to what comes next.
    until(|| launchctl(&["print", target]).is_err());
    Ok(())
}

/// Waits until it is so; false if it isn't in time.
fn until(is_so: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

/// Ends the agent and removes it.
pub(super) fn uninstall(state: &State) -> Result<(), Failure> {
    let target = target()?;
    if launchctl(&["print", &target]).is_ok() {
        end(&target)?;
    }
    let file = Path::new(&state.place);
    private_file::remove(file)
        .map_err(|error| Mistake::UnitUnwritable { file, error: &error }.into())
}

/// What follows from it.
pub(super) fn hints(home: &Home) -> Vec<String> {
    vec![Told::LogFile { file: &home.logs().join("gatepost.log") }.to_string()]
}

fn file() -> Result<PathBuf, Failure> {
    let places = BaseDirs::new().ok_or(Mistake::NoHome(HomeError))?;
    let agents = places.home_dir().join("Library").join("LaunchAgents");
    Ok(agents.join(format!("{}.plist", plist::LABEL)))
}

/// The person's own session on the screen.
fn domain() -> Result<String, Failure> {
    let id = run(Command::new("id").arg("-u"))?;
    Ok(format!("gui/{}", id.trim()))
}

fn target() -> Result<String, Failure> {
    Ok(format!("{}/{}", domain()?, plist::LABEL))
}

fn launchctl(arguments: &[&str]) -> Result<String, Failure> {
    run(Command::new("launchctl").args(arguments))
}

/// Runs it, and gives what it prints.
fn run(command: &mut Command) -> Result<String, Failure> {
    let refused = |why: &str| {
        let why = why.lines().next().unwrap_or_default().trim().trim_end_matches('.');
        Failure::from(Mistake::ServiceRefused { by: "launchd", why })
    };
    let Output { status, stdout, stderr } =
        command.output().map_err(|error| refused(&error.to_string()))?;
    match status.success() {
        true => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        false => Err(refused(&String::from_utf8_lossy(&stderr))),
    }
}
