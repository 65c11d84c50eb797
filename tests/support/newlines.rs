//! The reference for messages whose line ends are mended.

/// What a message becomes when its bare newlines are made CRLF; `text` is the message without the
/// dot that ends it. It takes the text apart into lines, which the code under test never does.
pub(crate) fn normalized(text: &str) -> String {
    let mut lines = Vec::new();
    let (mut rest, mut after_bare) = (text, false);
    while !rest.is_empty() {
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (line, behind) = rest.split_at(end);
        // A line's end is CRLF, or several CRs and an LF, or either of them alone.
        let crs = behind.bytes().take(9).take_while(|byte| *byte == b'\r').count();
        let has_lf = behind[crs..].starts_with('\n');
        let newline = match (crs, has_lf) {
            (0..=8, true) => &behind[..=crs],
            (0, false) => "",
            _ => "\r",
        };
        let bare = !newline.is_empty() && newline != "\r\n";
        let stuff = line.starts_with('.') && after_bare || line == "." && bare;
        let stuffing = if stuff { "." } else { "" };
        lines.push(format!("{stuffing}{line}{}", if newline.is_empty() { "" } else { "\r\n" }));
        rest = &behind[newline.len()..];
        after_bare = bare && !newline.ends_with("\r\n");
    }
    lines.concat()
}
