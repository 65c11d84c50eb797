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

/// What takes long, and differs little from round to round, is not taken in each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    Seldom,
    Once,
}

impl When {
    /// In one of so many rounds.
    pub(crate) fn every(self, rounds: usize) -> usize {
        match self {
            Self::Always => 1,
            Self::Seldom => 4,
            Self::Once => rounds,
        }
    }
}

/// The figures of one target from one round.
pub(crate) type Taken = Vec<(Key, f64)>;

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What comes of it, of a program in between.
    pub(crate) figures: &'static [Key],
    pub(crate) when: When,
    pub(crate) take: Take,
}

pub(crate) const ROWS: [Row; 11] = [
    always("download", &[Key::DownloadRate, Key::DownloadCpu], flow::download),
    always("list", &[Key::ListRate, Key::ListCpu], flow::list),
    always("append", &[Key::AppendRate, Key::AppendCpu], flow::append),
    always("data", &[Key::DataRate, Key::DataCpu], flow::data),
    always("fetch", &[Key::FetchMedian, Key::FetchCpu], round_trips::fetch),
    always("noop", &[Key::NoopMedian, Key::NoopP99, Key::NoopCpu], round_trips::noop),
    always("sign-on", &[Key::SignOnMedian, Key::SignOnCpu], sign_on::one_by_one),
    seldom("at-once", &[Key::AtOnce], sign_on::at_once),
    seldom("idle", &[Key::AtRest, Key::IdleSession, Key::Switches], at_rest::idle),
    once("held", &[Key::Held], sign_on::held),
    seldom("start", &[Key::Ready, Key::Binary], at_rest::starts),
];

type Take = fn(&Target, &Effort) -> io::Result<Taken>;

const fn always(name: &'static str, figures: &'static [Key], take: Take) -> Row {
    Row { name, figures, when: When::Always, take }
}

const fn seldom(name: &'static str, figures: &'static [Key], take: Take) -> Row {
    Row { name, figures, when: When::Seldom, take }
}

const fn once(name: &'static str, figures: &'static [Key], take: Take) -> Row {
    Row { name, figures, when: When::Once, take }
}
