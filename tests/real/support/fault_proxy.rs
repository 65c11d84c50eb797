//! What networks do to a connection, done to Gatepost's at will: each [`Line`] is a port in front of a
//! server that passes everything on until it is told to fail.
//!
//! Of the kept tools none cuts a connection at a given byte by a reset, or loses what is sent without a
//! word: toxiproxy and its port noxious (2021) close after so many bytes, and Debian has neither.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{
    machine::Machine,
    messages::Numbers,
    middle::{Authority, DAY},
};

/// Bytes that are read at once; no more than a few of these are held.
const CHUNK: usize = 16 * 1024;
/// What waits on its way at most, each way.
const MOST_HELD: usize = 64 * CHUNK;
/// What a hotel's gateway answers, whatever it was asked.
const PORTAL: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/sign-in\r\n\
Content-Type: text/html\r\nContent-Length: 30\r\nConnection: close\r\n\r\n<html>Please sign in.</html>\r\n";
/// It hangs up on who says nothing.
const PORTAL_PATIENCE: Duration = Duration::from_secs(20);

/// What still comes to a connection that is closed is read for so long.
const CLOSING: Duration = Duration::from_secs(5);

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From Gatepost to the server.
    Up,
    /// From the server to Gatepost.
    Down,
}

/// When a connection fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// At once, and each new one as soon as it is there.
    Now,
    /// When one more than so many bytes have come this way, counted from when the line was told; so many
    /// go on. (A reset overtakes those that a slow reader's system has no room for.)
    Beyond(Way, u64),
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// All comes so much later, and at random up to so much more.
    Latency(Duration, Duration),
    /// So many bytes a second come through, each way.
    Bandwidth(u64),
    /// Nothing passes any more, and nothing ends: the other side has stopped, and its system goes on.
    Silence(When),
    /// The connection is reset (RFC 9293 §3.10.7).
    Reset(When),
    /// The same for one connection: the next is well.
    ResetOnce(When),
    /// The connection is closed, as if both sides had wished it.
    Close(When),
    /// Connections are refused; those that are there go on.
    Refusal,
    /// What the server's side sends is lost without a word, acknowledgements too: it takes no connection,
    /// and one that is there is half-open. Only where there is a machine.
    Loss,
    /// Somebody else answers: by a certificate of its own, or in HTTP. Connections that are there go on.
    Portal,
}

/// What a line has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections taken.
    pub(crate) connections: u64,
    /// Those that failed: cut, silenced, or answered by another.
    pub(crate) failed: u64,
    /// Bytes that went on to the server.
    pub(crate) up: u64,
    /// Bytes that went on to Gatepost.
    pub(crate) down: u64,
}

/// Where lines begin, and what serves them.
pub(crate) struct FaultyNetwork {
    runtime: Runtime,
    portal: TlsAcceptor,
    machine: Option<Arc<Machine>>,
}

/// A port that leads to a server.
pub(crate) struct Line {
    state: Arc<State>,
    network: Arc<FaultyNetwork>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    address: SocketAddr,
}

/// What all of a line's connections look at.
struct State {
    to: SocketAddr,
    portal: TlsAcceptor,
    orders: watch::Sender<Order>,
    connections: AtomicU64,
    failed: AtomicU64,
    passed: [AtomicU64; 2],
}

/// What a line was told, and the how manieth order it is: bytes are counted from it.
#[derive(Clone, Copy, Default)]
struct Order {
    fault: Option<Fault>,
    number: u64,
}

impl FaultyNetwork {
    /// On 127.0.0.1, or, where there is a machine, at its address: what it sends can be lost then.
    pub(crate) fn new(machine: Option<Arc<Machine>>) -> Arc<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let hotel: ServerConfig =
            Authority::called("Hotel Bellevue").sign(&["portal.example"], DAY, DAY);
        Arc::new(Self { runtime, portal: TlsAcceptor::from(Arc::new(hotel)), machine })
    }

    /// The address that lines are at.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.machine.as_ref().map_or(Ipv4Addr::LOCALHOST, |machine| machine.inside())
    }

    /// A line to this server.
    pub(crate) fn line(self: &Arc<Self>, to: SocketAddr) -> Line {
        let listener = self.listen(0).expect("a port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State {
            to,
            portal: self.portal.clone(),
            orders: watch::Sender::default(),
            connections: AtomicU64::default(),
            failed: AtomicU64::default(),
            passed: Default::default(),
        });
        let accepting = Mutex::new(Some(self.runtime.spawn(accept(listener, state.clone()))));
        Line { state, network: self.clone(), accepting, address }
    }

    fn listen(&self, port: u16) -> io::Result<StdListener> {
        let bind = || StdListener::bind((self.address(), port));
        let listener = match &self.machine {
            Some(machine) => machine.on_network(bind),
            None => bind(),
        }?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }
}

