//! From what systems and servers say to sentences for people.

use std::fmt::Display;

/// An error as a sentence of its own. Most begin with a small letter; one that begins with a path or
/// with a server's name keeps it.
pub fn of(error: impl Display) -> String {
    let words = error.to_string();
    let mut text = format!("{}.", words.trim().trim_end_matches('.'));
    let first = text.split(' ').next().unwrap_or_default();
    if first.bytes().all(|byte| byte.is_ascii_lowercase()) {
        text[..1].make_ascii_uppercase();
    }
    plain(&text)
}

/// A sentence without the numbers that the system has for its errors, beside its words.
pub fn plain(sentence: &str) -> String {
    let mut parts = sentence.split(" (os error ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once(')').map_or(part, |(_, behind)| behind));
    }
    // An error that ends in a question keeps its mark.
    if plain.ends_with("?.") {
        plain.pop();
    }
    plain
}

/// A host and a port as they are written together (RFC 3986 §3.2.2).
pub fn place(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A number of things: “1 message”, “2 messages”.
pub fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_sentences() {
        assert_eq!(of("no answer in time"), "No answer in time.");
        assert_eq!(of("accounts/a.json is damaged."), "accounts/a.json is damaged.");
        assert_eq!(of("a.json: no such file (os error 2)"), "a.json: no such file.");
        assert_eq!(of(""), ".");
        assert_eq!(plain("A? (os error 2), b (os error 13)."), "A?, b.");
        assert_eq!(plain("Did you mean “imap”?."), "Did you mean “imap”?");
    }

    #[test]
    fn one_thing_is_no_things() {
        assert_eq!(
            [0, 1, 2].map(|n| count(n, "message")),
            ["0 messages", "1 message", "2 messages"]
        );
    }
}
