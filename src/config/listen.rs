//! Where mail clients connect, and with which certificate they are met.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use tokio_rustls::rustls::pki_types::ServerName;

use super::raw::{ConfigError, RawCertificate, RawListen, Source};
use super::resolved::{relative, split_port};

/// Where mail clients connect; `None` is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// IMAP, plain at first; STARTTLS may follow.
    pub imap: Option<Endpoint>,
    /// SMTP, plain at first; STARTTLS may follow.
    pub smtp: Option<Endpoint>,
    /// IMAP by implicit TLS (RFC 8314).
    pub imaps: Option<Endpoint>,
    /// SMTP submission by implicit TLS (RFC 8314).
    pub smtps: Option<Endpoint>,
    /// The status page, which is this machine's only.
    pub status: Option<Endpoint>,
    /// True if a person gave the page its address: without one, mail goes on if the usual one is taken.
    pub status_is_named: bool,
    /// Who else than this machine may connect, where an address is open to others; empty is anybody.
    pub allow_from: Vec<IpNet>,
}

/// A listening address. Port 0 is any free port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The interface.
    pub host: EndpointHost,
    /// The TCP port.
    pub port: u16,
}

/// The interface that a listener is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointHost {
    /// Both 127.0.0.1 and ::1: Windows tries ::1 first.
    Localhost,
    /// One address, or all of them (0.0.0.0, ::).
    Ip(IpAddr),
}

/// The certificate that mail clients are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateConfig {
    /// What Gatepost's own certificate is for, besides this machine's names for itself: DNS names and
    /// addresses.
    pub names: Vec<String>,
    /// A certificate of the person's own, in its place.
    pub own: Option<OwnCertificate>,
}

/// A certificate of the person's own, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCertificate {
    /// The certificate and those that lead to its authority.
    pub file: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Listen {
    /// Every listener that is on, by its key in the configuration.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Endpoint)> {
        self.mail().chain(self.status.map(|status| ("status", status)))
    }

    /// Those for mail clients.
    pub fn mail(&self) -> impl Iterator<Item = (&'static str, Endpoint)> {
        let all = [
            ("imap", self.imap),
            ("smtp", self.smtp),
            ("imaps", self.imaps),
            ("smtps", self.smtps),
        ];
        all.into_iter().filter_map(|(key, endpoint)| Some((key, endpoint?)))
    }

    /// True if a client of this address may connect: this machine itself always may.
    pub fn admits(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        peer.is_loopback()
            || self.allow_from.is_empty()
            || self.allow_from.iter().any(|range| range.contains(&peer))
    }
}

impl Endpoint {
    /// True if nothing but this machine can come to it.
    pub fn is_loopback(&self) -> bool {
        match self.host {
            EndpointHost::Localhost => true,
            EndpointHost::Ip(ip) => ip.to_canonical().is_loopback(),
        }
    }
}

impl std::fmt::Display for EndpointHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Localhost => f.write_str("localhost"),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host {
            EndpointHost::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

pub(super) fn listen(source: &Source<'_>, raw: &RawListen) -> Result<Listen, ConfigError> {
    let of = |key, typed: &Option<String>, defaults| {
        endpoint(source, key, typed.as_deref(), defaults, raw)
    };
    let status = page(source, raw)?;
    let listen = Listen {
        imap: of("imap", &raw.imap, ("localhost:10143", "localhost:10143"))?,
        smtp: of("smtp", &raw.smtp, ("localhost:10587", "localhost:10587"))?,
        imaps: of("imaps", &raw.imaps, ("", "localhost:10993"))?,
        smtps: of("smtps", &raw.smtps, ("", "localhost:10465"))?,
        status,
        status_is_named: raw.status.is_some(),
        allow_from: allow_from(source, raw)?,
    };
    let mut taken: Vec<(&str, u16)> = Vec::new();
    for (key, Endpoint { port, .. }) in listen.all() {
        if let Some((other, _)) = taken.iter().find(|(_, taken)| *taken == port && port > 0) {
            let problem = format!("{other} and {key} can't share a port; give one of them another");
            return Err(source.error("listen", key, problem));
        }
        taken.push((key, port));
    }
    Ok(listen)
}

/// The status page's address, which `allow_lan` can't open.
fn page(source: &Source<'_>, raw: &RawListen) -> Result<Option<Endpoint>, ConfigError> {
    let open = RawListen { allow_lan: Some(true), ..RawListen::default() };
    let like = ("localhost:10180", "localhost:10180");
    let status = endpoint(source, "status", raw.status.as_deref(), like, &open)?;
    match status.filter(|status| !status.is_loopback()) {
        None => Ok(status),
        Some(status) => {
            let problem = format!(
                "“{}” is open to other machines too, and the page is for this one; use localhost",
                status.host
            );
            Err(source.error("listen", "status", problem))
        }
    }
}

/// One address. `defaults`: what holds if nothing is typed, and what an address looks like.
fn endpoint(
    source: &Source<'_>,
    key: &str,
    typed: Option<&str>,
    (default, like): (&str, &str),
    raw: &RawListen,
) -> Result<Option<Endpoint>, ConfigError> {
    let typed = typed.unwrap_or(default);
    if typed.is_empty() {
        return Ok(None);
    }
    let error = |problem: String| source.error("listen", key, problem);
    let shape = || {
        error(format!(
            "“{typed}” is no address; write it like \"{like}\" or \"127.0.0.1:{}\"",
            like.rsplit(':').next().unwrap_or_default()
        ))
    };
    let (host, port) = split_port(typed).ok_or_else(shape)?;
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(Some(Endpoint { host: EndpointHost::Localhost, port }));
    }
    let ip: IpAddr = host.parse().map_err(|_| shape())?;
    let endpoint = Endpoint { host: EndpointHost::Ip(ip), port };
    if !endpoint.is_loopback() && raw.allow_lan != Some(true) {
        return Err(error(format!(
            "“{host}” is open to other machines too, which needs allow_lan = true; use localhost if it need not be"
        )));
    }
    Ok(Some(endpoint))
}

