//! Where a mail program finds Gatepost.

use super::error::AutoconfigError;
use crate::config::{Endpoint, EndpointHost, Listen};
use crate::proxy::Status;
use crate::sentence;

/// The servers to enter in a mail program; `None` is switched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Incoming mail.
    pub imap: Option<Place>,
    /// Outgoing mail.
    pub smtp: Option<Place>,
}

/// A server to enter in a mail program. Port 0 is one that the system will choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// Zero only where [`Places::check`] says so.
    pub port: u16,
    /// TLS from the first byte; where the port without is on, that one is named.
    pub tls: bool,
}

impl Place {
    /// What a mail program calls its encryption.
    pub fn encryption(&self) -> &'static str {
        if self.tls { "SSL/TLS" } else { "None" }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&sentence::place(&self.host, self.port))
    }
}

impl Places {
    /// As configured, with the ports that a running proxy has in use.
    pub fn of(listen: &Listen, running: Option<&Status>) -> Self {
        let place = |service: &str, endpoint: Option<Endpoint>, tls: bool| {
            let Endpoint { host, port } = endpoint?;
            let in_use = running.and_then(|status| status.listeners.get(service));
            let in_use = in_use.and_then(|address| address.rsplit(':').next()?.parse().ok());
            // All addresses are none to connect to.
            let host = match host {
                EndpointHost::Ip(ip) if ip.is_unspecified() => EndpointHost::Localhost,
                host => host,
            };
            Some(Place { host: host.to_string(), port: in_use.unwrap_or(port), tls })
        };
        let imaps = || place("imaps", listen.imaps, true);
        let smtps = || place("smtps", listen.smtps, true);
        Self {
            imap: place("imap", listen.imap, false).or_else(imaps),
            smtp: place("smtp", listen.smtp, false).or_else(smtps),
        }
    }

    /// The servers that are on, each under the name that mail programs have for it.
    pub fn servers(&self) -> impl Iterator<Item = (&'static str, &Place)> {
        let servers = [("Incoming (IMAP)", &self.imap), ("Outgoing (SMTP)", &self.smtp)];
        servers.into_iter().filter_map(|(what, place)| Some((what, place.as_ref()?)))
    }

    /// What a person enters, a row each for a terminal. `password` is what there is to say of it.
    pub fn rows(&self, user_name: &str, password: &str) -> Vec<String> {
        let row = |what: &str, value: &str| format!("  {what:<18}{value}");
        let server = |(what, place): (&str, &Place)| {
            let Place { host, port, .. } = place;
            let encryption = place.encryption();
            let port = match port {
                0 => "a port that `gatepost status` tells once Gatepost runs".to_owned(),
                port => format!("port {port}"),
            };
            row(what, &format!("{host}, {port}, encryption: {encryption}"))
        };
        let mut rows: Vec<_> = self.servers().map(server).collect();
        rows.push(row("User name", user_name));
        rows.push(row("Password", password));
        rows
    }

    /// Whether every port is known, and there is anything to enter at all.
    pub fn check(&self) -> Result<(), AutoconfigError> {
        if self.imap.is_none() && self.smtp.is_none() {
            return Err(AutoconfigError::NothingIsServed);
        }
        let unknown = |place: &Option<Place>| place.as_ref().is_some_and(|place| place.port == 0);
        if unknown(&self.imap) || unknown(&self.smtp) {
            return Err(AutoconfigError::PortsUnknown);
        }
        Ok(())
    }

    /// The one that is switched off, if one is.
    pub fn off(&self) -> Option<&'static str> {
        let servers = [("IMAP", &self.imap), ("SMTP", &self.smtp)];
        servers.into_iter().find(|(_, place)| place.is_none()).map(|(service, _)| service)
    }

    /// Both servers, for `what` can't do without one.
    pub(super) fn both(&self, what: &'static str) -> Result<Both<'_>, AutoconfigError> {
        Ok(Both {
            imap: self.imap.as_ref().ok_or(AutoconfigError::ServerOff { what, service: "IMAP" })?,
            smtp: self.smtp.as_ref().ok_or(AutoconfigError::ServerOff { what, service: "SMTP" })?,
        })
    }
}

