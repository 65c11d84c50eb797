//! What one look has found.

use serde::{Deserialize, Serialize};

use crate::sentence;

/// What is looked at, in the order of the way: this machine, the way to the provider, the account, and
/// the way of a mail client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// `config.toml` and what it names.
    Configuration,
    /// The folder of everything: whose it is, and who may read it.
    Home,
    /// Whether something can be written there.
    Disk,
    /// The Google client.
    Client,
    /// The files of the accounts.
    Accounts,
    /// Whether a proxy runs for this home.
    Running,
    /// Where mail programs connect.
    Ports,
    /// The authorization server can be reached.
    SignInServer,
    /// This machine's clock beside the authorization server's.
    Clock,
    /// The way to the IMAP server: name, connection, TLS.
    ImapServer,
    /// The way to the submission server.
    SmtpServer,
    /// Whether the account is open, or can be opened.
    Unlocked,
    /// An access token, and what it is good for.
    Token,
    /// Whose the token is.
    Identity,
    /// Gmail's IMAP server takes the token.
    ImapSignOn,
    /// Gmail's submission server takes the token.
    SmtpSignOn,
    /// A mail program's way: sign on, list, open, wait for mail.
    Reading,
    /// A mail program's way: sign on for sending.
    Sending,
    /// A message to oneself, sent and seen.
    RoundTrip,
}

impl Check {
    /// What a person calls it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Home => "Folder",
            Self::Disk => "Disk",
            Self::Client => "Google client",
            Self::Accounts => "Accounts",
            Self::Running => "Gatepost",
            Self::Ports => "Ports",
            Self::SignInServer => "Sign-in server",
            Self::Clock => "Clock",
            Self::ImapServer => "IMAP server",
            Self::SmtpServer => "SMTP server",
            Self::Unlocked => "Unlocked",
            Self::Token => "Access token",
            Self::Identity => "Identity",
            Self::ImapSignOn => "Gmail's IMAP",
            Self::SmtpSignOn => "Gmail's SMTP",
            Self::Reading => "Reading mail",
            Self::Sending => "Sending mail",
            Self::RoundTrip => "Mail to oneself",
        }
    }
}

/// How a look turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// It works, and the person should know.
    Noted,
    /// It doesn't work.
    Failed,
    /// It could not be looked at, because of what failed before.
    LeftOut,
}

/// What one look has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// The account, where it is about one.
    pub account: Option<String>,
    /// How it turned out.
    pub outcome: Outcome,
    /// A word for the cause, for programs; stable between versions. `None` where nothing is wrong.
    pub code: Option<String>,
    /// One sentence.
    pub sentence: String,
    /// One thing to do, where something is to be done.
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn passed(check: Check, sentence: impl Into<String>) -> Self {
        Self {
            check,
            account: None,
            outcome: Outcome::Passed,
            code: None,
            sentence: sentence::plain(&sentence.into()),
            remedy: None,
        }
    }

    /// Something is wrong.
    pub fn failed(
        check: Check,
        code: &str,
        sentence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            outcome: Outcome::Failed,
            code: Some(code.to_owned()),
            remedy: Some(remedy.into()),
            ..Self::passed(check, sentence)
        }
    }

    /// It works, and there is something to do or to know all the same.
    pub fn noted(
        check: Check,
        code: &str,
        sentence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { outcome: Outcome::Noted, ..Self::failed(check, code, sentence, remedy) }
    }

    /// It was not looked at; `why` is what stood in the way.
    pub fn left_out(check: Check, why: Check) -> Self {
        let sentence = format!("Not looked at, because of “{}”.", why.label());
        Self { outcome: Outcome::LeftOut, ..Self::passed(check, sentence) }
    }

    /// The same about an account.
    #[must_use]
    pub fn of(self, account: &str) -> Self {
        Self { account: Some(account.to_owned()), ..self }
    }

    /// True if it doesn't work.
    pub fn has_failed(&self) -> bool {
        self.outcome == Outcome::Failed
    }

    /// True if what lies behind it can't be looked at either.
    pub fn is_stuck(&self) -> bool {
        matches!(self.outcome, Outcome::Failed | Outcome::LeftOut)
    }
}
