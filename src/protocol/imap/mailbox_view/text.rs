//! Words in commands and responses, as far as the view has to read them.

/// A mailbox's name as it can be said again on one line: an atom or a quoted string as they stand, a
/// literal's text quoted.
pub(super) fn mailbox_name(arguments: &[u8]) -> Option<Vec<u8>> {
    let arguments = arguments.trim_ascii_start();
    match arguments.first()? {
        b'"' => {
            let mut at = 1;
            loop {
                match arguments.get(at)? {
                    b'"' => return Some(arguments[..=at].to_vec()),
                    b'\\' => at += 2,
                    _ => at += 1,
                }
            }
        }
        b'{' => {
            let end = memchr::memchr(b'\n', arguments)?;
            let literal = crate::protocol::line::announced_literal(&arguments[..=end]).ok()??;
            let size = usize::try_from(literal.size).ok()?;
            let text = arguments.get(end + 1..end + 1 + size)?;
            if !text.iter().all(|byte| byte.is_ascii() && !byte.is_ascii_control()) {
                return None;
            }
            let mut quoted = vec![b'"'];
            for byte in text {
                if matches!(byte, b'"' | b'\\') {
                    quoted.push(b'\\');
                }
                quoted.push(*byte);
            }
            quoted.push(b'"');
            Some(quoted)
        }
        _ => Some(split_word(arguments).0.to_vec()),
    }
}

pub(super) fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii_start();
    let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    (text[..end].trim_ascii_end(), text[end..].trim_ascii())
}

/// A command without what stands in its strings, quoted or as literals (RFC 9051 §4.3).
pub(super) fn words_of_protocol(command: &[u8]) -> Vec<u8> {
    let mut words = Vec::with_capacity(command.len());
    let mut rest = command;
    while let Some(at) = memchr::memchr2(b'"', b'\n', rest) {
        let (before, found) = rest.split_at(at + 1);
        words.extend_from_slice(before);
        rest = found;
        let skip = match before.last() {
            Some(b'"') => {
                let mut end = 0;
                while rest.get(end).is_some_and(|byte| *byte != b'"') {
                    end += if rest[end] == b'\\' { 2 } else { 1 };
                }
                end + 1
            }
            _ => {
                let literal = crate::protocol::line::announced_literal(before);
                literal
                    .ok()
                    .flatten()
                    .map_or(0, |literal| literal.size.try_into().unwrap_or(rest.len()))
            }
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
    words.extend_from_slice(rest);
    words
}

pub(super) fn contains(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(&text.to_ascii_uppercase(), word).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Said again elsewhere it must be the same name, on one line and nothing behind it.
    #[test]
    fn a_name_is_said_again_as_it_was_or_not_at_all() {
        for (arguments, name) in [
            ("INBOX", Some("INBOX")),
            ("  INBOX  (CONDSTORE)", Some("INBOX")),
            (r#""a b" (CONDSTORE)"#, Some(r#""a b""#)),
            (r#""a\\" "b""#, Some(r#""a\\""#)),
            (r#""\"bc" x"#, Some(r#""\"bc""#)),
            ("{3}\r\na b (CONDSTORE)", Some(r#""a b""#)),
            ("{3+}\r\na\"\\", Some(r#""a\"\\""#)),
            ("{0}\r\n", Some(r#""""#)),
            // One without its end, and what no quoted string can hold.
            ("", None),
            (r#""a"#, None),
            (r#""a\"#, None),
            ("{4}\r\na b", None),
            ("{3}", None),
            ("{x}\r\nabc", None),
            ("{3}\r\na\r\n", None),
            ("{2}\r\nü", None),
        ] {
            let found = mailbox_name(arguments.as_bytes());
            assert_eq!(found.as_deref(), name.map(str::as_bytes), "{arguments}");
        }
    }

    #[test]
    fn strings_are_no_words_of_the_protocol() {
        let words =
            |command: &str| String::from_utf8(words_of_protocol(command.as_bytes())).unwrap();
        assert_eq!(
            words("SEARCH SUBJECT \"modseq \\\" x\" TEXT {6}\r\nMODSEQ ALL"),
            "SEARCH SUBJECT \" TEXT {6}\r\n ALL"
        );
        assert_eq!(words("FETCH 1 (FLAGS) (CHANGEDSINCE 5)"), "FETCH 1 (FLAGS) (CHANGEDSINCE 5)");
        for broken in ["\"", "a \"b\\", "{99999}\r\n", "\n\n", "{3}\r\nabc\"d\"e"] {
            words(broken);
        }
    }
}
