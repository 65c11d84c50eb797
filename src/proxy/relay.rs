//! Moves bytes both ways between a mail client and the provider, as far as a
//! [`Dialogue`] lets them.
//!
//! Both directions run in one task and neither waits for the other. Each has one buffer, of
//! bounded size: what can't be written isn't read, so that a slow reader slows its own session and
//! nothing else. A direction that waits for bytes has no buffer at all.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Sleep, timeout};

use super::pipe::{Broken, LARGEST_BUFFER, Pipe};
use crate::protocol::dialogue::Violation;
use crate::protocol::{Dialogue, Verdict};

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
    /// What came from the provider and did not go on.
    pub(super) from_upstream: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum End {
    /// The client closed, or its connection broke.
    ClientLeft,
    /// The provider closed, or its connection broke.
    UpstreamLeft,
    /// The provider's connection is gone, and no other can take its place, for this reason.
    Lost(String),
    /// A command of the client's is held, for something that the proxy has to do first; it is the
    /// front of what did not go on.
    Held,
    /// The connection to the provider is to be changed for another, and can be now.
    Due,
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

/// What ends a relay from without.
pub(super) struct Until<L, P> {
    /// Gives the reason why the session is to end, once it is.
    pub(super) leave: L,
    pub(super) part: P,
}

/// Says whether the provider's connection is to be changed for another.
pub(super) trait Part {
    /// `possible`: it could be done at this moment. The task is woken when the answer may be another.
    fn is_wanted(&mut self, cx: &mut Context<'_>, possible: bool) -> bool;
}

impl<P: Part> Part for &mut P {
    fn is_wanted(&mut self, cx: &mut Context<'_>, possible: bool) -> bool {
        (**self).is_wanted(cx, possible)
    }
}

/// It never is.
pub(super) struct Never;

impl Part for Never {
    fn is_wanted(&mut self, _: &mut Context<'_>, _: bool) -> bool {
        false
    }
}

/// Relays until either side leaves, the dialogue stops or holds a command, or something ends it from
/// without and the session is in a state for it.
pub(super) async fn relay<C, U, D>(
    client: &mut C,
    upstream: &mut U,
    dialogue: &mut D,
    carry: Carry,
    until: Until<impl Future<Output = String>, impl Part>,
    meter: &impl Meter,
) -> Ended
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
    D: Dialogue,
{
    let mut relay = Relay {
        up: Pipe::new(carry.from_client),
        down: Pipe::never_waiting(carry.from_upstream),
        interjections: Vec::new(),
        leaving: None,
        parting: false,
        held: false,
        leave_by: None,
        upstream_deaf: false,
        linger: None,
        heard: 0,
    };
    // A set polls only what was woken itself. Each command and each answer wakes the relay, and looking
    // here as well each time cost some 2,000 of a NOOP's 26,000 instructions.
    let leave = FuturesUnordered::from_iter([Box::pin(until.leave)]);
    let mut until = Until { leave, part: until.part };
    let poll = |cx: &mut Context<'_>| relay.poll(cx, client, upstream, dialogue, &mut until, meter);
    let why = poll_fn(poll).await;
    if matches!(why, End::Stopped(_)) {
        // What was let through to the client still reaches it: whatever it is told next must not
        // stand in the middle of a line.
        let mut last = relay.down.unwritten().concat();
        if dialogue.may_interject() {
            last.append(&mut relay.interjections);
        }
        let _ = timeout(LAST_WORDS, client.write_all(&last)).await;
    }
    Ended { why, from_client: relay.up.take_rest(), from_upstream: relay.down.take_rest() }
}

struct Relay {
    /// From the client to the provider.
    up: Pipe,
    /// From the provider to the client.
    down: Pipe,
    /// The proxy's own replies to the client, which wait for a gap in the provider's.
    interjections: Vec<u8>,
    leaving: Option<String>,
    /// The provider's connection is to be changed for another.
    parting: bool,
    /// The dialogue holds a command of the client's.
    held: bool,
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
        until: &mut Until<FuturesUnordered<Pin<Box<impl Future<Output = String>>>>, impl Part>,
        meter: &impl Meter,
    ) -> Poll<End>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
        D: Dialogue,
    {
        if self.leaving.is_none()
            && let Poll::Ready(Some(words)) = until.leave.poll_next_unpin(cx)
        {
            self.leaving = Some(words);
            self.leave_by = Some(Box::pin(tokio::time::sleep(LEAVING)));
        }
        if self.leave_by.as_mut().is_some_and(|by| by.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(End::Leaving(self.leaving.take().unwrap_or_default()));
        }
        // What one direction did may let the other go on: both stand still once each has been polled
        // behind the other's last step.
        let mut polled = None;
        loop {
            self.held = false;
            let held = &mut self.held;
            let interjections = &mut self.interjections;
            let mut judge = |bytes: &[u8]| {
                // A client that doesn't read its answers isn't read either.
                if interjections.len() >= LARGEST_BUFFER {
                    return Verdict::Wait;
                }
                let verdict = dialogue.client_sent(bytes);
                *held = verdict == Verdict::Hold;
                take_answer(verdict, interjections)
            };
            if let Poll::Ready(broken) =
                self.up.poll(cx, client, upstream, &mut judge, &|bytes| meter.to_upstream(bytes))
            {
                match broken {
                    Broken::Stop(violation) => return Poll::Ready(End::Stopped(violation)),
                    Broken::Reader => return Poll::Ready(End::ClientLeft),
                    Broken::Writer => {
                        // What it holds can't go on either.
                        self.held = false;
                        self.up.give_up();
                        self.upstream_deaf = true;
                    }
                }
            }
            let before = self.down.moved;
            if self.down.is_between() && !self.interjections.is_empty() && dialogue.may_interject()
            {
                self.down.interject(std::mem::take(&mut self.interjections));
            }
            if polled == Some(self.moved()) {
                break;
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
            if self.down.moved == before {
                break;
            }
            polled = Some(self.moved());
        }
        self.end(cx, dialogue, &mut until.part).map_or(Poll::Pending, Poll::Ready)
    }

    /// Steps forward of both directions.
    fn moved(&self) -> u64 {
        self.up.moved + self.down.moved
    }

    fn end(
        &mut self,
        cx: &mut Context<'_>,
        dialogue: &mut impl Dialogue,
        part: &mut impl Part,
    ) -> Option<End> {
        if !self.down.is_between() {
            return None;
        }
        // A reply of the proxy's own that is still here waits for the end of a line that never comes.
        if self.down.ended || dialogue.server_has_left() {
            return Some(End::UpstreamLeft);
        }
        let answered = self.interjections.is_empty();
        let still = self.up.is_between() && answered;
        // What is told for it must not stand in the middle of a line.
        if still && self.held && dialogue.may_interject() {
            return Some(End::Held);
        }
        let may_part = still && dialogue.may_part() && !self.up.ended;
        let wanted = part.is_wanted(cx, may_part);
        if wanted != self.parting {
            self.parting = wanted;
            dialogue.part_soon(wanted);
        }
        if wanted && may_part {
            return Some(End::Due);
        }
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

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
