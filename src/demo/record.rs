//! What clients said, for tests that ask what reached the upstream.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::sync::lock;

/// How many sessions are remembered; the oldest gives way.
const SESSIONS: usize = 256;

/// How many lines of a session are remembered; the oldest gives way.
const LINES: usize = 400;

/// How much of a line is remembered, in bytes.
const LINE_BYTES: usize = 2000;

/// What one session received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Counted from 1, in the order in which connections came.
    pub session: usize,
    /// Who signed on, if anyone has.
    pub user: Option<String>,
    /// The lines, without CRLF. A SASL response is shown as `<SASL user=…>` without its token, and
    /// the bytes of a literal or of a message as `<n bytes>`.
    pub lines: Vec<String>,
}

/// All sessions' lines.
#[derive(Default)]
pub(super) struct Records {
    sessions: Mutex<VecDeque<SessionRecord>>,
    next: AtomicUsize,
}

impl Records {
    pub(super) fn open(&self) -> usize {
        let session = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= SESSIONS {
            sessions.pop_front();
        }
        sessions.push_back(SessionRecord {
            session,
            user: None,
            lines: Vec::new(),
        });
        session
    }

    pub(super) fn signed_on(&self, session: usize, user: &str) {
        self.change(session, |record| record.user = Some(user.to_owned()));
    }

    pub(super) fn line(&self, session: usize, line: &[u8]) {
        let text = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES)]).into_owned();
        self.change(session, |record| {
            if record.lines.len() >= LINES {
                record.lines.remove(0);
            }
            record.lines.push(text);
        });
    }

    /// How many connections have come so far.
    pub(super) fn count(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    pub(super) fn all(&self) -> Vec<SessionRecord> {
        lock(&self.sessions).iter().cloned().collect()
    }

    fn change(&self, session: usize, change: impl FnOnce(&mut SessionRecord)) {
        let mut sessions = lock(&self.sessions);
        if let Some(record) = sessions
            .iter_mut()
            .rev()
            .find(|record| record.session == session)
        {
            change(record);
        }
    }
}
