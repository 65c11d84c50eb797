//! The public header of a record.

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::encoding::{Fixed, bind, hex};
use super::error::{NoRandomness, RecordError};
use super::seal::PublicKey;
use super::slot::Owner;

/// The one format there is so far.
pub(super) const FORMAT: u32 = 1;

/// The longest name that a provider may give an account, in bytes; it is a mail address.
const MAX_SIGN_IN_NAME: usize = 254;

/// The longest name of a provider in `config.toml`, in bytes.
const MAX_PROVIDER: usize = 64;

/// The length of a grant's id, in bytes: two sign-ins never get the same one by chance.
const GRANT_ID: usize = 16;

/// Everything about an account that is no secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) address: Address,
    pub(super) provider: String,
    pub(super) sign_in_name: String,
    pub(super) created: u64,
    pub(super) granted: u64,
    pub(super) grant_expires: Option<u64>,
    pub(super) grant_id: String,
    pub(super) public_key: PublicKey,
}

impl Header {
    /// Refuses what no record can hold. A control character in the sign-in name, for one, could end
    /// a field of XOAUTH2 early.
    pub(super) fn check(&self) -> Result<(), RecordError> {
        fit("provider's name", &self.provider, MAX_PROVIDER)?;
        fit("sign-in name", &self.sign_in_name, MAX_SIGN_IN_NAME)?;
        let id = &self.grant_id;
        let is_hex = id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if id.len() != 2 * GRANT_ID || !is_hex {
            let problem = "is not 32 hexadecimal digits";
            return Err(RecordError::Unfit { what: "grant id", problem });
        }
        Ok(())
    }

    /// What the slots are bound to.
    pub(super) fn owner(&self) -> Owner<'_> {
        Owner { format: FORMAT, address: &self.address, public_key: &self.public_key }
    }

    /// What the sealed grant is bound to: every field, so that none can be edited, and the format.
    pub(super) fn binding(&self) -> Vec<u8> {
        let expires = self.grant_expires.map(u64::to_be_bytes);
        bind(&[
            &FORMAT.to_be_bytes(),
            self.address.canonical().as_bytes(),
            self.address.as_str().as_bytes(),
            self.provider.as_bytes(),
            self.sign_in_name.as_bytes(),
            &self.created.to_be_bytes(),
            &self.granted.to_be_bytes(),
            expires.as_ref().map_or(&[], |bytes| bytes.as_slice()),
            self.grant_id.as_bytes(),
            &self.public_key.0,
        ])
    }
}

/// Letter by letter, unlike addresses elsewhere: two records are the same only if they read so.
impl PartialEq for Header {
    fn eq(&self, other: &Self) -> bool {
        self.binding() == other.binding()
    }
}

impl Eq for Header {}

/// Refuses a text that is empty, longer than `limit` bytes, or has control characters.
pub(super) fn fit(what: &'static str, text: &str, limit: usize) -> Result<(), RecordError> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.len() > limit {
        "is too long"
    } else if text.chars().any(char::is_control) {
        "has a control character in it"
    } else {
        return Ok(());
    };
    Err(RecordError::Unfit { what, problem })
}

/// A fresh grant id.
pub(super) fn new_grant_id() -> Result<String, NoRandomness> {
    Ok(hex(&Fixed::<GRANT_ID>::random()?.0))
}
