//! What the fuzz targets hold, beyond “no panic”: one module of `checks/` a target.
//!
//! The rooms under test are compiled here by themselves, from the files in `../src`: they import
//! nothing above them, and so the build needs no TLS and no tokio and takes seconds. The checks
//! share the players of the transcripts with `../tests`.

#![forbid(unsafe_code)]
// Nothing here is the place to complain about what another crate's tests and commands use.
#![allow(dead_code, unused_imports, unreachable_pub)]

/// The files of `../tests/support` know the rooms by this name.
extern crate self as gatepost;

/// And `accounts` knows Linux's keychain by this one. It is never asked here, so that D-Bus and what
/// belongs to it needn't be compiled.
extern crate self as zbus_secret_service_keyring_store;

/// A keychain that isn't there.
pub struct Store;

impl Store {
    pub fn new() -> keyring_core::Result<std::sync::Arc<keyring_core::CredentialStore>> {
        Err(keyring_core::Error::NoDefaultStore)
    }
}

/// Nobody looks into a fuzzer's memory.
pub mod private_memory {
    pub struct Shown;

    impl Shown {
        pub fn begin() -> Self {
            Self
        }
    }
}

#[path = "../src/accounts/mod.rs"]
pub mod accounts;
#[path = "../src/private_file.rs"]
pub mod private_file;
#[path = "../src/protocol/mod.rs"]
pub mod protocol;
#[path = "../src/secret.rs"]
pub mod secret;
#[path = "../src/sentence.rs"]
pub mod sentence;

#[path = "../tests/support/newlines.rs"]
mod newlines;
#[path = "../tests/support/player.rs"]
mod player;
#[path = "../tests/support/relay.rs"]
mod relay;
#[path = "../tests/support/taken_over.rs"]
mod taken_over;
#[path = "../tests/support/transcript.rs"]
mod transcript;

#[path = "checks/imap_framing.rs"]
pub mod imap_framing;
#[path = "checks/imap_lies.rs"]
pub mod imap_lies;
#[path = "checks/imap_relay.rs"]
pub mod imap_relay;
#[path = "checks/imap_sign_on.rs"]
pub mod imap_sign_on;
#[path = "checks/imap_takeover.rs"]
pub mod imap_takeover;
#[path = "checks/record.rs"]
pub mod record;
#[path = "checks/script.rs"]
pub mod script;
#[path = "checks/seeds.rs"]
pub mod seeds;
#[path = "checks/sign_on.rs"]
mod sign_on;
#[path = "checks/smtp_framing.rs"]
pub mod smtp_framing;
#[path = "checks/smtp_relay.rs"]
pub mod smtp_relay;
#[path = "checks/smtp_sign_on.rs"]
pub mod smtp_sign_on;
#[path = "checks/watched.rs"]
mod watched;
