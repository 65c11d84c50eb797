//! What speaks another protocol to the mail ports is refused where its first command would begin. Nothing
//! behind it is done, though it has the right password.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::io::AsyncWriteExt as _;

use crate::support::{Client, World, YOU};

/// IANA's registry: RFC 9110, WebDAV and its kin, and QUERY; and one that nobody has registered, which a
/// page may name once DNS says that its own address is this machine's.
const METHODS: &str = "ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK \
    LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PATCH POST \
    PRI PROPFIND PROPPATCH PUT QUERY REBIND REPORT SEARCH TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE \
    UPDATEREDIRECTREF VERSION-CONTROL LOGIN";

const PORTS: [Port; 2] = [Port::Imap, Port::Smtp];

#[derive(Debug, Clone, Copy)]
enum Port {
    Imap,
    Smtp,
}

impl Port {
    async fn connect(self, world: &World) -> Client {
        match self {
            Self::Imap => world.imap().await,
            Self::Smtp => world.smtp().await,
        }
    }

    /// What would be done for this person.
    fn commands(self, world: &World) -> String {
        let password = world.password.expose();
        match self {
            Self::Imap => format!("a LOGIN {YOU} \"{password}\"\r\nb DELETE INBOX\r\n"),
            Self::Smtp => format!(
                "EHLO x\r\nAUTH PLAIN {}\r\nMAIL FROM:<{YOU}>\r\n",
                STANDARD.encode(format!("\0{YOU}\0{password}"))
            ),
        }
    }

    /// The only words for who is no mail client.
    fn refusal(self) -> &'static str {
        match self {
            Self::Imap => "* BYE This port speaks IMAP without TLS\r\n",
            Self::Smtp => "421 4.7.0 This port speaks SMTP without TLS\r\n",
        }
    }
}

/// How what is sent comes.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// In one write.
    Nowhere,
    /// The first line byte by byte.
    FirstLine,
    /// In two writes, within the method.
    Method,
}

/// Sends it, and gives all that is answered.
async fn answers(world: &World, port: Port, sent: &[u8], cut: Cut) -> String {
    let mut client = port.connect(world).await;
    let first_line = memchr::memchr(b'\n', sent).map_or(sent.len(), |end| end + 1);
    let pieces: Vec<&[u8]> = match cut {
        Cut::Nowhere => vec![sent],
        Cut::Method => vec![&sent[..2], &sent[2..]],
        Cut::FirstLine => sent[..first_line].chunks(1).chain([&sent[first_line..]]).collect(),
    };
    for piece in pieces {
        // It may have been closed already.
        let _ = client.stream.write_all(piece).await;
        tokio::task::yield_now().await;
    }
    client.rest().await
}

/// Nobody asked Google for anything.
struct Untouched<'w> {
    world: &'w World,
    before: [usize; 3],
}

impl<'w> Untouched<'w> {
    fn so_far(world: &'w World) -> Self {
        Self { world, before: Self::counts(world) }
    }

    fn counts(world: &World) -> [usize; 3] {
        let google = &world.google;
        [
            google.imap().connections_so_far(),
            google.smtp().connections_so_far(),
            google.authorization().refreshes(),
        ]
    }

    fn still(self) {
        assert_eq!(Self::counts(self.world), self.before);
    }
}

