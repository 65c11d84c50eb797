//! The channel between the commands and the running proxy: a loopback port, and a token in a file
//! that only the owner can read. One request and one answer a connection, each a line of JSON.

mod client;
mod lock;
mod server;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

pub use client::{ControlError, Running};
pub use lock::{AlreadyRunning, InstanceLock};
pub use server::{Channel, ChannelError};

use crate::check::{Check, Finding};
use crate::proxy::Status;
use crate::secret::{BearerToken, LocalPassword};
use crate::status::NoLink;

/// A line is longer than this only if it is no request.
const MAX_LINE: u64 = 1024 * 1024;
/// An answer tells some 5 KB of each account, and a server may have a thousand.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// What the file says.
#[derive(Serialize, Deserialize)]
struct Address {
    pid: u32,
    port: u16,
    #[serde(with = "token")]
    token: BearerToken,
}

/// A request with its proof.
#[derive(Serialize, Deserialize)]
struct Envelope {
    #[serde(with = "token")]
    token: BearerToken,
    request: Request,
}

/// What can be asked of a running proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// What is there, and how it fares.
    Status,
    /// Read the configuration and the accounts again.
    Reload,
    /// Drain and end.
    Stop,
    /// Look at this account, from its key to Gmail's servers.
    Examine {
        /// The account.
        address: String,
        /// Opens it, if nothing else has.
        #[serde(with = "password")]
        password: Option<LocalPassword>,
        /// What failed before, on the way to Google, and need not be tried again.
        failed: Vec<Check>,
    },
    /// A link that opens the status page once.
    Page,
    /// End the grant of this account at the provider, for which it must be unlocked here.
    Revoke(String),
}

/// What a running proxy answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Examine`].
    Examined {
        /// What was found.
        findings: Vec<Finding>,
        /// Lets the program's own mail client in, for five minutes.
        #[serde(with = "password")]
        pass: Option<LocalPassword>,
    },
    /// To [`Request::Page`].
    Page {
        /// Where the page is.
        page: Url,
        /// What lets one browser in.
        #[serde(with = "token")]
        token: BearerToken,
    },
    /// To [`Request::Page`]: there is none.
    NoPage(NoLink),
    /// It is done.
    Done,
    /// The account is locked here, so that its grant can't be opened.
    Locked,
    /// It can't be done; why.
    Failed(String),
}

impl Request {
    /// How long an answer may take.
    fn patience(&self) -> Duration {
        match self {
            // A sign-in server and two mail servers, each given up on by itself before this.
            Self::Examine { .. } => Duration::from_secs(120),
            // Nobody else is asked.
            Self::Status | Self::Page => Duration::from_secs(10),
            // A revocation asks the provider first.
            _ => Duration::from_secs(30),
        }
    }
}

/// A token on the channel, which only its owner can read.
mod token {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::secret::BearerToken;

    pub(super) fn serialize<S: Serializer>(
        token: &BearerToken,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(token.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BearerToken, D::Error> {
        Ok(BearerToken::new(String::deserialize(deserializer)?))
    }
}

/// A local password on the channel, which only its owner can read.
mod password {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::secret::LocalPassword;

    pub(super) fn serialize<S: Serializer>(
        password: &Option<LocalPassword>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        password.as_ref().map(LocalPassword::expose).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<LocalPassword>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(LocalPassword::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_over_the_channel_and_into_no_log() {
        let password = Some(LocalPassword::new("secret"));
        let request =
            Request::Examine { address: "a@example.com".into(), password, failed: vec![] };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        assert!(!format!("{request:?}").contains("secret"));
        let pass = Some(LocalPassword::new("secret"));
        let page = Url::parse("http://127.0.0.1:10180/").unwrap();
        for answer in [
            Answer::Examined { findings: Vec::new(), pass },
            Answer::Page { page, token: BearerToken::new("secret") },
        ] {
            let line = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<Answer>(&line).unwrap(), answer);
            assert!(!format!("{answer:?}").contains("secret"));
        }
    }
}
