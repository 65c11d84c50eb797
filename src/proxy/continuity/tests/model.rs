//! An IMAP server in memory, made for these tests from the RFCs alone: it shares no code with what is
//! tested. Each of its connections has a view of its own, numbered as that connection was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::mailbox::Mailbox;
use super::session::Connection;

/// What kind of server it is.
#[derive(Debug, Clone, Copy)]
pub(in crate::proxy) struct Kind {
    pub(in crate::proxy) esearch: bool,
    /// CONDSTORE (RFC 7162).
    pub(in crate::proxy) modseq: bool,
    pub(in crate::proxy) qresync: bool,
    /// EXISTS, with what is gone still counted, comes before EXPUNGE.
    pub(in crate::proxy) exists_first: bool,
    /// From the highest to the lowest.
    pub(in crate::proxy) expunges_down: bool,
    /// A UID SEARCH looks for news before it searches, and not only after, as Dovecot does.
    pub(in crate::proxy) search_looks_first: bool,
    /// What arrives is told between commands too.
    pub(in crate::proxy) talkative: bool,
    /// Later connections refuse IDLE.
    pub(in crate::proxy) idles_up_to: usize,
    /// Each answer takes this long.
    pub(in crate::proxy) slow: Duration,
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            esearch: true,
            modseq: true,
            qresync: false,
            exists_first: false,
            expunges_down: false,
            search_looks_first: false,
            talkative: false,
            idles_up_to: usize::MAX,
            slow: Duration::ZERO,
        }
    }
}

pub(in crate::proxy) type Mailboxes = BTreeMap<String, Mailbox>;

pub(in crate::proxy) struct Server {
    pub(in crate::proxy) kind: Kind,
    state: Mutex<State>,
    news: watch::Sender<u64>,
    connected: watch::Sender<usize>,
    pub(in crate::proxy) trace: Trace,
}

struct State {
    mailboxes: Mailboxes,
    /// As they were up to some moments in the past; kept for replicas that lag.
    past: Vec<(Instant, Mailboxes)>,
    keeps_past: bool,
    /// Connections older than the last of these are closed.
    kicks: Vec<Kick>,
    /// Commands that change something: their tags, and the UIDs of the messages they changed.
    done: BTreeMap<String, Vec<u32>>,
    complaints: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Kick {
    WithBye,
    Without,
}

/// A replica that is this far behind, until this long after its connection began.
#[derive(Debug, Clone, Copy)]
pub(in crate::proxy) struct Lag {
    pub(in crate::proxy) behind: Duration,
    pub(in crate::proxy) lasts: Duration,
}

impl Server {
    pub(in crate::proxy) fn new(kind: Kind, mailboxes: Mailboxes, trace: Trace) -> Arc<Self> {
        let state = State {
            mailboxes,
            past: Vec::new(),
            keeps_past: false,
            kicks: Vec::new(),
            done: BTreeMap::new(),
            complaints: Vec::new(),
        };
        let (news, connected) = (watch::Sender::new(0), watch::Sender::new(0));
        Arc::new(Self { kind, state: Mutex::new(state), news, connected, trace })
    }

    pub(in crate::proxy) fn keep_past(&self) {
        self.state().keeps_past = true;
    }

    pub(in crate::proxy) fn connect(self: &Arc<Self>, lag: Option<Lag>) -> DuplexStream {
        let (near, far) = tokio::io::duplex(1 << 16);
        self.connected.send_modify(|connections| *connections += 1);
        let number = *self.connected.borrow();
        let state = self.state();
        let replica = lag.map(|lag| {
            let when = Instant::now().checked_sub(lag.behind);
            let then = state.past.iter().find(|(until, _)| when.is_none_or(|when| *until > when));
            let mailboxes = then.map_or_else(|| state.mailboxes.clone(), |(_, then)| then.clone());
            (Instant::now() + lag.lasts, mailboxes)
        });
        let connection = Connection::new(Arc::clone(self), far, number, state.kicks.len(), replica);
        drop(state);
        tokio::spawn(connection.serve());
        near
    }

