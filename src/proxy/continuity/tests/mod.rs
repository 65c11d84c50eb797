//! Sessions that outlive their connections, between a client that believes what it is told and a
//! server that breaks, on a clock that doesn't wait.

mod cases;
pub(in crate::proxy) mod client;
mod cost;
pub(in crate::proxy) mod mailbox;
mod mirror;
pub(in crate::proxy) mod model;
mod offsets;
pub(in crate::proxy) mod property;
pub(in crate::proxy) mod random;
mod session;
mod swaps;
pub(in crate::proxy) mod wire;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use self::client::{Client, Over};
use self::mailbox::Mailbox;
use self::model::{Kind, Lag, Mailboxes, Server};
use self::wire::{Gauge, Plan, Wire, far_away};
use super::{Continued, Continuity, Leg, Supply};
use crate::protocol::Dialogue as _;
use crate::protocol::imap::Capabilities;
use crate::proxy::relay::{End, Meter};
use crate::proxy::trouble::Trouble;

/// What another connection is like.
#[derive(Debug, Clone, Copy)]
struct Terms {
    refused: bool,
    plan: Plan,
    lag: Option<Lag>,
    /// Until another one should take over.
    life: Duration,
    /// How long a byte is on its way.
    way: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        let life = Duration::from_secs(1 << 30);
        Self { refused: false, plan: Plan::default(), lag: None, life, way: Duration::ZERO }
    }
}

/// Gives a session its connections to the model.
struct Provider {
    server: Arc<Server>,
    /// The terms of the n-th connection, from 0.
    terms: Box<dyn Fn(usize) -> Terms + Send + Sync>,
    asked: AtomicUsize,
    gauges: Mutex<Vec<Arc<Mutex<Gauge>>>>,
    /// Nobody is let through while it is shut.
    open: watch::Sender<bool>,
    woke: watch::Sender<u64>,
    /// One session at a time has a second connection.
    turns: Arc<Semaphore>,
    count: Continued,
}

impl Provider {
    fn new(
        server: &Arc<Server>,
        terms: impl Fn(usize) -> Terms + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            server: Arc::clone(server),
            terms: Box::new(terms),
            asked: AtomicUsize::new(0),
            gauges: Mutex::default(),
            open: watch::Sender::new(true),
            woke: watch::Sender::new(0),
            turns: Arc::new(Semaphore::new(1)),
            count: Continued::default(),
        })
    }

    async fn connect(&self) -> Result<Leg<Wire>, Trouble> {
        let _ = self.open.subscribe().wait_for(|open| *open).await;
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let Terms { refused, plan, lag, life, way } = (self.terms)(number);
        if refused {
            return Err(Trouble::no_answer());
        }
        let mut stream = self.server.connect(lag);
        if !way.is_zero() {
            stream = far_away(stream, way);
        }
        let (stream, gauge) = Wire::new(stream, plan);
        self.gauges.lock().unwrap().push(gauge);
        let Kind { esearch, modseq, qresync, .. } = self.server.kind;
        let mut capabilities = "IMAP4rev1 IDLE ENABLE UNSELECT UIDPLUS ID".to_owned();
        for (has, name) in [(esearch, " ESEARCH"), (modseq, " CONDSTORE"), (qresync, " QRESYNC")] {
            capabilities.push_str(if has { name } else { "" });
        }
        Ok(Leg {
            stream,
            rest: Vec::new(),
            capabilities: Capabilities::parse(capabilities.as_bytes()),
            version: number as u64,
            part_at: Instant::now() + life,
        })
    }

    /// The connection that was made last.
    fn gauge(&self) -> Arc<Mutex<Gauge>> {
        Arc::clone(self.gauges.lock().unwrap().last().unwrap())
    }

    fn breaks(&self) -> usize {
        let gauges = self.gauges.lock().unwrap();
        gauges.iter().filter(|gauge| gauge.lock().unwrap().broken).count()
    }

    /// Another connection is to take over soon.
    fn part(&self) {
        self.woke.send_modify(|woke| *woke += 1);
    }
}

impl Supply for Arc<Provider> {
    type Stream = Wire;
    type Turn = OwnedSemaphorePermit;
    type Meter = NoMeter;

