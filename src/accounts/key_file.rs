//! A key file: what lets a server open its accounts unattended, for instance as a systemd
//! credential.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::encoding::fill_random;
use super::error::NoRandomness;
use crate::private_file::{self, RightsError};

/// 256 bits, the size of the keys that come from it, if the bytes are random. Text with less in it
/// than that for each byte should be longer; that can't be seen from here.
const MIN_KEY_FILE: u64 = 32;

/// Far above any key; what is larger was named by mistake.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// The bytes of a key file, every one as it stands, a line break at the end included.
pub struct KeyFile(Zeroizing<Vec<u8>>);

/// Why a key file can't be used or made. All are this machine's, or the configuration's that
/// names the file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error("the key file {} does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A folder, a pipe or a device.
    #[error("the key file {} is not a plain file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Under 32 bytes.
    #[error("the key file {} has only {found} bytes", path.display())]
    TooShort {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
    },
    /// Over 64 KiB.
    #[error("the key file {} is larger than 64 KiB, so it is hardly a key", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read or change it.
    #[error("the key file can't be trusted: {0}")]
    Rights(#[from] RightsError),
    /// Making one: there is something already, and it is kept.
    #[error("{} exists already and is kept", path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// The system said no.
    #[error("the key file {} could not be used ({source})", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Making one: the random number generator gave nothing.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl KeyFileError {
    /// One thing to do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Missing { .. } => {
                "Name a file that is there as `key_file` under [secrets] in the configuration."
            }
            Self::NotAFile { .. } | Self::TooShort { .. } | Self::TooLong { .. } => {
                "Name a file of 32 random bytes as `key_file` under [secrets] in the configuration."
            }
            Self::Rights(error) => return error.remedy(),
            Self::AlreadyExists { .. } | Self::NoRandomness(_) => "Try again.",
            Self::Io { source, .. } => private_file::remedy(source),
        }
        .to_owned()
    }
}

impl KeyFile {
    /// Reads a key file of 32 bytes to 64 KiB that only its owner may read (0400 or 0600; see
    /// [`private_file::check_owner_only`]).
    ///
    /// # Errors
    /// [`KeyFileError`]: any but `AlreadyExists` and `NoRandomness`.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => KeyFileError::Missing { path: path.to_owned() },
            _ => KeyFileError::Io { path: path.to_owned(), source },
        };
        // Asked before opening: opening a pipe would wait for its other end.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(KeyFileError::NotAFile { path: path.to_owned() });
        }
        private_file::check_owner_only(path)?;

        // As large as it can get, so that growing leaves no unwiped copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE as usize + 1));
        let file = File::open(path).map_err(failed)?;
        file.take(MAX_KEY_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
        let found = bytes.len() as u64;
        if found < MIN_KEY_FILE {
            return Err(KeyFileError::TooShort { path: path.to_owned(), found });
        }
        if found > MAX_KEY_FILE {
            return Err(KeyFileError::TooLong { path: path.to_owned() });
        }
        Ok(Self(bytes))
    }

    /// Makes a key file of 32 random bytes (0600 on Unix). The folder has to be there.
    ///
    /// # Errors
    /// [`KeyFileError::AlreadyExists`] if anything is at `path`: it is kept as it is. Else `Io` or
    /// `NoRandomness`.
    pub fn create(path: &Path) -> Result<Self, KeyFileError> {
        let mut bytes = Zeroizing::new(vec![0; MIN_KEY_FILE as usize]);
        fill_random(&mut bytes)?;
        match private_file::create_atomically(path, &bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                Err(KeyFileError::AlreadyExists { path: path.to_owned() })
            }
            Err(source) => Err(KeyFileError::Io { path: path.to_owned(), source }),
        }
    }

    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFile(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        private_file::write_atomically(&path, bytes).unwrap();
        (home, path)
    }

    #[test]
    fn what_create_makes_read_reads() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        let made = KeyFile::create(&path).unwrap();
        assert_eq!(made.expose(), KeyFile::read(&path).unwrap().expose());
        assert_eq!(made.expose().len(), 32);
        assert!(matches!(KeyFile::create(&path), Err(KeyFileError::AlreadyExists { .. })));
        let nowhere = home.path().join("none/key");
        assert!(matches!(KeyFile::create(&nowhere), Err(KeyFileError::Io { .. })));
        assert_eq!(made.expose(), KeyFile::read(&path).unwrap().expose());
        assert_eq!(format!("{made:?}"), "KeyFile(…)");
    }

    #[test]
    fn lengths_are_bounded() {
        let (_home, path) = file_of(&[7; 31]);
        assert!(matches!(KeyFile::read(&path), Err(KeyFileError::TooShort { found: 31, .. })));
        let (_home, path) = file_of(&[7; 64 * 1024 + 1]);
        assert!(matches!(KeyFile::read(&path), Err(KeyFileError::TooLong { .. })));
        for length in [32, 64 * 1024] {
            let (_home, path) = file_of(&vec![7; length]);
            assert_eq!(KeyFile::read(&path).unwrap().expose().len(), length);
        }
    }

    #[test]
    fn what_is_not_there_or_no_file_is_said() {
        let home = tempfile::tempdir().unwrap();
        let missing = KeyFile::read(&home.path().join("none"));
        assert!(matches!(missing, Err(KeyFileError::Missing { .. })));
        assert!(matches!(KeyFile::read(home.path()), Err(KeyFileError::NotAFile { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_open_to_others_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (_home, path) = file_of(&[7; 32]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(KeyFile::read(&path), Err(KeyFileError::Rights(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        KeyFile::read(&path).unwrap();
    }
}
