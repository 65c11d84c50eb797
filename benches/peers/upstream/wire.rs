//! Lines and bytes over TLS.

use std::io;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

const BUFFER: usize = 256 * 1024;

pub(super) struct Wire {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
    start: usize,
}

impl Wire {
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self { stream, buffer: Vec::new(), start: 0 }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The next line, without its end.
    pub(super) async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(length) = memmem::find(self.unread(), b"\r\n") {
                let line = String::from_utf8_lossy(&self.unread()[..length]).into_owned();
                self.start += length + 2;
                return Ok(line);
            }
            self.read().await?;
        }
    }

    /// Waits until there is something to read; given up, nothing is lost.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        if self.unread().is_empty() { self.read().await } else { Ok(()) }
    }

    /// Drops so many bytes.
    pub(super) async fn skip(&mut self, mut count: usize) -> io::Result<()> {
        loop {
            let here = self.unread().len().min(count);
            self.start += here;
            count -= here;
            if count == 0 {
                return Ok(());
            }
            self.read().await?;
        }
    }

    /// Drops everything up to and with the line that is a dot.
    pub(super) async fn skip_message(&mut self) -> io::Result<()> {
        const END: &[u8] = b"\r\n.\r\n";
        loop {
            if let Some(at) = memmem::find(self.unread(), END) {
                self.start += at + END.len();
                return Ok(());
            }
            // The end may have begun in what is here.
            self.start += self.unread().len().saturating_sub(END.len() - 1);
            self.read().await?;
        }
    }

    fn unread(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    async fn read(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER {
            self.buffer = Vec::new();
        }
        self.buffer.reserve(16 * 1024);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