    /// Somebody else changes mailboxes.
    pub(in crate::proxy) fn change(&self, what: impl FnOnce(&mut Mailboxes)) {
        let mut state = self.state();
        if state.keeps_past {
            let then = (Instant::now(), state.mailboxes.clone());
            state.past.push(then);
        }
        what(&mut state.mailboxes);
        drop(state);
        self.news.send_modify(|news| *news += 1);
    }

    pub(in crate::proxy) fn mailbox(&self, name: &str) -> Option<Mailbox> {
        self.state().mailboxes.get(name).cloned()
    }

    pub(in crate::proxy) fn kick(&self, kick: Kick) {
        self.state().kicks.push(kick);
        self.news.send_modify(|news| *news += 1);
    }

    pub(in crate::proxy) fn kick_since(&self, kicks: usize) -> Option<Kick> {
        self.state().kicks.get(kicks).copied()
    }

    /// A command that changes something is done; no command may be done twice.
    pub(in crate::proxy) fn done(&self, tag: &str, uids: Vec<u32>) {
        if self.state().done.insert(tag.to_owned(), uids).is_some() {
            self.complain(format!("{tag} was done twice"));
        }
    }

    /// The UIDs of the messages that the command with this tag changed.
    pub(in crate::proxy) fn changed_by(&self, tag: &str) -> Option<Vec<u32>> {
        self.state().done.get(tag).cloned()
    }

    /// The proxy did what it must not do.
    pub(in crate::proxy) fn complain(&self, words: String) {
        self.trace.note("!!", &words);
        self.state().complaints.push(words);
    }

    pub(in crate::proxy) fn complaints(&self) -> Vec<String> {
        self.state().complaints.clone()
    }

    pub(in crate::proxy) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Tells of each new connection.
    pub(in crate::proxy) fn connected(&self) -> watch::Receiver<usize> {
        self.connected.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// A stream, read line by line.
pub(in crate::proxy) struct Lines {
    pub(in crate::proxy) stream: DuplexStream,
    pub(in crate::proxy) buffer: Vec<u8>,
}

impl Lines {
    pub(in crate::proxy) fn new(stream: DuplexStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next line, without its end. Nothing is lost if this is not waited for.
    pub(in crate::proxy) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            self.more().await?;
        }
    }

    pub(in crate::proxy) async fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Some(self.buffer.drain(..length).collect())
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer).await;
        read.is_ok_and(|length| length > 0).then_some(())
    }

    /// Says something, after a while. None once nobody hears it.
    pub(in crate::proxy) async fn say(&mut self, what: &str, after: Duration) -> Option<()> {
        if !after.is_zero() {
            sleep(after).await;
        }
        self.stream.write_all(what.as_bytes()).await.ok()
    }
}

/// What passed, for whoever wonders at a failure.
#[derive(Clone, Default)]
pub(in crate::proxy) struct Trace(Arc<Mutex<(Vec<String>, Option<Instant>)>>);

impl Trace {
    pub(in crate::proxy) fn note(&self, who: &str, what: &str) {
        let mut trace = self.0.lock().unwrap();
        let began = *trace.1.get_or_insert_with(Instant::now);
        let at = began.elapsed().as_secs_f64();
        for line in what.lines() {
            let line: String = line.chars().take(160).collect();
            trace.0.push(format!("{at:8.3} {who} {line}"));
        }
    }

    pub(in crate::proxy) fn show(&self) -> String {
        let trace = self.0.lock().unwrap();
        let lines = std::env::var("GATEPOST_TRACE").ok().and_then(|lines| lines.parse().ok());
        let from = trace.0.len().saturating_sub(lines.unwrap_or(400));
        trace.0[from..].join("\n")
    }
}

/// The UIDs that are in `of` and in the set.
pub(in crate::proxy) fn within(set: &str, of: &[u32], last: u32) -> BTreeSet<u32> {
    let ranges = super::mailbox::numbers(set, last);
    of.iter().copied().filter(|uid| ranges.iter().any(|range| range.contains(uid))).collect()
}
