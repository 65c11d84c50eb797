//! The start at log-in, by a real systemd of a person's own; and the units, as systemd judges them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use gatepost::accounts::{
    Address, Grant, GrantFacts, KeyFile, NewPassword, Record, Store, StoreError,
};
use gatepost::secret::RefreshToken;
use serde_json::Value;

use super::support::{
    process::{self, said},
    user_manager::{UserManager, give},
    within,
};

const LIMIT: Duration = Duration::from_secs(240);
const SOON: Duration = Duration::from_secs(30);

const UNIT: &str = "gatepost.service";
const CONFIG: &str =
    "[listen]\nimap = \"127.0.0.1:0\"\nsmtp = \"\"\nstatus = \"\"\n[secrets]\nkeychain = \"off\"\n";

/// What a path may have in it that means something in a unit.
const ODD_PROGRAM: &str = "bin 100%h $HOME ${HOME} {a} é;#";
const ODD_HOME: &str = r#"its "home" %h $PATH ${PATH} \x41 'it'"#;

struct Person {
    manager: UserManager,
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Person {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(ODD_PROGRAM).join("gatepost");
        fs::create_dir(program.parent().unwrap()).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_gatepost"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        for home in [ODD_HOME, "other"] {
            fs::create_dir(folder.path().join(home)).unwrap();
            fs::write(folder.path().join(home).join("config.toml"), CONFIG).unwrap();
        }
        let manager = UserManager::start(folder.path());
        Self { manager, program, folder }
    }

    fn home(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn gatepost(&self, home: &str, arguments: &[&str]) -> Output {
        self.manager.run(&self.program, &[&["--home", &self.home(home)], arguments].concat())
    }

    /// It must succeed; gives what is said.
    fn does(&self, home: &str, arguments: &[&str]) -> String {
        let output = self.gatepost(home, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stderr).unwrap()
    }

    fn state(&self) -> Value {
        serde_json::from_slice(&self.gatepost("other", &["service", "--json"]).stdout).unwrap()
    }

    fn own_unit(&self) -> PathBuf {
        self.folder.path().join("home/.config/systemd/user").join(UNIT)
    }

    fn process(&self) -> String {
        self.manager.shows(UNIT, "MainPID")
    }

    /// Waits until the unit's property is this.
    fn becomes(&self, property: &str, value: &str) {
        let is_so = || self.manager.shows(UNIT, property) == value;
        assert!(process::until(SOON, is_so), "{property}");
    }

    fn kill(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.process()]).status().unwrap();
        assert!(killed.success());
    }
}

#[test]
fn it_is_installed_serves_and_goes_again() {
    within(LIMIT, || {
        let person = Person::new();
        let none = person.gatepost(ODD_HOME, &["service"]);
        assert_eq!(none.status.code(), Some(1), "{}", said(&none));
        assert_eq!(person.state()["installed"], false);

        let told = person.does(ODD_HOME, &["service", "install"]);
        assert!(told.contains("serves now") && told.contains("`loginctl enable-linger`"), "{told}");
        assert!(told.contains("`journalctl --user -u gatepost`"), "{told}");
        let state = person.state();
        for key in ["installed", "enabled", "running"] {
            assert_eq!(state[key], true, "{key}: {state}");
        }
        assert_eq!(state["program"], person.program.to_str().unwrap());
        assert_eq!(state["home"], person.home(ODD_HOME));
        assert_eq!(state["place"], person.own_unit().to_str().unwrap());
        person.does(ODD_HOME, &["status"]);
        let line = person.manager.shows(UNIT, "StatusText");
        assert_eq!(line, "0 accounts; 0 IMAP and 0 SMTP sessions");

        // Once more changes nothing: whoever is connected stays so.
        let process = person.process();
        person.does(ODD_HOME, &["service", "install"]);
        assert_eq!(person.process(), process);

        // A reload by systemd tells whether it was one.
        let config = Path::new(&person.home(ODD_HOME)).join("config.toml");
        let reload = || person.manager.systemctl(&["reload", UNIT]).status.success();
        assert!(reload());
        fs::write(&config, "lissen = 1").unwrap();
        assert!(!reload());
        person.becomes("ActiveState", "active");
        assert_eq!(person.process(), process);
        fs::write(&config, CONFIG).unwrap();

        // Ended by the person, it stays so; by accident, it comes again.
        person.does(ODD_HOME, &["stop"]);
        person.becomes("ActiveState", "inactive");
        person.does(ODD_HOME, &["service", "install"]);
        person.kill("-KILL");
        person.becomes("NRestarts", "1");
        person.becomes("ActiveState", "active");

        let told = person.does("other", &["service", "install"]);
        assert!(told.contains("Before, this was started: "), "{told}");
        assert_eq!(person.state()["home"], person.home("other"));
        person.does("other", &["status"]);
        assert_eq!(person.gatepost(ODD_HOME, &["status"]).status.code(), Some(1));

        let told = person.does("other", &["service", "uninstall"]);
        assert!(told.contains("has stopped"), "{told}");
        assert!(!person.own_unit().exists());
        assert_eq!(person.gatepost("other", &["status"]).status.code(), Some(1));
        assert_eq!(person.manager.shows(UNIT, "LoadState"), "not-found");
        let wants = person.own_unit().with_file_name("default.target.wants");
        assert!(!wants.join(UNIT).is_symlink());
        assert!(person.does("other", &["service", "uninstall"]).contains("nothing was to be done"));
    });
}

