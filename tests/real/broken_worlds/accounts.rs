//! What can be wrong with the account, at Google and here.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use gatepost::demo::{authorization::TokenFault, faults::Times};

use super::frame::{Row, World, row};
use crate::support::{
    bed::ADDRESS,
    gatepost::Home,
    process::{run_well, until},
    scene::quoted,
    wire::Wire,
};

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        row("a wrong client secret", &[("token", "invalid_client")], 1, |world| {
            world.reconfigure("client_secret = \"GOCSPX-", "client_secret = \"GOCSPX-x");
        }),
        row("no client", &[("client", "no_client")], 1, |world| {
            world.start();
            world.reconfigure("client_id", "#");
            world.reconfigure("client_secret", "#");
        }),
        row("a web page in place of a token", &[("token", "unreadable_answer")], 1, |world| {
            world.bed.google.fail_token(TokenFault::Html, Times::UntilCleared);
        })
        .alone(),
        row("access without the mail", &[("token", "scope_missing")], 3, |world| {
            world.bed.google.fail_token(TokenFault::MissingScope, Times::UntilCleared);
        })
        .alone(),
        row("a grant revoked under a live token", &[("token", "grant_ended")], 3, |world| {
            world.start();
            let session = idling(world);
            world.bed.google.revoke_grants();
            world.keeps.push(Box::new(session));
        })
        .alone()
        .in_health("needs_sign_in")
        .then(the_session_lives),
        row("a client in Testing", &[], 0, |world| {
            world.bed.google.set_testing(true);
            world.home.login(ADDRESS, &[], b"").signed_in();
        })
        .noting(&[("token", "testing")])
        .alone(),
        row("a wrong local password", &[("unlocked", "wrong_password")], 1, |world| {
            world.stdin = "not it\n".into();
        })
        .in_health("locked"),
    ];
    rows.extend(of_imap());
    rows.extend(of_the_files());
    rows.extend(of_other_programs());
    rows
}

/// A mail program that waits for mail.
fn idling(world: &World) -> Wire {
    let mut wire = Wire::imap(world.proxy.as_ref().expect("it runs").imap);
    wire.command("a1", &format!("LOGIN {} {}", quoted(ADDRESS), quoted(&world.password)));
    wire.command("a2", "SELECT INBOX");
    wire.send("a3 IDLE\r\n");
    wire.expect("+ ");
    wire
}

fn the_session_lives(world: &mut World) {
    let session = world.keeps.last_mut().and_then(|kept| kept.downcast_mut::<Wire>());
    let session = session.expect("a session");
    session.send("DONE\r\n");
    session.expect_ok("a3");
    session.command("a4", "NOOP");
}

fn of_imap() -> Vec<Row> {
    vec![
        row("IMAP is off for the account", &[("imap_sign_on", "imap_off")], 1, |world| {
            world.bed_alone().dovecot.refuse("Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable your account for IMAP access. (Failure)");
        })
        .in_health("imap_refused")
        .alone(),
        row("IMAP is off for the domain", &[("imap_sign_on", "imap_off_for_domain")], 1, |world| {
            world.bed_alone().dovecot.refuse("IMAP access is disabled for your domain. Please contact your domain administrator for questions about this feature. (Failure)");
        })
        .in_health("imap_refused")
        .alone(),
        row("Gmail counts too many connections", &[("imap_sign_on", "too_many_connections")], 1, |world| {
            world.bed_alone().dovecot.refuse("Too many simultaneous connections. (Failure)");
        })
        .in_health("limited")
        .alone(),
        row("Dovecot counts too many connections", &[("imap_sign_on", "refused")], 1, |world| {
            world.bed_alone().dovecot.limit_connections(1);
            world.start();
            let session = idling(world);
            world.keeps.push(Box::new(session));
        })
        .alone(),
    ]
}

