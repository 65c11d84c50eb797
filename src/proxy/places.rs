//! Places for clients that have not signed on. Other machines have few, and each of them fewer, so that
//! none keeps this machine's own programs out, or the others. Where all are taken, whoever has said
//! nothing for the longest goes, so that who is silent keeps nobody out either.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// All listeners together: far below the usual 1,024 descriptors, and far above what mail programs open
/// at once.
const OWN: usize = 512;
/// Those of other machines.
const OTHERS: usize = 64;
/// Those of one other machine: a scanner opens one.
const OF_ONE: usize = 8;

#[derive(Default)]
pub(super) struct Places {
    taken: Taken,
    next: AtomicU64,
}

type Taken = Arc<Mutex<HashMap<u64, Occupant>>>;

/// Who has a place.
struct Occupant {
    whose: Machine,
    standing: Standing,
    /// Since when that is so.
    since: Instant,
    wanted: Arc<Notify>,
}

/// Where a client comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    This,
    Other(IpAddr),
}

/// What is waited for; who comes first here goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// The client: since it last said something whole, and not only a byte of it.
    Silent,
    /// Gatepost: it is asked whether a password is right, or what the provider's EHLO says.
    Waiting,
    /// The provider: the password is right, so it is no stranger, and nobody takes its place.
    LetIn,
}

/// A client's place, as long as it has not signed on.
pub(super) struct Seated {
    taken: Taken,
    id: u64,
    wanted: Arc<Notify>,
}

impl Places {
    /// A place for a client from there: one that is left, or that of the client which has been silent
    /// for the longest and comes from this machine if the new one does, from the same machine if not.
    pub(super) fn take(&self, peer: IpAddr) -> Option<Seated> {
        let whose = Machine::of(peer);
        let mut taken = lock(&self.taken);
        let count = |belongs: &dyn Fn(Machine) -> bool| {
            taken.values().filter(|occupant| belongs(occupant.whose)).count()
        };
        let is_full = match whose {
            Machine::This => count(&|of| of == whose) >= OWN,
            Machine::Other(_) => {
                count(&|of| of == whose) >= OF_ONE || count(&|of| of != Machine::This) >= OTHERS
            }
        };
        if is_full && !clear_one(&mut taken, whose) {
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let wanted = Arc::<Notify>::default();
        let (standing, since) = (Standing::Silent, Instant::now());
        taken.insert(id, Occupant { whose, standing, since, wanted: wanted.clone() });
        Some(Seated { taken: self.taken.clone(), id, wanted })
    }

    /// Sends one away for a client from there, whom something else than a place is missing; false if
    /// nobody can be.
    pub(super) fn make_room(&self, peer: IpAddr) -> bool {
        clear_one(&mut lock(&self.taken), Machine::of(peer))
    }
}

/// Takes the place of one of a machine's clients away.
fn clear_one(taken: &mut HashMap<u64, Occupant>, whose: Machine) -> bool {
    let first = taken
        .iter()
        .filter(|(_, it)| it.whose == whose && it.standing != Standing::LetIn)
        .min_by_key(|(id, it)| (it.standing, it.since, **id))
        .map(|(id, _)| *id);
    let Some(leaves) = first.and_then(|id| taken.remove(&id)) else { return false };
    leaves.wanted.notify_one();
    true
}

impl Seated {
    /// Goes on with what is done for the client until it is done, or until its place is wanted for
    /// another: then there is nothing.
    pub(super) async fn hold<T>(&self, doing: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.wanted.notified() => None,
            done = doing => Some(done),
        }
    }

    /// The client has said something whole, and it is its turn again.
    pub(super) fn heard(&self) {
        self.is(Standing::Silent);
    }

    /// The client waits for what Gatepost has to find out.
    pub(super) fn waits(&self) {
        self.is(Standing::Waiting);
    }

    /// The client's password is right.
    pub(super) fn let_in(&self) {
        self.is(Standing::LetIn);
    }

    fn is(&self, standing: Standing) {
        if let Some(occupant) = lock(&self.taken).get_mut(&self.id) {
            occupant.standing = standing;
            occupant.since = Instant::now();
        }
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        lock(&self.taken).remove(&self.id);
    }
}

