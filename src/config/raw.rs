//! `config.toml` as typed, and what is wrong with it: file, line, key, what is allowed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::DeTable;

use super::keys;
use crate::protocol::smtp::BareNewlines;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) listen: RawListen,
    pub(super) certificate: RawCertificate,
    pub(super) secrets: RawSecrets,
    pub(super) log: RawLog,
    pub(super) notices: RawNotices,
    pub(super) upkeep: RawUpkeep,
    pub(super) monitoring: RawMonitoring,
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
    pub(super) allow_from: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCertificate {
    pub(super) names: Option<Vec<String>>,
    pub(super) file: Option<String>,
    pub(super) key: Option<String>,
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
pub(super) struct RawNotices {
    pub(super) desktop: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawUpkeep {
    pub(super) versions_url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMonitoring {
    pub(super) addresses: Option<bool>,
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
    pub(super) outage_hold: Option<String>,
    pub(super) ca_file: Option<String>,
    pub(super) bare_newlines: Option<BareNewlines>,
}

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
    /// One thing to do.
    pub remedy: &'static str,
}

/// The remedy for what is wrong inside the file.
pub(super) const MEND: &str =
    "Mend the configuration; config/gatepost.toml has every key with its default.";

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

/// The parser's words for what is no TOML, in a person's; `key` is the one whose line it is.
fn in_plain_words(message: &str, key: Option<&str>) -> String {
    const WORDS: &[(&str, &str)] = &[
        ("duplicate key", "this stands here a second time; keep one of the two"),
        (
            "carriage return must be followed by newline",
            "the line ends in a CR alone; save the file with LF or CR LF at the ends of lines",
        ),
        ("invalid basic string, expected `\"`", "the quotation mark that ends the text is missing"),
        ("invalid basic string", "there is a control character in the text; take it out"),
        (
            "key with no value",
            "a key, \"=\" and a value are wanted, as in imap = \"localhost:10143\"",
        ),
        ("unicode value", BACK_SLASH),
        ("escaped value", BACK_SLASH),
        ("unclosed table", "the \"]\" that ends the section's name is missing"),
        ("unexpected key or value", "there is more on the line than a key and its value"),
    ];
    const BACK_SLASH: &str = "in a text in \"…\" write \\\\ for each \\, or put the text in '…'";
    let message = message.replace('\n', ", ");
    if message.contains("string values must be quoted") {
        let wanted = key.and_then(keys::wanted_for);
        let wanted = wanted.unwrap_or_else(|| "a text stands in quotation marks".to_owned());
        return format!("no value can be read here; {wanted}");
    }
    match WORDS.iter().find(|(theirs, _)| message.contains(theirs)) {
        Some((_, ours)) => (*ours).to_owned(),
        None => format!("this is not understood: {message}"),
    }
}

/// A configuration's text, for finding lines in it.
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    pub(super) fn parse(&self) -> Result<RawConfig, ConfigError> {
        let file = DeTable::parse(self.text).map_err(|error| self.syntax_error(&error))?;
        keys::check(file.get_ref()).map_err(|mistake| ConfigError {
            file: self.file.to_owned(),
            line: Some(self.line_at(mistake.at)),
            key: Some(mistake.key),
            problem: mistake.problem,
            remedy: MEND,
        })?;
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
        let key = Some(keys::path(section, key));
        ConfigError { file: self.file.to_owned(), line, key, problem: problem.into(), remedy: MEND }
    }

    fn syntax_error(&self, error: &toml::de::Error) -> ConfigError {
        let key = error.span().and_then(|span| self.key_at(span.start));
        ConfigError {
            file: self.file.to_owned(),
            line: error.span().map(|span| self.line_at(span.start)),
            problem: in_plain_words(error.message().trim(), key.as_deref()),
            key,
            remedy: MEND,
        }
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
