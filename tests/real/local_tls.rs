//! TLS between mail clients and Gatepost: whom real clients trust once `gatepost certificate trust` has
//! run, and a scanner on a network of its own.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use crate::support::{
    bed::ADDRESS,
    fetch_when_there,
    gatepost::configuration,
    machine::Machine,
    mail_client::{Push, Settings},
    messages::{letter, mail},
    process,
    scene::{Scene, Setting},
    thunderbird::Running,
};

const LIMIT: Duration = Duration::from_secs(240);
const SOON: Duration = Duration::from_secs(30);

/// A name of this machine's, beside those that every machine has.
const NAME: &str = "mail.home.test";
const ANOTHER_NAME: &str = "other.home.test";
const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", NAME];

/// Every listener, with its own kind of TLS, under all of this machine's names.
const LISTEN: &str = "imap = \"localhost:0\"\nsmtp = \"localhost:0\"\nimaps = \"localhost:0\"\n\
                      smtps = \"localhost:0\"\nstatus = \"\"\n";

fn configure(scene: &Scene, listen: &str) {
    let config = configuration(&scene.bed, "");
    let (_, rest) = config.split_once("\n\n").expect("sections");
    let names = format!("[certificate]\nnames = [\"{NAME}\"]\n");
    scene.home.configure(&format!("[listen]\n{listen}\n{names}\n{rest}"));
}

/// A machine whose list of authorities is its own.
fn machine() -> Arc<Machine> {
    let machine = Arc::new(Machine::new());
    machine.run(
        "mount -t tmpfs none /mnt
         for folder in /etc/ssl /usr/local/share
         do
             mkdir -p /mnt$folder /mnt/work$folder
             mount -t overlay -o lowerdir=$folder,upperdir=/mnt$folder,workdir=/mnt/work$folder none $folder
         done",
    );
    machine
}

/// Starts the proxy anew on this machine, with every kind of listener.
fn move_to(scene: &mut Scene, machine: &Arc<Machine>) {
    scene.while_stopped(|scene| {
        configure(scene, LISTEN);
        scene.move_to(machine);
    });
}

fn listener(scene: &Scene, key: &str) -> SocketAddr {
    let status = scene.home.status();
    let address = status["listeners"][key].as_str().unwrap_or_else(|| panic!("no {key}: {status}"));
    address.parse().expect("an address")
}

/// Runs a program on a machine.
fn on(machine: &Machine, words: &[&str], stdin: &[u8]) -> Output {
    let through = machine.through();
    let mut command = Command::new(&through[0]);
    command.args(&through[1..]).args(words);
    process::run(&mut command, stdin, SOON)
}

/// What openssl verifies: the chain, by the machine's own list, and the name.
fn openssl(machine: &Machine, port: u16, name: &str, starttls: Option<&str>) -> Output {
    let connect = format!("localhost:{port}");
    let mut words = vec!["openssl", "s_client", "-brief", "-verify_return_error"];
    words.extend(["-connect", &connect]);
    let verify = if name.parse::<IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
    words.extend([verify, name]);
    words.extend(starttls.map(|protocol| ["-starttls", protocol]).into_iter().flatten());
    on(machine, &words, b"")
}

/// Lists the mailboxes.
fn curl(scene: &Scene, machine: &Machine, scheme: &str, port: u16, name: &str) -> Output {
    let host = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
    let url = format!("{scheme}://{host}:{port}/");
    let resolve = format!("{name}:{port}:127.0.0.1");
    let user = format!("{ADDRESS}:{}", scene.password);
    let mut words = vec!["curl", "--silent", "--show-error", "--noproxy", "*", "--ssl-reqd"];
    words.extend(["--max-time", "20", "--user", &user, &url]);
    if name.ends_with(".test") {
        words.extend(["--resolve", &resolve]);
    }
    on(machine, &words, b"")
}

