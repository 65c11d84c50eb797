//! The way through each mail program.

use clap::ValueEnum;

use super::file::FileKind;
use super::guide::Part;
use crate::accounts::Address;

/// What to change at Gmail before anything is fetched.
pub const FIRST_OF_ALL: &str = "\
First of all, in Gmail in the browser: Settings › See all settings › Labels ›
All Mail › untick “Show in IMAP”. Otherwise every message is fetched twice, and a
large mailbox may run into Google's limit (for Workspace 2,500 MB a day), past
which it stays closed to mail programs for about a day.";

/// A mail program, as a person knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MailProgram {
    /// Classic Outlook for Windows
    Outlook,
    /// The new Outlook for Windows, which can't use Gatepost
    NewOutlook,
    /// Outlook for Mac
    OutlookMac,
    /// Thunderbird
    Thunderbird,
    /// Apple Mail
    Apple,
    /// A printer, a scanner, or its software
    Device,
    /// A script, or any other program
    Other,
}

impl MailProgram {
    /// Its name, as a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Outlook => "Classic Outlook for Windows: 2010 to 2024, and that of Microsoft 365",
            Self::NewOutlook => "New Outlook for Windows",
            Self::OutlookMac => "Outlook for Mac",
            Self::Thunderbird => "Thunderbird",
            Self::Apple => "Apple Mail",
            Self::Device => "Printers and scanners",
            Self::Other => "Scripts, and every other mail program",
        }
    }

    /// The file that sets it up.
    pub fn file(self) -> Option<FileKind> {
        match self {
            Self::Outlook => Some(FileKind::Outlook),
            Self::Thunderbird => Some(FileKind::Thunderbird),
            Self::Apple => Some(FileKind::Apple),
            Self::NewOutlook | Self::OutlookMac | Self::Device | Self::Other => None,
        }
    }

    /// The way through it. “Above” stand the servers, the user name and the password.
    pub fn steps(self, address: &Address) -> Vec<Part> {
        match self {
            Self::Outlook => outlook(),
            Self::NewOutlook => vec![Part::words(NEW_OUTLOOK)],
            Self::OutlookMac => vec![Part::words(OUTLOOK_MAC)],
            Self::Thunderbird => vec![Part::words(THUNDERBIRD)],
            Self::Apple => vec![Part::words(APPLE)],
            Self::Device => vec![
                Part::words(DEVICE),
                Part::verbatim(format!("gatepost password {address} --new --password-stdin")),
            ],
            Self::Other => vec![Part::words(OTHER)],
        }
    }

    /// Where to begin in it, for somebody who has been led through it.
    pub fn in_short(self) -> Option<&'static str> {
        Some(match self {
            Self::Outlook => {
                "In Outlook choose “Manual setup or additional server types”, then “POP or IMAP”."
            }
            Self::OutlookMac => "In Outlook choose IMAP, not Google.",
            Self::Thunderbird => {
                "In Thunderbird choose to configure it manually; the password is sent “insecurely”."
            }
            Self::Apple => "In Mail choose “Other Mail Account…”.",
            Self::Device | Self::Other => "No TLS, SSL or STARTTLS; authentication by password.",
            Self::NewOutlook => return None,
        })
    }

    /// What else there is to know.
    pub fn note(self) -> Option<&'static str> {
        (self == Self::Outlook).then_some(OUTLOOK_ALONE)
    }
}

const OUTLOOK_BEFORE: &str =
    "Its simple wizard takes a gmail.com address to Google and never asks for a
server. The way round:";

const OUTLOOK_STEPS: [&str; 5] = [
    "Close Outlook. Open the Windows Control Panel, search for “Mail” and open
Mail (Microsoft Outlook).",
    "Email Accounts… › New… › Manual setup or additional server types › Next ›
POP or IMAP › Next.",
    "Account type IMAP, and the settings above. Leave Secure Password
Authentication (SPA) off.",
    "More Settings… › Outgoing Server: it requires authentication, with the same
settings as the incoming one.",
    "More Settings… › Advanced: both ports, encryption None, and the root folder
path empty. Tick “Do not save copies of sent items” (in older versions on a
page of its own, Sent Items): Gmail keeps a copy itself.",
];

const OUTLOOK_AFTER: &str =
    "If the simple wizard comes there too, switch it off in the registry: under
HKEY_CURRENT_USER\\Software\\Microsoft\\Office\\16.0\\Outlook\\Setup a DWORD
DisableOffice365SimplifiedAccountCreation with the value 1. It is said not to
work for Outlook 2024.";

fn outlook() -> Vec<Part> {
    vec![
        Part::words(OUTLOOK_BEFORE),
        Part::Steps(OUTLOOK_STEPS.map(Into::into).into()),
        Part::words(OUTLOOK_AFTER),
    ]
}

const OUTLOOK_ALONE: &str =
    "Outlook 2019 and later can sign on to a personal Gmail by themselves. If yours
does, you don't need Gatepost.";

const NEW_OUTLOOK: &str =
    "It can't use Gatepost: Microsoft's cloud fetches the mail for it, and from
there nobody can reach a program on your computer. Use classic Outlook; where
the window has a switch “New Outlook” at its top right, turn it off. Outlook on
phones can't either, nor can the Mail app of Windows 10.";

const OUTLOOK_MAC: &str =
    "It can use Gatepost only where it doesn't sync by Microsoft's cloud. When you
add the account, choose IMAP instead of Google and, in the new Outlook, to sync
directly with IMAP. Then enter the settings above.";

const THUNDERBIRD: &str =
    "Add a mail account and choose to configure it manually, with the settings above.
Connection security: None (or SSL/TLS, if the settings say so). Authentication
method: Password, transmitted insecurely (which is within your computer).";

const APPLE: &str =
    "Mail › Add Account… › Other Mail Account…, and the settings above. Afterwards, in
Settings › Accounts › Server Settings, for both servers: the port, no TLS/SSL
(but where the settings say so), and “Allow insecure authentication” ticked.";

const OTHER: &str = "Whatever speaks IMAP or SMTP with a password, on this computer: enter the
settings above; TLS only where they say so. The authentication is by password
(“normal”, PLAIN or LOGIN).";

const DEVICE: &str = "Scan software on this computer: the settings for SMTP above, authentication
PLAIN or LOGIN. A device that stands on the network by itself reaches Gatepost
by TLS alone, and once `allow_lan` in the configuration lets it; the README tells
how, under “TLS, and other machines”. If the device's field is too short for the
password, choose one yourself; it is the first line of the input of";
