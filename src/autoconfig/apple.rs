//! Apple's configuration profile.

use sha2::{Digest, Sha256};

use super::guide::Part;
use super::places::Both;
use super::xml::escape;
use crate::accounts::Address;

/// The profile (<https://developer.apple.com/documentation/devicemanagement/mail>). It has no
/// password in it, so that macOS asks for one, once for both servers.
pub(super) fn profile(Both { imap, smtp }: Both<'_>, address: &Address) -> String {
    // Always the same for an account, so that a new profile takes the place of the old one.
    let (profile_id, account_id) = (uuid("profile", address), uuid("account", address));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadType</key>
  <string>Configuration</string>
  <key>PayloadVersion</key>
  <integer>1</integer>
  <key>PayloadIdentifier</key>
  <string>gatepost.{profile_id}</string>
  <key>PayloadUUID</key>
  <string>{profile_id}</string>
  <key>PayloadDisplayName</key>
  <string>Gatepost: {address}</string>
  <key>PayloadDescription</key>
  <string>The mail of {address} through Gatepost on this Mac. Its local password is asked for.</string>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadType</key>
      <string>com.apple.mail.managed</string>
      <key>PayloadVersion</key>
      <integer>1</integer>
      <key>PayloadIdentifier</key>
      <string>gatepost.{profile_id}.{account_id}</string>
      <key>PayloadUUID</key>
      <string>{account_id}</string>
      <key>PayloadDisplayName</key>
      <string>Gatepost: {address}</string>
      <key>EmailAccountDescription</key>
      <string>{address}</string>
      <key>EmailAccountType</key>
      <string>EmailTypeIMAP</string>
      <key>EmailAddress</key>
      <string>{address}</string>
      <key>IncomingMailServerAuthentication</key>
      <string>EmailAuthPassword</string>
      <key>IncomingMailServerHostName</key>
      <string>{imap_host}</string>
      <key>IncomingMailServerPortNumber</key>
      <integer>{imap_port}</integer>
      <key>IncomingMailServerUseSSL</key>
      <{imap_ssl}/>
      <key>IncomingMailServerUsername</key>
      <string>{address}</string>
      <key>OutgoingMailServerAuthentication</key>
      <string>EmailAuthPassword</string>
      <key>OutgoingMailServerHostName</key>
      <string>{smtp_host}</string>
      <key>OutgoingMailServerPortNumber</key>
      <integer>{smtp_port}</integer>
      <key>OutgoingMailServerUseSSL</key>
      <{smtp_ssl}/>
      <key>OutgoingMailServerUsername</key>
      <string>{address}</string>
      <key>OutgoingPasswordSameAsIncomingPassword</key>
      <true/>
    </dict>
  </array>
</dict>
</plist>
"#,
        address = escape(address.as_str()),
        imap_host = escape(&imap.host),
        imap_port = imap.port,
        smtp_host = escape(&smtp.host),
        smtp_port = smtp.port,
        imap_ssl = imap.tls,
        smtp_ssl = smtp.tls,
    )
}

/// What to do with it.
pub(super) fn next_step(file: &str) -> Vec<Part> {
    vec![Part::words(format!(
        "Open {file}
on this Mac, and install it: System Settings › General › Device Management (in older
versions: Profiles). It asks for the local password, which isn't in the file. Then
tick “Allow insecure authentication” for both servers in Mail › Settings › Accounts ›
Server Settings. The file is for this Mac alone: an iPhone can't reach Gatepost."
    ))]
}

/// A version 8 UUID from SHA-256 (RFC 9562 §5.8).
fn uuid(of: &str, address: &Address) -> String {
    let digest = Sha256::digest(format!("gatepost {of} {}", address.canonical()));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032X}", u128::from_be_bytes(bytes));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use roxmltree::{Document, Node, ParsingOptions};

    use super::super::places::tests::{ODD, address, usual, with_tls};
    use super::*;

    fn made_for(of: &str) -> String {
        profile(usual().both("").unwrap(), &address(of))
    }

    /// The keys of all dictionaries in it with their texts; a key that is there twice is a mistake
    /// only within one, so it is told apart by the dictionary's depth.
    fn read(file: &str) -> BTreeMap<(usize, String), String> {
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let document = Document::parse_with_options(file, options).unwrap();
        let mut entries = BTreeMap::new();
        for dict in document.descendants().filter(|node| node.has_tag_name("dict")) {
            let nodes: Vec<_> = dict.children().filter(Node::is_element).collect();
            for pair in nodes.chunks(2) {
                assert!(pair.len() == 2 && pair[0].has_tag_name("key"), "{pair:?}");
                let key = (dict.ancestors().count(), pair[0].text().unwrap().to_owned());
                let value = pair[1].text().unwrap_or(pair[1].tag_name().name()).to_owned();
                assert_eq!(entries.insert(key, value), None, "{pair:?}");
            }
        }
        entries
    }

    #[test]
    fn the_file_for_gmail() {
        insta::assert_snapshot!(made_for("you@gmail.com"));
    }

    #[test]
    fn tls_is_switched_on_where_nothing_else_is() {
        let places = with_tls();
        let entries = read(&profile(places.both("").unwrap(), &address("you@gmail.com")));
        let on =
            entries.iter().filter(|((_, key), value)| key.ends_with("UseSSL") && *value == "true");
        assert_eq!(on.count(), 2);
    }

    #[test]
    fn what_to_do_with_it() {
        let steps = next_step("/Users/you/gatepost.mobileconfig");
        insta::assert_snapshot!(Part::printed(&steps, ""));
    }

    #[test]
    fn an_odd_address_is_read_as_it_was() {
        for odd in ODD {
            let entries = read(&made_for(odd));
            let get = |key: &str| {
                let mut found = entries.iter().filter(|((_, name), _)| name == key);
                found.next().map(|(_, value)| value.as_str())
            };
            for key in ["EmailAddress", "IncomingMailServerUsername", "OutgoingMailServerUsername"]
            {
                assert_eq!(get(key), Some(odd));
            }
            assert_eq!(get("IncomingMailServerPortNumber"), Some("10143"));
        }
    }

    #[test]
    fn a_uuid_is_one_and_its_accounts_own() {
        let of = |text: &str| uuid("profile", &address(text));
        let one = of("you@gmail.com");
        assert_eq!(one, of("Y.o.u@GoogleMail.com"));
        assert_ne!(one, of("others@gmail.com"));
        assert_ne!(one, uuid("account", &address("you@gmail.com")));
        assert_eq!(one.len(), 36);
        assert_eq!(&one[14..15], "8");
        assert!("89AB".contains(&one[19..20]), "{one}");
    }
}
