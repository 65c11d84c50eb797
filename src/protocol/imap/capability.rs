//! Capability lists, and what a mail client must not see of the provider's.

/// A capability list (RFC 9051 §7.2.2), kept as the server wrote it; every session has one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities(Box<str>);

impl Capabilities {
    /// Reads the names in a space-separated list.
    pub fn parse(list: &[u8]) -> Self {
        Self::of(String::from_utf8_lossy(list).split_ascii_whitespace())
    }

    fn of<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        Self(names.collect::<Vec<_>>().join(" ").into())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }

    /// True if `name` is among them, in any letter case.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// The list as a signed-on client may see it: what concerns signing on is over; compression
    /// would hide the rest of the dialogue (RFC 4978) and is not offered.
    pub fn for_client(&self) -> Self {
        Self::of(self.names().filter(|name| is_for_client(name.as_bytes())))
    }
}

impl std::fmt::Display for Capabilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_for_client(name: &[u8]) -> bool {
    let starts = |prefix: &[u8]| {
        name.len() >= prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix)
    };
    !(starts(b"AUTH=")
        || name.eq_ignore_ascii_case(b"LOGINDISABLED")
        || name.eq_ignore_ascii_case(b"STARTTLS")
        || name.eq_ignore_ascii_case(b"UNAUTHENTICATE")
        || starts(b"COMPRESS="))
}

/// A server's line, CRLF included, with its capability list cut down for the client. `None` if the
/// line has no list or nothing in it to hide, so that it can pass as it is.
///
/// The list is the data of `* CAPABILITY …`, or the code of a status response: `OK [CAPABILITY …]`.
pub(super) fn rewrite(line: &[u8]) -> Option<Vec<u8>> {
    let (start, end) = list_bounds(line)?;
    let names = || line[start..end].split(|byte| *byte == b' ').filter(|name| !name.is_empty());
    if names().all(is_for_client) {
        return None;
    }
    // Bytes, not text: the names that stay are as the server wrote them.
    let shown: Vec<&[u8]> = names().filter(|name| is_for_client(name)).collect();
    Some([&line[..start], &shown.join(&b' '), &line[end..]].concat())
}

/// Where in a line its capability names are.
fn list_bounds(line: &[u8]) -> Option<(usize, usize)> {
    const DATA: &[u8] = b"* CAPABILITY ";
    const CODE: &[u8] = b"[CAPABILITY ";
    if line.len() >= DATA.len() && line[..DATA.len()].eq_ignore_ascii_case(DATA) {
        return Some((DATA.len(), crate::protocol::line::trim_end(line).len()));
    }
    // A code stands right behind the status: `tag OK [CODE] text`.
    let after_tag = memchr::memchr(b' ', line)? + 1;
    let code = after_tag + memchr::memchr(b' ', &line[after_tag..])? + 1;
    let has_code =
        line.len() >= code + CODE.len() && line[code..code + CODE.len()].eq_ignore_ascii_case(CODE);
    let start = code + CODE.len();
    has_code.then(|| memchr::memchr(b']', &line[start..])).flatten().map(|end| (start, start + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(line: &str) -> Option<String> {
        rewrite(line.as_bytes()).map(|line| String::from_utf8(line).unwrap())
    }

    #[test]
    fn lists_are_cut_down_wherever_they_stand() {
        assert_eq!(
            rewritten(
                "* CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR IDLE COMPRESS=DEFLATE X-GM-EXT-1\r\n"
            )
            .as_deref(),
            Some("* CAPABILITY IMAP4rev1 SASL-IR IDLE X-GM-EXT-1\r\n")
        );
        assert_eq!(
            rewritten("a1 OK [CAPABILITY IMAP4rev1 compress=deflate IDLE] Logged in {3}\r\n")
                .as_deref(),
            Some("a1 OK [CAPABILITY IMAP4rev1 IDLE] Logged in {3}\r\n")
        );
    }

    #[test]
    fn a_signed_on_client_is_shown_the_rest_as_the_server_wrote_it() {
        let all = Capabilities::parse(b"IMAP4rev1  auth=XOAUTH2 Idle LOGINDISABLED STARTTLS X-Y");
        assert_eq!(all.to_string(), "IMAP4rev1 auth=XOAUTH2 Idle LOGINDISABLED STARTTLS X-Y");
        assert_eq!(all.for_client().to_string(), "IMAP4rev1 Idle X-Y");
    }

    #[test]
    fn other_lines_pass_as_they_are() {
        for line in [
            "* CAPABILITY IMAP4rev1 IDLE\r\n",
            "* 1 FETCH (BODY[] {3}\r\n",
            "a1 OK [READ-WRITE] COMPRESS=DEFLATE AUTH=PLAIN\r\n",
            "* OK [HIGHESTMODSEQ 7]\r\n",
            "* OK\r\n",
            "a1 OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE\r\n",
        ] {
            assert_eq!(rewritten(line), None, "{line}");
        }
    }
}
