//! A session outlives its token and its connection to the provider: the client stays connected, and
//! what it is told of its mailbox is true all along.
//!
//! The clients here keep a mirror of the inbox ([`Mirror`]) while mail arrives and vanishes at random
//! ([`Postman`]). `GATEPOST_SEED` repeats a run's mail; `GATEPOST_SOAK=600` lets the soak go on for ten
//! minutes. Each test prints a line of figures with `--nocapture`.

use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::resume_unwind,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    bed::ADDRESS,
    mail_client::Settings,
    messages::Numbers,
    mirror::{Bye, Habit, Messages, Mirror, Told},
    postman::Postman,
    process,
    scene::{Scene, Setting},
};

const LIMIT: Duration = Duration::from_secs(400);
/// How long a client may take to know what is true, once the mailbox stands still: longer than any
/// wait of Gatepost's own for a server that is there.
const SETTLED: Duration = Duration::from_secs(40);
/// How long a change of connections that is due may take to come.
const AWAITED: Duration = Duration::from_secs(90);
const LIVES: u64 = 10;

const HABITS: [Habit; 5] = [Habit::Idle, Habit::Lazy, Habit::Condstore, Habit::Uid, Habit::Noop];

/// What the others rest on: the same clients with the same mail, and no Gatepost.
#[test]
fn clients_are_right_without_gatepost() {
    Setting::default().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut postman = Postman::for_inbox(&plain, ADDRESS);
        let direct = Settings::direct(&plain, ADDRESS);
        let clients = HABITS.map(|habit| Mirror::open(&direct, habit));
        let told = Crowd::default().live(clients.into(), |crowd| {
            for _ in 0..4 {
                for _ in 0..15 {
                    postman.act();
                    thread::sleep(Duration::from_millis(postman.below(300)));
                }
                crowd.check(std::slice::from_mut(&mut postman));
            }
        });
        figures("without Gatepost", scene, &[postman], told);
        assert_eq!(told.unheard, 0);
    });
}

/// Planned changes alone: the server closes nothing, so that each is Gatepost's own doing.
#[test]
fn clients_outlive_ten_tokens() {
    let setting = Setting { token_life: Some(Duration::from_secs(6)), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut postman = Postman::for_inbox(&plain, ADDRESS);
        let clients = HABITS.map(|habit| Mirror::open(&scene.settings(), habit));
        let told = Crowd::default().live(clients.into(), |crowd| {
            for life in 1..=LIVES {
                let due = life * HABITS.len() as u64;
                while_mail_comes(&mut postman, || count(scene, "rotations") >= due);
                crowd.check(std::slice::from_mut(&mut postman));
            }
        });
        assert_eq!((count(scene, "resumptions"), ended(scene)), (0, BTreeMap::new()));
        assert_eq!(told.unheard, 0, "lines that Thunderbird would stumble over");
        figures("ten tokens", scene, &[postman], told);
    });
}

/// As at Gmail: the server ends each session whose token has ended. A client whose connection wasn't
/// changed in time goes on all the same.
#[test]
fn clients_outlive_ten_tokens_whose_end_ends_their_sessions() {
    let setting = Setting { token_life: Some(Duration::from_secs(10)), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let ending = scene.bed.dovecot.end_sessions_with_tokens();
        let mut postman = Postman::for_inbox(&plain, ADDRESS);
        let clients = HABITS.map(|habit| Mirror::open(&scene.settings(), habit));
        let told = Crowd::default().live(clients.into(), |crowd| {
            for life in 1..=LIVES {
                let due = life * HABITS.len() as u64;
                let went_on = || count(scene, "rotations") + count(scene, "resumptions");
                while_mail_comes(&mut postman, || went_on() >= due);
                crowd.check(std::slice::from_mut(&mut postman));
            }
        });
        assert_eq!(ended(scene), BTreeMap::new());
        print!("{} sessions ended by the server; ", ending.ended());
        figures("ten tokens as at Gmail", scene, &[postman], told);
    });
}

/// Ten losses that nobody could foresee, while the clients are at rest: all sessions closed with a
/// BYE, or the server killed and away for a while, in turn.
#[test]
fn clients_at_rest_outlive_ten_losses() {
    Setting::default().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut postman = Postman::for_inbox(&plain, ADDRESS);
        let clients = HABITS.map(|habit| Mirror::open(&scene.settings(), habit));
        let told = Crowd::default().live(clients.into(), |crowd| {
            crowd.check(std::slice::from_mut(&mut postman));
            for loss in 1..=LIVES {
                lose(scene, loss, &mut postman);
                let due = loss * HABITS.len() as u64;
                while_mail_comes(&mut postman, || count(scene, "resumptions") >= due);
                crowd.check(std::slice::from_mut(&mut postman));
            }
        });
        assert_eq!((count(scene, "rotations"), ended(scene)), (0, BTreeMap::new()));
        figures("ten losses at rest", scene, &[postman], told);
    });
}

