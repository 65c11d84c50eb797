//! Orders to all open sessions of a server, and the count of them.

use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Instant, sleep_until},
};

/// How long a TLS handshake may take before the connection is dropped.
pub(super) const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// How many orders may wait to be noticed.
const ORDERS: usize = 16;

/// An order to every session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Say that the session is over, and close.
    Expire,
    /// End the connection with an RST.
    Reset,
}

/// Where orders are given.
pub(super) struct Orders(broadcast::Sender<Order>);

impl Default for Orders {
    fn default() -> Self {
        Self(broadcast::Sender::new(ORDERS))
    }
}

impl Orders {
    pub(super) fn give(&self, order: Order) {
        // An error means that there is no session.
        let _ = self.0.send(order);
    }

    pub(super) fn hear(&self) -> Ear {
        Ear(self.0.subscribe())
    }
}

/// Hears the orders given since it was made.
pub(super) struct Ear(broadcast::Receiver<Order>);

impl Ear {
    /// Waits for this order.
    pub(super) async fn wait_for(&mut self, order: Order) {
        loop {
            match self.0.recv().await {
                Ok(heard) if heard == order => return,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                // Whoever hears has the giver at hand as well, so it can't be gone.
                Err(RecvError::Closed) => pending().await,
            }
        }
    }

    /// Waits for the end of a session: by order, or because its time is over.
    pub(super) async fn expired(&mut self, ends: Option<Instant>) {
        let over = async {
            match ends {
                Some(ends) => sleep_until(ends).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = over => {}
            () = self.wait_for(Order::Expire) => {}
        }
    }
}

/// Counts for as long as it lives.
pub(super) struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    pub(super) fn one(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
