//! Sealing to an account's public key: HPKE in base mode (RFC 9180 §5.1.1) with DHKEM(X25519,
//! HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305.

use std::fmt;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::encoding::{Blob, Fixed};
use super::error::RecordError;

/// An X25519 key in bytes (RFC 7748 §5).
pub(super) const KEY: usize = 32;

/// Names the purpose and the version of what is sealed, so that a seal made for anything else
/// never opens here.
const INFO: &[u8] = b"gatepost sealed grant, version 1";

type Suite = X25519HkdfSha256;

/// The private key of one account: what a slot unwraps and what opens its grant. It is wiped when
/// dropped.
pub struct PrivateKey(<Suite as Kem>::PrivateKey);

/// The public key of an account.
pub(super) type PublicKey = Fixed<KEY>;

/// What HPKE gives: the ephemeral public key, and the ciphertext with its tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    encapsulated_key: Fixed<KEY>,
    ciphertext: Blob,
}

impl PrivateKey {
    /// A fresh key. Panics only where the system has no random number generator; callers have
    /// asked it for a byte before.
    pub(super) fn generate() -> Self {
        Self(Suite::gen_keypair().0)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        <Suite as Kem>::PrivateKey::from_bytes(bytes).ok().map(Self)
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<[u8; KEY]> {
        let mut bytes = Zeroizing::new([0; KEY]);
        self.0.write_exact(bytes.as_mut());
        bytes
    }

    pub(super) fn public(&self) -> PublicKey {
        Fixed(Suite::sk_to_pk(&self.0).to_bytes().into())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// Seals `plain` to `public`; `bound` is what has to be the same when it is opened.
pub(super) fn seal(public: &PublicKey, bound: &[u8], plain: &[u8]) -> Result<Sealed, RecordError> {
    let attempt = || {
        let public = <Suite as Kem>::PublicKey::from_bytes(&public.0)?;
        let base = OpModeS::<Suite>::Base;
        let (key, ciphertext) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Suite>(
            &base, &public, INFO, plain, bound,
        )?;
        Ok(Sealed { encapsulated_key: Fixed(key.to_bytes().into()), ciphertext: Blob(ciphertext) })
    };
    // A public key of small order in an edited record ends here too (RFC 9180 §7.1.4).
    attempt().map_err(|_: HpkeError| RecordError::CannotSeal)
}

/// Opens what [`seal`] sealed.
pub(super) fn open(
    key: &PrivateKey,
    bound: &[u8],
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    let attempt = || {
        let encapsulated = <Suite as Kem>::EncappedKey::from_bytes(&sealed.encapsulated_key.0)?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Suite>(
            &OpModeR::Base,
            &key.0,
            &encapsulated,
            INFO,
            &sealed.ciphertext.0,
            bound,
        )
    };
    attempt().map(Zeroizing::new).map_err(|_: HpkeError| RecordError::BrokenSeal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_with_the_key_the_binding_and_every_byte() {
        let key = PrivateKey::generate();
        let sealed = seal(&key.public(), b"bound", b"plain").unwrap();
        assert_eq!(*open(&key, b"bound", &sealed).unwrap(), b"plain");

        assert!(open(&key, b"other", &sealed).is_err());
        assert!(open(&PrivateKey::generate(), b"bound", &sealed).is_err());
        let mut changed = sealed.clone();
        changed.ciphertext.0[0] ^= 1;
        assert!(open(&key, b"bound", &changed).is_err());
        let mut changed = sealed.clone();
        changed.encapsulated_key.0[31] ^= 0x80;
        assert!(open(&key, b"bound", &changed).is_err());
        changed.ciphertext.0.clear();
        assert!(open(&key, b"bound", &changed).is_err());
    }

    #[test]
    fn a_public_key_of_small_order_is_refused() {
        assert!(matches!(seal(&Fixed([0; KEY]), b"", b"x"), Err(RecordError::CannotSeal)));
    }

    #[test]
    fn keys_survive_being_bytes_and_show_nothing() {
        let key = PrivateKey::generate();
        let again = PrivateKey::from_bytes(key.to_bytes().as_ref()).unwrap();
        assert_eq!(key.public(), again.public());
        assert!(PrivateKey::from_bytes(&[1; 31]).is_none());
        assert_eq!(format!("{key:?}"), "PrivateKey(…)");
    }
}
