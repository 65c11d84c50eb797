//! The program for Windows, in Wine, between the same servers and clients: everything that a person
//! does with it there, in one go. `tests/windows/run` builds it and runs this.
//!
//! What Wine can't tell of Windows is in `docs/platforms.md`.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    keychain::{account, assert_opens},
    round_trip::send_three_and_read_them_back,
    support::{
        bed::ADDRESS,
        clients::CLIENTS,
        mail_client::{Settings, Task},
        process::{run as run_process, said, tail, until, wait},
        scene::{Scene, Setting},
        trial::Trial,
        windows::Windows,
        wire::Wire,
    },
};

/// Wine takes its time with each command.
const LIMIT: Duration = Duration::from_secs(300);
const SOON: Duration = Duration::from_secs(30);

/// Where Wine keeps what programs give to Windows' Credential Manager.
const CREDENTIALS: &str = r"HKEY_CURRENT_USER\Software\Wine\Credential Manager";

/// What Windows starts when this person logs in.
const RUN: &str = r"HKEY_CURRENT_USER\Software\Microsoft\Windows\CurrentVersion\Run";

/// What the Service Control Manager keeps.
const SERVICE: &str = r"HKEY_LOCAL_MACHINE\System\CurrentControlSet\Services\gatepost";

#[test]
#[ignore = "needs Wine: run tests/windows/run"]
fn the_journey() {
    let setting = Setting { smtp: true, windows: true, ..Setting::default() };
    setting.play(LIMIT, |scene| {
        // Somebody has signed in without a browser, and Gatepost runs.
        assert_opens(scene);
        assert_eq!(account(scene)["opens_with"], json!(["password", "keychain"]));
        assert!(keys_kept() > 0, "not by the keychain");

        send_three_and_read_them_back(scene);
        curl_does_what_it_can(scene);
        a_second_one_is_refused(scene);
        the_configuration_is_read_again(scene);
        check_finds_nothing_wrong(scene);

        // `stop`, and another start: nobody signs on, and the account is open.
        scene.restart();
        assert_opens(scene);
        assert_eq!(account(scene)["sessions"], json!({"imap": 0, "smtp": 0}));
        drop(scene.signed_on());

        the_certificate_is_trusted(scene);
        scene.while_stopped(it_starts_at_log_in);
        scene.while_stopped(it_is_a_service);
        the_local_password_is_renewed(scene);
        the_grant_is_given_back(scene);
    });
}

fn curl_does_what_it_can(scene: &Scene) {
    let curl = CLIENTS.iter().find(|client| client.name == "curl").expect("a row of the table");
    let plain = scene.bed.plain_dovecot();
    let mut trial = Trial::prepare(&Settings::direct(&plain, ADDRESS));
    let folder = scene.bed.scratch("curl");
    let mut session = curl.program.open(&scene.settings(), &folder);
    for task in Task::ALL.iter().filter(|task| curl.tasks.contains(task)) {
        if let Err(words) = trial.try_out(curl, &mut *session, &folder, *task) {
            panic!("{}: {words}", task.word());
        }
    }
}

fn a_second_one_is_refused(scene: &Scene) {
    let output = scene.home.gatepost(&["run"], b"");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("already"), "{}", said(&output));
}

