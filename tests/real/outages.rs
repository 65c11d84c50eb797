//! The mail server goes away, with or without a word, for a while or for good: what its clients see
//! of it.

use std::{thread, time::Duration};

use crate::support::{
    bed::ADDRESS,
    mail_client::Settings,
    messages::subject,
    process,
    scene::{Scene, Setting},
    servers::Dovecot,
    trial::{append, signed_on},
    wire::Wire,
};

const LIMIT: Duration = Duration::from_secs(300);
/// How long Dovecot is away where it comes back.
const AWAY: Duration = Duration::from_secs(3);
const MAIL: &[u8] = b"Subject: news\r\n\r\nnews\r\n";

/// A connection to the mail that Gatepost has no part in.
fn direct(plain: &Dovecot) -> Wire {
    signed_on(&Settings::direct(plain, ADDRESS))
}

/// A client in IDLE in this mailbox, where Gatepost has learned which messages there are.
fn idling(scene: &Scene, mailbox: &str) -> Wire {
    let mut wire = scene.signed_on();
    wire.command("a2", &format!("SELECT {mailbox}"));
    wire.send("a3 IDLE\r\n");
    wire.expect("+ ");
    wire
}

/// Lines until one begins so, that one last; none may be a goodbye.
fn until(wire: &mut Wire, start: &str) -> Vec<String> {
    let lines = wire.lines_to_end_or(start);
    assert!(lines.last().is_some_and(|line| line.starts_with(start)), "{}", wire.dialogue());
    lines
}

/// A goodbye with words, and the end; the words.
fn goodbye(wire: &mut Wire) -> String {
    let lines = wire.lines_to_end();
    let last =
        lines.last().unwrap_or_else(|| panic!("no word before the end\n{}", wire.dialogue()));
    assert!(last.starts_with("* BYE ") && last.len() > 20, "{}", wire.dialogue());
    let others = lines.iter().any(|line| line.starts_with('a') || line.contains("EXPUNGE"));
    assert!(!others, "{}", wire.dialogue());
    last.clone()
}

/// The figures of `status` on what became of sessions.
fn continuity(scene: &Scene) -> serde_json::Value {
    scene.home.status()["accounts"][0]["continuity"].clone()
}

#[test]
fn nobody_notices_a_restart_of_the_server() {
    Setting::default().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut direct = direct(&plain);
        (0..5).for_each(|_| append(&mut direct, "INBOX", MAIL));
        direct.command("d", "SELECT INBOX");

        let mut idle = idling(scene, "INBOX");
        let mut asking = scene.signed_on();
        asking.command("a2", "SELECT INBOX");
        asking.command("a3", "NOOP");
        let mut between = scene.signed_on();
        between.command("a2", "SELECT INBOX");
        between.command("a3", "NOOP");
        let mut nowhere = scene.signed_on();

        scene.bed.dovecot.end();
        asking.send("a4 NOOP\r\n");
        // The second and the fourth vanish, one arrives, and the first is flagged.
        direct.command("d", "STORE 2,4 +FLAGS.SILENT (\\Deleted)");
        direct.command("d", "EXPUNGE");
        append(&mut direct, "INBOX", MAIL);
        direct.command("d", "STORE 1 +FLAGS.SILENT (\\Flagged)");
        thread::sleep(AWAY);
        scene.bed.dovecot.begin();

        let changes = ["* 4 EXPUNGE", "* 2 EXPUNGE", "* 4 EXISTS"];
        let only_changes = |lines: &[String]| {
            let told = |line: &&String| line.ends_with("EXPUNGE") || line.ends_with("EXISTS");
            lines.iter().filter(told).cloned().collect::<Vec<_>>()
        };
        assert_eq!(only_changes(&asking.expect_ok("a4")), changes);
        assert_eq!(only_changes(&until(&mut idle, "* 4 EXISTS")), changes);
        let flags = until(&mut idle, "* 1 FETCH").pop().unwrap_or_default();
        assert!(flags.contains("\\Flagged"), "{flags}");
        idle.send("DONE\r\n");
        idle.expect_ok("a3");
        // Not before it asks: it may count on the numbers.
        between.expect_silence(Duration::from_secs(1));
        let mut told = between.command("a4", "NOOP");
        told.extend(between.command("a5", "NOOP"));
        assert_eq!(only_changes(&told), changes);
        nowhere.command("a2", "STATUS INBOX (MESSAGES)");
        for wire in [&mut asking, &mut idle, &mut between] {
            let uids = wire.command("u", "FETCH 1:* (UID)").join("\n");
            for (number, uid) in [(1, 1), (2, 3), (3, 5), (4, 6)] {
                assert!(uids.contains(&format!("* {number} FETCH (UID {uid})")), "{uids}");
            }
        }
        println!("a restart: {}", continuity(scene));
        assert_eq!(continuity(scene)["ended"], serde_json::json!({}));
    });
}

