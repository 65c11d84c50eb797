//! `gatepost run` and the commands that speak to it.

use std::{fs, net::TcpListener, process::Command, time::Duration};

use crate::support::{
    bed::Bed,
    gatepost::{Home, configuration},
    process::{self, said},
    scene::Setting,
    within,
};

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn a_second_instance_on_one_home_is_refused_with_the_pid_of_the_first() {
    Setting::default().play(LIMIT, |scene| {
        let output = scene.home.gatepost(&["run"], b"");
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let pid = scene.proxy().pid().to_string();
        assert!(String::from_utf8_lossy(&output.stderr).contains(&pid), "{}", said(&output));
        drop(scene.signed_on());
    });
}

#[test]
fn a_busy_port_names_itself() {
    within(LIMIT, || {
        let bed = Bed::new();
        let home = Home::new(&bed, "home", "");
        let busy = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = busy.local_addr().unwrap().to_string();
        let text = configuration(&bed, "").replacen("127.0.0.1:0", &address, 1);
        home.configure(&text);
        let output = home.gatepost(&["run"], b"");
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let port = busy.local_addr().unwrap().port().to_string();
        assert!(String::from_utf8_lossy(&output.stderr).contains(&port), "{}", said(&output));
    });
}

#[test]
fn a_wrong_configuration_is_named_by_file_line_and_key() {
    within(LIMIT, || {
        let bed = Bed::new();
        let home = Home::new(&bed, "home", "");
        for (text, line, words) in [
            ("[listen]\n\nimpa = \"localhost:1\"\n", 3, &["impa", "imap"][..]),
            ("[listen]\nimap = \"nowhere\"\n", 2, &["imap"]),
            ("[listen]\nimap = 143\n", 2, &["imap"]),
            ("[provider.gmail]\nconnections = \"many\"\n", 2, &["connections"]),
            ("[provider.gmail]\n\n\ntoken_url = \"http://example.com/token\"\n", 4, &["token_url"]),
            ("[listen\n", 1, &[]),
        ] {
            home.configure(text);
            let output = home.gatepost(&["run"], b"");
            assert_eq!(output.status.code(), Some(2), "{text}{}", said(&output));
            let error = String::from_utf8_lossy(&output.stderr);
            let line = line.to_string();
            for word in words.iter().chain([&"config.toml", &line.as_str()]) {
                assert!(error.contains(word), "{word:?} is not said of\n{text}\n{error}");
            }
        }
        let output = home.gatepost(&["nonsense"], b"");
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    });
}

#[test]
fn without_an_account_it_serves_and_says_so() {
    within(LIMIT, || {
        let bed = Bed::new();
        let home = Home::new(&bed, "home", "");
        for command in ["status", "stop", "reload"] {
            let output = home.gatepost(&[command], b"");
            assert_ne!(output.status.code(), Some(2), "{}", said(&output));
            assert!(!said(&output).contains("panicked"), "{}", said(&output));
        }
        let proxy = home.run();
        let status = home.status();
        assert_eq!(status["accounts"], serde_json::json!([]), "{status}");
        assert!(status["version"].is_string(), "{status}");
        let mut wire = crate::support::wire::Wire::imap(proxy.imap);
        wire.send("a1 LOGIN anybody@gmail.com anything\r\n");
        wire.expect("a1 NO [AUTHENTICATIONFAILED]");
        assert_eq!(proxy.stop().code(), Some(0));
    });
}

#[test]
fn signals_do_what_the_commands_do_and_the_configuration_is_left_alone() {
    Setting::default().play(LIMIT, |scene| {
        let configuration = scene.home.folder().join("config.toml");
        let mut text = fs::read_to_string(&configuration).unwrap();
        let mut session = scene.signed_on();
        let pid = scene.proxy().pid().to_string();

        text.push_str("# a note by hand, while it runs\n");
        fs::write(&configuration, &text).unwrap();
        let output = scene.home.gatepost(&["reload"], b"");
        assert!(output.status.success(), "{}", said(&output));
        process::run_well(Command::new("kill").args(["-HUP", &pid]), b"", LIMIT);
        session.command("a2", "NOOP");
        drop(scene.signed_on());

        // A configuration that doesn't hold is refused, and the proxy goes on with the old one.
        fs::write(&configuration, "[listen]\nimpa = \"\"\n").unwrap();
        let output = scene.home.gatepost(&["reload"], b"");
        assert!(!output.status.success(), "{}", said(&output));
        session.command("a3", "NOOP");
        drop(scene.signed_on());

        fs::write(&configuration, &text).unwrap();
        process::run_well(Command::new("kill").args(["-TERM", &pid]), b"", LIMIT);
        // It drains: whoever is connected is told.
        let lines = session.lines_to_end();
        assert!(lines.last().is_some_and(|line| line.starts_with("* BYE")), "{lines:?}");
        assert_eq!(scene.wait_for_end().code(), Some(0), "after SIGTERM");
        assert_eq!(fs::read_to_string(&configuration).unwrap(), text, "it rewrote config.toml");
        scene.start();
        drop(scene.signed_on());
    });
}
