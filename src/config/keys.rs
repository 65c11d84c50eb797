//! Every key of `config.toml`: the section it belongs in and what it takes; and what a person is
//! told of a key that is none, stands in the wrong place, or has a value of the wrong kind.

use toml::de::{DeTable, DeValue};

use super::provider::PRESETS;

/// A key, and what it takes.
type Key = (&'static str, Takes);

/// What a key takes; texts and lists with an example.
#[derive(Debug, Clone, Copy)]
enum Takes {
    Section,
    Text(&'static str),
    OneOf(&'static [&'static str]),
    Flag,
    Number(&'static str),
    Texts(&'static str),
}

const TOP: &[Key] = &[
    ("listen", Takes::Section),
    ("certificate", Takes::Section),
    ("secrets", Takes::Section),
    ("log", Takes::Section),
    ("notices", Takes::Section),
    ("upkeep", Takes::Section),
    ("monitoring", Takes::Section),
    ("provider", Takes::Section),
];
const LISTEN: &[Key] = &[
    ("imap", Takes::Text("localhost:10143")),
    ("smtp", Takes::Text("localhost:10587")),
    ("imaps", Takes::Text("localhost:10993")),
    ("smtps", Takes::Text("localhost:10465")),
    ("status", Takes::Text("localhost:10180")),
    ("allow_lan", Takes::Flag),
    ("allow_from", Takes::Texts("[\"192.168.1.0/24\"]")),
];
const CERTIFICATE: &[Key] = &[
    ("names", Takes::Texts("[\"mail.example.com\"]")),
    ("file", Takes::Text("mail.pem")),
    ("key", Takes::Text("mail.key")),
];
const SECRETS: &[Key] =
    &[("key_file", Takes::Text("gatepost.key")), ("keychain", Takes::OneOf(&["auto", "off"]))];
const LOG: &[Key] = &[("level", Takes::Text("info")), ("files", Takes::Number("5"))];
const NOTICES: &[Key] = &[("desktop", Takes::Flag)];
const UPKEEP: &[Key] = &[("versions_url", Takes::Text("https://…"))];
const MONITORING: &[Key] = &[("addresses", Takes::Flag)];
const PROVIDER: &[Key] = &[
    ("client_id", Takes::Text("….apps.googleusercontent.com")),
    ("client_secret", Takes::Text("GOCSPX-…")),
    ("imap", Takes::Text("imap.gmail.com:993")),
    ("smtp", Takes::Text("smtp.gmail.com:465")),
    ("authorize_url", Takes::Text("https://…")),
    ("token_url", Takes::Text("https://…")),
    ("revoke_url", Takes::Text("https://…")),
    ("userinfo_url", Takes::Text("https://…")),
    ("scopes", Takes::Texts("[\"openid\", \"email\"]")),
    ("connections", Takes::Number("12")),
    ("connection_wait", Takes::Text("10s")),
    ("outage_hold", Takes::Text("300s")),
    ("ca_file", Takes::Text("company.pem")),
    ("bare_newlines", Takes::OneOf(&["refuse", "normalize"])),
];

/// A key that is to blame, and why.
pub(super) struct Mistake {
    /// The key with its section.
    pub(super) key: String,
    /// Where the key stands, in bytes.
    pub(super) at: usize,
    pub(super) problem: String,
}

/// Looks at every key of the file, in its order.
pub(super) fn check(file: &DeTable<'_>) -> Result<(), Mistake> {
    check_section("", file)
}

fn check_section(section: &str, table: &DeTable<'_>) -> Result<(), Mistake> {
    let known = keys_of(section);
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in entries {
        let typed = name.get_ref().as_ref();
        let mistake =
            |problem| Mistake { key: path(section, typed), at: name.span().start, problem };
        let Some((_, takes)) = known.iter().find(|(key, _)| *key == typed) else {
            return Err(mistake(no_such_key(section, typed)));
        };
        match (takes, value.get_ref()) {
            (Takes::Section, DeValue::Table(inner)) => check_section(&path(section, typed), inner)?,
            (Takes::Section, _) => {
                let header =
                    path(section, if typed == "provider" { "provider.gmail" } else { typed });
                return Err(mistake(format!(
                    "this is a section; write [{header}] on a line of its own and its keys below"
                )));
            }
            (takes, value) => {
                takes.problem(value).map_or(Ok(()), |problem| Err(mistake(problem)))?
            }
        }
    }
    Ok(())
}

fn keys_of(section: &str) -> Vec<Key> {
    match section {
        "" => TOP.to_vec(),
        "provider" => PRESETS.map(|preset| (preset.name, Takes::Section)).to_vec(),
        "listen" => LISTEN.to_vec(),
        "certificate" => CERTIFICATE.to_vec(),
        "secrets" => SECRETS.to_vec(),
        "log" => LOG.to_vec(),
        "notices" => NOTICES.to_vec(),
        "upkeep" => UPKEEP.to_vec(),
        "monitoring" => MONITORING.to_vec(),
        _ => PROVIDER.to_vec(),
    }
}

/// Every section there is, by its path.
fn sections() -> impl Iterator<Item = String> {
    let top = TOP.iter().map(|(name, _)| (*name).to_owned());
    let presets = PRESETS.iter().map(|preset| path("provider", preset.name));
    std::iter::once(String::new()).chain(top).chain(presets)
}

/// A key with its section.
pub(super) fn path(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// What a key takes, by its path; none if there is no such key.
pub(super) fn wanted_for(path: &str) -> Option<String> {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    let (_, takes) = keys_of(section).into_iter().find(|(key, _)| *key == name)?;
    takes.wanted()
}

/// Two names as near as this are hardly different words.
const NEAR: f64 = 0.7;
/// Of names that belong elsewhere, only those that are one slip away.
const VERY_NEAR: f64 = 0.88;

fn no_such_key(section: &str, typed: &str) -> String {
    let places = places_of(typed);
    if !places.is_empty() {
        return format!("it belongs {places}");
    }
    let here = keys_of(section);
    let near = |key: &str| strsim::jaro_winkler(key, typed);
    let nearest = |keys: &[Key]| {
        let names = keys.iter().map(|(name, _)| *name);
        names.max_by(|a, b| near(a).total_cmp(&near(b))).unwrap_or_default()
    };
    let nearest_here = nearest(&here);
    if near(nearest_here) > NEAR {
        return format!("no such key; did you mean “{nearest_here}”?");
    }
    let elsewhere: Vec<Key> = sections().flat_map(|section| keys_of(&section)).collect();
    let nearest = nearest(&elsewhere);
    if near(nearest) > VERY_NEAR {
        return format!(
            "no such key; did you mean “{nearest}”, which belongs {}?",
            places_of(nearest)
        );
    }
    let names: Vec<&str> = here.iter().map(|(name, _)| *name).collect();
    format!("no such key; known here: {}", names.join(", "))
}

/// The places where a key of this name belongs, in words; empty if there is none.
fn places_of(name: &str) -> String {
    let places = sections().filter_map(|section| {
        let (_, takes) = keys_of(&section).into_iter().find(|(key, _)| *key == name)?;
        Some(match takes {
            Takes::Section if name == "provider" => {
                "in a line of its own: [provider.gmail]".to_owned()
            }
            Takes::Section => format!("in a line of its own: [{}]", path(&section, name)),
            _ => format!("under [{section}]"),
        })
    });
    places.collect::<Vec<_>>().join(" or ")
}

impl Takes {
    /// What is wrong with a value, if anything is.
    fn problem(self, value: &DeValue<'_>) -> Option<String> {
        let wanted = match (self, value) {
            (Self::Text(_), DeValue::String(text)) if text.chars().any(char::is_control) => {
                return Some(
                    "there is a control character in it; in a text in \"…\" write \\\\ for each \\, or \
                     put the text in '…'"
                        .to_owned(),
                );
            }
            (Self::Text(_), DeValue::String(_)) | (Self::Flag, DeValue::Boolean(_)) => return None,
            (Self::OneOf(all), DeValue::String(text)) if all.contains(&text.as_ref()) => {
                return None;
            }
            (Self::Number(_), DeValue::Integer(number))
                if number.as_str().parse::<usize>().is_ok() =>
            {
                return None;
            }
            (Self::Texts(_), DeValue::Array(values))
                if values.iter().all(|value| matches!(value.get_ref(), DeValue::String(_))) =>
            {
                return None;
            }
            (Self::Texts(example), DeValue::Array(_)) => {
                return Some(format!("each entry of the list is a text, as in {example}"));
            }
            (takes, _) => takes.wanted()?,
        };
        Some(format!("{} stands here; {wanted}", in_words(value)))
    }

    /// What is wanted here, with an example; none of a section.
    fn wanted(self) -> Option<String> {
        Some(match self {
            Self::Text("") => "a text in straight quotation marks is wanted".to_owned(),
            Self::Text(example) => {
                format!("a text in straight quotation marks is wanted, as in \"{example}\"")
            }
            Self::OneOf(all) => format!("\"{}\" is wanted", all.join("\" or \"")),
            Self::Flag => "true or false is wanted, without quotation marks".to_owned(),
            Self::Number(example) => {
                format!("a whole number is wanted, 0 or more, as in {example}")
            }
            Self::Texts(example) => format!("a list of texts is wanted, as in {example}"),
            Self::Section => return None,
        })
    }
}

/// A value as a person would call it.
fn in_words(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text “{text}”"),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date or a time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_a_person_is_told_to_write_is_understood() {
        for (section, keys) in [("listen", LISTEN), ("log", LOG), ("provider.gmail", PROVIDER)] {
            for (key, takes) in keys {
                let value = match takes {
                    // These say where something stands that they don't know themselves.
                    Takes::Text(example) if example.contains('…') || *key == "ca_file" => {
                        continue;
                    }
                    Takes::Text(example) => format!("\"{example}\""),
                    Takes::Number(example) | Takes::Texts(example) => (*example).to_owned(),
                    _ => continue,
                };
                // Gmail's scopes are longer than an example.
                if *key == "scopes" {
                    continue;
                }
                // It says nothing by itself.
                let beside = if *key == "allow_from" { "allow_lan = true\n" } else { "" };
                let text = format!("[{section}]\n{beside}{key} = {value}\n");
                let read = Config::parse(std::path::Path::new("config.toml"), &text);
                assert!(read.is_ok(), "{text}: {}", read.unwrap_err());
            }
        }
    }
}
