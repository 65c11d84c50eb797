//! The network of a simulation. Where one plays on a thread, connections are made by it and not by the
//! system, and what else is left to chance is left to its seed.
//!
//! It belongs to the thread, since a simulation is a single one: so nothing has to be handed around, and
//! in the program as it is built for people none of this exists.

use std::cell::RefCell;
use std::fmt::Debug;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection in memory.
pub trait Duplex: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {}
impl<D: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin> Duplex for D {}

/// One of them.
pub type Line = Box<dyn Duplex>;
/// One in the making.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Line>> + Send>>;

/// What a simulation has in the place of the system.
pub trait Network: Send + Sync {
    /// Goes the way to a host's port.
    fn connect(&self, host: &str, port: u16) -> Connecting;
    /// A number of the seed's.
    fn random(&self) -> u16;
}

thread_local! {
    static NETWORK: RefCell<Option<Arc<dyn Network>>> = const { RefCell::new(None) };
}

/// A simulation plays on this thread as long as this lives.
#[must_use]
pub struct Playing(());

/// Begins one.
pub fn play(network: Arc<dyn Network>) -> Playing {
    NETWORK.with_borrow_mut(|playing| *playing = Some(network));
    Playing(())
}

impl Drop for Playing {
    fn drop(&mut self) {
        let _ = NETWORK.try_with(|playing| playing.borrow_mut().take());
    }
}

/// The way to a host's port, if a simulation plays.
pub fn connect(host: &str, port: u16) -> Option<Connecting> {
    NETWORK.with_borrow(|playing| playing.as_ref().map(|network| network.connect(host, port)))
}

/// A number of the seed's, if a simulation plays.
pub fn random() -> Option<u16> {
    NETWORK.with_borrow(|playing| playing.as_ref().map(|network| network.random()))
}

/// A connection to a provider: the system's, or a simulation's.
#[derive(Debug)]
pub enum Socket {
    /// The system's.
    Tcp(TcpStream),
    /// A simulation's.
    Simulated(Line),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Simulated(line) => Pin::new(line).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Simulated(line) => Pin::new(line).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Simulated(line) => Pin::new(line).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Simulated(line) => Pin::new(line).poll_shutdown(cx),
        }
    }
}