/// It goes the whole way, from the disk over the clock to a mail program of its own.
fn check_finds_nothing_wrong(scene: &Scene) {
    let output = scene.home.gatepost(&["check", "--send", "--json"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains(r#""check":"sending""#), "{}", said(&output));
}

fn the_configuration_is_read_again(scene: &Scene) {
    let output = scene.home.gatepost(&["reload"], b"");
    assert!(output.status.success(), "{}", said(&output));
}

/// By the list of authorities that this user has; and STARTTLS is offered at once.
fn the_certificate_is_trusted(scene: &Scene) {
    let run = |arguments: &[&str]| scene.home.succeeds(arguments);
    let shown = || -> Value {
        let output = run(&["certificate", "show", "--json"]);
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    };
    let output = run(&["certificate", "trust"]);
    assert!(said(&output).contains("trusted by Windows' list of authorities"), "{}", said(&output));
    let before = shown();
    assert_eq!(before["stores"][0]["trusted"], true, "{before}");
    let authority = scene.bed.scratch("authority").join("ca.pem");
    run(&["certificate", "export", "--out", &Windows::path(&authority)]);
    let openssl = |name: &str| {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-brief", "-verify_return_error", "-starttls", "imap"]);
        command.args(["-connect", &scene.proxy().imap.to_string(), "-verify_hostname", name]);
        run_process(command.arg("-CAfile").arg(&authority), b"", SOON)
    };
    let output = openssl("localhost");
    assert!(output.status.success(), "{}", said(&output));
    assert!(!openssl("other.example").status.success());

    run(&["certificate", "renew"]);
    let after = shown();
    assert_ne!(after["sha256"], before["sha256"]);
    assert_eq!(after["stores"][0]["trusted"], false, "{after}");
}

/// The Run key, which Wine heeds as Windows does.
fn it_starts_at_log_in(scene: &mut Scene) {
    let succeeds = |arguments: &[&str]| said(&scene.home.succeeds(arguments));
    let is_running = || scene.home.gatepost(&["status"], b"").status.success();
    assert!(!is_running());

    // Into a file: in Wine, what is started keeps the standard error of Linux, whatever Windows' is.
    let file = scene.home.said().join("service-install");
    let mut install = scene.home.command(&["service", "install"]);
    install.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&file).expect("ours"));
    let installed = wait(&mut install.spawn().expect("Wine"), SOON);
    assert!(installed.is_some_and(|status| status.success()), "{}", tail(&file));
    let line = Windows::prepared().registry(RUN);
    let folder = Windows::path(scene.home.folder());
    assert!(line.contains("gatepost.exe") && line.contains("run --background"), "{line}");
    assert!(line.contains(&folder), "{line}");
    assert!(is_running(), "it was to start at once");
    assert!(succeeds(&["service", "status"]).contains("serves now"));
    succeeds(&["stop"]);
    assert!(!is_running());

    Windows::prepared().log_in();
    assert!(until(SOON, is_running), "nothing started at the log-in");
    assert_opens(scene);
    succeeds(&["service", "uninstall"]);
    assert!(!is_running(), "it was to end at once");
    let line = Windows::prepared().registry(RUN);
    assert!(!line.contains("gatepost"), "{line}");
}

/// Of Windows' Service Control Manager, in Wine's.
fn it_is_a_service(scene: &mut Scene) {
    let windows = Windows::prepared();
    let on = windows.switch_on();
    let succeeds = |arguments: &[&str]| said(&scene.home.succeeds(arguments));
    let is_running = || scene.home.gatepost(&["status"], b"").status.success();
    let state = || said(&windows.run(&["sc", "query", "gatepost"]));
    let log = || {
        let file = scene.home.folder().join("logs").join("gatepost.log");
        fs::read_to_string(file).expect("it logs")
    };
    let sign_on = || {
        let status = scene.home.status();
        let address = status["listeners"]["imap"].as_str().expect("it serves");
        let mut wire = Wire::imap(address.parse().expect("an address"));
        wire.command("a1", &scene.login());
        wire
    };
    let stopped = |mut wire: Wire| {
        let lines = wire.lines_to_end();
        assert!(lines.last().is_some_and(|line| line.starts_with("* BYE ")), "{lines:?}");
        assert!(until(SOON, || log().ends_with("INFO stopped\n")), "{}", log());
        assert!(until(SOON, || !is_running()), "it serves again");
    };

    let install = ["service", "install", "--system"];
    assert!(succeeds(&install).contains("starts with it, and serves now"));
    let status = ["service", "status", "--system"];
    assert!(succeeds(&status).contains("Gatepost starts with this computer, and serves now"));
    let entry = windows.registry(SERVICE);
    let folder = Windows::path(scene.home.folder());
    assert!(entry.contains("run --as-service") && entry.contains(&folder), "{entry}");
    assert!(entry.contains(r"NT AUTHORITY\LocalService"), "{entry}");

    // Its manager ends it, and it lets its sessions come to rest.
    let wire = sign_on();
    let output = windows.run(&["net", "stop", "gatepost"]);
    assert!(output.status.success(), "{}", said(&output));
    stopped(wire);
    let is_at_rest = || state().contains("STOPPED");
    assert!(until(SOON, is_at_rest), "{}", state());
    assert!(state().contains("WIN32_EXIT_CODE    : 0 "), "{}", state());

    // Its manager is told that it can't start, and the log says why.
    let other = scene.home.run();
    windows.run(&["sc", "start", "gatepost"]);
    assert!(until(SOON, is_at_rest), "{}", state());
    assert!(state().contains("SERVICE_EXIT_CODE  : 1 "), "{}", state());
    assert!(log().contains("ERROR") && log().contains("already"), "{}", log());
    assert_eq!(other.stop().code(), Some(0));

    drop(on);
    windows.wait_until_off();
    let _on = windows.switch_on();
    assert!(until(SOON, is_running), "nothing started with the computer");
    let wire = sign_on();
    assert!(succeeds(&["service", "uninstall", "--system"]).contains("has stopped and is gone"));
    stopped(wire);
    assert_eq!(scene.home.gatepost(&status, b"").status.code(), Some(1));
    let entry = windows.registry(SERVICE);
    assert!(!entry.contains("gatepost.exe"), "{entry}");
}

/// The keychain opens the account for it: the old one isn't asked for.
fn the_local_password_is_renewed(scene: &mut Scene) {
    let output = scene.home.gatepost(&["password", ADDRESS, "--new", "--json"], b"");
    assert!(output.status.success(), "{}", said(&output));
    let event: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    scene.password = event["password"].as_str().expect("a password").to_owned();
    drop(scene.signed_on());
}

fn the_grant_is_given_back(scene: &Scene) {
    let before = keys_kept();
    let output = scene.home.gatepost(&["logout", ADDRESS], b"");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(scene.bed.google.revocations(), 1);
    assert_eq!(keys_kept(), before - 1);
}

/// How many keys of this account Windows' Credential Manager holds; a run that was broken off left one.
fn keys_kept() -> usize {
    let entry = format!("{CREDENTIALS}\\Generic: annaexample@gmail.com ");
    let held = Windows::prepared().registry(CREDENTIALS);
    held.lines().filter(|line| line.starts_with(&entry)).count()
}
