//! SMTP submission (RFC 5321, RFC 4954), read along.

use super::Side;
use super::line::{Line, Secrets, words};
use crate::protocol::sasl::{Exchange, Mechanism};
use crate::protocol::smtp::DataSink;
use crate::protocol::smtp::command::{self, Command};

/// Both directions.
#[derive(Default)]
pub(super) struct Reader {
    client: FromClient,
    server: Line,
}

#[derive(Default)]
struct FromClient {
    line: Line,
    mode: Mode,
    /// Commands whose reply hasn't come (RFC 2920 lets a client send several).
    unanswered: u64,
    /// A chunk has no size that can be read. It reads as commands, so only lengths are shown.
    lost: bool,
}

#[derive(Default)]
enum Mode {
    #[default]
    Commands,
    /// An AUTH: what comes are responses, until a reply that is no challenge.
    Sasl(Option<Exchange>),
    /// A message, from DATA on. While `before` replies to earlier commands, and then its own, are
    /// awaited, it may still be refused.
    Message { sink: DataSink, pending: Vec<u8>, size: u64, before: Option<u64> },
    /// In the bytes of a BDAT.
    Chunk { left: u64, size: u64 },
}

impl Reader {
    pub(super) fn said(
        &mut self,
        side: Side,
        mut bytes: &[u8],
        secrets: &mut Secrets,
        show: &mut dyn FnMut(Side, &str),
    ) {
        if side == Side::Client {
            return self.client.said(bytes, secrets, &mut |line| show(Side::Client, line));
        }
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
            self.server.push(&bytes[..end]);
            if bytes[end - 1] == b'\n' {
                let text = self.server.text();
                if text.get(3) != Some(&b'-') {
                    self.client.answered(text.get(..3).unwrap_or_default());
                }
                show(Side::Server, &words(&secrets.left_out_of(text)));
                self.server.clear();
            }
            bytes = &bytes[end..];
        }
    }
}

impl FromClient {
    fn said(&mut self, mut bytes: &[u8], secrets: &mut Secrets, show: &mut dyn FnMut(&str)) {
        while !bytes.is_empty() {
            match &mut self.mode {
                Mode::Message { sink, pending, size, .. } => {
                    let taken;
                    let ended;
                    if pending.is_empty() {
                        (taken, ended) = sink.swallow(bytes);
                        bytes = &bytes[taken..];
                        if !ended {
                            pending.extend_from_slice(std::mem::take(&mut bytes));
                        }
                    } else {
                        // A few bytes that can't be told yet: one more at a time tells.
                        pending.push(bytes[0]);
                        bytes = &bytes[1..];
                        (taken, ended) = sink.swallow(pending);
                        pending.drain(..taken);
                    }
                    *size += taken as u64;
                    if ended {
                        show(&format!("<message of {size} bytes>"));
                        self.mode = Mode::Commands;
                        self.unanswered += 1;
                    }
                }
                Mode::Chunk { left, size } => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= take as u64;
                    bytes = &bytes[take..];
                    if *left == 0 {
                        show(&format!("<chunk of {size} bytes>"));
                        self.mode = Mode::Commands;
                    }
                }
                Mode::Commands | Mode::Sasl(_) => {
                    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
                    self.line.push(&bytes[..end]);
                    let ended = bytes[end - 1] == b'\n';
                    bytes = &bytes[end..];
                    if ended {
                        let line = std::mem::take(&mut self.line);
                        let was_lost = self.lost;
                        let shown = self.shown(&line, secrets);
                        let shown = if was_lost { hidden(&line) } else { shown };
                        show(&words(&secrets.left_out_of(&shown)));
                    }
                }
            }
        }
    }

    fn shown(&mut self, line: &Line, secrets: &mut Secrets) -> Vec<u8> {
        let text = line.text();
        if let Mode::Sasl(exchange) = &mut self.mode {
            secrets.add_response(exchange, text);
            return b"<SASL response>".to_vec();
        }
        let shown = match command::parse(text) {
            Command::Auth(mechanism, initial) => {
                let known = Mechanism::parse(mechanism);
                let mut exchange = known.map(Exchange::new);
                let mut shown = b"AUTH ".to_vec();
                shown.extend_from_slice(if known.is_some() {
                    mechanism
                } else {
                    b"<another mechanism>"
                });
                if let Some(response) = initial {
                    secrets.add_response(&mut exchange, response);
                    shown.extend_from_slice(b" <initial response>");
                }
                self.mode = Mode::Sasl(exchange);
                shown
            }
            Command::Data => {
                let before = Some(self.unanswered);
                self.mode = Mode::Message {
                    sink: DataSink::default(),
                    pending: Vec::new(),
                    size: 0,
                    before,
                };
                b"DATA".to_vec()
            }
            // Of a line that is cut, the size may be cut as well.
            Command::Bdat(Some(size)) if !line.is_cut() => {
                if size > 0 {
                    self.mode = Mode::Chunk { left: size, size };
                }
                text.to_vec()
            }
            Command::Bdat(_) => {
                self.lost = true;
                b"BDAT <a size that can't be read; only lengths follow>".to_vec()
            }
            // Lines of a mail may begin with the same words, where a client went on behind a
            // refused DATA.
            Command::Mail if has_path(text, b"FROM:") => text.to_vec(),
            Command::Rcpt if has_path(text, b"TO:") => text.to_vec(),
            Command::Ehlo(name) | Command::Helo(name) if command::is_valid_name(name) => {
                text.to_vec()
            }
            Command::StartTls => b"STARTTLS".to_vec(),
            Command::Rset => b"RSET".to_vec(),
            Command::Noop => b"NOOP".to_vec(),
            Command::Help => b"HELP".to_vec(),
            Command::Quit => b"QUIT".to_vec(),
            Command::Mail
            | Command::Rcpt
            | Command::Ehlo(_)
            | Command::Helo(_)
            | Command::Unknown => hidden(line),
        };
        self.unanswered += 1;
        if line.is_cut() { hidden(line) } else { shown }
    }

    /// A whole reply with this code came.
    fn answered(&mut self, code: &[u8]) {
        if let Mode::Sasl(_) = self.mode {
            if code == b"334" {
                return;
            }
            self.mode = Mode::Commands;
        }
        self.unanswered = self.unanswered.saturating_sub(1);
        if let Mode::Message { before, .. } = &mut self.mode {
            match before {
                Some(0) if code == b"354" => *before = None,
                Some(0) => self.mode = Mode::Commands,
                Some(before) => *before -= 1,
                // Refused in its middle: what is still to come is mail until it ends.
                None => {}
            }
        }
    }
}

/// A line's length alone.
fn hidden(line: &Line) -> Vec<u8> {
    format!("<{} bytes>", line.length()).into_bytes()
}

/// True for `MAIL FROM:` and `RCPT TO:`.
fn has_path(text: &[u8], keyword: &[u8]) -> bool {
    let behind_verb = text.trim_ascii_start().get(4..).unwrap_or_default().trim_ascii_start();
    let before = behind_verb.get(..keyword.len());
    before.is_some_and(|before| before.eq_ignore_ascii_case(keyword))
}
