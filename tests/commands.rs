//! The commands, through the real binary: what they print, what they leave with, and what each
//! plausible mistake is told.

// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use gatepost::accounts::{Address, Grant, GrantFacts, NewPassword, Record, Store, StoreError};
use gatepost::secret::RefreshToken;
use serde_json::Value;
use support::{World, YOU, browser};

fn gatepost(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.env_clear().env("GATEPOST_HOME", home).env("NO_COLOR", "1").stdin(Stdio::null());
    // What a program needs to start at all on Windows.
    for name in ["SYSTEMROOT", "PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    gatepost(home).args(arguments).output().unwrap()
}

/// The exit code and what a person reads, with the home's path left out.
fn told(home: &Path, arguments: &[&str]) -> String {
    told_with(home, arguments, "")
}

/// The same, with something on stdin.
fn told_with(home: &Path, arguments: &[&str], stdin: &str) -> String {
    let mut child = gatepost(home)
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // One that doesn't read it has closed it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).replace(&home.display().to_string(), "HOME");
    format!(
        "$ gatepost {}\n{text}[exit {}]\n",
        arguments.join(" "),
        output.status.code().unwrap_or(-1)
    )
}

/// An account that somebody signed in to once.
fn keep_account(home: &Path) {
    let address = Address::parse(YOU).unwrap();
    let facts = GrantFacts { sign_in_name: YOU.to_owned(), granted: 1, grant_expires: None };
    let grant = Grant { refresh_token: RefreshToken::new("1//token") };
    let password = NewPassword::generate().unwrap();
    let record = Record::create(&address, "gmail", facts, &grant, &password, None).unwrap();
    let store = Store::new(home.join("accounts"));
    store.update(&address, |_| Ok::<_, StoreError>(Some(record))).unwrap();
}

#[test]
fn mistakes_and_their_words() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let file = |name: &str, text: &str| {
        let path = home.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let web = file("web.json", r#"{"web":{"client_id":"x"}}"#);
    let html = file("page.json", "<html>");
    let missing = home.join("missing.json").display().to_string();
    let mut said = String::new();
    for arguments in [
        &["login", YOU][..],
        &["login", "not-an-address"],
        &["login", YOU, "--client", &missing],
        &["login", YOU, "--client", &web],
        &["login", YOU, "--client", &html],
        &["logout", YOU],
        &["password", YOU],
        &["password", YOU, "--new"],
        &["status"],
        &["reload"],
        &["stop"],
    ] {
        said.push_str(&told(home, arguments).replace(&home.display().to_string(), "HOME"));
    }
    said.push_str(&told(home, &["--config", "nowhere.toml", "run"]));
    file("config.toml", "[secrets]\nkeychain = \"off\"\n");
    keep_account(home);
    said.push_str(&told(home, &["password", YOU, "--new"]));
    for stdin in ["\nold\n", "new\n", "new\nwrong\n"] {
        said.push_str(&told_with(home, &["password", YOU, "--new", "--password-stdin"], stdin));
    }
    file("config.toml", "[listen]\n\nimap_port = 143\n");
    said.push_str(&told(home, &["run"]));
    file("config.toml", "[provider.gmail]\nclient_id = \"a\"\nca_file = \"web.json\"\n");
    said.push_str(&told(home, &["run"]));
    insta::assert_snapshot!(said);
}

#[test]
fn settings_that_cant_be_given_and_their_words() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let configure = |config: &str| std::fs::write(home.join("config.toml"), config).unwrap();
    let there = home.join("there.prf").display().to_string();
    std::fs::write(&there, "theirs").unwrap();
    let nowhere = home.join("no").join("file.prf").display().to_string();
    let mut said = told(home, &["settings", YOU]);
    keep_account(home);
    for out in [&there, &nowhere] {
        let told = told(home, &["settings", YOU, "--for", "outlook", "--out", out]);
        said.push_str(&told.replace(&home.display().to_string(), "HOME").replace('\\', "/"));
    }
    assert_eq!(std::fs::read(&there).unwrap(), b"theirs");
    configure("[listen]\nsmtp = \"\"\n");
    for program in ["outlook", "thunderbird", "apple"] {
        said.push_str(&told(home, &["settings", YOU, "--for", program]));
    }
    configure("[listen]\nimap = \"localhost:0\"\n");
    said.push_str(&told(home, &["settings", YOU]));
    configure("[listen]\nimap = \"\"\nsmtp = \"\"\n");
    said.push_str(&told(home, &["settings", YOU]));
    insta::assert_snapshot!(said);
}

#[test]
fn a_level_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        gatepost(folder.path()).arg("run").env("GATEPOST_LOG", "verbose").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("trace"));
}

