//! Files that set a mail program up. No password is in any of them: the mail program asks for it.

use super::error::AutoconfigError;
use super::guide::Part;
use super::places::Places;
use super::{apple, outlook, thunderbird};
use crate::accounts::Address;

/// A kind of file, named for the mail program that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A profile file (.prf) for classic Outlook for Windows.
    Outlook,
    /// An autoconfiguration file (.xml) for Thunderbird.
    Thunderbird,
    /// A configuration profile (.mobileconfig) for Apple Mail.
    Apple,
}

impl FileKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Outlook, Self::Thunderbird, Self::Apple];

    /// The mail program in one word, as a person types it or an address has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outlook => "outlook",
            Self::Thunderbird => "thunderbird",
            Self::Apple => "apple",
        }
    }

    /// What the file is called where nobody names it.
    pub fn usual_file(self) -> &'static str {
        match self {
            Self::Outlook => "gatepost.prf",
            Self::Thunderbird => "gatepost.xml",
            Self::Apple => "gatepost.mobileconfig",
        }
    }

    /// Where the file lies once a browser has downloaded it under its usual name, as the mail
    /// program's own system writes it. Windows' “Run” puts the person's folder in.
    pub fn downloaded_file(self) -> &'static str {
        match self {
            Self::Outlook => r"%USERPROFILE%\Downloads\gatepost.prf",
            Self::Thunderbird | Self::Apple => self.usual_file(),
        }
    }

    /// Its MIME type; Outlook's has none of its own.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Outlook => "application/octet-stream",
            Self::Thunderbird => "application/xml",
            Self::Apple => "application/x-apple-aspen-config",
        }
    }

    /// The file itself, for one account.
    pub fn contents(self, places: &Places, address: &Address) -> Result<String, AutoconfigError> {
        Ok(match self {
            Self::Outlook => outlook::profile(places.both("A profile file")?, address)?,
            Self::Thunderbird => {
                thunderbird::autoconfig(places.both("Thunderbird's file")?, address)
            }
            Self::Apple => apple::profile(places.both("A configuration profile")?, address),
        })
    }

    /// What a person does with it; `file` is where it lies.
    pub fn next_step(self, file: &str, address: &Address) -> Vec<Part> {
        match self {
            Self::Outlook => outlook::next_step(file, address),
            Self::Thunderbird => thunderbird::next_step(file, address),
            Self::Apple => apple::next_step(file),
        }
    }
}
