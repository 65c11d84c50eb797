//! This machine: the configuration, the folder of everything, the disk, the Google client, the files of
//! the accounts.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::accounts::{Address, Listed, Record, Store, StoreError};
use crate::check::{Ailment, Check, Finding};
use crate::cli::report::Failure;
use crate::config::Home;
use crate::private_file::{self, RightsError};
use crate::settings::{Settings, SettingsError};
use crate::sign_in::SignInError;

/// What is written to see whether it can be: more than a record and a page of the log have.
const PROBE: usize = 256 * 1024;
/// Below this much free space, the person should know.
const LITTLE: u64 = 100 * 1024 * 1024;

/// The configuration and what is made from it, the Google client among that. `folder` is what was found
/// of the folder that it may be in.
pub(super) fn configuration(home: &Home, folder: &Finding) -> (Vec<Finding>, Option<Settings>) {
    let in_order = || {
        let file = home.config_file();
        let sentence = match file.exists() {
            true => format!("{} is in order.", file.display()),
            false => format!("There is no {}; everything is as built in.", file.display()),
        };
        Finding::passed(Check::Configuration, sentence)
    };
    let error = match Settings::load(home, None) {
        Ok(settings) => return (vec![in_order()], Some(settings)),
        Err(error) => error,
    };
    let opened = fs::File::open(home.config_file());
    let is_denied = opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    if is_denied && is_closed(folder) {
        return (vec![Finding::left_out(Check::Configuration, Check::Home)], None);
    }
    let (check, code) = match &error {
        SettingsError::Config(_) => (Check::Configuration, "config"),
        SettingsError::Tls(_) => (Check::Configuration, "certificates"),
        SettingsError::Setup(_) => (Check::Configuration, "http"),
        SettingsError::ClientFile { .. } | SettingsError::Unreadable { .. } => {
            (Check::Client, "client_file")
        }
    };
    let Failure { sentence, remedy, .. } = error.into();
    let failed = Finding::failed(check, code, sentence, remedy);
    let before = (check == Check::Client).then(in_order);
    (before.into_iter().chain([failed]).collect(), None)
}

/// The folder: whether it can be written, whether it is ours, who may read what is in it; and the disk.
pub(super) fn home(home: &Home) -> [Finding; 2] {
    let folder = nearest(home.data());
    let written = probe(&folder);
    let left_out = || Finding::left_out(Check::Disk, Check::Home);
    let (home_found, disk) = match written {
        Ok(probe) => (rights(home, &folder, &probe), disk(&folder)),
        Err(error) if is_full(&error) => {
            let (folder, why) = (home.data(), &error.to_string());
            let found = Ailment::DiskFull { folder, why }.found(Check::Disk);
            (Finding::passed(Check::Home, "Who owns it can't be tried on a full disk."), found)
        }
        Err(error) => (unwritable(home, &error), left_out()),
    };
    [home_found, disk]
}

/// True if the folder is closed to us, from which more follows.
pub(super) fn is_closed(folder: &Finding) -> bool {
    matches!(folder.code.as_deref(), Some("not_ours" | "not_writable"))
}

