//! The ways to the provider's servers, and what stands at their ends.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::google::{Google, Line};
use super::talk::Talk;
use super::world::once;
use super::{authorization, imap_server, smtp_server};
use crate::proxy::continuity::tests::random::Random;
use crate::proxy::continuity::tests::wire::{How, Plan, Wire};
use crate::tls::simulated::{self, Connecting};

pub(super) const IMAP_HOST: &str = "imap.gmail.com";
pub(super) const SMTP_HOST: &str = "smtp.gmail.com";
pub(super) const TOKEN_HOST: &str = "oauth2.googleapis.com";
/// The submission port that begins in the clear.
pub(super) const STARTTLS_PORT: u16 = 587;

/// How often something goes wrong, in percent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// On the way to a server.
    pub(super) way: u64,
    /// Another answers in a server's place.
    pub(super) impostor: u64,
    /// A connection that was made breaks.
    pub(super) breaks: u64,
    /// A mail server refuses, or behaves badly.
    pub(super) mail: u64,
    /// The authorization server does.
    pub(super) token: u64,
}

impl Weather {
    pub(super) fn any(random: &mut Random) -> Self {
        let mut some = |most: u64| if random.chance(50) { random.below(most) } else { 0 };
        let (way, impostor, breaks) = (some(40), some(25), some(60));
        Self { way, impostor, breaks, mail: some(35), token: some(50) }
    }
}

/// The network of a schedule.
pub(super) struct Network {
    google: Arc<Google>,
    weather: Weather,
    random: Mutex<Random>,
}

/// A server's side of a connection.
pub(super) struct Peer {
    pub(super) google: Arc<Google>,
    pub(super) host: String,
    /// Its certificate is the one of this host.
    pub(super) verified: bool,
    pub(super) line: Arc<Line>,
    pub(super) weather: Weather,
    pub(super) random: Random,
}

impl Peer {
    /// Something goes wrong, so many times in a hundred.
    pub(super) fn fails(&mut self, percent: u64) -> bool {
        !self.google.is_calm() && self.random.chance(percent)
    }

    pub(super) async fn think(&mut self) {
        if !self.google.is_calm() && self.random.chance(30) {
            sleep(Duration::from_millis(self.random.below(3000))).await;
        }
    }

    pub(super) fn overhear(&self, bytes: &[u8]) {
        self.google.overhear(&self.host, self.verified, bytes);
    }
}

impl Network {
    pub(super) fn new(google: &Arc<Google>, weather: Weather, seed: u64) -> Self {
        Self { google: Arc::clone(google), weather, random: Mutex::new(Random::new(seed)) }
    }
}

impl simulated::Network for Network {
    fn connect(&self, host: &str, port: u16) -> Connecting {
        let mut random = Random::new(self.random.lock().unwrap().next());
        let (google, weather, host) = (Arc::clone(&self.google), self.weather, host.to_owned());
        Box::pin(async move {
            google.count("connections");
            let calm = google.is_calm();
            if !calm && random.chance(weather.way) {
                let (what, fails) = random.pick(&[
                    ("fault: refused", Some(ErrorKind::ConnectionRefused)),
                    ("fault: no such name", Some(ErrorKind::NotFound)),
                    ("fault: black hole", None),
                    ("fault: unreachable", Some(ErrorKind::HostUnreachable)),
                ]);
                google.count(what);
                google.trace.note("way", &format!("{host}: {what}"));
                sleep(Duration::from_millis(random.below(400))).await;
                return match fails {
                    Some(kind) => Err(kind.into()),
                    None => std::future::pending().await,
                };
            }
            let slow = if random.chance(5) { 9_000 } else { 200 };
            sleep(Duration::from_millis(random.below(if calm { 50 } else { slow }))).await;
            let impostor = (!calm && random.chance(weather.impostor)).then(|| random.below(3));
            let plan = if calm { Plan::default() } else { plan(&google, weather, &mut random) };
            let (near, far) = tokio::io::duplex(random.pick(&[700, 5_000, 65_536]));
            let (wire, gauge) = Wire::new(near, plan);
            let line = Arc::new(Line {
                left_by_proxy: AtomicBool::new(false),
                left_by_server: AtomicBool::new(false),
                gauge,
            });
            let near = Near { wire, line: Arc::clone(&line) };
            let verified = impostor.is_none();
            let peer = Peer { google, host, verified, line, weather, random };
            tokio::spawn(serve(peer, far, port, impostor));
            Ok(Box::new(near) as simulated::Line)
        })
    }

    fn random(&self) -> u16 {
        (self.random.lock().unwrap().next() % 65_536) as u16
    }
}

fn plan(google: &Google, weather: Weather, random: &mut Random) -> Plan {
    let mut plan = Plan::default();
    if random.chance(weather.breaks) {
        let (what, how) = random.pick(&[
            ("fault: closed", How::Closed),
            ("fault: reset", How::Reset),
            ("fault: half-open", How::Silent),
        ]);
        google.count(what);
        plan.how = how;
        // The handshake takes some two thousand bytes.
        let most = random.pick(&[1_500, 6_000, 30_000]);
        let at = random.below(most) as usize;
        if random.chance(60) { plan.from_server = at } else { plan.to_server = at }
    }
    if random.chance(15) {
        plan.piece = 1 + random.below(90) as usize;
    }
    plan
}

async fn serve(peer: Peer, stream: DuplexStream, port: u16, impostor: Option<u64>) {
    let (google, line) = (Arc::clone(&peer.google), Arc::clone(&peer.line));
    match impostor {
        None => speak(peer, stream, port, &once().truth).await,
        Some(2) => {
            google.count("fault: captive portal");
            let mut talk = Talk::new(stream);
            let _ = talk.say("HTTP/1.1 302 Found\r\nLocation: http://login.hotel/\r\n\r\n").await;
            // What the proxy says in the clear.
            while let Some(said) = talk.raw_line().await {
                peer.overhear(&said);
            }
        }
        Some(kind) => {
            google.count("fault: impostor");
            speak(peer, stream, port, &once().impostors[kind as usize]).await;
        }
    }
    line.left_by_server.store(true, Ordering::Relaxed);
}

async fn speak(peer: Peer, mut stream: DuplexStream, port: u16, acceptor: &TlsAcceptor) {
    let is_smtp = peer.host == SMTP_HOST;
    if is_smtp && port == STARTTLS_PORT {
        match smtp_server::until_tls(&peer, stream).await {
            Some(begun) => stream = begun,
            None => return,
        }
    }
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let talk = Talk::new(stream);
    match peer.host.as_str() {
        IMAP_HOST => drop(imap_server::serve(peer, talk).await),
        SMTP_HOST => drop(smtp_server::serve(peer, talk, port != STARTTLS_PORT).await),
        TOKEN_HOST => drop(authorization::serve(peer, talk).await),
        other => peer.google.complain(format!("the proxy went to {other}")),
    }
}

/// The proxy's end of a connection.
#[derive(Debug)]
struct Near {
    wire: Wire,
    line: Arc<Line>,
}

impl Drop for Near {
    fn drop(&mut self) {
        self.line.left_by_proxy.store(true, Ordering::Relaxed);
    }
}

impl AsyncRead for Near {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Near {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.left_by_proxy.store(true, Ordering::Relaxed);
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
