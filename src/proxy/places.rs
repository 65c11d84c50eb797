//! Places for clients that have not signed on. Other machines have few, and each of them fewer, so that
//! none keeps this machine's own programs out, or the others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All listeners together: far below the usual 1,024 descriptors, and far above what mail programs open
/// at once.
const OWN: usize = 512;
/// Those of other machines.
const OTHERS: usize = 64;
/// Those of one other machine: a scanner opens one.
const OF_ONE: usize = 8;

pub(super) struct Places {
    own: Arc<Semaphore>,
    others: Arc<Semaphore>,
    taken: Taken,
}

type Taken = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// A client's place, as long as it has not signed on.
pub(super) struct Seated {
    _permit: OwnedSemaphorePermit,
    of_another: Option<(Taken, IpAddr)>,
}

impl Places {
    pub(super) fn new() -> Self {
        Self {
            own: Arc::new(Semaphore::new(OWN)),
            others: Arc::new(Semaphore::new(OTHERS)),
            taken: Taken::default(),
        }
    }

    /// A place for a client from there, if one is left.
    pub(super) fn take(&self, peer: IpAddr) -> Option<Seated> {
        if peer.is_loopback() {
            let permit = self.own.clone().try_acquire_owned().ok()?;
            return Some(Seated { _permit: permit, of_another: None });
        }
        let permit = self.others.clone().try_acquire_owned().ok()?;
        let peer = machine(peer);
        let mut taken = lock(&self.taken);
        let of_this = taken.entry(peer).or_default();
        if *of_this >= OF_ONE {
            return None;
        }
        *of_this += 1;
        Some(Seated { _permit: permit, of_another: Some((self.taken.clone(), peer)) })
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        let Some((taken, peer)) = &self.of_another else { return };
        let mut taken = lock(taken);
        if let Some(of_this) = taken.get_mut(peer) {
            *of_this -= 1;
            if *of_this == 0 {
                taken.remove(peer);
            }
        }
    }
}

fn lock(taken: &Taken) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A machine of IPv6 has a network of 64 bits to itself (RFC 4291 §2.5.1).
pub(super) fn machine(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_keeps_nobody_out() {
        let places = Places::new();
        let peer = |number: u8| IpAddr::from([192, 168, 1, number]);
        let mut of_one: Vec<_> = (0..OF_ONE).map(|_| places.take(peer(1)).unwrap()).collect();
        assert!(places.take(peer(1)).is_none());
        of_one.pop();
        of_one.push(places.take(peer(1)).expect("one has left"));
        let rest =
            (0..OTHERS - OF_ONE).map(|number| peer(2 + u8::try_from(number / OF_ONE).unwrap()));
        let rest: Vec<_> = rest.map(|peer| places.take(peer).unwrap()).collect();
        assert!(places.take(peer(99)).is_none(), "all are taken");
        let own: Vec<_> =
            (0..OWN).map(|_| places.take(IpAddr::from([127, 0, 0, 1])).unwrap()).collect();
        drop((of_one, rest, own));
        assert!(lock(&places.taken).is_empty());
    }
}