fn allow_from(source: &Source<'_>, raw: &RawListen) -> Result<Vec<IpNet>, ConfigError> {
    let error = |problem: String| source.error("listen", "allow_from", problem);
    let typed = raw.allow_from.as_deref().unwrap_or_default();
    if !typed.is_empty() && raw.allow_lan != Some(true) {
        let problem = "it says which other machines may connect, which needs allow_lan = true";
        return Err(error(problem.to_owned()));
    }
    let range = |text: &String| {
        let one = || text.parse().ok().map(|ip: IpAddr| IpNet::from(ip.to_canonical()));
        text.parse().ok().or_else(one).ok_or_else(|| {
            error(format!(
                "“{text}” is no range of addresses; write it like \"192.168.1.0/24\" or \"192.168.1.20\""
            ))
        })
    };
    typed.iter().map(range).collect()
}

pub(super) fn certificate(
    source: &Source<'_>,
    raw: &RawCertificate,
    listen: &Listen,
) -> Result<CertificateConfig, ConfigError> {
    let error = |key: &str, problem: String| source.error("certificate", key, problem);
    let path =
        |typed: &Option<String>| typed.as_deref().and_then(|typed| relative(source.file, typed));
    let own = match (path(&raw.file), path(&raw.key)) {
        (Some(file), Some(key)) => Some(OwnCertificate { file, key }),
        (None, None) => None,
        (Some(_), None) => return Err(error("file", "it needs key beside it".to_owned())),
        (None, Some(_)) => return Err(error("key", "it needs file beside it".to_owned())),
    };
    let mut names = Vec::new();
    for typed in raw.names.iter().flatten() {
        let name = ServerName::try_from(typed.as_str()).map_err(|_| {
            let like = "write it like \"mail.example.com\" or \"192.168.1.2\"";
            error("names", format!("“{typed}” is neither a name nor an address; {like}"))
        })?;
        names.push(name.to_str().to_ascii_lowercase());
    }
    // A machine of the network comes to the address that it was given.
    let addresses = listen.mail().filter_map(|(_, endpoint)| match endpoint.host {
        EndpointHost::Ip(ip) if !ip.is_unspecified() => Some(ip.to_string()),
        _ => None,
    });
    names.extend(addresses);
    names.sort_unstable();
    names.dedup();
    Ok(CertificateConfig { names, own })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("/etc/gatepost/config.toml"), text).map_err(|it| it.to_string())
    }

    #[test]
    fn an_open_address_is_deliberate_and_may_be_limited() {
        let open = "[listen]\nsmtps = \"192.168.1.2:465\"\n";
        assert!(parse(open).unwrap_err().contains("needs allow_lan = true"));
        let config = parse(&format!("{open}allow_lan = true\n")).unwrap();
        assert!(config.listen.admits("8.8.8.8".parse().unwrap()), "nothing limits it");
        assert_eq!(config.certificate.names, ["192.168.1.2"], "a scanner comes to it by this");
        let ranges = "allow_from = [\"192.168.1.0/24\", \"fd00::5\", \"10.0.0.7\"]\n";
        let listen = parse(&format!("{open}allow_lan = true\n{ranges}")).unwrap().listen;
        for (peer, may) in [
            ("192.168.1.77", true),
            ("192.168.2.77", false),
            ("10.0.0.7", true),
            ("10.0.0.8", false),
            ("fd00::5", true),
            ("fd00::6", false),
            ("::ffff:192.168.1.77", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
        ] {
            assert_eq!(listen.admits(peer.parse().unwrap()), may, "{peer}");
        }
    }

    #[test]
    fn a_certificate_of_ones_own_lies_beside_the_configuration() {
        let config = parse("[certificate]\nfile = \"a.pem\"\nkey = \"/b.pem\"\n").unwrap();
        let own = config.certificate.own.unwrap();
        assert_eq!(own.file, Path::new("/etc/gatepost").join("a.pem"));
        assert_eq!(own.key, Path::new("/b.pem"));
        assert_eq!(parse("[certificate]\nfile = \"\"\n").unwrap().certificate.own, None);
    }

    #[test]
    fn the_page_is_for_this_machine_whatever_is_allowed() {
        for allow_lan in ["", "allow_lan = true\n"] {
            let error =
                parse(&format!("[listen]\nstatus = \"0.0.0.0:1\"\n{allow_lan}")).unwrap_err();
            assert!(error.contains("the page is for this one; use localhost"), "{error}");
        }
        let config = parse("[listen]\nstatus = \"[::1]:1\"\n").unwrap();
        assert!(config.listen.status_is_named && config.listen.status.is_some());
    }

    #[test]
    fn every_listener_has_its_port() {
        let config = parse("[listen]\nimaps = \"localhost:0\"\nsmtps = \"localhost:0\"\n").unwrap();
        let keys: Vec<_> = config.listen.all().map(|(key, _)| key).collect();
        assert_eq!(keys, ["imap", "smtp", "imaps", "smtps", "status"]);
    }
}
