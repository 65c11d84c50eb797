//! What can go wrong with a record. The variants say whose fault it is.

/// This machine: its random number generator gave nothing, so no key can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random number generator gave nothing")]
pub struct NoRandomness;

/// Why a record can't be made, read or opened.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The record: a newer Gatepost wrote it.
    #[error("the record is of format {found}, which a newer Gatepost has written")]
    UnknownFormat {
        /// The format it names.
        found: u64,
    },
    /// The record: it isn't what a record looks like.
    #[error("the record is not well-formed: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// The record: its sealed grant, or a part of the header that the seal covers, was changed or
    /// comes from another record.
    #[error("the sealed grant does not fit the record, which was changed after it was sealed")]
    BrokenSeal,
    /// The caller: the private key is that of another record, or of this one before it was made
    /// anew.
    #[error("the key that was unlocked is not the key of this record")]
    WrongKey,
    /// The caller, or the provider who sent it: a value that a record can't hold.
    #[error("the {what} {problem}")]
    Unfit {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// This machine.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Gatepost itself: a cryptographic library refused sound input.
    #[error("the grant could not be encrypted")]
    CannotSeal,
}

impl RecordError {
    /// One thing to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::UnknownFormat { .. } => "Update Gatepost.",
            Self::Malformed { .. } | Self::BrokenSeal | Self::WrongKey => {
                "Move the account's file away and sign in again with `gatepost login`."
            }
            Self::NoRandomness(_) => "Try again.",
            Self::Unfit { .. } | Self::CannotSeal => "Please report this with these words.",
        }
    }
}

/// Why a secret does not unlock a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// The one who gave the secret: it is the wrong one. A changed byte inside the slot looks the
    /// same, since nothing but the secret can tell the two apart.
    #[error("the password or key does not unlock this account")]
    WrongSecret,
    /// The caller: the record has no slot of this kind.
    #[error("this account has no slot for that kind of key")]
    NoSuchSlot,
    /// The record: what the slot holds is not the private key of the record's public key, or the
    /// slot asks for a derivation that can't be run here.
    #[error("the slot that holds the account's key is damaged")]
    Damaged,
}