fn lock(taken: &Taken) -> MutexGuard<'_, HashMap<u64, Occupant>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    fn of(peer: IpAddr) -> Self {
        if peer.is_loopback() { Self::This } else { Self::Other(machine(peer)) }
    }
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
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn there(number: u8) -> IpAddr {
        IpAddr::from([192, 168, 1, number])
    }

    /// So many clients from there, each a second after the one before.
    async fn crowd(places: &Places, peer: IpAddr, number: usize) -> Vec<Seated> {
        let mut crowd = Vec::new();
        for _ in 0..number {
            crowd.push(places.take(peer).expect("a place"));
            advance(Duration::from_secs(1)).await;
        }
        crowd
    }

    /// Which of them have lost their places.
    fn sent_away(crowd: &[Seated]) -> Vec<usize> {
        let is_sent_away = |it: &&Seated| it.hold(std::future::pending::<()>()).now_or_never();
        let all = crowd.iter().enumerate();
        all.filter(|(_, it)| is_sent_away(it).is_some()).map(|(index, _)| index).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_silent_for_the_longest_makes_room() {
        let places = Places::default();
        let crowd = crowd(&places, HERE, OWN).await;
        assert!(sent_away(&crowd).is_empty());
        // The first two have said something since.
        crowd[0].heard();
        crowd[1].waits();
        let newcomers: Vec<_> = (0..3).map(|_| places.take(HERE).unwrap()).collect();
        assert_eq!(sent_away(&crowd), [2, 3, 4]);
        assert!(sent_away(&newcomers).is_empty());
        assert_eq!(lock(&places.taken).len(), OWN);
        drop((crowd, newcomers));
        assert!(lock(&places.taken).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_gatepost_goes_last_and_who_was_let_in_never() {
        let places = Places::default();
        let crowd = crowd(&places, HERE, OWN).await;
        crowd.iter().for_each(Seated::waits);
        crowd[0].let_in();
        advance(Duration::from_secs(1)).await;
        crowd[1].waits();
        crowd[OWN - 1].heard();
        let newcomer = places.take(HERE).unwrap();
        assert_eq!(sent_away(&crowd), [OWN - 1], "silent, if only just");
        newcomer.let_in();
        let another = places.take(HERE).unwrap();
        another.let_in();
        assert_eq!(sent_away(&crowd), [2], "it has waited for the longest");
        crowd.iter().for_each(Seated::let_in);
        assert!(places.take(HERE).is_none(), "they are no strangers");
        assert!(!places.make_room(HERE));
        assert!(sent_away(&crowd).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn another_machine_keeps_nobody_out_but_its_own() {
        let places = Places::default();
        let of_one = crowd(&places, there(1), OF_ONE).await;
        let one_more = places.take(there(1)).unwrap();
        assert_eq!(sent_away(&of_one), [0]);
        let of_another = places.take(there(2)).unwrap();
        assert!(sent_away(&of_one).is_empty());

        let mut rest = Vec::new();
        for number in 0..OTHERS - OF_ONE - 1 {
            rest.push(places.take(there(3 + u8::try_from(number / OF_ONE).unwrap())).unwrap());
        }
        assert!(places.take(there(99)).is_none(), "all are taken, and none of its own");
        assert!(!places.make_room(there(99)));
        let in_place_of_its_own = places.take(there(2)).unwrap();
        assert_eq!(sent_away(&[of_another]), [0]);
        assert!(sent_away(&rest).is_empty());

        // This machine's own have theirs.
        let own = crowd(&places, HERE, OWN).await;
        let newcomer = places.take(HERE).unwrap();
        assert_eq!(sent_away(&own), [0]);
        assert!(sent_away(&rest).is_empty());
        assert!(sent_away(&[one_more, in_place_of_its_own, newcomer]).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_for_a_client_ends_with_its_place() {
        let places = Places::default();
        let seated = places.take(HERE).unwrap();
        assert_eq!(seated.hold(async { 7 }).await, Some(7));
        let doing = seated.hold(std::future::pending::<()>());
        let (done, made) = tokio::join!(doing, async { places.make_room(HERE) });
        assert_eq!((done, made), (None, true));
    }
}