/// Losses whatever the clients are at. Who can't be told the truth is told BYE, and nobody anything
/// untrue before.
#[test]
fn losses_at_any_moment_show_nothing_untrue() {
    Setting::default().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut postman = Postman::for_inbox(&plain, ADDRESS);
        let clients = HABITS.repeat(3);
        let clients = clients.into_iter().map(|habit| Mirror::open(&scene.settings(), habit));
        let crowd = Crowd { may_end: true, ..Crowd::default() };
        let told = crowd.live(clients.collect(), |crowd| {
            for loss in 1..=LIVES {
                for _ in 0..postman.below(20) {
                    postman.act();
                    thread::sleep(Duration::from_millis(postman.below(200)));
                }
                lose(scene, loss, &mut postman);
                if loss % 3 == 0 {
                    crowd.check(std::slice::from_mut(&mut postman));
                }
            }
            crowd.check(std::slice::from_mut(&mut postman));
        });
        let goodbyes = crowd.goodbyes.into_inner().unwrap();
        let counted: u64 = ended(scene).values().sum();
        assert_eq!(goodbyes.len() as u64, counted, "{goodbyes:#?} and {:?}", ended(scene));
        for words in &goodbyes {
            assert!(words.len() > 20, "a goodbye without a reason: {words}");
        }
        figures("ten losses at any moment", scene, &[postman], told);
    });
}

/// Fifty clients of three accounts, in IDLE, whose tokens live for 20 seconds and whose sessions end
/// with them.
#[test]
fn soak() {
    const CLIENTS: usize = 50;
    let wanted = std::env::var("GATEPOST_SOAK").ok();
    let seconds = wanted.map_or(40, |text| text.parse().expect("GATEPOST_SOAK: seconds"));
    let time = Duration::from_secs(seconds);
    let setting = Setting { token_life: Some(Duration::from_secs(20)), ..Setting::default() };
    setting.play(LIMIT + time, move |scene| {
        let people = [
            scene.settings(),
            scene.sign_in_another("berta@gmail.com", None),
            scene.sign_in_another("carl@gmail.com", None),
        ];
        let plain = scene.bed.plain_dovecot();
        let ending = scene.bed.dovecot.end_sessions_with_tokens();
        let mut postmen: Vec<_> =
            people.iter().map(|person| Postman::for_inbox(&plain, &person.address)).collect();
        let clients = (0..CLIENTS)
            .map(|number| {
                let habit = HABITS[number / 3 % 4];
                Mirror::open(&people[number % 3], habit)
            })
            .collect();
        let start = Instant::now();
        let mut checks = 0;
        let told = Crowd::default().live(clients, |crowd| {
            while start.elapsed() < time {
                let until = Instant::now() + Duration::from_secs(10);
                while Instant::now() < until {
                    for postman in &mut postmen {
                        postman.act();
                    }
                    thread::sleep(Duration::from_millis(200 + postmen[0].below(600)));
                }
                crowd.check(&mut postmen);
                checks += 1;
            }
        });
        assert_eq!(ended(scene), BTreeMap::new());
        print!(
            "{CLIENTS} clients, {:?}, {checks} checks, {} sessions ended by the server; ",
            start.elapsed(),
            ending.ended()
        );
        figures("soak", scene, &postmen, told);
    });
}

/// Clients that live on threads of their own, while something is done to their mail and their server.
#[derive(Default)]
struct Crowd {
    /// How often it was checked, and what is true meanwhile: by account.
    truth: Mutex<(usize, Vec<Messages>)>,
    clients: AtomicUsize,
    /// How many have found the present truth to be their own, and are at rest since.
    agreed: AtomicUsize,
    /// Whether they may be told BYE; then they begin anew.
    may_end: bool,
    goodbyes: Mutex<Vec<String>>,
    over: AtomicBool,
    failed: AtomicBool,
}

impl Crowd {
    /// Lets them live while `body` lasts; client n is of the account n mod how many there are. What
    /// they were told.
    fn live(&self, clients: Vec<Mirror>, body: impl FnOnce(&Self)) -> Told {
        self.clients.store(clients.len(), Ordering::Relaxed);
        thread::scope(|scope| {
            let threads: Vec<_> = clients
                .into_iter()
                .enumerate()
                .map(|(number, client)| {
                    let crowd = self;
                    let thread = thread::Builder::new().name(format!("client {number}"));
                    thread.spawn_scoped(scope, move || crowd.follow(number, client)).unwrap()
                })
                .collect();
            let over = Over(&self.over);
            body(self);
            drop(over);
            let mut told = Told::default();
            for thread in threads {
                told += thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            }
            told
        })
    }