/// A client between two commands loses the server, and one of its messages vanishes meanwhile; it, and a
/// client of the plain server's.
fn one_of_five_vanishes(scene: &mut Scene, plain: &Dovecot) -> (Wire, Wire) {
    let mut direct = direct(plain);
    (0..5).for_each(|_| append(&mut direct, "INBOX", MAIL));
    direct.command("d", "SELECT INBOX");
    let mut wire = scene.signed_on();
    wire.command("a2", "SELECT INBOX");
    wire.command("a3", "NOOP");
    scene.bed.dovecot.end();
    direct.command("d", "STORE 2 +FLAGS.SILENT (\\Deleted)");
    direct.command("d", "EXPUNGE");
    (wire, direct)
}

fn assert_none_deleted(direct: &mut Wire) {
    let flags = direct.command("d", "FETCH 1:* (FLAGS)").join("\n");
    assert!(!flags.contains("\\Deleted"), "{flags}");
}

/// The client counts on numbers: what vanished can't be told at its FETCH, which must not be answered
/// by the new numbers either.
#[test]
fn a_command_that_counts_on_numbers_is_not_answered_with_others() {
    Setting::default().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let (mut wire, mut direct) = one_of_five_vanishes(scene, &plain);
        scene.bed.dovecot.begin();
        wire.send("a4 STORE 3 +FLAGS (\\Deleted)\r\n");
        println!("numbers: {}", goodbye(&mut wire));
        assert_none_deleted(&mut direct);
    });
}

/// The same, pipelined behind a NOOP at which it could be told: its number was chosen before.
#[test]
fn what_vanished_is_not_told_where_a_number_follows() {
    Setting::default().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let (mut wire, mut direct) = one_of_five_vanishes(scene, &plain);
        wire.send("a4 NOOP\r\na5 STORE 3 +FLAGS (\\Deleted)\r\n");
        scene.bed.dovecot.begin();
        println!("a number follows: {}", goodbye(&mut wire));
        assert_none_deleted(&mut direct);
    });
}

#[test]
fn an_idle_that_is_ended_while_the_server_is_away_is_answered() {
    Setting::default().play(LIMIT, |scene| {
        let mut idle = idling(scene, "INBOX");
        scene.bed.dovecot.end();
        idle.send("DONE\r\n");
        scene.bed.dovecot.begin();
        idle.expect_ok("a3");
        idle.command("a4", "NOOP");
        println!("ended amid an outage: {}", continuity(scene));
    });
}

#[test]
fn a_mailbox_that_was_opened_for_reading_only_stays_so() {
    Setting::default().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut direct = direct(&plain);
        append(&mut direct, "INBOX", MAIL);
        direct.command("d", "SELECT INBOX");
        let mut wire = scene.signed_on();
        wire.command("a2", "EXAMINE INBOX");
        scene.bed.dovecot.kick(ADDRESS);
        wire.command("a3", "NOOP");
        assert_eq!(continuity(scene)["resumptions"], 1, "{}", wire.dialogue());
        wire.send("a4 STORE 1 +FLAGS (\\Deleted)\r\n");
        wire.reply("a4");
        let flags = direct.command("d", "FETCH 1 (FLAGS)").join("\n");
        assert!(!flags.contains("\\Deleted"), "{flags}");
    });
}

#[test]
fn a_mailbox_that_was_deleted_meanwhile_is_told() {
    Setting::default().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut direct = direct(&plain);
        direct.command("d", "CREATE Doomed");
        append(&mut direct, "Doomed", MAIL);
        let mut wire = idling(scene, "Doomed");
        scene.bed.dovecot.end();
        direct.command("d", "DELETE Doomed");
        scene.bed.dovecot.begin();
        println!("deleted: {}; {}", goodbye(&mut wire), continuity(scene));
    });
}

