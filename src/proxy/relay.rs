//! Moves bytes both ways between a mail client and the provider, as far as a
//! [`Dialogue`] lets them.
//!
//! Both directions run in one task and neither waits for the other. Each has one buffer, of
//! bounded size: what can't be written isn't read, so that a slow reader slows its own session and
//! nothing else. A direction that waits for bytes has no buffer at all.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, timeout};

use crate::protocol::dialogue::Violation;
use crate::protocol::{Dialogue, Verdict};

/// A buffer's size when bytes begin to flow: most commands and answers are shorter.
const FIRST_BUFFER: usize = 4 * 1024;
/// Its largest size: four TLS records, and more than any line that a dialogue looks at whole.
const LARGEST_BUFFER: usize = 64 * 1024;
/// How long the provider may take to answer a client that has shut its writing side.
const LINGER: Duration = Duration::from_secs(60);
/// How long a provider that takes no bytes any more is listened to, since it may have said why; and
/// how long a client has for what it was still to be sent.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long a session that is to end may go on before it is cut off.
const LEAVING: Duration = Duration::from_secs(10);

/// What was read before the relay began, by either side's sign-on.
#[derive(Default)]
pub(super) struct Carry {
    pub(super) from_client: Vec<u8>,
    pub(super) from_upstream: Vec<u8>,
}

/// How a relay ended.
pub(super) struct Ended {
    pub(super) why: End,
    /// What came from the client and did not go on.
    pub(super) from_client: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum End {
    /// The client closed, or its connection broke.
    ClientLeft,
    /// The provider closed, or its connection broke.
    UpstreamLeft,
    /// The dialogue can't go on.
    Stopped(Violation),
    /// The proxy ends the session, for this reason: as soon as nothing is cut off by it, and after
    /// ten seconds in any case.
    Leaving(String),
}

/// Bytes that passed, for `status`.
pub(super) trait Meter {
    fn to_client(&self, bytes: usize);
    fn to_upstream(&self, bytes: usize);
}

/// Relays until either side leaves, the dialogue stops, or `leave` gives a reason and the session
/// is quiet.
pub(super) async fn relay<C, U, D>(
    client: &mut C,
    upstream: &mut U,
    dialogue: &mut D,
    carry: Carry,
    leave: impl Future<Output = String>,
    meter: &impl Meter,
) -> Ended
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
    D: Dialogue,
{
    let mut relay = Relay {
        up: Pipe::new(carry.from_client),
        down: Pipe { never_waits: true, ..Pipe::new(carry.from_upstream) },
        interjections: Vec::new(),
        leaving: None,
        leave_by: None,
        upstream_deaf: false,
        linger: None,
        heard: 0,
    };
    let mut leave = pin!(leave);
    let why = poll_fn(|cx| relay.poll(cx, client, upstream, dialogue, leave.as_mut(), meter)).await;
    if matches!(why, End::Stopped(_)) {
        // What was let through to the client still reaches it: whatever it is told next must not
        // stand in the middle of a line.
        let mut last = relay.down.unwritten().concat();
        if dialogue.may_interject() {
            last.append(&mut relay.interjections);
        }
        let _ = timeout(LAST_WORDS, client.write_all(&last)).await;
    }
    Ended { why, from_client: relay.up.take_rest() }
}

struct Relay {
    /// From the client to the provider.
    up: Pipe,
    /// From the provider to the client.
    down: Pipe,
    /// The proxy's own replies to the client, which wait for a gap in the provider's.
    interjections: Vec<u8>,
    leaving: Option<String>,
    leave_by: Option<Pin<Box<Sleep>>>,
    /// The provider takes nothing any more; what it still has to say is awaited.
    upstream_deaf: bool,
    linger: Option<Pin<Box<Sleep>>>,
    /// How far the provider had come when the linger began anew.
    heard: u64,
}

impl Relay {
    fn poll<C, U, D>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        upstream: &mut U,
        dialogue: &mut D,
        leave: Pin<&mut impl Future<Output = String>>,
        meter: &impl Meter,
    ) -> Poll<End>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
        D: Dialogue,
    {
        if self.leaving.is_none()
            && let Poll::Ready(words) = leave.poll(cx)
        {
            self.leaving = Some(words);
            self.leave_by = Some(Box::pin(tokio::time::sleep(LEAVING)));
        }
        if self.leave_by.as_mut().is_some_and(|by| by.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(End::Leaving(self.leaving.take().unwrap_or_default()));
        }
        loop {
            let moved = self.up.moved + self.down.moved;
            let interjections = &mut self.interjections;
            let mut judge = |bytes: &[u8]| {
                // A client that doesn't read its answers isn't read either.
                if interjections.len() >= LARGEST_BUFFER {
                    return Verdict::Wait;
                }
                take_answer(dialogue.client_sent(bytes), interjections)
            };
            if let Poll::Ready(broken) =
                self.up.poll(cx, client, upstream, &mut judge, &|bytes| meter.to_upstream(bytes))
            {
                match broken {
                    Broken::Stop(violation) => return Poll::Ready(End::Stopped(violation)),
                    Broken::Reader => return Poll::Ready(End::ClientLeft),
                    Broken::Writer => {
                        self.up.give_up();
                        self.upstream_deaf = true;
                    }
                }
            }
            if self.down.is_between() && !self.interjections.is_empty() && dialogue.may_interject()
            {
                self.down.interject(std::mem::take(&mut self.interjections));
            }
            let interjections = &mut self.interjections;
            let mut judge = |bytes: &[u8]| {
                // A reply of the proxy's own goes before what the provider says later.
                if !interjections.is_empty() && dialogue.may_interject() {
                    return Verdict::Replace { take: 0, with: std::mem::take(interjections) };
                }
                dialogue.server_sent(bytes)
            };
            if let Poll::Ready(broken) =
                self.down.poll(cx, upstream, client, &mut judge, &|bytes| meter.to_client(bytes))
            {
                return Poll::Ready(match broken {
                    Broken::Stop(violation) => End::Stopped(violation),
                    Broken::Reader => End::UpstreamLeft,
                    Broken::Writer => End::ClientLeft,
                });
            }
            // What one direction did may let the other go on: no end before both stand still.
            if moved != self.up.moved + self.down.moved {
                continue;
            }
            return self.end(cx, dialogue).map_or(Poll::Pending, Poll::Ready);
        }
    }

