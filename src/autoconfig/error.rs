//! Why a mail program can't be set up so.

/// What stands in the way; one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AutoconfigError {
    /// This configuration: it has neither IMAP nor SMTP on.
    #[error("Gatepost serves no mail program: the configuration switches IMAP and SMTP off.")]
    NothingIsServed,
    /// This configuration: the ports are the system's to choose, and no proxy runs that has some.
    #[error(
        "The ports aren't known: the configuration leaves them to the system, and Gatepost is not running."
    )]
    PortsUnknown,
    /// This configuration: what sets up both servers finds one of them off.
    #[error("{what} needs both servers, and the configuration switches {service} off.")]
    ServerOff {
        /// The file.
        what: &'static str,
        /// `IMAP` or `SMTP`.
        service: &'static str,
    },
    /// The account: its address doesn't fit into Outlook's file, which has no quoting.
    #[error("The address {address} has characters that an Outlook profile file can't hold.")]
    AddressUnfit {
        /// As typed at login.
        address: String,
    },
}

impl AutoconfigError {
    /// One thing to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NothingIsServed => {
                "Give `imap` and `smtp` addresses under [listen] in the configuration."
            }
            Self::PortsUnknown => {
                "Give `imap` and `smtp` fixed ports under [listen] in the configuration."
            }
            Self::ServerOff { .. } | Self::AddressUnfit { .. } => {
                "Enter the settings in the mail program yourself."
            }
        }
    }
}
