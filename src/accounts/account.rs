//! An account in a running proxy: its record, and its key once somebody unlocked it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    Address, Grant, KeyFile, Keychain, KeychainError, PrivateKey, Record, RecordError, Stamp,
    Store, StoreError, UnlockError,
};
use crate::secret::LocalPassword;

/// One account, shared by all of its sessions.
pub struct Account {
    address: Address,
    store: Store,
    key_file: Option<Arc<KeyFile>>,
    inner: Mutex<Inner>,
}

struct Inner {
    record: Arc<Record>,
    stamp: Option<Stamp>,
    key: Option<Arc<PrivateKey>>,
    /// What the derivation would say again; see [`Account::sign_on`].
    verified: Option<Verified>,
}

/// A salted digest of a password that was right.
struct Verified {
    salt: [u8; 16],
    digest: Zeroizing<[u8; 32]>,
}

/// Why a sign-on is not let in.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The client's: the password is wrong.
    #[error("wrong local password")]
    Wrong,
    /// This machine's: the account can't be read, whatever the password is.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This machine's: the record can't be opened, whatever the password is.
    #[error("{address}'s record can't be used ({reason})")]
    Record {
        /// The account.
        address: Address,
        /// What is wrong with it.
        reason: String,
    },
}

impl CheckError {
    /// One thing to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Wrong => "Enter the local password.",
            Self::Store(error) => error.remedy(),
            Self::Record { .. } => {
                "Move the account's file away and sign in again with `gatepost login`."
            }
        }
    }
}

