//! A server's untagged data (RFC 9051 §7), as far as it tells which messages there are.

use crate::protocol::line::trim_end;

/// What a line of data says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Data<'a> {
    /// `* n EXISTS`.
    Exists(u32),
    /// `* n EXPUNGE`.
    Expunge(u32),
    /// `* n FETCH (…)`; the UID where it stands before any literal, and all the items.
    Fetch { number: u32, uid: Option<u32>, items: &'a [u8] },
    /// `* VANISHED set` (RFC 7162 §3.2.10), not `(EARLIER)`.
    Vanished(&'a str),
    /// `* ENABLED …` (RFC 5161 §3.2).
    Enabled(&'a str),
    /// `* SEARCH …`: numbers.
    Search(&'a str),
    /// `* ESEARCH …` (RFC 4731): everything behind the word.
    Esearch(&'a str),
    /// `* SORT …`, `* THREAD …` (RFC 5256): numbers.
    Sorted,
    /// Anything else.
    Other,
}

impl<'a> Data<'a> {
    /// Reads a line, or its beginning.
    pub(super) fn parse(line: &'a [u8]) -> Self {
        Self::read(line).unwrap_or(Self::Other)
    }

    fn read(line: &'a [u8]) -> Option<Self> {
        let rest = trim_end(line).strip_prefix(b"* ")?;
        if rest.first().is_some_and(u8::is_ascii_digit) {
            let (number, rest) = number(rest)?;
            let (kind, rest) = word(rest.strip_prefix(b" ")?);
            let is = |word: &[u8]| kind.eq_ignore_ascii_case(word);
            // There are as many FETCHes as messages: the first that is looked for, and no memory taken.
            return Some(if is(b"FETCH") {
                Self::Fetch { number, uid: uid_in(rest), items: rest }
            } else if is(b"EXISTS") {
                Self::Exists(number)
            } else if is(b"EXPUNGE") {
                Self::Expunge(number)
            } else {
                Self::Other
            });
        }
        let (first, rest) = word(rest);
        Some(match first.to_ascii_uppercase().as_slice() {
            b"VANISHED" if !rest.starts_with(b"(") => Self::Vanished(text(rest)?),
            b"ENABLED" => Self::Enabled(text(rest)?),
            b"SEARCH" => Self::Search(text(rest)?),
            b"ESEARCH" => Self::Esearch(text(rest)?),
            b"SORT" | b"THREAD" => Self::Sorted,
            _ => Self::Other,
        })
    }
}

/// The UID among a FETCH's items.
fn uid_in(items: &[u8]) -> Option<u32> {
    let value = value_of(items, b"UID ")?;
    let (uid, rest) = number(value)?;
    // Cut off in its middle it would be another number, and none is 0 (RFC 9051 §9, `uniqueid`).
    (uid > 0 && matches!(rest.first(), Some(b' ' | b')'))).then_some(uid)
}

/// The number at the front, and what is behind it.
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    let add = |sum: u32, digit: &u8| sum.checked_mul(10)?.checked_add(u32::from(digit - b'0'));
    let first = digits.first().map(|_| 0)?;
    Some((digits.iter().try_fold(first, add)?, rest))
}

/// The flags among the items of a FETCH, in their brackets.
pub(super) fn flags_in(items: &[u8]) -> Option<&[u8]> {
    let value = value_of(items, b"FLAGS (")?;
    let end = value.iter().position(|byte| *byte == b')')?;
    Some(&value[..end])
}

/// What stands behind an item's name among a FETCH's items. Names of header fields, flags and labels
/// can look like one, and so can what stands in a string.
fn value_of<'a>(items: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut depth = 0_u32;
    let mut quoted = false;
    let mut at_item = false;
    let mut bytes = items.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if quoted {
            match byte {
                b'\\' => drop(bytes.next()),
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        if depth == 1
            && at_item
            && items[at..].get(..name.len()).is_some_and(|here| here.eq_ignore_ascii_case(name))
        {
            return Some(&items[at + name.len()..]);
        }
        match byte {
            b'"' => quoted = true,
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.checked_sub(1)?,
            // Behind a literal's announcement nothing is seen.
            b'{' => return None,
            _ => {}
        }
        at_item = matches!(byte, b' ' | b'(');
    }
    None
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    (&text[..end], text.get(end + 1..).unwrap_or_default())
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_of_messages_is_read() {
        let read = |line: &'static str| Data::parse(line.as_bytes());
        assert_eq!(read("* 7 EXISTS\r\n"), Data::Exists(7));
        assert_eq!(read("* 3 expunge\r\n"), Data::Expunge(3));
        assert_eq!(read("* VANISHED 1:4,9\r\n"), Data::Vanished("1:4,9"));
        assert_eq!(read("* VANISHED (EARLIER) 1:4\r\n"), Data::Other);
        assert_eq!(read("* ENABLED CONDSTORE\r\n"), Data::Enabled("CONDSTORE"));
        assert_eq!(read("* SEARCH 1 2\r\n"), Data::Search("1 2"));
        assert_eq!(read("* SEARCH\r\n"), Data::Search(""));
        assert_eq!(
            read("* ESEARCH (TAG \"g\") UID ALL 1\r\n"),
            Data::Esearch("(TAG \"g\") UID ALL 1")
        );
        assert_eq!(read("* LIST () \"/\" x\r\n"), Data::Other);
        assert_eq!(read("* 99999999999 EXISTS\r\n"), Data::Other);
    }

    #[test]
    fn a_uid_is_found_and_nothing_else_is_taken_for_one() {
        let uid = |items: &str| match Data::parse(format!("* 5 FETCH {items}\r\n").as_bytes()) {
            Data::Fetch { number: 5, uid, .. } => uid,
            other => panic!("{other:?}"),
        };
        assert_eq!(uid("(UID 7 FLAGS (\\Seen))"), Some(7));
        assert_eq!(uid("(FLAGS (\\Seen UID) uid 7)"), Some(7));
        assert_eq!(
            uid("(X-GM-LABELS (UID 9) ENVELOPE (\"(UID 8 \\\" UID 8\" NIL) UID 7)"),
            Some(7)
        );
        assert_eq!(uid("(BODY[HEADER.FIELDS (UID 9)] NIL UID 7)"), Some(7));
        assert_eq!(uid("(BODY[] {300}"), None);
        // A mail may have written what looks like one.
        assert_eq!(uid("(BODY[] {8}\r\n UID 8  UID 7)"), None);
        assert_eq!(uid("(UID 70"), None);
        assert_eq!(uid("(FLAGS ())"), None);
        assert_eq!(uid("(XUID 7)"), None);
    }

    #[test]
    fn flags_are_found() {
        let flags = |items: &'static str| flags_in(items.as_bytes());
        assert_eq!(flags("(UID 7 FLAGS (\\Seen a) MODSEQ (5))"), Some(b"\\Seen a".as_slice()));
        assert_eq!(flags("(MODSEQ (5) FLAGS ())"), Some(b"".as_slice()));
        assert_eq!(flags("(X-GM-LABELS (FLAGS (\\Seen)) UID 7)"), None);
        assert_eq!(flags("(FLAGS (\\Seen"), None);
    }
}
