//! A mail client that does as little as one can: blocking sockets, one buffer, nothing kept.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Nothing takes longer than this.
const PATIENCE: Duration = Duration::from_secs(120);
const BUFFER: usize = 256 * 1024;

/// How a target is reached, and how one signs on there.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) imap: SocketAddr,
    pub(crate) smtp: SocketAddr,
    /// TLS, where nothing stands between.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) sign_on: SignOn,
}

#[derive(Clone)]
pub(crate) enum SignOn {
    Password {
        user: String,
        password: String,
    },
    /// For whatever passes the sign-on through.
    Token {
        user: String,
        token: String,
    },
}

pub(crate) struct Client {
    stream: Stream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    received: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Door {
    /// An IMAP client that has signed on.
    pub(crate) fn imap(&self) -> io::Result<Client> {
        let mut client = self.connect(self.imap)?;
        client.line_that_starts("* OK")?;
        match &self.sign_on {
            SignOn::Password { user, password } => {
                client.ask(&format!("LOGIN \"{user}\" \"{password}\""))?;
            }
            SignOn::Token { .. } => {
                client.ask(&format!("AUTHENTICATE XOAUTH2 {}", self.sasl()))?;
            }
        }
        Ok(client)
    }

    /// An SMTP client that has signed on.
    pub(crate) fn smtp(&self) -> io::Result<Client> {
        let mut client = self.connect(self.smtp)?;
        client.reply("220")?;
        client.send(b"EHLO bench\r\n")?;
        client.reply("250")?;
        let mechanism = match &self.sign_on {
            SignOn::Password { .. } => "PLAIN",
            SignOn::Token { .. } => "XOAUTH2",
        };
        client.send(format!("AUTH {mechanism} {}\r\n", self.sasl()).as_bytes())?;
        client.reply("235")?;
        Ok(client)
    }

    fn sasl(&self) -> String {
        STANDARD.encode(match &self.sign_on {
            SignOn::Password { user, password } => format!("\0{user}\0{password}"),
            SignOn::Token { user, token } => format!("user={user}\x01auth=Bearer {token}\x01\x01"),
        })
    }

    fn connect(&self, address: SocketAddr) -> io::Result<Client> {
        let tcp = TcpStream::connect(address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let stream = match &self.tls {
            None => Stream::Plain(tcp),
            Some(tls) => {
                let name = ServerName::from(address.ip());
                let tls = ClientConnection::new(tls.clone(), name).map_err(io::Error::other)?;
                Stream::Tls(Box::new(StreamOwned::new(tls, tcp)))
            }
        };
        Ok(Client { stream, buffer: Vec::new(), start: 0, end: 0, received: 0 })
    }
}

impl Client {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// An IMAP command, and its answer up to the tagged OK.
    pub(crate) fn ask(&mut self, command: &str) -> io::Result<()> {
        self.send(format!("a {command}\r\n").as_bytes())?;
        self.answered()
    }

    /// A command so many times, each when the one before is answered; the seconds that each took.
    pub(crate) fn time_each(&mut self, command: &str, count: usize) -> io::Result<Vec<f64>> {
        let once = |_| {
            let begin = Instant::now();
            self.ask(command).map(|()| begin.elapsed().as_secs_f64())
        };
        (0..count).map(once).collect()
    }

    /// Drops the answer up to and with the tagged OK.
    pub(crate) fn answered(&mut self) -> io::Result<()> {
        loop {
            let line = self.line()?;
            if line.starts_with(b"a ") {
                return expect(line.starts_with(b"a OK"), line);
            }
            if let Some(length) = literal(line) {
                self.skip(length)?;
            }
        }
    }

    /// Puts a message into a mailbox.
    pub(crate) fn append(&mut self, mailbox: &str, message: &[u8]) -> io::Result<()> {
        let size = message.len();
        self.send(format!("a APPEND {mailbox} (\\Seen) {{{size}}}\r\n").as_bytes())?;
        self.line_that_starts("+")?;
        self.send(message)?;
        self.send(b"\r\n")?;
        self.answered()
    }

    /// Sends a message by SMTP.
    pub(crate) fn mail(&mut self, message: &[u8]) -> io::Result<()> {
        for (command, code) in [
            ("MAIL FROM:<you@gmail.com>\r\n", "250"),
            ("RCPT TO:<you@gmail.com>\r\n", "250"),
            ("DATA\r\n", "354"),
        ] {
            self.send(command.as_bytes())?;
            self.reply(code)?;
        }
        self.send(message)?;
        self.send(b"\r\n.\r\n")?;
        self.reply("250")
    }

    /// An IMAP line that begins so.
    pub(crate) fn line_that_starts(&mut self, start: &str) -> io::Result<()> {
        let line = self.line()?;
        expect(line.starts_with(start.as_bytes()), line)
    }

    /// An SMTP reply, to its last line.
    pub(crate) fn reply(&mut self, code: &str) -> io::Result<()> {
        loop {
            let line = self.line()?;
            expect(line.starts_with(code.as_bytes()), line)?;
            if line.get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }

    /// Bytes that have come so far.
    pub(crate) fn received(&self) -> usize {
        self.received
    }

    /// Drops what has come, once something has; how many bytes that is.
    pub(crate) fn read_some(&mut self) -> io::Result<usize> {
        (self.start, self.end) = (0, 0);
        self.read()?;
        Ok(self.end)
    }

    /// Gives back what only a client that is at work needs.
    pub(crate) fn rest(&mut self) {
        if self.start == self.end {
            self.buffer = Vec::new();
            (self.start, self.end) = (0, 0);
        }
    }

    /// The next line, with its end.
    fn line(&mut self) -> io::Result<&[u8]> {
        let mut searched = 0;
        loop {
            let here = &self.buffer[self.start..self.end];
            if let Some(at) = memchr::memchr(b'\n', &here[searched..]) {
                let line = self.start..self.start + searched + at + 1;
                self.start = line.end;
                return Ok(&self.buffer[line]);
            }
            searched = here.len();
            self.read()?;
        }
    }

    fn skip(&mut self, mut count: usize) -> io::Result<()> {
        loop {
            let here = (self.end - self.start).min(count);
            self.start += here;
            count -= here;
            if count == 0 {
                return Ok(());
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER];
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = &mut self.buffer[self.end..];
        let length = match &mut self.stream {
            Stream::Plain(stream) => stream.read(room)?,
            Stream::Tls(stream) => stream.read(room)?,
        };
        self.end += length;
        self.received += length;
        if length == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

fn expect(so: bool, line: &[u8]) -> io::Result<()> {
    if so { Ok(()) } else { Err(io::Error::other(String::from_utf8_lossy(line).into_owned())) }
}

/// The length of the literal that a line announces at its end.
fn literal(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}\r\n")?;
    let open = memchr::memrchr(b'{', line)?;
    std::str::from_utf8(&line[open + 1..]).ok()?.parse().ok()
}
