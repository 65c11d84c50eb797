//! What happens again and again, and is told to the log once in a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often: what lasts is seen, and a flood writes no flood.
const AGAIN: Duration = Duration::from_secs(60);

/// When it was told.
#[derive(Default)]
pub(super) struct Told(Mutex<Option<Instant>>);

impl Told {
    /// It has happened: true if it is to be told.
    pub(super) fn is_due(&self) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.is_none_or(|told| told.elapsed() >= AGAIN);
        if is_due {
            *told = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn once_a_minute() {
        let told = Told::default();
        let mut seconds = Vec::new();
        for second in 0..150 {
            if told.is_due() {
                seconds.push(second);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(seconds, [0, 60, 120]);
    }
}