#[test]
fn one_that_is_stuck_is_ended_and_started_again() {
    within(LIMIT, || {
        let person = Person::new();
        let more = person.own_unit().with_file_name("gatepost.service.d");
        fs::create_dir(&more).unwrap();
        fs::write(more.join("short.conf"), "[Service]\nWatchdogSec=3\nRestartSec=0\n").unwrap();
        give(&more);
        person.does(ODD_HOME, &["service", "install"]);
        let first = person.process();
        // More than twice as long as the watchdog waits.
        std::thread::sleep(Duration::from_secs(7));
        assert_eq!(person.process(), first);
        person.kill("-STOP");
        let is_another = || !["0", &first].contains(&person.process().as_str());
        assert!(process::until(SOON, is_another));
        person.becomes("ActiveState", "active");
        assert_ne!(person.manager.shows(UNIT, "NRestarts"), "0");
    });
}

#[test]
fn what_stands_in_the_way_is_told_and_leaves_nothing_half_done() {
    within(LIMIT, || {
        let person = Person::new();
        // One that somebody started goes on.
        person.does("other", &["run", "--background"]);
        let told = person.does("other", &["service", "install"]);
        assert!(told.contains("the one that runs already (process "), "{told}");
        assert_eq!(person.manager.shows(UNIT, "ActiveState"), "inactive");
        assert_eq!(person.state()["enabled"], true);
        person.does("other", &["service", "uninstall"]);
        person.does("other", &["stop"]);

        let config = Path::new(&person.home("other")).join("config.toml");
        fs::write(&config, "lissen = 1").unwrap();
        let refused = person.gatepost("other", &["service", "install"]);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(!person.own_unit().exists());

        // A port that is taken: set up, and said that it doesn't serve.
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        fs::write(&config, CONFIG.replace(":0", &format!(":{port}"))).unwrap();
        let refused = person.gatepost("other", &["service", "install"]);
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert!(said(&refused).contains("does not serve now"), "{}", said(&refused));
        person.does("other", &["service", "uninstall"]);
        assert_eq!(person.manager.shows(UNIT, "ActiveState"), "inactive");
    });
}

#[test]
fn the_unit_of_a_package_is_used_as_it_is() {
    within(LIMIT, || {
        let person = Person::new();
        let program = person.folder.path().join("gatepost");
        fs::copy(&person.program, &program).unwrap();
        give(&program);
        let config = person.folder.path().join("home/.config/gatepost");
        fs::create_dir(&config).unwrap();
        fs::write(config.join("config.toml"), CONFIG).unwrap();
        give(&config);
        let packaged = person.manager.path("/etc/systemd/user").join(UNIT);
        let unit = include_str!("../../config/systemd/user/gatepost.service");
        let path = program.to_str().unwrap();
        fs::write(&packaged, unit.replace("/usr/bin/gatepost", path)).unwrap();
        fs::set_permissions(&packaged, fs::Permissions::from_mode(0o644)).unwrap();

        let service = |action: &str| {
            let output = person.manager.run(&program, &["service", action]);
            assert!(output.status.success(), "{}", said(&output));
        };
        person.manager.systemctl(&["daemon-reload"]);
        let before = person.manager.run(&program, &["service", "status"]);
        assert_eq!(before.status.code(), Some(1), "it is there, and starts nothing");
        service("install");
        assert!(!person.own_unit().exists());
        let place = person.manager.shows(UNIT, "FragmentPath");
        assert!(place.starts_with("/etc/"), "{place}");
        assert_eq!(person.manager.shows(UNIT, "ActiveState"), "active");
        assert_eq!(person.manager.shows(UNIT, "UnitFileState"), "enabled");
        service("uninstall");
        assert_eq!(person.manager.shows(UNIT, "ActiveState"), "inactive");
        assert_eq!(person.manager.shows(UNIT, "UnitFileState"), "disabled");
        assert!(packaged.exists());
    });
}

