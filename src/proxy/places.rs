//! Places for clients that have not signed on. Other machines have few, and each of them fewer, so that
//! none keeps this machine's own programs out, or the others. Where all are taken, whoever has said
//! nothing for the longest goes, so that who is silent keeps nobody out either.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// All listeners together: far below the usual 1,024 descriptors, and far above what mail programs open
/// at once.
const OWN: usize = 512;
/// Those of other machines.
const OTHERS: usize = 64;
/// Those of one other machine: a scanner opens one.
const OF_ONE: usize = 8;
/// So long a newcomer is not taken for silent: it has hardly had the time to speak.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Places {
    taken: Taken,
    next: AtomicU64,
}

type Taken = Arc<Mutex<HashMap<u64, Occupant>>>;

/// Who has a place.
struct Occupant {
    whose: Machine,
    came: Instant,
    awaited: Awaited,
    /// Since when that is so.
    since: Instant,
    wanted: Arc<Notify>,
}

/// Where a client comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Machine {
    This,
    Other(IpAddr),
}

/// What has to happen before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The client says something whole, and not only a byte of it.
    Client,
    /// Gatepost finds out whether a password is right, or what the provider's EHLO says.
    Gatepost,
    /// The pause after a wrong password ends. Nobody takes its place: it would be free for another guess.
    Pause,
    /// The provider lets in a client whose password is right: it is no stranger, and nobody takes its
    /// place.
    Provider,
}

/// A client's place, as long as it has not signed on.
pub(super) struct Seated {
    taken: Taken,
    id: u64,
    wanted: Arc<Notify>,
}

impl Places {
    /// A place for a client from there: one that is left, or that of a client which goes for it. One of
    /// this machine goes for this machine's own only.
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
        let has_room = !is_full
            || match whose {
                Machine::This => clear_one(&mut taken, |of| of == whose),
                Machine::Other(_) => clear_for_another(&mut taken, whose),
            };
        if !has_room {
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let wanted = Arc::<Notify>::default();
        let now = Instant::now();
        let occupant = Occupant {
            whose,
            came: now,
            awaited: Awaited::Client,
            since: now,
            wanted: wanted.clone(),
        };
        taken.insert(id, occupant);
        Some(Seated { taken: self.taken.clone(), id, wanted })
    }

    /// Sends a client away for one from there, whom something else than a place is missing; false if
    /// nobody can be sent. For one of this machine those of others go first.
    pub(super) fn send_one_away(&self, peer: IpAddr) -> bool {
        let taken = &mut lock(&self.taken);
        match Machine::of(peer) {
            whose @ Machine::This => {
                clear_one(taken, |of| of != whose) || clear_one(taken, |of| of == whose)
            }
            whose @ Machine::Other(_) => clear_for_another(taken, whose),
        }
    }
}

/// Takes a place away for another machine: from itself if it has one, from who has most if not.
fn clear_for_another(taken: &mut HashMap<u64, Occupant>, whose: Machine) -> bool {
    let has_some = taken.values().any(|it| it.whose == whose);
    clear_one(taken, |of| if has_some { of == whose } else { of != Machine::This })
}

/// Takes the place of a client of these machines away: of the one that has most, whoever was silent for
/// the longest. Where none was, newcomers and those that wait for Gatepost are equals: else a crowd
/// that waits would send each newcomer away, or the other way about.
fn clear_one(taken: &mut HashMap<u64, Occupant>, may_go: impl Fn(Machine) -> bool) -> bool {
    let mut places = HashMap::<Machine, usize>::new();
    taken.values().for_each(|it| *places.entry(it.whose).or_default() += 1);
    let first = taken
        .iter()
        .filter(|(_, it)| may_go(it.whose) && it.can_go())
        .min_by_key(|(id, it)| (Reverse(places[&it.whose]), !it.is_silent(), it.since, **id))
        .map(|(id, _)| *id);
    let Some(leaves) = first.and_then(|id| taken.remove(&id)) else { return false };
    leaves.wanted.notify_one();
    true
}

impl Occupant {
    fn can_go(&self) -> bool {
        matches!(self.awaited, Awaited::Client | Awaited::Gatepost)
    }

