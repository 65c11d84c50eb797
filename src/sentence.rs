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

/// What somebody else says is shown up to here, in characters: Gmail's longest words have some 200.
const LONGEST: usize = 300;

/// What a server or a certificate says, fit for a terminal, a log and a mail program: one line of no great
/// length, in which nothing moves the cursor and nothing changes how the rest is read.
pub fn shown(words: &str) -> String {
    words.chars().filter(|c| is_shown(*c)).take(LONGEST).collect::<String>().trim().to_owned()
}

/// False for control characters, for the ends of lines that Unicode adds (U+2028, U+2029), and for what
/// is not to be seen and turns or hides what is (UAX #9 §2, UTS #39 §3.1).
fn is_shown(c: char) -> bool {
    let hidden = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !hidden
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
    fn what_others_say_is_one_line_and_no_more_than_it_looks() {
        assert_eq!(shown(" a\r\n* OK \x1b[2Jb\u{9b}31m\u{7}\0 "), "a* OK [2Jb31m");
        assert_eq!(shown("you\u{202e}moc.liamg\u{2066}\u{200b}\u{feff}"), "youmoc.liamg");
        assert_eq!(shown("größer – “so” 漢字"), "größer – “so” 漢字");
        assert_eq!(shown(&"x".repeat(1000)).len(), LONGEST);
    }

    #[test]
    fn one_thing_is_no_things() {
        assert_eq!(
            [0, 1, 2].map(|n| count(n, "message")),
            ["0 messages", "1 message", "2 messages"]
        );
    }
}
