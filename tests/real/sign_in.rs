//! `gatepost login` and `gatepost logout`, with a browser that consents or doesn't.

use std::{
    fs, io::Write, os::unix::fs::PermissionsExt, path::Path, process::ChildStdin, time::Duration,
};

use gatepost::demo::{
    authorization::{Consent, TokenFault},
    faults::Times,
};
use serde_json::json;

use crate::support::{
    bed::{ADDRESS, Bed},
    gatepost::{Home, Login, configuration, redirect_of, visit},
    process,
    scene::Setting,
    wire::Wire,
    within,
};

const LIMIT: Duration = Duration::from_secs(120);
const OTHER: &str = "other.person@gmail.com";

/// The sign-in failed with a reason and a remedy, and left nothing behind.
fn assert_failed(login: &Login, home: &Home) {
    assert_eq!(login.code, Some(1), "{}", login.outcome);
    assert_eq!(login.outcome["event"], "failed", "{}", login.outcome);
    for part in ["reason", "remedy"] {
        let words = login.outcome[part].as_str().unwrap_or_default();
        assert!(words.len() > 10, "no {part}: {}", login.outcome);
    }
    assert!(files(&home.folder().join("accounts")).is_empty(), "something was stored");
}

/// The names of the files in a folder, but for hidden ones (a lock file is no record).
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("."))
        .collect()
}

#[test]
fn the_events_are_the_contracts_and_files_are_the_owners_alone() {
    within(LIMIT, || {
        let bed = Bed::new();
        let home = Home::new(&bed, "home", "");
        let event = home.login(ADDRESS, &[], b"").signed_in();
        assert_eq!(event["address"].as_str().map(str::to_lowercase), Some(ADDRESS.to_lowercase()));
        assert!(event["password"].as_str().is_some_and(|password| password.len() >= 20), "{event}");
        for server in ["imap", "smtp"] {
            assert!(event[server]["host"].is_string(), "{event}");
            assert!(event[server]["port"].is_u64(), "{event}");
            assert_eq!(event[server]["security"], "none", "{event}");
        }
        let accounts = home.folder().join("accounts");
        assert_eq!(files(&accounts).len(), 1);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&accounts) & 0o077, 0, "others may look into accounts/");
        let record = accounts.join(&files(&accounts)[0]);
        assert_eq!(mode(&record), 0o600, "{}", record.display());

        let again = home.login(ADDRESS, &[], b"").signed_in();
        assert_eq!(
            (&again["password"], &again["password_unchanged"]),
            (&json!(null), &json!(true))
        );
        assert_eq!(bed.google.revocations(), 0, "signing in again revokes nothing");
    });
}

#[test]
fn the_clients_file_serves_every_later_login() {
    within(LIMIT, || {
        let bed = Bed::new();
        bed.google.allow_user(OTHER);
        let home = Home::new(&bed, "home", "");
        let without_client: String = configuration(&bed, "")
            .lines()
            .filter(|line| !line.starts_with("client_"))
            .flat_map(|line| [line, "\n"])
            .collect();
        home.configure(&without_client);

        let refused = home.gatepost(&["login", ADDRESS, "--no-browser", "--json"], b"");
        assert_eq!(refused.status.code(), Some(2), "{}", process::said(&refused));
        assert!(
            process::said(&refused).contains("`gatepost setup "),
            "{}",
            process::said(&refused)
        );

        let file = bed.scratch("download").join("client_secret_123.json");
        fs::write(&file, bed.google.client_json()).unwrap();
        home.login(ADDRESS, &["--client", file.to_str().unwrap()], b"").signed_in();
        let kept = home.folder().join("clients/gmail.json");
        let mode = fs::metadata(&kept).expect("the copy").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        fs::remove_file(&file).unwrap();
        home.login(OTHER, &[], b"").signed_in();
    });
}

#[test]
fn a_sign_in_that_is_not_what_was_asked_for_stores_nothing() {
    within(LIMIT, || {
        let bed = Bed::new();
        bed.google.allow_user(OTHER);
        let home = Home::new(&bed, "home", "");
        for error in ["access_denied", "admin_policy_enforced"] {
            bed.google.set_consent(Consent::Refused(error.to_owned()));
            assert_failed(&home.login(ADDRESS, &[], b""), &home);
        }
        bed.google.set_consent(Consent::AtOnce);

        bed.google.set_consenting_user(Some(OTHER));
        let login = home.login(ADDRESS, &[], b"");
        assert_failed(&login, &home);
        assert!(login.outcome.to_string().contains(OTHER), "{}", login.outcome);
        bed.google.set_consenting_user(None);

        for fault in [
            TokenFault::MissingScope,
            TokenFault::NoRefreshToken,
            TokenFault::InvalidClient,
            TokenFault::InvalidGrant {
                subtype: None,
                description: "Malformed auth code.".to_owned(),
            },
        ] {
            println!("{fault:?}");
            bed.google.fail_token(fault, Times::Next(1));
            assert_failed(&home.login(ADDRESS, &[], b""), &home);
        }
        home.login(ADDRESS, &[], b"").signed_in();
    });
}