    /// What it says later gives it no grace again: it would say something every second.
    fn is_silent(&self) -> bool {
        self.awaited == Awaited::Client && self.came.elapsed() >= GRACE
    }
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
        self.awaits(Awaited::Client);
    }

    /// The client waits for what Gatepost has to find out.
    pub(super) fn waits(&self) {
        self.awaits(Awaited::Gatepost);
    }

    /// The client's password is wrong, and it waits until then.
    pub(super) async fn pauses(&self, until: Instant) {
        self.awaits(Awaited::Pause);
        sleep_until(until).await;
        self.awaits(Awaited::Client);
    }

    /// The client's password is right.
    pub(super) fn let_in(&self) {
        self.awaits(Awaited::Provider);
    }

    fn awaits(&self, awaited: Awaited) {
        if let Some(occupant) = lock(&self.taken).get_mut(&self.id) {
            occupant.awaited = awaited;
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
    use futures_util::FutureExt;
    use futures_util::future::join_all;
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
        assert!(!places.send_one_away(HERE));
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
        let (done, made) = tokio::join!(doing, async { places.send_one_away(HERE) });
        assert_eq!((done, made), (None, true));
    }

    #[tokio::test(start_paused = true)]
    async fn who_sits_out_a_pause_keeps_its_place_until_it_ends() {
        for (peer, all) in [(there(1), OF_ONE), (HERE, OWN)] {
            let places = Places::default();
            let crowd = crowd(&places, peer, all).await;
            let until = Instant::now() + Duration::from_secs(30);
            let mut pausing = Box::pin(join_all(crowd.iter().map(|it| it.pauses(until))));
            assert!(pausing.as_mut().now_or_never().is_none());
            assert!(places.take(peer).is_none(), "one more guess");
            assert!(!places.send_one_away(peer) && !places.send_one_away(HERE));
            assert!(places.take(there(2)).is_some());
            pausing.await;
            advance(Duration::from_secs(1)).await;
            assert!(sent_away(&crowd).is_empty());
            assert!(places.take(peer).is_some());
            assert_eq!(sent_away(&crowd), [0]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_waits_for_gatepost_sends_no_newcomer_away() {
        let places = Places::default();
        let crowd = crowd(&places, HERE, OWN).await;
        crowd.iter().for_each(Seated::waits);
        advance(Duration::from_secs(1)).await;
        let newcomers = [(); 2].map(|()| places.take(HERE).unwrap());
        assert_eq!(sent_away(&crowd), [0, 1]);
        assert!(sent_away(&newcomers).is_empty());
        // They have had the time to speak.
        advance(GRACE).await;
        let _another = places.take(HERE).unwrap();
        assert_eq!(sent_away(&newcomers), [0]);
        assert!(sent_away(&crowd).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_says_something_every_second_sends_nobody_away_who_waits() {
        let places = Places::default();
        let crowd = crowd(&places, HERE, OWN).await;
        crowd[7].waits();
        advance(GRACE).await;
        crowd.iter().enumerate().filter(|(index, _)| *index != 7).for_each(|(_, it)| it.heard());
        let _newcomers = [(); 2].map(|()| places.take(HERE).unwrap());
        assert_eq!(sent_away(&crowd), [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn for_a_seat_of_this_machine_those_of_others_go_first() {
        let places = Places::default();
        let own = crowd(&places, HERE, 2).await;
        let of_another = crowd(&places, there(1), 2).await;
        of_another.iter().for_each(Seated::waits);
        assert!(places.send_one_away(HERE) && places.send_one_away(HERE));
        assert_eq!(sent_away(&of_another), [0, 1]);
        assert!(!places.send_one_away(there(2)), "another machine's sends none of this one's away");
        assert!(sent_away(&own).is_empty());
        assert!(places.send_one_away(HERE));
        assert_eq!(sent_away(&own), [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn machines_that_have_all_places_keep_no_other_machine_out() {
        let places = Places::default();
        let mut machines = Vec::new();
        for number in 0..OTHERS / OF_ONE {
            machines.push(crowd(&places, there(u8::try_from(number).unwrap()), OF_ONE).await);
        }
        let ninth = places.take(there(90)).expect("a place");
        assert_eq!(sent_away(&machines[0]), [0]);
        let tenth = places.take(there(91)).expect("a place");
        assert_eq!(sent_away(&machines[1]), [0], "the first has fewer than this one now");
        assert!(sent_away(&machines[0]).is_empty());
        assert_eq!(lock(&places.taken).len(), OTHERS);
        assert!(sent_away(&[ninth, tenth]).is_empty());
    }
}