    fn end(&mut self, cx: &mut Context<'_>, dialogue: &impl Dialogue) -> Option<End> {
        if !self.down.is_between() {
            return None;
        }
        // A reply of the proxy's own that is still here waits for the end of a line that never comes.
        if self.down.ended {
            return Some(End::UpstreamLeft);
        }
        let answered = self.interjections.is_empty();
        if self.leaving.is_some() && answered && self.up.is_between() && dialogue.is_quiet() {
            return self.leaving.take().map(End::Leaving);
        }
        if self.up.ended {
            let patience = if self.upstream_deaf { LAST_WORDS } else { LINGER };
            let linger = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
            if !self.upstream_deaf && self.heard != self.down.moved {
                self.heard = self.down.moved;
                linger.as_mut().reset(tokio::time::Instant::now() + LINGER);
            }
            let over = linger.as_mut().poll(cx).is_ready();
            if self.upstream_deaf {
                return over.then_some(End::UpstreamLeft);
            }
            // What the client asked is still answered; what it can't ask any more isn't waited for.
            if over || (answered && !dialogue.awaits_answer()) {
                return Some(End::ClientLeft);
            }
        }
        None
    }
}

/// A reply to the client is put aside; only its bytes are dropped here.
fn take_answer(verdict: Verdict, interjections: &mut Vec<u8>) -> Verdict {
    match verdict {
        Verdict::Answer { take, reply } => {
            interjections.extend_from_slice(&reply);
            Verdict::Replace { take, with: Vec::new() }
        }
        verdict => verdict,
    }
}

/// One direction.
struct Pipe {
    buffer: Vec<u8>,
    /// What is in the buffer: from here …
    start: usize,
    /// … to here.
    end: usize,
    /// This much at the front may be written.
    pass: usize,
    /// This goes out before anything in the buffer.
    own: Vec<u8>,
    own_written: usize,
    /// The reader has no more.
    ended: bool,
    /// The writer has bytes that it may still hold.
    flush: bool,
    /// A full buffer that waits for more is an error: nothing but its own reader can help it.
    never_waits: bool,
    /// Counts steps forward, so that a standstill is known.
    moved: u64,
}

enum Broken {
    Reader,
    Writer,
    Stop(Violation),
}

impl Pipe {
    fn new(carry: Vec<u8>) -> Self {
        let end = carry.len();
        Self {
            buffer: carry,
            start: 0,
            end,
            pass: 0,
            own: Vec::new(),
            own_written: 0,
            ended: false,
            flush: false,
            never_waits: false,
            moved: 0,
        }
    }

    /// True if nothing that was let through is still to be written.
    fn is_between(&self) -> bool {
        self.pass == 0 && self.own.is_empty() && !self.flush
    }

