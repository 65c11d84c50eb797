//! The platform's keychain: Windows' Credential Manager, macOS' Keychain, or the Secret Service
//! (GNOME's keyring, KWallet, KeePassXC). It opens accounts without a person, as a key file does.
//!
//! What is kept there is one random key for each record, never a token or a password: Credential
//! Manager holds 2,560 bytes, and whatever else the keychain hands out is worth nothing without the
//! record. It stands as hexadecimal text, since KWallet can't hold other bytes.

use std::fmt;
use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

use super::encoding::{fill_random, hex};
use super::error::NoRandomness;
use super::record::Record;
use super::seal::PrivateKey;
use crate::private_memory::Shown;

/// What every entry of Gatepost's is filed under; the rest of its name is the record's, see
/// [`Record::keychain_name`].
const SERVICE: &str = "gatepost";

/// The size of the keys that come from it.
const KEY: usize = 32;

/// A keychain, behind the interface of the keyring crates. It is opened anew for each question: one that was locked, absent or restarted a
/// moment ago may not be so now.
///
/// Every question may wait for long, since the keychain may ask its person for a password first.
/// Ask on a thread that can be left behind.
///
/// The process is shown meanwhile: KeePassXC reads `/proc/PID/exe` of who asks, to tell its person, and
/// warns or asks each time of whom it can't look at.
#[derive(Clone)]
pub struct Keychain {
    open: Arc<dyn Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync>,
}

/// The key that the keychain keeps for one record.
#[derive(Clone, PartialEq, Eq)]
pub struct KeychainKey(Zeroizing<[u8; KEY]>);

/// Why the keychain is of no help.
#[derive(Debug, thiserror::Error)]
pub enum KeychainError {
    /// This machine's: it has none, or none for this session.
    #[error("there is no keychain here ({reason})")]
    Absent {
        /// What the system said.
        reason: String,
    },
    /// The person's: it is locked, and they didn't unlock it; or it is closed to this program.
    #[error("the keychain is locked ({reason})")]
    Locked {
        /// What the system said.
        reason: String,
    },
    /// The keychain's: what stands under the record's name isn't one key of Gatepost's. It is kept.
    #[error("what the keychain has for gatepost under “{name}” is no key of Gatepost's")]
    Foreign {
        /// The entry's name.
        name: String,
    },
    /// The keychain's.
    #[error("the keychain can't be used ({reason})")]
    Failed {
        /// What the system said.
        reason: String,
    },
    /// This machine's.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl KeychainError {
    /// True if the next question would get the same answer, whatever it is about.
    pub fn is_for_all(&self) -> bool {
        !matches!(self, Self::Foreign { .. })
    }
}

impl Keychain {
    /// The one of the person that this process runs as. It isn't touched yet.
    pub fn of_this_person() -> Self {
        Self { open: Arc::new(platform_store) }
    }

    /// Any other, for tests.
    pub fn of_store(store: Arc<CredentialStore>) -> Self {
        Self { open: Arc::new(move || Ok(store.clone())) }
    }

    /// Looks whether there is one. The person is never asked for this.
    ///
    /// # Errors
    /// [`KeychainError::Absent`].
    pub fn reach(&self) -> Result<(), KeychainError> {
        let _shown = Shown::begin();
        self.store().map(drop)
    }

    /// Gives the private key of a record, if the keychain has a key that opens it.
    ///
    /// # Errors
    /// [`KeychainError`]: any but `NoRandomness`.
    pub fn unlock(&self, record: &Record) -> Result<Option<PrivateKey>, KeychainError> {
        let kept = self.key(&record.keychain_name())?;
        Ok(kept.and_then(|kept| record.unlock_with_keychain(&kept).ok()))
    }

    /// The key under this name, if there is one.
    fn key(&self, name: &str) -> Result<Option<KeychainKey>, KeychainError> {
        let _shown = Shown::begin();
        key_in(&self.entry(name)?, name)
    }

