//! Signing out: the grant ends at the provider, the account is forgotten here.

use super::server::Server;
use crate::accounts::{Address, StoreError};
use crate::token::Cause;

/// Why a grant was not ended. The account is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EndGrantError {
    /// There is no such account here, or nothing has opened it since the start.
    #[error("The account is locked, so that its grant can't be ended.")]
    Locked,
    /// This configuration: the client that the grant was given to is gone.
    #[error("Gatepost has no Google client, so that it can't ask Google to end the grant.")]
    NoClient,
    /// The authorization server did not do it.
    #[error("The grant could not be ended: {}", .0.sentence())]
    Refused(Cause),
}

impl EndGrantError {
    /// One thing to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Locked => "Let a mail program sign on to it first, or forget it here alone.",
            Self::NoClient => {
                "Forget it here alone, and end the grant at https://myaccount.google.com/connections."
            }
            Self::Refused(_) => "Try again later, or forget it here alone.",
        }
    }
}

impl Server {
    /// Has the provider end an account's grant, on every machine that uses it.
    pub async fn end_grant(&self, address: &str) -> Result<(), EndGrantError> {
        let grant = self.grant(address).ok_or(EndGrantError::Locked)?;
        let server = self.settings().server.clone().ok_or(EndGrantError::NoClient)?;
        server.revoke(&grant.refresh_token).await.map_err(EndGrantError::Refused)
    }

    /// Forgets an account: its record is removed and its sessions end. The keychain forgets it as
    /// well, in its own time. False if there was none. The grant lives on.
    pub fn forget(&self, address: &Address) -> Result<bool, StoreError> {
        self.entrance.household.forget(address)
    }
}
