//! Signing in, passwords, settings, signing out.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::support::{self, World, YOU, browser};
use super::{Proxy, gatepost, run, run_with};

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
    let output =
        run_with(home, &[&["password", YOU, "--new", "--json"], arguments].concat(), stdin);
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
