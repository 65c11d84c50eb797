//! The record of an account: a public header, the slots, and the sealed grant. The module's own
//! doc tells what protects what.

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::encoding::hex;
use super::error::{RecordError, UnlockError};
use super::grant::{Grant, GrantFacts};
use super::header::{FORMAT, Header, new_grant_id};
use super::key_file::KeyFile;
use super::keychain::KeychainKey;
use super::password::NewPassword;
use super::seal::{self, PrivateKey, Sealed};
use super::slot::{Slot, SlotKind};
use crate::secret::LocalPassword;
use crate::sentence;

/// The record of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(Body);

/// The record as it stands in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    format: u32,
    header: Header,
    slots: Vec<Slot>,
    sealed_grant: Sealed,
}

/// As much of a record as every format has.
#[derive(Deserialize)]
struct AnyFormat {
    format: u64,
}

impl Record {
    /// Makes the record of a new account, with a key of its own. A chosen `password` makes this
    /// take a large part of a second.
    ///
    /// # Errors
    /// [`RecordError::Unfit`] for a value that no record can hold; [`RecordError::NoRandomness`].
    pub fn create(
        address: &Address,
        provider: &str,
        facts: GrantFacts,
        grant: &Grant,
        password: &NewPassword,
        key_file: Option<&KeyFile>,
    ) -> Result<Self, RecordError> {
        let grant_id = new_grant_id()?;
        let key = PrivateKey::generate();
        let header = Header {
            address: address.clone(),
            provider: provider.to_owned(),
            sign_in_name: facts.sign_in_name,
            created: facts.granted,
            granted: facts.granted,
            grant_expires: facts.grant_expires,
            grant_id,
            public_key: key.public(),
        };
        header.check()?;
        let sealed_grant = sealed(&header, grant)?;
        let owner = header.owner();
        let mut slots = vec![Slot::for_password(owner, &key, password)?];
        if let Some(key_file) = key_file {
            slots.push(Slot::for_key_file(owner, &key, key_file)?);
        }
        Ok(Self(Body { format: FORMAT, header, slots, sealed_grant }))
    }

    /// Takes up the grant of a new sign-in, under a new grant id. It needs no unlocking and keeps
    /// the slots, so the local password stays what it was.
    ///
    /// # Errors
    /// As [`create`](Self::create); the record is then as it was.
    pub fn renew(
        &mut self,
        provider: &str,
        facts: GrantFacts,
        grant: &Grant,
    ) -> Result<(), RecordError> {
        let header = Header {
            provider: provider.to_owned(),
            sign_in_name: facts.sign_in_name,
            granted: facts.granted,
            grant_expires: facts.grant_expires,
            grant_id: new_grant_id()?,
            ..self.0.header.clone()
        };
        header.check()?;
        self.0.sealed_grant = sealed(&header, grant)?;
        self.0.header = header;
        Ok(())
    }

    /// Takes up a refresh token that the provider gave in the place of the last one (RFC 6749 §6).
    /// The grant, and so its id, is the same; no unlocking is needed.
    ///
    /// Compare [`grant_id`](Self::grant_id) with that of the grant which was refreshed first: a
    /// sign-in may have come in between, and its grant must not be overwritten by the older one.
    ///
    /// # Errors
    /// As [`create`](Self::create); the record is then as it was.
    pub fn rotate(&mut self, grant: &Grant) -> Result<(), RecordError> {
        self.0.sealed_grant = sealed(&self.0.header, grant)?;
        Ok(())
    }

    /// Gives the private key if the password is right. See
    /// [`password_is_slow`](Self::password_is_slow).
    ///
    /// # Errors
    /// [`UnlockError`]; `WrongSecret` is the common one.
    pub fn unlock_with_password(
        &self,
        password: &LocalPassword,
    ) -> Result<PrivateKey, UnlockError> {
        let slot = self.slot(SlotKind::Password).ok_or(UnlockError::NoSuchSlot)?;
        slot.unlock_with_password(self.0.header.owner(), password)
    }

