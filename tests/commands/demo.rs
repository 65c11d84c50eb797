//! `demo`, which needs no account.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use super::gatepost;
use super::support::{self, YOU, browser};

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
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-TERM", &id]).status().unwrap().success());
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
