//! `config.toml` as typed, and what is wrong with it: file, line, key, what is allowed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::DeTable;

use crate::protocol::smtp::BareNewlines;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) listen: RawListen,
    pub(super) secrets: RawSecrets,
    pub(super) log: RawLog,
    pub(super) provider: BTreeMap<String, RawProvider>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawListen {
    pub(super) imap: Option<String>,
    pub(super) smtp: Option<String>,
    pub(super) imaps: Option<String>,
    pub(super) smtps: Option<String>,
    pub(super) status: Option<String>,
    pub(super) allow_lan: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSecrets {
    pub(super) key_file: Option<String>,
    pub(super) keychain: Option<RawKeychain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawKeychain {
    Auto,
    Off,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLog {
    pub(super) level: Option<String>,
    pub(super) files: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawProvider {
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<String>,
    pub(super) imap: Option<String>,
    pub(super) smtp: Option<String>,
    pub(super) authorize_url: Option<String>,
    pub(super) token_url: Option<String>,
    pub(super) revoke_url: Option<String>,
    pub(super) userinfo_url: Option<String>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) connections: Option<usize>,
    pub(super) connection_wait: Option<String>,
    pub(super) ca_file: Option<String>,
    pub(super) bare_newlines: Option<BareNewlines>,
}

const SECTIONS: &[&str] = &["listen", "secrets", "log", "provider"];
const LISTEN: &[&str] = &["imap", "smtp", "imaps", "smtps", "status", "allow_lan"];
const SECRETS: &[&str] = &["key_file", "keychain"];
const LOG: &[&str] = &["level", "files"];
const PROVIDER: &[&str] = &[
    "client_id",
    "client_secret",
    "imap",
    "smtp",
    "authorize_url",
    "token_url",
    "revoke_url",
    "userinfo_url",
    "scopes",
    "connections",
    "connection_wait",
    "ca_file",
    "bare_newlines",
];

/// What is wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1, where one is to blame.
    pub line: Option<usize>,
    /// The key with its section, where one is to blame.
    pub key: Option<String>,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ", {key}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// The parser's words for a wrong kind of value, in a person's.
fn in_plain_words(message: &str) -> String {
    let message = message.replace('\n', ", ");
    for (theirs, ours) in [
        ("expected usize", "a whole number is wanted, 0 or more, as in 12"),
        ("expected a string", "a text in quotation marks is wanted, as in \"localhost:10143\""),
        ("expected a boolean", "true or false is wanted"),
        ("wanted string or table", "a word in quotation marks is wanted, as in \"auto\""),
        ("expected a sequence", "a list is wanted, as in [\"openid\", \"email\"]"),
    ] {
        if let Some(found) = message.strip_suffix(theirs) {
            return format!("{found}{ours}");
        }
    }
    message
}

/// A configuration's text, for finding lines in it.
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    pub(super) fn parse(&self) -> Result<RawConfig, ConfigError> {
        self.check_keys()?;
        toml::from_str(self.text).map_err(|error| self.syntax_error(&error))
    }

    /// An error at a key that is there, or is missing and has its default.
    pub(super) fn error(
        &self,
        section: &str,
        key: &str,
        problem: impl Into<String>,
    ) -> ConfigError {
        let line = DeTable::parse(self.text).ok().and_then(|table| {
            let mut place = table.into_inner();
            for part in section.split('.').filter(|part| !part.is_empty()) {
                let (_, value) = place.into_iter().find(|(name, _)| name.get_ref() == part)?;
                place = match value.into_inner() {
                    toml::de::DeValue::Table(table) => table,
                    _ => return None,
                };
            }
            let (name, _) = place.into_iter().find(|(name, _)| name.get_ref() == key)?;
            Some(self.line_at(name.span().start))
        });
        let key = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
        ConfigError { file: self.file.to_owned(), line, key: Some(key), problem: problem.into() }
    }

    fn syntax_error(&self, error: &toml::de::Error) -> ConfigError {
        ConfigError {
            file: self.file.to_owned(),
            line: error.span().map(|span| self.line_at(span.start)),
            key: error.span().and_then(|span| self.key_at(span.start)),
            problem: in_plain_words(error.message().trim()),
        }
    }

    /// Every key must be known: the first that isn't is named, with the nearest that is.
    fn check_keys(&self) -> Result<(), ConfigError> {
        let table = DeTable::parse(self.text).map_err(|error| self.syntax_error(&error))?;
        for (name, value) in table.get_ref() {
            self.known(name, "", SECTIONS)?;
            let toml::de::DeValue::Table(section) = value.get_ref() else {
                continue;
            };
            match name.get_ref().as_ref() {
                "listen" => self.known_all(section, "listen", LISTEN)?,
                "log" => self.known_all(section, "log", LOG)?,
                "secrets" => self.known_all(section, "secrets", SECRETS)?,
                _ => {
                    let presets = super::provider::PRESETS.map(|preset| preset.name);
                    for (provider, keys) in section {
                        self.known(provider, "provider", &presets)?;
                        let toml::de::DeValue::Table(keys) = keys.get_ref() else {
                            continue;
                        };
                        self.known_all(
                            keys,
                            &format!("provider.{}", provider.get_ref()),
                            PROVIDER,
                        )?;
                    }
                }
            }
        }
        Ok(())
    }

    fn known_all(
        &self,
        table: &DeTable<'_>,
        section: &str,
        known: &[&str],
    ) -> Result<(), ConfigError> {
        table.iter().try_for_each(|(name, _)| self.known(name, section, known))
    }

    fn known<N: AsRef<str>>(
        &self,
        name: &toml::Spanned<N>,
        section: &str,
        known: &[&str],
    ) -> Result<(), ConfigError> {
        let typed = name.get_ref().as_ref();
        if known.contains(&typed) {
            return Ok(());
        }
        let nearest = known.iter().copied().max_by(|a, b| {
            let near = |name| strsim::jaro_winkler(name, typed);
            near(a).total_cmp(&near(b))
        });
        let hint = match nearest {
            Some(nearest) if strsim::jaro_winkler(nearest, typed) > 0.7 => {
                format!("did you mean “{nearest}”?")
            }
            _ => format!("known here: {}", known.join(", ")),
        };
        let key = if section.is_empty() { typed.to_owned() } else { format!("{section}.{typed}") };
        Err(ConfigError {
            file: self.file.to_owned(),
            line: Some(self.line_at(name.span().start)),
            key: Some(key),
            problem: format!("no such key; {hint}"),
        })
    }

    fn line_at(&self, byte: usize) -> usize {
        let before = self.text.get(..byte).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    /// The key that a line sets, for an error inside its value.
    fn key_at(&self, byte: usize) -> Option<String> {
        let number = self.line_at(byte);
        let (key, _) = self.text.lines().nth(number - 1)?.split_once('=')?;
        let key = key.trim();
        if key.is_empty() || key.contains(['#', '[', ' ']) {
            return None;
        }
        let headers = self
            .text
            .lines()
            .take(number)
            .filter_map(|line| line.trim().strip_prefix('[')?.split(']').next());
        Some(match headers.last() {
            Some(section) => format!("{}.{key}", section.trim()),
            None => key.to_owned(),
        })
    }
}
