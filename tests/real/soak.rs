//! Mixed mail clients for a long time, over lines that fail: libraries and programs that read, idle,
//! append and send, while the lines to the mail servers and to the authorization server are slow, cut,
//! silent or refused, one after another and together.
//!
//! In the end all lines are well, and the mailboxes are read without Gatepost: each mail that was
//! accepted is there once, byte for byte; one whose fate nobody was told is there at most once. Memory,
//! descriptors and tasks are what they were.
//!
//! In `./test` it goes on for 25 seconds. For longer, with `docs/soak.md` and its pictures made anew:
//!
//! `GATEPOST_SOAK=1800 GATEPOST_WRITE=1 cargo test --test real soak::mixed -- --nocapture`
//!
//! `GATEPOST_SEED=NUMBER` before it gives other faults.

mod clients;
mod ledger;
#[path = "../../benches/peers/plot.rs"]
mod plot;
mod watch;
mod weather;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clients::Crowd;
use ledger::Ledger;
use watch::Watch;
use weather::Weather;

use crate::support::{fault_proxy::FaultyNetwork, process, scene::Setting};

/// How long it goes on unless `GATEPOST_SOAK` says otherwise.
const SHORT: Duration = Duration::from_secs(25);
/// What comes before and after it, on a busy machine.
const AROUND: Duration = Duration::from_secs(400);
/// So short that each account's is renewed again and again amid the faults.
const TOKEN_LIFE: Duration = Duration::from_secs(60);
/// After this the last connection that was kept for somebody is gone, and what was tried again is done.
const SETTLED: Duration = Duration::from_secs(120);
/// The Gatepost of the beginning, and what it may have in hand besides when all have left.
const SPARE_DESCRIPTORS: u64 = 4;
const SPARE_TASKS: u64 = 4;

fn number_in(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text:?}")))
}

#[test]
fn mixed_clients_over_failing_lines_lose_nothing_and_leave_nothing_behind() {
    let time = number_in("GATEPOST_SOAK").map_or(SHORT, Duration::from_secs);
    let seed = number_in("GATEPOST_SEED").unwrap_or(1);
    let setting = Setting { token_life: Some(TOKEN_LIFE), ..Setting::with_smtp() };
    setting.play(time + AROUND, move |scene| {
        let network = FaultyNetwork::new(None);
        let weather = Weather::between(scene, &network);
        scene.restart_with(&weather.provider());
        let people = [
            scene.settings(),
            scene.sign_in_another("berta@gmail.com", None),
            scene.sign_in_another("carl@gmail.com", None),
        ];
        let ledger = Arc::new(Ledger::default());
        let mut watch = Watch::begin(scene);
        let crowd = Crowd::begin(&people, &ledger, &scene.bed.scratch("soak"), seed);
        let begun = Instant::now();
        thread::scope(|scope| {
            let blowing = scope.spawn(|| weather.blow(time, seed));
            while begun.elapsed() < time {
                thread::sleep(Duration::from_secs(1));
                watch.look(scene);
            }
            blowing.join().expect("the weather");
        });
        weather.clears();
        crowd.leaves();
        let at_rest = process::until(SETTLED, || {
            watch.look(scene);
            watch.is_as_at_first(SPARE_DESCRIPTORS, SPARE_TASKS)
        });
        let report = watch.report(scene, &ledger, &weather, time, seed);
        println!("{report}");
        assert!(at_rest, "left behind: {}", watch.last());
        watch.assert_memory_is_flat(time);
        let plain = scene.bed.plain_dovecot();
        for person in &people {
            ledger.assert_arrived(&plain, &person.address);
        }
        let log = scene.log();
        let wrong: Vec<_> = log
            .lines()
            .filter(|line| line.contains(" ERROR ") || line.contains("panicked"))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        // Only what held may stand there.
        if number_in("GATEPOST_WRITE") == Some(1) {
            watch.write(&report, &ledger).expect("docs/ can be written");
        }
    });
}
