//! What opens accounts without a person, as the configuration has it; and asking the keychain from
//! a command, with bounded patience.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::report::{Failure, say};
use super::terminal::UnderWay;
use crate::accounts::{Address, Directory, KeyFile, Keychain, Keys, PrivateKey, Record, Store};
use crate::config::{Config, Home};
use crate::secret::LocalPassword;

/// How long a command waits for the keychain: the person may have to type the keychain's password.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it does so without a word where no terminal shows that it is under way.
const QUIET: Duration = Duration::from_secs(2);
pub(super) const WAITING: &str =
    "Waiting for the system's keychain, half a minute at most; it may ask for its password";

/// What is told while a password that a person chose is checked, which is slow by design.
pub(super) const DERIVING: &str = "The local password is checked";

/// The keys as they are.
pub(super) fn configured(config: &Config) -> Result<Keys, Failure> {
    let key_file = key_file_path(config).map(|path| KeyFile::read(&path)).transpose()?;
    Ok(Keys { key_file, keychain: keychain(config) })
}

/// The keys for a new account; a key file that is named and isn't there is made.
pub(super) fn for_login(config: &Config) -> Result<Keys, Failure> {
    match key_file_path(config) {
        Some(path) if !path.exists() => {
            let key_file = Some(KeyFile::create(&path)?);
            Ok(Keys { key_file, keychain: keychain(config) })
        }
        _ => configured(config),
    }
}

/// Opens an account with the key file, else with the keychain. `None` if neither does; what stood
/// in the way is said.
pub(super) fn open(record: &Record, config: &Config) -> Option<PrivateKey> {
    by_key_file(record, config).or_else(|| by_keychain(record, config))
}

/// Ties a new account to the keychain, unless a key file opens it. True if it was done; the person
/// is told how it went.
pub(super) fn tie(home: &Home, keys: &Keys, address: &Address, password: &LocalPassword) -> bool {
    let (Some(keychain), None) = (keys.keychain.clone(), &keys.key_file) else {
        return false;
    };
    let directory = Directory::new(Store::new(home.accounts()), None);
    let Ok(Some(account)) = directory.find(address.as_str()) else {
        return false;
    };
    if account.sign_on(password).is_err() {
        return false;
    }
    let later = "after a restart the account opens when its first mail client signs on";
    match ask(move || account.adopt_keychain(&keychain)) {
        Some(Ok(_)) => {
            say("\nThe system's keychain will open the account whenever Gatepost starts.");
            true
        }
        Some(Err(error)) => {
            say(&format!("\nNote: {error}; {later}."));
            false
        }
        None => {
            say(&format!("\nNote: the keychain does not answer; {later}."));
            false
        }
    }
}

/// Removes what the keychain has for a record that is no more.
pub(super) fn untie(record: &Record, config: &Config) {
    if !record.has_keychain_slot() {
        return;
    }
    let name = record.keychain_name();
    let stays = |why: &str| {
        say(&format!(
            "Note: the entry “{name}” for gatepost stays in the system's keychain ({why}). It opens nothing any more."
        ));
    };
    let Some(keychain) = keychain(config) else {
        return stays("the configuration has it off");
    };
    let entry = name.clone();
    match ask(move || keychain.remove(&entry)) {
        Some(Ok(_)) => {}
        Some(Err(error)) => stays(&error.to_string()),
        None => stays("it does not answer"),
    }
}

/// The next line of stdin, without its end.
pub(super) fn line_of_stdin() -> std::io::Result<LocalPassword> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut line)?;
    let typed = line.strip_suffix('\n').unwrap_or(&line);
    Ok(LocalPassword::new(typed.strip_suffix('\r').unwrap_or(typed)))
}

fn by_key_file(record: &Record, config: &Config) -> Option<PrivateKey> {
    let path = key_file_path(config).filter(|_| record.has_key_file_slot())?;
    match KeyFile::read(&path) {
        Ok(key_file) => record.unlock_with_key_file(&key_file).ok(),
        Err(error) => {
            say(&format!("Note: {error}."));
            None
        }
    }
}

fn by_keychain(record: &Record, config: &Config) -> Option<PrivateKey> {
    let keychain = keychain(config).filter(|_| record.has_keychain_slot())?;
    let record = record.clone();
    match ask(move || keychain.unlock(&record)) {
        Some(Ok(key)) => key,
        Some(Err(error)) => {
            say(&format!("Note: {error}."));
            None
        }
        None => {
            say("Note: the keychain does not answer.");
            None
        }
    }
}

fn keychain(config: &Config) -> Option<Keychain> {
    config.keychain.then(Keychain::of_this_person)
}

/// The configuration's key file, else systemd's credential `gatepost.key`.
fn key_file_path(config: &Config) -> Option<PathBuf> {
    let credential = || {
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
        Some(PathBuf::from(folder).join("gatepost.key")).filter(|path| path.exists())
    };
    config.key_file.clone().or_else(credential)
}

/// Asks on a thread that is left behind if no answer comes in time.
fn ask<T: Send + 'static>(question: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody waits any more once the patience is at its end.
        let _ = answer.send(question());
    });
    let _sign = UnderWay::begin(WAITING);
    answered.recv_timeout(QUIET).ok().or_else(|| {
        if !std::io::stderr().is_terminal() {
            say(&format!("{WAITING} …"));
        }
        answered.recv_timeout(PATIENCE - QUIET).ok()
    })
}
