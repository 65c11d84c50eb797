//! The configuration as the program uses it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use url::Url;

use super::client::OauthClient;
use super::home::Home;
use super::listen::{CertificateConfig, Listen, certificate, listen};
use super::provider::{GMAIL, Host, Preset, Provider, Security};
use super::raw::{ConfigError, MEND, RawKeychain, RawLog, RawProvider, RawUpkeep, Source};
use crate::private_file;
use crate::secret::ClientSecret;

/// Everything that a person can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where mail clients connect.
    pub listen: Listen,
    /// The certificate that they are shown.
    pub certificate: CertificateConfig,
    /// The one provider there is today.
    pub provider: Provider,
    /// A key that opens every account without a person (a server's).
    pub key_file: Option<PathBuf>,
    /// Whether the platform's keychain may open them.
    pub keychain: bool,
    /// What is logged by the running proxy.
    pub log: Log,
    /// Whether a notice on the desktop says when a grant has ended.
    pub desktop_notices: bool,
    /// What is looked after by itself.
    pub upkeep: Upkeep,
    /// What `/healthz` and `/metrics` tell.
    pub monitoring: Monitoring,
}

/// What is looked after by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upkeep {
    /// Who is asked once a day which version of Gatepost is the latest; nobody is without it.
    pub versions_url: Option<Url>,
}

/// What is logged by the running proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// From this level on.
    pub level: LevelFilter,
    /// How many files are kept; 0 is none.
    pub files: usize,
}

/// What `/healthz` and `/metrics` tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Monitoring {
    /// The accounts by their addresses; else by their numbers, so that nothing personal is told.
    pub addresses: bool,
}

impl Config {
    /// Reads the configuration of a home. A file that somebody named must be there.
    pub fn of(home: &Home) -> Result<Self, ConfigError> {
        let file = home.config_file();
        if home.config_is_named() && !file.exists() {
            let (problem, remedy) =
                ("there is no such file".to_owned(), "Name a file that is there with --config.");
            let file = file.to_owned();
            return Err(ConfigError { file, line: None, key: None, problem, remedy });
        }
        Self::load(file)
    }

    /// Reads a file; one that isn't there is the same as an empty one.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let (problem, remedy) =
                    (format!("it can't be read ({error})"), private_file::remedy(&error));
                let file = file.to_owned();
                return Err(ConfigError { file, line: None, key: None, problem, remedy });
            }
        };
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            let problem = "there is a character here that is not UTF-8; save the file as UTF-8";
            let (file, problem) = (file.to_owned(), problem.to_owned());
            ConfigError { file, line: Some(line), key: None, problem, remedy: MEND }
        })?;
        Self::parse(file, text)
    }

    /// Reads a text; `file` is its name in errors, and relative paths in it start there.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let source = Source { file, text: text.trim_start_matches('\u{feff}') };
        let mut raw = source.parse()?;
        let gmail = raw.provider.remove(GMAIL.name).unwrap_or_default();
        let listen = listen(&source, &raw.listen)?;
        Ok(Self {
            certificate: certificate(&source, &raw.certificate, &listen)?,
            listen,
            provider: provider(&source, &GMAIL, gmail)?,
            log: log(&source, &raw.log)?,
            desktop_notices: raw.notices.desktop.unwrap_or(true),
            upkeep: upkeep(&source, raw.upkeep)?,
            monitoring: Monitoring { addresses: raw.monitoring.addresses.unwrap_or(false) },
            key_file: raw.secrets.key_file.as_deref().and_then(|path| relative(file, path)),
            keychain: raw.secrets.keychain != Some(RawKeychain::Off),
        })
    }
}

fn log(source: &Source<'_>, raw: &RawLog) -> Result<Log, ConfigError> {
    const DEFAULT_FILES: usize = 5;
    const MOST_FILES: usize = 100;
    let level = match &raw.level {
        None => LevelFilter::INFO,
        Some(typed) => typed.parse().map_err(|_| {
            let levels = "off, error, warn, info, debug and trace";
            source.error("log", "level", format!("“{typed}” is no level; levels are {levels}"))
        })?,
    };
    let files = raw.files.unwrap_or(DEFAULT_FILES);
    if files > MOST_FILES {
        let problem = format!("{files} is too many; {MOST_FILES} is the most");
        return Err(source.error("log", "files", problem));
    }
    Ok(Log { level, files })
}

