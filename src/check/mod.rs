//! The doctor's looks: each goes a part of the way from a mail client to Gmail and tells what it found,
//! a failure with its one remedy. What follows from a failure is left out, so that the cause stands
//! out.
//!
//! | file | looks at |
//! |---|---|
//! | `finding` | what one look has found |
//! | `network` | the authorization server and the clock there, the mail servers |
//! | `account` | one account, from within the proxy that serves it |
//! | `way` | the way of a mail client, through the local ports |

mod account;
mod finding;
mod network;
mod way;

pub use account::{Examined, account};
pub use finding::{Check, Finding, Outcome};
pub use network::{imap_server, sign_in_server, smtp_server};
pub use way::{read, round_trip, send};
