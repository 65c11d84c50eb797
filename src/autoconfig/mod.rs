//! What sets a mail program up: where Gatepost is found, the way through each program in words, and
//! files that do it.
//!
//! | file | its job |
//! |---|---|
//! | `places` | the servers to enter |
//! | `guide` | words, in parts that a terminal and a page each show in their own way |
//! | `mail_program` | the way through each mail program |
//! | `file` | the kinds of files; `outlook`, `thunderbird` and `apple` write them |

mod apple;
mod error;
mod file;
mod guide;
mod mail_program;
mod outlook;
mod places;
mod thunderbird;
pub(crate) mod xml;

pub use error::AutoconfigError;
pub use file::FileKind;
pub use guide::Part;
pub use mail_program::{FIRST_OF_ALL, MailProgram};
#[cfg(test)]
pub(crate) use places::tests as samples;
pub use places::{Place, Places};
