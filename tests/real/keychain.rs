//! The keychain, with GNOME's keyring in that place: it opens the accounts at the start, and whatever
//! is the matter with it, the local password does.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{
    bed::ADDRESS,
    process,
    scene::{Scene, Setting},
    servers::{Hold, Login},
};

const LIMIT: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(20);

fn with_keyring() -> Setting {
    Setting { keyring: true, ..Setting::default() }
}

pub(crate) fn account(scene: &Scene) -> Value {
    scene.home.status()["accounts"][0].clone()
}

pub(crate) fn assert_opens(scene: &Scene) {
    let is_ready = || account(scene)["state"] == "ready";
    assert!(process::until(SOON, is_ready), "{}\n{}", account(scene), scene.log());
}

/// How often the log says this.
fn times(scene: &Scene, words: &str) -> usize {
    scene.log().matches(words).count()
}

#[test]
fn after_a_restart_the_account_is_open() {
    with_keyring().play(LIMIT, |scene| {
        let keyring = scene.keyring.as_ref().unwrap();
        let entries = keyring.entries();
        assert_eq!(entries.matches("attribute.service = gatepost").count(), 1, "{entries}");
        assert!(entries.contains("attribute.username = annaexample@gmail.com "), "{entries}");
        assert_eq!(keyring.secret().len(), 64, "32 bytes in hexadecimal");
        assert_opens(scene);
        assert_eq!(account(scene)["opens_with"], json!(["password", "keychain"]));

        scene.restart();
        assert_opens(scene);
        assert_eq!(times(scene, "the keychain has opened this account"), 1);
        assert_eq!(account(scene)["sessions"], json!({"imap": 0, "smtp": 0}), "nobody signed on");
        drop(scene.signed_on());
        // A keyring that was restarted meanwhile is found again.
        scene.keyring.as_mut().unwrap().restart_daemon(Login::WithPassword);
        scene.restart();
        assert_opens(scene);
    });
}

#[test]
fn the_local_password_is_renewed_without_the_old_one() {
    with_keyring().play(LIMIT, |scene| {
        let mut session = scene.signed_on();
        let output = scene.home.gatepost(&["password", ADDRESS, "--new", "--json"], b"");
        assert!(output.status.success(), "{}", process::said(&output));
        let event: Value = serde_json::from_slice(&output.stdout).unwrap();
        let old =
            std::mem::replace(&mut scene.password, event["password"].as_str().unwrap().to_owned());
        let mut wire = scene.imap();
        wire.send(format!("a1 LOGIN {ADDRESS} {old}\r\n"));
        let refused = wire.reply("a1").pop().unwrap();
        assert!(refused.starts_with("a1 NO [AUTHENTICATIONFAILED]"), "{refused}");
        drop(scene.signed_on());
        session.command("a2", "NOOP");
        scene.restart();
        assert_opens(scene);
    });
}

#[test]
fn logging_out_removes_the_entry() {
    with_keyring().play(LIMIT, |scene| {
        let entry = |scene: &Scene| scene.keyring.as_ref().unwrap().entries();
        // A record made anew has another entry, and the old one goes.
        let before = entry(scene);
        let event = scene.home.login(ADDRESS, &["--new-password"], b"").signed_in();
        scene.password = event["password"].as_str().unwrap().to_owned();
        let after = entry(scene);
        assert_eq!(after.matches("attribute.service").count(), 1, "{after}");
        assert_ne!(before, after);
        scene.restart();
        assert_opens(scene);

        // While nothing runs it is the keychain that opens the grant, so that Google can be told.
        scene.while_stopped(|scene| {
            let output = scene.home.gatepost(&["logout", ADDRESS], b"");
            assert!(output.status.success(), "{}", process::said(&output));
        });
        assert_eq!(scene.bed.google.revocations(), 1);
        assert_eq!(entry(scene).matches("attribute.").count(), 0, "{}", entry(scene));
    });
}

