//! A mail client's connection, plain or under TLS, read along where the wire log is on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::trouble::Protocol;
use crate::protocol::wire_log::{self, Side, WireLog};

/// What a session reads from and writes to.
pub(super) struct ClientStream {
    channel: Channel,
    log: Option<Box<WireLog>>,
}

enum Channel {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// TLS could not begin.
    Gone,
}

impl ClientStream {
    /// Must be made within the session's span: by it the log tells the sessions apart.
    pub(super) fn new(stream: TcpStream, protocol: Protocol) -> Self {
        let wanted = tracing::enabled!(target: wire_log::TARGET, tracing::Level::TRACE);
        let log = wanted.then(|| match protocol {
            Protocol::Imap => Box::new(WireLog::imap()),
            Protocol::Smtp => Box::new(WireLog::smtp()),
        });
        Self { channel: Channel::Plain(stream), log }
    }

    /// True if others can't listen.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self.channel, Channel::Tls(_))
    }

    /// True if the client begins with a TLS handshake; waits until it has sent anything. False once it
    /// closes.
    pub(super) async fn begins_with_tls(&self) -> io::Result<bool> {
        /// RFC 8446 §5.1: a record of the type handshake.
        const HANDSHAKE: u8 = 22;
        let Channel::Plain(stream) = &self.channel else { return Ok(true) };
        let mut first = [0];
        Ok(stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE)
    }

    /// Begins TLS. If it fails, nothing more can be read or written.
    pub(super) async fn begin_tls(&mut self, acceptor: TlsAcceptor) -> io::Result<()> {
        match std::mem::replace(&mut self.channel, Channel::Gone) {
            Channel::Plain(stream) => {
                self.channel = Channel::Tls(Box::new(acceptor.accept(stream).await?));
                Ok(())
            }
            channel => {
                self.channel = channel;
                Err(io::ErrorKind::InvalidInput.into())
            }
        }
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
        ready!(match &mut this.channel {
            Channel::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Channel::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Channel::Gone => return Poll::Ready(Err(gone())),
        })?;
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
        let written = ready!(match &mut this.channel {
            Channel::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Channel::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Channel::Gone => return Poll::Ready(Err(gone())),
        })?;
        this.said(Side::Server, &bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().channel {
            Channel::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Channel::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Channel::Gone => Poll::Ready(Err(gone())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().channel {
            Channel::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Channel::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Channel::Gone => Poll::Ready(Err(gone())),
        }
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}
