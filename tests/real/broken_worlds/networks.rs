//! What can be wrong between this machine and Google: names, ports, somebody in between, the clock that
//! certificates are held against.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use super::frame::{Row, World, row};
use crate::support::middle::{Authority, Behind, DAY, Middle};

const GOOGLE: [&str; 2] = ["oauth2.googleapis.com", "openidconnect.googleapis.com"];
const KASPERSKY: &str = "Kaspersky Anti-Virus Personal Root Certificate";
const NAMES: &str =
    "imap.gmail.com smtp.gmail.com oauth2.googleapis.com openidconnect.googleapis.com";
const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        // The ones that wait come first.
        row("a name server that does not answer", &[("sign_in_server", "dns")], 1, |world| {
            gmail(world, DAY);
            forget_names(world);
            let silent = world.open.join("resolv.conf");
            let nobody = world.machine().nobody();
            fs::write(&silent, format!("nameserver {nobody}\n")).expect("a folder of ours");
            world.machine().replace("/etc/resolv.conf", &silent);
        }),
        row("everything is lost", &[("sign_in_server", "unreachable")], 1, |world| {
            gmail(world, DAY);
            lose(world, &[443, 993, 465, 587]);
        })
        .saying(&["None of Google's servers"])
        .in_health("unreachable"),
        row(
            "everything but the web is lost",
            &[("imap_server", "unreachable"), ("smtp_server", "unreachable")],
            1,
            |world| {
                gmail(world, DAY);
                lose(world, &[993, 465, 587]);
            },
        )
        .in_health("unreachable"),
        row("port 993 is lost", &[("imap_server", "unreachable")], 1, |world| {
            gmail(world, DAY);
            lose(world, &[993]);
        })
        .saying(&["Port 993 of imap.gmail.com"])
        .in_health("imap_unreachable"),
        row("port 465 is lost and 587 isn't", &[("smtp_server", "unreachable")], 1, |world| {
            gmail(world, DAY);
            lose(world, &[465]);
        })
        .saying(&["smtp = \\\"starttls://smtp.gmail.com:587\\\""])
        .in_health("smtp_unreachable"),
        row("a port that is silent", &[("imap_server", "unreachable")], 1, |world| {
            let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = silent.local_addr().expect("bound").port();
            world.configure(&format!("imap = \"localhost:{port}\""));
            world.keeps.push(Box::new(silent));
        })
        .in_health("imap_unreachable"),
        row("a network with Gmail on it", &[], 0, |world| {
            world.arguments.push("--send".into());
            gmail(world, DAY);
        })
        .in_health("ok"),
        row("no network at all", &[("sign_in_server", "dns")], 1, |world| {
            gmail(world, DAY);
            forget_names(world);
            world.machine().run("ip link set eth0 down");
        }),
        row("IPv6 that leads nowhere", &[], 0, |world| {
            gmail(world, DAY);
            let hosts = world.open.join("hosts");
            let before = format!("2001:db8::1 {NAMES}\n");
            let text = fs::read_to_string(&hosts).expect("a folder of ours");
            fs::write(&hosts, before + &text).expect("a folder of ours");
            world.machine().run(
                "ip address add 2001:db8:1::2/64 dev eth0 nodad
                 ip neighbour add 2001:db8:1::9 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
                 ip route add default via 2001:db8:1::9 dev eth0",
            );
        }),
        row(
            "a proxy that only the running Gatepost has",
            &[("token", "unreachable")],
            1,
            |world| {
                gmail(world, DAY);
                world.home.start_through(&["env", "HTTPS_PROXY=http://127.0.0.1:9"]);
                world.start();
                world.home.start_through(&["env", "NO_PROXY=*"]);
            },
        )
        .saying(&["The running Gatepost can't reach", "HTTPS_PROXY"]),
        row("no localhost in the hosts file", &[("ports", "no_localhost")], 1, |world| {
            gmail(world, DAY);
            let hosts = world.open.join("hosts");
            let text = fs::read_to_string(&hosts).expect("a folder of ours");
            let without = text.replacen("127.0.0.1 localhost\n", "", 1);
            fs::write(&hosts, without).expect("a folder of ours");
            // Nobody else is asked for it, which would take its time.
            let silent = world.open.join("resolv.conf");
            fs::write(&silent, "nameserver 127.0.0.1\n").expect("a folder of ours");
            world.machine().replace("/etc/resolv.conf", &silent);
        }),
        row("a company's proxy that is gone", &[("sign_in_server", "unreachable")], 1, |world| {
            gmail(world, DAY);
            world.home.start_through(&["env", "HTTPS_PROXY=http://127.0.0.1:9"]);
        })
        .saying(&["HTTPS_PROXY"]),
    ];
    rows.extend(of_the_clock());
    rows.extend(of_somebody_between());
    rows
}

