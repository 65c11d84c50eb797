//! What a person had better do before it becomes trouble. Pure: the time is an argument.

use serde::{Deserialize, Serialize};

/// Something to do ahead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What kind of thing.
    pub kind: WarningKind,
    /// The address of the account that it is about, as typed at login.
    pub account: Option<String>,
    /// One sentence.
    pub sentence: String,
    /// One thing to do.
    pub remedy: String,
}

/// The kinds of warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// A grant of a Google client in Testing ends within two days.
    GrantEnds,
    /// The certificate for mail clients ends.
    CertificateEnds,
    /// A grant was not used for five months; Google ends it after six.
    Unused,
    /// There is a newer version of Gatepost.
    NewerVersion,
    /// There is no status page: its port is taken.
    StatusPortTaken,
}

/// The certificate for mail clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Unix seconds: when there is no further one to follow it by itself.
    pub ends_at: u64,
    /// The person's own, and not one of Gatepost's making.
    pub is_own: bool,
}
