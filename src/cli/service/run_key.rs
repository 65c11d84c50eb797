//! A value of Windows' Run key, which Explorer starts when its person logs in.

use std::path::Path;

use windows_registry::CURRENT_USER;

use super::entry::Entry;
use super::words::Told;
use super::{State, command_line};
use crate::cli::mistake::Mistake;
use crate::cli::report::Failure;
use crate::cli::{background, block_on};
use crate::config::Home;
use crate::control::Running;

/// What is started. The console of a program for consoles is gone as soon as it serves.
pub(super) const COMMAND: &[&str] = &["run", "--background"];

const RUN: &str = r"Software\Microsoft\Windows\CurrentVersion\Run";
/// Where Windows' settings and the Task Manager keep what a person switched off.
const APPROVED: &str = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run";
const VALUE: &str = "Gatepost";

/// Windows leaves a longer line alone (“Run and RunOnce Registry Keys” in Microsoft's documentation).
const LONGEST: usize = 260;

/// What the Run key has.
pub(super) fn look() -> Result<Option<State>, Failure> {
    let Some(line) = CURRENT_USER.open(RUN).and_then(|key| key.get_string(VALUE)).ok() else {
        return Ok(None);
    };
    let command = command_line::words(&line);
    // An odd number begins the value of what is switched off.
    let approved = CURRENT_USER.open(APPROVED).and_then(|key| key.get_value(VALUE)).ok();
    let enabled = approved.is_none_or(|value| value.first().is_none_or(|first| first % 2 == 0));
    let running = home_of(&command).is_some_and(|home| Running::find(&home).is_ok());
    let place = format!(r"HKEY_CURRENT_USER\{RUN}\{VALUE}");
    Ok(Some(State { place, command, enabled, running, lingers: None }))
}

/// Writes the value, and starts Gatepost as it would.
pub(super) fn install(entry: &Entry, home: &Home, start: bool) -> Result<(), Failure> {
    let line = command_line::of(&entry.command(COMMAND));
    let length = line.encode_utf16().count();
    if length > LONGEST {
        return Err(Mistake::LineTooLong { length, longest: LONGEST }.into());
    }
    let written = CURRENT_USER.create(RUN).and_then(|key| key.set_string(VALUE, &line));
    written.map_err(|error| refused(&error.message()))?;
    switch_on();
    if start && Running::find(home).is_err() {
        background::start(home, None)?;
    }
    Ok(())
}

/// Removes the value, and stops what it started.
pub(super) fn uninstall(state: &State) -> Result<(), Failure> {
    let key = CURRENT_USER.options().read().write().open(RUN);
    let removed = key.and_then(|key| key.remove_value(VALUE));
    removed.map_err(|error| refused(&error.message()))?;
    switch_on();
    if let Some(running) = home_of(&state.command).and_then(|home| Running::find(&home).ok()) {
        block_on(async { Ok(running.stop().await?) })?;
    }
    Ok(())
}

/// What follows from it.
pub(super) fn hints(home: &Home) -> Vec<String> {
    let file = home.logs().join("gatepost.log");
    vec![Told::Flash.to_string(), Told::LogFile { file: &file }.to_string()]
}

/// Forgets that a person switched it off.
fn switch_on() {
    let key = CURRENT_USER.options().read().write().open(APPROVED);
    // Mostly there is nothing.
    let _ = key.and_then(|key| key.remove_value(VALUE));
}

/// The home that a command serves.
pub(super) fn home_of(command: &[String]) -> Option<Home> {
    let named = |flag: &str| {
        let at = command.iter().position(|word| word == flag)?;
        command.get(at + 1).map(Path::new)
    };
    Home::locate(named("--home"), named("--config")).ok()
}

fn refused(why: &str) -> Failure {
    Mistake::ServiceRefused { by: "Windows", why: why.trim().trim_end_matches('.') }.into()
}