/// Puts the world on a network of its own where Gmail's names lead to the bed's servers, each at its
/// usual port. The sign-in server's certificate lives so long.
fn gmail(world: &mut World, life: Duration) {
    let (middle, trusted) = on_network(world);
    let authority = Authority::called("Known to This Machine");
    authority.is_trusted_in(&trusted);
    let google = authority.sign(&GOOGLE, life.min(HOUR / 2), life);
    middle.open(443, google, Behind::Plain(world.bed.google.address()));
    let postfix = world.bed.postfix.as_ref().expect("with_smtp");
    middle.pass_on(993, world.bed.dovecot.address());
    middle.pass_on(465, postfix.tls());
    middle.pass_on(587, postfix.starttls());
    finish(world, middle, &trusted);
}

/// The same, and a program on the way that opens every connection.
fn kaspersky_reads_all(world: &mut World, trusted: bool) {
    let (middle, file) = on_network(world);
    let kaspersky = Authority::called(KASPERSKY);
    if trusted {
        kaspersky.is_trusted_in(&file);
    }
    let known = world.bed.authority();
    let postfix = world.bed.postfix.as_ref().expect("with_smtp");
    for (port, names, to) in [
        (443, &GOOGLE[..], Behind::Plain(world.bed.google.address())),
        (993, &["imap.gmail.com"], Behind::Tls(world.bed.dovecot.address(), &known)),
        (465, &["smtp.gmail.com"], Behind::Tls(postfix.tls(), &known)),
    ] {
        middle.open(port, kaspersky.sign(names, HOUR, DAY), to);
    }
    finish(world, middle, &file);
}

/// A network of its own, and the file of those whom Gatepost trusts there.
fn on_network(world: &mut World) -> (Middle, PathBuf) {
    let middle = world.enter_network();
    let trusted = world.open.join("trusted.pem");
    fs::copy(world.bed.authority(), &trusted).expect("a folder of ours");
    (middle, trusted)
}

fn lose(world: &World, ports: &[u16]) {
    ports.iter().for_each(|port| world.machine().lose(*port));
}

/// Takes Gmail's names from the hosts file.
fn forget_names(world: &World) {
    let hosts = world.open.join("hosts-without");
    fs::write(&hosts, "127.0.0.1 localhost\n").expect("a folder of ours");
    world.machine().replace("/etc/hosts", &hosts);
}

fn finish(world: &mut World, middle: Middle, trusted: &Path) {
    let machine = world.machine();
    let outside = machine.outside();
    let hosts = world.open.join("hosts");
    fs::write(&hosts, format!("127.0.0.1 localhost\n{outside} {NAMES}\n")).expect("ours");
    machine.replace("/etc/hosts", &hosts);
    let google = &world.bed.google;
    world.home.configure(&format!(
        "[secrets]\nkeychain = \"off\"\n
         [provider.gmail]\nclient_id = {:?}\nclient_secret = {:?}\nca_file = {trusted:?}\n
         userinfo_url = \"https://openidconnect.googleapis.com/userinfo\"\n",
        google.client_id(),
        google.client_secret(),
    ));
    world.keeps.push(Box::new(middle));
}