/// Why there is no grant.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// Nobody has signed on yet, and no key file opens it.
    #[error("the account is locked until a mail program signs on")]
    Locked,
    /// The record can't be opened with its own key.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Why the keychain won't open an account at the next start.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The keychain.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// This machine's: the record can't be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Account {
    pub(super) fn new(record: Record, store: Store, key_file: Option<Arc<KeyFile>>) -> Self {
        let address = record.address().clone();
        // No stamp: the file may have changed since it was read, and the first look reads it again.
        let inner = Inner { record: Arc::new(record), stamp: None, key: None, verified: None };
        let account = Self { address, store, key_file, inner: Mutex::new(inner) };
        account.unlock_with_key_file();
        account
    }

    /// The address, as the person typed it at login.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The record as it is now.
    pub fn record(&self) -> Arc<Record> {
        self.lock().record.clone()
    }

    /// True until a slot was opened.
    pub fn is_locked(&self) -> bool {
        self.lock().key.is_none()
    }

    /// Looks whether another process wrote the record, and reads it if so. False if it is gone.
    pub fn refresh(&self) -> Result<bool, StoreError> {
        let stamp = self.store.stamp(&self.address);
        if stamp.is_some() && stamp == self.lock().stamp {
            return Ok(true);
        }
        let Some(record) = self.store.load(&self.address)? else {
            return Ok(false);
        };
        self.take_over(record, stamp);
        self.unlock_with_key_file();
        Ok(true)
    }

    /// Checks a local password, and unlocks the account with it. It takes microseconds for a
    /// generated password; for a chosen one some tenth of a second the first time, and only
    /// then: if [`is_slow`](Self::is_slow), call it where blocking is allowed, and one at a time,
    /// since Argon2id takes 64 MiB.
    pub fn sign_on(&self, password: &LocalPassword) -> Result<(), CheckError> {
        if password.is_empty() {
            return Err(CheckError::Wrong);
        }
        if let Some(right) = self.known(password) {
            return if right { Ok(()) } else { Err(CheckError::Wrong) };
        }
        let record = self.record();
        let key = record.unlock_with_password(password).map_err(|error| match error {
            UnlockError::WrongSecret => CheckError::Wrong,
            UnlockError::NoSuchSlot | UnlockError::Damaged => {
                CheckError::Record { address: self.address.clone(), reason: error.to_string() }
            }
        })?;
        // For a generated one too: its derivation is a third of what a sign-on costs here.
        let verified = Verified::new(password);
        let mut inner = self.lock();
        // The record may have changed meanwhile; a key that isn't its own is of no use, and what
        // was right for another password slot may not be right for this one.
        if inner.record.has_key(&key) {
            if Arc::ptr_eq(&inner.record, &record) {
                inner.verified = verified.or(inner.verified.take());
            }
            if inner.key.is_none() {
                inner.key = Some(Arc::new(key));
            }
        }
        Ok(())
    }

    /// True if the next [`sign_on`](Self::sign_on) may take long.
    pub fn is_slow(&self) -> bool {
        let inner = self.lock();
        inner.record.password_is_slow() && inner.verified.is_none()
    }

    /// Gives the account a slot for the key file, if it has none that this key file opens.
    /// Possible only once it is unlocked. True if a slot was added.
    pub fn adopt_key_file(&self) -> Result<bool, StoreError> {
        let Some(key_file) = &self.key_file else {
            return Ok(false);
        };
        let Some(key) = self.lock().key.clone() else {
            return Ok(false);
        };
        if self.record().unlock_with_key_file(key_file).is_ok() {
            return Ok(false);
        }
        self.update(|record| {
            if record.has_key(&key) {
                record.set_key_file_slot(&key, key_file)?;
            }
            Ok(())
        })?;
        Ok(true)
    }

    /// Opens a locked account with its key from the keychain. False if it was open, or if the
    /// keychain has no key that opens it. It may wait for long, as every question to a keychain.
    pub fn unlock_with_keychain(&self, keychain: &Keychain) -> Result<bool, KeychainError> {
        let record = self.record();
        if !self.is_locked() {
            return Ok(false);
        }
        if !record.has_keychain_slot() {
            keychain.reach()?;
            return Ok(false);
        }
        let Some(key) = keychain.unlock(&record)? else {
            return Ok(false);
        };
        // The record may have been made anew, or a client may have signed on meanwhile.
        let mut inner = self.lock();
        let is_new = inner.record.has_key(&key) && inner.key.is_none();
        if is_new {
            inner.key = Some(Arc::new(key));
        }
        Ok(is_new)
    }

    /// Gives the account a slot for the keychain, if it has none that the keychain opens. Possible
    /// only once it is unlocked. True if a slot was added. It may wait for long.
    ///
    /// A key that the keychain has for this record already is taken up, not replaced: a copy of
    /// this home may count on it.
    pub fn adopt_keychain(&self, keychain: &Keychain) -> Result<bool, AdoptError> {
        let (record, key) = {
            let inner = self.lock();
            (inner.record.clone(), inner.key.clone())
        };
        let Some(key) = key else {
            return Ok(false);
        };
        let kept = keychain.key_or_new(&record.keychain_name())?;
        if record.unlock_with_keychain(&kept).is_ok() {
            return Ok(false);
        }
        self.update(|record| record.set_keychain_slot(&key, &kept))?;
        Ok(true)
    }

    /// True if the key file opens this account, so that no keychain has to.
    pub fn opens_with_key_file(&self) -> bool {
        let key_file = self.key_file.as_ref();
        key_file.is_some_and(|key_file| self.record().unlock_with_key_file(key_file).is_ok())
    }

    /// The grant, with the id that tells it from an earlier or later one.
    pub fn grant(&self) -> Result<(String, Grant), GrantError> {
        let (record, key) = {
            let inner = self.lock();
            (inner.record.clone(), inner.key.clone())
        };
        let key = key.ok_or(GrantError::Locked)?;
        Ok((record.grant_id().to_owned(), record.open(&key)?))
    }

    /// Stores a refresh token that took the place of the one in the grant `grant_id`. False, and
    /// nothing is stored, if a new sign-in has put another grant there meanwhile.
    ///
    /// # Errors
    /// Any [`StoreError`]; `Io` also where the record isn't there, which may be for a moment only.
    pub fn rotate(&self, grant_id: &str, grant: &Grant) -> Result<bool, StoreError> {
        let mut is_the_same = false;
        let was_there = self.update(|record| {
            is_the_same = record.grant_id() == grant_id;
            if is_the_same {
                record.rotate(grant)?;
            }
            Ok(())
        })?;
        if was_there { Ok(is_the_same) } else { Err(self.store.missing(&self.address)) }
    }

    /// False if there is no record.
    fn update(
        &self,
        change: impl FnOnce(&mut Record) -> Result<(), RecordError>,
    ) -> Result<bool, StoreError> {
        let written = self.store.update(&self.address, |record| {
            let Some(mut record) = record else {
                return Ok(None);
            };
            change(&mut record)?;
            Ok::<_, StoreError>(Some(record))
        })?;
        let Some(record) = written else { return Ok(false) };
        // No stamp: another process may have written since, and the next look reads it.
        self.take_over(record, None);
        Ok(true)
    }

    fn take_over(&self, record: Record, stamp: Option<Stamp>) {
        let mut inner = self.lock();
        // A record made anew has another key; what the old one let in is locked out again.
        if inner.key.as_ref().is_some_and(|key| !record.has_key(key)) {
            inner.key = None;
        }
        // The password slot may have changed with anything else.
        inner.verified = None;
        inner.record = Arc::new(record);
        inner.stamp = stamp;
    }

    fn unlock_with_key_file(&self) {
        let Some(key_file) = &self.key_file else {
            return;
        };
        let record = self.record();
        if self.is_locked()
            && let Ok(key) = record.unlock_with_key_file(key_file)
        {
            self.lock().key = Some(Arc::new(key));
        }
    }

    /// What is known of a password without a derivation: `None` is nothing.
    fn known(&self, password: &LocalPassword) -> Option<bool> {
        let inner = self.lock();
        inner.verified.as_ref().map(|verified| verified.is(password))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing here panics half way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verified {
    fn new(password: &LocalPassword) -> Option<Self> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).ok()?;
        Some(Self { digest: digest(&salt, password), salt })
    }

    fn is(&self, password: &LocalPassword) -> bool {
        self.digest.ct_eq(&*digest(&self.salt, password)).into()
    }
}

fn digest(salt: &[u8; 16], password: &LocalPassword) -> Zeroizing<[u8; 32]> {
    let digest = Sha256::new().chain_update(salt).chain_update(password.expose()).finalize();
    Zeroizing::new(digest.into())
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
