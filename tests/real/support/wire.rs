//! A mail client made of a bare socket: it says what a test tells it to say, byte for byte, and
//! keeps the dialogue for the failure's message.

use std::{
    fmt::Write as _,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// How long an answer may take. Longer than any wait that Gatepost's contract allows (a minute for
/// the answer to a LOGIN), so that what fails is the contract and not the test's patience.
const PATIENCE: Duration = Duration::from_secs(75);

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
    dialogue: String,
    patience: Duration,
}

impl Wire {
    /// Connects, and nothing more.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("Gatepost listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream, received: Vec::new(), dialogue: String::new(), patience: PATIENCE }
    }

    /// From now on an answer may take so long.
    pub(crate) fn waits(&mut self, patience: Duration) {
        self.patience = patience;
        self.stream.set_read_timeout(Some(patience)).expect("not zero");
    }

    /// Connects to an IMAP server and reads its greeting.
    pub(crate) fn imap(address: SocketAddr) -> Self {
        let mut wire = Self::connect(address);
        wire.expect("* OK");
        wire
    }

    /// Connects to an SMTP server, reads its greeting and says EHLO.
    pub(crate) fn smtp(address: SocketAddr) -> Self {
        let mut wire = Self::connect(address);
        wire.expect("220 ");
        wire.send("EHLO client.test\r\n");
        wire.expect_smtp("250");
        wire
    }

    /// Sends these bytes at once.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.note("C", bytes.as_ref());
        self.write(bytes.as_ref());
    }

    /// Sends these bytes one at a time, each in a packet of its own.
    pub(crate) fn send_slowly(&mut self, bytes: impl AsRef<[u8]>) {
        self.note("C, byte by byte", bytes.as_ref());
        for byte in bytes.as_ref().chunks(1) {
            self.write(byte);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends as much of this as the other side takes before it ends the connection.
    pub(crate) fn send_while_open(&mut self, bytes: &[u8]) {
        self.note("C, while it lasts", &bytes[..bytes.len().min(100)]);
        drop(self.stream.write_all(bytes));
    }

    /// Says that nothing more will be sent; answers can still be read.
    pub(crate) fn end_of_sending(&mut self) {
        self.note("C", b"(shuts its writing side)");
        self.stream.shutdown(Shutdown::Write).expect("an open socket");
    }

    /// The next line, without its CRLF.
    pub(crate) fn line(&mut self) -> String {
        match self.next_line() {
            Some(line) => line,
            None => self.fail("the connection ended where a line was due"),
        }
    }

    /// The next line if it is here within this time.
    pub(crate) fn line_within(&mut self, time: Duration) -> Option<String> {
        let mut byte = [0];
        if self.received.is_empty() {
            self.stream.set_read_timeout(Some(time)).expect("not zero");
            let peeked = self.stream.peek(&mut byte);
            self.stream.set_read_timeout(Some(self.patience)).expect("not zero");
            if let Err(error) = peeked
                && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
            {
                return None;
            }
        }
        Some(self.line())
    }

    /// The next line, which must begin so.
    pub(crate) fn expect(&mut self, start: &str) -> String {
        let line = self.line();
        if !line.starts_with(start) {
            self.fail(&format!("expected {start:?}"));
        }
        line
    }

    /// Everything up to the tagged reply to an IMAP command, that one last. Literals are in the line
    /// that announces them.
    pub(crate) fn reply(&mut self, tag: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = self.line();
            while let Some(size) = literal(&line) {
                let bytes = self.bytes(size);
                line.push_str("\r\n");
                line.push_str(&String::from_utf8_lossy(&bytes));
                line.push_str(&self.line());
            }
            let last = line.starts_with(&format!("{tag} "));
            lines.push(line);
            if last {
                return lines;
            }
        }
    }

    /// As [`reply`](Self::reply), for a command that must succeed.
    pub(crate) fn expect_ok(&mut self, tag: &str) -> Vec<String> {
        let lines = self.reply(tag);
        if !lines.last().is_some_and(|line| line.starts_with(&format!("{tag} OK"))) {
            self.fail(&format!("expected {tag} OK"));
        }
        lines
    }

    /// Sends an IMAP command and reads up to its OK.
    pub(crate) fn command(&mut self, tag: &str, command: &str) -> Vec<String> {
        self.send(format!("{tag} {command}\r\n"));
        self.expect_ok(tag)
    }

    /// The bytes of a message of the selected mailbox, if it has one with this UID.
    pub(crate) fn fetch(&mut self, uid: &str) -> Option<Vec<u8>> {
        self.send(format!("f UID FETCH {uid} BODY.PEEK[]\r\n"));
        let mut message = None;
        loop {
            let line = self.line();
            if line.starts_with("f ") {
                return message;
            }
            if let Some(size) = literal(&line) {
                message = Some(self.bytes(size));
                self.expect(")");
            }
        }
    }

    /// The answers to commands of which some may be a FETCH of `BODY.PEEK[]` or a part of it, up to the
    /// OK of each: the lines, and the messages by their UIDs.
    pub(crate) fn answers(&mut self, tags: &[String]) -> (Vec<String>, Vec<(u32, Vec<u8>)>) {
        let (mut lines, mut messages, mut left) = (Vec::new(), Vec::new(), tags.len());
        while left > 0 {
            let line = self.line();
            if let Some(size) = literal(&line) {
                let uid = line.split_once("UID ").and_then(|(_, rest)| rest.split(' ').next());
                let Some(Ok(uid)) = uid.map(str::parse) else { self.fail("expected a UID") };
                messages.push((uid, self.bytes(size)));
                self.expect(")");
                continue;
            }
            if tags.iter().any(|tag| line.starts_with(&format!("{tag} OK"))) {
                left -= 1;
            } else if !line.starts_with("* ") {
                self.fail(&format!("expected an OK of {tags:?}"));
            }
            lines.push(line);
        }
        (lines, messages)
    }

    /// The whole of an SMTP reply, which must have this code.
    pub(crate) fn expect_smtp(&mut self, code: &str) -> String {
        let mut whole = String::new();
        loop {
            let line = self.expect(code);
            let last = line.as_bytes().get(3) != Some(&b'-');
            whole.push_str(&line);
            whole.push('\n');
            if last {
                return whole;
            }
        }
    }

    /// Sends a mail to oneself, as a client does.
    pub(crate) fn send_mail(&mut self, address: &str, mail: &[u8]) {
        for (command, code) in [
            (format!("MAIL FROM: <{address}> BODY=8BITMIME"), "250"),
            (format!("RCPT TO: <{address}>"), "250"),
            ("DATA".to_owned(), "354"),
        ] {
            self.send(format!("{command}\r\n"));
            self.expect_smtp(code);
        }
        self.send(stuffed(mail));
        self.expect_smtp("250");
    }

    /// The next bytes, so many.
    pub(crate) fn bytes(&mut self, size: usize) -> Vec<u8> {
        while self.received.len() < size {
            if !self.receive() {
                self.fail("the connection ended amid a literal");
            }
        }
        let bytes: Vec<u8> = self.received.drain(..size).collect();
        self.note("S", &bytes[..size.min(200)]);
        bytes
    }

    /// The connection must end now, with no further word.
    pub(crate) fn expect_end(&mut self) {
        if let Some(line) = self.next_line() {
            self.fail(&format!("expected the end of the connection, not {line:?}"));
        }
    }

    /// What comes until the connection ends, line by line.
    pub(crate) fn lines_to_end(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next_line()).collect()
    }

    /// What comes until a line begins so, that one last, or until the connection ends.
    pub(crate) fn lines_to_end_or(&mut self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.next_line() {
            let last = line.starts_with(start);
            lines.push(line);
            if last {
                break;
            }
        }
        lines
    }

    /// All that comes until it is enough, or until the connection ends.
    pub(crate) fn bytes_until(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        while !is_enough(&self.received) && self.receive() {}
        let bytes = std::mem::take(&mut self.received);
        self.note("S", &bytes[..bytes.len().min(200)]);
        bytes
    }

    /// Nothing must come for so long.
    pub(crate) fn expect_silence(&mut self, time: Duration) {
        self.stream.set_read_timeout(Some(time)).expect("not zero");
        let start = Instant::now();
        let mut byte = [0];
        let silent = self.received.is_empty()
            && match self.stream.peek(&mut byte) {
                Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                Ok(_) => false,
            };
        self.stream.set_read_timeout(Some(self.patience)).expect("not zero");
        if !silent {
            self.fail(&format!("expected silence, which ended after {:?}", start.elapsed()));
        }
    }

    /// The dialogue so far, for a message of the test's own; of a long one the end.
    pub(crate) fn dialogue(&self) -> String {
        let lines: Vec<_> = self.dialogue.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            self.fail(&format!("could not send: {error}"));
        }
    }

    fn next_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..end + 2).collect();
                self.note("S", &line[..end]);
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.receive() {
                if !self.received.is_empty() {
                    self.fail("the connection ended amid a line");
                }
                self.note("S", b"(ends the connection)");
                return None;
            }
        }
    }

    /// More bytes; false at the end of the connection.
    fn receive(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(size) => {
                self.received.extend_from_slice(&chunk[..size]);
                true
            }
            // A read with a time limit isn't taken up again after a signal, as others are.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.receive(),
            // A reset is an end too: Gatepost closes while we may still be sending.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => self.fail(&format!("no answer within {:?}: {error}", self.patience)),
        }
    }

    fn note(&mut self, who: &str, bytes: &[u8]) {
        let text = bytes.escape_ascii();
        writeln!(self.dialogue, "  {who}: {text}").expect("a String");
    }

    fn fail(&self, what: &str) -> ! {
        let rest = self.received.escape_ascii();
        panic!("{what}\nThe dialogue was:\n{}\n  (unread: {rest})", self.dialogue())
    }
}

/// A mail as it follows DATA, its end included: a line that begins with a dot gets one more (RFC 5321
/// §4.5.2).
pub(crate) fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(mail.len());
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend(line);
    }
    stuffed.extend(b".\r\n");
    stuffed
}

/// The size of the literal that this line ends with (RFC 3501 §4.3).
fn literal(line: &str) -> Option<usize> {
    line.strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}
