//! The doctor's looks: each goes a part of the way from a mail client to Gmail and tells what it found,
//! a failure with its one remedy. What follows from a failure is left out, so that the cause stands
//! out.
//!
//! | file | its job |
//! |---|---|
//! | `finding` | what one look has found |
//! | `ailment` | what can be wrong: the sentence, the remedy, a word for programs |
//! | `network` | looks at the authorization server and the clock there, the mail servers |
//! | `account` | looks at one account, from within the proxy that serves it |
//! | `way` | goes the way of a mail client, through the local ports |

mod account;
mod ailment;
mod finding;
mod network;
mod way;

pub use account::{Examined, account, keychain_asked};
pub(crate) use ailment::Ailment;
pub use finding::{Check, Finding, Outcome};
pub use network::network;
pub use way::{own_name, read, round_trip, send};
