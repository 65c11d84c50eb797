//! What isn't a mail client, or means no good: a clear answer, then the end, and nobody else notices.

use std::{
    fs,
    net::SocketAddr,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{
    bed::ADDRESS,
    clients::CLIENTS,
    gatepost::configuration,
    mail_client::{Push, Script, Task},
    messages::letter,
    process,
    scene::{Scene, Setting, plain, quoted},
    wire::Wire,
};

const LIMIT: Duration = Duration::from_secs(180);

/// Memory that the proxy may take more under any load of nonsense.
const BOUND: u64 = 24 * 1024 * 1024;

/// The beginning of a TLS 1.2 ClientHello (RFC 8446 §5.1): a handshake record, 512 bytes of it.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.resize(517, 0x2a);
    hello
}

#[test]
fn a_browser_and_a_tls_client_are_sent_away_and_the_log_says_what_to_change() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut bystander = scene.signed_on();
        for address in [scene.proxy().imap, scene.proxy().smtp] {
            let requests: [&[u8]; 2] =
                [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &client_hello()];
            for request in requests {
                let mut wire = Wire::connect(address);
                wire.line();
                wire.send(request);
                let lines = wire.lines_to_end();
                assert!(lines.len() <= 3, "{}", wire.dialogue());
            }
        }
        bystander.command("a2", "NOOP");
        let log = scene.log();
        for word in ["HTTP", "TLS"] {
            assert!(log.contains(word), "the log says nothing of {word}");
        }
    });
}

#[test]
fn lines_without_end_literals_without_end_and_commands_without_end_are_bounded() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut bystander = scene.signed_on();
        let before = process::memory(scene.proxy().pid());
        let long = vec![b'x'; 4 * 1024 * 1024];
        for address in [scene.proxy().imap, scene.proxy().smtp] {
            let mut wire = Wire::connect(address);
            wire.line();
            // It may close at once, so what is sent after that may fail.
            wire.send_while_open(&long);
            wire.lines_to_end();

            let mut wire = Wire::connect(address);
            wire.line();
            wire.send_while_open("x1 NONSENSE\r\n".repeat(10_000).as_bytes());
            wire.lines_to_end();
        }
        for literal in ["{99999999999999999999}", "{4294967295}", "{100000000+}", "{-1}", "{1"] {
            let mut wire = scene.imap();
            wire.send(format!("a1 LOGIN {literal}\r\n"));
            wire.send_while_open(&long[..1024 * 1024]);
            wire.end_of_sending();
            let lines = wire.lines_to_end();
            assert!(!lines.iter().any(|line| line.starts_with("+ ")), "{literal}: {lines:?}");
        }
        let more = process::memory(scene.proxy().pid()).saturating_sub(before);
        assert!(more < BOUND, "{more} bytes more");
        bystander.command("a2", "NOOP");
        drop(scene.smtp_signed_on());
    });
}

#[test]
fn control_characters_in_a_user_name_go_no_further() {
    Setting::with_smtp().play(LIMIT, |scene| {
        for user in ["a\r\nb2 LOGOUT", "a\nb", "a\u{1}auth=Bearer x\u{1}\u{1}", "\u{0}x"] {
            let message = STANDARD.encode(format!("\0{user}\0{}", scene.password));
            let mut wire = scene.imap();
            wire.send(format!("a1 AUTHENTICATE PLAIN {message}\r\n"));
            let reply = wire.reply("a1").pop().unwrap();
            assert!(reply.starts_with("a1 NO") || reply.starts_with("a1 BAD"), "{reply}");
            wire.command("a2", &scene.login());

            let mut wire = scene.smtp();
            wire.send(format!("AUTH PLAIN {message}\r\n"));
            wire.expect("5");
            wire.send(scene.auth_plain());
            wire.expect_smtp("235");
        }
    });
}

#[test]
fn silent_clients_cost_google_nothing() {
    Setting::default().play(LIMIT, |scene| {
        let mut silent: Vec<_> = (0..100).map(|_| scene.imap()).collect();
        drop(scene.signed_on());
        silent.iter_mut().for_each(|wire| wire.expect_silence(Duration::from_millis(1)));
        for wire in silent.iter_mut().step_by(10) {
            wire.command("a1", &scene.login());
        }
    });
}