fn of_the_clock() -> Vec<Row> {
    vec![
        row("a clock two hours ahead", &[("clock", "clock_off")], 1, |world| {
            at(world, "+2h");
        })
        .saying(&["2 hours ahead of"]),
        row("a clock two hours behind", &[("clock", "clock_off")], 1, |world| {
            at(world, "-2h");
        })
        .saying(&["2 hours behind"]),
        row("a clock two hours ahead, and TLS", &[("clock", "clock_off")], 1, |world| {
            gmail(world, HOUR);
            at(world, "+2h");
        })
        .saying(&["2 hours ahead of"]),
        row("a clock two hours behind, and TLS", &[("clock", "clock_off")], 1, |world| {
            gmail(world, HOUR);
            at(world, "-2h");
        })
        .saying(&["2 hours behind"]),
        row("a clock years behind", &[("clock", "clock_off")], 1, |world| {
            gmail(world, DAY);
            at(world, "-3000d");
        })
        .saying(&["3000 days behind"]),
        row("a clock a month ahead", &[("clock", "clock_off")], 1, |world| {
            at(world, "+30d");
        })
        .saying(&["30 days ahead of"]),
    ]
}

/// By the library itself: Debian's `faketime` starts the program as a process of its own, which would
/// outlive the test.
fn at(world: &mut World, time: &str) {
    let library = fs::read_dir("/usr/lib")
        .expect("a folder of Debian's")
        .map(|folder| {
            folder.expect("a folder of Debian's").path().join("faketime/libfaketime.so.1")
        })
        .find(|file| file.exists())
        .expect("Debian's libfaketime");
    let (time, library) = (format!("FAKETIME={time}"), format!("LD_PRELOAD={}", library.display()));
    world.home.start_through(&["env", "FAKETIME_DONT_FAKE_MONOTONIC=1", &time, &library]);
}

fn of_somebody_between() -> Vec<Row> {
    vec![
        row(
            "Kaspersky reads all along, untrusted",
            &[("sign_in_server", "tls_intercepted")],
            1,
            |world| {
                kaspersky_reads_all(world, false);
            },
        )
        .saying(&["Kaspersky stands between"])
        .in_health("unreachable"),
        row(
            "Avast reads along on 587, untrusted",
            &[("smtp_server", "tls_intercepted")],
            1,
            |world| {
                let middle = Middle::at([127, 0, 0, 1].into());
                let avast = Authority::called("Avast Web/Mail Shield Root");
                let postfix = world.bed.postfix.as_ref().expect("with_smtp").starttls();
                let port = middle.open_later(avast.sign(&["localhost"], HOUR, DAY), postfix);
                world.configure(&format!("smtp = \"starttls://localhost:{port}\""));
                world.keeps.push(Box::new(middle));
            },
        )
        .saying(&["Avast stands between"])
        .in_health("smtp_untrusted"),
        row("a hotel's sign-in page", &[("sign_in_server", "tls_intercepted")], 1, |world| {
            let (middle, trusted) = on_network(world);
            let hotel = Authority::called("Hotel Bellevue");
            let page = Behind::Plain(world.bed.google.address());
            middle.open(443, hotel.sign(&["portal.example"], HOUR, DAY), page);
            finish(world, middle, &trusted);
        })
        .saying(&["Hotel Bellevue"]),
        row("Kaspersky reads all along, trusted", &[], 0, |world| {
            kaspersky_reads_all(world, true);
        })
        .noting(&[("imap_server", "tls_watched")]),
        row(
            "Kaspersky reads along, untrusted",
            &[("imap_server", "tls_intercepted")],
            1,
            |world| {
                kaspersky(world, false);
            },
        )
        .saying(&["Kaspersky stands between"]),
        row("Kaspersky reads along, trusted", &[], 0, |world| kaspersky(world, true))
            .noting(&[("imap_server", "tls_watched")]),
    ]
}

/// A program that opens the connection to IMAP and passes on what is inside.
fn kaspersky(world: &mut World, trusted: bool) {
    let middle = Middle::at([127, 0, 0, 1].into());
    let authority = Authority::called(KASPERSKY);
    let shown = authority.sign(&["localhost"], HOUR, DAY);
    let known = world.bed.authority();
    let port = middle.open(0, shown, Behind::Tls(world.bed.dovecot.address(), &known));
    world.configure(&format!("imap = \"localhost:{port}\""));
    if trusted {
        let both = world.open.join("trusted.pem");
        fs::copy(known, &both).expect("a folder of ours");
        authority.is_trusted_in(&both);
        world.configure(&format!("imap = \"localhost:{port}\"\nca_file = {both:?}"));
    }
    world.keeps.push(Box::new(middle));
}