    fn interject(&mut self, reply: Vec<u8>) {
        self.own = reply;
        self.own_written = 0;
        self.moved += 1;
    }

    /// Nothing can be written any more.
    fn give_up(&mut self) {
        *self = Self { ended: true, moved: self.moved + 1, ..Self::new(Vec::new()) };
    }

    /// What was let through and not written yet.
    fn unwritten(&self) -> [&[u8]; 2] {
        [&self.own[self.own_written..], &self.buffer[self.start..self.start + self.pass]]
    }

    fn take_rest(mut self) -> Vec<u8> {
        self.buffer.truncate(self.end);
        self.buffer.split_off(self.start)
    }

    /// Goes on until it has to wait; `Ready` only when it can't go on at all.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        judge: &mut dyn FnMut(&[u8]) -> Verdict,
        count: &dyn Fn(usize),
    ) -> Poll<Broken>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if ready!(self.poll_write(cx, writer, count)).is_err() {
                return Poll::Ready(Broken::Writer);
            }
            let buffered = &self.buffer[self.start..self.end];
            if !buffered.is_empty() {
                match judge(buffered) {
                    Verdict::Pass(length) => {
                        self.pass = length.min(buffered.len());
                        self.moved += 1;
                        continue;
                    }
                    Verdict::Replace { take, with } | Verdict::Answer { take, reply: with } => {
                        self.start += take.min(buffered.len());
                        self.interject(with);
                        continue;
                    }
                    Verdict::Stop(violation) => return Poll::Ready(Broken::Stop(violation)),
                    Verdict::Wait => {}
                }
            }
            if self.flush {
                match ready!(Pin::new(&mut *writer).poll_flush(cx)) {
                    Ok(()) => self.flush = false,
                    Err(_) => return Poll::Ready(Broken::Writer),
                }
                self.moved += 1;
            }
            if self.ended {
                return Poll::Pending;
            }
            if !self.make_room() {
                if self.never_waits {
                    return Poll::Ready(Broken::Stop(Violation::ServerReply));
                }
                // Nothing goes on before the other direction has moved: back-pressure.
                return Poll::Pending;
            }
            match self.poll_read(cx, reader) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Broken::Reader),
                Poll::Pending => {
                    self.rest();
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
        count: &dyn Fn(usize),
    ) -> Poll<io::Result<()>> {
        while self.own_written < self.own.len() {
            let bytes = &self.own[self.own_written..];
            self.own_written += written(ready!(Pin::new(&mut *writer).poll_write(cx, bytes)))?;
            self.flush = true;
        }
        self.own = Vec::new();
        self.own_written = 0;
        while self.pass > 0 {
            let bytes = &self.buffer[self.start..self.start + self.pass];
            let length = written(ready!(Pin::new(&mut *writer).poll_write(cx, bytes)))?;
            self.start += length;
            self.pass -= length;
            self.flush = true;
            self.moved += 1;
            count(length);
        }
        Poll::Ready(Ok(()))
    }

    /// Makes room to read into; false if the buffer is as large and as full as it may be.
    fn make_room(&mut self) -> bool {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        if self.end < self.buffer.len() {
            return true;
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            return true;
        }
        // Full: bytes flow, or a long line wants to be seen whole.
        let larger = (self.buffer.len() * 2).clamp(FIRST_BUFFER, LARGEST_BUFFER);
        let grows = larger > self.buffer.len();
        if grows {
            self.buffer.resize(larger, 0);
        }
        grows
    }

    fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
    ) -> Poll<io::Result<()>> {
        let mut room = ReadBuf::new(&mut self.buffer[self.end..]);
        match ready!(Pin::new(reader).poll_read(cx, &mut room)) {
            Ok(()) => match room.filled().len() {
                0 => self.ended = true,
                length => {
                    self.end += length;
                    // A read that filled the room: the next one is worth a larger buffer.
                    let full = self.end == self.buffer.len() && self.start == 0;
                    if full && self.buffer.len() < LARGEST_BUFFER {
                        self.buffer.resize((self.buffer.len() * 2).min(LARGEST_BUFFER), 0);
                    }
                }
            },
            // A peer that closes TCP without TLS's close_notify has closed all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.ended = true,
            Err(error) => return Poll::Ready(Err(error)),
        }
        self.moved += 1;
        Poll::Ready(Ok(()))
    }

    /// Gives the buffer back while there is nothing in it.
    fn rest(&mut self) {
        if self.start == self.end {
            self.buffer = Vec::new();
            self.start = 0;
            self.end = 0;
        }
    }
}

/// A writer that takes nothing never will.
fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        length => Ok(length),
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
