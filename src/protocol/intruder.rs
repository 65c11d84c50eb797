//! What isn't a mail client: recognised where a command begins, so that it is turned away with a
//! reason and never gets to act on a mailbox.

/// Something else than a mail client of this port's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intruder {
    /// A TLS ClientHello on a plain port: a mail client set to SSL/TLS.
    Tls,
    /// An HTTP request: a browser, or a web page that tries the ports of this machine.
    Http,
}

/// The methods of RFC 9110 §9, PATCH (RFC 5789), and HTTP/2's preface (RFC 9113 §3.4). Any word can be a
/// method; these are none of a mail client's whatever follows them.
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

/// No method is longer: the longest at IANA has 17 bytes.
const MAX_METHOD: usize = 32;

impl Intruder {
    /// Looks at what a client has sent where a command begins. `None` means: no sign of an intruder so
    /// far.
    ///
    /// An HTTP request is known by a target that begins as no argument of an IMAP or SMTP command does,
    /// or by the version that ends its line, so that it is refused before its headers or its body are
    /// read as commands; and if its line was none, by the header that every request has.
    pub fn recognise(first: &[u8]) -> Option<Self> {
        // A TLS record: handshake (22), version 3.x (RFC 8446 §5.1).
        if first.len() >= 2 && first[0] == 0x16 && first[1] == 0x03 {
            return Some(Self::Tls);
        }
        let is_http = is_host(first) || is_request(first);
        is_http.then_some(Self::Http)
    }
}

/// RFC 9110 §7.2. A tag or a verb with a colon at its end is nobody's.
fn is_host(first: &[u8]) -> bool {
    const HOST: &[u8] = b"Host:";
    first.get(..HOST.len()).is_some_and(|name| name.eq_ignore_ascii_case(HOST))
}

/// RFC 9112 §3: `method SP target SP HTTP-version`.
fn is_request(first: &[u8]) -> bool {
    let within = &first[..first.len().min(MAX_METHOD + 1)];
    let Some(space) = memchr::memchr(b' ', within) else { return false };
    let (method, target) = (&first[..space], &first[space + 1..]);
    if method.is_empty() || !method.iter().all(u8::is_ascii_graphic) {
        return false;
    }
    let start = |length: usize| &target[..target.len().min(length)];
    if target.starts_with(b"/") || start(7).eq_ignore_ascii_case(b"http://") {
        return true;
    }
    let is_known = HTTP_METHODS.iter().any(|known| first.starts_with(known));
    if is_known && (target.starts_with(b"*") || start(4).eq_ignore_ascii_case(b"http")) {
        return true;
    }
    // CONNECT names a host and a port, so its line is known by its end.
    let first = &first[..first.len().min(MAX_REQUEST_LINE)];
    let Some(line_end) = memchr::memchr(b'\n', first) else {
        return is_known && names_http(first);
    };
    let line = first[..line_end].trim_ascii_end();
    (is_known && names_http(line)) || ends_in_version(line)
}

fn names_http(line: &[u8]) -> bool {
    memchr::memmem::find(line, b" HTTP/").is_some()
}

/// True of three words, the last of which is a version of HTTP.
fn ends_in_version(line: &[u8]) -> bool {
    let words: Vec<_> = line.split(|byte| *byte == b' ').collect();
    matches!(words[..], [_, _, version] if version.starts_with(b"HTTP/"))
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
            "OPTIONS *",
            "GET https:",
            "CONNECT localhost:10143 HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n",
            "GET http://127.0.0.1:10143/ HTTP/1.1\r\n",
            "NOBODY-KNOWS-IT /x",
            "A-METHOD-OF-THIRTY-TWO-CHARACTER /x",
            "CONNECT localhost:10143 HTTP/1.1",
            "SEARCH * HTTP/1.1\r\n",
            "a1 LOGIN HTTP/1.1\r\n",
            "host: 127.0.0.1:10143\r\n",
        ] {
            assert_eq!(Intruder::recognise(line.as_bytes()), Some(Intruder::Http), "{line}");
        }
    }

    // IANA's registry of HTTP methods: RFC 9110, WebDAV and its kin (RFC 3253, 3648, 3744, 4437, 4791,
    // 4918, 5323, 5842, 5789, 2068), and the safe QUERY.
    const REGISTERED: &str = "ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD \
        LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS \
        ORDERPATCH PATCH POST PRI PROPFIND PROPPATCH PUT QUERY REBIND REPORT SEARCH TRACE UNBIND \
        UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL";

    #[test]
    fn recognises_every_method_wherever_it_is_cut() {
        for method in REGISTERED.split_ascii_whitespace() {
            for target in ["/", "*", "localhost:10143", "HTTP://127.0.0.1/", "/a%0d%0ab"] {
                let line = format!("{method} {target} HTTP/1.1\r\n");
                let whole = Intruder::recognise(line.as_bytes());
                assert_eq!(whole, Some(Intruder::Http), "{line}");
                // Once it is known it stays so, and no line was whole before.
                let cuts = (0..line.len()).map(|cut| Intruder::recognise(&line.as_bytes()[..cut]));
                let known: Vec<_> = cuts.skip_while(Option::is_none).collect();
                assert!(known.iter().all(Option::is_some), "{line}");
            }
        }
    }

    #[test]
    fn leaves_mail_clients_alone() {
        for line in [
            "a1 LOGIN u p\r\n",
            " /x HTTP/1.1 y\r\n",
            "A-WORD-OF-MORE-THAN-32-CHARACTERS /x",
            "EHLO host\r\n",
            "GET LOGIN u p\r\n",
            "",
            "\x16",
            "PUT1 NOOP\r\n",
            "a1 LOGIN you@gmail.com \"x HTTP/1.1\"\r\n",
            "a1 LOGIN HTTP/1.1 secret\r\n",
            "HOST NOOP\r\n",
            "EHLO [IPv6:::1]\r\n",
            "1 ID (\"name\" \"/x\")\r\n",
            "AUTH PLAIN /AAA=\r\n",
        ] {
            assert_eq!(Intruder::recognise(line.as_bytes()), None, "{line}");
        }
    }
}
