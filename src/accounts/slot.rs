//! Key slots: the account's private key, wrapped once for each secret that may unlock it.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::address::Address;
use super::encoding::{Fixed, bind};
use super::error::{RecordError, UnlockError};
use super::key_file::KeyFile;
use super::keychain::KeychainKey;
use super::password::{NewPassword, Strength};
use super::seal::{KEY, PrivateKey, PublicKey};
use crate::secret::LocalPassword;

/// Argon2id for chosen passwords: the second recommended option of RFC 9106 §4 (64 MiB, 3 passes,
/// 4 lanes). A scanner's eight-character field deserves the larger costs, and they come up once a
/// password and run of the proxy, one at a time: some 0.1 s of CPU on a desktop, a multiple of that
/// on a small board.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// The most that a record may ask for, so that an edited one can't take the machine's memory or
/// minutes of its time.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 16;

/// What every derived or wrapped thing here is named by.
const LABEL: &[u8] = b"gatepost key slot, version 1";

/// The private key with the tag of Poly1305.
const WRAPPED: usize = KEY + 16;

/// One secret's way to the private key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slot {
    kind: SlotKind,
    derivation: Derivation,
    nonce: Fixed<24>,
    wrapped_key: Fixed<WRAPPED>,
}

/// What a slot is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SlotKind {
    Password,
    KeyFile,
    Keychain,
}

/// How the secret becomes the key that wraps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", deny_unknown_fields)]
enum Derivation {
    /// For secrets that can't be guessed (RFC 5869).
    #[serde(rename = "hkdf-sha256")]
    Hkdf { salt: Fixed<32> },
    /// For those that can (RFC 9106).
    #[serde(rename = "argon2id")]
    Argon2id { salt: Fixed<16>, memory_kib: u32, passes: u32, lanes: u32 },
}

/// The account that a slot belongs to; a slot that is moved to another one doesn't open.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) format: u32,
    pub(super) address: &'a Address,
    pub(super) public_key: &'a PublicKey,
}

impl Slot {
    pub(super) fn for_password(
        owner: Owner<'_>,
        key: &PrivateKey,
        password: &NewPassword,
    ) -> Result<Self, RecordError> {
        let derivation = match password.strength() {
            Strength::Random => Derivation::Hkdf { salt: Fixed::random()? },
            Strength::Human => Derivation::Argon2id {
                salt: Fixed::random()?,
                memory_kib: MEMORY_KIB,
                passes: PASSES,
                lanes: LANES,
            },
        };
        let secret = password.password().expose().as_bytes();
        Self::wrap(owner, key, SlotKind::Password, derivation, secret)
    }

    pub(super) fn for_key_file(
        owner: Owner<'_>,
        key: &PrivateKey,
        key_file: &KeyFile,
    ) -> Result<Self, RecordError> {
        let derivation = Derivation::Hkdf { salt: Fixed::random()? };
        Self::wrap(owner, key, SlotKind::KeyFile, derivation, key_file.expose())
    }

    pub(super) fn for_keychain(
        owner: Owner<'_>,
        key: &PrivateKey,
        kept: &KeychainKey,
    ) -> Result<Self, RecordError> {
        let derivation = Derivation::Hkdf { salt: Fixed::random()? };
        Self::wrap(owner, key, SlotKind::Keychain, derivation, kept.expose())
    }

    pub(super) fn kind(&self) -> SlotKind {
        self.kind
    }

