//! A server that does as it is told, whatever that is, and keeps every byte that it is sent, inside TLS and
//! outside of it.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::support::PATIENCE;

/// A peer that takes nothing for so long has stopped reading.
const STALLED: Duration = Duration::from_secs(2);
/// How long a peer may take to end its side.
const PARTING: Duration = Duration::from_secs(1);

/// One thing to do.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Send this.
    Say(Vec<u8>),
    /// Wait until this has come, behind what was waited for before.
    Hear(&'static str),
    /// Send this with the sign-on that was heard in place of each `<message>`, and its token in place of
    /// each `<token>`. The sign-on is what stood before the last [`Act::Hear`] that had anything before it.
    Repeat(&'static str),
    /// Begin TLS.
    Secure,
    /// Send this again and again, so many bytes in all, or until nobody takes it any more.
    Flood(Vec<u8>, u64),
    /// Send this in pieces of so many bytes, with a pause behind each.
    Drip(Vec<u8>, usize, Duration),
    /// Send nothing more, and leave when the peer does.
    Stay,
}

pub(crate) fn say(bytes: impl AsRef<[u8]>) -> Act {
    Act::Say(bytes.as_ref().to_vec())
}

pub(crate) fn hear(text: &'static str) -> Act {
    Act::Hear(text)
}

pub(crate) fn repeat(text: &'static str) -> Act {
    Act::Repeat(text)
}

/// The server. At the end of its script it closes.
pub(crate) struct Server {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    tls: Option<Arc<ServerConfig>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What each connection is for, in the order in which they come; the last serves all that follow.
    scripts: VecDeque<Vec<Act>>,
    connections: usize,
    /// As it was on the network.
    raw: Vec<u8>,
    /// As it was said: inside TLS where there is TLS.
    heard: Vec<u8>,
    /// How many bytes of floods were taken.
    flooded: u64,
}

impl Server {
    /// One whose script begins in the clear; [`Act::Secure`] begins TLS, if `tls` has what it takes.
    pub(crate) async fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { tls, state: Mutex::default() });
        let server = shared.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let shared = server.clone();
                tokio::spawn(async move {
                    let script = shared.next_script();
                    // Its peer may go at any time.
                    let _ = shared.play(tcp, script).await;
                });
            }
        });
        Self { port, shared }
    }

    /// What the next connections are for, and nothing that was before is remembered.
    pub(crate) fn play(&self, scripts: impl IntoIterator<Item = Vec<Act>>) {
        *self.shared.state() = State { scripts: scripts.into_iter().collect(), ..State::default() };
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.state().connections
    }

    pub(crate) fn flooded(&self) -> u64 {
        self.shared.state().flooded
    }

    /// All that was said to it.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.shared.state().heard).into_owned()
    }

    /// True if any of these stands in what came, inside TLS or outside.
    pub(crate) fn was_sent(&self, secrets: &[&str]) -> bool {
        let state = self.shared.state();
        secrets.iter().any(|secret| {
            [&state.raw, &state.heard]
                .iter()
                .any(|bytes| memchr::memmem::find(bytes, secret.as_bytes()).is_some())
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn next_script(&self) -> Vec<Act> {
        let mut state = self.state();
        state.connections += 1;
        match state.scripts.len() {
            0 => Vec::new(),
            1 => state.scripts[0].clone(),
            _ => state.scripts.pop_front().unwrap(),
        }
    }

    async fn play(self: &Arc<Self>, tcp: TcpStream, script: Vec<Act>) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let mut stream: Box<dyn Stream> = Box::new(Tapped { tcp, shared: self.clone() });
        let mut unheard = Vec::new();
        let mut sign_on = Vec::new();
        for act in script {
            match act {
                Act::Say(bytes) => {
                    stream.write_all(&bytes).await?;
                    stream.flush().await?;
                }
                Act::Hear(text) => {
                    let before = self.hear(&mut stream, &mut unheard, text).await?;
                    if !before.is_empty() {
                        sign_on = before;
                    }
                }
                Act::Repeat(text) => {
                    let message = String::from_utf8_lossy(&sign_on);
                    let text = text.replace("<token>", &token_in(&message));
                    stream.write_all(text.replace("<message>", &message).as_bytes()).await?;
                    stream.flush().await?;
                }
                Act::Secure => {
                    let acceptor = TlsAcceptor::from(self.tls.clone().expect("its papers"));
                    stream = Box::new(acceptor.accept(stream).await?);
                }
                Act::Flood(bytes, most) => self.flood(&mut stream, &bytes, most).await?,
                Act::Drip(bytes, size, pause) => {
                    for piece in bytes.chunks(size) {
                        stream.write_all(piece).await?;
                        stream.flush().await?;
                        tokio::time::sleep(pause).await;
                    }
                }
                Act::Stay => while self.read(&mut stream).await?.is_some() {},
            }
        }
        stream.shutdown().await?;
        let drain = async {
            while self.read(&mut stream).await?.is_some() {}
            io::Result::Ok(())
        };
        let _ = timeout(PARTING, drain).await;
        Ok(())
    }

    /// Waits for a text; what stood before it.
    async fn hear(
        &self,
        stream: &mut Box<dyn Stream>,
        unheard: &mut Vec<u8>,
        text: &str,
    ) -> io::Result<Vec<u8>> {
        loop {
            let lower = unheard.to_ascii_lowercase();
            let wanted = text.to_ascii_lowercase();
            if let Some(at) = memchr::memmem::find(&lower, wanted.as_bytes()) {
                return Ok(unheard.drain(..at + text.len()).take(at).collect());
            }
            let more = timeout(PATIENCE, self.read(stream)).await??;
            unheard.extend(more.ok_or(io::ErrorKind::UnexpectedEof)?);
        }
    }

    async fn read(&self, stream: &mut Box<dyn Stream>) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; 8 * 1024];
        let length = stream.read(&mut bytes).await?;
        bytes.truncate(length);
        self.state().heard.extend_from_slice(&bytes);
        Ok((length > 0).then_some(bytes))
    }

    async fn flood(&self, stream: &mut Box<dyn Stream>, bytes: &[u8], most: u64) -> io::Result<()> {
        let many = bytes.repeat((64 * 1024 / bytes.len()).max(1));
        let mut sent = 0;
        while sent < most {
            match timeout(STALLED, stream.write(&many)).await {
                Ok(written) => {
                    let written = written? as u64;
                    sent += written;
                    self.state().flooded += written;
                }
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        stream.flush().await
    }
}

/// The token in the one message of XOAUTH2, which is in base64.
fn token_in(message: &str) -> String {
    let message = String::from_utf8(STANDARD.decode(message).unwrap()).unwrap();
    let (_, token) = message.split_once("auth=Bearer ").unwrap();
    token.trim_end_matches('\x01').to_owned()
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection of which every byte that came is kept.
struct Tapped {
    tcp: TcpStream,
    shared: Arc<Shared>,
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer));
        self.shared.state().raw.extend_from_slice(&buffer.filled()[before..]);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
