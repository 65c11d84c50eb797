//! What isn't a mail client: recognised by its first bytes, so that it is turned away with a
//! reason and never gets to act on a mailbox.

/// Something else than a mail client of this port's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intruder {
    /// A TLS ClientHello on a plain port: a mail client set to SSL/TLS.
    Tls,
    /// An HTTP request: a browser, or a web page that tries the ports of this machine.
    Http,
}

/// The methods of RFC 9110 §9, PATCH (RFC 5789), and HTTP/2's preface (RFC 9113 §3.4).
const HTTP_METHODS: [&[u8]; 10] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PRI ",
];

/// How far a request's line is looked at: less than the longest line of a mail client, so that the
/// verdict doesn't depend on how much of it has come.
const MAX_REQUEST_LINE: usize = 4096;

impl Intruder {
    /// Looks at the first bytes of a connection. `None` means: no sign of an intruder so far.
    ///
    /// An HTTP request is known by its method and a target that begins as no IMAP or SMTP command
    /// does, so that it is refused before its headers or its body are read as commands.
    pub fn recognise(first: &[u8]) -> Option<Self> {
        // A TLS record: handshake (22), version 3.x (RFC 8446 §5.1).
        if first.len() >= 2 && first[0] == 0x16 && first[1] == 0x03 {
            return Some(Self::Tls);
        }
        let method = HTTP_METHODS.iter().find(|method| first.starts_with(method))?;
        let target = &first[method.len()..];
        let is_target = matches!(target.first(), Some(b'/' | b'*')) || {
            let start = &target[..target.len().min(4)];
            start.eq_ignore_ascii_case(b"http")
        };
        // CONNECT names a host and a port, so its line is known by its end.
        let first = &first[..first.len().min(MAX_REQUEST_LINE)];
        let line = &first[..memchr::memchr(b'\n', first).unwrap_or(first.len())];
        let names_http = memchr::memmem::find(line, b" HTTP/").is_some();
        (is_target || names_http).then_some(Self::Http)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_tls_and_http() {
        assert_eq!(Intruder::recognise(b"\x16\x03\x01\x02\x00"), Some(Intruder::Tls));
        for line in [
            "GET / HTTP/1.1\r\n",
            "POST /mail HTTP/1.0\r\n",
            "OPTIONS * HTTP/1.1\r\n",
            "CONNECT localhost:10143 HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n",
            "GET http://127.0.0.1:10143/ HTTP/1.1\r\n",
        ] {
            assert_eq!(Intruder::recognise(line.as_bytes()), Some(Intruder::Http), "{line}");
        }
    }

    #[test]
    fn leaves_mail_clients_alone() {
        for line in
            ["a1 LOGIN u p\r\n", "EHLO host\r\n", "GET LOGIN u p\r\n", "", "\x16", "PUT1 NOOP\r\n"]
        {
            assert_eq!(Intruder::recognise(line.as_bytes()), None, "{line}");
        }
    }
}
