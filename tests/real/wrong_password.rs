//! A wrong local password costs a second and nothing else.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::support::{
    bed::ADDRESS,
    messages::mail,
    scene::{Setting, plain},
    wire::Wire,
};

const LIMIT: Duration = Duration::from_secs(180);
const CONNECTIONS: usize = 20;
const TRIES: usize = 5;

/// "After about a second", on a busy machine.
fn assert_about_a_second(start: Instant, wire: &Wire) {
    let took = start.elapsed();
    let about = Duration::from_millis(900)..Duration::from_secs(4);
    assert!(about.contains(&took), "refused after {took:?}\n{}", wire.dialogue());
}

fn assert_at_once(start: Instant, wire: &Wire) {
    let took = start.elapsed();
    assert!(took < Duration::from_millis(500), "refused after {took:?}\n{}", wire.dialogue());
}

#[test]
fn a_hundred_wrong_imap_passwords_over_twenty_connections() {
    Setting::default().play(LIMIT, |scene| {
        scene.bed.store.fill_inbox(ADDRESS, std::iter::once(mail(ADDRESS, 1, 900, 10_000)));
        let (imap, login) = (scene.proxy().imap, scene.login());
        let mut good = scene.signed_on();
        good.command("b1", "SELECT INBOX");
        let before = scene.bed.google.refreshes();
        let wrong_over = AtomicBool::new(false);
        let slowest = thread::scope(|scope| {
            let others = scope.spawn(|| {
                let mut slowest = Duration::ZERO;
                while !wrong_over.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    good.fetch("1").expect("the mail");
                    slowest = slowest.max(start.elapsed());
                    thread::sleep(Duration::from_millis(10));
                }
                slowest
            });
            let wrong: Vec<_> = (0..CONNECTIONS)
                .map(|connection| {
                    let login = &login;
                    scope.spawn(move || {
                        let mut wire = Wire::imap(imap);
                        for number in 0..TRIES {
                            let start = Instant::now();
                            let guess = format!("wrong-{connection}-{number}");
                            wire.send(format!("a{number} LOGIN {ADDRESS} {guess}\r\n"));
                            wire.expect(&format!("a{number} NO [AUTHENTICATIONFAILED]"));
                            assert_about_a_second(start, &wire);
                        }
                        // Still open, and good.
                        wire.command("r1", login);
                        wire.command("r2", "NOOP");
                    })
                })
                .collect();
            let outcomes: Vec<_> = wrong.into_iter().map(|thread| thread.join()).collect();
            wrong_over.store(true, Ordering::Relaxed);
            for outcome in outcomes {
                if let Err(panic) = outcome {
                    std::panic::resume_unwind(panic);
                }
            }
            others.join().expect("the others are served")
        });
        assert!(slowest < Duration::from_secs(1), "others waited {slowest:?} for a small mail");
        assert_eq!(scene.bed.google.refreshes(), before, "a token was touched");
        scene.restart();
        drop(scene.signed_on());
    });
}

#[test]
fn every_kind_of_imap_sign_on_is_refused_alike_and_an_empty_password_at_once() {
    Setting::default().play(LIMIT, |scene| {
        let mut wire = scene.imap();
        for command in [
            format!("LOGIN {ADDRESS} nonsense"),
            format!("LOGIN nobody@gmail.com {}", scene.password),
            format!("AUTHENTICATE PLAIN {}", plain(ADDRESS, "nonsense")),
        ] {
            let start = Instant::now();
            wire.send(format!("a1 {command}\r\n"));
            wire.expect("a1 NO [AUTHENTICATIONFAILED]");
            assert_about_a_second(start, &wire);
        }
        for command in [
            format!("LOGIN {ADDRESS} \"\""),
            format!("LOGIN {ADDRESS} {{0+}}\r\n"),
            format!("AUTHENTICATE PLAIN {}", plain(ADDRESS, "")),
        ] {
            let start = Instant::now();
            wire.send(format!("a2 {command}\r\n"));
            wire.expect("a2 NO [AUTHENTICATIONFAILED]");
            assert_at_once(start, &wire);
        }
        wire.command("a3", &scene.login());
    });
}

#[test]
fn wrong_smtp_passwords() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let (smtp, right) = (scene.proxy().smtp, scene.auth_plain());
        thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                let right = &right;
                scope.spawn(move || {
                    let mut wire = Wire::smtp(smtp);
                    for number in 0..TRIES {
                        let start = Instant::now();
                        let guess = format!("wrong-{connection}-{number}");
                        wire.send(format!("AUTH PLAIN {}\r\n", plain(ADDRESS, &guess)));
                        wire.expect_smtp("535 5.7.8");
                        assert_about_a_second(start, &wire);
                    }
                    wire.send(right);
                    wire.expect_smtp("235");
                });
            }
        });
        let mut wire = scene.smtp();
        let start = Instant::now();
        wire.send(format!("AUTH PLAIN {}\r\n", plain(ADDRESS, "")));
        wire.expect_smtp("535 5.7.8");
        assert_at_once(start, &wire);
        let start = Instant::now();
        wire.send(format!("AUTH LOGIN {}\r\n", STANDARD.encode("nobody@gmail.com")));
        wire.expect_smtp("334");
        wire.send(format!("{}\r\n", STANDARD.encode(&scene.password)));
        wire.expect_smtp("535 5.7.8");
        assert_about_a_second(start, &wire);
        wire.send(&right);
        wire.expect_smtp("235");
    });
}
