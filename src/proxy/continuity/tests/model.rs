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
pub(super) struct Kind {
    pub(super) esearch: bool,
    /// CONDSTORE (RFC 7162).
    pub(super) modseq: bool,
    pub(super) qresync: bool,
    /// EXISTS, with what is gone still counted, comes before EXPUNGE.
    pub(super) exists_first: bool,
    /// From the highest to the lowest.
    pub(super) expunges_down: bool,
    /// A UID SEARCH looks for news before it searches, and not only after, as Dovecot does.
    pub(super) search_looks_first: bool,
    /// What arrives is told between commands too.
    pub(super) talkative: bool,
    /// Each answer takes this long.
    pub(super) slow: Duration,
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
            slow: Duration::ZERO,
        }
    }
}

pub(super) type Mailboxes = BTreeMap<String, Mailbox>;

pub(super) struct Server {
    pub(super) kind: Kind,
    state: Mutex<State>,
    news: watch::Sender<u64>,
    connected: watch::Sender<usize>,
    pub(super) trace: Trace,
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
pub(super) enum Kick {
    WithBye,
    Without,
}

/// A replica that is this far behind, until this long after its connection began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lag {
    pub(super) behind: Duration,
    pub(super) lasts: Duration,
}

impl Server {
    pub(super) fn new(kind: Kind, mailboxes: Mailboxes, trace: Trace) -> Arc<Self> {
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

    pub(super) fn keep_past(&self) {
        self.state().keeps_past = true;
    }

    pub(super) fn connect(self: &Arc<Self>, lag: Option<Lag>) -> DuplexStream {
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
    pub(super) fn change(&self, what: impl FnOnce(&mut Mailboxes)) {
        let mut state = self.state();
        if state.keeps_past {
            let then = (Instant::now(), state.mailboxes.clone());
            state.past.push(then);
        }
        what(&mut state.mailboxes);
        drop(state);
        self.news.send_modify(|news| *news += 1);
    }

    pub(super) fn mailbox(&self, name: &str) -> Option<Mailbox> {
        self.state().mailboxes.get(name).cloned()
    }

    pub(super) fn kick(&self, kick: Kick) {
        self.state().kicks.push(kick);
        self.news.send_modify(|news| *news += 1);
    }

    pub(super) fn kick_since(&self, kicks: usize) -> Option<Kick> {
        self.state().kicks.get(kicks).copied()
    }

    /// A command that changes something is done; no command may be done twice.
    pub(super) fn done(&self, tag: &str, uids: Vec<u32>) {
        if self.state().done.insert(tag.to_owned(), uids).is_some() {
            self.complain(format!("{tag} was done twice"));
        }
    }

    /// The UIDs of the messages that the command with this tag changed.
    pub(super) fn changed_by(&self, tag: &str) -> Option<Vec<u32>> {
        self.state().done.get(tag).cloned()
    }

    /// The proxy did what it must not do.
    pub(super) fn complain(&self, words: String) {
        self.trace.note("!!", &words);
        self.state().complaints.push(words);
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        self.state().complaints.clone()
    }

    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Tells of each new connection.
    pub(super) fn connected(&self) -> watch::Receiver<usize> {
        self.connected.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// A stream, read line by line.
pub(super) struct Lines {
    pub(super) stream: DuplexStream,
    pub(super) buffer: Vec<u8>,
}

impl Lines {
    pub(super) fn new(stream: DuplexStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next line, without its end. Nothing is lost if this is not waited for.
    pub(super) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            self.more().await?;
        }
    }

    pub(super) async fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
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
    pub(super) async fn say(&mut self, what: &str, after: Duration) -> Option<()> {
        if !after.is_zero() {
            sleep(after).await;
        }
        self.stream.write_all(what.as_bytes()).await.ok()
    }
}

/// What passed, for whoever wonders at a failure.
#[derive(Clone, Default)]
pub(super) struct Trace(Arc<Mutex<(Vec<String>, Option<Instant>)>>);

impl Trace {
    pub(super) fn note(&self, who: &str, what: &str) {
        let mut trace = self.0.lock().unwrap();
        let began = *trace.1.get_or_insert_with(Instant::now);
        let at = began.elapsed().as_secs_f64();
        for line in what.lines() {
            let line: String = line.chars().take(160).collect();
            trace.0.push(format!("{at:8.3} {who} {line}"));
        }
    }

    pub(super) fn show(&self) -> String {
        let trace = self.0.lock().unwrap();
        let from = trace.0.len().saturating_sub(400);
        trace.0[from..].join("\n")
    }
}

/// The UIDs that are in `of` and in the set.
pub(super) fn within(set: &str, of: &[u32], last: u32) -> BTreeSet<u32> {
    let ranges = super::mailbox::numbers(set, last);
    of.iter().copied().filter(|uid| ranges.iter().any(|range| range.contains(uid))).collect()
}