/// The folder, or the first one above it that is there.
fn nearest(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find(|folder| folder.is_dir());
    there.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Writes a file there and lets it go; what is true of it while it is there.
fn probe(folder: &Path) -> io::Result<fs::Metadata> {
    let file = tempfile::Builder::new().prefix(".gatepost-").tempfile_in(folder);
    // Its own words have a name in them that nobody knows.
    let mut file = file.map_err(|error| io::Error::from(error.kind()))?;
    file.write_all(&vec![0; PROBE])?;
    file.as_file().sync_all()?;
    file.as_file().metadata()
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn unwritable(home: &Home, error: &io::Error) -> Finding {
    let (folder, why) = (home.data(), &error.to_string());
    let ailment = match error.kind() {
        ErrorKind::PermissionDenied => Ailment::FolderNotOurs { folder, why },
        _ => Ailment::FolderUnwritable { folder, why },
    };
    ailment.found(Check::Home)
}

/// Whether everything in the folder is ours, and open to nobody else.
fn rights(home: &Home, folder: &Path, probe: &fs::Metadata) -> Finding {
    if folder != home.data() {
        let words = format!("{} is made at the first sign-in.", home.data().display());
        return Finding::passed(Check::Home, words);
    }
    for file in files_of(home) {
        if fs::metadata(&file).is_ok_and(|about| !same_owner(&about, probe)) {
            return Ailment::FileNotOurs { file: &file }.found(Check::Home);
        }
        if let Err(RightsError::TooOpen { path, mode }) = private_file::check_owner_only(&file) {
            return Ailment::FileOpen { file: &path, mode }.found(Check::Home);
        }
    }
    // On Windows nothing above has looked at more than that the files are there.
    let words =
        if cfg!(windows) { "can be written to" } else { "is yours, and open to nobody else" };
    Finding::passed(Check::Home, format!("{} {words}.", folder.display()))
}

/// The files that hold what others must not read.
fn files_of(home: &Home) -> Vec<PathBuf> {
    let within = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
    };
    let mut files = within(&home.accounts());
    files.extend(within(&home.data().join("clients")));
    files.push(home.control_file());
    files.retain(|file| file.extension().is_some_and(|kind| kind == "json") && file.is_file());
    files.sort();
    files
}

#[cfg(unix)]
fn same_owner(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    one.uid() == other.uid()
}

/// The access list of the user's profile folder decides here, and the probe was written under it.
#[cfg(not(unix))]
fn same_owner(_one: &fs::Metadata, _other: &fs::Metadata) -> bool {
    true
}

fn disk(folder: &Path) -> Finding {
    match fs4::available_space(folder) {
        Ok(free) if free < LITTLE => Ailment::DiskNearlyFull { folder, free }.found(Check::Disk),
        Ok(free) => Finding::passed(Check::Disk, format!("{:.1} GB are free.", free as f64 / 1e9)),
        Err(_) => Finding::passed(Check::Disk, "It can be written to."),
    }
}

/// The Google client.
pub(super) fn client(home: &Home, settings: &Settings, only: Option<&Address>) -> Finding {
    if settings.server.is_some() {
        let kept = home.client_file(&settings.provider.name);
        let sentence = match kept.exists() {
            true => format!("{} is there.", kept.display()),
            false => "The configuration names one.".to_owned(),
        };
        return Finding::passed(Check::Client, sentence);
    }
    let address = only.map_or("you@gmail.com", Address::as_str);
    let error = SignInError::NoClient;
    Finding::failed(Check::Client, error.code(), error.to_string(), error.remedy(address))
}

/// The accounts that are to be looked at, and what is wrong with files that should be some. Without a
/// Google client nobody can have signed in. `folder` is what was found of the folder they are in.
pub(super) fn accounts(
    home: &Home,
    only: Option<&Address>,
    has_client: bool,
    folder: &Finding,
) -> (Vec<Finding>, Vec<Record>) {
    let follows = |error: &StoreError| matches!(error, StoreError::Io { .. }) && is_closed(folder);
    let left_out = || Finding::left_out(Check::Accounts, Check::Home);
    let listed = match Store::new(home.accounts()).list() {
        Ok(listed) => listed,
        Err(error) if follows(&error) => return (vec![left_out()], Vec::new()),
        Err(error) => return (vec![unusable(error)], Vec::new()),
    };
    let (mut found, mut records) = (Vec::new(), Vec::new());
    for listed in listed {
        match listed {
            Listed::Account(record) => records.push(*record),
            Listed::Damaged { error, .. } if follows(&error) => found.push(left_out()),
            // The record of the one that is asked about could be read.
            Listed::Damaged { .. } if only.is_some() => {}
            Listed::Damaged { error, .. } => found.push(unusable(error)),
        }
    }
    if records.is_empty() && found.is_empty() && !has_client {
        found.push(Finding::left_out(Check::Accounts, Check::Client));
    } else if records.is_empty() && found.is_empty() {
        found.push(Ailment::NobodySignedIn.found(Check::Accounts));
    } else if !records.is_empty() {
        let names: Vec<_> = records.iter().map(|record| record.address().as_str()).collect();
        found.push(Finding::passed(Check::Accounts, format!("Signed in: {}.", names.join(", "))));
    }
    records.retain(|record| only.is_none_or(|only| only == record.address()));
    (found, records)
}

fn unusable(error: StoreError) -> Finding {
    let code = match &error {
        StoreError::Damaged { .. } => "record_damaged",
        StoreError::NewerFormat { .. } => "record_newer",
        _ => "record_unreadable",
    };
    let Failure { sentence, remedy, .. } = error.into();
    Finding::failed(Check::Accounts, code, sentence, remedy)
}

/// The keys that the person has set in the configuration, without their values.
pub(super) fn keys_set(home: &Home) -> Vec<String> {
    let text = fs::read_to_string(home.config_file()).unwrap_or_default();
    let Ok(table) = text.parse::<toml::Table>() else { return Vec::new() };
    let mut keys = Vec::new();
    name_keys("", &table, &mut keys);
    keys
}

fn name_keys(prefix: &str, table: &toml::Table, keys: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(table) => name_keys(&format!("{prefix}{key}."), table, keys),
            _ => keys.push(format!("{prefix}{key}")),
        }
    }
}
