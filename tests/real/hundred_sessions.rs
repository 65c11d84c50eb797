//! A hundred sessions open at a time, on three accounts: 85 read, write and idle by IMAP, 15 send by
//! SMTP, each in an order of its own. Every answer is compared with what is known to be right, mails
//! byte for byte; nobody is left waiting while others go on; and Gatepost has no more memory at the
//! end than it had early on.
//!
//! In `./test` they work for 15 seconds. For longer, and with the figures:
//!
//! `GATEPOST_SOAK=300 cargo test --test real hundred_sessions -- --nocapture`
//!
//! `GATEPOST_SEED=NUMBER` before it has them do other things in another order.

mod account;
mod imap;
mod smtp;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use account::Account;
use imap::ImapSession;
use smtp::{Sent, SmtpSession};

use crate::support::{
    messages::Numbers,
    process,
    scene::{Scene, Setting},
};

const ACCOUNTS: u64 = 3;
const IMAP: u64 = 85;
const SMTP: u64 = 15;

/// How long they work unless `GATEPOST_SOAK` says otherwise, in seconds.
const SHORT: u64 = 15;
/// What comes before the work and after it, on a busy machine, besides a second for each second's mails.
const AROUND: Duration = Duration::from_secs(300);
/// So short that tokens end amid a soak's work.
const TOKEN_LIFE: Duration = Duration::from_secs(100);
/// By then Gatepost has had all the memory that a hundred sessions need when they are busy together.
const WARM: Duration = Duration::from_secs(60);
/// The longest that a session rests after a round, in milliseconds.
const REST: u64 = 500;

#[test]
fn a_hundred_sessions_are_all_answered_right_and_none_starves() {
    let time = Duration::from_secs(number_in("GATEPOST_SOAK").unwrap_or(SHORT));
    let seed = number_in("GATEPOST_SEED").unwrap_or(1);
    let setting = Setting { token_life: Some(TOKEN_LIFE), ..Setting::with_smtp() };
    setting.play(time * 2 + AROUND, move |scene| {
        let people = [
            scene.settings(),
            scene.sign_in_another("berta@gmail.com", None),
            scene.sign_in_another("carl@gmail.com", None),
        ];
        let plain = scene.bed.plain_dovecot();
        let accounts: Vec<_> =
            (0..).zip(people).map(|(number, it)| Account::prepare(number, it, &plain)).collect();
        let begin = Instant::now();
        let worked = work(scene, &accounts, time, seed);
        println!("{ACCOUNTS} accounts, seed {seed}: {}", worked.report(scene));
        assert_fair(&worked.imap);
        assert_fair(&worked.smtp);
        worked.assert_memory_is_flat();
        worked.assert_log_is_clean(&scene.log());
        assert_renewed_in_time(scene, worked.time, begin.elapsed());
        for account in &accounts {
            account.assert_arrived(&worked.sent);
        }
    });
}

fn number_in(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text:?}")))
}

/// One of the hundred.
trait Session: Send {
    /// Does one thing, and looks at what comes of it.
    fn round(&mut self);
    /// Whether it has done each thing once.
    fn has_done_all(&self) -> bool;
    /// Signs off.
    fn leave(&mut self);
    fn tally(&mut self) -> &mut Tally;
}

/// What a session has done.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    /// Those that were done before the time was over.
    rounds: u64,
    sign_ons: u64,
    commands: u64,
    /// From asking until the answer was there.
    longest_wait: Duration,
    /// From the arrival of a mail until an idle session heard of it.
    longest_push: Duration,
}

impl Tally {
    fn answered(&mut self, asked: Instant) {
        self.commands += 1;
        self.longest_wait = self.longest_wait.max(asked.elapsed());
    }
}

/// Things to do: each once in a random order, then again in another.
struct Deck<T> {
    all: Vec<T>,
    left: Vec<T>,
    is_through: bool,
}

impl<T: Copy> Deck<T> {
    fn new(all: &[T]) -> Self {
        Self { all: all.to_vec(), left: all.to_vec(), is_through: false }
    }

