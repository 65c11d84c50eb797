//! Tokens end, are revoked, can't be had: what the mail client sees of it.

use std::{process::Command, thread, time::Duration};

use gatepost::demo::{authorization::TokenFault, faults::Times};

use crate::support::{
    bed::{ADDRESS, Bed},
    gatepost::Home,
    process,
    scene::{AN_ANSWER, Scene, Setting},
    wire::Wire,
    within,
};

const LIMIT: Duration = Duration::from_secs(300);

/// Signs on until it works: after an outage a try may still be waiting for its turn.
fn expect_recovery(scene: &Scene) {
    let recovered = process::until(AN_ANSWER, || {
        let mut wire = scene.imap();
        wire.send(format!("a1 {}\r\n", scene.login()));
        let line = loop {
            let line = wire.line();
            if !line.starts_with("* OK") && !line.starts_with("* CAPABILITY") {
                break line;
            }
        };
        assert!(!line.starts_with("a1 NO"), "{}", wire.dialogue());
        line.starts_with("a1 OK")
    });
    assert!(recovered, "no LOGIN worked within {AN_ANSWER:?} after the outage");
}

/// The state of the account, as `status` says it.
fn state(scene: &Scene) -> String {
    let status = scene.home.status();
    let accounts = status["accounts"].as_array().expect("a list");
    assert_eq!(accounts.len(), 1, "{status}");
    accounts[0]["state"].as_str().unwrap_or_else(|| panic!("{status}")).to_owned()
}

#[test]
fn a_token_that_has_ended_is_refreshed_at_the_next_login() {
    let setting = Setting { token_life: Some(Duration::from_secs(3)), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        drop(scene.signed_on());
        let before = scene.bed.google.refreshes();
        for _ in 0..3 {
            thread::sleep(Duration::from_secs(4));
            scene.signed_on().command("a2", "NOOP");
        }
        let refreshes = scene.bed.google.refreshes() - before;
        // The wait is longer than a token's life, so each LOGIN needs a new one. (More are none of
        // the contract's business, but a storm would be.)
        assert!((3..=12).contains(&refreshes), "{refreshes} refreshes");
    });
}

#[test]
fn a_token_refused_while_it_looked_alive_is_refreshed_once_and_the_client_sees_nothing() {
    Setting::with_smtp().play(LIMIT, |scene| {
        drop(scene.signed_on());
        let by_imap = |scene: &Scene| drop(scene.signed_on());
        let by_smtp = |scene: &Scene| drop(scene.smtp_signed_on());
        for sign_on in [&by_imap as &dyn Fn(&Scene), &by_smtp] {
            scene.bed.google.expire_access_tokens();
            let before = scene.bed.google.refreshes();
            sign_on(scene);
            assert_eq!(scene.bed.google.refreshes() - before, 1);
            sign_on(scene);
            assert_eq!(scene.bed.google.refreshes() - before, 1);
        }
    });
}

#[test]
fn a_revoked_grant_is_told_and_signing_in_again_beside_the_proxy_cures_it() {
    Setting::with_smtp().play(LIMIT, |scene| {
        drop(scene.signed_on());
        scene.bed.google.revoke_grants();
        scene.expect_bye();
        scene.expect_421();
        // And again, from memory.
        scene.expect_bye();
        assert_eq!(state(scene), "needs_sign_in");

        let event = scene.home.login(ADDRESS, &[], b"").signed_in();
        assert_eq!(event["password"], serde_json::Value::Null, "{event}");
        assert_eq!(event["password_unchanged"], true, "{event}");
        let taken_up = process::until(Duration::from_secs(10), || state(scene) == "ready");
        assert!(taken_up, "the running proxy still says {}", state(scene));
        scene.signed_on().command("a2", "NOOP");
        drop(scene.smtp_signed_on());
        scene.restart();
        drop(scene.signed_on());
    });
}

#[test]
fn a_revoked_grant_is_told_after_a_restart_too() {
    Setting::with_smtp().play(LIMIT, |scene| {
        scene.bed.google.revoke_grants();
        scene.restart();
        scene.expect_421();
        scene.expect_bye();
        scene.home.login(ADDRESS, &[], b"").signed_in();
        expect_recovery(scene);
    });
}