    /// The key under this name, or else a new one. What is there is never overwritten.
    pub(super) fn key_or_new(&self, name: &str) -> Result<KeychainKey, KeychainError> {
        let _shown = Shown::begin();
        let entry = self.entry(name)?;
        if let Some(key) = key_in(&entry, name)? {
            return Ok(key);
        }
        let new = KeychainKey::random()?;
        entry.set_password(&new.to_text()).map_err(|error| told(error, name))?;
        // What it gives back is what the next start will get; another process may have been faster.
        let foreign = || KeychainError::Foreign { name: name.to_owned() };
        key_in(&entry, name)?.ok_or_else(foreign)
    }

    /// Removes what is under this name. False if nothing was.
    ///
    /// # Errors
    /// [`KeychainError`]: any but `NoRandomness`.
    pub fn remove(&self, name: &str) -> Result<bool, KeychainError> {
        let _shown = Shown::begin();
        match self.entry(name)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(told(error, name)),
        }
    }

    fn entry(&self, name: &str) -> Result<Entry, KeychainError> {
        self.store()?.build(SERVICE, name, None).map_err(|error| told(error, name))
    }

    fn store(&self) -> Result<Arc<CredentialStore>, KeychainError> {
        (self.open)().map_err(|error| KeychainError::Absent { reason: reason(&error) })
    }
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keychain")
    }
}

impl KeychainKey {
    pub(super) fn random() -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0; KEY]);
        fill_random(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.0.as_ref()
    }

    fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(self.expose()))
    }

    /// As [`to_text`](Self::to_text) wrote it, and in no other form.
    fn from_text(text: &str) -> Option<Self> {
        let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
        let mut bytes = Zeroizing::new([0; KEY]);
        if text.len() != 2 * KEY {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for KeychainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeychainKey(…)")
    }
}

fn key_in(entry: &Entry, name: &str) -> Result<Option<KeychainKey>, KeychainError> {
    match entry.get_password().map(Zeroizing::new) {
        Ok(text) => {
            let key = KeychainKey::from_text(&text);
            key.map(Some).ok_or_else(|| KeychainError::Foreign { name: name.to_owned() })
        }
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(told(error, name)),
    }
}

/// Some of the library's errors hold what was read; nothing of that may be shown.
fn told(error: Error, name: &str) -> KeychainError {
    match error {
        Error::NoStorageAccess(_) => KeychainError::Locked { reason: reason(&error) },
        Error::BadEncoding(mut bytes) | Error::BadDataFormat(mut bytes, _) => {
            zeroize::Zeroize::zeroize(&mut bytes);
            KeychainError::Foreign { name: name.to_owned() }
        }
        Error::Ambiguous(_) => KeychainError::Foreign { name: name.to_owned() },
        error => KeychainError::Failed { reason: reason(&error) },
    }
}

/// The system's own words, where there are any, without the library's before them.
fn reason(error: &Error) -> String {
    match error {
        Error::PlatformFailure(system) | Error::NoStorageAccess(system) => system.to_string(),
        error => error.to_string(),
    }
}

