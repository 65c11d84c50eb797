//! What can be wrong with a network, and where in a journey.

use std::time::Duration;

use crate::support::fault_proxy::{Fault, Way, When};

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Latency,
    Bandwidth,
    Stall,
    Silence,
    HalfOpen,
    ResetOnce,
    Reset,
    Close,
    Refusal,
    NoName,
    Portal,
}

impl Kind {
    pub(super) const ALL: [Self; 11] = [
        Self::Latency,
        Self::Bandwidth,
        Self::Stall,
        Self::Silence,
        Self::HalfOpen,
        Self::ResetOnce,
        Self::Reset,
        Self::Close,
        Self::Refusal,
        Self::NoName,
        Self::Portal,
    ];

    /// Those that are over soon.
    pub(super) const QUICK: [Self; 6] =
        [Self::ResetOnce, Self::Reset, Self::Close, Self::Refusal, Self::NoName, Self::Portal];

    /// Those of the short form.
    pub(super) const SHORT: [Self; 4] = [Self::ResetOnce, Self::Reset, Self::Refusal, Self::Portal];

    /// Its name, and what is done.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Latency => ("latency", "everything comes 150 to 250 ms later, each way"),
            Self::Bandwidth => ("bandwidth", "100 kB a second come through, each way"),
            Self::Stall => ("stall", "nothing passes for 3 s, then all does"),
            Self::Silence => {
                ("silence", "nothing passes any more, while the server's system still acknowledges")
            }
            Self::HalfOpen => (
                "black hole",
                "what the server's side sends is lost without a word: no connection is taken, and one that is there is half-open",
            ),
            Self::ResetOnce => {
                ("one reset", "a connection is reset, at a given byte, and the next is well")
            }
            Self::Reset => ("reset", "every connection is reset, at a given byte"),
            Self::Close => ("close", "every connection is closed, at a given byte"),
            Self::Refusal => {
                ("refused", "the server's port is closed; what was connected is reset before")
            }
            Self::NoName => {
                ("no DNS", "the server's name has no address; what was connected is reset before")
            }
            Self::Portal => (
                "captive portal",
                "somebody else answers, by another certificate; what was connected is reset before",
            ),
        }
    }

    /// What its line is told; nothing where it is no line's.
    pub(super) fn fault(self, when: When) -> Option<Fault> {
        Some(match self {
            Self::Latency => Fault::Latency(Duration::from_millis(150), Duration::from_millis(100)),
            Self::Bandwidth => Fault::Bandwidth(100_000),
            Self::Stall | Self::Silence => Fault::Silence(when),
            Self::HalfOpen => Fault::Loss,
            Self::ResetOnce => Fault::ResetOnce(when),
            Self::Reset => Fault::Reset(when),
            Self::Close => Fault::Close(when),
            Self::Refusal => Fault::Refusal,
            Self::NoName => return None,
            Self::Portal => Fault::Portal,
        })
    }

    /// True if what is connected would not notice.
    pub(super) fn is_of_new_connections(self) -> bool {
        matches!(self, Self::Refusal | Self::NoName | Self::Portal)
    }

    /// Where in a journey it comes.
    pub(super) fn points(self, all: &[Point]) -> Vec<Point> {
        let last = all.len().saturating_sub(1);
        let here = all.iter().enumerate().filter(|(place, point)| match self {
            Self::Latency | Self::Bandwidth => *place == 0,
            Self::ResetOnce | Self::Reset | Self::Close => true,
            Self::Stall => point.when == When::Now || *place == last,
            _ => point.when == When::Now,
        });
        here.map(|(_, point)| *point).collect()
    }
}

/// Every so many bytes of a sign-on, each way, one point; it has fewer than these.
pub(super) fn sweep(moment: &'static str) -> impl Iterator<Item = Point> {
    const STEP: usize = 29;
    const MOST: u64 = 1500;
    let each = move |point: fn(&'static str, u64) -> Point| {
        (0..MOST).step_by(STEP).map(move |bytes| point(moment, bytes))
    };
    each(up).chain(each(down))
}

/// A point of a journey at which something may go wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) moment: &'static str,
    pub(super) when: When,
    /// True if there is a connection that has to end for new ones to be made.
    pub(super) cuts: bool,
}

/// At a moment without a connection.
pub(super) const fn before(moment: &'static str) -> Point {
    Point { moment, when: When::Now, cuts: false }
}

/// At a moment with one.
pub(super) const fn amid(moment: &'static str) -> Point {
    Point { moment, when: When::Now, cuts: true }
}

/// Behind so many bytes of Gatepost's after a moment.
pub(super) const fn up(moment: &'static str, bytes: u64) -> Point {
    Point { moment, when: When::Beyond(Way::Up, bytes), cuts: false }
}

/// Behind so many bytes of the server's after a moment.
pub(super) const fn down(moment: &'static str, bytes: u64) -> Point {
    Point { moment, when: When::Beyond(Way::Down, bytes), cuts: false }
}
