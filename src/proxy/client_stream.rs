//! A mail client's connection, plain or under TLS, read along where the wire log is on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::trouble::Protocol;
use crate::protocol::wire_log::{self, Side, WireLog};
use crate::tls::Channel;

/// What a session reads from and writes to.
pub(super) struct ClientStream {
    /// `None` once TLS could not begin.
    channel: Option<Channel>,
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
        Self { channel: Some(Channel::Plain(stream)), log }
    }

    /// A simulation's client.
    #[cfg(test)]
    pub(super) fn simulated(line: crate::tls::simulated::Line) -> Self {
        Self { channel: Some(Channel::Simulated(line)), log: None }
    }

    /// True if others can't listen.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self.channel, Some(Channel::Tls(_)))
    }

    /// True if the client begins with a TLS handshake; waits until it has sent anything. False once it
    /// closes.
    pub(super) async fn begins_with_tls(&self) -> io::Result<bool> {
        /// RFC 8446 §5.1: a record of the type handshake.
        const HANDSHAKE: u8 = 22;
        let Some(Channel::Plain(stream)) = &self.channel else { return Ok(true) };
        let mut first = [0];
        Ok(stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE)
    }

    /// Begins TLS. If it fails, nothing more can be read or written.
    pub(super) async fn begin_tls(&mut self, acceptor: TlsAcceptor) -> io::Result<()> {
        match self.channel.take() {
            Some(Channel::Plain(stream)) => {
                self.channel = Some(Channel::tls(acceptor.accept(stream).await?));
                Ok(())
            }
            channel => {
                self.channel = channel;
                Err(io::ErrorKind::InvalidInput.into())
            }
        }
    }

    fn channel(&mut self) -> io::Result<Pin<&mut Channel>> {
        self.channel.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
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
        ready!(this.channel()?.poll_read(cx, buffer))?;
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
        let written = ready!(this.channel()?.poll_write(cx, bytes))?;
        this.said(Side::Server, &bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().channel()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().channel()?.poll_shutdown(cx)
    }
}