    fn draw(&mut self, numbers: &mut Numbers) -> T {
        let drawn = self.left.swap_remove(numbers.below(self.left.len() as u64));
        if self.left.is_empty() {
            self.left = self.all.clone();
            self.is_through = true;
        }
        drawn
    }
}

/// What came of it all.
struct Worked {
    time: Duration,
    imap: Vec<Tally>,
    smtp: Vec<Tally>,
    sent: Vec<Sent>,
    /// Gatepost's, in bytes, from the beginning to the end of the work.
    memory: Vec<u64>,
}

/// Lets the hundred work for so long.
fn work(scene: &Scene, accounts: &[Account], time: Duration, seed: u64) -> Worked {
    // One after the other: Dovecot itself refuses some of those that come at the same moment.
    let mut imap: Vec<_> = (0..IMAP)
        .map(|number| ImapSession::begin(number, accounts, numbers(seed, number)))
        .collect();
    let mut smtp: Vec<_> = (IMAP..IMAP + SMTP)
        .map(|number| SmtpSession::begin(number, accounts, numbers(seed, number)))
        .collect();
    assert_eq!(open(scene), (IMAP, SMTP), "sessions at the beginning");
    let all = imap.iter_mut().map(|session| session as &mut dyn Session);
    let all = all.chain(smtp.iter_mut().map(|session| session as &mut dyn Session));
    let (over, start, mut memory) = (AtomicBool::new(false), Instant::now(), Vec::new());
    let time = thread::scope(|scope| {
        let working: Vec<_> = (0..)
            .zip(all)
            .map(|(number, session)| {
                let (over, rests) = (&over, numbers(!seed, number));
                let thread = thread::Builder::new().name(format!("session {number}"));
                thread.spawn_scoped(scope, move || be_busy(session, rests, over)).expect("a thread")
            })
            .collect();
        // One that has ended before the time has failed: then nobody needs to go on.
        while start.elapsed() < time && !working.iter().any(|session| session.is_finished()) {
            thread::sleep((time / 60).min(Duration::from_secs(1)));
            memory.push(process::memory(scene.proxy().pid()));
        }
        over.store(true, Ordering::Relaxed);
        start.elapsed()
    });
    let have_left = process::until(Duration::from_secs(20), || open(scene) == (0, 0));
    assert!(have_left, "sessions at the end: {:?}", open(scene));
    Worked {
        time,
        imap: imap.iter_mut().map(|session| *session.tally()).collect(),
        smtp: smtp.iter_mut().map(|session| *session.tally()).collect(),
        sent: smtp.into_iter().flat_map(SmtpSession::into_sent).collect(),
        memory,
    }
}

/// A session's own numbers.
fn numbers(seed: u64, session: u64) -> Numbers {
    Numbers(Numbers(seed).next() ^ Numbers(session).next())
}

/// What Gatepost says of the open sessions.
fn open(scene: &Scene) -> (u64, u64) {
    let sum = |kind| {
        let accounts = scene.accounts();
        accounts.iter().filter_map(|account| account["sessions"][kind].as_u64()).sum()
    };
    (sum("imap"), sum("smtp"))
}

fn be_busy(session: &mut dyn Session, mut rests: Numbers, over: &AtomicBool) {
    let is_over = || over.load(Ordering::Relaxed);
    while !is_over() || !session.has_done_all() {
        session.round();
        if !is_over() {
            session.tally().rounds += 1;
            thread::sleep(Duration::from_millis(rests.below(REST) as u64));
        }
    }
    session.leave();
}