fn of_the_files() -> Vec<Row> {
    vec![
        row("half a record", &[("accounts", "record_damaged")], 1, |world| {
            let text = fs::read(world.record()).expect("signed in");
            fs::write(world.record(), &text[..text.len() / 2]).expect("ours");
        })
        .in_health("damaged"),
        row("a record of a newer Gatepost", &[("accounts", "record_newer")], 1, |world| {
            let text = fs::read_to_string(world.record()).expect("signed in");
            let newer = text.replacen("\"format\": 1", "\"format\": 99", 1);
            assert_ne!(newer, text, "{text}");
            fs::write(world.record(), newer).expect("ours");
        }),
        row("a record that was opened to all", &[("home", "too_open")], 1, |world| {
            run_well(Command::new("chmod").arg("644").arg(world.record()), b"", PATIENCE);
        }),
        row(
            "a configuration from an editor that writes UTF-16",
            &[("configuration", "config")],
            2,
            |world| {
                world.start();
                let text =
                    fs::read_to_string(world.folder().join("config.toml")).expect("configured");
                let wide: Vec<u8> = [0xfeff]
                    .into_iter()
                    .chain(text.encode_utf16())
                    .flat_map(u16::to_le_bytes)
                    .collect();
                fs::write(world.folder().join("config.toml"), wide).expect("ours");
            },
        )
        .saying(&["UTF-8"]),
    ]
}

fn of_other_programs() -> Vec<Row> {
    vec![
        row(
            "a web server on our port",
            &[("running", "not_running"), ("ports", "port_taken")],
            1,
            |world| {
                world.runs = false;
                let port = web_server(world);
                world
                    .reconfigure("imap = \"127.0.0.1:0\"", &format!("imap = \"127.0.0.1:{port}\""));
            },
        )
        .saying(&["python3"]),
        row(
            "another home's Gatepost on our port",
            &[("running", "not_running"), ("ports", "port_taken")],
            1,
            |world| {
                world.runs = false;
                let other = Home::new(&world.bed, &format!("other-{}", world.number), "");
                let proxy = other.run();
                let port = proxy.imap.port();
                world
                    .reconfigure("imap = \"127.0.0.1:0\"", &format!("imap = \"127.0.0.1:{port}\""));
                world.keeps.push(Box::new(proxy));
            },
        )
        .saying(&["gatepost (process"]),
        row("a web server in Gmail's place", &[("imap_server", "no_tls")], 1, |world| {
            let port = web_server(world);
            world.configure(&format!("imap = \"localhost:{port}\""));
        }),
        row("a Gatepost that was killed", &[("running", "not_running")], 1, |world| {
            world.start();
            world.signal("-KILL");
            world.proxy.take().expect("it ran").wait_for_end();
            world.runs = false;
        }),
        row("a Gatepost that hangs", &[("running", "no_answer")], 1, |world| {
            world.start();
            world.signal("-STOP");
        }),
        row("a Gatepost that can't be spoken to", &[("running", "no_answer")], 1, |world| {
            world.start();
            fs::remove_file(world.folder().join("control.json")).expect("it runs");
        }),
    ]
}

/// Python's, which serves files; its port.
fn web_server(world: &mut World) -> u16 {
    struct Killed(Child);
    impl Drop for Killed {
        fn drop(&mut self) {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }
    let said = world.open.join("web-server");
    let output = fs::File::create(&said).expect("ours");
    let server = Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "python3",
            "-u",
            "-m",
            "http.server",
            "--bind",
            "127.0.0.1",
            "0",
        ])
        .current_dir(&world.open)
        .stdin(Stdio::null())
        .stderr(output.try_clone().expect("ours"))
        .stdout(output)
        .spawn();
    world.keeps.push(Box::new(Killed(server.expect("python3"))));
    let mut port = None;
    until(PATIENCE, || {
        let said = fs::read_to_string(&said).expect("ours");
        let behind = said.split(" port ").nth(1).and_then(|rest| rest.split(' ').next());
        port = behind.and_then(|port| port.parse().ok());
        port.is_some()
    });
    port.expect("it says its port")
}
