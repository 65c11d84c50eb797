//! Bytes as text, for the JSON of a record and for what a seal binds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::error::NoRandomness;

/// Exactly `N` bytes, base64 in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Fixed<const N: usize>(pub(super) [u8; N]);

/// Any number of bytes, base64 in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Blob(pub(super) Vec<u8>);

#[derive(Debug, thiserror::Error)]
pub(super) enum EncodingError {
    #[error("a value is not base64")]
    NotBase64,
    #[error("a value has {found} bytes, not {expected}")]
    Length { expected: usize, found: usize },
}

impl<const N: usize> Fixed<N> {
    /// Fresh from the system's generator.
    pub(super) fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; N];
        fill_random(&mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Fills a buffer from the system's generator.
pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    getrandom::fill(bytes).map_err(|_| NoRandomness)
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Joins fields into associated data so that no two lists of fields give the same bytes: each
/// field stands behind its length (eight bytes, big-endian).
pub(super) fn bind(fields: &[&[u8]]) -> Vec<u8> {
    let mut bound = Vec::with_capacity(fields.iter().map(|field| 8 + field.len()).sum());
    for field in fields {
        bound.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bound.extend_from_slice(field);
    }
    bound
}

impl<const N: usize> TryFrom<String> for Fixed<N> {
    type Error = EncodingError;

    fn try_from(text: String) -> Result<Self, EncodingError> {
        let Blob(bytes) = Blob::try_from(text)?;
        match <[u8; N]>::try_from(bytes) {
            Ok(bytes) => Ok(Self(bytes)),
            Err(bytes) => Err(EncodingError::Length { expected: N, found: bytes.len() }),
        }
    }
}

impl<const N: usize> From<Fixed<N>> for String {
    fn from(bytes: Fixed<N>) -> Self {
        STANDARD.encode(bytes.0)
    }
}

impl TryFrom<String> for Blob {
    type Error = EncodingError;

    fn try_from(text: String) -> Result<Self, EncodingError> {
        STANDARD.decode(text).map(Self).map_err(|_| EncodingError::NotBase64)
    }
}

impl From<Blob> for String {
    fn from(bytes: Blob) -> Self {
        STANDARD.encode(bytes.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_strictly() {
        assert_eq!(Fixed::<2>::try_from("AAE=".to_owned()).unwrap().0, [0, 1]);
        for bad in ["AAE", "AAF=", "AAE=\n", "AA E=", "AAEC", ""] {
            assert!(Fixed::<2>::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_boundary_between_fields_can_not_move() {
        assert_ne!(bind(&[b"ab", b"c"]), bind(&[b"a", b"bc"]));
        assert_ne!(bind(&[b"a", b""]), bind(&[b"a"]));
    }

    #[test]
    fn hex_has_two_digits_a_byte() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