#[test]
fn a_locked_keyring_is_said_once_and_the_password_opens() {
    with_keyring().play(LIMIT, |scene| {
        scene.keyring.as_mut().unwrap().restart_daemon(Login::WithoutPassword);
        scene.restart();
        assert_eq!(account(scene)["state"], "locked");
        let said = "the keychain is locked";
        assert!(process::until(SOON, || times(scene, said) == 1), "{}", scene.log());
        drop(scene.signed_on());
        drop(scene.signed_on());
        assert_eq!(account(scene)["state"], "ready");
        assert_eq!(times(scene, said), 1, "{}", scene.log());
        assert_eq!(times(scene, "accounts open when their first mail program signs on"), 1);

        // Once the person has logged in with the password, a reload is enough.
        scene.restart();
        assert!(process::until(SOON, || times(scene, said) == 1), "{}", scene.log());
        assert_eq!(account(scene)["state"], "locked");
        scene.keyring.as_mut().unwrap().restart_daemon(Login::WithPassword);
        assert!(scene.home.gatepost(&["reload"], b"").status.success());
        assert_opens(scene);
    });
}

#[test]
fn nobody_waits_for_a_keyring_that_does_not_answer() {
    with_keyring().play(LIMIT, |scene| {
        scene.keyring.as_ref().unwrap().hold(Hold::Begin);
        let start = Instant::now();
        scene.restart();
        assert_eq!(account(scene)["state"], "locked");
        drop(scene.signed_on());
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    });
}

/// No program may leave meanwhile: GNOME's keyring aborts when it comes to the question of one that
/// has left.
#[test]
fn a_silent_keyring_is_said_once_and_its_answer_is_taken_when_it_comes() {
    with_keyring().play(LIMIT, |scene| {
        assert_opens(scene);
        scene.keyring.as_ref().unwrap().hold(Hold::Begin);
        scene.restart();
        let said = "the keychain has not answered yet";
        assert!(process::until(SOON, || times(scene, said) == 1), "{}", scene.log());
        assert_eq!(account(scene)["state"], "locked");
        scene.keyring.as_ref().unwrap().hold(Hold::End);
        assert_opens(scene);
        assert_eq!(times(scene, said), 1, "{}", scene.log());
    });
}

/// A command asks a person at the terminal, and gives the keyring's dialogue half a minute.
#[test]
fn a_command_gives_up_on_a_keyring_that_does_not_answer() {
    with_keyring().play(LIMIT, |scene| {
        scene.keyring.as_ref().unwrap().hold(Hold::Begin);
        let stdin = format!("another one\n{}\n", scene.password);
        let mut command = scene.home.command(&["password", ADDRESS, "--new", "--password-stdin"]);
        let output = process::run(&mut command, stdin.as_bytes(), Duration::from_secs(45));
        assert!(output.status.success(), "{}", process::said(&output));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("the keychain does not answer"), "{said}");
        scene.password = "another one".to_owned();
        drop(scene.signed_on());
    });
}

#[test]
fn without_a_keyring_everything_goes_by_the_password() {
    with_keyring().play(LIMIT, |scene| {
        let said = "there is no keychain here";
        for is_all in [false, true] {
            let keyring = scene.keyring.as_mut().unwrap();
            if is_all {
                keyring.stop_all()
            } else {
                keyring.stop_daemon()
            }
            scene.restart();
            assert_eq!(account(scene)["state"], "locked");
            assert!(process::until(SOON, || times(scene, said) == 1), "{}", scene.log());
            drop(scene.signed_on());
            drop(scene.signed_on());
            assert_eq!(account(scene)["state"], "ready");
            assert_eq!(times(scene, said), 1, "{}", scene.log());
        }
        // Nor do the commands need it.
        let output = scene.home.gatepost(
            &["password", ADDRESS, "--new", "--password-stdin"],
            format!("another one\n{}\n", scene.password).as_bytes(),
        );
        assert!(output.status.success(), "{}", process::said(&output));
        scene.password = "another one".to_owned();
        drop(scene.signed_on());
        let event = scene.home.login(ADDRESS, &["--new-password"], b"").signed_in();
        scene.password = event["password"].as_str().unwrap().to_owned();
        assert_eq!(account(scene)["opens_with"], json!(["password"]));
        drop(scene.signed_on());
    });
}