#[cfg(target_os = "macos")]
fn platform_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn platform_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(all(unix, not(target_os = "macos")))]
fn platform_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyring_core::mock;

    const NAME: &str = "you@gmail.com 0123456789abcdef";

    fn keychain() -> (Keychain, Arc<mock::Store>) {
        let store = mock::Store::new().unwrap();
        (Keychain::of_store(store.clone()), store)
    }

    /// The entry as another program sees it.
    fn entry(store: &mock::Store) -> Entry {
        keyring_core::api::CredentialStoreApi::build(store, "gatepost", NAME, None).unwrap()
    }

    /// The next question about the entry gets this answer.
    fn fails(store: &mock::Store, error: Error) {
        entry(store).as_any().downcast_ref::<mock::Cred>().unwrap().set_error(error);
    }

    fn system(words: &str) -> keyring_core::error::PlatformError {
        words.into()
    }

    #[test]
    fn a_new_key_is_random_and_stays() {
        let (keychain, store) = keychain();
        assert_eq!(keychain.key(NAME).unwrap(), None);
        let new = keychain.key_or_new(NAME).unwrap();
        assert_eq!(keychain.key_or_new(NAME).unwrap(), new);
        assert_eq!(keychain.key(NAME).unwrap(), Some(new.clone()));
        assert_ne!(keychain.key_or_new("another").unwrap(), new);
        assert_eq!(entry(&store).get_password().unwrap(), *new.to_text());
        assert_eq!(format!("{new:?} {keychain:?}"), "KeychainKey(…) Keychain");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_keychain_may_look_at_who_asks_for_as_long_as_it_is_asked() {
        use crate::private_memory::{alone, keep};
        let name =
            "accounts::keychain::tests::a_keychain_may_look_at_who_asks_for_as_long_as_it_is_asked";
        if !alone::in_a_process_of_its_own(name) {
            return;
        }
        keep();
        let store = mock::Store::new().unwrap();
        let open = move || {
            assert!(alone::is_shown());
            Ok(store.clone() as Arc<CredentialStore>)
        };
        let keychain = Keychain { open: Arc::new(open) };
        let assert_hidden = || assert!(!alone::is_shown());
        keychain.reach().unwrap();
        assert_hidden();
        keychain.key_or_new(NAME).unwrap();
        assert_hidden();
        keychain.key(NAME).unwrap();
        assert_hidden();
        assert!(keychain.remove(NAME).unwrap());
        assert_hidden();
    }

    #[test]
    fn removing_says_whether_there_was_something() {
        let (keychain, store) = keychain();
        assert!(!keychain.remove(NAME).unwrap());
        keychain.key_or_new(NAME).unwrap();
        assert!(keychain.remove(NAME).unwrap());
        assert!(matches!(entry(&store).get_secret(), Err(Error::NoEntry)));
    }

    #[test]
    fn what_is_no_key_is_refused_and_kept() {
        let (keychain, store) = keychain();
        let key = "0f".repeat(32);
        for foreign in [
            "",
            &key[1..],
            &format!("{key}0"),
            &key.to_uppercase(),
            &"+f".repeat(32),
            &"0ü".repeat(22),
        ] {
            entry(&store).set_password(foreign).unwrap();
            for refused in [keychain.key(NAME).map(drop), keychain.key_or_new(NAME).map(drop)] {
                let error = refused.unwrap_err();
                assert!(matches!(error, KeychainError::Foreign { .. }), "{error} for {foreign:?}");
                assert!(
                    !error.is_for_all()
                        && (foreign.is_empty() || !error.to_string().contains(foreign))
                );
            }
            assert_eq!(entry(&store).get_password().unwrap(), foreign);
        }
        entry(&store).set_secret(b"\xff\xfe").unwrap();
        assert!(matches!(keychain.key_or_new(NAME), Err(KeychainError::Foreign { .. })));
        entry(&store).set_password(&key).unwrap();
        assert_eq!(keychain.key(NAME).unwrap().unwrap().expose(), [0x0f; 32]);
    }

    #[test]
    fn the_systems_no_is_told_apart() {
        let (keychain, store) = keychain();
        fails(&store, Error::NoStorageAccess(system("prompt dismissed")));
        let locked = keychain.key(NAME).unwrap_err();
        assert_eq!(locked.to_string(), "the keychain is locked (prompt dismissed)");
        fails(&store, Error::PlatformFailure(system("the bus is gone")));
        let failed = keychain.key_or_new(NAME).unwrap_err();
        assert_eq!(failed.to_string(), "the keychain can't be used (the bus is gone)");
        fails(&store, Error::BadDataFormat(b"marker".to_vec(), system("marker")));
        assert!(!keychain.remove(NAME).unwrap_err().to_string().contains("marker"));
        assert!(locked.is_for_all() && failed.is_for_all());

        let none = Keychain { open: Arc::new(|| Err(Error::PlatformFailure(system("no bus")))) };
        for refused in [none.reach(), none.key(NAME).map(drop), none.remove(NAME).map(drop)] {
            assert_eq!(refused.unwrap_err().to_string(), "there is no keychain here (no bus)");
        }
        keychain.reach().unwrap();
    }
}