impl Line {
    /// Where Gatepost finds it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this is wrong with it, and nothing else.
    pub(crate) fn suffers(&self, fault: Fault) {
        self.order(Some(fault));
    }

    /// From now on all is well: what waited passes, what was lost is sent again by who sent it.
    pub(crate) fn heals(&self) {
        self.order(None);
    }

    /// What it has done so far.
    pub(crate) fn counts(&self) -> Counts {
        let State { connections, failed, passed: [up, down], .. } = &*self.state;
        let [connections, failed, up, down] =
            [connections, failed, up, down].map(|count| count.load(Ordering::Relaxed));
        Counts { connections, failed, up, down }
    }

    fn order(&self, fault: Option<Fault>) {
        let mut accepting = self.accepting.lock().expect("no panic while held");
        let before = self.state.orders.borrow().fault;
        let lost = |fault| matches!(fault, Some(Fault::Loss));
        if lost(before) != lost(fault) {
            let machine = self.network.machine.as_ref().expect("loss needs a machine");
            machine.loses_what_is_sent_from(self.address.port(), lost(fault));
        }
        self.state.orders.send_modify(|order| {
            *order = Order { fault, number: order.number + 1 };
        });
        if matches!(fault, Some(Fault::Refusal)) {
            if let Some(task) = accepting.take() {
                task.abort();
                // The port is closed once the task is gone.
                drop(self.network.runtime.block_on(task));
            }
        } else if accepting.is_none() {
            let listener = self.network.listen(self.address.port()).expect("the same port");
            let task = accept(listener, self.state.clone());
            *accepting = Some(self.network.runtime.spawn(task));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.suffers(Fault::Refusal);
        // Those that are there end as well.
        self.state.orders.send_modify(|order| order.fault = Some(Fault::Reset(When::Now)));
    }
}

async fn accept(listener: StdListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).expect("on a runtime");
    while let Ok((near, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::Relaxed);
        let state = state.clone();
        tokio::spawn(async move {
            let fault = state.orders.borrow().fault;
            if fault == Some(Fault::Portal) {
                state.failed.fetch_add(1, Ordering::Relaxed);
                drop(timeout(PORTAL_PATIENCE, answer_instead(near, &state.portal)).await);
            } else {
                serve(near, &state).await;
            }
        });
    }
}

/// The hotel's page, by TLS to who begins it.
async fn answer_instead(mut near: TcpStream, tls: &TlsAcceptor) -> io::Result<()> {
    let mut first = [0];
    near.peek(&mut first).await?;
    // A handshake record (RFC 8446 §5.1).
    if first == [0x16] {
        let mut near = tls.accept(near).await?;
        near.write_all(PORTAL).await?;
        return near.shutdown().await;
    }
    let _ = near.read(&mut [0; CHUNK]).await?;
    near.write_all(PORTAL).await?;
    near.shutdown().await
}

/// How a connection goes on, or doesn't.
enum Turn {
    Silence,
    Reset,
    Close,
}

async fn serve(mut near: TcpStream, state: &State) {
    let Ok(mut far) = TcpStream::connect(state.to).await else { return reset(&near) };
    for stream in [&near, &far] {
        drop(stream.set_nodelay(true));
    }
    let mut orders = state.orders.subscribe();
    let (mut up, mut down) = (Flow::new(Way::Up), Flow::new(Way::Down));
    loop {
        let turn = {
            let ((near_reads, near_writes), (far_reads, far_writes)) = (near.split(), far.split());
            tokio::try_join!(
                up.go(near_reads, far_writes, state),
                down.go(far_reads, near_writes, state),
            )
        };
        let Err(turn) = turn else { return };
        if state.orders.borrow().fault.is_some() {
            state.failed.fetch_add(1, Ordering::Relaxed);
        }
        match turn {
            Turn::Silence => {
                if orders.borrow_and_update().fault.is_some_and(|fault| fault.is_silence()) {
                    drop(orders.changed().await);
                }
            }
            Turn::Reset => {
                state.orders.send_if_modified(|order| {
                    let once = matches!(order.fault, Some(Fault::ResetOnce(_)));
                    if once {
                        *order = Order { fault: None, number: order.number + 1 };
                    }
                    once
                });
                reset(&near);
                return reset(&far);
            }
            Turn::Close => return close(near, far).await,
        }
    }
}

/// Closes both, and reads until the others have done so too: what is closed with bytes unread is reset.
async fn close(mut near: TcpStream, mut far: TcpStream) {
    for stream in [&mut near, &mut far] {
        drop(stream.shutdown().await);
    }
    for stream in [&mut near, &mut far] {
        drop(timeout(CLOSING, copy(stream, &mut sink())).await);
    }
}