#[test]
fn a_busy_port_and_a_second_instance_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, format!("[listen]\nimap = \"127.0.0.1:{port}\"\nsmtp = \"\"\n"))
        .unwrap();
    let output = run(folder.path(), &["run"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let owner = format!("(process {})", std::process::id());
    assert!(said.contains(&format!("Port {port} (imap) is taken by")), "{said}");
    assert!(said.contains(&owner) && said.contains("config.toml"), "{said}");
    drop(other);
    let mut first = Proxy::start(folder.path());
    let output = run(folder.path(), &["run"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&format!("process {}", first.child.id())), "{said}");
    let stopped = run(folder.path(), &["stop"]);
    assert_eq!(stopped.status.code(), Some(0));
    // Through a pipe nothing is told of what is under way.
    assert_eq!(String::from_utf8_lossy(&stopped.stderr), "Stopped.\n");
    assert_eq!(first.child.wait().unwrap().code(), Some(0));
}

#[test]
fn colour_is_for_who_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let said = |variables: &[(&str, &str)]| {
        let mut command = gatepost(folder.path());
        command.arg("stop").env_remove("NO_COLOR").envs(variables.iter().copied());
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let plain = "gatepost: Gatepost is not running here.\n  -> Nothing to do.\n";
    assert_eq!(said(&[]), plain, "a pipe");
    assert_eq!(said(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), plain);
    let painted = said(&[("CLICOLOR_FORCE", "1")]);
    assert!(painted.contains("\x1b[31mgatepost:\x1b[0m"), "{painted:?}");
}

/// `gatepost run`; ended when dropped.
struct Proxy {
    child: Child,
    _stderr: BufReader<std::process::ChildStderr>,
}

impl Proxy {
    fn start(home: &Path) -> Self {
        Self::start_with(home, &[]).0
    }

    /// With more arguments; also what it says up to its `ready`.
    fn start_with(home: &Path, arguments: &[&str]) -> (Self, String) {
        let mut command = gatepost(home);
        command.arg("run").args(arguments);
        Self::start_by(command)
    }

    fn start_by(mut command: Command) -> (Self, String) {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.ends_with("\nready\n") && said != "ready\n" {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended: {said}");
        }
        (Self { child, _stderr: stderr }, said)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_wire_log_says_where_it_is_and_that_it_waits_for_an_account() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let config = "[listen]\nimap = \"127.0.0.1:0\"\nsmtp = \"\"\n[secrets]\nkeychain = \"off\"\n";
    std::fs::write(home.join("config.toml"), config).unwrap();
    keep_account(home);
    let file = home.join("logs").join("wire.log");
    for (address, is_there) in [("You@GMail.com", true), ("other@gmail.com", false)] {
        let (_proxy, said) = Proxy::start_with(home, &["--log-wire", address]);
        assert!(said.contains(&format!("is in {}", file.display())) && file.exists(), "{said}");
        let warned = said.contains("there is no account") && said.contains("`gatepost login other");
        assert_eq!(!warned, is_there, "{said}");
    }
}

/// Where they ran out, clients would hang, and `status` and `stop` with them.
#[cfg(unix)]
#[test]
fn clients_beyond_the_limit_of_descriptors_are_told_and_commands_still_answered() {
    const LIMITED: &str = "ulimit -n 74 && exec \"$0\" run";
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let config = "[listen]\nimap = \"127.0.0.1:0\"\nsmtp = \"\"\n[secrets]\nkeychain = \"off\"\n";
    std::fs::write(home.join("config.toml"), config).unwrap();
    let mut command = Command::new("sh");
    command.env_clear().env("GATEPOST_HOME", home).env("NO_COLOR", "1").stdin(Stdio::null());
    command.args(["-c", LIMITED, env!("CARGO_BIN_EXE_gatepost")]);
    let (_proxy, said) = Proxy::start_by(command);
    assert!(said.contains("74 descriptors") && said.contains("5 connections"), "{said}");
    let status = || {
        let output = run(home, &["status", "--json"]);
        assert_eq!(output.status.code(), Some(0));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let address = status()["listeners"]["imap"].as_str().unwrap().to_owned();
    let clients: Vec<_> = (0..7)
        .map(|number| {
            let client = std::net::TcpStream::connect(&address).unwrap();
            client.set_read_timeout(Some(support::PATIENCE)).unwrap();
            let mut line = String::new();
            BufReader::new(&client).read_line(&mut line).unwrap();
            assert!(
                line.starts_with(if number < 5 { "* OK" } else { "* BYE" }),
                "{number}: {line}"
            );
            client
        })
        .collect();
    status();
    let log = std::fs::read_to_string(home.join("logs").join("gatepost.log")).unwrap();
    assert!(log.contains("turned away: this system lets Gatepost have 74"), "{log}");
    drop(clients);
    assert_eq!(run(home, &["stop"]).status.code(), Some(0));
}

#[test]
fn a_reload_says_what_waits_for_a_new_start() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let configure = |more: &str| {
        let config = format!("[listen]\nimap = \"127.0.0.1:0\"\nsmtp = \"\"\n{more}");
        std::fs::write(home.join("config.toml"), config).unwrap();
    };
    configure("");
    let _proxy = Proxy::start(home);
    let told = || {
        let log = std::fs::read_to_string(home.join("logs").join("gatepost.log")).unwrap();
        log.matches("waits for a new start").count()
    };
    for (more, expected) in [
        ("[log]\nlevel = \"warn\"\n", 0),
        ("[secrets]\nkeychain = \"off\"\n", 1),
        ("[secrets]\nkey_file = \"new.key\"\n", 2),
        ("[log]\nfiles = 2\n", 3),
    ] {
        configure(more);
        assert_eq!(run(home, &["reload"]).status.code(), Some(0));
        let start = std::time::Instant::now();
        while told() < expected {
            assert!(start.elapsed() < support::PATIENCE, "{more}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(told(), expected, "{more}");
    }
}

/// `login --json`, with a person who consents; the events.
async fn login(home: &Path, arguments: &[&str], stdin: &str) -> (Option<i32>, Vec<Value>) {
    let mut child = gatepost(home)
        .args(["login", YOU, "--no-browser", "--json"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut events = Vec::new();
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    if let Ok(event) = serde_json::from_str::<Value>(&first) {
        if event["event"] == "authorize" {
            browser().get(event["url"].as_str().unwrap()).send().await.unwrap();
        }
        events.push(event);
    }
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    events.extend(rest.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    (child.wait().unwrap().code(), events)
}

#[tokio::test(flavor = "multi_thread")]
async fn login_gives_its_events_in_order_and_run_takes_the_account_up() {
    let world = World::signed_out("").await;
    let home = world.folder.path();
    let _proxy = Proxy::start(home);
    let (code, events) = login(home, &[], "").await;
    assert_eq!(code, Some(0), "{events:?}");
    assert_eq!(events[0]["event"], "authorize");
    assert_eq!(events[1]["event"], "signed_in");
    assert_eq!(events[1]["address"], YOU);
    assert_eq!(events[1]["imap"]["security"], "none");
    let password = events[1]["password"].as_str().unwrap();
    assert_eq!(password.len(), 26);
    let port = events[1]["imap"]["port"].as_u64().unwrap();
    assert_ne!(port, 0, "the port in use");
    let mut client = support::Client::connect(&format!("127.0.0.1:{port}")).await;
    client.line().await;
    assert!(client.log_in(password).await.starts_with("in OK"));

    let (_, events) = login(home, &[], "").await;
    assert_eq!(events[1]["password"], Value::Null);
    assert_eq!(events[1]["password_unchanged"], true);
    assert!(client.log_in(password).await.starts_with("in BAD"), "the session goes on");

    let status = run(home, &["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["accounts"][0]["state"], "ready");
    assert_eq!(status["accounts"][0]["sessions"]["imap"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_name_the_ports_in_use_and_never_the_password() {
    let world = World::signed_out("").await;
    let home = world.folder.path();
    let proxy = Proxy::start(home);
    let (_, events) = login(home, &[], "").await;
    let password = events[1]["password"].as_str().unwrap();
    let [imap, smtp] = ["imap", "smtp"].map(|service| events[1][service]["port"].to_string());
    assert!(imap != "0" && smtp != "0");
    for (program, file, words) in [
        ("text", "a.txt", "Incoming (IMAP)"),
        ("outlook", "a.prf", "\r\nIMAPPort="),
        ("thunderbird", "a.xml", "<port>"),
        ("apple", "a.mobileconfig", "<integer>"),
    ] {
        let printed = run(home, &["settings", YOU, "--for", program]);
        let contents = String::from_utf8(printed.stdout).unwrap();
        assert_eq!(printed.status.code(), Some(0), "{program}");
        for expected in [words, &imap, &smtp] {
            assert!(contents.contains(expected), "{program}, {expected}: {contents}");
        }
        let path = home.join(file);
        let out = path.to_str().unwrap();
        let written = run(home, &["settings", "You@GMail.com", "--for", program, "--out", out]);
        assert_eq!(written.status.code(), Some(0), "{program}");
        assert!(written.stdout.is_empty());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), contents, "to the byte");
        let said = String::from_utf8(written.stderr).unwrap();
        assert!(said.contains(&format!("{out} is written.")), "{said}");
        assert!(said.contains("change with each start"), "port 0 is in the configuration: {said}");
        let asks = said.contains("the local password") && said.contains("isn't in ");
        assert_eq!(asks, program != "text", "{said}");
        assert!(!contents.contains(password) && !said.contains(password));
    }
    // Without a file, and with nobody who listens.
    drop(proxy);
    let fixed = "[listen]\nimap = \"127.0.0.1:4143\"\nsmtp = \"[::1]:4587\"\n";
    std::fs::write(home.join("config.toml"), fixed).unwrap();
    let output = run(home, &["settings", YOU]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("127.0.0.1, port 4143") && told.contains("::1, port 4587"), "{told}");
    assert!(output.stderr.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_ones_own_is_kept_until_it_is_replaced() {
    let world = World::signed_out("").await;
    let home = world.folder.path();
    let own = r#"a "b" \c [%] ü"#;
    let (code, events) = login(home, &["--password-stdin"], &format!("{own}\n")).await;
    assert_eq!(code, Some(0), "{events:?}");
    assert_eq!(events[1]["password"], own);
    // The same one again is no change; another one is a mistake to be named.
    let (_, events) = login(home, &["--password-stdin"], &format!("{own}\n")).await;
    assert_eq!(events[1]["password_unchanged"], true);
    let (code, events) = login(home, &["--password-stdin"], "other\n").await;
    assert_eq!(code, Some(2));
    assert_eq!(events[0]["event"], "failed");
    assert!(events[0]["remedy"].as_str().unwrap().contains("--new-password"));
    let (code, events) = login(home, &["--password-stdin", "--new-password"], "other\n").await;
    assert_eq!((code, &events[1]["password"]), (Some(0), &Value::from("other")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_file_is_kept_for_its_owner_only() {
    let world = World::signed_out("").await;
    let home = world.folder.path();
    let config = std::fs::read_to_string(home.join("config.toml")).unwrap();
    let without: Vec<_> = config.lines().filter(|line| !line.starts_with("client_")).collect();
    std::fs::write(home.join("config.toml"), without.join("\n")).unwrap();
    let file = home.join("download.json");
    std::fs::write(&file, world.authorization().client_json()).unwrap();
    let (code, _) = login(home, &["--client", file.to_str().unwrap()], "").await;
    assert_eq!(code, Some(0));
    std::fs::remove_file(&file).unwrap();
    let (code, _) = login(home, &[], "").await;
    assert_eq!(code, Some(0));
    #[cfg(unix)]
    for (path, mode) in [
        ("clients/gmail.json", 0o600),
        ("accounts/you@gmail.com.json", 0o600),
        ("accounts", 0o700),
        ("clients", 0o700),
    ] {
        use std::os::unix::fs::PermissionsExt;
        let rights = std::fs::metadata(home.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(rights, mode, "{path} has {rights:o}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_ends_the_grant_or_only_forgets_it() {
    let world = World::signed_out("").await;
    let home = world.folder.path();
    let record = world.record_file();
    // With the local password, while nothing runs.
    let (_, events) = login(home, &[], "").await;
    let password = events[1]["password"].as_str().unwrap().to_owned();
    assert_eq!(run(home, &["logout", YOU]).status.code(), Some(2), "no password, no terminal");
    assert!(record.exists());
    let mut child = gatepost(home)
        .args(["logout", YOU, "--password-stdin"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!record.exists());
    assert_eq!(world.authorization().revocations(), 1);

    // By the running proxy, which has the account unlocked; its sessions end.
    let (_, events) = login(home, &[], "").await;
    let password = events[1]["password"].as_str().unwrap().to_owned();
    let _proxy = Proxy::start(home);
    let status: Value = serde_json::from_slice(&run(home, &["status", "--json"]).stdout).unwrap();
    let mut client = support::Client::connect(status["listeners"]["imap"].as_str().unwrap()).await;
    client.line().await;
    assert!(client.log_in(&password).await.starts_with("in OK"));
    assert_eq!(run(home, &["logout", YOU]).status.code(), Some(0));
    assert!(client.rest().await.contains("* BYE This account was signed out"));
    assert_eq!(world.authorization().revocations(), 2);
    assert!(!record.exists());

    // Forgotten here, and nothing said to Google.
    login(home, &[], "").await;
    assert_eq!(run(home, &["logout", YOU, "--keep-grant"]).status.code(), Some(0));
    assert_eq!(world.authorization().revocations(), 2);
    assert!(!record.exists());
}

/// `password --new --json`, and what it came to.
fn password(home: &Path, arguments: &[&str], stdin: &str) -> (Option<i32>, Value) {
    let mut child = gatepost(home)
        .args(["password", YOU, "--new", "--json"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // One that doesn't read it has closed it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_takes_the_place_of_the_old_one_at_once() {
    let world = World::signed_out("").await;
    let home = world.folder.path();
    // The old one is checked slowly, and what that gave is remembered: it must be forgotten.
    login(home, &["--password-stdin"], "old one\n").await;
    let _proxy = Proxy::start(home);
    let status: Value = serde_json::from_slice(&run(home, &["status", "--json"]).stdout).unwrap();
    assert_eq!(status["accounts"][0]["opens_with"], serde_json::json!(["password"]));
    let imap = status["listeners"]["imap"].as_str().unwrap();
    let sign_on = async |password: &str| {
        let mut client = support::Client::connect(imap).await;
        client.line().await;
        (client.log_in(password).await, client)
    };
    let (answer, mut session) = sign_on("old one").await;
    assert!(answer.starts_with("in OK"), "{answer}");

    // What doesn't open the account changes nothing.
    let record = std::fs::read(world.record_file()).unwrap();
    for (stdin, expected) in [
        ("new \"one\"\nwrong\n", 1),
        ("new \"one\"\n", 2),
        ("new \"one\"\n\n", 2),
        ("\nold one\n", 2),
    ] {
        let (code, event) = password(home, &["--password-stdin"], stdin);
        assert_eq!((code, event["event"].as_str()), (Some(expected), Some("failed")), "{stdin:?}");
        assert!(!event["remedy"].as_str().unwrap().is_empty());
    }
    assert_eq!(password(home, &[], "").0, Some(2), "no terminal to ask for the old one");
    assert_eq!(std::fs::read(world.record_file()).unwrap(), record);

    let (code, event) = password(home, &["--password-stdin"], "new one\r\nold one\r\n");
    assert_eq!((code, &event["password"]), (Some(0), &Value::from("new one")), "{event}");
    assert_eq!(event["address"], YOU);
    assert!(sign_on("old one").await.0.starts_with("in NO [AUTHENTICATIONFAILED]"));
    assert!(sign_on("new one").await.0.starts_with("in OK"));
    session.send("in NOOP\r\n").await;
    assert!(session.until("in ").await.starts_with("in OK"), "the session goes on");
    assert_eq!(world.authorization().exchanges(), 1, "nobody had to consent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_opens_the_account_without_anybody() {
    let world = World::signed_out("").await;
    let home = world.folder.path();
    let config = std::fs::read_to_string(home.join("config.toml")).unwrap();
    let config = config.replace("[secrets]\n", "[secrets]\nkey_file = \"key\"\n");
    std::fs::write(home.join("config.toml"), config).unwrap();
    assert_eq!(login(home, &[], "").await.0, Some(0));
    assert!(home.join("key").exists(), "a key file that is named and missing is made");
    let _proxy = Proxy::start(home);
    let status: Value = serde_json::from_slice(&run(home, &["status", "--json"]).stdout).unwrap();
    assert_eq!(status["accounts"][0]["state"], "ready");
    assert_eq!(status["accounts"][0]["opens_with"], serde_json::json!(["password", "key-file"]));
    // A new local password needs nobody either, and the old one is refused at once.
    let (code, new) = password(home, &[], "");
    assert_eq!((code, new["event"].as_str()), (Some(0), Some("password_renewed")), "{new}");
    let mut client = support::Client::connect(status["listeners"]["imap"].as_str().unwrap()).await;
    client.line().await;
    let new = new["password"].as_str().unwrap();
    assert_eq!(new.len(), 26);
    assert!(client.log_in(new).await.starts_with("in OK"));
    // So that a logout needs no password either.
    assert_eq!(run(home, &["logout", YOU]).status.code(), Some(0));
    assert_eq!(world.authorization().revocations(), 1);
}

#[test]
fn the_demo_tells_its_story() {
    let folder = tempfile::tempdir().unwrap();
    // A company's proxy in the environment has nothing to do with what is on this machine.
    let output = gatepost(folder.path())
        .args(["demo", "--once"])
        .envs(["HTTP_PROXY", "HTTPS_PROXY", "http_proxy"].map(|name| (name, "http://127.0.0.1:9")))
        .output()
        .unwrap();
    let story = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        story.starts_with("This is a demo.") && story.ends_with("Every step held.\n"),
        "{story}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the real home is left alone");
}

/// `gatepost demo`; ended when dropped.
struct Demo {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Demo {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = gatepost(folder)
            .arg("demo")
            .args(arguments)
            // Where its files are while it runs.
            .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, folder)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// What it says up to a line with these words; that line without the blanks around it.
    fn until(&mut self, words: &str) -> String {
        let mut said = String::new();
        loop {
            let from = said.len();
            assert!(self.said.read_line(&mut said).unwrap() > 0, "it ended: {said}");
            if said[from..].contains(words) {
                return said[from..].trim().to_owned();
            }
        }
    }

    /// The ports and the password that it tells.
    fn settings(&mut self) -> (u16, u16, String) {
        let mut port = |service: &str| {
            let place = self.until(service);
            place.split("port ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
        };
        let (imap, smtp) = (port("Incoming (IMAP)"), port("Outgoing (SMTP)"));
        let password = self.until("Password");
        (imap, smtp, password.split_whitespace().nth(1).unwrap().to_owned())
    }

    fn press_enter(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Its end, as a person or a service manager brings it about.
    #[cfg(unix)]
    fn end(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_stays_up_for_a_mail_client() {
    let folder = tempfile::tempdir().unwrap();
    let free = |port| std::net::TcpListener::bind(("localhost", port)).is_ok();
    let usual = free(10143) && free(10587);
    let mut first = Demo::start(folder.path(), &[]);
    let (port, ..) = first.settings();
    assert!(!usual || port == 10143, "the port that every instruction names");
    let mut demo = Demo::start(folder.path(), &[]);
    let (imap, smtp, password) = demo.settings();
    assert_ne!(imap, port, "where the usual port is taken, another one serves");

    let mut client = support::Client::connect(&format!("localhost:{imap}")).await;
    client.line().await;
    assert!(client.log_in(&password).await.starts_with("in OK"));
    client.send("a1 SELECT INBOX\r\n").await;
    client.until("* 7 EXISTS").await;
    client.until("a1 OK").await;
    client.send("a2 IDLE\r\n").await;
    client.until("+ ").await;
    demo.press_enter();
    assert_eq!(demo.until("has arrived"), "“New mail, number 2” has arrived.");
    client.until("* 8 EXISTS").await;
    // The end of stdin is nobody's wish to end.
    drop(demo.child.stdin.take());

    // Whatever is sent arrives, whoever it is for.
    let mut sender = support::Client::connect(&format!("localhost:{smtp}")).await;
    sender.reply().await;
    sender.ask("EHLO test").await;
    assert!(sender.sign_on(&password).await.starts_with("235 "));
    for command in
        [&format!("MAIL FROM:<{YOU}>"), "RCPT TO:<a@example.com>", "RCPT TO:<b@example.com>"]
    {
        assert!(sender.ask(command).await.starts_with("250 "), "{command}");
    }
    assert!(sender.ask("DATA").await.starts_with("354 "));
    assert!(sender.ask("Subject: hi\r\n\r\nhi\r\n.").await.starts_with("250 "));
    client.until("* 9 EXISTS").await;
    client.send("DONE\r\n").await;
    client.until("a2 OK").await;
    #[cfg(unix)]
    {
        assert_eq!(demo.end(), Some(0));
        assert!(client.rest().await.starts_with("* BYE "));
        assert_eq!(first.end(), Some(0));
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_consent_to_the_demo_on_its_page() {
    let folder = tempfile::tempdir().unwrap();
    for (decision, last_page, code) in
        [("cancel", "declined", Some(1)), ("allow", "You are signed in", Some(0))]
    {
        let mut demo = Demo::start(folder.path(), &["--once", "--browser"]);
        let address = demo.until("/authorize?");
        let page = browser().get(&address).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("This is not Google.") && page.contains(YOU), "{page}");
        let (_, rest) = page.split_once("name=\"request\" value=\"").unwrap();
        let request = rest.split('"').next().unwrap();
        let answer = url::Url::parse(&address).unwrap().join("/authorize/decision").unwrap();
        let form = [("request", request), ("decision", decision)];
        let page = browser().post(answer).form(&form).send().await.unwrap().text().await.unwrap();
        assert!(page.contains(last_page), "{page}");
        if code == Some(0) {
            demo.until("Every step held.");
        }
        assert_eq!(demo.child.wait().unwrap().code(), code, "{decision}");
    }
}
