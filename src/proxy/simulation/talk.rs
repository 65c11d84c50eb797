//! Lines and blocks from a stream, for those that play a server or a client.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A stream, with what was read and not taken.
pub(super) struct Talk<S> {
    pub(super) stream: S,
    pub(super) buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next line without its CRLF; `None` once the other side has left.
    pub(super) async fn line(&mut self) -> Option<String> {
        let line = self.raw_line().await?;
        Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The next line with its LF.
    pub(super) async fn raw_line(&mut self) -> Option<Vec<u8>> {
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer[searched..]) {
                return Some(self.buffer.drain(..=searched + end).collect());
            }
            searched = self.buffer.len();
            self.more().await?;
        }
    }

    pub(super) async fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Some(self.buffer.drain(..length).collect())
    }

    /// The next line without its CRLF, read byte by byte: nothing behind it is taken from the stream.
    pub(super) async fn exact_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            match self.stream.read_u8().await.ok()? {
                b'\n' => return Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
                byte => line.push(byte),
            }
        }
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer).await;
        read.is_ok_and(|length| length > 0).then_some(())
    }

    /// `None` once nobody hears it.
    pub(super) async fn say(&mut self, what: impl AsRef<[u8]>) -> Option<()> {
        self.stream.write_all(what.as_ref()).await.ok()?;
        self.stream.flush().await.ok()
    }

    /// Says nothing more, and waits for the other side to leave.
    pub(super) async fn close(&mut self) {
        let _ = self.stream.shutdown().await;
        while self.more().await.is_some() {
            self.buffer.clear();
        }
    }
}