fn upkeep(source: &Source<'_>, raw: RawUpkeep) -> Result<Upkeep, ConfigError> {
    let typed = raw.versions_url.filter(|typed| !typed.is_empty());
    let url = typed.map(|typed| safe_url(&typed)).transpose();
    let versions_url = url.map_err(|problem| source.error("upkeep", "versions_url", problem))?;
    Ok(Upkeep { versions_url })
}

fn provider(
    source: &Source<'_>,
    preset: &Preset,
    raw: RawProvider,
) -> Result<Provider, ConfigError> {
    let section = format!("provider.{}", preset.name);
    let error = |key: &str, problem: String| source.error(&section, key, problem);
    let host = |key, typed: Option<String>, default: &str| {
        let typed = typed.unwrap_or_else(|| default.to_owned());
        parse_host(&typed).ok_or_else(|| {
            error(key, format!("“{typed}” is no server; write it like \"{default}\""))
        })
    };
    let url = |key, typed: Option<String>, default: &str| {
        let typed = typed.unwrap_or_else(|| default.to_owned());
        safe_url(&typed).map_err(|problem| error(key, problem))
    };
    let imap = host("imap", raw.imap, preset.imap)?;
    if imap.security == Security::StartTls {
        return Err(error(
            "imap",
            "STARTTLS is for smtp only; IMAP is spoken with TLS from the first byte".into(),
        ));
    }
    let id = raw.client_id.filter(|id| !id.is_empty());
    let secret = raw.client_secret.filter(|secret| !secret.is_empty());
    if id.is_none() && secret.is_some() {
        return Err(error("client_secret", "it needs client_id beside it".into()));
    }
    let scopes =
        raw.scopes.unwrap_or_else(|| preset.scopes.iter().copied().map(String::from).collect());
    if !scopes.iter().any(|scope| scope == preset.mail_scope) {
        return Err(error("scopes", format!("“{}” must be among them", preset.mail_scope)));
    }
    let duration = |key, typed: Option<String>, default, most: u64| match typed {
        None => Ok(default),
        Some(typed) => parse_duration(&typed)
            .filter(|typed| *typed <= Duration::from_secs(most))
            .ok_or_else(|| {
                let like = "write it like \"10s\"";
                error(key, format!("“{typed}” is no duration; {like}, up to \"{most}s\""))
            }),
    };
    // A mail client gives up after a minute, so half of one is the most.
    let connection_wait =
        duration("connection_wait", raw.connection_wait, preset.connection_wait, 30)?;
    let outage_hold = duration("outage_hold", raw.outage_hold, preset.outage_hold, 3600)?;
    let ca_file = raw.ca_file.as_deref().and_then(|path| relative(source.file, path));
    if let Some(path) = &ca_file
        && let Err(problem) = std::fs::metadata(path)
    {
        return Err(error("ca_file", format!("{} can't be read ({problem})", path.display())));
    }
    Ok(Provider {
        name: preset.name.to_owned(),
        client: id.map(|id| OauthClient { id, secret: secret.map(ClientSecret::new) }),
        imap,
        smtp: host("smtp", raw.smtp, preset.smtp)?,
        authorize_url: url("authorize_url", raw.authorize_url, preset.authorize_url)?,
        token_url: url("token_url", raw.token_url, preset.token_url)?,
        revoke_url: url("revoke_url", raw.revoke_url, preset.revoke_url)?,
        userinfo_url: url("userinfo_url", raw.userinfo_url, preset.userinfo_url)?,
        scopes,
        mail_scope: preset.mail_scope.to_owned(),
        connections: Some(raw.connections.unwrap_or(preset.connections)).filter(|most| *most > 0),
        connection_wait,
        outage_hold,
        ca_file,
        bare_newlines: raw.bare_newlines.unwrap_or_default(),
        allowances: preset.allowances,
        imap_capabilities: preset.imap_capabilities,
        smtp_extensions: preset.smtp_extensions,
    })
}

/// `host:port` or `[v6]:port`.
pub(super) fn split_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    Some((host, port.parse().ok()?)).filter(|(host, _)| !host.is_empty())
}

