//! `gatepost check` in broken worlds: each has one cause, which it must name, with one remedy, and
//! nothing else may be called wrong.

// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use futures_util::StreamExt;
use gatepost::accounts::NewPassword;
use gatepost::check::{Finding, Outcome};
use gatepost::control::{Channel, InstanceLock};
use gatepost::demo::authorization::{TokenFault, UserinfoFault};
use gatepost::demo::faults::Times;
use gatepost::status::Site;
use support::{Client, World, YOU};
use worlds::{Row, worlds};

mod impostor;
mod worlds;

/// A world that is broken in one place.
struct Broken {
    world: World,
    /// More on the command line.
    arguments: Vec<String>,
    /// More in its environment.
    environment: Vec<(&'static str, String)>,
    /// What stands on stdin: the local password, if anything.
    stdin: String,
    /// A proxy is to run.
    runs: bool,
    /// It does, once it was started.
    running: Option<(InstanceLock, Site, Channel)>,
    /// A mail program that is there meanwhile.
    client: Option<Client>,
}

impl Broken {
    /// A signed-in account, and a proxy whose account is locked until the check opens it.
    async fn whole() -> Self {
        let mut world = World::signed_out("").await;
        let signed_in = world.sign_in(YOU, NewPassword::generate().unwrap()).await.unwrap();
        world.password = signed_in.password.unwrap();
        let stdin = format!("{}\n", world.password.expose());
        Self {
            world,
            arguments: vec!["--password-stdin".to_owned()],
            environment: Vec::new(),
            stdin,
            runs: true,
            running: None,
            client: None,
        }
    }

    fn folder(&self) -> &Path {
        self.world.folder.path()
    }

    /// Replaces a part of the configuration.
    fn reconfigure(&self, from: &str, to: &str) {
        let file = self.world.home.config_file();
        let config = std::fs::read_to_string(file).unwrap();
        assert!(config.contains(from), "{from}");
        std::fs::write(file, config.replace(from, to)).unwrap();
    }

    /// Puts somebody else in the IMAP server's place.
    fn imap_at(&self, place: &str) {
        self.world.provide("imap", place);
    }

    fn smtp_at(&self, place: &str) {
        self.world.provide("smtp", place);
    }

    fn sign_in_server_at(&self, url: &str) {
        self.world.provide("token_url", url);
    }

    fn refuse_imap(&self, words: &str) {
        self.world.google.imap().refuse_sign_on(words, Times::UntilCleared);
    }

    fn refuse_smtp(&self, words: &str) {
        self.world.google.smtp().refuse_sign_on(words, Times::UntilCleared);
    }

    fn fail_token(&self, fault: TokenFault) {
        self.world.authorization().fail_token(fault, Times::UntilCleared);
    }

    /// Starts the proxy, as `gatepost run` does.
    async fn start(&mut self) {
        self.world.start();
        let lock = InstanceLock::take(&self.world.home).unwrap();
        let site = Site::open(self.world.server());
        let channel = Channel::open(site.desk().clone()).await.unwrap();
        self.running = Some((lock, site, channel));
    }

