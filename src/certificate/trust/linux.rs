//! The system's list, which most programs use, and the databases of NSS that Thunderbird's profiles
//! have to themselves.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::TrustError;
use crate::certificate::local::LocalCertificate;

pub(super) struct Store {
    name: String,
    kind: Kind,
}

enum Kind {
    System(System),
    /// The folder of a database.
    Nss(PathBuf),
}

/// A distribution's place for authorities of the administrator's, and the command that takes them up.
#[derive(Clone, Copy)]
struct System {
    folder: &'static str,
    command: &'static [&'static str],
}

const SYSTEMS: [System; 4] = [
    // Debian, Ubuntu, Alpine.
    System {
        folder: "/usr/local/share/ca-certificates",
        command: &["/usr/sbin/update-ca-certificates"],
    },
    // Fedora, RHEL.
    System {
        folder: "/etc/pki/ca-trust/source/anchors",
        command: &["/usr/bin/update-ca-trust", "extract"],
    },
    // openSUSE.
    System { folder: "/etc/pki/trust/anchors", command: &["/usr/sbin/update-ca-certificates"] },
    // Arch.
    System {
        folder: "/etc/ca-certificates/trust-source/anchors",
        command: &["/usr/bin/update-ca-trust", "extract"],
    },
];

/// Where Thunderbird keeps its profiles: installed by the system, by Snap, by Flatpak.
const THUNDERBIRD: [&str; 3] = [
    ".thunderbird",
    "snap/thunderbird/common/.thunderbird",
    ".var/app/org.mozilla.Thunderbird/.thunderbird",
];
/// NSS's databases since 2012.
const DATABASE: &str = "cert9.db";

pub(super) fn stores() -> Vec<Store> {
    let system = SYSTEMS.into_iter().find(|system| Path::new(system.folder).is_dir());
    let system = system.unwrap_or(SYSTEMS[0]);
    let name = "the system's list of authorities".to_owned();
    let mut stores = vec![Store { name, kind: Kind::System(system) }];
    let Some(places) = directories::BaseDirs::new() else { return stores };
    for folder in THUNDERBIRD {
        let profiles = fs::read_dir(places.home_dir().join(folder)).into_iter().flatten();
        let mut profiles: Vec<_> = profiles.flatten().map(|profile| profile.path()).collect();
        profiles.sort();
        for path in profiles.into_iter().filter(|path| path.join(DATABASE).is_file()) {
            let profile = path.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("Thunderbird's profile {profile}");
            stores.push(Store { name, kind: Kind::Nss(path) });
        }
    }
    stores
}

impl Store {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn question(&self) -> Option<&'static str> {
        match self.kind {
            Kind::System(_) if may_ask() => {
                Some("sudo asks for your password, to change the system's list.")
            }
            _ => None,
        }
    }

    pub(super) fn has(&self, certificate: &LocalCertificate) -> bool {
        match &self.kind {
            Kind::System(_) => certificate.is_accepted_here(),
            Kind::Nss(folder) => {
                let shown = certutil(folder, &["-L", "-a"], certificate, None);
                shown.is_ok_and(|pem| same_pem(&pem, certificate.authority_pem()))
            }
        }
    }

    pub(super) fn add(
        &self,
        certificate: &LocalCertificate,
        from: &Path,
    ) -> Result<(), TrustError> {
        match &self.kind {
            Kind::System(system) => system.add(certificate, from),
            // An authority for servers, and for nothing else.
            Kind::Nss(folder) => {
                let pem = Some(certificate.authority_pem());
                certutil(folder, &["-A", "-a", "-t", "C,,"], certificate, pem).map(drop)
            }
        }
    }

    pub(super) fn remove(&self, certificate: &LocalCertificate) -> Result<(), TrustError> {
        match &self.kind {
            Kind::System(system) => system.remove(certificate),
            Kind::Nss(folder) => certutil(folder, &["-D"], certificate, None).map(drop),
        }
    }
}

impl System {
    fn add(self, certificate: &LocalCertificate, from: &Path) -> Result<(), TrustError> {
        let file = self.file(certificate);
        let by_hand = format!(
            "Run: sudo install -m 644 '{}' {} && sudo {}",
            from.display(),
            file.display(),
            self.command.join(" ")
        );
        let failed = |reason| TrustError { reason, remedy: by_hand.clone() };
        let path = file.to_string_lossy();
        as_root(&["tee", &path], certificate.authority_pem()).map_err(failed)?;
        as_root(self.command, "").map_err(failed)
    }

    fn remove(self, certificate: &LocalCertificate) -> Result<(), TrustError> {
        let file = self.file(certificate);
        let by_hand = format!("Run: sudo rm {} && sudo {}", file.display(), self.command.join(" "));
        let failed = |reason| TrustError { reason, remedy: by_hand.clone() };
        let path = file.to_string_lossy();
        as_root(&["rm", "-f", &path], "").map_err(failed)?;
        as_root(self.command, "").map_err(failed)
    }

    /// One for each certificate: another person of this machine has another.
    fn file(self, certificate: &LocalCertificate) -> PathBuf {
        let mark: String =
            certificate.fingerprint().chars().filter(|c| *c != ':').take(16).collect();
        Path::new(self.folder).join(format!("gatepost-{}.crt", mark.to_lowercase()))
    }
}

/// Whether sudo can ask for a password.
fn may_ask() -> bool {
    !is_root() && std::io::stdin().is_terminal()
}

fn is_root() -> bool {
    // The owner of what this process is made of; the standard library has no other word for it.
    fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0)
}

/// Runs a command as root: by sudo, if this process isn't.
fn as_root(command: &[&str], input: &str) -> Result<(), String> {
    let sudo: &[&str] = match is_root() {
        true => &[],
        false if may_ask() => &["sudo"],
        false => return Err("it can be changed by root only".to_owned()),
    };
    let words: Vec<&str> = sudo.iter().chain(command).copied().collect();
    run(&words, input).map(drop)
}

/// Asks a database of NSS about the certificate.
fn certutil(
    folder: &Path,
    arguments: &[&str],
    certificate: &LocalCertificate,
    input: Option<&str>,
) -> Result<String, TrustError> {
    let database = format!("sql:{}", folder.display());
    let name = certificate.authority_name();
    let mut words = vec!["certutil"];
    words.extend(arguments);
    words.extend(["-d", &database, "-n", &name]);
    // Without a file it reads the standard input.
    run(&words, input.unwrap_or_default()).map_err(|reason| TrustError {
        reason,
        remedy: "Close the program that uses it and install certutil (on Debian: apt install libnss3-tools), then try again.".to_owned(),
    })
}

/// What a command says, or why it failed.
fn run(words: &[&str], input: &str) -> Result<String, String> {
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let begun = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = begun.map_err(|error| format!("{program}: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that doesn't read it says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| format!("{program}: {error}"))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(said(&output.stdout)),
        false => {
            let words = said(&output.stderr);
            let last = words.lines().last().unwrap_or("it failed without a word").to_owned();
            Err(format!("{program}: {last}"))
        }
    }
}

/// The same text but for its line ends.
fn same_pem(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}
