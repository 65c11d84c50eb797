//! What opens accounts without a person, as the configuration has it; and asking the keychain from
//! a command, with bounded patience.

use std::fmt;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::report::{Failure, say};
use super::terminal::UnderWay;
use crate::accounts::{
    Address, Directory, KeyFile, KeyFileError, Keychain, Keys, PrivateKey, Record, Store,
};
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

/// Of a keychain.
pub(super) const SILENT: &str = "the keychain does not answer";

/// What a person is told besides; the command goes on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Note<'n> {
    /// The keychain has a key for the new account.
    Tied,
    /// It has none, for this reason.
    NotTied(&'n str),
    /// The key file is of no use.
    KeyFile(&'n KeyFileError),
    /// The keychain is of no use, for this reason.
    Keychain(&'n str),
    /// The keychain keeps what it has for an account that is no more.
    EntryStays { name: &'n str, why: &'n str },
}

impl fmt::Display for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tied => {
                f.write_str("The system's keychain will open the account whenever Gatepost starts.")
            }
            Self::NotTied(why) => write!(
                f,
                "Note: {why}; after a restart the account opens when its first mail program signs on."
            ),
            Self::KeyFile(error) => write!(f, "Note: {error}. {}", error.remedy()),
            Self::Keychain(why) => write!(f, "Note: {why}."),
            Self::EntryStays { name, why } => write!(
                f,
                "Note: the entry “{name}” for gatepost stays in the system's keychain ({why}), and opens nothing any more."
            ),
        }
    }
}

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
    let adopted = ask(move || account.adopt_keychain(&keychain));
    let why = match &adopted {
        Some(Ok(_)) => None,
        Some(Err(error)) => Some(error.to_string()),
        None => Some(SILENT.to_owned()),
    };
    say(&format!("\n{}", why.as_deref().map_or(Note::Tied, Note::NotTied)));
    why.is_none()
}

/// Removes what the keychain has for a record that is no more.
pub(super) fn untie(record: &Record, config: &Config) {
    if !record.has_keychain_slot() {
        return;
    }
    let name = record.keychain_name();
    let stays = |why: &str| say(&Note::EntryStays { name: &name, why }.to_string());
    let Some(keychain) = keychain(config) else {
        return stays("the configuration has it off");
    };
    let entry = name.clone();
    match ask(move || keychain.remove(&entry)) {
        Some(Ok(_)) => {}
        Some(Err(error)) => stays(&error.to_string()),
        None => stays(SILENT),
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
            say(&Note::KeyFile(&error).to_string());
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
            say(&Note::Keychain(&error.to_string()).to_string());
            None
        }
        None => {
            say(&Note::Keychain(SILENT).to_string());
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
