//! Which figures there are, what Gatepost wants of each, and the samples of a run.

use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    DownloadRate,
    DownloadCpu,
    ListRate,
    ListCpu,
    AppendRate,
    AppendCpu,
    DataRate,
    DataCpu,
    FetchMedian,
    FetchCpu,
    NoopMedian,
    NoopP99,
    NoopCpu,
    SignOnMedian,
    SignOnCpu,
    AtOnce,
    Held,
    AtRest,
    IdleSession,
    Switches,
    Ready,
    Binary,
}

/// What is wanted.
pub(crate) enum Bar {
    /// At most (or, where more is better, at least) so many times the best peer's.
    OfBestPeer(f64),
    /// At most so much more than with nothing in between.
    AboveDirect(f64),
    AtMost(f64),
    /// It is there to be known.
    Open,
}

/// What a figure is.
pub(crate) struct About {
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) more_is_better: bool,
    pub(crate) bar: Bar,
}

impl Key {
    pub(crate) fn about(self) -> About {
        let less = |title, unit, bar| About { title, unit, more_is_better: false, bar };
        let more = |title, unit, bar| About { title, unit, more_is_better: true, bar };
        let best = Bar::OfBestPeer;
        match self {
            Self::DownloadRate => more("Download: large messages", "MB/s", best(1.0)),
            Self::DownloadCpu => less("Download: CPU", "s/GB", best(1.0)),
            Self::ListRate => more("Download: flags of 5,000 messages", "MB/s", Bar::Open),
            Self::ListCpu => less("Download of flags: CPU", "s/GB", Bar::Open),
            Self::AppendRate => more("Upload by APPEND", "MB/s", Bar::Open),
            Self::AppendCpu => less("Upload by APPEND: CPU", "s/GB", best(0.9)),
            Self::DataRate => more("Upload by DATA", "MB/s", Bar::Open),
            Self::DataCpu => less("Upload by DATA: CPU", "s/GB", best(0.9)),
            Self::FetchMedian => less("FETCH of a small message", "ms", Bar::AboveDirect(0.1)),
            Self::FetchCpu => less("FETCH of a small message: CPU", "µs", Bar::Open),
            Self::NoopMedian => less("NOOP, median", "µs", best(1.0)),
            Self::NoopP99 => less("NOOP, 99 of 100 within", "µs", best(1.0)),
            Self::NoopCpu => less("NOOP: CPU", "µs", best(1.0)),
            Self::SignOnMedian => less("Connect, sign on, LOGOUT", "ms", best(1.0)),
            Self::SignOnCpu => less("Connect, sign on, LOGOUT: CPU", "ms", Bar::AtMost(1.5)),
            Self::AtOnce => less("Many sign-ons at once", "s", Bar::AtMost(1.0)),
            Self::Held => more("Sessions held", "of 2,560", Bar::Open),
            Self::AtRest => less("Memory at rest", "MiB", Bar::AtMost(6.0)),
            Self::IdleSession => less("Memory of an idle session", "KiB", Bar::AtMost(20.0)),
            Self::Switches => less("Context switches of all idle sessions", "/s", Bar::AtMost(1.0)),
            Self::Ready => less("From its start until it serves", "ms", Bar::AtMost(20.0)),
            Self::Binary => less("Size of its binary", "MB", Bar::AtMost(10.0)),
        }
    }
}

impl Key {
    /// How many times better Gatepost is to be than what does the same work, where that is said.
    pub(crate) fn wanted_of_same_work(self) -> Option<f64> {
        match self {
            Self::SignOnCpu => Some(100.0),
            Self::DownloadCpu | Self::AppendCpu | Self::Held | Self::IdleSession => Some(5.0),
            _ => None,
        }
    }
}

/// What was measured: by figure and target, at most one sample a round.
#[derive(Default)]
pub(crate) struct Samples(BTreeMap<(Key, usize), BTreeMap<usize, f64>>);

impl Samples {
    pub(crate) fn add(&mut self, key: Key, target: usize, round: usize, value: f64) {
        self.0.entry((key, target)).or_default().insert(round, value);
    }

    /// The figures that there are, in order.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.0.keys().map(|(key, _)| *key).collect();
        keys.dedup();
        keys
    }

    pub(crate) fn of(&self, key: Key, target: usize) -> Option<Vec<f64>> {
        self.0.get(&(key, target)).map(|rounds| rounds.values().copied().collect())
    }

    /// The median of one target's figure.
    pub(crate) fn median(&self, key: Key, target: usize) -> Option<f64> {
        self.of(key, target).map(|values| median(&values))
    }

    /// The median of what one is in relation to the other in each round that has both.
    pub(crate) fn ratio(&self, key: Key, target: usize, to: usize) -> Option<f64> {
        self.ratios(key, target, to).map(|ratios| median(&ratios))
    }

    /// What one is in relation to the other in each round that has both; none is `None`.
    pub(crate) fn ratios(&self, key: Key, target: usize, to: usize) -> Option<Vec<f64>> {
        let (these, those) = (self.0.get(&(key, target))?, self.0.get(&(key, to))?);
        let both = these.iter().filter_map(|(round, this)| Some((this, those.get(round)?)));
        let ratios: Vec<f64> =
            both.filter(|(_, that)| **that > 0.0).map(|(this, that)| this / that).collect();
        (!ratios.is_empty()).then_some(ratios)
    }
}

/// The one in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value that this share of all don't exceed; between the two in the middle their mean.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len().saturating_sub(1)) as f64 * share;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * place.fract(),
        _ => f64::NAN,
    }
}