/// The servers, where neither is switched off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Both<'p> {
    pub(super) imap: &'p Place,
    pub(super) smtp: &'p Place,
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;
    use crate::accounts::Address;
    use crate::config::Config;

    fn places(config: &str, running: &[(&str, &str)]) -> Places {
        let config = Config::parse(Path::new("config.toml"), config).unwrap();
        let listeners = running.iter().map(|(key, address)| ((*key).into(), (*address).into()));
        let status = Status { listeners: listeners.collect(), ..Status::default() };
        Places::of(&config.listen, (!running.is_empty()).then_some(&status))
    }

    /// As they are without a configuration.
    pub(crate) fn usual() -> Places {
        places("", &[])
    }

    /// As they are where only the ports with TLS are on.
    pub(crate) fn with_tls() -> Places {
        let tls = "imaps = \"localhost:10993\"\nsmtps = \"localhost:10465\"\n";
        places(&format!("[listen]\nimap = \"\"\nsmtp = \"\"\n{tls}"), &[])
    }

    pub(crate) fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    /// Addresses with what may be in them (RFC 5322's atext, RFC 6531's letters, and more) and means
    /// something else in some file.
    pub(crate) const ODD: [&str; 6] = [
        "o'hara&sons@example.com",
        "a!#$%&'*+-/=?^_`{|}~b@example.com",
        "<b>]]>&lt;@example.com",
        "{address}{imap}@example.com",
        "[Account1];=x@example.com",
        "grüße@bücher.example",
    ];

    #[test]
    fn the_configuration_says_where_and_the_running_proxy_which_port() {
        let rows = |places: &Places| places.rows("you@gmail.com", "secret").join("\n");
        insta::assert_snapshot!(rows(&usual()), @r"
          Incoming (IMAP)   localhost, port 10143, encryption: None
          Outgoing (SMTP)   localhost, port 10587, encryption: None
          User name         you@gmail.com
          Password          secret
        ");
        let free = "[listen]\nimap = \"127.0.0.1:0\"\nsmtp = \"[::1]:0\"\n";
        let running = places(free, &[("imap", "127.0.0.1:4143"), ("smtp", "[::1]:4587")]);
        insta::assert_snapshot!(rows(&running), @r"
          Incoming (IMAP)   127.0.0.1, port 4143, encryption: None
          Outgoing (SMTP)   ::1, port 4587, encryption: None
          User name         you@gmail.com
          Password          secret
        ");
        let tls = places("[listen]\nimap = \"\"\nimaps = \"0.0.0.0:993\"\nallow_lan = true\n", &[]);
        insta::assert_snapshot!(rows(&tls), @r"
          Incoming (IMAP)   localhost, port 993, encryption: SSL/TLS
          Outgoing (SMTP)   localhost, port 10587, encryption: None
          User name         you@gmail.com
          Password          secret
        ");
        let no_imap = places("[listen]\nimap = \"\"\n", &[]);
        assert!(rows(&no_imap).starts_with("  Outgoing"), "{}", rows(&no_imap));
    }

    #[test]
    fn what_cant_be_entered_is_told() {
        let free = places("[listen]\nimap = \"localhost:0\"\n", &[]);
        assert!(free.check().unwrap_err().to_string().contains("ports aren't known"));
        assert!(free.rows("you@gmail.com", "")[0].contains("`gatepost status` tells"));
        let none = places("[listen]\nimap = \"\"\nsmtp = \"\"\n", &[]);
        assert!(none.check().unwrap_err().to_string().contains("serves no mail program"));
        let no_smtp = places("[listen]\nsmtp = \"\"\n", &[]);
        no_smtp.check().unwrap();
        let refused = no_smtp.both("A profile file").map(drop).unwrap_err();
        assert!(refused.to_string().contains("switches SMTP off"), "{refused}");
    }
}
