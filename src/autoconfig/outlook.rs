//! Classic Outlook's profile file.

use super::error::AutoconfigError;
use super::guide::Part;
use super::places::Both;
use crate::accounts::Address;

/// The file, in ASCII with CR LF, as Outlook reads it everywhere. There is no key for a password.
///
/// It makes a profile of its own and changes none that is there. What stands in `[IMAP_I_Mail]` is
/// Microsoft's table of which key is which property; Outlook takes no key that isn't in it.
pub(super) fn profile(
    Both { imap, smtp }: Both<'_>,
    address: &Address,
) -> Result<String, AutoconfigError> {
    check(address)?;
    let profile = profile_name(address);
    let lines = format!(
        "\
[General]
Custom=1
ProfileName={profile}
DefaultProfile=No
OverwriteProfile=No
ModifyDefaultProfileIfPresent=FALSE

[Service List]

[Internet Account List]
Account1=IMAP_I_Mail

[Account1]
UniqueService=No
AccountName={address}
DisplayName={address}
EmailAddress={address}
IMAPServer={imap_host}
IMAPUserName={address}
IMAPUseSPA=0
IMAPPort={imap_port}
IMAPUseSSL={imap_ssl}
SMTPServer={smtp_host}
SMTPUseAuth=1
SMTPAuthMethod=0
SMTPUseSPA=0
SMTPPort={smtp_port}
SMTPSecureConnection={smtp_ssl}
ConnectionType=0

[IMAP_I_Mail]
AccountType=IMAP
AccountName=PT_UNICODE,0x0002
DisplayName=PT_UNICODE,0x000B
EmailAddress=PT_UNICODE,0x000C
IMAPServer=PT_UNICODE,0x0100
IMAPUserName=PT_UNICODE,0x0101
IMAPUseSPA=PT_LONG,0x0108
Organization=PT_UNICODE,0x0107
ReplyEmailAddress=PT_UNICODE,0x0103
IMAPPort=PT_LONG,0x0104
IMAPUseSSL=PT_LONG,0x0105
SMTPServer=PT_UNICODE,0x0200
SMTPUseAuth=PT_LONG,0x0203
SMTPAuthMethod=PT_LONG,0x0208
SMTPUserName=PT_UNICODE,0x0204
SMTPUseSPA=PT_LONG,0x0207
ConnectionType=PT_LONG,0x000F
ConnectionOID=PT_UNICODE,0x0010
SMTPPort=PT_LONG,0x0201
SMTPSecureConnection=PT_LONG,0x020A
ServerTimeOut=PT_LONG,0x0209
CheckNewImap=PT_LONG,0x1100
RootFolder=PT_UNICODE,0x1101
",
        imap_host = imap.host,
        imap_port = imap.port,
        smtp_host = smtp.host,
        smtp_port = smtp.port,
        imap_ssl = u8::from(imap.tls),
        smtp_ssl = u8::from(smtp.tls),
    );
    Ok(lines.replace('\n', "\r\n"))
}

/// What to do with it.
pub(super) fn next_step(file: &str, address: &Address) -> Vec<Part> {
    let profile = profile_name(address);
    vec![
        Part::words("Close Outlook, press Windows+R, and enter this:"),
        Part::verbatim(format!("outlook.exe /importprf \"{file}\"")),
        Part::words(format!(
            "It makes an Outlook profile of its own, “{profile}”, and leaves those
that you have as they are. This starts Outlook with it:"
        )),
        Part::verbatim(format!("outlook.exe /profile \"{profile}\"")),
        Part::words(
            "Outlook asks for the local password, which isn't in the file. Then tick “Do not save
copies of sent items” in the account's More Settings: Gmail keeps a copy itself.",
        ),
    ]
}

fn profile_name(address: &Address) -> String {
    format!("Gatepost {address}")
}

/// The file has no quoting. Outlook also puts environment variables in the place of `%…%`.
fn check(address: &Address) -> Result<(), AutoconfigError> {
    const PLAIN: &str = ".@!#$&'*+-/=?^_`{|}~";
    if address.as_str().chars().all(|c| c.is_ascii_alphanumeric() || PLAIN.contains(c)) {
        return Ok(());
    }
    Err(AutoconfigError::AddressUnfit { address: address.to_string() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::places::tests::{ODD, address, usual, with_tls};
    use super::*;

    fn made_for(of: &str) -> Result<String, AutoconfigError> {
        profile(usual().both("")?, &address(of))
    }

    /// Its keys by section, as Windows reads such files: all that is behind the first `=` is value.
    fn read(file: &str) -> BTreeMap<&str, BTreeMap<&str, &str>> {
        let mut sections = BTreeMap::<_, BTreeMap<_, _>>::new();
        let mut section = "";
        for line in file.split_terminator("\r\n").filter(|line| !line.is_empty()) {
            match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some(name) => section = name,
                None => {
                    let (key, value) = line.split_once('=').unwrap();
                    sections.entry(section).or_default().insert(key, value);
                }
            }
        }
        sections
    }

    #[test]
    fn the_file_for_gmail() {
        let file = made_for("you@gmail.com").unwrap();
        assert!(file.is_ascii() && !file.replace("\r\n", "").contains(['\r', '\n']));
        insta::assert_snapshot!(file.replace("\r\n", "\n"));
    }

    #[test]
    fn tls_is_switched_on_where_nothing_else_is() {
        let places = with_tls();
        let file = profile(places.both("").unwrap(), &address("you@gmail.com")).unwrap();
        let account = &read(&file)["Account1"];
        assert_eq!(account["IMAPPort"], "10993");
        assert_eq!([account["IMAPUseSSL"], account["SMTPSecureConnection"]], ["1", "1"]);
    }

    #[test]
    fn what_to_do_with_it() {
        let address = address("you@gmail.com");
        let steps = next_step(r"C:\Users\you\gatepost.prf", &address);
        insta::assert_snapshot!(Part::printed(&steps, ""));
    }

    #[test]
    fn every_key_of_the_account_is_in_the_table_of_properties() {
        let file = made_for("you@gmail.com").unwrap();
        let sections = read(&file);
        for key in sections["Account1"].keys().filter(|key| **key != "UniqueService") {
            assert!(sections["IMAP_I_Mail"].contains_key(key), "{key}");
        }
    }

    #[test]
    fn an_odd_address_is_written_as_it_is_or_refused() {
        let plain = ["o'hara&sons@example.com", "{address}{imap}@example.com", "a=b|c@example.com"];
        for odd in plain {
            let file = made_for(odd).unwrap();
            let account = &read(&file)["Account1"];
            for key in ["AccountName", "EmailAddress", "IMAPUserName"] {
                assert_eq!(account[key], odd);
            }
        }
        let refused = ODD.iter().filter(|odd| !plain.contains(odd)).chain([&"%TEMP%@example.com"]);
        for odd in refused {
            let refused = made_for(odd).unwrap_err();
            assert!(matches!(refused, AutoconfigError::AddressUnfit { .. }), "{odd}");
        }
    }
}
