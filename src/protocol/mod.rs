//! IMAP, SMTP and SASL as pure state machines: bytes in, verdicts and events out. No I/O, no
//! clock, no log; whoever drives them owns the sockets and the time.
//!
//! [`imap::SignOn`] and [`smtp::SignOn`] speak with a mail client until it has given a name and a
//! password. [`imap::Dialogue`] and [`smtp::Dialogue`] then watch the bytes that a [relay] moves
//! between the client and the provider, and change only what must differ.
//!
//! [`wire_log::WireLog`] reads along, for a person who wants to see what was said.
//!
//! [relay]: crate::proxy

pub mod dialogue;
pub mod imap;
pub mod intruder;
pub mod line;
pub mod sasl;
pub mod smtp;
mod start_tls;
pub mod wire_log;

pub use dialogue::{Dialogue, Farewell, Verdict};
pub use start_tls::StartTls;
