//! IMAP (RFC 3501, RFC 9051): the sign-on that Gatepost speaks with mail clients, the answers of a
//! provider, and the dialogue between the two that it watches.

mod capability;
mod command;
mod data;
mod dialogue;
pub(in crate::protocol) mod framer;
mod from_client;
mod from_server;
mod ledger;
mod mailbox_view;
mod moments;
mod repeat;
mod response;
mod sign_on;
mod takeover;
mod uid_set;

pub use capability::Capabilities;
pub(in crate::protocol) use command::login_password;
pub use dialogue::{Dialogue, Moment};
pub use mailbox_view::{Difference, FlagsSince, Unlike};
pub use response::{Response, Status, StatusResponse};
pub use sign_on::{Accepted, Event, SignOn};
pub use takeover::{Listing, NoResponse, Responses, Step, Takeover};