#[test]
fn the_authorization_server_is_down_and_comes_back() {
    Setting::with_smtp().play(LIMIT, |scene| {
        drop(scene.signed_on());
        let mut earlier = scene.signed_on();
        scene.bed.google.expire_access_tokens();
        scene.bed.google.goes_down();
        scene.expect_bye();
        scene.expect_421();
        earlier.command("a2", "NOOP");
        scene.bed.google.comes_back();
        expect_recovery(scene);
        drop(scene.smtp_signed_on());
        assert_eq!(state(scene), "ready");
    });
}

#[test]
fn whatever_the_token_endpoint_answers_nothing_is_lost() {
    Setting::default().play(LIMIT, |scene| {
        let google_is_ill = |scene: &Scene, fault: TokenFault| {
            println!("{fault:?}");
            scene.bed.google.expire_access_tokens();
            scene.bed.google.fail_token(fault, Times::UntilCleared);
            scene.expect_bye();
            scene.bed.google.clear_faults();
            expect_recovery(scene);
        };
        google_is_ill(scene, TokenFault::Status(500));
        google_is_ill(scene, TokenFault::Status(429));
        google_is_ill(scene, TokenFault::Html);
        google_is_ill(scene, TokenFault::HalfAnswer);
        google_is_ill(scene, TokenFault::Reset);
        scene.restart();
        drop(scene.signed_on());
    });
}

#[test]
fn the_mail_server_is_down_and_comes_back() {
    Setting::with_smtp().play(LIMIT, |scene| {
        drop(scene.signed_on());
        scene.bed.dovecot.end();
        scene.expect_bye();
        scene.bed.postfix.as_mut().expect("with_smtp").end();
        scene.expect_421();
        scene.bed.dovecot.begin();
        scene.bed.postfix.as_mut().expect("with_smtp").begin();
        expect_recovery(scene);
        drop(scene.smtp_signed_on());
    });
}

#[test]
fn a_session_that_can_t_go_on_is_ended_with_the_servers_words() {
    Setting::default().play(LIMIT, |scene| {
        let mut wire: Wire = scene.signed_on();
        wire.command("a2", "SELECT INBOX");
        // No other connection would keep what this finds.
        wire.command("a3", "SEARCH RETURN (SAVE) ALL");
        scene.bed.dovecot.kick(ADDRESS);
        wire.expect("* BYE");
        wire.expect_end();
        drop(scene.signed_on());
    });
}

#[test]
fn a_rotated_refresh_token_outlives_a_restart() {
    let setting = Setting { token_life: Some(Duration::from_secs(2)), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        scene.bed.google.set_rotation(true);
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(2500));
            drop(scene.signed_on());
        }
        scene.restart();
        thread::sleep(Duration::from_millis(2500));
        drop(scene.signed_on());
        scene.restart();
        drop(scene.signed_on());
    });
}

#[test]
fn a_restart_keeps_everything() {
    let setting = Setting { password: Some("chosen for the scanner"), ..Setting::with_smtp() };
    setting.play(LIMIT, |scene| {
        for _ in 0..2 {
            scene.restart();
            scene.signed_on().command("a2", "NOOP");
            drop(scene.smtp_signed_on());
        }
        assert_eq!(scene.bed.google.exchanges(), 1, "nobody had to consent again");
    });
}

/// A server's accounts are open from the start: nobody has to sign on first.
#[test]
fn with_a_key_file_the_account_is_ready_after_a_restart() {
    within(LIMIT, || {
        let bed = Bed::new();
        let home = Home::new(&bed, "home", "\n[secrets]\nkey_file = \"gatepost.key\"");
        let key = "head -c 32 /dev/urandom > gatepost.key; chmod 600 gatepost.key";
        let mut shell = Command::new("sh");
        process::run_well(shell.args(["-c", key]).current_dir(home.folder()), b"", LIMIT);
        home.login(ADDRESS, &[], b"").signed_in();
        for _ in 0..2 {
            let proxy = home.run();
            let ready = || home.status()["accounts"][0]["state"] == "ready";
            assert!(process::until(Duration::from_secs(20), ready), "{}", home.status());
            assert_eq!(proxy.stop().code(), Some(0));
        }
    });
}
