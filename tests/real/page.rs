//! The status page in a real browser, as a person uses it: `tests/clients/page.js` sits before it, and
//! here is done what happens elsewhere meanwhile.
//!
//! `SHOTS=FOLDER cargo test --test real page` leaves a picture of each state in that folder, in light
//! and dark, wide and narrow, with forced colours and with large letters, for a person to look at.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Child, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost::demo::authorization::Consent;

use crate::support::{
    bed::{ADDRESS, Bed},
    gatepost::{Home, PROMPT, Proxy, configuration},
    mail_client::Script,
    messages, process,
    scene::quoted,
    wire::Wire,
    within,
};

const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn without_a_link_nobody_gets_in_and_nothing_is_said() {
    play("strangers");
}

#[test]
fn an_account_is_added_and_a_mail_program_set_up() {
    play("add-and-set-up");
}

#[test]
fn an_ended_grant_is_shown_and_renewed_by_one_button() {
    play("sign-in-again");
}

#[test]
fn each_trouble_is_shown_while_it_lasts() {
    play("troubles");
}

#[test]
fn an_account_is_forgotten_with_its_grant_or_without() {
    play("forget");
}

#[test]
fn a_keyboard_is_enough_and_the_focus_stays() {
    play("keyboard");
}

#[test]
fn no_script_is_needed() {
    play("without-script");
}

/// Plays a journey to its end.
fn play(journey: &'static str) {
    within(LIMIT, move || {
        let mut world = World::new();
        let mut browser = world.browser(journey);
        let mut input = browser.0.stdin.take().expect("piped");
        let output = BufReader::new(browser.0.stdout.take().expect("piped"));
        for line in output.lines() {
            let line = line.expect("UTF-8");
            println!("{journey}: {line}");
            let answer = world.answer(&line);
            // Where it has left, its exit status says why.
            if writeln!(input, "{answer}").is_err() {
                break;
            }
        }
        let ended = process::wait(&mut browser.0, PROMPT).expect("it has closed its output");
        assert!(ended.success(), "{journey}: {}", process::tail(&world.said()));
        world.stop();
    });
}

/// Google, Gatepost with its page, and a mail program.
struct World {
    proxy: Option<Proxy>,
    /// What a mail program holds open.
    mail_program: Vec<Wire>,
    /// What it has signed on with.
    password: String,
    home: Arc<Home>,
    bed: Bed,
}

/// A browser's program and all that it started; they end with it.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        // The group is the child's own.
        let group = format!("-{}", self.0.id());
        drop(std::process::Command::new("kill").args(["-KILL", "--", &group]).output());
        drop(self.0.wait());
    }
}