    /// Gives the private key if the key file is the right one.
    ///
    /// # Errors
    /// [`UnlockError`]; `NoSuchSlot` if the account was never tied to a key file.
    pub fn unlock_with_key_file(&self, key_file: &KeyFile) -> Result<PrivateKey, UnlockError> {
        let slot = self.slot(SlotKind::KeyFile).ok_or(UnlockError::NoSuchSlot)?;
        slot.unlock_with_key_file(self.0.header.owner(), key_file)
    }

    /// Gives the private key if the key from the keychain is the right one.
    ///
    /// # Errors
    /// [`UnlockError`]; `NoSuchSlot` if the account was never tied to a keychain.
    pub fn unlock_with_keychain(&self, kept: &KeychainKey) -> Result<PrivateKey, UnlockError> {
        let slot = self.slot(SlotKind::Keychain).ok_or(UnlockError::NoSuchSlot)?;
        slot.unlock_with_keychain(self.0.header.owner(), kept)
    }

    /// What the keychain has the account's key under: the address for whoever looks there, and 16
    /// digits of the public key. Two homes with the same address never meet, and a record that is
    /// made anew gets another entry.
    pub fn keychain_name(&self) -> String {
        let header = &self.0.header;
        format!("{} {}", header.address.canonical(), hex(&header.public_key.0[..8]))
    }

    /// True if trying a password costs a large part of a second and 64 MiB (a chosen password,
    /// Argon2id): such tries go one at a time, and never on a thread that serves others.
    pub fn password_is_slow(&self) -> bool {
        self.slot(SlotKind::Password).is_some_and(Slot::is_slow)
    }

    /// True if a key file opens the account.
    pub fn has_key_file_slot(&self) -> bool {
        self.slot(SlotKind::KeyFile).is_some()
    }

    /// True if the keychain that the account was tied to opens it.
    pub fn has_keychain_slot(&self) -> bool {
        self.slot(SlotKind::Keychain).is_some()
    }

