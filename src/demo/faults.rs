//! Faults to order: what goes wrong next, and how often.

use std::collections::VecDeque;

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// For so many requests, or sign-ons, from now on.
    Next(u32),
    /// Until the faults are cleared.
    UntilCleared,
}

/// The faults in wait, in the order in which they were set. The first is used up before the next
/// one's turn comes, so that a test can write a story: twice 500, once slow, then well again.
#[derive(Debug)]
pub(super) struct Faults<F> {
    waiting: VecDeque<(F, Times)>,
}

impl<F> Default for Faults<F> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
        }
    }
}

impl<F: Clone> Faults<F> {
    pub(super) fn add(&mut self, fault: F, times: Times) {
        if times != Times::Next(0) {
            self.waiting.push_back((fault, times));
        }
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The fault for this request, if there is one.
    pub(super) fn take(&mut self) -> Option<F> {
        let (fault, times) = self.waiting.front_mut()?;
        let fault = fault.clone();
        match times {
            Times::UntilCleared => {}
            Times::Next(left) if *left > 1 => *left -= 1,
            Times::Next(_) => {
                self.waiting.pop_front();
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_in_order_and_run_out() {
        let mut faults = Faults::default();
        faults.add("a", Times::Next(2));
        faults.add("never", Times::Next(0));
        faults.add("b", Times::Next(1));
        let story: Vec<_> = (0..4).map(|_| faults.take()).collect();
        assert_eq!(story, [Some("a"), Some("a"), Some("b"), None]);
    }

    #[test]
    fn a_lasting_fault_lasts_until_cleared() {
        let mut faults = Faults::default();
        faults.add("a", Times::UntilCleared);
        assert_eq!((faults.take(), faults.take()), (Some("a"), Some("a")));
        faults.clear();
        assert_eq!(faults.take(), None);
    }
}
