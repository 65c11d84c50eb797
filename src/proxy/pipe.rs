//! One direction of a relayed session: a bounded buffer between a reader and a writer.

#![allow(
    clippy::missing_const_for_thread_local,
    reason = "on Windows it doesn't see that the initializer is const"
)]

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::protocol::Verdict;
use crate::protocol::dialogue::Violation;

/// A buffer's size when bytes begin to flow: most commands and answers are shorter.
const FIRST_BUFFER: usize = 4 * 1024;
/// Its largest size: sixteen TLS records, and more than any line that a dialogue looks at whole. Each write
/// wakes the client: with a quarter of it a download took 5 % more CPU and had 7 % less of a rate.
pub(super) const LARGEST_BUFFER: usize = 256 * 1024;

thread_local! {
    /// A buffer that no direction needs just now, for the next that does: making and freeing one for
    /// each command and each answer took a fifth of all that is done for a NOOP.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// One direction.
pub(super) struct Pipe {
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
    pub(super) ended: bool,
    /// The writer has bytes that it may still hold.
    flush: bool,
    /// A full buffer that waits for more is an error: nothing but its own reader can help it.
    never_waits: bool,
    /// Its writer is gone.
    given_up: bool,
    /// Counts steps forward, so that a standstill is known.
    pub(super) moved: u64,
}

pub(super) enum Broken {
    Reader,
    Writer,
    Stop(Violation),
}

impl Pipe {
    pub(super) fn new(carry: Vec<u8>) -> Self {
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
            given_up: false,
            moved: 0,
        }
    }

    /// A pipe for which a full buffer that waits for more is an error.
    pub(super) fn never_waiting(carry: Vec<u8>) -> Self {
        Self { never_waits: true, ..Self::new(carry) }
    }

    /// True if nothing that was let through is still to be written.
    pub(super) fn is_between(&self) -> bool {
        self.pass == 0 && self.own.is_empty() && !self.flush
    }

    pub(super) fn interject(&mut self, reply: Vec<u8>) {
        self.own = reply;
        self.own_written = 0;
        self.moved += 1;
    }

    /// Nothing can be written any more. What wasn't let through yet is kept.
    pub(super) fn give_up(&mut self) {
        let rest = std::mem::replace(self, Self::new(Vec::new())).take_rest();
        *self = Self { ended: true, given_up: true, moved: self.moved + 1, ..Self::new(rest) };
    }

    /// What was let through and not written yet.
    pub(super) fn unwritten(&self) -> [&[u8]; 2] {
        [&self.own[self.own_written..], &self.buffer[self.start..self.start + self.pass]]
    }

    /// What was not let through.
    pub(super) fn take_rest(mut self) -> Vec<u8> {
        self.buffer.truncate(self.end);
        self.buffer.split_off(self.start + self.pass)
    }

    /// Goes on until it has to wait; `Ready` only when it can't go on at all.
    pub(super) fn poll<R, W>(
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
        if self.given_up {
            return Poll::Pending;
        }
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
                    Verdict::Hold | Verdict::Wait => {}
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
        if self.buffer.is_empty() {
            self.buffer = SPARE.take();
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

    /// Gives the buffer back while there is nothing in it, or so little that it is too large.
    fn rest(&mut self) {
        let held = self.end - self.start;
        if held > 0 && (held > FIRST_BUFFER / 2 || self.buffer.len() <= FIRST_BUFFER) {
            return;
        }
        let mut small = Vec::new();
        if held > 0 {
            small.extend_from_slice(&self.buffer[self.start..self.end]);
            small.resize(FIRST_BUFFER, 0);
        }
        let large = std::mem::replace(&mut self.buffer, small);
        (self.start, self.end) = (0, held);
        let spare = SPARE.take();
        SPARE.set(if spare.len() > large.len() { spare } else { large });
    }
}

/// A writer that takes nothing never will.
fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        length => Ok(length),
    }
}