    /// What opens the account: `password`, `key-file`, `keychain`.
    pub fn opens_with(&self) -> Vec<&'static str> {
        self.0.slots.iter().map(|slot| slot.kind().name()).collect()
    }

    /// Ties the account to a keychain, in the place of an earlier one.
    ///
    /// # Errors
    /// [`RecordError::WrongKey`], [`RecordError::NoRandomness`]; the record is then as it was.
    pub fn set_keychain_slot(
        &mut self,
        key: &PrivateKey,
        kept: &KeychainKey,
    ) -> Result<(), RecordError> {
        self.check_key(key)?;
        let slot = Slot::for_keychain(self.0.header.owner(), key, kept)?;
        self.put(slot);
        Ok(())
    }

    /// Ties the account to a key file, in the place of an earlier one.
    ///
    /// # Errors
    /// [`RecordError::WrongKey`], [`RecordError::NoRandomness`]; the record is then as it was.
    pub fn set_key_file_slot(
        &mut self,
        key: &PrivateKey,
        key_file: &KeyFile,
    ) -> Result<(), RecordError> {
        self.check_key(key)?;
        let slot = Slot::for_key_file(self.0.header.owner(), key, key_file)?;
        self.put(slot);
        Ok(())
    }

    /// Gives the account a new local password; the old one no longer unlocks it. A chosen password
    /// makes this take a large part of a second.
    ///
    /// # Errors
    /// [`RecordError::WrongKey`], [`RecordError::NoRandomness`]; the record is then as it was.
    pub fn set_password(
        &mut self,
        key: &PrivateKey,
        password: &NewPassword,
    ) -> Result<(), RecordError> {
        self.check_key(key)?;
        let slot = Slot::for_password(self.0.header.owner(), key, password)?;
        self.put(slot);
        Ok(())
    }

    /// True if `key` is this record's: a key that was unlocked stays right through
    /// [`renew`](Self::renew), [`rotate`](Self::rotate) and new slots, and becomes wrong when the
    /// record is made anew.
    pub fn has_key(&self, key: &PrivateKey) -> bool {
        key.public() == self.0.header.public_key
    }

    /// Opens the sealed grant.
    ///
    /// # Errors
    /// [`RecordError::WrongKey`], or [`RecordError::BrokenSeal`] if the record was changed by
    /// other hands.
    pub fn open(&self, key: &PrivateKey) -> Result<Grant, RecordError> {
        self.check_key(key)?;
        let plain = seal::open(key, &self.0.header.binding(), &self.0.sealed_grant)?;
        Grant::from_plain(&plain)
    }

    /// The record as it goes to disk: JSON that a person can read.
    ///
    /// # Errors
    /// None that a sound record can bring about.
    pub fn to_json(&self) -> Result<Vec<u8>, RecordError> {
        let mut json = serde_json::to_vec_pretty(&self.0).map_err(|error| malformed(&error))?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads what [`to_json`](Self::to_json) gave. Nothing is opened yet.
    ///
    /// # Errors
    /// [`RecordError::UnknownFormat`], [`RecordError::Malformed`], or [`RecordError::Unfit`].
    pub fn from_json(json: &[u8]) -> Result<Self, RecordError> {
        let AnyFormat { format } =
            serde_json::from_slice(json).map_err(|error| malformed(&error))?;
        if format != u64::from(FORMAT) {
            return Err(RecordError::UnknownFormat { found: format });
        }
        let body: Body = serde_json::from_slice(json).map_err(|error| malformed(&error))?;
        body.check()?;
        Ok(Self(body))
    }

    /// The address as it was typed when the record was made.
    pub fn address(&self) -> &Address {
        &self.0.header.address
    }

    /// The name of the provider in the configuration.
    pub fn provider(&self) -> &str {
        &self.0.header.provider
    }

    /// The provider's own name for the account, which goes into XOAUTH2.
    pub fn sign_in_name(&self) -> &str {
        &self.0.header.sign_in_name
    }

    /// When the record was made, in unix seconds.
    pub fn created(&self) -> u64 {
        self.0.header.created
    }

    /// When the person last signed in, in unix seconds.
    pub fn granted(&self) -> u64 {
        self.0.header.granted
    }

    /// When the grant ends by itself, in unix seconds, if that is known.
    pub fn grant_expires(&self) -> Option<u64> {
        self.0.header.grant_expires
    }

    /// 32 hexadecimal digits that are new at every sign-in and stay through rotations.
    pub fn grant_id(&self) -> &str {
        &self.0.header.grant_id
    }

    fn check_key(&self, key: &PrivateKey) -> Result<(), RecordError> {
        if self.has_key(key) { Ok(()) } else { Err(RecordError::WrongKey) }
    }

    fn slot(&self, kind: SlotKind) -> Option<&Slot> {
        self.0.slots.iter().find(|slot| slot.kind() == kind)
    }

    fn put(&mut self, slot: Slot) {
        self.0.slots.retain(|old| old.kind() != slot.kind());
        self.0.slots.push(slot);
    }
}

impl Body {
    fn check(&self) -> Result<(), RecordError> {
        self.header.check()?;
        let fault = |reason: &str| Err(RecordError::Malformed { reason: reason.to_owned() });
        for (at, slot) in self.slots.iter().enumerate() {
            if let Some(reason) = slot.fault() {
                return fault(reason);
            }
            if self.slots.iter().take(at).any(|earlier| earlier.kind() == slot.kind()) {
                return fault("it has two slots of one kind");
            }
        }
        Ok(())
    }
}

fn sealed(header: &Header, grant: &Grant) -> Result<Sealed, RecordError> {
    seal::seal(&header.public_key, &header.binding(), &grant.to_plain()?)
}

/// The text of the error repeats parts of the file, which may be anything.
fn malformed(error: &serde_json::Error) -> RecordError {
    RecordError::Malformed { reason: sentence::shown(&error.to_string()) }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