#[test]
fn the_redirected_address_may_be_pasted() {
    within(LIMIT, || {
        let bed = Bed::new();
        let home = Home::new(&bed, "home", "");
        let answer = |url: &str, stdin: &mut ChildStdin| {
            writeln!(stdin, "{}", redirect_of(url)).expect("login reads its stdin");
        };
        home.login_answered(ADDRESS, &[], b"", answer).signed_in();
    });
}

/// Any page and program on this machine can knock at the port where `login` waits.
#[test]
fn a_redirect_that_nobody_asked_for_is_not_taken() {
    within(LIMIT, || {
        let bed = Bed::new();
        let home = Home::new(&bed, "home", "");
        let answer = |url: &str, _: &mut ChildStdin| {
            let redirect = redirect_of(url);
            let (port, _) = redirect.split_once('?').expect("a query");
            visit(&format!("{port}?code=4/0Aforged&state=of-somebody-else"));
            visit(&format!("{port}?code=4/0Aforged"));
            visit(&format!("{port}?error=access_denied&state=of-somebody-else"));
            visit(&format!("{}/favicon.ico", port.trim_end_matches('/')));
            visit(&redirect);
        };
        home.login_answered(ADDRESS, &[], b"", answer).signed_in();
    });
}

#[test]
fn the_running_proxy_takes_up_a_new_account_and_a_chosen_password() {
    Setting::default().play(LIMIT, |scene| {
        scene.bed.google.allow_user(OTHER);
        let password = "chosen, with spaces";
        let event = scene.home.login(OTHER, &["--password-stdin"], b"chosen, with spaces\n");
        event.signed_in();
        let signs_on = process::until(Duration::from_secs(10), || {
            let mut wire = scene.imap();
            wire.send(format!("a1 LOGIN {OTHER} \"{password}\"\r\n"));
            wire.reply("a1").pop().is_some_and(|reply| reply.starts_with("a1 OK"))
        });
        assert!(signs_on, "the new account is not served");
        // The first one's password is not the other's.
        let mut wire = scene.imap();
        wire.send(format!("a1 LOGIN {OTHER} {}\r\n", scene.password));
        wire.expect("a1 NO [AUTHENTICATIONFAILED]");
        drop(scene.signed_on());
    });
}

#[test]
fn logout_revokes_and_forgets_and_keep_grant_only_forgets() {
    Setting::default().play(LIMIT, |scene| {
        let accounts = scene.home.folder().join("accounts");
        let gone = |scene: &crate::support::scene::Scene| {
            let mut wire: Wire = scene.imap();
            wire.send(format!("a1 {}\r\n", scene.login()));
            wire.reply("a1").pop().is_some_and(|reply| reply.starts_with("a1 NO [AUTH"))
        };
        // Opened by a sign-on, so that the running proxy can revoke it.
        drop(scene.signed_on());
        let output = scene.home.gatepost(&["logout", ADDRESS, "--keep-grant"], b"");
        assert!(output.status.success(), "{}", process::said(&output));
        assert_eq!(scene.bed.google.revocations(), 0);
        assert!(files(&accounts).is_empty(), "{:?}", files(&accounts));
        assert!(process::until(Duration::from_secs(10), || gone(scene)));

        let event = scene.home.login(ADDRESS, &[], b"").signed_in();
        event["password"].as_str().expect("a new password").clone_into(&mut scene.password);
        let serves = || !gone(scene);
        assert!(process::until(Duration::from_secs(10), serves));
        let password = format!("{}\n", scene.password);
        let output = scene.home.gatepost(&["logout", ADDRESS], password.as_bytes());
        assert!(output.status.success(), "{}", process::said(&output));
        assert_eq!(scene.bed.google.revocations(), 1, "{}", process::said(&output));
        assert!(files(&accounts).is_empty(), "{:?}", files(&accounts));
        assert!(process::until(Duration::from_secs(10), || gone(scene)));
    });
}