#[tokio::test]
async fn every_http_method_is_refused_at_its_first_line() {
    let world = World::new().await;
    let untouched = Untouched::so_far(&world);
    for port in PORTS {
        for method in METHODS.split_ascii_whitespace() {
            let body = port.commands(&world);
            let request = format!(
                "{method} /mail HTTP/1.1\r\nHost: localhost:10143\r\nContent-Type: text/plain\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let heard = answers(&world, port, request.as_bytes(), Cut::Nowhere).await;
            assert_eq!(heard, port.refusal(), "{method} to {port:?}");
        }
    }
    untouched.still();
}

#[tokio::test]
async fn a_request_is_refused_however_it_comes() {
    let world = World::new().await;
    let untouched = Untouched::so_far(&world);
    for port in PORTS {
        let commands = port.commands(&world);
        let long = "x".repeat(6000);
        let requests = [
            // Commands in place of the headers, and at the end of the target.
            format!("POST / HTTP/1.1\r\n{commands}"),
            format!("POST /\r\n{commands}"),
            format!("GET /%0d%0a HTTP/1.0\n{commands}"),
            // To a proxy, as it seems.
            format!("GET http://localhost:10143/ HTTP/1.1\r\nHost: x\r\n\r\n{commands}"),
            format!("CONNECT localhost:10143 HTTP/1.1\r\nHost: x\r\n\r\n{commands}"),
            format!("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n{commands}"),
            // HTTP/2's preface (RFC 9113 §3.4).
            format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{commands}"),
            format!("PROPFIND /{long} HTTP/1.1\r\nHost: x\r\n\r\n{commands}"),
        ];
        for request in &requests {
            for cut in [Cut::Nowhere, Cut::Method, Cut::FirstLine] {
                let heard = answers(&world, port, request.as_bytes(), cut).await;
                let shown = &request[..request.len().min(60)];
                assert_eq!(heard, port.refusal(), "{shown:?}, {cut:?} to {port:?}");
            }
        }
    }
    untouched.still();
}

#[tokio::test]
async fn rubbish_before_a_request_lets_it_no_further() {
    let world = World::new().await;
    let untouched = Untouched::so_far(&world);
    for port in PORTS {
        let commands = port.commands(&world);
        let long = "x".repeat(6000);
        for before in [
            "\r\n".to_owned(),
            "\r\n\r\n\n".to_owned(),
            "\0\0\r\n".to_owned(),
            "\u{feff}\r\n".to_owned(),
            "x y z\r\n".to_owned(),
            // What is in the request's line, or before it, names no request; the next line does.
            " ".to_owned(),
            "\0".to_owned(),
            format!("XYZZY {long}"),
        ] {
            let request = format!("{before}POST / HTTP/1.1\r\nHost: localhost\r\n\r\n{commands}");
            for cut in [Cut::Nowhere, Cut::FirstLine] {
                let heard = answers(&world, port, request.as_bytes(), cut).await;
                let shown = &before[..before.len().min(20)];
                assert!(heard.ends_with(port.refusal()), "{shown:?} to {port:?}: {heard}");
                assert!(!heard.contains("OK") && !heard.contains("235"), "{shown:?}: {heard}");
            }
        }
    }
    untouched.still();
}

#[tokio::test]
async fn tls_behind_a_command_is_no_command() {
    let world = World::new().await;
    let untouched = Untouched::so_far(&world);
    for port in PORTS {
        // A TLS record, whose bytes may be anybody's commands (ALPACA): a session ticket, say.
        let commands = port.commands(&world);
        let mut hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n".to_vec();
        hello.extend_from_slice(commands.as_bytes());
        let heard = answers(&world, port, &hello, Cut::Nowhere).await;
        assert_eq!(heard, port.refusal(), "{port:?}");
        let (noop, done) = match port {
            Port::Imap => ("a NOOP\r\n", "a OK Completed\r\n"),
            Port::Smtp => ("NOOP\r\n", "250 2.0.0 OK\r\n"),
        };
        let behind = [noop.as_bytes(), &hello].concat();
        let heard = answers(&world, port, &behind, Cut::Nowhere).await;
        assert_eq!(heard, [done, port.refusal()].concat(), "{port:?}");
    }
    untouched.still();
}

/// What a client of another protocol says when it comes to the wrong port: it is told that these are no
/// commands, and after twenty the connection ends. What it takes for a password goes nowhere.
#[tokio::test]
async fn clients_of_other_protocols_get_nowhere() {
    let world = World::new().await;
    let untouched = Untouched::so_far(&world);
    let others: [(&str, &str); 6] = [
        ("FTP", "USER you\r\nPASS secret\r\nPASV\r\n"),
        ("Redis", "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1\r\ny\r\n"),
        ("memcached", "set x 0 0 1\r\ny\r\nget x\r\n"),
        (
            "SIP",
            "INVITE sip:you@localhost SIP/2.0\r\nVia: SIP/2.0/TCP x\r\nFrom: <sip:a@b>\r\n\r\n",
        ),
        ("SSH", "SSH-2.0-OpenSSH_9.9\r\n\0\0\x05\x1c\x06\x14\r\n"),
        ("IRC", "NICK you\r\nUSER you 0 * :you\r\nJOIN #x\r\n"),
    ];
    for (name, said) in others {
        for port in PORTS {
            let heard = answers(&world, port, said.repeat(21).as_bytes(), Cut::Nowhere).await;
            let is_refusal = |line: &str| match port {
                Port::Imap => line.contains(" BAD ") || line.starts_with("* BYE "),
                Port::Smtp => line.starts_with('5') || line.starts_with("421 "),
            };
            assert!(!heard.is_empty() && heard.lines().all(is_refusal), "{name}: {heard}");
        }
    }
    untouched.still();
}
