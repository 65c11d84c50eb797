//! Serving mail clients: from the accepted socket to the relay.
//!
//! | file | its job |
//! |---|---|
//! | `server` | the running proxy: listeners, reload, status, shutdown |
//! | `listener`, `service` | one listening address; what is served on it |
//! | `capacity` | how many sessions there can be |
//! | `household`, `member` | the accounts in use; one of them: tokens, counters, and what follows: |
//! | `budget`, `backoff` | how many connections to the provider, and how often it is asked |
//! | `traffic`, `clock` | bytes by the hour; the time of day |
//! | `events`, `happening`, `news` | what happened lately, in words; what of an account's fortunes is told, once |
//! | `standing` | what went wrong and has not gone right since |
//! | `upkeep`, `last_used`, `versions` | what had better be done ahead; what is remembered, and asked, for it |
//! | `entrance` | who is this, and a signed-on connection to the provider for them |
//! | `inside` | one account, looked at by the program's own commands |
//! | `sign_out` | the grant ended, the account forgotten |
//! | `probe` | whether an account could sign on, for those who watch over the proxy |
//! | `imap`, `smtp` | one session of a mail client |
//! | `places`, `patience` | how many clients before their sign-on; what a wrong password costs |
//! | `slow_checks` | checks of passwords that take long, one at a time |
//! | `told` | what happens again and again, and is told to the log once in a while |
//! | `client_stream` | the client's connection, plain or under TLS, read along for the wire log |
//! | `continuity` | an IMAP session that outlives its connection to the provider |
//! | `awake` | notices that the machine has slept, or is on another network |
//! | `relay`, `pipe` | bytes both ways; one direction of it |

mod awake;
mod backoff;
mod budget;
mod capacity;
mod client_stream;
mod clock;
mod continuity;
mod entrance;
mod events;
mod happening;
mod household;
mod imap;
mod inside;
mod last_used;
mod listener;
mod member;
mod news;
mod patience;
mod pipe;
mod places;
mod porter;
mod probe;
mod relay;
mod server;
mod service;
mod session;
mod sign_out;
#[cfg(test)]
mod simulation;
mod slow_checks;
mod smtp;
mod standing;
mod told;
mod traffic;
mod trouble;
mod upkeep;
mod versions;

pub use budget::Connections;
pub use capacity::Limits;
pub use continuity::Continuity;
pub use events::{Event, EventKind, KEPT as EVENTS_KEPT};
#[cfg(test)]
pub(crate) use happening::{Happening, Part, Words};
pub use inside::{Inside, UnlockTrouble};
pub use listener::ListenError;
pub use member::{AccountStatus, Sessions};
pub use probe::ProbeTrouble;
pub use server::{Reloaded, ServeError, Server, Status};
pub use sign_out::EndGrantError;
pub use standing::Stands;
pub use traffic::{Hour, Traffic};
#[cfg(test)]
pub(crate) use trouble::{Goodbye, Protocol, Trouble, hint, no_tls};
pub use upkeep::{CertificateStatus, Warning, WarningKind};
#[cfg(test)]
pub(crate) use upkeep::{
    GrantFacts, certificate as certificate_warning, grant as grant_warnings, newer_version,
    status_port_taken, token_unstored,
};

pub use crate::config::Allowances;