/// The end of this stream's descriptor is a reset.
fn reset(stream: &TcpStream) {
    drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}

impl Fault {
    fn is_silence(self) -> bool {
        matches!(self, Self::Silence(_))
    }

    /// When and how a connection ends, or stands still.
    fn turn(self) -> Option<(When, Turn)> {
        match self {
            Self::Silence(when) => Some((when, Turn::Silence)),
            Self::Reset(when) | Self::ResetOnce(when) => Some((when, Turn::Reset)),
            Self::Close(when) => Some((when, Turn::Close)),
            _ => None,
        }
    }
}

/// What goes one way.
struct Flow {
    way: Way,
    /// What was read and waits, with the moment from which it may go on.
    waiting: VecDeque<(Instant, Vec<u8>)>,
    held: usize,
    /// What came behind the byte at which the connection fails.
    behind: Vec<u8>,
    /// Bytes since this order.
    counted: (u64, u64),
    ended: bool,
    numbers: Numbers,
}

impl Flow {
    fn new(way: Way) -> Self {
        let (waiting, behind) = Default::default();
        Self { way, waiting, held: 0, behind, counted: (0, 0), ended: false, numbers: Numbers(1) }
    }

    /// Passes bytes on until both the reader's end is there and all has gone, or until there is another
    /// turn.
    async fn go(
        &mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        state: &State,
    ) -> Result<(), Turn> {
        let mut orders = state.orders.subscribe();
        let mut chunk = [0; CHUNK];
        if !self.behind.is_empty() {
            let behind = std::mem::take(&mut self.behind);
            self.held += behind.len();
            self.waiting.push_back((Instant::now(), behind));
        }
        loop {
            let order = *orders.borrow_and_update();
            if self.counted.0 != order.number {
                self.counted = (order.number, 0);
            }
            let mut left = u64::MAX;
            match order.fault.and_then(Fault::turn) {
                Some((When::Now, turn)) => return Err(turn),
                Some((When::Beyond(way, bytes), turn)) if way == self.way => {
                    left = bytes.saturating_sub(self.counted.1);
                    if !self.behind.is_empty() && self.waiting.is_empty() {
                        return Err(turn);
                    }
                }
                _ => {}
            }
            let due = self.waiting.front().map(|(due, _)| *due);
            let goes = due.is_some_and(|due| due <= Instant::now());
            if self.ended && due.is_none() {
                return to.shutdown().await.map_err(|_| Turn::Reset);
            }
            let reads = !self.ended && self.behind.is_empty() && self.held < MOST_HELD;
            let front = self.waiting.front().map(|(_, bytes)| &bytes[..]).unwrap_or_default();
            tokio::select! {
                biased;
                changed = orders.changed() => changed.map_err(|_| Turn::Reset)?,
                written = to.write(front), if goes => {
                    let written = written.map_err(|_| Turn::Reset)?;
                    self.gone(written, state);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !goes => {}
                read = from.read(&mut chunk), if reads => {
                    let read = read.map_err(|_| Turn::Reset)?;
                    self.ended = read == 0;
                    let passes = read.min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.behind.extend_from_slice(&chunk[passes..read]);
                    self.take_in(&chunk[..passes], order.fault);
                }
            }
        }
    }

    fn take_in(&mut self, bytes: &[u8], fault: Option<Fault>) {
        if bytes.is_empty() {
            return;
        }
        let now = Instant::now();
        let later = match fault {
            Some(Fault::Latency(least, more)) => {
                let more = u64::try_from(more.as_micros()).unwrap_or(u64::MAX);
                least + Duration::from_micros(self.numbers.next() % more.max(1))
            }
            Some(Fault::Bandwidth(each_second)) => {
                Duration::from_secs_f64(bytes.len() as f64 / each_second as f64)
            }
            _ => Duration::ZERO,
        };
        let last = self.waiting.back().map_or(now, |(due, _)| *due);
        let due = match fault {
            // One behind the other.
            Some(Fault::Bandwidth(_)) => last.max(now) + later,
            _ => last.max(now + later),
        };
        self.counted.1 += bytes.len() as u64;
        self.held += bytes.len();
        self.waiting.push_back((due, bytes.to_owned()));
    }

    fn gone(&mut self, written: usize, state: &State) {
        self.held -= written;
        state.passed[self.way as usize].fetch_add(written as u64, Ordering::Relaxed);
        if let Some((_, front)) = self.waiting.front_mut() {
            front.drain(..written);
            if front.is_empty() {
                self.waiting.pop_front();
            }
        }
    }
}
