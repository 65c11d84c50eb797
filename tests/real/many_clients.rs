//! Twenty clients at once: each gets its own answers, and together they cost one refresh.

use std::{sync::Barrier, thread, time::Duration};

use crate::support::{
    bed::ADDRESS,
    messages::{mail, subject},
    scene::{Scene, Setting},
    wire::Wire,
};

const LIMIT: Duration = Duration::from_secs(180);
const CLIENTS: u64 = 20;

/// Lets twenty clients do something at the same moment, and waits for all.
fn at_once(scene: &Scene, client: impl Fn(u64, Wire) + Sync) {
    let (barrier, address) = (Barrier::new(CLIENTS as usize), scene.proxy().imap);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (barrier, client) = (&barrier, &client);
            scope.spawn(move || {
                barrier.wait();
                client(number, Wire::imap(address));
            });
        }
    });
}

#[test]
fn twenty_clients_in_a_mixed_load_are_all_answered_right() {
    Setting::default().play(LIMIT, |scene| {
        scene
            .bed
            .store
            .fill_inbox(ADDRESS, (1..=50).map(|number| mail(ADDRESS, number, 2000, 60_000)));
        let login = scene.login();
        // One after the other: Dovecot itself refuses some of those that are made at the same moment.
        let mut first = scene.signed_on();
        for number in 0..CLIENTS {
            first.command("f1", &format!("CREATE client-{number}"));
        }
        at_once(scene, |number, mut wire| {
            wire.command("a1", &login);
            let folder = format!("client-{number}");
            wire.command("a3", "EXAMINE INBOX");
            for round in 0..10 {
                let uid = 1 + (number * 7 + round * 11) % 50;
                let fetched = wire.fetch(&uid.to_string()).expect("the inbox has fifty mails");
                let text = String::from_utf8_lossy(&fetched);
                assert!(text.contains(&subject(uid)), "another mail than UID {uid}");
                assert_eq!(fetched.len(), mail(ADDRESS, uid, 2000, 60_000).len());
                let own = format!("Subject: of {number} in {round}\r\n\r\n");
                wire.send(format!("b1 APPEND {folder} {{{}+}}\r\n{own}\r\n", own.len()));
                wire.expect_ok("b1");
                let tag = format!("n{number}x{round}");
                wire.command(&tag, "NOOP");
            }
            wire.command("c1", &format!("SELECT {folder}"));
            let found =
                wire.command("c2", &format!("UID SEARCH SUBJECT \"of {number} in\"")).join(" ");
            assert!(found.contains("* SEARCH 1 2 3 4 5 6 7 8 9 10"), "{found}");
            wire.send("c3 LOGOUT\r\n");
            wire.expect("* BYE");
            wire.expect("c3 OK");
            wire.expect_end();
        });
    });
}

#[test]
fn one_refresh_for_twenty_clients_after_a_restart() {
    Setting::default().play(LIMIT, |scene| {
        scene.restart();
        one_refresh_for_all(scene, "after a restart, with no token in memory");
    });
}

#[test]
fn one_refresh_for_twenty_clients_when_the_token_has_ended() {
    Setting::default().play(LIMIT, |scene| {
        drop(scene.signed_on());
        scene.bed.google.expire_access_tokens();
        one_refresh_for_all(scene, "with a token that looked alive and was refused");
    });
}

fn one_refresh_for_all(scene: &Scene, when: &str) {
    let before = scene.bed.google.refreshes();
    let login = scene.login();
    at_once(scene, |_, mut wire| {
        wire.command("a1", &login);
        wire.command("a2", "NOOP");
    });
    assert_eq!(scene.bed.google.refreshes() - before, 1, "refreshes for {CLIENTS} clients {when}");
}

#[test]
fn a_client_beyond_the_accounts_connections_waits_and_is_then_told() {
    let provider = "connections = 2\nconnection_wait = \"1s\"";
    Setting { provider, ..Setting::default() }.play(LIMIT, |scene| {
        let first = scene.signed_on();
        let mut second = scene.signed_on();
        scene.expect_bye();
        second.command("a2", "NOOP");
        drop(first);
        scene.signed_on().command("a2", "NOOP");
    });
}
