//! The channel between the commands and the running proxy: a loopback port, and a token in a file
//! that only the owner can read. One request and one answer a connection, each a line of JSON.

mod client;
mod lock;
mod server;

use serde::{Deserialize, Serialize};

pub use client::{ControlError, Running};
pub use lock::{AlreadyRunning, InstanceLock};
pub use server::{Channel, ChannelError};

use crate::proxy::Status;

/// A line is longer than this only if it is no request.
const MAX_LINE: u64 = 1024 * 1024;

/// What the file says.
#[derive(Serialize, Deserialize)]
struct Address {
    pid: u32,
    port: u16,
    token: String,
}

/// A request with its proof.
#[derive(Serialize, Deserialize)]
struct Envelope {
    token: String,
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
    /// End the grant of this account at the provider, for which it must be unlocked here.
    Revoke(String),
}

/// What a running proxy answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Status),
    /// It is done.
    Done,
    /// The account is locked here, so that its grant can't be opened.
    Locked,
    /// It can't be done; why.
    Failed(String),
}
