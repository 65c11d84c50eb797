//! The rows: what is done with a target, and the figures that come of it.

mod at_rest;
mod flow;
mod round_trips;
mod sign_on;

use std::io;

use crate::figures::Key;
use crate::options::Effort;
use crate::target::Target;

pub(crate) use flow::message;

/// The figures of one target from one round.
pub(crate) type Taken = Vec<(Key, f64)>;

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What comes of it, of a program in between.
    pub(crate) figures: &'static [Key],
    pub(crate) take: fn(&Target, &Effort) -> io::Result<Taken>,
}

pub(crate) const ROWS: [Row; 10] = [
    Row { name: "download", figures: &[Key::DownloadRate, Key::DownloadCpu], take: flow::download },
    Row { name: "list", figures: &[Key::ListRate, Key::ListCpu], take: flow::list },
    Row { name: "append", figures: &[Key::AppendRate, Key::AppendCpu], take: flow::append },
    Row { name: "data", figures: &[Key::DataRate, Key::DataCpu], take: flow::data },
    Row { name: "fetch", figures: &[Key::FetchMedian, Key::FetchCpu], take: round_trips::fetch },
    Row {
        name: "noop",
        figures: &[Key::NoopMedian, Key::NoopP99, Key::NoopCpu],
        take: round_trips::noop,
    },
    Row {
        name: "sign-on",
        figures: &[Key::SignOnMedian, Key::SignOnCpu],
        take: sign_on::one_by_one,
    },
    Row { name: "at-once", figures: &[Key::AtOnce], take: sign_on::at_once },
    Row {
        name: "idle",
        figures: &[Key::AtRest, Key::IdleSession, Key::Switches],
        take: at_rest::idle,
    },
    Row { name: "start", figures: &[Key::Ready, Key::Binary], take: at_rest::starts },
];
