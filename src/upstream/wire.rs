//! Lines to and from a server while the proxy itself speaks with it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::error::UpstreamError;
use crate::config::Host;
use crate::protocol::wire_log::{self, Secrets};
use crate::secret::AccessToken;
use crate::sentence;

/// No line of a sign-on is longer: Gmail's capability list has some 400 bytes.
const MAX_LINE: usize = 16 * 1024;
/// Lines of one answer: a server that talks without end isn't waited for.
const MAX_LINES: usize = 200;
/// How long one whole answer may take, however it trickles in. Dovecot takes half a second to refuse a
/// token; Google is quicker.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

/// A stream, read by lines, with what was read past them.
pub(super) struct Wire<'h, S> {
    stream: S,
    host: &'h Host,
    protocol: &'static str,
    buffer: Vec<u8>,
    lines: usize,
    /// By when the answer that is under way must have come.
    until: Instant,
    secrets: Secrets,
}

impl<'h, S: AsyncRead + AsyncWrite + Unpin> Wire<'h, S> {
    pub(super) fn new(stream: S, host: &'h Host, protocol: &'static str) -> Self {
        let until = Instant::now() + ANSWER_TIMEOUT;
        let (buffer, secrets) = (Vec::new(), Secrets::default());
        Self { stream, host, protocol, buffer, lines: 0, until, secrets }
    }

    /// Sends one command; `line` has its CRLF.
    pub(super) async fn send(&mut self, line: &[u8]) -> Result<(), UpstreamError> {
        tracing::trace!(target: wire_log::TARGET, side = "->", "{}", wire_log::own_line(line));
        self.write(line).await
    }

    /// As [`send`](Self::send), for a line with a token in it. The wire log has `shown` in its place,
    /// and should the server repeat the token, or the SASL message that has it, nobody sees it: it is
    /// taken out of what [`line`](Self::line) gives.
    pub(super) async fn send_token(
        &mut self,
        line: &[u8],
        shown: &str,
        token: &AccessToken,
    ) -> Result<(), UpstreamError> {
        tracing::trace!(target: wire_log::TARGET, side = "->", "{shown}");
        self.secrets.add(token.expose().as_bytes());
        let message = line.trim_ascii().split(|byte| *byte == b' ').next_back();
        self.secrets.add(message.unwrap_or_default());
        self.write(line).await
    }

    async fn write(&mut self, line: &[u8]) -> Result<(), UpstreamError> {
        self.lines = 0;
        self.until = Instant::now() + ANSWER_TIMEOUT;
        let sent = timeout_at(self.until, async {
            self.stream.write_all(line).await?;
            self.stream.flush().await
        });
        sent.await.unwrap_or_else(|_| Err(too_slow())).map_err(|error| self.network(&error))
    }

    /// The next line, its end included.
    pub(super) async fn line(&mut self) -> Result<Vec<u8>, UpstreamError> {
        self.lines += 1;
        if self.lines > MAX_LINES {
            return Err(self.not_the_protocol());
        }
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer[searched..]) {
                let line: Vec<u8> = self.buffer.drain(..=searched + end).collect();
                let line = self.secrets.left_out_of(&line);
                tracing::trace!(
                    target: wire_log::TARGET, side = "<-", "{}", wire_log::own_line(&line)
                );
                return Ok(line);
            }
            searched = self.buffer.len();
            if searched > MAX_LINE {
                return Err(self.not_the_protocol());
            }
            let read = timeout_at(self.until, self.stream.read_buf(&mut self.buffer)).await;
            match read.unwrap_or_else(|_| Err(too_slow())) {
                Ok(0) => return Err(self.closed("")),
                Ok(_) => {}
                Err(error) => return Err(self.network(&error)),
            }
        }
    }

    /// True if the server has sent more than was asked for.
    pub(super) fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The lines that the server has sent beyond what was asked for; the last may not be whole.
    pub(super) fn ahead(&self) -> impl Iterator<Item = &[u8]> {
        self.buffer.split_inclusive(|byte| *byte == b'\n')
    }

    /// The stream, and what was read past the last line.
    pub(super) fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.buffer)
    }

    pub(super) fn host(&self) -> &'h Host {
        self.host
    }

    pub(super) fn not_the_protocol(&self) -> UpstreamError {
        UpstreamError::NotTheProtocol { host: self.host.to_string(), protocol: self.protocol }
    }

    pub(super) fn closed(&self, words: &str) -> UpstreamError {
        let words = sentence::shown(words);
        let words = if words.is_empty() { "without a word".into() } else { words };
        UpstreamError::Closed { host: self.host.to_string(), words }
    }

    fn network(&self, error: &io::Error) -> UpstreamError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.closed(""),
            _ => UpstreamError::unreachable(self.host, error),
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}
