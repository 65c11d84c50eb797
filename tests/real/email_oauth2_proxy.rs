//! What went wrong with another proxy of this kind, email-oauth2-proxy, when it was run: each must
//! not happen here. Where the same is tested more widely, the other file is named.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use gatepost::demo::{authorization::TokenFault, faults::Times};

use crate::support::{
    bed::ADDRESS,
    messages::mail,
    scene::{Scene, Setting, plain},
    wire::Wire,
};

const LIMIT: Duration = Duration::from_secs(180);

/// `commands_behind_the_sign_on_are_kept_and_answered_in_order` has more. (That the server's own
/// bytes behind its OK are kept needs a server that is told where to cut; the transcripts have it.)
#[test]
fn defect_1_bytes_are_lost_at_the_hand_over() {
    Setting::default().play(LIMIT, |scene| {
        let mut wire = scene.imap();
        wire.send(format!("a1 {}\r\na2 NO", scene.login()));
        wire.expect_ok("a1");
        wire.send("OP\r\n");
        wire.expect_ok("a2");
    });
}

/// `token_life` has more.
#[test]
fn defect_2_a_revoked_access_token_hangs_login_and_auth_plain() {
    Setting::with_smtp().play(LIMIT, |scene| {
        scene.bed.google.expire_access_tokens();
        let mut wire = scene.imap();
        wire.command("a1", &scene.login());
        scene.bed.google.expire_access_tokens();
        drop(scene.smtp_signed_on());
        scene.bed.google.expire_access_tokens();
        let mut wire = scene.imap();
        wire.send(format!("a1 AUTHENTICATE PLAIN {}\r\n", plain(ADDRESS, &scene.password)));
        wire.expect_ok("a1");
    });
}

#[test]
fn defect_3_http_400_or_a_wrong_password_wipes_the_account() {
    Setting::default().play(LIMIT, |scene| {
        let accounts = scene.home.folder().join("accounts");
        let record = fs::read_dir(&accounts).unwrap().next().unwrap().unwrap().path();
        scene.bed.google.expire_access_tokens();
        scene.bed.google.fail_token(TokenFault::Status(400), Times::Next(2));
        for _ in 0..2 {
            let mut wire = scene.imap();
            wire.send(format!("a1 {}\r\n", scene.login()));
            assert!(!wire.lines_to_end_or("a1 OK").iter().any(|line| line.starts_with("a1 NO")));
        }
        scene.bed.google.clear_faults();
        let mut wire = scene.imap();
        wire.send(format!("a1 LOGIN {ADDRESS} wrong\r\n"));
        wire.expect("a1 NO [AUTHENTICATIONFAILED]");
        assert!(record.exists(), "the account's record is gone");
        // The right one is answered, and not after 600 seconds.
        let start = Instant::now();
        wire.command("a2", &scene.login());
        assert!(start.elapsed() < Duration::from_secs(30), "after {:?}", start.elapsed());
        scene.restart();
        drop(scene.signed_on());
    });
}

/// `sign_on_imap` has every form.
#[test]
fn defect_4_quoted_user_with_literal_password_backslashes_and_letter_case() {
    let setting = Setting { password: Some(r"back\slash \\ twice"), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        let user = ADDRESS.to_uppercase();
        let mut wire = scene.imap();
        wire.send(format!("a1 LOGIN \"{user}\" {{{}}}\r\n", scene.password.len()));
        wire.expect("+ ");
        wire.send(format!("{}\r\n", scene.password));
        wire.expect_ok("a1");
        drop(scene.signed_on());
    });
}

#[test]
fn defect_5_simultaneous_connections_are_not_answered() {
    Setting::default().play(LIMIT, |scene| {
        let (address, login) = (scene.proxy().imap, scene.login());
        thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| Wire::imap(address).command("a1", &login));
            }
        });
        let mut sessions: Vec<_> = (0..200).map(|_| scene.signed_on()).collect();
        for wire in &mut sessions {
            wire.command("a2", "NOOP");
        }
    });
}

#[test]
fn defect_5_a_reader_that_stalls_costs_processor_and_memory() {
    Setting::default().play(LIMIT, |scene| {
        let mails = (1..=20).map(|number| mail(ADDRESS, number, 900, 4_000_000));
        scene.bed.store.fill_inbox(ADDRESS, mails);
        let mut stalled = scene.signed_on();
        stalled.command("a2", "SELECT INBOX");
        stalled.send("a3 UID FETCH 1:* BODY.PEEK[]\r\n");
        thread::sleep(Duration::from_secs(2));
        let (before, start) = (usage(scene), Instant::now());
        let mut other = scene.signed_on();
        while start.elapsed() < Duration::from_secs(5) {
            other.command("b1", "NOOP");
            thread::sleep(Duration::from_millis(100));
        }
        let after = usage(scene);
        let seconds = after.processor - before.processor;
        assert!(seconds < 1.5, "{seconds} processor seconds in {:?}", start.elapsed());
        assert!(after.memory < 80 * 1024 * 1024, "{} bytes in memory", after.memory);
        // And when it reads again, everything is there.
        let fetched = stalled.reply("a3");
        assert_eq!(fetched.len(), 21, "twenty mails and the OK");
    });
}

