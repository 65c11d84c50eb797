//! What Gatepost writes down: enough to find out what happened, and nothing that is secret. (That
//! no secret is in it is looked for at the end of every scene.)

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use crate::support::{
    bed::ADDRESS,
    fetch_when_there,
    messages::{mail, subject},
    process,
    scene::{Scene, Setting},
};

const LIMIT: Duration = Duration::from_secs(120);

fn log(scene: &Scene, name: &str) -> PathBuf {
    scene.home.folder().join("logs").join(name)
}

fn read(scene: &Scene, name: &str) -> String {
    String::from_utf8(fs::read(log(scene, name)).unwrap()).unwrap()
}

#[test]
fn a_complaint_leads_to_its_session_in_the_log() {
    Setting::default().play(LIMIT, |scene| {
        scene.bed.google.revoke_grants();
        let mut wire = scene.imap();
        wire.send(format!("a1 {}\r\n", scene.login()));
        let lines = wire.lines_to_end();
        let bye = lines.last().unwrap();
        let (_, number) = bye.split_once("(Gatepost session ").expect(bye);
        let number = number.trim_end_matches(')');
        let log = read(scene, "gatepost.log");
        let session = format!("session{{id={number} kind=\"imap\"}}");
        let told = log.lines().find(|line| line.contains(&session) && line.contains(" WARN "));
        assert!(told.is_some_and(|line| line.contains("Google has ended the grant")), "{log}");
    });
}

#[test]
fn the_log_is_its_owners_alone_and_a_restart_goes_on_with_it() {
    Setting::default().play(LIMIT, |scene| {
        drop(scene.signed_on());
        scene.restart();
        drop(scene.signed_on());
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for name in ["gatepost.log", "wire.log"] {
            assert_eq!(mode(log(scene, name)), 0o600, "{name}");
        }
        assert_eq!(mode(scene.home.folder().join("logs")), 0o700);
        assert_eq!(read(scene, "gatepost.log").matches("imap is served").count(), 2);
    });
}

#[test]
fn the_wire_log_has_the_dialogue_without_password_and_mail() {
    Setting::with_smtp().play(LIMIT, |scene| {
        // Somebody else's session, and one that never signed on, are nobody's business.
        let mut other = scene.imap();
        other.send("x1 LOGIN somebody@example.com whatever\r\n");
        other.expect("x1 NO");
        drop(other);
        let mut silent = scene.imap();
        silent.command("x2", "NOOP");
        drop(silent);

        let mut smtp = scene.smtp_signed_on();
        smtp.send_mail(ADDRESS, &mail(ADDRESS, 3, 100, 100));
        let mut imap = scene.signed_on();
        fetch_when_there(&mut imap, 1);
        imap.command("a8", &format!("UID SEARCH SUBJECT \"{}\" SINCE 1-Feb-2026", subject(3)));
        imap.command("a9", "LOGOUT");
        // A line is written down once it is sent: the client may have it a moment before.
        let all_there = || read(scene, "wire.log").contains("imap S: a9 OK ");
        assert!(process::until(Duration::from_secs(10), all_there));
        let log = read(scene, "wire.log");
        for expected in [
            "smtp -> AUTH XOAUTH2",
            "smtp -> <SASL response>",
            "smtp <- 235 ",
            "smtp C: EHLO client.test",
            "smtp C: AUTH PLAIN <initial response>",
            "smtp S: 235 2.7.0 Accepted",
            "smtp C: DATA",
            "smtp C: <message of ",
            "imap <- * OK ",
            "imap -> g1 AUTHENTICATE XOAUTH2 <initial response>",
            "imap <- g1 OK ",
            "imap C: a1 LOGIN <…>",
            "imap S: a1 OK ",
            "imap C: f UID FETCH 1 BODY.PEEK[]",
            "imap S: * 1 FETCH (UID 1 BODY[] {",
            "imap C: a8 UID SEARCH SUBJECT \"…\" SINCE 1-Feb-2026",
            "imap S: * BYE ",
        ] {
            let found = log.lines().any(|line| line.contains(expected));
            assert!(found, "{expected} is not in\n{log}");
        }
        for unwanted in ["somebody@", "x1 ", "x2 ", &subject(3), "Message-ID"] {
            assert!(!log.contains(unwanted), "{unwanted} is in\n{log}");
        }
        let session = |line: &str| line.split(' ').nth(2).map(str::to_owned);
        let mut sessions: Vec<_> = log.lines().filter_map(session).collect();
        sessions.sort();
        sessions.dedup();
        assert!(
            sessions.len() == 2 && sessions.iter().all(|it| it.parse::<u64>().is_ok()),
            "{log}"
        );
    });
}

#[test]
fn a_reload_changes_the_level() {
    Setting::default().play(LIMIT, |scene| {
        let text = fs::read_to_string(scene.home.folder().join("config.toml")).unwrap();
        let with_level = |level: &str| format!("{text}\n[log]\nlevel = \"{level}\"\n");
        scene.home.configure(&with_level("warn"));
        scene.home.leave_level_to_configuration();
        fs::remove_file(log(scene, "gatepost.log")).unwrap();
        scene.restart();
        drop(scene.signed_on());
        assert!(!read(scene, "gatepost.log").contains("signed on"), "{}", scene.log());
        scene.home.configure(&with_level("debug"));
        assert!(scene.home.gatepost(&["reload"], b"").status.success());
        drop(scene.signed_on());
        let told = || {
            let log = read(scene, "gatepost.log");
            log.contains("IMAP client signed on") && log.contains("DEBUG")
        };
        assert!(process::until(Duration::from_secs(10), told), "{}", scene.log());
    });
}