    /// True if trying a secret takes a large part of a second and 64 MiB.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self.derivation, Derivation::Argon2id { .. })
    }

    /// Why a slot that was read can't be used, if so.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match (self.kind, &self.derivation) {
            (_, Derivation::Hkdf { .. }) => None,
            (SlotKind::KeyFile, _) => Some("a key-file slot has a password's derivation"),
            (SlotKind::Keychain, _) => Some("a keychain slot has a password's derivation"),
            (SlotKind::Password, derivation) => {
                derivation.argon2().is_none().then_some("a slot's derivation is out of bounds")
            }
        }
    }

    pub(super) fn unlock_with_password(
        &self,
        owner: Owner<'_>,
        password: &LocalPassword,
    ) -> Result<PrivateKey, UnlockError> {
        self.unwrap_key(owner, password.expose().as_bytes())
    }

    pub(super) fn unlock_with_key_file(
        &self,
        owner: Owner<'_>,
        key_file: &KeyFile,
    ) -> Result<PrivateKey, UnlockError> {
        self.unwrap_key(owner, key_file.expose())
    }

    pub(super) fn unlock_with_keychain(
        &self,
        owner: Owner<'_>,
        kept: &KeychainKey,
    ) -> Result<PrivateKey, UnlockError> {
        self.unwrap_key(owner, kept.expose())
    }

    fn wrap(
        owner: Owner<'_>,
        key: &PrivateKey,
        kind: SlotKind,
        derivation: Derivation,
        secret: &[u8],
    ) -> Result<Self, RecordError> {
        let cipher = derivation.cipher(kind, secret).ok_or(RecordError::CannotSeal)?;
        let nonce = Fixed::<24>::random()?;
        let plain = key.to_bytes();
        let payload = Payload { msg: plain.as_ref(), aad: &owner.binding(kind) };
        let wrapped = cipher.encrypt(&XNonce::from(nonce.0), payload).ok();
        let wrapped = wrapped.and_then(|bytes| <[u8; WRAPPED]>::try_from(bytes).ok());
        let wrapped_key = Fixed(wrapped.ok_or(RecordError::CannotSeal)?);
        Ok(Self { kind, derivation, nonce, wrapped_key })
    }

    fn unwrap_key(&self, owner: Owner<'_>, secret: &[u8]) -> Result<PrivateKey, UnlockError> {
        let cipher = self.derivation.cipher(self.kind, secret).ok_or(UnlockError::Damaged)?;
        let payload = Payload { msg: &self.wrapped_key.0, aad: &owner.binding(self.kind) };
        let plain = cipher
            .decrypt(&XNonce::from(self.nonce.0), payload)
            .map(Zeroizing::new)
            .map_err(|_| UnlockError::WrongSecret)?;
        let key = PrivateKey::from_bytes(&plain).ok_or(UnlockError::Damaged)?;
        if key.public() != *owner.public_key {
            return Err(UnlockError::Damaged);
        }
        Ok(key)
    }
}

impl SlotKind {
    /// As in the JSON of a record.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::KeyFile => "key-file",
            Self::Keychain => "keychain",
        }
    }
}

impl Owner<'_> {
    fn binding(&self, kind: SlotKind) -> Vec<u8> {
        bind(&[
            LABEL,
            &self.format.to_be_bytes(),
            self.address.canonical().as_bytes(),
            kind.name().as_bytes(),
            &self.public_key.0,
        ])
    }
}

impl Derivation {
    /// The cipher under the key that comes from `secret`; none if the parameters are out of bounds
    /// or the memory can't be had.
    fn cipher(&self, kind: SlotKind, secret: &[u8]) -> Option<XChaCha20Poly1305> {
        let mut key = Zeroizing::new([0; KEY]);
        match self {
            Self::Hkdf { salt } => Hkdf::<Sha256>::new(Some(&salt.0), secret)
                .expand(&bind(&[LABEL, kind.name().as_bytes()]), key.as_mut())
                .ok()?,
            Self::Argon2id { salt, .. } => {
                self.argon2()?.hash_password_into(secret, &salt.0, key.as_mut()).ok()?;
            }
        }
        XChaCha20Poly1305::new_from_slice(key.as_ref()).ok()
    }

