//! Access tokens: how a grant is got from a person, how it is turned into tokens, and how a token
//! is kept alive.
//!
//! | file | its job |
//! |---|---|
//! | `authorize` | the authorization-code flow: PKCE, `state`, the loopback redirect |
//! | `endpoint` | the requests to the authorization server |
//! | `google` | its errors: cause, sentence, remedy |
//! | `state` | when a token is used, refreshed or given up; pure |
//! | `lifecycle` | one refresh at a time for all that wait |

mod authorize;
mod endpoint;
mod google;
#[cfg(test)]
mod google_tests;
mod lifecycle;
mod page;
#[cfg(test)]
mod simulated;
mod state;

#[cfg(test)]
pub(crate) use authorize::{ANOTHER_SIGN_IN, NOT_THE_ADDRESS};
pub use authorize::{Authorization, AuthorizeError, Redirect};
pub use endpoint::{AuthorizationServer, Identity, NewGrant, SetupError};
pub use google::{Cause, Step};
pub use lifecycle::{Lifecycle, Observer, Trouble, Unstored};
#[cfg(test)]
pub(crate) use page::Page;
pub use state::{TokenState, TokenUse};
