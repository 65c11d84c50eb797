//! Where records lie: one file an account, in one folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::address::Address;
use super::error::RecordError;
use super::record::Record;
use crate::private_file;

/// The largest record in bytes. One has about two thousand, and at most 45,000 more for a refresh
/// token of unusual length; what is larger isn't read.
pub const MAX_RECORD: u64 = 256 * 1024;

/// Taken for every change, by every process. It stays when the records go: a lock on a file that
/// may be removed excludes nobody.
const LOCK: &str = ".lock";

/// The folder of the accounts.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

/// What a file in the folder turned out to be.
#[derive(Debug)]
pub enum Listed {
    /// The record of an account.
    Account(Box<Record>),
    /// A file that is no record one could use. It is kept.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why, and what to do: [`StoreError::Damaged`], `NewerFormat` or `Io`.
        error: StoreError,
    },
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file of a record: it isn't one. Nothing has been written.
    #[error("{} is damaged ({reason})", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file of a record: a newer Gatepost wrote it. Nothing has been written.
    #[error("{} is of format {format}, which a newer Gatepost has written", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format that it names.
        format: u64,
    },
    /// The caller: it gave the record of another account than the one to change.
    #[error("the record of {found} can't be stored as that of {expected}")]
    WrongAccount {
        /// The account to change.
        expected: Address,
        /// That of the record.
        found: Address,
    },
    /// This machine.
    #[error("{} could not be {action} ({source})", path.display())]
    Io {
        /// What was tried, as a participle.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The caller: the record can't be written down.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl StoreError {
    /// What is wrong and what to do, where one text tells both.
    pub fn in_full(&self) -> String {
        format!("{self}. {}", self.remedy())
    }

    /// One thing to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => {
                "Put back a copy from a backup; without one, move the file away and sign in again."
            }
            Self::NewerFormat { .. } => "Update Gatepost.",
            Self::WrongAccount { .. } => "Please report this with these words.",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "Put the account's file back, or mount the disk that it is on."
            }
            Self::Io { source, .. } => private_file::remedy(source),
            Self::Record(error) => error.remedy(),
        }
    }
}

