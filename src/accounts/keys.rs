//! What opens accounts without a person.

use super::{KeyFile, Keychain};

/// The keys of one Gatepost. Where there is a key file the keychain isn't needed, and a new account
/// isn't tied to it.
#[derive(Debug, Default)]
pub struct Keys {
    /// The key file, if one is named.
    pub key_file: Option<KeyFile>,
    /// The platform's keychain, if it may be used.
    pub keychain: Option<Keychain>,
}