#[test]
fn a_mailbox_that_was_made_anew_meanwhile_is_told() {
    Setting::default().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut direct = direct(&plain);
        let validity = |wire: &mut Wire| {
            let status = wire.command("d", "STATUS Doomed (UIDVALIDITY)").join(" ");
            status
                .split("UIDVALIDITY ")
                .nth(1)
                .and_then(|rest| rest.split(')').next())
                .map(str::to_owned)
        };
        direct.command("d", "CREATE Doomed");
        append(&mut direct, "Doomed", MAIL);
        let before = validity(&mut direct);
        let mut wire = idling(scene, "Doomed");
        scene.bed.dovecot.end();
        let is_another = process::until(Duration::from_secs(30), || {
            direct.command("d", "DELETE Doomed");
            direct.command("d", "CREATE Doomed");
            append(&mut direct, "Doomed", MAIL);
            validity(&mut direct) != before
        });
        assert!(is_another, "UIDVALIDITY stays the same");
        scene.bed.dovecot.begin();
        println!("made anew: {}; {}", goodbye(&mut wire), continuity(scene));
    });
}

#[test]
fn an_idle_client_is_held_for_no_longer_than_configured() {
    let setting = Setting { provider: "outage_hold = \"2s\"", ..Setting::default() };
    setting.play(LIMIT, |scene| {
        let mut idle = idling(scene, "INBOX");
        let mut between = scene.signed_on();
        between.command("a2", "SELECT INBOX");
        scene.bed.dovecot.end();
        let words = goodbye(&mut idle);
        assert!(words.contains("reached"), "it does not say why: {words}");
        goodbye(&mut between);
        scene.expect_bye();
        scene.bed.dovecot.begin();
        scene.signed_on().command("a2", "NOOP");
        println!("held for 2 s: {words}; {}", continuity(scene));
    });
}

/// What can't be carried over is served until its connection ends, and is then told goodbye.
#[test]
fn a_client_that_cannot_be_carried_over_is_told_goodbye_with_its_token() {
    let setting = Setting { token_life: Some(Duration::from_secs(5)), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        let ending = scene.bed.dovecot.end_sessions_with_tokens();
        let mut wire = scene.signed_on();
        wire.command("a2", "SELECT INBOX");
        wire.command("a3", "NOTIFY NONE");
        let words = goodbye(&mut wire);
        // It is counted behind the signal.
        assert!(process::until(Duration::from_secs(10), || ending.ended() == 1));
        println!("not carried over: {words}; {}", continuity(scene));
    });
}

/// No new token can be had when the old one ends, and the server ends the session: it goes on once
/// there is one.
#[test]
fn a_session_outlives_a_token_that_could_not_be_renewed_in_time() {
    let setting = Setting { token_life: Some(Duration::from_secs(5)), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut direct = direct(&plain);
        append(&mut direct, "INBOX", MAIL);
        let ending = scene.bed.dovecot.end_sessions_with_tokens();
        let mut idle = idling(scene, "INBOX");
        scene.bed.google.goes_down();
        assert!(
            process::until(Duration::from_secs(30), || ending.ended() == 1),
            "it was not ended"
        );
        append(&mut direct, "INBOX", MAIL);
        scene.bed.google.comes_back();
        until(&mut idle, "* 2 EXISTS");
        println!("no token in time: {}", continuity(scene));
    });
}

/// A person must sign in again: nothing can go on, and the client's next sign-on tells them.
#[test]
fn a_session_whose_grant_was_revoked_ends_at_its_loss() {
    Setting::default().play(LIMIT, |scene| {
        let mut idle = idling(scene, "INBOX");
        scene.bed.google.revoke_grants();
        scene.bed.dovecot.kick(ADDRESS);
        let words = goodbye(&mut idle);
        scene.expect_bye();
        println!("revoked: {words}; {}", continuity(scene));
    });
}

/// An APPEND whose mail is half on its way, a STORE that was wholly sent: neither is said to have been
/// done, nor done a second time.
#[test]
fn a_command_under_way_is_neither_answered_nor_repeated() {
    Setting::default().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut direct = direct(&plain);
        append(&mut direct, "INBOX", MAIL);
        let mut wire = scene.signed_on();
        wire.command("a2", "SELECT INBOX");
        wire.send("a3 APPEND INBOX {1000}\r\n");
        wire.expect("+");
        wire.send("Subject: half a mail\r\n\r\n");
        scene.bed.dovecot.end();
        scene.bed.dovecot.begin();
        println!("half an APPEND: {}; {}", goodbye(&mut wire), continuity(scene));
        let status = direct.command("d", "STATUS INBOX (MESSAGES)").join(" ");
        assert!(status.contains("MESSAGES 1"), "{status}");
    });
}

