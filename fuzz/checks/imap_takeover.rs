//! A session that goes on over other connections, held against a model of its mailbox
//! (`../tests/support/taken_over.rs`, which `../tests/takeover.rs` plays as well).

pub fn check(input: &[u8]) {
    crate::taken_over::check(input);
}