impl Worked {
    fn report(&self, scene: &Scene) -> String {
        let all = || self.imap.iter().chain(&self.smtp);
        let sum = |of: fn(&Tally) -> u64| all().map(of).sum::<u64>();
        let accounts = scene.accounts();
        let bytes = |way| accounts.iter().filter_map(|it| it[way].as_u64()).sum::<u64>();
        let [start, second, last] = self.memory_over_time();
        format!(
            "{} sessions, {:.0} s, {} commands, {} sign-ons, {} mails sent to {} inboxes, {:.1} MB down \
             and {:.1} MB up, {} access tokens\n\
             IMAP: {}; longest push {:.1} s\nSMTP: {}\n\
             memory: {:.1} MB in the first quarter, {:.1} MB in the second, {:.1} MB in the last",
            all().count(),
            self.time.as_secs_f64(),
            sum(|tally| tally.commands),
            sum(|tally| tally.sign_ons),
            self.sent.len(),
            self.sent.iter().map(|sent| sent.to.len()).sum::<usize>(),
            megabytes(bytes("bytes_down")),
            megabytes(bytes("bytes_up")),
            scene.bed.google.refreshes(),
            rounds(&self.imap),
            longest(&self.imap, |tally| tally.longest_push),
            rounds(&self.smtp),
            megabytes(start),
            megabytes(second),
            megabytes(last),
        )
    }

    /// Some growth may be the allocator's. Over five minutes 100 bytes lost with each command, or 4 kB
    /// with each session, are more.
    fn assert_memory_is_flat(&self) {
        let [_, second, last] = self.memory_over_time();
        let warming = if self.time < WARM { 4_000_000 } else { 0 };
        let most = second + second / 10 + 1_000_000 + warming;
        assert!(last <= most, "{second}, then {last}: {:?}", self.memory);
    }

    /// The medians of the first, second and last quarter.
    fn memory_over_time(&self) -> [u64; 3] {
        let quarter = self.memory.len() / 4;
        [0, 1, 3].map(|at| median(self.memory[at * quarter..(at + 1) * quarter].to_vec()))
    }

    /// It tells of every sign-on and of no trouble.
    fn assert_log_is_clean(&self, log: &str) {
        let troubles: Vec<_> = log
            .lines()
            .filter(|line| line.contains(" WARN ") || line.contains(" ERROR "))
            .collect();
        assert!(troubles.is_empty(), "{troubles:#?}");
        for (kind, tallies) in [("IMAP", &self.imap), ("SMTP", &self.smtp)] {
            let told = log.matches(&format!("{kind} client signed on")).count() as u64;
            let done = tallies.iter().map(|tally| tally.sign_ons).sum::<u64>();
            assert_eq!(told, done, "{kind} clients that signed on, as told and as they did");
        }
    }
}

/// Each account had one token at the first sign-on, and a new one each time when four fifths of its
/// life were over, for all who use it.
fn assert_renewed_in_time(scene: &Scene, at_least: Duration, at_most: Duration) {
    let times = |time: Duration, each: Duration| 1 + time.as_secs() / each.as_secs();
    let least = ACCOUNTS * times(at_least, TOKEN_LIFE);
    let most = ACCOUNTS * times(at_most, TOKEN_LIFE * 4 / 5);
    let refreshes = scene.bed.google.refreshes() as u64;
    assert!((least..=most).contains(&refreshes), "{refreshes} refreshes, not {least} to {most}");
}

/// Nobody starves while others eat: who did least did a quarter of what is usual, or more.
fn assert_fair(tallies: &[Tally]) {
    let least = tallies.iter().map(|tally| tally.rounds).min();
    let usual = median(tallies.iter().map(|tally| tally.rounds).collect());
    assert!(least.is_some_and(|least| least * 4 >= usual), "{}: {tallies:#?}", rounds(tallies));
}

fn rounds(tallies: &[Tally]) -> String {
    let rounds: Vec<_> = tallies.iter().map(|tally| tally.rounds).collect();
    format!(
        "{} rounds; a session least {}, median {}, most {}; longest wait {:.1} s",
        rounds.iter().sum::<u64>(),
        rounds.iter().min().expect("a session"),
        median(rounds.clone()),
        rounds.iter().max().expect("a session"),
        longest(tallies, |tally| tally.longest_wait),
    )
}

/// In seconds.
fn longest(tallies: &[Tally], of: fn(&Tally) -> Duration) -> f64 {
    tallies.iter().map(of).max().expect("a session").as_secs_f64()
}

fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers[numbers.len() / 2]
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
