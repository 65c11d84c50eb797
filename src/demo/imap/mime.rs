//! A message taken apart: header fields, and parts within parts (RFC 2045, RFC 2046).

use std::ops::Range;

/// Deeper than any honest message; a part below is taken as plain.
const DEPTH_LIMIT: usize = 16;

/// More than any honest multipart has.
const PARTS_LIMIT: usize = 1000;

/// A message or a part of one, as places in the message's bytes.
#[derive(Debug)]
pub(super) struct Part {
    /// With the empty line that ends it.
    pub(super) header: Range<usize>,
    pub(super) body: Range<usize>,
    pub(super) kind: String,
    pub(super) subtype: String,
    pub(super) parameters: Vec<(String, String)>,
    /// The parts of a multipart, or the one message within a message/rfc822.
    pub(super) children: Vec<Part>,
}

impl Part {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self::at(bytes, 0..bytes.len(), "text/plain; charset=us-ascii", 0)
    }

    pub(super) fn is_multipart(&self) -> bool {
        self.kind == "multipart"
    }

    /// True for a message within a message, if it could be read.
    pub(super) fn is_message(&self) -> bool {
        self.kind == "message" && !self.children.is_empty()
    }

    /// The part with these numbers (RFC 3501 §6.4.5): `[]` is the message, `[1]` the body of one
    /// that has no parts.
    pub(super) fn part(&self, path: &[usize]) -> Option<&Self> {
        let mut here = self;
        for (level, &number) in path.iter().enumerate() {
            let is_wrapped = level > 0 && here.is_message();
            let inside = if is_wrapped {
                here.children.first()?
            } else {
                here
            };
            here = if inside.is_multipart() {
                inside.children.get(number.checked_sub(1)?)?
            } else if number == 1 && (level == 0 || is_wrapped) {
                inside
            } else {
                return None;
            };
        }
        Some(here)
    }

    fn at(bytes: &[u8], range: Range<usize>, default_type: &str, depth: usize) -> Self {
        let header_end = range.start + header_length(&bytes[range.clone()]);
        let header = range.start..header_end;
        let body = header_end..range.end;
        let fields = Fields(&bytes[header.clone()]);
        let content_type = fields
            .first("content-type")
            .unwrap_or_else(|| default_type.to_owned());
        let (kind, parameters) = value_and_parameters(&content_type);
        let (kind, subtype) = match kind.split_once('/') {
            Some((kind, subtype)) => (kind.to_owned(), subtype.to_owned()),
            None => ("text".to_owned(), "plain".to_owned()),
        };
        let boundary = parameters.iter().find(|(name, _)| name == "boundary");
        let mut children = Vec::new();
        if depth < DEPTH_LIMIT {
            if let ("multipart", Some((_, boundary))) = (kind.as_str(), boundary) {
                let default = match subtype.as_str() {
                    "digest" => "message/rfc822",
                    _ => "text/plain; charset=us-ascii",
                };
                children = parts(bytes, &body, boundary)
                    .into_iter()
                    .map(|part| Self::at(bytes, part, default, depth + 1))
                    .collect();
            } else if kind == "message" && subtype == "rfc822" {
                let default = "text/plain; charset=us-ascii";
                children.push(Self::at(bytes, body.clone(), default, depth + 1));
            }
        }
        // A multipart without parts is no multipart to anyone who asks for its structure.
        let (kind, subtype) = match (kind.as_str(), children.is_empty()) {
            ("multipart", true) => ("text".to_owned(), "plain".to_owned()),
            _ => (kind, subtype),
        };
        Self {
            header,
            body,
            kind,
            subtype,
            parameters,
            children,
        }
    }
}

/// A header's fields.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// Each field whole, folded lines and line ends included.
    pub(super) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let mut end = 0;
            loop {
                end += line_length(&rest[end..]);
                if end >= rest.len() || !matches!(rest[end], b' ' | b'\t') {
                    break;
                }
            }
            let (field, left) = rest.split_at(end);
            rest = left;
            let is_field = !field.is_empty() && field != b"\r\n" && field != b"\n";
            is_field.then_some(field)
        })
    }

    /// The unfolded value of the first field of this name, which is given in lower case.
    pub(super) fn first(self, name: &str) -> Option<String> {
        self.iter().find(|field| is_named(field, name)).map(value)
    }

    /// All values of fields of this name.
    pub(super) fn all(self, name: &str) -> impl Iterator<Item = String> {
        self.iter()
            .filter(move |field| is_named(field, name))
            .map(value)
    }
}