impl Store {
    /// The store in `dir`, which need not be there yet; it is made by the first change.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Every account, and every file that should be one and isn't, in the order of the file names.
    /// An absent folder has none.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder can't be read.
    pub fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let failed = |source| failed("listed", &self.dir, source);
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if is_record_name(&path) {
                paths.push(path);
            }
        }
        paths.sort();
        let listed = paths.into_iter().filter_map(|path| match read(&path) {
            Ok(Some(record)) => Some(Listed::Account(Box::new(record))),
            Ok(None) => None,
            Err(error) => Some(Listed::Damaged { path, error }),
        });
        Ok(listed.collect())
    }

    /// The record of an account, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], `NewerFormat` or `Io`.
    pub fn load(&self, address: &Address) -> Result<Option<Record>, StoreError> {
        read(&self.path(address))
    }

    /// The stamp of an account's file: one look at the folder, no reading. It differs after a
    /// change, unless two of them come within one tick of the file system's clock (some
    /// milliseconds) and the second happens upon the number of the file that the first replaced.
    /// None if there is no file.
    pub fn stamp(&self, address: &Address) -> Option<Stamp> {
        let about = fs::metadata(self.path(address)).ok()?;
        Some(Stamp { modified: about.modified().ok(), length: about.len(), inode: inode(&about) })
    }

    /// Reads the record of an account, lets `change` say what it is to be, and stores that, while
    /// no other process or thread changes any record. `change` gets none if there is no record, and
    /// gives none to leave everything as it is. Gives back what it gave.
    ///
    /// Others wait meanwhile, so `change` should not: derive a slow password before.
    ///
    /// # Errors
    /// What `change` gives, and any [`StoreError`]. The record is then as it was (but see
    /// [`private_file::write_atomically`]); a file that can't be read is never overwritten.
    pub fn update<E: From<StoreError>>(
        &self,
        address: &Address,
        change: impl FnOnce(Option<Record>) -> Result<Option<Record>, E>,
    ) -> Result<Option<Record>, E> {
        let _lock = self.lock()?;
        let changed = change(self.load(address)?)?;
        if let Some(record) = &changed {
            self.save(address, record)?;
        }
        Ok(changed)
    }

    /// Removes the record of an account. Gives false if there was none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] or `NewerFormat` if the file is no record that one could use: it is
    /// kept. Else [`StoreError::Io`].
    pub fn remove(&self, address: &Address) -> Result<bool, StoreError> {
        if !self.dir.exists() {
            return Ok(false);
        }
        let _lock = self.lock()?;
        if self.load(address)?.is_none() {
            return Ok(false);
        }
        let path = self.path(address);
        private_file::remove(&path).map_err(|source| failed("removed", &path, source))?;
        Ok(true)
    }

    fn save(&self, address: &Address, record: &Record) -> Result<(), StoreError> {
        if record.address() != address {
            let (expected, found) = (address.clone(), record.address().clone());
            return Err(StoreError::WrongAccount { expected, found });
        }
        let path = self.path(address);
        let json = record.to_json()?;
        if json.len() as u64 > MAX_RECORD {
            let source = io::Error::from(io::ErrorKind::FileTooLarge);
            return Err(failed("written", &path, source));
        }
        private_file::write_atomically(&path, &json)
            .map_err(|source| failed("written", &path, source))
    }

    /// Waits until no one else holds the lock; it ends when the file is closed, also by a crash.
    fn lock(&self) -> Result<File, StoreError> {
        private_file::create_private_dir(&self.dir)
            .map_err(|source| failed("made", &self.dir, source))?;
        let path = self.dir.join(LOCK);
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        private_file::owner_only(&mut options);
        let take = || {
            let file = options.open(&path)?;
            loop {
                match file.lock() {
                    Ok(()) => return Ok(file),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        };
        take().map_err(|source| failed("locked", &path, source))
    }

    /// What there is to say of a record that should be there and isn't.
    pub(super) fn missing(&self, address: &Address) -> StoreError {
        failed("read", &self.path(address), io::ErrorKind::NotFound.into())
    }

    fn path(&self, address: &Address) -> PathBuf {
        self.dir.join(format!("{}.json", address.file_stem()))
    }
}

/// Leading dots are the lock's, unfinished files' and the companions that some systems make.
fn is_record_name(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|ending| ending == "json")
}

fn read(path: &Path) -> Result<Option<Record>, StoreError> {
    let damaged = |reason: String| StoreError::Damaged { path: path.to_owned(), reason };
    let json = match private_file::read_bounded(path, MAX_RECORD) {
        Ok(json) => json,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => return Ok(None),
            io::ErrorKind::FileTooLarge => {
                return Err(damaged("it is larger than 256 KiB".to_owned()));
            }
            io::ErrorKind::InvalidInput => {
                return Err(damaged("it is not a plain file".to_owned()));
            }
            _ => return Err(failed("read", path, error)),
        },
    };
    let record = match Record::from_json(&json) {
        Ok(record) => record,
        Err(RecordError::UnknownFormat { found }) => {
            return Err(StoreError::NewerFormat { path: path.to_owned(), format: found });
        }
        Err(error) => return Err(damaged(error.to_string())),
    };
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    if stem != Some(record.address().file_stem().as_str()) {
        return Err(damaged(
            "it holds the record of another address than its name says".to_owned(),
        ));
    }
    Ok(Some(record))
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { action, path: path.to_owned(), source }
}

#[cfg(unix)]
fn inode(about: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(about)
}

/// Windows' file index isn't to be had from the standard library; its times count 100 ns.
#[cfg(not(unix))]
fn inode(_about: &fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
