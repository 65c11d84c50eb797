//! How many connections to the provider an account may have at a time. Gmail allows 15, and counts
//! those of phones and of every other program.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// The connections of one account. Those who wait for one get it in the order in which they came.
pub(super) struct Budget {
    free: Semaphore,
    counts: Mutex<Counts>,
}

struct Counts {
    limit: usize,
    in_use: usize,
    waiting: usize,
    /// Places that are taken and go when they are given back: the limit was lowered.
    excess: usize,
}

/// What `status` shows of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Open now.
    pub in_use: usize,
    /// The most there may be; `null` where there is no limit.
    pub limit: Option<usize>,
    /// Mail clients that wait for one.
    pub waiting: usize,
}

/// A place for one connection; dropping it gives it back.
pub(super) struct Place(Arc<Budget>);

impl Budget {
    pub(super) fn new(limit: Option<usize>) -> Self {
        let limit = number(limit);
        Self {
            free: Semaphore::new(limit),
            counts: Mutex::new(Counts { limit, in_use: 0, waiting: 0, excess: 0 }),
        }
    }

    /// Sets another limit. What is open stays open.
    pub(super) fn set_limit(&self, limit: Option<usize>) {
        let mut counts = self.lock();
        let before = std::mem::replace(&mut counts.limit, number(limit));
        if counts.limit > before {
            let more = counts.limit - before;
            let kept = more.min(counts.excess);
            counts.excess -= kept;
            self.free.add_permits(more - kept);
        } else {
            let fewer = before - counts.limit;
            counts.excess += fewer - self.free.forget_permits(fewer);
        }
    }

    /// A place, by `deadline`.
    pub(super) async fn place(self: &Arc<Self>, deadline: Instant) -> Option<Place> {
        let waits = Waits::new(self);
        let permit = timeout_at(deadline, self.free.acquire()).await.ok()?.ok()?;
        drop(waits);
        permit.forget();
        self.lock().in_use += 1;
        Some(Place(self.clone()))
    }

    pub(super) fn show(&self) -> Connections {
        let Counts { limit, in_use, waiting, .. } = *self.lock();
        let limit = Some(limit).filter(|limit| *limit < Semaphore::MAX_PERMITS);
        Connections { in_use, limit, waiting }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(limit: Option<usize>) -> usize {
    limit.unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS)
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.0.lock();
        counts.in_use -= 1;
        match counts.excess {
            0 => self.0.free.add_permits(1),
            excess => counts.excess = excess - 1,
        }
    }
}

/// Counts one that waits, however its wait ends.
struct Waits<'b>(&'b Budget);

impl<'b> Waits<'b> {
    fn new(budget: &'b Budget) -> Self {
        budget.lock().waiting += 1;
        Self(budget)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_given_in_order_and_back() {
        let budget = Arc::new(Budget::new(Some(2)));
        let (first, second) = (budget.place(soon()).await, budget.place(soon()).await);
        assert!(first.is_some() && second.is_some());
        let waiting = Mutex::new(Vec::new());
        let wait = async |name| {
            let place = budget.place(soon()).await;
            waiting.lock().unwrap().push((name, place.is_some()));
            drop(place);
        };
        let give_back = async {
            tokio::task::yield_now().await;
            assert_eq!(budget.show(), Connections { in_use: 2, limit: Some(2), waiting: 2 });
            drop(first);
        };
        tokio::join!(wait("one"), wait("two"), give_back);
        assert_eq!(*waiting.lock().unwrap(), [("one", true), ("two", true)]);
        let third = budget.place(soon()).await;
        let began = Instant::now();
        assert!(budget.place(soon()).await.is_none());
        assert_eq!(began.elapsed().as_secs(), 10);
        drop((second, third));
        assert_eq!(budget.show(), Connections { in_use: 0, limit: Some(2), waiting: 0 });
    }

    #[derive(Debug, Clone)]
    enum Step {
        Take,
        GiveBack(usize),
        Limit(Option<usize>),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Take),
            2 => (0_usize..8).prop_map(Step::GiveBack),
            1 => prop::option::of(0_usize..6).prop_map(Step::Limit),
        ]
    }

    proptest! {
        #[test]
        fn the_limit_of_the_moment_is_never_passed(steps in prop::collection::vec(step(), 0..60)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let (budget, mut limit) = (Arc::new(Budget::new(Some(3))), Some(3));
                let mut taken = Vec::new();
                for step in steps {
                    match step {
                        Step::Take => {
                            let place = budget.place(Instant::now()).await;
                            let may = limit.is_none_or(|limit| taken.len() < limit);
                            assert_eq!(place.is_some(), may, "{} of {limit:?}", taken.len());
                            taken.extend(place);
                        }
                        Step::GiveBack(at) if at < taken.len() => drop(taken.remove(at)),
                        Step::GiveBack(_) => {}
                        Step::Limit(other) => {
                            limit = other;
                            budget.set_limit(other);
                        }
                    }
                    assert_eq!(budget.show(), Connections { in_use: taken.len(), limit, waiting: 0 });
                }
            });
        }
    }
}