    /// Waits until each client's mirror is what the servers have. Nobody changes anything meanwhile.
    fn check(&self, postmen: &mut [Postman]) {
        self.agreed.store(0, Ordering::Relaxed);
        let messages = postmen.iter_mut().map(Postman::messages).collect();
        {
            let mut truth = self.truth.lock().unwrap();
            *truth = (truth.0 + 1, messages);
        }
        let all = self.clients.load(Ordering::Relaxed);
        let patience = SETTLED + SETTLED;
        let all_agree = || {
            assert!(!self.failed.load(Ordering::Relaxed), "a client has failed: see above");
            self.agreed.load(Ordering::Relaxed) == all
        };
        assert!(process::until(patience, all_agree), "clients hang");
    }

    fn follow(&self, number: usize, mut client: Mirror) -> Told {
        let _failing = Failing(&self.failed);
        let mut numbers = Numbers(number as u64);
        // How many checks it has passed, and whether it is still to be at rest after the last.
        let (mut checks, agrees) = (0, Cell::new(false));
        while !self.over.load(Ordering::Relaxed) {
            let time = Duration::from_millis(500 + numbers.next() % 9000);
            match self.live_and_agree(number, &mut client, time, &mut checks, &agrees) {
                Ok(()) => {}
                Err(bye) if self.may_end => {
                    self.goodbyes.lock().unwrap().push(bye.0);
                    client = client.open_again();
                }
                Err(bye) => client.fail(&bye.0),
            }
        }
        client.told
    }

    fn live_and_agree(
        &self,
        number: usize,
        client: &mut Mirror,
        time: Duration,
        checks: &mut usize,
        agrees: &Cell<bool>,
    ) -> Result<(), Bye> {
        loop {
            let called = |at_rest: bool| {
                if at_rest && agrees.take() {
                    self.agreed.fetch_add(1, Ordering::Relaxed);
                }
                self.over.load(Ordering::Relaxed) || self.truth.lock().unwrap().0 > *checks
            };
            client.live(time, &called)?;
            let (now, truth) = {
                let truth = self.truth.lock().unwrap();
                let own = number % truth.1.len().max(1);
                (truth.0, truth.1.get(own).cloned().unwrap_or_default())
            };
            if now == *checks {
                return Ok(());
            }
            client.agree(&truth, SETTLED)?;
            *checks = now;
            agrees.set(true);
        }
    }
}

/// Ends the clients' lives, also where the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Says that a thread has failed.
struct Failing<'a>(&'a AtomicBool);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// All sessions are closed with a BYE, or the server is killed and away for a while.
fn lose(scene: &mut Scene, number: u64, postman: &mut Postman) {
    if number % 2 == 1 {
        scene.bed.dovecot.kick(ADDRESS);
    } else {
        scene.bed.dovecot.end();
        (0..3).for_each(|_| postman.act());
        scene.bed.dovecot.begin();
    }
}

/// Lets mail come and go until something has happened, and a little longer.
fn while_mail_comes(postman: &mut Postman, happened: impl Fn() -> bool) {
    let arrived = process::until(AWAITED, || {
        postman.act();
        thread::sleep(Duration::from_millis(postman.below(300)));
        happened()
    });
    assert!(arrived, "no other connection has taken over within {AWAITED:?}");
    postman.act();
}

/// What `status` counts of this, all accounts together.
fn count(scene: &Scene, what: &str) -> u64 {
    let status = scene.home.status();
    let accounts = status["accounts"].as_array().expect("a list");
    let of = |account: &Value| account["continuity"][what].as_u64();
    accounts.iter().map(|account| of(account).unwrap_or_else(|| panic!("{status}"))).sum()
}

/// How many clients were told BYE, by reason.
fn ended(scene: &Scene) -> BTreeMap<String, u64> {
    let status = scene.home.status();
    let mut all = BTreeMap::new();
    for account in status["accounts"].as_array().expect("a list") {
        let ended =
            account["continuity"]["ended"].as_object().unwrap_or_else(|| panic!("{status}"));
        for (reason, times) in ended {
            *all.entry(reason.clone()).or_default() += times.as_u64().expect("a number");
        }
    }
    all
}

fn figures(what: &str, scene: &Scene, postmen: &[Postman], told: Told) {
    let sum = |which: usize| postmen.iter().map(|postman| postman.done[which]).sum::<u64>();
    println!(
        "{what}: {} rotations, {} resumptions, BYE {:?}; {} mails arrived, {} vanished, {} changes of \
         flags (seeds {:?}); {told:?}",
        count(scene, "rotations"),
        count(scene, "resumptions"),
        ended(scene),
        sum(0),
        sum(1),
        sum(2),
        postmen.iter().map(|postman| postman.seed).collect::<Vec<_>>(),
    );
}