impl World {
    fn new() -> Self {
        let bed = Bed::new();
        let plain = [messages::letter(ADDRESS, 1), messages::letter(ADDRESS, 2)];
        bed.store.fill_inbox(ADDRESS, plain.into_iter());
        bed.google.set_consent(Consent::Page);
        // The desktop's way to open a browser: what is to be opened is left for the test.
        let programs = bed.scratch("programs");
        let opener = programs.join("xdg-open");
        let opened = bed.scratch("opened").join("link");
        let script = format!("#!/bin/sh\nprintf %s \"$1\" > {}\n", opened.display());
        fs::write(&opener, script).expect("a folder of ours");
        fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).expect("a file of ours");
        let path = format!("{}:/usr/bin:/bin", programs.display());
        let home = Home::in_session(&bed, "home", "", vec![("PATH".to_owned(), path)]);
        let mut world =
            Self { proxy: None, mail_program: Vec::new(), password: String::new(), home, bed };
        world.configure(true);
        world.proxy = Some(world.home.run());
        world
    }

    /// With the page on, and a Google client or none.
    fn configure(&self, with_client: bool) {
        let text = configuration(&self.bed, "");
        let text = text.replace("status = \"\"", "status = \"127.0.0.1:0\"");
        let lines = text.lines().filter(|line| with_client || !line.starts_with("client_"));
        self.home.configure(&lines.flat_map(|line| [line, "\n"]).collect::<String>());
    }

    fn browser(&self, journey: &str) -> Browser {
        let folder = self.bed.scratch("browser");
        let mut command = Script("page.js").command();
        command.arg(journey).current_dir(&folder).env("HOME", &folder).env("ADDRESS", ADDRESS);
        if let Some(shots) = std::env::var_os("SHOTS") {
            fs::create_dir_all(&shots).expect("a folder for the pictures");
            command.env("SHOTS", fs::canonicalize(shots).expect("a folder"));
        }
        let said = fs::File::create(self.said()).expect("a folder of ours");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(said).process_group(0);
        Browser(command.spawn().expect("node: tests/clients/install.sh says what is needed"))
    }

    fn said(&self) -> PathBuf {
        self.bed.scratch("browser").join("said")
    }

    fn answer(&mut self, asked: &str) -> String {
        let (what, with) = asked.split_once(' ').unwrap_or((asked, ""));
        match what {
            "link" => return self.link(),
            "no-client" => self.reload(false),
            "client" => self.reload(true),
            "sign-on" => self.sign_on(with),
            "ports" => {
                let proxy = self.proxy.as_ref().expect("it runs");
                return format!("{} {}", proxy.imap.port(), proxy.smtp.port());
            }
            "file" => {
                let settings = self.home.succeeds(&["settings", ADDRESS, "--for", with]);
                return STANDARD.encode(settings.stdout);
            }
            "end-grant" => {
                self.bed.google.revoke_grants();
                // The next that comes finds out.
                self.try_to_sign_on(&self.password);
            }
            "consent-at-once" => self.bed.google.set_consent(Consent::AtOnce),
            "stop" => self.stop(),
            "start" => self.proxy = Some(self.home.run()),
            "google-away" => {
                self.bed.google.goes_down();
                self.try_to_sign_on(with);
            }
            "google-back" => {
                self.bed.google.comes_back();
                self.sign_on(with);
            }
            "revocations" => return self.bed.google.revocations().to_string(),
            other => panic!("nobody knows how to do {other:?}"),
        }
        "done".to_owned()
    }

    /// What `gatepost status --open` opens in the browser.
    fn link(&self) -> String {
        let opened = self.bed.scratch("opened").join("link");
        drop(fs::remove_file(&opened));
        self.home.succeeds(&["status", "--open"]);
        let link = || fs::read_to_string(&opened).unwrap_or_default();
        assert!(process::until(PROMPT, || !link().is_empty()), "no browser was opened");
        link()
    }

    fn reload(&self, with_client: bool) {
        self.configure(with_client);
        self.home.succeeds(&["reload"]);
    }

    /// A mail program signs on, reads, and stays.
    fn sign_on(&mut self, password: &str) {
        let mut wire = Wire::imap(self.proxy.as_ref().expect("it runs").imap);
        wire.command("a1", &format!("LOGIN {} {}", quoted(ADDRESS), quoted(password)));
        wire.command("a2", "SELECT INBOX");
        wire.command("a3", "FETCH 1:* BODY.PEEK[]");
        self.mail_program.push(wire);
        password.clone_into(&mut self.password);
    }

    /// A mail program tries, and is told why not.
    fn try_to_sign_on(&self, password: &str) {
        let mut wire = Wire::imap(self.proxy.as_ref().expect("it runs").imap);
        wire.send(format!("a1 LOGIN {} {}\r\n", quoted(ADDRESS), quoted(password)));
        drop(wire.lines_to_end());
    }

    fn stop(&mut self) {
        self.mail_program.clear();
        let proxy = self.proxy.take().expect("it runs");
        assert_eq!(proxy.stop().code(), Some(0), "run's exit status after stop");
    }
}
