//! A TCP connection that can be cut at a given byte, under the HTTP server, for the faults that no
//! HTTP server would let a handler commit: a reset without an answer, an answer that breaks off.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use crate::demo::sync::lock;

/// After a failed accept (no descriptors left, say), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The knife for one connection. Handlers get it as their connection's information.
#[derive(Clone, Default)]
pub(super) struct Knife(Arc<Mutex<Cut>>);

#[derive(Default)]
struct Cut {
    /// How many bytes may still be written; `None`: as many as there are.
    left: Option<usize>,
    reset: bool,
    /// Who reads: hyper reads while a request is under way as well, to see the end of the stream.
    reader: Option<Waker>,
}

impl Knife {
    /// Ends the connection with an RST (RFC 9293 §3.10.7) in place of whatever comes next.
    pub(super) fn reset(&self) {
        self.cut(0, true);
    }

    /// Lets so many bytes more go out, then closes.
    pub(super) fn after(&self, bytes: usize) {
        self.cut(bytes, false);
    }

    fn cut(&self, left: usize, reset: bool) {
        let mut cut = lock(&self.0);
        cut.left = Some(left);
        cut.reset = reset;
        if let Some(reader) = cut.reader.take() {
            reader.wake();
        }
    }
}

/// All knives of one listener, so that stopping it can end what is open.
#[derive(Clone, Default)]
pub(super) struct Knives(Arc<Mutex<Vec<Weak<Mutex<Cut>>>>>);

impl Knives {
    pub(super) fn cut_all(&self) {
        for knife in lock(&self.0).drain(..).filter_map(|knife| knife.upgrade()) {
            Knife(knife).after(0);
        }
    }

    fn make(&self) -> Knife {
        let knife = Knife::default();
        let mut all = lock(&self.0);
        all.retain(|knife| knife.strong_count() > 0);
        all.push(Arc::downgrade(&knife.0));
        knife
    }
}

/// Accepts connections that can be cut.
pub(super) struct Cuttable {
    pub(super) tcp: TcpListener,
    pub(super) knives: Knives,
}

impl Listener for Cuttable {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.tcp.accept().await {
                Ok((tcp, peer)) => {
                    return (
                        Connection {
                            tcp,
                            knife: self.knives.make(),
                        },
                        peer,
                    );
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl Connected<IncomingStream<'_, Cuttable>> for Knife {
    fn connect_info(stream: IncomingStream<'_, Cuttable>) -> Self {
        stream.io().knife.clone()
    }
}

/// A connection, and the knife that may cut it.
pub(super) struct Connection {
    tcp: TcpStream,
    knife: Knife,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if lock(&self.knife.0).reset {
            // The peer may have gone first; then there is nothing left to reset.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        {
            let mut cut = lock(&self.knife.0);
            if cut.left == Some(0) {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            cut.reader = Some(context.waker().clone());
        }
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = lock(&self.knife.0).left;
        let allowed = match left {
            None => bytes,
            Some(0) => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            Some(left) => &bytes[..left.min(bytes.len())],
        };
        let written = Pin::new(&mut self.tcp).poll_write(context, allowed);
        if let (Poll::Ready(Ok(written)), Some(left)) = (&written, left) {
            lock(&self.knife.0).left = Some(left - written);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
