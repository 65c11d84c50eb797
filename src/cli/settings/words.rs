//! The settings in plain words, for every mail program.

use clap::ValueEnum;

use super::Program;
use super::places::Places;
use crate::accounts::Address;

const PASSWORD: &str = "the local password, which `gatepost login` showed   (for both servers)";

/// What to change at Gmail before anything is fetched.
pub(in crate::cli) const FIRST_OF_ALL: &str = "\
First of all, in Gmail in the browser: Settings › See all settings › Labels ›
All Mail › untick “Show in IMAP”. Otherwise every message is fetched twice, and a
large mailbox may run into Google's limit (for Workspace 2,500 MB a day), past
which it stays closed to mail programs for about a day.";

/// A mail program, as a person knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum MailProgram {
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
    pub(in crate::cli) fn title(self) -> &'static str {
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
    pub(in crate::cli) fn file(self) -> Option<Program> {
        match self {
            Self::Outlook => Some(Program::Outlook),
            Self::Thunderbird => Some(Program::Thunderbird),
            Self::Apple => Some(Program::Apple),
            Self::NewOutlook | Self::OutlookMac | Self::Device | Self::Other => None,
        }
    }

    /// The way through it, in lines that are set in by two blanks.
    pub(in crate::cli) fn steps(self, address: &Address) -> String {
        match self {
            Self::Outlook => OUTLOOK.to_owned(),
            Self::NewOutlook => NEW_OUTLOOK.to_owned(),
            Self::OutlookMac => OUTLOOK_MAC.to_owned(),
            Self::Thunderbird => THUNDERBIRD.to_owned(),
            Self::Apple => APPLE.to_owned(),
            Self::Device => device(address),
            Self::Other => OTHER.to_owned(),
        }
    }

    /// Where to begin in it, for somebody who has been led through it.
    pub(in crate::cli) fn in_short(self) -> Option<&'static str> {
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
    pub(in crate::cli) fn note(self) -> Option<&'static str> {
        (self == Self::Outlook).then_some(OUTLOOK_ALONE)
    }

    fn section(self, address: &Address) -> String {
        let mut section = format!("{}\n\n{}", self.title(), self.steps(address));
        if let Some(program) = self.file() {
            let (name, file) = (program.name(), program.usual_file());
            let own = if self == Self::Outlook { ", in an Outlook profile of its own" } else { "" };
            section.push_str(&format!(
                "\n  Or let a file do it{own}:\n  gatepost settings {address} --for {name} --out {file}"
            ));
        }
        if let Some(note) = self.note() {
            section.push_str(&format!("\n\n{note}"));
        }
        section
    }
}

/// All that a person needs to set up whatever mail program they have.
pub(super) fn all(places: &Places, address: &Address) -> String {
    let rows = places.rows(address.as_str(), PASSWORD).join("\n");
    let sections = MailProgram::value_variants().iter().map(|program| program.section(address));
    let sections: Vec<_> = sections.collect();
    format!(
        "\
For your mail program:
{rows}

“None” is right: this stretch lies within your computer. From Gatepost to Google
everything is encrypted. Google's own password is never right here. The local
password is shown once and stored nowhere; if it is lost, this makes another:
gatepost password {address} --new
Gatepost must be running: `gatepost run`.

{FIRST_OF_ALL}


{}
",
        sections.join("\n\n")
    )
}

const OUTLOOK: &str = "  Its simple wizard takes a gmail.com address to Google and never asks for a
  server. The way round:
  1. Close Outlook. Open the Windows Control Panel, search for “Mail” and open
     Mail (Microsoft Outlook).
  2. Email Accounts… › New… › Manual setup or additional server types › Next ›
     POP or IMAP › Next.
  3. Account type IMAP, and the settings above. Leave Secure Password
     Authentication (SPA) off.
  4. More Settings… › Outgoing Server: it requires authentication, with the same
     settings as the incoming one.
  5. More Settings… › Advanced: both ports, encryption None, and the root folder
     path empty. Tick “Do not save copies of sent items” (in older versions on a
     page of its own, Sent Items): Gmail keeps a copy itself.
  If the simple wizard comes there too, switch it off in the registry: under
  HKEY_CURRENT_USER\\Software\\Microsoft\\Office\\16.0\\Outlook\\Setup a DWORD
  DisableOffice365SimplifiedAccountCreation with the value 1. It is said not to
  work for Outlook 2024.";

const OUTLOOK_ALONE: &str =
    "  Outlook 2019 and later can sign on to a personal Gmail by themselves. If yours
  does, you don't need Gatepost.";

const NEW_OUTLOOK: &str =
    "  It can't use Gatepost: Microsoft's cloud fetches the mail for it, and from
  there nobody can reach a program on your computer. Use classic Outlook; where
  the window has a switch “New Outlook” at its top right, turn it off. Outlook on
  phones can't either, nor can the Mail app of Windows 10.";

const OUTLOOK_MAC: &str =
    "  It can use Gatepost only where it doesn't sync by Microsoft's cloud. When you
  add the account, choose IMAP instead of Google and, in the new Outlook, to sync
  directly with IMAP. Then enter the settings above.";

const THUNDERBIRD: &str =
    "  Add a mail account and choose to configure it manually, with the settings above.
  Connection security: None (or SSL/TLS, if the settings say so). Authentication
  method: Password, transmitted insecurely (which is within your computer).";

const APPLE: &str =
    "  Mail › Add Account… › Other Mail Account…, and the settings above. Afterwards, in
  Settings › Accounts › Server Settings, for both servers: the port, no TLS/SSL
  (but where the settings say so), and “Allow insecure authentication” ticked.";

const OTHER: &str = "  Whatever speaks IMAP or SMTP with a password, on this computer: enter the
  settings above; TLS only where they say so. The authentication is by password
  (“normal”, PLAIN or LOGIN).";

fn device(address: &Address) -> String {
    format!(
        "  Scan software on this computer: the settings for SMTP above, authentication
  PLAIN or LOGIN. A device that stands on the network by itself reaches Gatepost
  by TLS alone, and once `allow_lan` in the configuration lets it; the README tells
  how, under “TLS, and other machines”. If the device's field is too short for the
  password, choose one yourself; it is the first line of the input of
  gatepost password {address} --new --password-stdin"
    )
}

#[cfg(test)]
mod tests {
    use super::super::places::tests::{ODD, address, usual};
    use super::*;

    #[test]
    fn all_words() {
        insta::assert_snapshot!(all(&usual(), &address("you@gmail.com")));
    }

    #[test]
    fn an_odd_address_is_shown_as_it_is() {
        for odd in ODD {
            let row = format!("\n  User name         {odd}\n");
            assert!(all(&usual(), &address(odd)).contains(&row), "{odd}");
        }
    }
}
