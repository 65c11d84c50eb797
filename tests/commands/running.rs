//! `run`, and what is said to one that runs.

use super::{Proxy, gatepost, keep_account, run, support};

#[test]
fn a_level_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        gatepost(folder.path()).arg("run").env("GATEPOST_LOG", "verbose").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("trace"));
}

#[test]
fn a_busy_port_is_named_with_its_owner() {
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
}

#[test]
fn a_second_instance_is_named_and_the_first_one_stops() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[listen]\nimap = \"127.0.0.1:0\"\nsmtp = \"\"\n";
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
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
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

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
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let address = status()["listeners"]["imap"].as_str().unwrap().to_owned();
    let mut clients: Vec<_> = (0..7)
        .map(|number| {
            let client = std::net::TcpStream::connect(&address).unwrap();
            client.set_read_timeout(Some(support::PATIENCE)).unwrap();
            let mut client = BufReader::new(client);
            let mut line = String::new();
            client.read_line(&mut line).unwrap();
            assert!(line.starts_with("* OK"), "{number}: {line}");
            client
        })
        .collect();
    // Two were silent for longer than the others, and have made room.
    for (number, client) in clients.iter_mut().take(2).enumerate() {
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        assert!(line.starts_with("* BYE"), "{number}: {line}");
    }
    status();
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