    fn argon2(&self) -> Option<Argon2<'static>> {
        let Self::Argon2id { memory_kib, passes, lanes, .. } = *self else {
            return None;
        };
        if memory_kib > MAX_MEMORY_KIB || passes > MAX_PASSES || lanes > MAX_LANES {
            return None;
        }
        let params = Params::new(memory_kib, passes, lanes, Some(KEY)).ok()?;
        Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_owner<T>(key: &PrivateKey, test: impl FnOnce(Owner<'_>) -> T) -> T {
        let (address, public_key) = (Address::parse("you@gmail.com").unwrap(), key.public());
        test(Owner { format: 1, address: &address, public_key: &public_key })
    }

    fn generated() -> NewPassword {
        NewPassword::generate().unwrap()
    }

    #[test]
    fn a_slot_is_bound_to_its_account_and_kind() {
        let (key, password) = (PrivateKey::generate(), generated());
        with_owner(&key, |owner| {
            let slot = Slot::for_password(owner, &key, &password).unwrap();
            let opened = slot.unlock_with_password(owner, password.password()).unwrap();
            assert_eq!(opened.public(), key.public());

            let wrong = |slot: &Slot, owner| {
                let error = slot.unlock_with_password(owner, password.password()).unwrap_err();
                assert_eq!(error, UnlockError::WrongSecret);
            };
            let other = Address::parse("me@gmail.com").unwrap();
            let other_key = PrivateKey::generate().public();
            wrong(&slot, Owner { address: &other, ..owner });
            wrong(&slot, Owner { format: 2, ..owner });
            wrong(&slot, Owner { public_key: &other_key, ..owner });
            wrong(&Slot { kind: SlotKind::KeyFile, ..slot }, owner);
        });
    }

    #[test]
    fn a_keychain_slot_is_bound_to_its_account_and_kind() {
        let (key, kept) = (PrivateKey::generate(), KeychainKey::random().unwrap());
        with_owner(&key, |owner| {
            let slot = Slot::for_keychain(owner, &key, &kept).unwrap();
            assert!(!slot.is_slow() && slot.fault().is_none());
            let opened = slot.unlock_with_keychain(owner, &kept).unwrap();
            assert_eq!(opened.public(), key.public());

            let wrong = |slot: &Slot, owner, kept: &KeychainKey| {
                let error = slot.unlock_with_keychain(owner, kept).unwrap_err();
                assert_eq!(error, UnlockError::WrongSecret);
            };
            let other = Address::parse("me@gmail.com").unwrap();
            let other_key = PrivateKey::generate().public();
            wrong(&slot, owner, &KeychainKey::random().unwrap());
            wrong(&slot, Owner { address: &other, ..owner }, &kept);
            wrong(&slot, Owner { format: 2, ..owner }, &kept);
            wrong(&slot, Owner { public_key: &other_key, ..owner }, &kept);
            for kind in [SlotKind::KeyFile, SlotKind::Password] {
                wrong(&Slot { kind, ..slot.clone() }, owner, &kept);
            }
        });
    }

    #[test]
    fn what_no_person_types_has_no_passwords_derivation() {
        let (key, password) = (PrivateKey::generate(), LocalPassword::new("scanner8"));
        with_owner(&key, |owner| {
            let password = NewPassword::chosen(password).unwrap();
            let slot = Slot::for_password(owner, &key, &password).unwrap();
            for kind in [SlotKind::KeyFile, SlotKind::Keychain] {
                assert!(Slot { kind, ..slot.clone() }.fault().is_some());
            }
        });
    }

    #[test]
    fn a_slot_that_holds_another_key_is_damaged() {
        let (key, password) = (PrivateKey::generate(), generated());
        with_owner(&key, |owner| {
            let slot = Slot::for_password(owner, &PrivateKey::generate(), &password).unwrap();
            let error = slot.unlock_with_password(owner, password.password()).unwrap_err();
            assert_eq!(error, UnlockError::Damaged);
        });
    }

    #[test]
    fn a_chosen_password_is_stretched() {
        let (key, chosen) = (PrivateKey::generate(), LocalPassword::new("scanner8"));
        with_owner(&key, |owner| {
            let password = NewPassword::chosen(chosen.clone()).unwrap();
            let slot = Slot::for_password(owner, &key, &password).unwrap();
            assert!(slot.is_slow() && slot.fault().is_none());
            let opened = slot.unlock_with_password(owner, &chosen).unwrap();
            assert_eq!(opened.public(), key.public());
            let wrong = slot.unlock_with_password(owner, &LocalPassword::new("Scanner8"));
            assert_eq!(wrong.unwrap_err(), UnlockError::WrongSecret);
        });
    }

    #[test]
    fn costs_that_a_file_may_ask_for_are_bounded() {
        let (key, password) = (PrivateKey::generate(), generated());
        with_owner(&key, |owner| {
            let slot = Slot::for_password(owner, &key, &password).unwrap();
            assert!(!slot.is_slow() && slot.fault().is_none());
            for (memory_kib, passes, lanes) in [
                (u32::MAX, 3, 4),
                (65_536, u32::MAX, 4),
                (65_536, 3, 1 << 20),
                (1, 3, 4),
                (64, 0, 1),
            ] {
                let salt = Fixed([0; 16]);
                let derivation = Derivation::Argon2id { salt, memory_kib, passes, lanes };
                let slot = Slot { derivation, ..slot.clone() };
                assert!(slot.fault().is_some());
                let refused = slot.unlock_with_password(owner, password.password());
                assert_eq!(refused.unwrap_err(), UnlockError::Damaged);
            }
        });
    }

    #[test]
    fn a_file_may_ask_for_the_largest_costs_and_for_none_above() {
        let most = [MAX_MEMORY_KIB, MAX_PASSES, MAX_LANES];
        let is_let_in = |[memory_kib, passes, lanes]: [u32; 3]| {
            Derivation::Argon2id { salt: Fixed([0; 16]), memory_kib, passes, lanes }
                .argon2()
                .is_some()
        };
        assert!(is_let_in(most));
        for which in 0..most.len() {
            let mut costs = most;
            costs[which] += 1;
            assert!(!is_let_in(costs), "{costs:?}");
        }
        assert_eq!((MEMORY_KIB, PASSES, LANES), (65_536, 3, 4), "RFC 9106 §4");
    }
}