/// More than there are places for clients of this machine that have not signed on (512).
const CROWD: usize = 600;

#[test]
fn six_hundred_slow_clients_keep_no_mail_program_out() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mail = letter(ADDRESS, 1);
        let ports = [(scene.proxy().imap, "* OK"), (scene.proxy().smtp, "220 ")];
        let greeted = |(port, greeting): &(SocketAddr, &str)| {
            let mut wire = Wire::connect(*port);
            wire.expect(greeting);
            wire
        };
        let mut crowd: Vec<_> = ports.iter().cycle().take(CROWD).map(greeted).collect();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                // A byte now and then, of a command that never ends.
                while !is_over.load(Ordering::Relaxed) {
                    crowd.iter_mut().for_each(|wire| wire.send_while_open(b"x"));
                    thread::sleep(Duration::from_millis(300));
                }
            });
            let tasks = [("curl", Task::SignOn), ("mbsync", Task::SignOn), ("curl", Task::Send)];
            let done: Vec<_> = tasks
                .iter()
                .map(|(name, task)| {
                    let folder = scene.bed.scratch(&format!("{name}-{}", task.word()));
                    fs::write(folder.join("mail"), &mail).expect("a folder of ours");
                    let client =
                        CLIENTS.iter().find(|client| client.name == *name).expect("a client");
                    let mut session = client.program.open(&scene.settings(), &folder);
                    session.perform(*task, &mut Push::new(&|| ()))
                })
                .collect();
            is_over.store(true, Ordering::Relaxed);
            assert!(done.iter().all(Result::is_ok), "{done:?}");
        });
        let told = crowd.iter_mut().take(CROWD - 512).map(Wire::lines_to_end);
        for lines in told {
            let last = lines.last().expect("a goodbye");
            assert!(last.ends_with("Too many clients at once, try again later"), "{lines:?}");
        }
    });
}

/// How many descriptors a process has open.
fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count()
}

/// Lets a process have so many descriptors.
fn limit_descriptors(pid: u32, number: usize) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args([format!("--pid={pid}"), format!("--nofile={number}:")]);
    process::run_well(&mut prlimit, b"", Duration::from_secs(20));
}

/// The processor's time that a process has used.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
    // Fields 14 and 15, in hundredths of a second (proc_pid_stat(5)).
    let ticks: u64 =
        fields.split(' ').skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Descriptors run out under the proxy, for longer than its token lives.
#[test]
fn without_descriptors_it_waits_and_then_goes_on() {
    let token_life = Some(Duration::from_secs(8));
    Setting { token_life, ..Setting::default() }.play(LIMIT, |scene| {
        let mut bystander = scene.signed_on();
        let pid = scene.proxy().pid();
        limit_descriptors(pid, descriptors(pid) + 10);
        let mut crowd: Vec<_> = (0..60).map(|_| Wire::connect(scene.proxy().imap)).collect();
        let lacks = || scene.log().contains("clients can't be accepted");
        assert!(process::until(Duration::from_secs(20), lacks), "it never ran out");
        let (began, time) = (processor_time(pid), Duration::from_secs(10));
        thread::sleep(time);
        let used = processor_time(pid) - began;
        assert!(used < time / 2, "{used:?} of {time:?}: it does not wait between two tries");
        bystander.command("a2", "NOOP");
        let log = scene.log();
        let told = log.lines().filter(|line| line.contains("clients can't be accepted")).count();
        assert_eq!(told, 1, "{told} times in ten seconds");

        // Those who come in want nothing, and keep nobody out once there is room.
        limit_descriptors(pid, 1000);
        let late = crowd.last_mut().expect("one of sixty");
        late.expect("* OK");
        // A refresh that failed has a pause behind it, in which nobody waits: mail programs try again.
        let signs_on = || {
            let mut wire = scene.imap();
            wire.send(format!("a1 {}\r\n", scene.login()));
            wire.lines_to_end_or("a1 ").pop().is_some_and(|last| last.starts_with("a1 OK"))
        };
        assert!(process::until(Duration::from_secs(60), signs_on), "it serves nobody any more");
        bystander.command("a3", "NOOP");
        drop(crowd);
        // The grant is whole, in memory and on disk.
        assert_eq!(scene.accounts()[0]["state"], "ready", "{:?}", scene.accounts());
        drop(bystander);
        scene.restart();
        drop(scene.signed_on());
    });
}