#[test]
fn a_trusted_certificate_is_accepted_by_its_names_and_for_no_other() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let machine = machine();
        move_to(scene, &machine);
        let ports = |key| listener(scene, key).port();
        let (imap, imaps, smtp, smtps) =
            (ports("imap"), ports("imaps"), ports("smtp"), ports("smtps"));
        assert!(!openssl(&machine, imaps, "localhost", None).status.success(), "nobody trusts it");
        assert!(!curl(scene, &machine, "imaps", imaps, "localhost").status.success());
        assert!(!scene.imap().command("a1", "CAPABILITY").join(" ").contains("STARTTLS"));

        let output = scene.home.succeeds(&["certificate", "trust"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("trusted by the system's list of authorities"), "{said}");
        let output = scene.home.succeeds(&["certificate", "show", "--json"]);
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(shown["names"], serde_json::json!(NAMES));
        assert_eq!(shown["trusted"], true);
        assert_eq!(shown["stores"][0]["trusted"], true, "{shown}");

        // At once, in the proxy that runs.
        for name in NAMES {
            let kinds = [(imaps, None), (smtps, None), (imap, Some("imap")), (smtp, Some("smtp"))];
            for (port, starttls) in kinds {
                let output = openssl(&machine, port, name, starttls);
                let said = process::said(&output);
                assert!(
                    output.status.success() && said.contains("Verification: OK"),
                    "{name}: {said}"
                );
            }
            for (scheme, port) in [("imaps", imaps), ("imap", imap)] {
                let output = curl(scene, &machine, scheme, port, name);
                let listed = String::from_utf8_lossy(&output.stdout).contains("INBOX");
                assert!(listed, "{scheme} {name}: {}", process::said(&output));
            }
        }
        for name in [ANOTHER_NAME, "127.0.0.2", "imap.gmail.com"] {
            assert!(!openssl(&machine, imaps, name, None).status.success(), "{name}");
        }
        let refused = curl(scene, &machine, "imaps", imaps, ANOTHER_NAME);
        assert_eq!(refused.status.code(), Some(60), "{}", process::said(&refused));

        // The doctor goes by STARTTLS as well, and reads and sends.
        let stdin = format!("{}\n", scene.password);
        let check = ["check", "--json", "--send", "--password-stdin"];
        let output = scene.home.gatepost(&check, stdin.as_bytes());
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && found.contains("round_trip"), "{found}");
        let log = fs::read_to_string(scene.home.folder().join("logs/wire.log")).unwrap();
        assert!(log.contains("tls OK Begin TLS now"), "{log}");
        machine.run("rm /usr/local/share/ca-certificates/gatepost-*; update-ca-certificates");
        let output = scene.home.gatepost(&check, stdin.as_bytes());
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success() && found.contains("\"local_tls\""), "{found}");
        scene.home.succeeds(&["certificate", "trust"]);

        // One made anew is trusted by nobody, and the old one no longer stands there.
        scene.home.succeeds(&["certificate", "renew"]);
        let left = on(&machine, &["sh", "-c", "ls /usr/local/share/ca-certificates"], b"");
        assert!(!String::from_utf8_lossy(&left.stdout).contains("gatepost"));
        assert!(!openssl(&machine, imaps, "localhost", None).status.success());
        assert!(!scene.imap().command("a1", "CAPABILITY").join(" ").contains("STARTTLS"));
    });
}

