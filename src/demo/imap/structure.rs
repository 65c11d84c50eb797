//! ENVELOPE and BODYSTRUCTURE (RFC 3501 §7.4.2).

use super::mime::{Fields, Part, split_outside_quotes, value_and_parameters};

/// A text in quotes, or as a literal if it can't be quoted; nothing is NIL.
pub(super) fn nstring(text: Option<&str>) -> String {
    match text {
        None => "NIL".to_owned(),
        Some(text) => string(text),
    }
}

/// A message's envelope.
pub(super) fn envelope(header: &[u8]) -> String {
    let fields = Fields(header);
    let text = |name: &str| nstring(fields.first(name).as_deref());
    let from = addresses(fields, "from");
    // RFC 3501: the server fills these two in from From.
    let or_from = |name: &str| match addresses(fields, name) {
        none if none == "NIL" => from.clone(),
        some => some,
    };
    format!(
        "({} {} {from} {} {} {} {} {} {} {})",
        text("date"),
        text("subject"),
        or_from("sender"),
        or_from("reply-to"),
        addresses(fields, "to"),
        addresses(fields, "cc"),
        addresses(fields, "bcc"),
        text("in-reply-to"),
        text("message-id"),
    )
}

/// A part's structure; with `extended`, BODYSTRUCTURE's, without, BODY's.
pub(super) fn structure(bytes: &[u8], part: &Part, extended: bool) -> String {
    let fields = Fields(&bytes[part.header.clone()]);
    let mut text = String::from("(");
    if part.is_multipart() {
        for child in &part.children {
            text.push_str(&structure(bytes, child, extended));
        }
        text.push_str(&format!(" {}", upper(&part.subtype)));
        if extended {
            let parameters = parameter_list(&part.parameters);
            let disposition = disposition(fields);
            text.push_str(&format!(" {parameters} {disposition} NIL NIL"));
        }
    } else {
        let body = &bytes[part.body.clone()];
        let encoding = fields
            .first("content-transfer-encoding")
            .map_or_else(|| "7BIT".to_owned(), |value| value.to_ascii_uppercase());
        text.push_str(&format!(
            "{} {} {} {} {} {} {}",
            upper(&part.kind),
            upper(&part.subtype),
            parameter_list(&part.parameters),
            nstring(fields.first("content-id").as_deref()),
            nstring(fields.first("content-description").as_deref()),
            string(&encoding),
            body.len(),
        ));
        if let Some(inner) = part.children.first() {
            let header = &bytes[inner.header.clone()];
            let inner = structure(bytes, inner, extended);
            text.push_str(&format!(" {} {inner}", envelope(header)));
        }
        if part.kind == "text" || part.is_message() {
            text.push_str(&format!(" {}", memchr::memchr_iter(b'\n', body).count()));
        }
        if extended {
            text.push_str(&format!(" NIL {} NIL NIL", disposition(fields)));
        }
    }
    text.push(')');
    text
}

fn string(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    if is_plain {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        format!("{{{}}}\r\n{text}", text.len())
    }
}

fn upper(text: &str) -> String {
    string(&text.to_ascii_uppercase())
}

fn parameter_list(parameters: &[(String, String)]) -> String {
    if parameters.is_empty() {
        return "NIL".to_owned();
    }
    let pair = |(name, value): &(String, String)| format!("{} {}", upper(name), string(value));
    format!(
        "({})",
        parameters.iter().map(pair).collect::<Vec<_>>().join(" ")
    )
}

fn disposition(fields: Fields<'_>) -> String {
    match fields.first("content-disposition") {
        None => "NIL".to_owned(),
        Some(value) => {
            let (kind, parameters) = value_and_parameters(&value);
            format!("({} {})", upper(&kind), parameter_list(&parameters))
        }
    }
}

/// The addresses of all fields of a name. A group's name is left out, its members stay.
fn addresses(fields: Fields<'_>, name: &str) -> String {
    let mut list = String::new();
    for value in fields.all(name) {
        for address in split_outside_quotes(&value, ',') {
            let address = address.trim().trim_end_matches(';');
            let address = match split_outside_quotes(address, ':').as_slice() {
                [_, member, ..] => member.trim(),
                _ => address,
            };
            if !address.is_empty() {
                list.push_str(&one_address(address));
            }
        }
    }
    if list.is_empty() {
        "NIL".to_owned()
    } else {
        format!("({list})")
    }
}

fn one_address(text: &str) -> String {
    let (name, spec) = match text.rfind('<') {
        Some(open) => {
            let spec = &text[open + 1..];
            (text[..open].trim(), spec.split('>').next().unwrap_or(spec))
        }
        None => ("", text.split('(').next().unwrap_or(text)),
    };
    let name = match name.strip_prefix('"') {
        Some(quoted) => quoted
            .strip_suffix('"')
            .unwrap_or(quoted)
            .replace("\\\"", "\""),
        None => name.to_owned(),
    };
    let name = (!name.is_empty()).then_some(name);
    let (local, domain) = match spec.trim().rsplit_once('@') {
        Some((local, domain)) => (local, Some(domain)),
        None => (spec.trim(), None),
    };
    format!(
        "({} NIL {} {})",
        nstring(name.as_deref()),
        string(local),
        nstring(domain)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_has_ten_fields() {
        let header = b"Date: today\r\nSubject: say \"hi\"\r\nFrom: \"A, B\" <a@x.org>\r\n\
            To: b@x.org, C <c@x.org>\r\n\r\n";
        assert_eq!(
            envelope(header),
            "(\"today\" \"say \\\"hi\\\"\" ((\"A, B\" NIL \"a\" \"x.org\")) ((\"A, B\" NIL \"a\" \
             \"x.org\")) ((\"A, B\" NIL \"a\" \"x.org\")) ((NIL NIL \"b\" \"x.org\")(\"C\" NIL \
             \"c\" \"x.org\")) NIL NIL NIL NIL)"
        );
    }

    #[test]
    fn a_structure_tells_parts_and_sizes() {
        let bytes = b"Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\r\na\r\n\
            --x\r\nContent-Type: image/png; name=a.png\r\nContent-Disposition: inline\r\n\r\n\
            b\r\n--x--\r\n";
        assert_eq!(
            structure(bytes, &Part::parse(bytes), true),
            "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" 1 0 NIL NIL NIL \
             NIL)(\"IMAGE\" \"PNG\" (\"NAME\" \"a.png\") NIL NIL \"7BIT\" 1 NIL (\"INLINE\" NIL) \
             NIL NIL) \"ALTERNATIVE\" (\"BOUNDARY\" \"x\") NIL NIL NIL)"
        );
    }

    #[test]
    fn what_cannot_be_quoted_is_a_literal() {
        assert_eq!(nstring(Some("é")), "{2}\r\né");
        assert_eq!(nstring(None), "NIL");
    }
}