/// The submission server is lost amid a message, and after its end: the client hears of it, so that it
/// sends again; a 250 would be a lost mail.
#[test]
fn a_message_that_the_server_was_lost_with_is_not_accepted() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mail = format!("Subject: {}\r\n\r\nnews\r\n", subject(1));
        for (sent, is_whole) in [(&mail[..10], false), (&format!("{mail}.\r\n"), true)] {
            let mut wire = scene.smtp_signed_on();
            wire.send(format!("MAIL FROM:<{ADDRESS}>\r\nRCPT TO:<{ADDRESS}>\r\nDATA\r\n"));
            for code in ["250", "250", "354"] {
                wire.expect_smtp(code);
            }
            let postfix = scene.bed.postfix.as_mut().expect("with_smtp");
            postfix.stand_still();
            wire.send(sent);
            postfix.end();
            let lines = wire.lines_to_end();
            // The message's own answer, where one is due, and then the session's end.
            let expected = if is_whole { &["451 4.", "421 4."][..] } else { &["421 4."] };
            let told = lines.iter().zip(expected).all(|(line, code)| line.starts_with(code));
            assert!(told && lines.len() == expected.len(), "{}", wire.dialogue());
            println!("DATA, whole: {is_whole}: {lines:?}");
            scene.bed.postfix.as_mut().expect("with_smtp").begin();
            scene.smtp_signed_on().send_mail(ADDRESS, mail.as_bytes());
        }
    });
}

/// A client that can't change its connection, or not now, keeps nobody else from doing so.
#[test]
fn a_client_that_cannot_change_is_in_nobodys_way() {
    let setting = Setting { token_life: Some(Duration::from_secs(5)), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        let mut stuck = scene.signed_on();
        stuck.command("a2", "SELECT INBOX");
        stuck.command("a3", "NOTIFY NONE");
        let mut amid_a_mail = scene.signed_on();
        amid_a_mail.send("a2 APPEND INBOX {1000}\r\n");
        amid_a_mail.expect("+");
        let mut idle = [idling(scene, "INBOX"), idling(scene, "INBOX")];
        let rotations = || continuity(scene)["rotations"].as_u64().expect("a number");
        assert!(
            process::until(Duration::from_secs(30), || rotations() >= 4),
            "{}",
            continuity(scene)
        );
        for wire in &mut idle {
            wire.send("DONE\r\n");
            wire.expect_ok("a3");
        }
        stuck.command("a4", "NOOP");
        println!("in nobody's way: {}", continuity(scene));
    });
}

/// The time for another connection comes while a client, between two commands, has been told of messages
/// that it has not asked about, and one of them is gone. It can't be told then; at its next NOOP it can.
#[test]
fn a_change_that_could_not_be_made_between_commands_is_made_at_the_next_one() {
    let setting = Setting { token_life: Some(Duration::from_secs(5)), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut direct = direct(&plain);
        append(&mut direct, "INBOX", MAIL);
        direct.command("d", "SELECT INBOX");
        let mut wire = idling(scene, "INBOX");
        (0..2).for_each(|_| append(&mut direct, "INBOX", MAIL));
        until(&mut wire, "* 3 EXISTS");
        wire.send("DONE\r\n");
        wire.expect_ok("a3");
        direct.command("d", "STORE 2 +FLAGS.SILENT (\\Deleted)");
        direct.command("d", "EXPUNGE");
        let rotations = || continuity(scene)["rotations"].as_u64().expect("a number");
        let was_tried = || scene.log().contains("the session stays with its connection");
        // If it isn't tried at all, so much the better.
        process::until(Duration::from_secs(8), || was_tried() || rotations() > 0);
        let changed = process::until(Duration::from_secs(15), || {
            wire.command("a4", "NOOP");
            rotations() > 0
        });
        assert!(changed, "{}\n{}", continuity(scene), wire.dialogue());
        println!("between commands: {}", continuity(scene));
    });
}