struct Usage {
    /// User and system time, in seconds.
    processor: f64,
    /// Resident, in bytes.
    memory: u64,
}

/// From proc(5): fields 14 and 15 are in ticks of 1/100 s, field 24 in pages of 4 KiB.
fn usage(scene: &Scene) -> Usage {
    let stat = fs::read_to_string(format!("/proc/{}/stat", scene.proxy().pid())).unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    let field =
        |number: usize| -> u64 { after_name.split(' ').nth(number - 3).unwrap().parse().unwrap() };
    let ticks = u32::try_from(field(14) + field(15)).unwrap();
    Usage { processor: f64::from(ticks) / 100.0, memory: field(24) * 4096 }
}

/// `signals_do_what_the_commands_do_and_the_configuration_is_left_alone` has more.
#[test]
fn defect_6_reload_kills_it_and_tokens_are_readable_by_all() {
    use std::os::unix::fs::PermissionsExt;

    Setting::default().play(LIMIT, |scene| {
        assert!(scene.home.gatepost(&["reload"], b"").status.success());
        drop(scene.signed_on());
        for folder in ["accounts", "clients"] {
            for entry in fs::read_dir(scene.home.folder().join(folder)).into_iter().flatten() {
                let path = entry.unwrap().path();
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
            }
        }
    });
}

/// A server that takes the connection and says nothing: as a firewall or a captive portal does.
#[test]
fn defect_7_a_silent_server_keeps_the_client_waiting_for_ever() {
    Setting::default().play(LIMIT, |scene| {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        thread::spawn(move || silent.incoming().map_while(Result::ok).collect::<Vec<TcpStream>>());
        scene.restart_with(&format!("imap = \"localhost:{port}\""));
        scene.expect_bye();
    });
}

#[test]
fn defect_8_a_small_fetch_waits_for_nagle() {
    Setting::default().play(LIMIT, |scene| {
        scene.bed.store.fill_inbox(ADDRESS, std::iter::once(mail(ADDRESS, 1, 10, 10)));
        let mut wire = scene.signed_on();
        wire.command("a2", "SELECT INBOX");
        let mut times: Vec<_> = (0..51)
            .map(|_| {
                let start = Instant::now();
                wire.fetch("1").expect("the mail");
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        // Nagle's algorithm holds up each of them for 40 ms, a busy machine only some.
        assert!(times[5] < Duration::from_millis(20), "{times:?}");
    });
}

#[test]
fn defect_8_replies_are_lost_when_the_client_shuts_its_writing_side() {
    Setting::default().play(LIMIT, |scene| {
        scene.bed.store.fill_inbox(ADDRESS, std::iter::once(mail(ADDRESS, 1, 900, 1_000_000)));
        let mut wire = scene.imap();
        let login = scene.login();
        // No LOGOUT: on a busy machine Dovecot 2.3 itself, asked directly, now and then closes TLS
        // before the last bytes behind a large answer have left it.
        wire.send(format!("a1 {login}\r\na2 SELECT INBOX\r\na3 UID FETCH 1 BODY[]\r\na4 NOOP\r\n"));
        wire.end_of_sending();
        for tag in ["a1", "a2", "a3", "a4"] {
            wire.expect_ok(tag);
        }
        wire.expect_end();
    });
}

/// `an_empty_password_at_once`, `a_device_that_says_helo_signs_on_too` and
/// `before_sign_on_there_is_no_mail_and_the_list_is_true` have more.
#[test]
fn defect_9_outlooks_empty_password_and_a_server_that_says_auth_with_an_equals_sign() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut wire = scene.imap();
        wire.send(format!("a1 LOGIN {ADDRESS} \"\"\r\n"));
        wire.expect("a1 NO [AUTHENTICATIONFAILED]");
        wire.command("a2", &scene.login());

        // The server behind says `250-AUTH=` too: see tests/servers/postfix/main.cf.
        let mut wire = Wire::connect(scene.proxy().smtp);
        wire.expect("220 ");
        wire.send("EHLO client.test\r\n");
        let list = wire.expect_smtp("250");
        assert!(!list.contains("XOAUTH2") && !list.contains("AUTH=X"), "{list}");
        wire.send(scene.auth_plain());
        wire.expect_smtp("235");
    });
}