    /// Runs the check; what it found, and what it left with.
    async fn check(&mut self) -> (Vec<Finding>, i32) {
        if self.runs && self.running.is_none() {
            self.start().await;
        }
        let arguments = self.arguments.iter().map(String::as_str);
        let arguments: Vec<&str> = ["check", "--json"].into_iter().chain(arguments).collect();
        let environment = self.environment.clone();
        let (stdout, code) = run_in(self.folder(), environment, &arguments, &self.stdin).await;
        let findings = stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        (findings, code)
    }
}

/// Runs the binary; its standard output and its exit code.
async fn run(home: &Path, arguments: &[&str], stdin: &str) -> (String, i32) {
    run_in(home, Vec::new(), arguments, stdin).await
}

async fn run_in(
    home: &Path,
    environment: Vec<(&'static str, String)>,
    arguments: &[&str],
    stdin: &str,
) -> (String, i32) {
    let (home, stdin) = (home.to_owned(), stdin.to_owned());
    let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
    tokio::task::spawn_blocking(move || run_here(home, environment, &arguments, &stdin))
        .await
        .unwrap()
}

fn run_here(
    home: PathBuf,
    environment: Vec<(&str, String)>,
    arguments: &[String],
    stdin: &str,
) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.env_clear().env("GATEPOST_HOME", home).envs(environment).args(arguments);
    // What a program needs to start at all on Windows.
    for name in ["SYSTEMROOT", "PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that doesn't read it has closed it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    (said, output.status.code().unwrap_or_else(|| panic!("{stderr}")))
}

/// Worlds at a time: they wait more than they work.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_world_is_told_by_its_cause() {
    let looked_at = worlds().into_iter().map(|row| async move {
        let Row { name, wrong, exit, arrange } = row;
        let mut world = arrange(Broken::whole().await).await;
        let (findings, code) = world.check().await;
        let failed: Vec<_> = findings
            .iter()
            .filter(|found| found.outcome == Outcome::Failed)
            .map(|found| (found.check, found.code.as_deref().unwrap_or_default()))
            .collect();
        let all = serde_json::to_string_pretty(&findings).unwrap();
        let password = world.world.password.expose();
        assert!(!all.contains(password) && !all.contains("ya29."), "{name}: {all}");
        let is_right = failed == wrong && code == exit;
        let instead = (!is_right).then(|| format!("{name}: {failed:?}, exit {code}\n{all}"));
        (told(name, &world, &findings), instead)
    });
    let looked_at = futures_util::stream::iter(looked_at).buffered(AT_ONCE);
    let (told, instead): (Vec<_>, Vec<_>) = looked_at.unzip().await;
    let instead: Vec<_> = instead.into_iter().flatten().collect();
    assert!(instead.is_empty(), "{}", instead.join("\n"));
    assert!(told.len() >= 20);
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_lines_and_what_to_do_beneath() {
    let mut world = Broken::whole().await;
    world.fail_token(TokenFault::DeletedClient);
    world.start().await;
    let (text, code) = run(world.folder(), &["check", "--password-stdin"], &world.stdin).await;
    assert_eq!(code, 1);
    let text = text.replace(&world.folder().display().to_string(), "HOME");
    let lines = text.lines().filter(|line| !line.contains("GB are free"));
    insta::assert_snapshot!(without_numbers(&lines.collect::<Vec<_>>().join("\n")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_names_nobody_and_overwrites_nothing() {
    let mut world = Broken::whole().await;
    let other = UserinfoFault::WrongAccount("somebody.else@gmail.com".to_owned());
    world.world.authorization().fail_userinfo(other, Times::UntilCleared);
    world.start().await;
    let file = world.folder().join("report.txt");
    let path = file.display().to_string();
    let arguments = ["check", "--password-stdin", "--report", &path];
    let (_, code) = run(world.folder(), &arguments, &world.stdin).await;
    assert_eq!(code, 3);
    let report = std::fs::read_to_string(&file).unwrap();
    let home = world.folder().display().to_string();
    let secret = world.world.authorization().client_secret();
    for personal in [YOU, "somebody", &home, world.world.password.expose(), secret] {
        assert!(!report.contains(personal), "{personal}: {report}");
    }
    for said in ["ACCOUNT-1", "ADDRESS", "(other_account)", "listen.imap", "HOME", "FAILED"] {
        assert!(report.contains(said), "{said}: {report}");
    }
    let (said, code) = run(world.folder(), &arguments, &world.stdin).await;
    assert_eq!((said.as_str(), code), ("", 2), "it is refused before anything is looked at");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_opens_the_port_and_no_locked_account() {
    let mut world = Broken::whole().await;
    world.start().await;
    let server = world.world.server().clone();
    let inside = server.account(YOU).unwrap().unwrap();
    assert!(inside.pass().unwrap().is_none(), "nothing has opened it yet");
    world.client = Some(world.world.signed_on().await);
    let pass = inside.pass().unwrap().unwrap();
    let mut visitor = world.world.imap().await;
    assert!(visitor.log_in(pass.expose()).await.starts_with("in OK"));
    let other = inside.pass().unwrap().unwrap();
    for pass in [pass, other] {
        // Of two checks at once neither takes the other's away.
        let mut visitor = world.world.imap().await;
        assert!(visitor.log_in(pass.expose()).await.starts_with("in OK"));
    }
    assert!(
        world.world.imap().await.log_in(world.world.password.expose()).await.starts_with("in OK")
    );
}

/// What a person reads of what is wrong, with what differs from run to run left out.
fn told(name: &str, world: &Broken, findings: &[Finding]) -> String {
    let home = world.folder().display().to_string();
    let mut told = format!("# {name}\n");
    for found in findings {
        let remedy = found.remedy.as_deref().unwrap_or_default();
        let line = match found.outcome {
            Outcome::Failed | Outcome::Noted => format!("{}\n  → {remedy}\n", found.sentence),
            Outcome::Passed | Outcome::LeftOut => continue,
        };
        told.push_str(&format!("{}: {}", found.check.label(), line.replace(&home, "HOME")));
    }
    // The program that holds the port is this test.
    let told = match told.split_once(" is taken by ").zip(told.split_once(" (process ")) {
        Some(((before, _), (_, behind))) => {
            format!("{before} is taken by PROGRAM (process {behind}")
        }
        None => told,
    };
    without_numbers(&told)
}

/// Ports and process ids differ from run to run.
fn without_numbers(text: &str) -> String {
    let mut kept = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        // A process id may be a small number too.
        let is_id = !digits.is_empty() && kept.ends_with("process ");
        kept.push_str(if is_id || digits.len() > 3 { "N" } else { &digits });
        digits.clear();
        kept.push(letter);
    }
    kept.trim_end_matches('\0').to_owned()
}