/// As the unit for a server has it: what systemd hands over opens the accounts at the start.
#[test]
fn a_credential_opens_the_accounts() {
    within(LIMIT, || {
        let person = Person::new();
        let key = person.folder.path().join("key");
        let key_file = KeyFile::create(&key).unwrap();
        keep_account(&person.folder.path().join("other"), &key_file);
        let more = person.own_unit().with_file_name("gatepost.service.d");
        fs::create_dir(&more).unwrap();
        let credential = format!("[Service]\nLoadCredential=gatepost.key:{}\n", key.display());
        fs::write(more.join("key.conf"), credential).unwrap();
        for path in [&key, &more, &person.folder.path().join("other")] {
            give(path);
        }

        let state = || {
            let status = person.gatepost("other", &["status", "--json"]);
            let status: Value = serde_json::from_slice(&status.stdout).unwrap();
            status["accounts"][0]["state"].clone()
        };
        person.does("other", &["service", "install"]);
        assert_ne!(state(), "locked");
        fs::remove_file(more.join("key.conf")).unwrap();
        person.manager.systemctl(&["daemon-reload"]);
        person.manager.systemctl(&["restart", UNIT]);
        assert_eq!(state(), "locked");
    });
}

/// What the unit for a server forbids by filters; its namespaces are not a person's to make.
#[test]
fn it_serves_under_the_filters_of_the_servers_unit() {
    /// For the machine's own systemd alone.
    const OF_THE_MACHINE: [&str; 10] = [
        "After=",
        "Ambient",
        "Capability",
        "LoadCredential",
        "Private",
        "ProcSubset",
        "Protect",
        "StateDirectory",
        "User=",
        "Wants=",
    ];
    within(LIMIT, || {
        let person = Person::new();
        // Without the odd characters, which are another test's.
        let program = person.folder.path().join("gatepost");
        fs::copy(&person.program, &program).unwrap();
        give(&program);
        let unit = include_str!("../../config/systemd/system/gatepost.service");
        let is_left = |line: &&str| !OF_THE_MACHINE.iter().any(|key| line.starts_with(key));
        let unit: String = unit.lines().filter(is_left).flat_map(|line| [line, "\n"]).collect();
        assert!(unit.contains("\nSystemCallFilter=~@privileged @resources\n"));
        let unit = unit.replace("/usr/bin/gatepost", program.to_str().unwrap());
        fs::write(person.own_unit(), unit.replace("/var/lib/gatepost", &person.home("other")))
            .unwrap();
        give(&person.own_unit());
        person.manager.systemctl(&["daemon-reload"]);
        let does = |verb: &str| person.manager.systemctl(&[verb, UNIT]).status.success();
        assert!(does("start"));
        person.does("other", &["status"]);
        let about = fs::read_to_string(format!("/proc/{}/status", person.process())).unwrap();
        assert!(about.contains("Seccomp:\t2\n") && about.contains("NoNewPrivs:\t1\n"), "{about}");
        assert!(does("reload") && does("stop"));
        assert_eq!(person.manager.shows(UNIT, "Result"), "success");
    });
}

/// An account that the key file opens.
fn keep_account(home: &Path, key_file: &KeyFile) {
    let address = Address::parse("you@gmail.com").unwrap();
    let facts =
        GrantFacts { sign_in_name: "you@gmail.com".to_owned(), granted: 1, grant_expires: None };
    let grant = Grant { refresh_token: RefreshToken::new("1//token") };
    let password = NewPassword::generate().unwrap();
    let record =
        Record::create(&address, "gmail", facts, &grant, &password, Some(key_file)).unwrap();
    let store = Store::new(home.join("accounts"));
    store.update(&address, |_| Ok::<_, StoreError>(Some(record))).unwrap();
}

/// `systemd-analyze` without anything that runs.
#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_the_servers_hard_to_break_out_of() {
    let folder = tempfile::tempdir().unwrap();
    let systemd = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/systemd");
    let analyze = |arguments: &[&str], unit: &Path| {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).arg(unit).env("XDG_RUNTIME_DIR", folder.path());
        process::run(&mut command, b"", SOON)
    };
    for kind in ["system", "user"] {
        // With a program that is there.
        let unit = fs::read_to_string(systemd.join(kind).join(UNIT)).unwrap();
        let unit = unit.replace("/usr/bin/gatepost", env!("CARGO_BIN_EXE_gatepost"));
        let path = folder.path().join(UNIT);
        fs::write(&path, unit).unwrap();
        let judged = analyze(&[&format!("--{kind}"), "verify", "--man=no"], &path);
        assert!(judged.status.success(), "{kind}: {}", said(&judged));
        let about_ours = said(&judged).matches(UNIT).count();
        assert_eq!(about_ours, 0, "{kind}: {}", said(&judged));
    }
    // Tenths: an exposure of 2.0 is the most.
    let unit = systemd.join("system").join(UNIT);
    let judged = analyze(&["security", "--offline=true", "--threshold=20"], &unit);
    assert!(judged.status.success(), "{}", said(&judged));
}