/// One who may not change the system's list, and whom nobody can ask for a password.
#[test]
fn a_certificate_that_is_not_trusted_everywhere_is_told_loudly_and_not_offered() {
    const GAMES: &str = "5";
    let folder = tempfile::tempdir().unwrap();
    let (home, program) = (folder.path().join("home"), folder.path().join("gatepost"));
    fs::create_dir(&home).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_gatepost"), &program).unwrap();
    std::os::unix::fs::chown(&home, Some(5), Some(60)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let gatepost = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", GAMES, "--regid", "60", "--clear-groups"]).arg(&program);
        command.args(arguments).arg("--home").arg(&home);
        process::run(command.env_clear().env("HOME", &home).env("PATH", "/usr/bin:/bin"), b"", SOON)
    };
    let output = gatepost(&["certificate", "trust"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in [
        "not trusted by the system's list of authorities (it can be changed by root only)",
        "/home/certificates/authority.pem' /usr/local/share/ca-certificates/gatepost-",
        "The certificate is not trusted everywhere, so STARTTLS is not offered.",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let output = gatepost(&["certificate", "show", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["trusted"], false, "{shown}");
}

#[test]
fn thunderbird_accepts_a_trusted_certificate_by_its_names_and_for_no_other() {
    Setting::with_smtp().play(LIMIT, |scene| {
        const SSL: &str = "3";
        const STARTTLS: &str = "2";
        let machine = machine();
        let mail = mail(ADDRESS, 1, 900, 1000);
        scene.bed.store.fill_inbox(ADDRESS, [mail].into_iter());
        move_to(scene, &machine);
        // Its profiles are where a person has them.
        let profiles = scene.bed.scratch("thunderbird");
        std::os::unix::fs::symlink(&profiles, scene.home.said().join(".thunderbird")).unwrap();
        let begin = |name: &str, security: &str, profile: &Path| {
            let secured = security == SSL;
            let key = |plain, tls| listener(scene, if secured { tls } else { plain });
            let settings = Settings {
                imap: key("imap", "imaps"),
                smtp: key("smtp", "smtps"),
                ..scene.settings()
            };
            let domains = format!("{NAME},{ANOTHER_NAME}");
            let more = [("HOST", name), ("SECURITY", security), ("DOMAINS", &domains)];
            Running::start_with(&settings, profile, &more)
        };
        // Each try in a folder of its own, with a copy of the profile's database.
        let database = profiles.join("profile");
        new_database(&database);
        let try_it = |number: usize, name: &str, security: &str| {
            let folder = scene.bed.scratch(&format!("try-{number}"));
            copy_database(&database, &folder.join("profile"));
            let mut thunderbird = begin(name, security, &folder);
            thunderbird.ask("list", &mut Push::new(&|| ()))?;
            fs::write(folder.join("mail"), letter(ADDRESS, 1)).unwrap();
            thunderbird.ask("send", &mut Push::new(&|| ()))
        };
        try_it(0, "localhost", SSL).expect_err("nobody trusts it");
        let output = scene.home.succeeds(&["certificate", "trust"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("trusted by Thunderbird's profile profile"), "{said}");
        // Thunderbird takes ::1 for no server's name.
        let tries = [("localhost", SSL), ("127.0.0.1", SSL), (NAME, STARTTLS)];
        for (number, (name, security)) in (1..).zip(tries) {
            try_it(number, name, security).unwrap_or_else(|why| panic!("{name}: {why}"));
        }
        try_it(9, ANOTHER_NAME, SSL).expect_err("it is for another name");
        let mut imap = scene.signed_on();
        imap.command("a2", "SELECT INBOX");
        fetch_when_there(&mut imap, 1 + u32::try_from(tries.len()).unwrap());
    });
}

/// A database as Thunderbird makes it at its first start.
fn new_database(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let database = format!("sql:{}", folder.display());
    let mut certutil = Command::new("certutil");
    process::run_well(certutil.args(["-N", "-d", &database, "--empty-password"]), b"", SOON);
}

fn copy_database(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in ["cert9.db", "key4.db", "pkcs11.txt"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

/// What is typed into a scanner, in the folder that is its own.
struct Scanner<'s> {
    machine: &'s Machine,
    host: String,
    authority: PathBuf,
    password: String,
    mail: Vec<u8>,
}

impl Scanner<'_> {
    fn swaks(&self, port: u16, more: &[&str]) -> Output {
        let port = port.to_string();
        let mut words = vec!["swaks", "--server", &self.host, "--port", &port, "--ehlo", "scanner"];
        words.extend(["--from", ADDRESS, "--to", ADDRESS, "--auth", "LOGIN"]);
        words.extend(["--auth-user", ADDRESS, "--auth-password", &self.password]);
        on(self.machine, &[&words, more].concat(), b"")
    }

    fn msmtp(&self, port: u16, starttls: bool) -> Output {
        let (port, pass) = (port.to_string(), format!("--passwordeval=echo '{}'", self.password));
        let starttls = if starttls { "on" } else { "off" };
        let trust = format!("--tls-trust-file={}", self.authority.display());
        let words = [
            "msmtp",
            "--file=/dev/null",
            "--host",
            &self.host,
            "--port",
            &port,
            "--auth=plain",
            "--user",
            ADDRESS,
            "--from",
            ADDRESS,
            "--tls=on",
            &trust,
            "--timeout=20",
        ];
        let starttls = format!("--tls-starttls={starttls}");
        on(self.machine, &[&words[..], &[&starttls, &pass, "--", ADDRESS]].concat(), &self.mail)
    }

    fn curl(&self, scheme: &str, port: u16) -> Output {
        let url = format!("{scheme}://{}:{port}/scanner", self.host);
        let (user, authority) =
            (format!("{ADDRESS}:{}", self.password), self.authority.display().to_string());
        let words = [
            "curl",
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--ssl-reqd",
            "--max-time",
            "20",
            "--cacert",
            &authority,
            "--user",
            &user,
            "--mail-from",
            ADDRESS,
            "--mail-rcpt",
            ADDRESS,
            "--upload-file",
            "-",
            &url,
        ];
        on(self.machine, &words, &self.mail)
    }
}

#[test]
fn a_scanner_of_the_network_sends_by_tls_and_in_no_other_way() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let machine = Machine::with_network();
        let host = machine.outside().to_string();
        let listen = |more: &str| {
            format!(
                "imap = \"{host}:0\"\nsmtp = \"{host}:0\"\nimaps = \"\"\nsmtps = \"{host}:0\"\n\
                 status = \"\"\n{more}"
            )
        };
        // Nobody opens a machine by mistake.
        configure(scene, &listen(""));
        let refused = scene.home.gatepost(&["run"], b"");
        assert_eq!(refused.status.code(), Some(2), "{}", process::said(&refused));
        assert!(process::said(&refused).contains("needs allow_lan = true"));

        scene.while_stopped(|scene| {
            configure(scene, &listen(&format!("allow_lan = true\nallow_from = [\"{host}/29\"]\n")));
        });
        let authority = scene.bed.scratch("scanner").join("ca.pem");
        scene.home.succeeds(&["certificate", "export", "--out", authority.to_str().unwrap()]);
        let scanner = Scanner {
            machine: &machine,
            host: host.clone(),
            authority,
            password: scene.password.clone(),
            mail: letter(ADDRESS, 1),
        };
        let (smtp, smtps) = (listener(scene, "smtp").port(), listener(scene, "smtps").port());
        let sent = [
            scanner.swaks(smtp, &["--tls"]),
            scanner.swaks(smtps, &["--tls-on-connect"]),
            scanner.msmtp(smtp, true),
            scanner.msmtp(smtps, false),
            scanner.curl("smtp", smtp),
            scanner.curl("smtps", smtps),
        ];
        for output in &sent {
            assert!(output.status.success(), "{}", process::said(output));
        }
        // It knows no TLS: it is told what to change, and no password is looked at.
        let plain = scanner.swaks(smtp, &[]);
        let said = process::said(&plain) + &String::from_utf8_lossy(&plain.stdout);
        assert!(!plain.status.success(), "{said}");
        let plain = scanner.swaks(smtp, &["--auth-optional-strict"]);
        let said = String::from_utf8_lossy(&plain.stdout).into_owned();
        assert!(
            said.contains("530 5.7.0 Issue STARTTLS first: set the encryption to STARTTLS"),
            "{said}"
        );
        let plain = scanner.swaks(smtps, &[]);
        let said = String::from_utf8_lossy(&plain.stdout).into_owned();
        assert!(said.contains("set the encryption to SSL/TLS"), "{said}");
        let tls = scanner.swaks(smtp, &["--tls-on-connect"]);
        assert!(!tls.status.success());
        assert!(
            scene.log().contains("a client speaks TLS to the plain SMTP port"),
            "{}",
            scene.log()
        );

        let login = format!("a1 {}\r\n", scene.login());
        let imap = listener(scene, "imap").port();
        let script = format!("exec 3<>/dev/tcp/{host}/{imap}; cat >&3; cat <&3");
        let plain = on(&machine, &["timeout", "20", "bash", "-c", &script], login.as_bytes());
        let said = String::from_utf8_lossy(&plain.stdout).into_owned();
        assert!(said.contains("LOGINDISABLED") && said.contains("* BYE Begin TLS"), "{said}");

        // What has come is what was sent, once each; this machine's own program needs no TLS.
        let mut imap = scene.signed_on();
        imap.command("a2", "SELECT INBOX");
        fetch_when_there(&mut imap, u32::try_from(sent.len()).unwrap());
        assert!(
            imap.command("a3", "STATUS INBOX (MESSAGES)")
                .join(" ")
                .contains(&format!("MESSAGES {}", sent.len()))
        );

        // Another machine than those that may.
        scene.while_stopped(|scene| {
            configure(scene, &listen("allow_lan = true\nallow_from = [\"192.0.2.0/24\"]\n"));
        });
        let turned_away = scanner.swaks(listener(scene, "smtps").port(), &["--tls-on-connect"]);
        assert!(!turned_away.status.success());
        assert!(scene.log().contains("not in `allow_from`"), "{}", scene.log());
    });
}
