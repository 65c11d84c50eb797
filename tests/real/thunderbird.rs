//! Thunderbird through Gatepost: with a password that has everything in it, on a mailbox of some
//! size; and against the demo, as a newcomer would try it. (`client_table.rs` compares it with
//! itself without Gatepost.)

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use crate::support::{
    bed::ADDRESS,
    fetch_from_when_there,
    gatepost::configuration,
    mail_client::{Push, Settings},
    messages::{letter, mail},
    scene::{Scene, Setting},
    thunderbird::Running,
    within,
};

const LIMIT: Duration = Duration::from_secs(150);

/// Within which it must hear of new mail. Dovecot itself takes half a second to tell.
const PUSHED: Duration = Duration::from_secs(5);

#[test]
fn thunderbird_does_a_days_work_with_any_password() {
    let setting = Setting { password: Some(r#"a "b" \c [d] 100% ü€"#), ..Setting::with_smtp() };
    setting.play(LIMIT, |scene| {
        const MAILS: u64 = 300;
        let mails: Vec<_> = (1..=MAILS).map(|number| mail(ADDRESS, number, 3000, 20_000)).collect();
        scene.bed.store.fill_inbox(ADDRESS, mails.iter().cloned());
        let folder = scene.bed.scratch("thunderbird");
        let mut thunderbird = Running::start(&scene.settings(), &folder);

        thunderbird.ask("list", &mut none()).unwrap();
        let list = fs::read_to_string(folder.join("list")).unwrap();
        assert!(list.lines().any(|name| name == "[Gmail]/Sent Mail"), "{list}");

        thunderbird.ask("sync INBOX", &mut none()).unwrap();
        let synced = synced(&folder);
        assert_eq!(synced.len(), mails.len());
        for (uid, mail) in (1..).zip(&mails) {
            assert!(synced[&uid] == lf(mail), "mail {uid} changed");
        }

        let letter = letter(ADDRESS, 1);
        fs::write(folder.join("mail"), &letter).unwrap();
        thunderbird.ask("append [Gmail]/Drafts", &mut none()).unwrap();
        assert!(on_the_server(scene, "[Gmail]/Drafts", 1).ends_with(&letter), "the draft changed");

        thunderbird.ask("send", &mut none()).unwrap();
        let sent = on_the_server(scene, "INBOX", MAILS + 1);
        assert!(sent.ends_with(&letter), "the mail changed");

        let deliver = || {
            let mut imap = scene.signed_on();
            imap.send(format!("a2 APPEND INBOX {{{}+}}\r\n", letter.len()));
            imap.send(&letter);
            imap.send("\r\n");
            imap.expect_ok("a2");
        };
        let mut push = Push::new(&deliver);
        thunderbird.ask("idle", &mut push).unwrap();
        let took = push.took().expect("it was told");
        assert!(took < PUSHED, "told after {took:?}");
    });
}

#[test]
fn thunderbird_sets_itself_up_from_the_file_that_settings_writes() {
    Setting::with_smtp().play(LIMIT, |scene| {
        // As without a configuration: not an address, but a name.
        scene.while_stopped(|scene| {
            let config = configuration(&scene.bed, "").replace("127.0.0.1:0", "localhost:0");
            scene.home.configure(&config);
        });
        let mail = mail(ADDRESS, 1, 3000, 20_000);
        scene.bed.store.fill_inbox(ADDRESS, [mail.clone()].into_iter());
        let folder = scene.bed.scratch("thunderbird");
        fs::create_dir(folder.join("isp")).unwrap();
        let file = folder.join("isp/gmail.com.xml");
        let out = ["--for", "thunderbird", "--out", file.to_str().unwrap()];
        let output = scene.home.gatepost(&[&["settings", ADDRESS][..], &out].concat(), b"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let written = fs::read_to_string(&file).unwrap();
        assert!(written.contains("<hostname>localhost</hostname>"), "{written}");

        let mut thunderbird = Running::set_up(ADDRESS, &scene.password, &folder);
        thunderbird.ask("list", &mut none()).unwrap();
        let list = fs::read_to_string(folder.join("list")).unwrap();
        assert!(list.lines().any(|name| name == "[Gmail]/Sent Mail"), "{list}");
        thunderbird.ask("sync INBOX", &mut none()).unwrap();
        assert!(synced(&folder).values().eq([&lf(&mail)]), "the mail changed");
        let letter = letter(ADDRESS, 1);
        fs::write(folder.join("mail"), &letter).unwrap();
        thunderbird.ask("send", &mut none()).unwrap();
        assert!(on_the_server(scene, "INBOX", 2).ends_with(&letter), "the mail changed");
    });
}

#[test]
fn thunderbird_asks_for_a_password_only_if_its_own_is_wrong() {
    const QUESTION: &str = "Login to server";
    Setting::default().play(LIMIT, |scene| {
        let wrong = Settings { password: "wrong".to_owned(), ..scene.settings() };
        let mut thunderbird = Running::start(&wrong, &scene.bed.scratch("wrong"));
        let asked = thunderbird.ask("sync INBOX", &mut none()).unwrap_err();
        assert!(asked.contains(QUESTION), "{asked}");
        drop(thunderbird);

        scene.bed.google.revoke_grants();
        let mut thunderbird = Running::start(&scene.settings(), &scene.bed.scratch("revoked"));
        let mut told = thunderbird.ask("sync INBOX", &mut none()).unwrap_err();
        // It tries again by itself.
        told += &thunderbird.ask("rest", &mut none()).err().unwrap_or_default();
        assert!(told.contains("Google has ended the grant") && !told.contains(QUESTION), "{told}");
    });
}

#[test]
fn thunderbird_works_against_the_demo() {
    within(LIMIT, || {
        let folder = tempfile::tempdir().unwrap();
        let (demo_folder, thunderbird_folder) = (folder.path().join("d"), folder.path().join("t"));
        fs::create_dir(&demo_folder).unwrap();
        fs::create_dir(&thunderbird_folder).unwrap();
        let mut demo = Demo::start(&demo_folder);
        let mut thunderbird = Running::start(&demo.settings(), &thunderbird_folder);

        thunderbird.ask("list", &mut none()).unwrap();
        let list = fs::read_to_string(thunderbird_folder.join("list")).unwrap();
        let gmail = ["All Mail", "Drafts", "Important", "Sent Mail", "Spam", "Starred", "Trash"];
        for name in gmail {
            assert!(list.lines().any(|line| line == format!("[Gmail]/{name}")), "{list}");
        }

        // The samples, and what the story has sent and was sent.
        thunderbird.ask("sync INBOX", &mut none()).unwrap();
        assert_eq!(synced(&thunderbird_folder).len(), 7);

        let enter = || demo.press_enter();
        let mut push = Push::new(&enter);
        thunderbird.ask("idle", &mut push).unwrap();
        let took = push.took().expect("it was told");
        assert!(took < Duration::from_secs(1), "told after {took:?}");

        // Whatever is sent, to whomever, arrives here.
        let letter = letter("you@gmail.com", 1);
        fs::write(thunderbird_folder.join("mail"), &letter).unwrap();
        thunderbird.ask("append [Gmail]/Drafts", &mut none()).unwrap();
        thunderbird.ask("send ada@example.com", &mut none()).unwrap();
        fs::remove_dir_all(thunderbird_folder.join("synced")).unwrap();
        thunderbird.ask("sync INBOX", &mut none()).unwrap();
        let synced = synced(&thunderbird_folder);
        assert_eq!(synced.len(), 9);
        assert!(synced.values().next_back() == Some(&lf(&letter)), "the mail changed");

        thunderbird.ask("show Grüße aus Zürich – 10 % auf alles", &mut none()).unwrap();
        let shown = fs::read_to_string(thunderbird_folder.join("shown")).unwrap();
        for words in ["Jürgen Müller", "Schöne Grüße aus Zürich!", "Öffnungszeiten.csv"] {
            assert!(shown.contains(words), "{words} isn't in: {shown}");
        }
    });
}

/// A push for what waits for none.
fn none() -> Push<'static> {
    Push::new(&|| ())
}

fn on_the_server(scene: &Scene, mailbox: &str, uid: u64) -> Vec<u8> {
    fetch_from_when_there(&mut scene.signed_on(), &format!("{mailbox:?}"), &uid.to_string())
}

/// What Thunderbird has stored of a mailbox, by UID: without the two lines of its own that it puts
/// before each, and with the ends of lines that it likes.
fn synced(folder: &Path) -> BTreeMap<u32, Vec<u8>> {
    let entries = fs::read_dir(folder.join("synced")).expect("a folder of ours");
    let read = |path: &Path| {
        let uid = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        let stored = lf(&fs::read(path).expect("a file of ours"));
        let lines = stored.split_inclusive(|byte| *byte == b'\n');
        let mail = lines.skip_while(|line| line.starts_with(b"X-Mozilla-Status"));
        (uid.expect("a UID"), mail.flatten().copied().collect())
    };
    entries.map(|entry| read(&entry.expect("an entry").path())).collect()
}

fn lf(mail: &[u8]) -> Vec<u8> {
    mail.iter().copied().filter(|byte| *byte != b'\r').collect()
}

/// `gatepost demo`, which stays up; killed when dropped.
struct Demo {
    child: Child,
    said: std::cell::RefCell<BufReader<ChildStdout>>,
}

impl Demo {
    fn start(folder: &Path) -> Self {
        // It ends with the thread that started it, too.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_gatepost"), "demo"])
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("GATEPOST_LOG", "debug")])
            .env("TMPDIR", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("log")).expect("a folder of ours"))
            .spawn()
            .expect("the binary");
        let said = BufReader::new(child.stdout.take().expect("piped")).into();
        Self { child, said }
    }

    /// What it tells to set up in a mail client.
    fn settings(&mut self) -> Settings {
        let port = |line: String| {
            let port =
                line.split("port ").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok());
            SocketAddr::from(([127, 0, 0, 1], port.unwrap_or_else(|| panic!("no port: {line}"))))
        };
        let second = |line: String| line.split_whitespace().nth(1).expect("a value").to_owned();
        Settings {
            imap: port(self.until("Incoming (IMAP)")),
            smtp: port(self.until("Outgoing (SMTP)")),
            address: "you@gmail.com".to_owned(),
            password: second(self.until("Password")),
            auth: None,
        }
    }

    fn press_enter(&self) {
        let mut input = self.child.stdin.as_ref().expect("piped");
        input.write_all(b"\n").expect("it reads");
        self.until("has arrived");
    }

    fn until(&self, words: &str) -> String {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            let read = self.said.borrow_mut().read_line(&mut line).expect("UTF-8");
            assert!(read > 0, "the demo ended before “{words}”");
        }
        line
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
