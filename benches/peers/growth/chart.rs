//! Figures along a row of steps, and what can be said of them.

use std::collections::BTreeMap;

use crate::figures::median;
use crate::report::count;

/// One picture and its table.
pub(super) struct Chart {
    /// The name of its file, without an ending.
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) lines: Vec<Line>,
    /// What stands in the table only, with its unit.
    pub(super) beside: Vec<Line>,
    /// A sentence that comes from the figures.
    pub(super) told: String,
    pub(super) form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Both axes by powers of ten: what grows in proportion is a straight line.
    Lines,
    /// A bar for each, by these names.
    Bars(&'static [&'static str]),
}

pub(super) struct Line {
    pub(super) name: &'static str,
    /// The median of what was taken at each step.
    pub(super) points: Vec<(f64, f64)>,
    taken: BTreeMap<usize, Vec<f64>>,
}

impl Line {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, points: Vec::new(), taken: BTreeMap::new() }
    }

    /// One more figure at a step.
    pub(super) fn add(&mut self, x: usize, y: f64) {
        self.taken.entry(x).or_default().push(y);
        self.points = self.taken.iter().map(|(x, taken)| (*x as f64, median(taken))).collect();
    }

    pub(super) fn first(&self) -> (f64, f64) {
        self.points.first().copied().unwrap_or_default()
    }

    pub(super) fn last(&self) -> (f64, f64) {
        self.points.last().copied().unwrap_or_default()
    }

    /// What one more costs, between each step and the one before.
    pub(super) fn marginal(&self) -> Self {
        let mut marginal = Self::new(self.name);
        let steps = self.taken.iter().zip(self.taken.iter().skip(1));
        for ((before, these), (step, those)) in steps {
            // Within each round: programs differ by what they have at rest.
            for (this, that) in these.iter().zip(those) {
                marginal.add(*step, (that - this) / (step - before) as f64);
            }
        }
        marginal
    }

    /// Says whether a cost by the piece stays what it is.
    pub(super) fn knee(&self) -> String {
        match self.rises_at() {
            Some((x, times)) => {
                format!(" A knee: at {} it is {times:.1} times what it was before.", count(x))
            }
            None => " No knee.".to_owned(),
        }
    }

    /// The first step at which it is half as much again as at any step before.
    fn rises_at(&self) -> Option<(f64, f64)> {
        let mut most = self.points.first()?.1;
        for &(x, y) in &self.points[1..] {
            if most > 0.0 && y > KNEE * most {
                return Some((x, y / most));
            }
            most = most.max(y);
        }
        None
    }
}

/// Less than this is lost in what else the machine does.
const KNEE: f64 = 1.5;
