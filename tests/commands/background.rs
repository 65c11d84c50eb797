//! `run --background`: it leaves once another process serves, or says why none does.

use std::time::Instant;

use super::{keep_account, run, support, told};

const QUIET: &str =
    "[listen]\nimap = \"127.0.0.1:0\"\nsmtp = \"\"\nstatus = \"\"\n[secrets]\nkeychain = \"off\"\n";

#[test]
fn it_serves_on_after_the_command_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    std::fs::write(home.join("config.toml"), QUIET).unwrap();
    keep_account(home);
    // With the pipes of this test: were they handed on, this would wait for an end that never comes.
    let said = told(home, &["run", "--background", "--log-wire", support::YOU]);
    assert!(said.contains("serves in the background (process "), "{said}");
    assert!(said.contains("`gatepost stop`") && said.ends_with("[exit 0]\n"), "{said}");
    let status = run(home, &["status", "--json"]);
    assert_eq!(status.status.code(), Some(0));
    assert!(home.join("logs").join("wire.log").exists(), "what was asked for is handed on");
    // A second one is told as in the foreground.
    let second = told(home, &["run", "--background"]);
    assert_eq!(
        second,
        told(home, &["run"]).replace("gatepost run\n", "gatepost run --background\n")
    );
    assert!(second.contains("running already") && second.ends_with("[exit 1]\n"), "{second}");
    assert_eq!(run(home, &["stop"]).status.code(), Some(0));
}

#[test]
fn a_start_that_fails_is_told_with_the_same_words() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let busy = QUIET.replace(":0", &format!(":{port}"));
    for (config, words, code) in [("[listen]\nimpa = 1\n", "impa", 2), (&busy, "is taken by", 1)] {
        std::fs::write(home.join("config.toml"), config).unwrap();
        let begun = Instant::now();
        let said = told(home, &["run", "--background"]);
        assert!(said.contains(words) && said.ends_with(&format!("[exit {code}]\n")), "{said}");
        assert!(begun.elapsed() < support::PATIENCE);
        let foreground = told(home, &["run"]);
        assert!(foreground.ends_with(&format!("[exit {code}]\n")), "{foreground}");
        let sentence = foreground.lines().find(|line| line.starts_with("gatepost: ")).unwrap();
        assert!(said.contains(sentence), "{sentence}\n{said}");
    }
    // Nobody may watch a start at log-in: the log has it too.
    let log = std::fs::read_to_string(home.join("logs").join("gatepost.log")).unwrap();
    assert!(log.contains(&format!("Port {port} (imap) is taken")), "{log}");
}