pub(super) fn is_named(field: &[u8], name: &str) -> bool {
    let colon = field
        .iter()
        .position(|byte| *byte == b':')
        .unwrap_or(field.len());
    field[..colon]
        .trim_ascii_end()
        .eq_ignore_ascii_case(name.as_bytes())
}

/// `value; name=value; …`, the value and the names in lower case.
pub(super) fn value_and_parameters(text: &str) -> (String, Vec<(String, String)>) {
    let mut pieces = split_outside_quotes(text, ';').into_iter();
    let value = pieces
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let parameter = |piece: &str| {
        let (name, value) = piece.split_once('=')?;
        let value = value.trim();
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted
                .strip_suffix('"')
                .unwrap_or(quoted)
                .replace("\\\"", "\""),
            None => value.to_owned(),
        };
        Some((name.trim().to_ascii_lowercase(), value))
    };
    (value, pieces.filter_map(parameter).collect())
}

/// Splits at a character that stands in no quotes, no comment and no angle brackets.
pub(super) fn split_outside_quotes(text: &str, at: char) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut is_quoted, mut is_escaped, mut depth) = (0, false, false, 0usize);
    for (index, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '(' | '<' if !is_quoted => depth += 1,
            ')' | '>' if !is_quoted => depth = depth.saturating_sub(1),
            _ if letter == at && !is_quoted && depth == 0 => {
                pieces.push(&text[start..index]);
                start = index + letter.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

fn value(field: &[u8]) -> String {
    let colon = field
        .iter()
        .position(|byte| *byte == b':')
        .map_or(field.len(), |at| at + 1);
    let text = String::from_utf8_lossy(&field[colon..]);
    text.replace(['\r', '\n'], "").trim().to_owned()
}

fn line_length(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

/// Up to the empty line and with it.
fn header_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        let length = line_length(&bytes[at..]);
        let line = &bytes[at..at + length];
        at += length;
        if line == b"\r\n" || line == b"\n" {
            break;
        }
    }
    at
}

/// Where the parts of a multipart are; the line end before a boundary belongs to the boundary.
fn parts(bytes: &[u8], body: &Range<usize>, boundary: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut begun: Option<usize> = None;
    let mut at = body.start;
    while at < body.end && parts.len() < PARTS_LIMIT {
        let length = line_length(&bytes[at..body.end]);
        let line = bytes[at..at + length].trim_ascii_end();
        let rest = line
            .strip_prefix(b"--")
            .and_then(|line| line.strip_prefix(boundary.as_bytes()));
        if let Some(rest) = rest.filter(|rest| rest.is_empty() || *rest == b"--") {
            if let Some(start) = begun {
                parts.push(start..start.max(without_line_end(bytes, at)));
            }
            begun = rest.is_empty().then_some(at + length);
            if begun.is_none() {
                return parts;
            }
        }
        at += length;
    }
    if let Some(start) = begun {
        parts.push(start..body.end);
    }
    parts
}

fn without_line_end(bytes: &[u8], end: usize) -> usize {
    match &bytes[..end] {
        [.., b'\r', b'\n'] => end - 2,
        [.., b'\n'] => end - 1,
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: &[u8] = b"Content-Type: multipart/mixed;\r\n boundary=\"a;b\"\r\n\r\n\
        preamble\r\n--a;b\r\n\r\nplain\r\n--a;b\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: inner\r\n\r\ninner body\r\n--a;b--\r\n";

    fn text(part: Option<&Part>) -> &str {
        std::str::from_utf8(&MIXED[part.unwrap().body.clone()]).unwrap()
    }

    #[test]
    fn parts_are_numbered_as_imap_numbers_them() {
        let message = Part::parse(MIXED);
        assert_eq!(message.children.len(), 2);
        assert_eq!(text(message.part(&[1])), "plain");
        assert_eq!(text(message.part(&[2])), "Subject: inner\r\n\r\ninner body");
        assert_eq!(text(message.part(&[2, 1])), "inner body");
        for none in [&[3][..], &[0], &[1, 1], &[2, 2], &[2, 1, 1]] {
            assert!(message.part(none).is_none(), "{none:?}");
        }
        let plain = Part::parse(b"A: b\r\n\r\nbody");
        assert_eq!(plain.part(&[1]).unwrap().body, 8..12);
    }

    #[test]
    fn fields_unfold() {
        let fields = Fields(b"A: one\r\n two\r\nb : x\r\nA: three\r\n\r\n");
        assert_eq!(fields.first("a").as_deref(), Some("one two"));
        assert_eq!(fields.all("a").count(), 2);
        assert_eq!(fields.first("b").as_deref(), Some("x"));
        assert_eq!(fields.iter().count(), 3);
    }
}
