//! Connections that break where a test wants it, or that are slow.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// After so long the kernel gives up a connection that is silent.
const SILENCE: Duration = Duration::from_secs(60);

/// How a connection ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::proxy) enum How {
    /// The server has closed: what it has said arrives, and what it is sent gets lost.
    #[default]
    Closed,
    /// Both directions fail.
    Reset,
    /// Nothing arrives any more, in either direction.
    Silent,
}

/// When: after so many bytes more. `usize::MAX`: never.
#[derive(Debug, Clone, Copy)]
pub(in crate::proxy) struct Plan {
    pub(in crate::proxy) from_server: usize,
    pub(in crate::proxy) to_server: usize,
    pub(in crate::proxy) how: How,
    /// No read or write moves more bytes at once.
    pub(in crate::proxy) piece: usize,
}

impl Default for Plan {
    fn default() -> Self {
        let never = usize::MAX;
        Self { from_server: never, to_server: never, how: How::Closed, piece: never }
    }
}

/// What is known of a connection from without.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Gauge {
    pub(in crate::proxy) plan: Plan,
    pub(in crate::proxy) broken: bool,
    pub(in crate::proxy) read: usize,
    pub(in crate::proxy) written: usize,
    /// Lines sent to the server.
    pub(in crate::proxy) lines: usize,
    reader: Option<Waker>,
}

impl Gauge {
    /// Breaks the connection now.
    pub(in crate::proxy) fn cut(&mut self, how: How) {
        self.plan = Plan { from_server: 0, to_server: 0, how, ..self.plan };
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// The proxy's end of a connection to the model.
#[derive(Debug)]
pub(in crate::proxy) struct Wire {
    inner: Option<DuplexStream>,
    gauge: Arc<Mutex<Gauge>>,
    silence: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(in crate::proxy) fn new(inner: DuplexStream, plan: Plan) -> (Self, Arc<Mutex<Gauge>>) {
        let gauge = Arc::new(Mutex::new(Gauge { plan, ..Gauge::default() }));
        (Self { inner: Some(inner), gauge: Arc::clone(&gauge), silence: None }, gauge)
    }

    /// Nothing can be read.
    fn poll_broken(&mut self, cx: &mut Context<'_>, how: How) -> Poll<io::Result<()>> {
        match how {
            How::Closed => Poll::Ready(Ok(())),
            How::Reset => Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
            How::Silent => {
                let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(SILENCE)));
                ready!(silence.as_mut().poll(cx));
                Poll::Ready(Err(ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let plan = {
            let mut gauge = this.gauge.lock().unwrap();
            if gauge.plan.from_server == 0 && this.inner.take().is_some() {
                gauge.broken = true;
            }
            gauge.reader = Some(cx.waker().clone());
            gauge.plan
        };
        let Some(inner) = &mut this.inner else { return this.poll_broken(cx, plan.how) };
        let mut bytes = [0; 8192];
        let most = plan.from_server.min(plan.piece).min(buf.remaining()).min(bytes.len());
        let mut part = ReadBuf::new(&mut bytes[..most]);
        ready!(Pin::new(inner).poll_read(cx, &mut part))?;
        let length = part.filled().len();
        buf.put_slice(part.filled());
        let mut gauge = this.gauge.lock().unwrap();
        gauge.read += length;
        gauge.plan.from_server = gauge.plan.from_server.saturating_sub(match plan.from_server {
            usize::MAX => 0,
            _ => length,
        });
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let plan = this.gauge.lock().unwrap().plan;
        if plan.to_server == 0
            && let Some(inner) = &mut this.inner
        {
            this.gauge.lock().unwrap().broken = true;
            if plan.how == How::Closed {
                let _ = Pin::new(inner).poll_shutdown(cx);
            } else {
                this.inner = None;
            }
        }
        let lost = plan.to_server == 0;
        match &mut this.inner {
            Some(inner) if !lost => {
                let most = plan.to_server.min(plan.piece).min(buf.len());
                let length = ready!(Pin::new(inner).poll_write(cx, &buf[..most]))?;
                let mut gauge = this.gauge.lock().unwrap();
                gauge.written += length;
                gauge.lines += buf[..length].iter().filter(|byte| **byte == b'\n').count();
                if plan.to_server != usize::MAX {
                    gauge.plan.to_server = gauge.plan.to_server.saturating_sub(length);
                }
                Poll::Ready(Ok(length))
            }
            _ if plan.how == How::Reset => Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            _ => Poll::Ready(Ok(buf.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Some(inner) => Pin::new(inner).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Puts a way of this length, in time, before a stream.
pub(in crate::proxy) fn far_away(stream: DuplexStream, way: Duration) -> DuplexStream {
    let (near, far) = tokio::io::duplex(1 << 24);
    let (near_read, near_write) = tokio::io::split(far);
    let (far_read, far_write) = tokio::io::split(stream);
    carry(near_read, far_write, way);
    carry(far_read, near_write, way);
    near
}

fn carry(
    mut from: impl AsyncRead + Unpin + Send + 'static,
    mut to: impl AsyncWrite + Unpin + Send + 'static,
    way: Duration,
) {
    let (send, mut receive) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            if send.send((Instant::now() + way, bytes[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((arrives, bytes)) = receive.recv().await {
            sleep_until(arrives).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    });
}
