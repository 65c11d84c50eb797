//! Ten real clients on each of three accounts at once, within the connections that an account may
//! use by default: all that can idle do so, and hear of the same mail, while one more fetches
//! everything.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{
    bed::ADDRESS,
    clients::CLIENTS,
    mail_client::{Client, Push, Settings, Task},
    messages::letter,
    process,
    scene::{Scene, Setting},
    servers::{Dovecot, PLAIN_PASSWORD},
    trial::{Trial, append, signed_on},
};

const LIMIT: Duration = Duration::from_secs(300);
/// How long the slowest of thirty programs may take to start and to idle.
const ALL_IDLE: Duration = Duration::from_secs(50);
const IDLE: usize = 9;

#[test]
fn ten_clients_on_each_of_three_accounts_at_once() {
    // The default, which the other tests' configuration lifts.
    let setting = Setting { provider: "connections = 12", ..Setting::default() };
    setting.play(LIMIT, |scene| {
        let people = [
            scene.settings(),
            scene.sign_in_another("berta@gmail.com", None),
            scene.sign_in_another("carl@gmail.com", None),
        ];
        let plain = scene.bed.plain_dovecot();
        let scene = &*scene;
        let failures = Mutex::new(String::new());
        thread::scope(|scope| {
            for settings in &people {
                scope.spawn(|| {
                    let words = ten_at_once(scene, &plain, settings);
                    failures.lock().unwrap().push_str(&words);
                });
            }
        });
        let failures = failures.into_inner().unwrap();
        assert!(failures.is_empty(), "{failures}");
        assert_eq!(scene.bed.google.refreshes(), 3, "one access token an account");
    });
}

/// Lets ten clients of one account work at once; what went wrong.
fn ten_at_once(scene: &Scene, plain: &Dovecot, settings: &Settings) -> String {
    let direct =
        Settings { imap: plain.address(), password: PLAIN_PASSWORD.to_owned(), ..settings.clone() };
    let mut trial = Trial::prepare(&direct);
    let (idling, failures) = (AtomicUsize::new(0), Mutex::new(String::new()));
    let fail = |client: &Client, words: String| {
        *failures.lock().unwrap() += &format!("{} of {}: {words}\n", client.name, settings.address);
    };
    let all_idle = |count| process::until(ALL_IDLE, || idling.load(Ordering::Relaxed) >= count);
    let open = |client: &Client| {
        let folder = scene.bed.scratch(&format!("{}-{}", client.name, settings.address));
        (client.program.open(settings, &folder), folder)
    };
    thread::scope(|scope| {
        let idle: Vec<_> =
            CLIENTS.iter().filter(|client| client.tasks.contains(&Task::Idle)).take(IDLE).collect();
        assert_eq!(idle.len(), IDLE);
        for client in idle {
            let (idling, all_idle, open, fail) = (&idling, &all_idle, &open, &fail);
            scope.spawn(move || {
                // The mail comes when all idle and the tenth is done.
                let deliver = || {
                    idling.fetch_add(1, Ordering::Relaxed);
                    assert!(all_idle(IDLE + 1), "not all idle");
                };
                let mut push = Push::new(&deliver);
                let done = open(client).0.perform(Task::Idle, &mut push);
                match done {
                    Ok(()) if push.took().is_some() => {}
                    Ok(()) => fail(client, "it was told nothing".to_owned()),
                    Err(words) => fail(client, words),
                }
            });
        }
        if !all_idle(IDLE) {
            return;
        }
        let status = scene.home.status();
        let accounts = status["accounts"].as_array().expect("accounts");
        let ours = accounts.iter().find(|account| account["address"] == *settings.address);
        let sessions = ours.and_then(|account| account["sessions"]["imap"].as_u64());
        assert!(sessions.is_some_and(|sessions| sessions >= 9), "{status}");
        let mbsync = CLIENTS.iter().find(|client| client.name == "mbsync").expect("a row");
        let (mut session, folder) = open(mbsync);
        if let Err(words) = trial.try_out(mbsync, &mut *session, &folder, Task::Sync) {
            fail(mbsync, words);
        }
        append(&mut signed_on(&direct), "INBOX", &letter(ADDRESS, 1));
        idling.fetch_add(1, Ordering::Relaxed);
    });
    failures.into_inner().unwrap()
}