fn parse_host(text: &str) -> Option<Host> {
    let (security, rest) = match text.strip_prefix("starttls://") {
        Some(rest) => (Security::StartTls, rest),
        None => (Security::Tls, text),
    };
    let (name, port) = split_port(rest)?;
    let plain =
        name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_'));
    (plain && port > 0).then(|| Host { name: name.to_owned(), port, security })
}

/// True if an address is on this machine, by its host alone.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// An address to which a token travels, or from which what is said is believed: only loopback may do
/// without TLS.
fn safe_url(typed: &str) -> Result<Url, String> {
    let url = Url::parse(typed).map_err(|error| format!("“{typed}” is no address: {error}"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(format!("“{typed}” must begin with https:// (http:// is for loopback only)")),
    }
}

/// Seconds, as `10s`.
fn parse_duration(typed: &str) -> Option<Duration> {
    typed.strip_suffix('s')?.trim().parse().ok().map(Duration::from_secs)
}

/// A path in the configuration: relative ones start at the configuration's own folder.
pub(super) fn relative(file: &Path, path: &str) -> Option<PathBuf> {
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    (!path.is_empty()).then(|| folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("config.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_typed_is_gmail_on_localhost() {
        let config = parse("").unwrap();
        assert_eq!(config.listen.imap.unwrap().to_string(), "localhost:10143");
        assert_eq!(config.listen.smtp.unwrap().to_string(), "localhost:10587");
        assert_eq!(config.provider.imap.to_string(), "imap.gmail.com:993");
        assert_eq!(config.provider.connections, Some(12));
        assert_eq!(config.provider.client, None);
    }

    #[test]
    fn what_is_typed_is_used() {
        let config = parse(
            "[listen]\nimap = \"[::1]:0\"\nsmtp = \"\"\nstatus = \"\"\n[provider.gmail]\nclient_id = \"i\"\n\
             smtp = \"starttls://localhost:587\"\ntoken_url = \"http://127.0.0.1:9/token\"\n\
             connections = 0\nconnection_wait = \"3s\"\nbare_newlines = \"normalize\"\n",
        )
        .unwrap();
        assert_eq!(config.listen.imap.unwrap().to_string(), "[::1]:0");
        assert_eq!(config.listen.smtp, None);
        assert_eq!(config.provider.smtp.security, Security::StartTls);
        assert_eq!(config.provider.connections, None);
        assert_eq!(config.provider.connection_wait, Duration::from_secs(3));
        assert_eq!(config.provider.client.unwrap().id, "i");
    }

    #[test]
    fn mistakes_are_named_with_their_line_and_what_is_allowed() {
        let said = [
            "[listen]\nimpa = \"localhost:1\"\n",
            "[lissen]\n",
            "[provider.gmial]\n",
            "[listen]\n\nimap = 5\n",
            "[listen]\nimap = \"localhost\"\n",
            "[listen]\nimap = \"0.0.0.0:10143\"\n",
            "[listen]\nimaps = \"10993\"\n",
            "[listen]\nsmtps = \"[::]:465\"\n",
            "[listen]\nimaps = \"localhost:1\"\nsmtp = \"127.0.0.1:1\"\n",
            "[listen]\nallow_from = [\"192.168.1.0/24\"]\n",
            "[listen]\nallow_lan = true\nallow_from = [\"192.168.1.0-255\"]\n",
            "[certificate]\nnames = [\"*.example.com\"]\n",
            "[certificate]\nfile = \"a.pem\"\n",
            "[certificate]\nkey = \"a.key\"\n",
            "[listen]\nimap = \"localhost:1\"\nsmtp = \"127.0.0.1:1\"\n",
            "[provider.gmail]\nconnections = -1\n",
            "[provider.gmail]\ntoken_url = \"http://example.com/token\"\n",
            "[provider.gmail]\nimap = \"imap.gmail.com\"\n",
            "[provider.gmail]\nscopes = [\"openid\"]\n",
            "[provider.gmail]\nconnection_wait = \"5 minutes\"\n",
            "[provider.gmail]\nbare_newlines = \"keep\"\n",
            "[provider.gmail]\nca_file = \"/nowhere/at/all.pem\"\n",
            "[log]\nlevel = \"loud\"\n",
            "[log]\nlevel = debug\n",
            "[log]\nfiles = 1000\n",
            "[upkeep]\nversions_url = \"http://example.com/latest\"\n",
            "[upkeep]\nversion_url = \"\"\n",
            "[secrets]\nkeychain = \"on\"\n",
            "[secrets]\nkeychain = true\n",
            "[secrets]\nkey_chain = \"off\"\n",
            "[listen\n",
            // In the wrong place.
            "[listen]\nconnections = 5\n",
            "connections = 5\n",
            "imap = \"localhost:1\"\n",
            "imap_port = 10143\n",
            "[listen]\nimap_port = 10143\n",
            "[provider.gmail]\nkey_file = \"key\"\n",
            "[provider.gmail]\nimaps = \"\"\n",
            "[secrets]\nclient-id = \"x\"\n",
            "[gmail]\nconnections = 5\n",
            "[provider]\nconnections = 5\n",
            "[provider.gmail.listen]\n",
            "[provider.outlook]\n",
            "xyzzy = 1\n",
            // Of the wrong kind.
            "listen = \"localhost:1\"\n",
            "provider = \"gmail\"\n",
            "[provider]\ngmail = 5\n",
            "[[listen]]\nimap = \"\"\n",
            "[listen]\nallow_lan = \"yes\"\n",
            "[listen]\nallow_lan = yes\n",
            "listen.imap = 5\n",
            "listen = { imap = 5 }\n",
            "[provider.gmail]\nconnections = 99999999999999999999\n",
            "[provider.gmail]\nconnections = 1.5\n",
            "[provider.gmail]\nscopes = \"openid\"\n",
            "[provider.gmail]\nscopes = [1]\n",
            "[provider.gmail]\nconnection_wait = 10\n",
            "[provider.gmail]\nconnection_wait = 10s\n",
            // No TOML.
            "[listen]\nimap = \"a:1\"\nimap = \"b:1\"\n",
            "[listen]\n[secrets]\n[listen]\n",
            "listen.imap = \"localhost:1\"\n[listen]\nsmtp = \"localhost:2\"\n",
            "[listen]\r\nimap = 5\r\n",
            "\u{feff}[listen]\nimap = 5\n",
            "[listen]\rimap = 5\r",
            "[listen]\nimap = localhost:10143\n",
            "[listen]\nimap = \"localhost:10143\n",
            "[listen]\nimap \"localhost:10143\"\n",
            "[listen]\nimap: \"localhost:10143\"\n",
            "[listen]\nimap = \n",
            "[listen]\nimap = \u{201c}localhost:10143\u{201d}\n",
            "[secrets]\nkey_file = \"C:\\Users\\me\\key\"\n",
            "[secrets]\nkey_file = \"C:\\keys\\gatepost.key\"\n",
            "{\"listen\": {}}\n",
            "hello\n",
            "[listen]\nimap = 'it''s'\n",
            "[listen]\nimap = \"a\u{0}b\"\n",
        ]
        .map(|text| parse(text).unwrap_err());
        // Each system has its words.
        let missing = std::fs::read("/nowhere/at/all.pem").unwrap_err().to_string();
        insta::assert_snapshot!(said.join("\n").replace(&missing, "what the system says"));
    }

    #[test]
    fn files_as_editors_save_them() {
        let load = |bytes: &[u8]| {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("config.toml");
            std::fs::write(&file, bytes).unwrap();
            Config::load(&file).map_err(|error| {
                assert_eq!(error.file, file);
                (error.line.unwrap(), error.problem)
            })
        };
        for good in [
            b"\xef\xbb\xbf[listen]\r\nimap = \"localhost:1\"\r\n".as_slice(),
            b"listen.imap = \"localhost:1\"",
            b"listen = { imap = \"localhost:1\" }\n",
            b"\xef\xbb\xbf# caf\xc3\xa9\nlisten.imap = 'localhost:1'\n",
        ] {
            assert_eq!(load(good).unwrap().listen.imap.unwrap().port, 1);
        }
        let not_utf8 = "there is a character here that is not UTF-8; save the file as UTF-8";
        for (line, bad) in [
            (3, b"[listen]\n# mine\n# caf\xe9\nimap = \"localhost:1\"\n".as_slice()),
            (1, b"\xff\xfe[\0l\0i\0s\0t\0e\0n\0]\0"),
        ] {
            assert_eq!(load(bad), Err((line, not_utf8.to_owned())));
        }
    }
}
