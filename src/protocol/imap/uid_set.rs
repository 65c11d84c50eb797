//! Sets of UIDs (RFC 9051 §2.3.1.1), kept as ranges: a mailbox of any size takes little room unless
//! it is full of holes.

/// UIDs in ascending order. The n-th of them is the UID of message number n.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct UidSet {
    /// Ascending, and never touching one another.
    runs: Vec<Run>,
}

/// UIDs without a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u32,
    last: u32,
    /// How many UIDs are in the runs before this one.
    before: u32,
}

impl Run {
    fn len(self) -> u32 {
        self.last - self.first + 1
    }
}

impl UidSet {
    /// Reads a sequence set without `*`: `1:4,7`. UIDs are ascending in every server's answer
    /// (RFC 4731 §3.1 doesn't demand it, so an unsorted one is sorted).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut runs = Vec::new();
        for part in text.split(',') {
            let (from, to) = part.split_once(':').unwrap_or((part, part));
            let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
            if from == 0 || to == 0 {
                return None;
            }
            runs.push((from.min(to), from.max(to)));
        }
        runs.sort_unstable();
        let mut set = Self::default();
        for (first, last) in runs {
            set.extend(first, last)?;
        }
        Some(set)
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.before + run.len())
    }

    /// How many runs they are kept in.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    pub(super) fn last(&self) -> Option<u32> {
        self.runs.last().map(|run| run.last)
    }

    /// The UID of message `number`, which counts from 1.
    pub(super) fn uid(&self, number: u32) -> Option<u32> {
        let before = number.checked_sub(1)?;
        let at = self.runs.partition_point(|run| run.before + run.len() <= before);
        self.runs.get(at).map(|run| run.first + (before - run.before))
    }

    /// The number of the message with this UID.
    pub(super) fn number(&self, uid: u32) -> Option<u32> {
        self.run_with(uid).map(|at| self.runs[at].before + (uid - self.runs[at].first) + 1)
    }

    fn run_with(&self, uid: u32) -> Option<usize> {
        let at = self.runs.partition_point(|run| run.last < uid);
        self.runs.get(at).is_some_and(|run| run.first <= uid).then_some(at)
    }

    /// How many are `uid` or above.
    pub(super) fn count_from(&self, uid: u32) -> u32 {
        let at = self.runs.partition_point(|run| run.last < uid);
        self.runs.get(at).map_or(0, |run| {
            let below = uid.saturating_sub(run.first);
            self.len() - run.before - below
        })
    }

    /// Adds one above all others; `None` if it isn't.
    pub(super) fn push(&mut self, uid: u32) -> Option<()> {
        self.extend(uid, uid)
    }

    /// Adds a whole set above all others; false, and nothing is added, if it isn't.
    pub(super) fn append(&mut self, other: &Self) -> bool {
        let first = other.runs.first().map(|run| run.first);
        if first.is_some_and(|first| self.last().is_some_and(|last| first <= last)) {
            return false;
        }
        other.runs.iter().all(|run| self.extend(run.first, run.last).is_some())
    }

    fn extend(&mut self, first: u32, last: u32) -> Option<()> {
        let before = self.len();
        match self.runs.last_mut() {
            Some(run) if first <= run.last => return None,
            Some(run) if first - 1 == run.last => run.last = last,
            _ => self.runs.push(Run { first, last, before }),
        }
        Some(())
    }

    /// Takes one out; false if it wasn't in.
    pub(super) fn remove(&mut self, uid: u32) -> bool {
        let Some(at) = self.run_with(uid) else { return false };
        let Run { first, last, before } = self.runs[at];
        let left = (first < uid).then(|| Run { first, last: uid - 1, before });
        let right =
            (uid < last).then(|| Run { first: uid + 1, last, before: before + (uid - first) });
        let kept = usize::from(left.is_some()) + usize::from(right.is_some());
        self.runs.splice(at..=at, left.into_iter().chain(right));
        for run in &mut self.runs[at + kept..] {
            run.before -= 1;
        }
        true
    }

    /// Takes all of another set out; how many were in. In one pass, so that a set of any size costs no
    /// more than the runs of the two.
    pub(super) fn take_out(&mut self, other: &Self) -> u32 {
        let before = self.len();
        let mut kept = Self::default();
        let mut theirs = other.runs.iter().peekable();
        for run in std::mem::take(&mut self.runs) {
            let mut first = run.first;
            loop {
                while theirs.next_if(|theirs| theirs.last < first).is_some() {}
                match theirs.peek().filter(|theirs| theirs.first <= run.last) {
                    None => {
                        kept.keep(first, run.last);
                        break;
                    }
                    Some(theirs) => {
                        if first < theirs.first {
                            kept.keep(first, theirs.first - 1);
                        }
                        if theirs.last >= run.last {
                            break;
                        }
                        first = theirs.last + 1;
                    }
                }
            }
        }
        *self = kept;
        before - self.len()
    }

    /// Adds a part of what was a set already.
    fn keep(&mut self, first: u32, last: u32) {
        let before = self.len();
        self.runs.push(Run { first, last, before });
    }

    /// The UIDs that aren't in `other`, with their numbers, from the highest to the lowest; at most
    /// `most` of them, or `None`.
    pub(super) fn missing_in(&self, other: &Self, most: usize) -> Option<Vec<(u32, u32)>> {
        let mut missing = Vec::new();
        for run in self.runs.iter().rev() {
            let mut uid = run.last;
            loop {
                let theirs = other.runs.partition_point(|run| run.last < uid);
                match other.runs.get(theirs).filter(|theirs| theirs.first <= uid) {
                    // All of theirs is passed over at once.
                    Some(theirs) if theirs.first <= run.first => break,
                    Some(theirs) => uid = theirs.first - 1,
                    None if missing.len() == most => return None,
                    None => {
                        missing.push((run.before + (uid - run.first) + 1, uid));
                        if uid == run.first {
                            break;
                        }
                        uid -= 1;
                    }
                }
            }
        }
        Some(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(uids: &BTreeSet<u32>) -> UidSet {
        let mut set = UidSet::default();
        uids.iter().for_each(|uid| set.push(*uid).unwrap());
        set
    }

    #[test]
    fn sets_are_read_as_servers_write_them() {
        let read = UidSet::parse("7,1:4,9:8").unwrap();
        let runs: Vec<_> = read.runs.iter().map(|run| (run.first, run.last)).collect();
        assert_eq!((runs, read.len(), read.runs()), (vec![(1, 4), (7, 9)], 7, 2));
        assert_eq!(UidSet::parse("1:4294967295").unwrap().len(), u32::MAX);
        assert_eq!(UidSet::parse("4294967295").unwrap().len(), 1);
        for wrong in ["", "0", "0:5", "5:0", "1:*", "1,1", "1:3,2", "a", "1:4294967296"] {
            assert_eq!(UidSet::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_set(
            uids in prop::collection::btree_set(1_u32..60, 0..40),
            others in prop::collection::btree_set(1_u32..60, 0..40),
            uid in 1_u32..60,
        ) {
            let (ours, theirs) = (set(&uids), set(&others));
            prop_assert_eq!(ours.len() as usize, uids.len());
            prop_assert_eq!(ours.number(uid).is_some(), uids.contains(&uid));
            prop_assert_eq!(ours.count_from(uid) as usize, uids.range(uid..).count());
            prop_assert_eq!(ours.last(), uids.last().copied());
            for (number, uid) in (1..).zip(&uids) {
                prop_assert_eq!(ours.uid(number), Some(*uid));
                prop_assert_eq!(ours.number(*uid), Some(number));
            }
            prop_assert_eq!(ours.uid(ours.len() + 1), None);
            let missing: Vec<_> = (1..).zip(uids.iter().copied())
                .filter(|(_, uid)| !others.contains(uid)).collect::<Vec<_>>().into_iter().rev().collect();
            prop_assert_eq!(ours.missing_in(&theirs, 100), Some(missing));
            let (mut low, high) = (ours.clone(), set(&uids.iter().map(|uid| uid + 60).collect()));
            prop_assert!(low.append(&high));
            prop_assert_eq!(low.len() as usize, 2 * uids.len());
            prop_assert_eq!(low.append(&ours), ours.len() == 0);
            let mut fewer = ours.clone();
            prop_assert_eq!(fewer.remove(uid), uids.contains(&uid));
            let mut model = uids.clone();
            model.remove(&uid);
            prop_assert_eq!(fewer, set(&model));
            let mut rest = ours.clone();
            let both = uids.intersection(&others).count();
            prop_assert_eq!(rest.take_out(&theirs) as usize, both);
            prop_assert_eq!(rest, set(&uids.difference(&others).copied().collect()));
        }
    }
}
