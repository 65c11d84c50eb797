//! SMTP submission (RFC 5321, RFC 4954, RFC 6409): the sign-on that Gatepost speaks with mail
//! clients, the replies of a provider, and the dialogue between the two that it watches.

pub(in crate::protocol) mod command;
mod data;
mod dialogue;
mod extensions;
mod reply;
mod sign_on;

pub use command::is_valid_name;
pub use data::{BareNewlines, DataSink};
pub use dialogue::Dialogue;
pub use extensions::Extensions;
pub use reply::{Reply, ReplyReader};
pub use sign_on::{Event, SignOn};
