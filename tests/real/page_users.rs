//! The status page and the other users of the machine: only programs of the person whose Gatepost it
//! is get anything from it, whatever they know.

use std::{process::Command, time::Duration};

use crate::support::{process, scene::Setting};

const LIMIT: Duration = Duration::from_secs(60);
/// Debian's `nobody`.
const SOMEBODY_ELSE: &str = "65534";

#[test]
fn another_user_is_refused_with_a_link_and_with_a_cookie() {
    Setting::default().play(LIMIT, |scene| {
        let page =
            format!("http://{}", scene.home.status()["listeners"]["status"].as_str().unwrap());
        let link = || {
            let output = scene.home.succeeds(&["status", "--open"]);
            let said = String::from_utf8(output.stderr).unwrap();
            let link = said.split_whitespace().find(|word| word.starts_with(&page));
            link.expect("a link").to_owned()
        };
        let own = |arguments: &[&str]| curl(&mut Command::new("curl"), arguments);
        let other = |arguments: &[&str]| {
            let mut curl_as = Command::new("setpriv");
            curl_as.args([
                "--reuid",
                SOMEBODY_ELSE,
                "--regid",
                SOMEBODY_ELSE,
                "--clear-groups",
                "curl",
            ]);
            curl(&mut curl_as, arguments)
        };
        let seen = link();
        assert!(other(&[&seen]).starts_with("HTTP/1.1 403 "), "the list of processes was read");
        let (scheme, host) = seen.split_once("127.0.0.1").unwrap();
        let mapped = format!("{scheme}[::ffff:127.0.0.1]{host}");
        let own_host = format!("Host: {}", page.strip_prefix("http://").unwrap());
        assert!(other(&["--header", &own_host, &mapped]).starts_with("HTTP/1.1 403 "), "by IPv6");
        let opened = own(&[&seen]);
        assert!(opened.starts_with("HTTP/1.1 200 "), "the other did not use it up: {opened}");
        let cookie = opened.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        let cookie = cookie.split(';').next().unwrap();
        let address = scene.settings().address;
        assert!(own(&["--cookie", cookie, &page]).contains(&address));
        let refused = other(&["--cookie", cookie, &page]);
        assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
        assert!(!refused.contains(&address), "{refused}");
        // What is for programs is for all of them.
        drop(scene.signed_on());
        let health = other(&[&format!("{page}/healthz")]);
        assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
        assert!(!health.contains(&address), "{health}");
    });
}

/// The answer's head and its body.
fn curl(curl: &mut Command, arguments: &[&str]) -> String {
    curl.args(["--silent", "--show-error", "--include", "--max-time", "20", "--noproxy", "*"]);
    String::from_utf8(process::run_well(curl.args(arguments), b"", LIMIT)).unwrap()
}
