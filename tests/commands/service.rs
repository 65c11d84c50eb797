//! `service` where systemd isn't there, or says no: a `systemctl` that answers as it is told, and writes
//! down what it was asked. What a real one does is in `tests/real/service.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::gatepost;

const UNIT: &str = "config/systemd/user/gatepost.service";

/// A systemd that does everything: its answers by what is asked.
const WILLING: &str = "\
case $* in
    *FragmentPath*) printf 'UnitFileState=\\nActiveState=inactive\\nFragmentPath=\\n' ;;
    *LoadState*) echo LoadState=loaded ;;
esac";

struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// `systemctl` does what `script` says; without one, there is no such program.
    fn new(script: Option<&str>) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(machine.path("bin")).unwrap();
        if let Some(script) = script {
            let program = machine.path("bin/systemctl");
            let asked = machine.path("asked").display().to_string();
            fs::write(&program, format!("#!/bin/sh\necho \"$*\" >> '{asked}'\n{script}\n"))
                .unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn service(&self, action: &str) -> Output {
        let mut command = gatepost(&self.path("home"));
        command.env("PATH", self.path("bin")).env("XDG_CONFIG_HOME", self.path("config"));
        command.env("HOME", self.folder.path()).args(["service", action]).output().unwrap()
    }

    /// What it says, without this machine's own paths.
    fn told(&self, action: &str) -> String {
        let output = self.service(action);
        let said = String::from_utf8(output.stderr).unwrap();
        let said = said.replace(&self.folder.path().display().to_string(), "HOME");
        format!("$ gatepost service {action}\n{said}[exit {}]\n\n", output.status.code().unwrap())
    }

    fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.path("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn without_a_systemd_that_answers_one_thing_is_said_and_nothing_written() {
    let not_booted = "\
echo 'System has not been booted with systemd as init system (PID 1). Can'\\''t operate.' >&2
echo 'Failed to connect to bus: Host is down' >&2
exit 1";
    let nobody = "echo 'Failed to connect to bus: No medium found' >&2; exit 1";
    let all: String = [None, Some(not_booted), Some(nobody)]
        .into_iter()
        .flat_map(|script| {
            let machine = Machine::new(script);
            let told = ["install", "uninstall", "status"].map(|action| machine.told(action));
            assert!(is_empty(&machine.path("config")));
            told
        })
        .collect();
    insta::assert_snapshot!(all);
}

#[test]
fn what_systemd_refuses_is_taken_back() {
    for refused in ["enable", "daemon-reload", "LoadState"] {
        let said = match refused {
            // As for a unit that systemd can't read, or doesn't find because it looks elsewhere.
            "LoadState" => "echo LoadState=not-found; exit 0",
            _ => "echo 'Failed: Access denied' >&2; exit 1",
        };
        let script = format!("case $* in *{refused}*) {said} ;; esac\n{WILLING}");
        let machine = Machine::new(Some(&script));
        let unit = machine.path("config/systemd/user/gatepost.service");
        let told = machine.told("install");
        assert!(told.contains("systemd did not do it (") && told.contains("[exit 1]"), "{told}");
        assert!(!unit.exists(), "{refused}");
        // What a person has written there is theirs again.
        fs::create_dir_all(unit.parent().unwrap()).unwrap();
        fs::write(&unit, "[Service]\nExecStart=/bin/true\n").unwrap();
        machine.service("install");
        assert_eq!(fs::read_to_string(&unit).unwrap(), "[Service]\nExecStart=/bin/true\n");
        assert!(is_empty_but(unit.parent().unwrap(), "gatepost.service"));
        assert!(!machine.asked().iter().any(|asked| asked.contains("start")), "{refused}");
    }
}

fn is_empty_but(folder: &Path, name: &str) -> bool {
    fs::read_dir(folder).unwrap().all(|entry| entry.unwrap().file_name() == name)
}

#[test]
fn the_unit_is_the_one_that_packages_ship() {
    let machine = Machine::new(Some(WILLING));
    assert!(machine.service("install").status.success());
    let unit = fs::read_to_string(machine.path("config/systemd/user/gatepost.service")).unwrap();
    let home = machine.path("home").display().to_string();
    let program = env!("CARGO_BIN_EXE_gatepost");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(UNIT);
    let mut expected = fs::read_to_string(shipped).unwrap();
    for verb in ["run", "reload"] {
        let ours = format!(":{program} {verb} --home {home}\n");
        expected = expected.replace(&format!("/usr/bin/gatepost {verb}\n"), &ours);
    }
    assert_eq!(unit, expected);
    let asked = machine.asked();
    let did: Vec<_> = asked.iter().filter(|asked| !asked.contains(" show ")).collect();
    let unit = "gatepost.service";
    let did_so = [
        "--user daemon-reload".to_owned(),
        format!("--user --quiet enable {unit}"),
        format!("--user restart {unit}"),
    ];
    assert_eq!(did, did_so.iter().collect::<Vec<_>>());
    // With the same unit, nobody who is connected is to notice.
    assert!(machine.service("install").status.success());
    assert_eq!(machine.asked().last().unwrap(), &format!("--user start {unit}"));
}

#[test]
fn a_path_that_no_unit_can_hold_is_named() {
    let machine = Machine::new(Some(WILLING));
    let mut command = gatepost(&machine.path("line\nbreak"));
    command.env("PATH", machine.path("bin")).env("HOME", machine.folder.path());
    let output = command.args(["service", "install"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("line?break has characters"), "{said}");
    assert!(is_empty(&machine.path(".config")));
}

#[test]
fn the_service_of_the_computer_is_the_packages_matter() {
    let machine = Machine::new(Some(WILLING));
    for action in ["install", "uninstall", "status"] {
        let mut command = gatepost(&machine.path("home"));
        command.env("PATH", machine.path("bin")).env("HOME", machine.folder.path());
        let output = command.args(["service", action, "--system"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("`sudo systemctl enable --now gatepost`"), "{said}");
    }
    assert!(machine.asked().is_empty());
    assert!(is_empty(&machine.path(".config")));
}