/// A system that lets a program have few descriptors: silent clients have them all, and still make room.
#[test]
fn the_last_seats_of_a_small_system_are_not_for_the_silent() {
    Setting::default().play(LIMIT, |scene| {
        scene.while_stopped(|scene| scene.home.start_through(&["prlimit", "--nofile=110:110"]));
        let mut crowd: Vec<_> = (0..60).map(|_| scene.imap()).collect();
        let mut client = scene.signed_on();
        client.command("a2", "NOOP");
        crowd.iter_mut().take(60 - 23).for_each(|wire| {
            assert_eq!(wire.lines_to_end(), ["* BYE Too many clients at once, try again later"]);
        });
        // Who has signed on stays, whoever comes.
        let more: Vec<_> = (0..60).map(|_| scene.imap()).collect();
        client.command("a3", "NOOP");
        drop(more);
    });
}

fn listener(scene: &Scene, key: &str) -> SocketAddr {
    let status = scene.home.status();
    let address = status["listeners"][key].as_str().unwrap_or_else(|| panic!("no {key}: {status}"));
    address.parse().expect("an address")
}

#[test]
fn a_page_in_a_browser_gets_no_word_in() {
    Setting::with_smtp().play(LIMIT, |scene| {
        scene.while_stopped(|scene| {
            let listen = "[listen]\nimaps = \"127.0.0.1:0\"\nsmtps = \"127.0.0.1:0\"\n";
            let config = configuration(&scene.bed, "");
            scene.home.configure(&config.replace("[listen]\n", listen));
        });
        // The page even knows the password.
        let imap = format!(
            "a LOGIN {} {}\r\nb CREATE smuggled\r\n",
            quoted(ADDRESS),
            quoted(&scene.password)
        );
        let smtp = format!(
            "EHLO x\r\nAUTH PLAIN {}\r\nMAIL FROM:<{ADDRESS}>\r\n",
            plain(ADDRESS, &scene.password)
        );
        let targets: Vec<_> =
            [("imap", &imap), ("smtp", &smtp), ("imaps", &imap), ("smtps", &smtp)]
                .iter()
                .map(|(key, body)| {
                    let (port, tls) = (listener(scene, key).port(), key.ends_with('s'));
                    json!({ "name": key, "port": port, "tls": tls, "body": body })
                })
                .collect();
        let folder = scene.bed.scratch("browser");
        let mut browser = Script("hostile-page.js").command();
        browser.arg(json!(targets).to_string()).current_dir(&folder).env("HOME", &folder);
        let said = process::run_well(&mut browser, b"", Duration::from_secs(150));
        let results: Value = serde_json::from_slice(&said).expect("one JSON object");
        for (port, ways) in results.as_object().expect("ports") {
            let ways = ways.as_object().expect("ways");
            assert!(
                ways.len() == 13 && ways.values().all(|came| came == "failed"),
                "{port}: {ways:?}"
            );
        }
        let log = scene.log();
        // Each way has come to the port, and a beacon and a form besides, of which a page learns nothing.
        for (kind, name) in [("imap", "IMAP"), ("smtp", "SMTP")] {
            let kind = format!("kind=\"{kind}\"");
            let count = |words: &str| {
                log.lines().filter(|line| line.contains(&kind) && line.contains(words)).count()
            };
            let plain = count(&format!("HTTP request came to the {name} port"));
            let under_tls = count("began TLS at a mail port speaks another protocol");
            assert!(plain >= 14 && under_tls >= 13, "{kind}: {plain} and {under_tls}");
        }
        assert!(!log.contains("client signed on"), "a page has signed on");
    });
}
