//! Bounded reading and writing, whatever lies beneath: TCP or TLS.

use std::{io, time::Duration};

use memchr::memmem;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::server::TlsStream;

/// Room for one read.
const CHUNK: usize = 16 * 1024;

/// How long a peer may take to end its side of the connection. On loopback that is long.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// A byte stream whose TCP connection can be reset.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Lines and counted bytes from a stream. Every method that reads can be cancelled without loss:
/// what has come stays in the buffer until it is complete.
pub(super) struct Wire<S> {
    stream: S,
    buffer: Vec<u8>,
    /// Where the bytes begin that nobody has taken yet.
    start: usize,
}

impl<S: Stream> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// The next line without its CRLF, which alone ends a line. `None` at the end of the stream.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if the line is longer than `limit` bytes.
    pub(super) async fn line(&mut self, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            let waiting = &self.buffer[self.start..];
            if let Some(at) = memmem::find(&waiting[searched..], b"\r\n") {
                let length = searched + at;
                if length > limit {
                    return Err(too_long());
                }
                let line = waiting[..length].to_vec();
                self.consume(length + 2);
                return Ok(Some(line));
            }
            if waiting.len() > limit + 1 {
                return Err(too_long());
            }
            // A CR at the very end may be the first half of the CRLF.
            searched = waiting.len().saturating_sub(1);
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next `count` bytes. The caller has seen to it that `count` is bounded.
    pub(super) async fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() - self.start < count {
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let bytes = self.buffer[self.start..self.start + count].to_vec();
        self.consume(count);
        Ok(bytes)
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// True if the peer has sent more than what has been taken.
    pub(super) fn has_more(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// Ends our side, then waits a moment for the peer to end its own: closing a socket with bytes
    /// unread would reset the connection, and the peer could lose our last words.
    pub(super) async fn close(&mut self) {
        // The peer may be gone already.
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let drain = async {
            let mut waste = [0; 1024];
            while self
                .stream
                .read(&mut waste)
                .await
                .is_ok_and(|count| count > 0)
            {}
        };
        let _ = timeout(CLOSE_PATIENCE, drain).await;
    }

    /// The connection ends with an RST as soon as this is dropped.
    pub(super) fn reset(self) {
        // The peer may have gone first; then there is nothing left to reset.
        let _ = self.stream.tcp().set_zero_linger();
    }

    /// The stream, for TLS to begin on it. Bytes in the buffer are lost, on purpose.
    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(CHUNK);
        self.stream.read_buf(&mut self.buffer).await
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the line is too long")
}
