//! What can happen, in words for people.

use super::events::EventKind;
use super::trouble::{Protocol, Trouble};
use crate::sentence;
use crate::token::Cause;

/// Something that a person may want to know of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happening<'h> {
    /// The proxy serves.
    Started,
    /// An account is there that was not.
    SignedIn,
    /// An account has a new grant.
    SignedInAgain,
    /// There is no token before a person acts.
    NeedsSignIn(&'h Cause),
    /// There is no token for now.
    NoToken(&'h Cause),
    /// The provider's mail server, or a limit, says no.
    Trouble(EventKind, &'h Trouble),
    /// This can be used again.
    Recovered(Part),
    /// There is a token of the grant that was called ended.
    GrantWorks,
    /// A mail program came with a wrong password.
    WrongPassword,
    /// A session had to be ended, for this reason, which is no sentence yet.
    Ended(Protocol, &'h str),
    /// An account is not there any more.
    Forgotten,
    /// The configuration and the accounts were read again; so many accounts are there.
    Reloaded(usize),
    /// They were not taken up, for this reason.
    NotReloaded(&'h str),
}

/// What an account needs of its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Tokens.
    Tokens,
    /// A mail server.
    Mail(Protocol),
}

/// A happening as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) kind: EventKind,
    pub(crate) sentence: String,
    pub(crate) remedy: Option<String>,
}

impl Happening<'_> {
    /// In words; `address` is that of the account, where it is about one.
    pub(crate) fn words(&self, address: &str) -> Words {
        let (kind, sentence, remedy) = match self {
            Self::Started => {
                let started = format!("Gatepost {} has started.", env!("CARGO_PKG_VERSION"));
                (EventKind::Started, started, None)
            }
            Self::SignedIn => (EventKind::SignedIn, format!("{address} is signed in."), None),
            Self::SignedInAgain => {
                (EventKind::SignedIn, format!("{address} is signed in again."), None)
            }
            Self::NeedsSignIn(cause) => {
                (EventKind::NeedsSignIn, cause.sentence(), Some(cause.remedy(address)))
            }
            Self::NoToken(cause) => {
                (EventKind::Unreachable, cause.sentence(), Some(cause.remedy(address)))
            }
            Self::Trouble(kind, trouble) => {
                (*kind, trouble.sentence.clone(), Some(trouble.remedy.clone()))
            }
            Self::Recovered(Part::Tokens) => {
                let again = "Google's sign-in server gives tokens for the account again.";
                (EventKind::Recovered, again.to_owned(), None)
            }
            Self::GrantWorks => {
                let works = format!(
                    "Google gives tokens again for the grant of {address}, which it had called ended."
                );
                (EventKind::GrantWorks, works, None)
            }
            Self::Recovered(Part::Mail(protocol)) => {
                let again = "server lets the account in again.";
                (EventKind::Recovered, format!("The {} {again}", protocol.name()), None)
            }
            Self::WrongPassword => (
                EventKind::WrongPassword,
                format!("A mail program came with a wrong password for {address}."),
                Some(format!(
                    "Enter the local password in the mail program; if it is lost, `gatepost password {address} --new` makes another."
                )),
            ),
            Self::Ended(protocol, why) => {
                let protocol = protocol.name();
                (
                    EventKind::Ended,
                    sentence::of(format!("an {protocol} session had to be ended: {why}")),
                    // Mail programs connect again by themselves; what is in their way is told by itself.
                    None,
                )
            }
            Self::Forgotten => (EventKind::Forgotten, format!("{address} is signed out."), None),
            Self::Reloaded(accounts) => {
                let accounts = sentence::count(*accounts as u64, "account");
                (
                    EventKind::Reloaded,
                    format!("The configuration was read again: {accounts}."),
                    None,
                )
            }
            Self::NotReloaded(why) => (
                EventKind::Reloaded,
                sentence::of(format!("the configuration was not taken up: {why}")),
                Some(
                    "Mend it and run `gatepost reload`; until then the old one is in use."
                        .to_owned(),
                ),
            ),
        };
        Words { kind, sentence: sentence::plain(&sentence), remedy }
    }
}
