//! The accounts: who may sign on, and the grant that the provider gave for each.
//!
//! An account is one JSON file, its [`Record`]. Three parts of it:
//!
//! 1. The **header** is public: the address, the name that the provider uses for it, when the
//!    grant was given, and the account's public key (X25519).
//! 2. The **sealed grant** is the refresh token, encrypted *to* the public key (HPKE, RFC 9180).
//!    Sealing needs no secret, so a new sign-in or a rotated token can be stored at any time;
//!    opening needs the private key. The seal covers the whole header: a sealed grant that is moved
//!    to another record, or a header that is edited, no longer opens.
//! 3. The **slots** each hold that private key, wrapped (XChaCha20-Poly1305) with a key that comes
//!    from something outside the file: the local password, a key file, or a key that the platform's
//!    keychain keeps. Any one slot is enough.
//!    The key itself never changes, so a slot can be replaced without touching the grant, and the
//!    grant without touching the slots.
//!
//! What this protects: whoever reads the file, a backup of it or a disk, learns who has an account
//! but gets no token. The local password is checked by nothing but the unwrapping of its slot; no
//! hash of it is kept beside that.
//!
//! What it does not protect: whoever may *write* the file can put his own public key or his own
//! grant there, since storing needs no secret. The folder is open to its owner only, and whoever
//! can write there as that owner can replace Gatepost itself.
//!
//! Nothing here logs, waits (but for the [`Keychain`], which may ask its person), or asks for the
//! time: times are arguments, in unix seconds. The
//! [`Store`] keeps two processes from overwriting one another's changes, and never overwrites or
//! deletes what it can't read.

mod account;
mod address;
mod directory;
mod encoding;
mod error;
mod grant;
mod header;
mod key_file;
mod keychain;
mod keys;
mod password;
mod record;
mod seal;
mod slot;
mod store;
#[cfg(test)]
mod tamper_tests;

pub use account::{Account, AdoptError, CheckError, GrantError};
pub use address::{Address, AddressError};
pub use directory::{Damage, Directory};
pub use error::{NoRandomness, RecordError, UnlockError};
pub use grant::{Grant, GrantFacts};
pub use key_file::{KeyFile, KeyFileError};
pub use keychain::{Keychain, KeychainError, KeychainKey};
pub use keys::Keys;
pub use password::{NewPassword, PasswordError};
pub use record::Record;
pub use seal::PrivateKey;
pub use store::{Listed, MAX_RECORD, Stamp, Store, StoreError};