    async fn successor(&self, _: u64) -> Result<(Self::Turn, Leg<Wire>), Trouble> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.unwrap();
        Ok((turn, self.connect().await?))
    }

    async fn aside(&self) -> Result<(Self::Turn, Leg<Wire>), Trouble> {
        self.successor(0).await
    }

    async fn replacement(&self) -> Result<Leg<Wire>, Trouble> {
        self.connect().await
    }

    async fn leave(&self) -> String {
        std::future::pending().await
    }

    fn woke(&self) -> watch::Receiver<u64> {
        self.woke.subscribe()
    }

    fn outage_hold(&self) -> Duration {
        Duration::from_secs(300)
    }

    fn meter(&self) -> &NoMeter {
        &NoMeter
    }

    fn count(&self) -> &Continued {
        &self.count
    }
}

struct NoMeter;

impl Meter for NoMeter {
    fn to_client(&self, _: usize) {}
    fn to_upstream(&self, _: usize) {}
}

/// A session under way.
struct Session {
    client: Client,
    server: Arc<Server>,
    provider: Arc<Provider>,
    served: JoinHandle<End>,
}

/// What became of it.
#[derive(Debug)]
struct Outcome {
    over: Over,
    /// Why the proxy gave it up.
    lost: Option<String>,
    count: Continuity,
    breaks: usize,
}

impl Session {
    async fn begin(
        server: Arc<Server>,
        terms: impl Fn(usize) -> Terms + Send + Sync + 'static,
    ) -> Self {
        Self::begin_with(server, terms, 1 << 16).await
    }

    /// So many bytes are on their way between client and proxy at most.
    async fn begin_with(
        server: Arc<Server>,
        terms: impl Fn(usize) -> Terms + Send + Sync + 'static,
        on_their_way: usize,
    ) -> Self {
        let provider = Provider::new(&server, terms);
        let (near, mut far) = tokio::io::duplex(on_their_way);
        let leg = provider.connect().await.unwrap();
        let supply = Arc::clone(&provider);
        let served = tokio::spawn(async move {
            let (end, dialogue, _) = super::serve(&mut far, &supply, leg, Vec::new()).await;
            if !matches!(end, End::ClientLeft)
                && let Some(words) = dialogue.farewell("the session is over")
            {
                let _ = far.write_all(&words).await;
            }
            end
        });
        let client = Client::new(near, Arc::clone(&server));
        Self { client, server, provider, served }
    }

    /// Asks for the last news, compares, and leaves.
    async fn end(mut self) -> Result<Outcome, String> {
        compare(&mut self.client, &self.server).await?;
        if !self.client.is_over() {
            self.client.say("LOGOUT").await?;
            self.client.settle().await?;
        }
        let Self { client, server, provider, served } = self;
        let over = client.over.clone().ok_or("the session isn't over")?;
        drop(client);
        let served = timeout(Duration::from_secs(600), served).await;
        let end = served.map_err(|_| "the proxy goes on by itself")?;
        let end = end.map_err(|panic| format!("the proxy panicked: {panic}"))?;
        let lost = if let End::Lost(words) = end { Some(words) } else { None };
        if lost.as_ref().is_some_and(|words| words.contains("contradicts")) {
            return Err("the proxy lost count of the messages".into());
        }
        match server.complaints().first() {
            Some(words) => Err(format!("the proxy: {words}")),
            None => {
                Ok(Outcome { over, lost, count: provider.count.show(), breaks: provider.breaks() })
            }
        }
    }
}

/// After a NOOP the client knows the mailbox as it is.
pub(in crate::proxy) async fn compare(client: &mut Client, server: &Server) -> Result<(), String> {
    if client.is_idling() {
        client.say("DONE").await?;
    }
    client.settle().await?;
    if !client.is_over() {
        client.say("NOOP").await?;
        client.settle().await?;
    }
    let (false, Some((name, mirror))) = (client.is_over(), &client.mailbox) else {
        return Ok(());
    };
    let mailbox = server.mailbox(name);
    if let Some(mailbox) = mailbox.filter(|is| Some(is.uid_validity) == mirror.1) {
        return mirror.compare(&mailbox);
    }
    let words = format!("{name} is gone, and the client doesn't know");
    client.listen(Duration::from_secs(60)).await?;
    if client.is_over() { Ok(()) } else { Err(words) }
}

pub(in crate::proxy) fn mailboxes(inbox: Mailbox) -> Mailboxes {
    BTreeMap::from([("INBOX".to_owned(), inbox), ("Archive".to_owned(), Mailbox::new(3))])
}

/// Runs something on a clock that doesn't wait, to a deadline of its own.
fn on_paused_clock<T>(what: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let day = Duration::from_secs(24 * 3600);
    runtime.block_on(async {
        timeout(day, what).await.unwrap_or_else(|_| Err("it took a day".into()))
    })
}
