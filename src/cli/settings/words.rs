//! The settings in plain words, for every mail program.

use super::places::Places;
use crate::accounts::Address;

const PASSWORD: &str = "the local password, which `gatepost login` showed   (for both servers)";

/// All that a person needs to set up whatever mail program they have.
pub(super) fn all(places: &Places, address: &Address) -> String {
    let rows = places.rows(address.as_str(), PASSWORD).join("\n");
    format!(
        "\
For your mail program:
{rows}

“None” is right: this stretch lies within your computer. From Gatepost to Google
everything is encrypted. Google's own password is never right here. The local
password is shown once and stored nowhere; if it is lost, this makes another:
gatepost password {address} --new
Gatepost must be running: `gatepost run`.

First of all, in Gmail in the browser: Settings › See all settings › Labels ›
All Mail › untick “Show in IMAP”. Otherwise every message is fetched twice, and a
large mailbox may run into Google's limit (for Workspace 2,500 MB a day), past
which it stays closed to mail programs for about a day.


Classic Outlook for Windows: 2010 to 2024, and that of Microsoft 365

  Its simple wizard takes a gmail.com address to Google and never asks for a
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
  work for Outlook 2024.
  Or let a file do it, in an Outlook profile of its own:
  gatepost settings {address} --for outlook --out gatepost.prf

  Outlook 2019 and later can sign on to a personal Gmail by themselves. If yours
  does, you don't need Gatepost.

New Outlook for Windows

  It can't use Gatepost: Microsoft's cloud fetches the mail for it, and from
  there nobody can reach a program on your computer. Use classic Outlook; where
  the window has a switch “New Outlook” at its top right, turn it off. Outlook on
  phones can't either, nor can the Mail app of Windows 10.

Outlook for Mac

  It can use Gatepost only where it doesn't sync by Microsoft's cloud. When you
  add the account, choose IMAP instead of Google and, in the new Outlook, to sync
  directly with IMAP. Then enter the settings above.

Thunderbird

  Add a mail account and choose to configure it manually, with the settings above.
  Connection security: None. Authentication method: Password, transmitted
  insecurely (which is within your computer).
  Or let a file do it:
  gatepost settings {address} --for thunderbird --out gatepost.xml

Apple Mail

  Mail › Add Account… › Other Mail Account…, and the settings above. Afterwards, in
  Settings › Accounts › Server Settings, for both servers: the port, no TLS/SSL,
  and “Allow insecure authentication” ticked.
  Or let a file do it:
  gatepost settings {address} --for apple --out gatepost.mobileconfig

Printers and scanners

  A device that stands on the network by itself can't reach Gatepost, which
  listens on this computer alone. Scan software on this computer can, with the
  settings for SMTP above: no TLS or SSL, authentication PLAIN or LOGIN. If its
  field is too short for the password, choose one yourself; it is the first line
  of the input of
  gatepost password {address} --new --password-stdin
"
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
