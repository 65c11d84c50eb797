//! A unit of the person's own service manager, by `systemctl --user`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use directories::BaseDirs;

use super::entry::Entry;
use super::words::Told;
use super::{State, unit};
use crate::cli::mistake::Mistake;
use crate::cli::report::Failure;
use crate::config::{Home, HomeError};
use crate::private_file;

/// What the unit starts.
pub(super) const COMMAND: &[&str] = &["run"];

const UNIT: &str = "gatepost.service";

/// Where packages and administrators put units for every person, by rank (systemd.unit(5)).
const OF_PACKAGES: [&str; 3] =
    ["/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"];

/// What systemd has of the unit.
pub(super) fn look() -> Result<Option<State>, Failure> {
    let shown = systemctl(&["show", "--property=FragmentPath,UnitFileState,ActiveState", UNIT])?;
    let value = |name: &str| property(&shown, name);
    let enabled = value("UnitFileState") == "enabled";
    let running = matches!(value("ActiveState"), "active" | "reloading");
    let place = value("FragmentPath");
    // One that a package ships starts nothing until it is enabled.
    let is_own = Path::new(place).parent() == Some(&own_folder()?);
    if place.is_empty() || !(is_own || enabled || running) {
        return Ok(None);
    }
    let unit = fs::read_to_string(place).unwrap_or_default();
    let command = unit::command(&unit).unwrap_or_default();
    let place = place.to_owned();
    Ok(Some(State { place, command, enabled, running, lingers: Some(lingers()) }))
}

/// Writes, enables and starts it. What was there is there again if systemd refuses the new one.
pub(super) fn install(entry: &Entry, _home: &Home, start: bool) -> Result<(), Failure> {
    let command = entry.command(COMMAND);
    // In a program's path, systemd takes these for a mistake whatever is done about them.
    if let Some(program) = command.first().filter(|path| path.contains(['"', '\'', '\\'])) {
        return Err(Mistake::PathUnfit { path: Path::new(program) }.into());
    }
    let folder = own_folder()?;
    let file = folder.join(UNIT);
    let unwritable = |error| Failure::from(Mistake::UnitUnwritable { file: &file, error: &error });
    let before = match fs::read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        read => Some(read.map_err(unwritable)?),
    };
    let wanted = (!is_packaged(&command))
        .then(|| unit::text(&command, &entry.command(&["reload"])).into_bytes());
    let is_new = before != wanted;
    if is_new {
        let made = fs::create_dir_all(&folder).and_then(|()| put(&file, wanted.as_deref()));
        made.map_err(unwritable)?;
    }
    if let Err(failure) = take_up() {
        if is_new {
            // It may fail as the first did, and there is nobody else to tell.
            let _ = put(&file, before.as_deref());
            let _ = systemctl(&["daemon-reload"]);
        }
        return Err(failure);
    }
    if start {
        // With `start`, one that serves goes on; with `restart` it becomes the new one.
        let verb = if is_new { "restart" } else { "start" };
        systemctl(&[verb, UNIT]).map_err(|_| Failure::from(Mistake::ServiceNotStarted))?;
    }
    Ok(())
}

/// Stops, disables and removes it; one that a package ships stays, and starts nothing.
pub(super) fn uninstall(state: &State) -> Result<(), Failure> {
    systemctl(&["--quiet", "disable", UNIT])?;
    let stopped = systemctl(&["stop", UNIT]);
    // Where systemd could not read the unit there is nothing that it could stop.
    if state.running {
        stopped?;
    }
    let file = own_folder()?.join(UNIT);
    put(&file, None)
        .map_err(|error| Failure::from(Mistake::UnitUnwritable { file: &file, error: &error }))?;
    systemctl(&["daemon-reload"])?;
    // Nobody is to see a failure of what is no more; where there was none, systemd knows no such unit.
    let _ = systemctl(&["reset-failed", UNIT]);
    Ok(())
}

/// What follows from it.
pub(super) fn hints(_home: &Home) -> Vec<String> {
    vec![Told::Linger { on: lingers() }.to_string(), Told::Journal.to_string()]
}

/// Has systemd read the unit and enable it.
fn take_up() -> Result<(), Failure> {
    systemctl(&["daemon-reload"])?;
    let shown = systemctl(&["show", "--property=LoadState", UNIT])?;
    match property(&shown, "LoadState") {
        "loaded" => systemctl(&["--quiet", "enable", UNIT]).map(drop),
        state => {
            let why = format!("it calls the unit {state}");
            Err(Mistake::ServiceRefused { by: "systemd", why: &why }.into())
        }
    }
}

/// A value that `systemctl show` gave.
fn property<'s>(shown: &'s str, name: &str) -> &'s str {
    let value = |line: &'s str| line.strip_prefix(name)?.strip_prefix('=');
    shown.lines().find_map(value).unwrap_or_default()
}

/// The folder of the person's own units.
fn own_folder() -> Result<PathBuf, Failure> {
    let places = BaseDirs::new().ok_or(Mistake::NoHome(HomeError))?;
    Ok(places.config_dir().join("systemd").join("user"))
}

/// True if a unit that a package ships starts just this: then a copy would only grow old.
fn is_packaged(command: &[String]) -> bool {
    let units = OF_PACKAGES.iter().map(|folder| Path::new(folder).join(UNIT));
    let first = units.filter_map(|path| fs::read_to_string(path).ok()).next();
    first.is_some_and(|unit| unit::command(&unit).as_deref() == Some(command))
}

/// Writes the file, or removes it.
fn put(file: &Path, unit: Option<&[u8]>) -> io::Result<()> {
    match unit {
        Some(unit) => private_file::write_atomically(file, unit),
        None => match private_file::remove(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}

fn lingers() -> bool {
    let asked = Command::new("loginctl").args(["show-user", "--property=Linger"]).output();
    asked.is_ok_and(|output| output.stdout.starts_with(b"Linger=yes"))
}

/// Asks the person's service manager, and gives what it prints.
fn systemctl(arguments: &[&str]) -> Result<String, Failure> {
    let asked = Command::new("systemctl").arg("--user").args(arguments).output();
    let Output { status, stdout, stderr } = asked.map_err(|_| Failure::from(Mistake::NoSystemd))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&stderr);
    let why = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let why = why.trim().trim_end_matches('.');
    // The words of systemctl where another init runs, and of sd-bus where nobody listens.
    Err(match why {
        _ if why.starts_with("System has not been booted with systemd") => Mistake::NoSystemd,
        _ if why.contains("to bus") || why.contains("to user scope bus") => {
            Mistake::NoUserManager { why }
        }
        _ => Mistake::ServiceRefused { by: "systemd", why },
    }
    .into())
}
