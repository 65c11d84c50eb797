//! A mail client's connection, read along where the wire log is on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::trouble::Protocol;
use crate::protocol::wire_log::{self, Side, WireLog};

/// What a session reads from and writes to.
pub(super) struct ClientStream {
    stream: TcpStream,
    log: Option<Box<WireLog>>,
}

impl ClientStream {
    /// Must be made within the session's span: by it the log tells the sessions apart.
    pub(super) fn new(stream: TcpStream, protocol: Protocol) -> Self {
        let wanted = tracing::enabled!(target: wire_log::TARGET, tracing::Level::TRACE);
        let log = wanted.then(|| match protocol {
            Protocol::Imap => Box::new(WireLog::imap()),
            Protocol::Smtp => Box::new(WireLog::smtp()),
        });
        Self { stream, log }
    }

    fn said(&mut self, side: Side, bytes: &[u8]) {
        if let Some(log) = &mut self.log {
            log.said(side, bytes, &mut |side, line| {
                let side = match side {
                    Side::Client => "C:",
                    Side::Server => "S:",
                };
                tracing::trace!(target: wire_log::TARGET, side, "{line}");
            });
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        this.said(Side::Client, &buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.said(Side::Server, &bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
