//! Thunderbird's autoconfiguration file.

use super::guide::Part;
use super::places::{Both, Place};
use super::xml::escape;
use crate::accounts::Address;

/// The file for the address's domain
/// (<https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat>).
///
/// Thunderbird looks for it under the domain's name and puts whichever address it is told into the
/// user name: so one file serves all accounts of a domain.
pub(super) fn autoconfig(Both { imap, smtp }: Both<'_>, address: &Address) -> String {
    let domain = escape(&domain(address));
    let (imap, smtp) = (server("incoming", "imap", imap), server("outgoing", "smtp", smtp));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="{domain}">
    <domain>{domain}</domain>
    <displayName>Gatepost</displayName>
    <displayShortName>Gatepost</displayShortName>
{imap}
{smtp}
  </emailProvider>
</clientConfig>
"#
    )
}

fn server(direction: &str, kind: &str, Place { host, port, tls }: &Place) -> String {
    let security = if *tls { "SSL" } else { "plain" };
    format!(
        r#"    <{direction}Server type="{kind}">
      <hostname>{}</hostname>
      <port>{port}</port>
      <socketType>{security}</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </{direction}Server>"#,
        escape(host)
    )
}

/// What to do with it. `fetchConfigFromDisk` in Thunderbird's `FetchConfig.sys.mjs` reads the folder
/// `isp` beside the program, before it asks the network.
pub(super) fn next_step(file: &str, address: &Address) -> Vec<Part> {
    let domain = domain(address);
    vec![
        Part::words(format!(
            "Copy {file}
as {domain}.xml into the folder “isp” beside Thunderbird itself (as administrator):"
        )),
        Part::verbatim(r"Windows   C:\Program Files\Mozilla Thunderbird\isp"),
        Part::verbatim("Debian    /usr/lib/thunderbird/isp"),
        Part::words(format!(
            "Then add an account in Thunderbird: it finds the file by your address and asks for
the local password, which isn't in it. It does so for every address at {domain},
until you remove the file. Where that folder can't be written to (macOS, Flatpak,
Snap), enter the settings that `gatepost settings {address}` shows."
        )),
    ]
}

/// The domain as Thunderbird looks for it: international ones in their ASCII form.
fn domain(address: &Address) -> String {
    let typed = address.as_str().rsplit('@').next().unwrap_or_default();
    url::Host::parse(typed).map_or_else(|_| typed.to_lowercase(), |host| host.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::places::tests::{ODD, address, usual, with_tls};
    use super::*;

    #[test]
    fn the_file_for_gmail() {
        let places = usual();
        let both = places.both("").unwrap();
        insta::assert_snapshot!(autoconfig(both, &address("You@Gmail.com")));
    }

    #[test]
    fn tls_is_switched_on_where_nothing_else_is() {
        let file = autoconfig(with_tls().both("").unwrap(), &address("you@gmail.com"));
        assert_eq!(file.matches("<socketType>SSL</socketType>").count(), 2);
    }

    #[test]
    fn what_to_do_with_it() {
        let steps = next_step("/home/you/gatepost.xml", &address("You@Gmail.com"));
        insta::assert_snapshot!(Part::printed(&steps, ""));
    }

    #[test]
    fn the_file_for_an_odd_address_is_for_its_domain() {
        let odd = ODD.iter().map(|odd| (*odd, odd.rsplit('@').next().unwrap()));
        let odd = odd.chain([("a@b&c<d>.example", "b&c<d>.example")]);
        for (odd, domain) in odd {
            let places = usual();
            let file = autoconfig(places.both("").unwrap(), &address(odd));
            let document = roxmltree::Document::parse(&file).unwrap();
            let text = |name: &str| {
                let found = document.descendants().find(|node| node.has_tag_name(name));
                found.and_then(|node| node.text()).unwrap()
            };
            let domain = domain.replace("bücher", "xn--bcher-kva");
            assert_eq!(text("domain"), domain, "{odd}");
            assert_eq!(text("username"), "%EMAILADDRESS%");
        }
    }
}
