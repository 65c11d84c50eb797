//! Killed amid a write, Gatepost leaves the old record or the new one, whole; and it goes on from there.
//!
//! Two ways: at each system call of the write, which strace(1) finds and kills at; and at moments all
//! over a rotation. `GATEPOST_KILLS=500` kills that often; a short form of the same always runs.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use gatepost::accounts::{Address, KeyFile, Listed, Record, Store};
use gatepost::secret::LocalPassword;

use crate::support::{
    bed::{ADDRESS, Bed},
    gatepost::{Home, PROMPT, Proxy},
    process,
    scene::{quoted, sign_in},
    tracing::{Call, Inject, Trace},
    wire::Wire,
    within,
};

const LIMIT: Duration = Duration::from_secs(300);
/// One kill, with a start before it and one after it, takes a fraction of a second.
const A_KILL: Duration = Duration::from_secs(5);
/// Kills at moments of all kinds, where nobody asks for more.
const FEW: usize = 12;
/// How long after the authorization server has answered a kill may come: the write is over by then.
const A_WRITE: Duration = Duration::from_millis(6);

/// A home whose account two slots open, at a server that rotates.
struct Victim {
    home: Arc<Home>,
    bed: Bed,
    password: String,
}

/// What a killed writer has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    Old,
    New,
    Nothing,
}

impl Victim {
    fn new() -> Self {
        let bed = Bed::new();
        bed.google.set_rotation(true);
        bed.google.forgive_rotation(true);
        // One thread serves, so that a system call has the same number each time.
        let one = vec![("TOKIO_WORKER_THREADS".to_owned(), "1".to_owned())];
        let secrets = "\n[secrets]\nkey_file = \"gatepost.key\"";
        let home = Home::in_session(&bed, "home", secrets, one);
        let key = "head -c 32 /dev/urandom > gatepost.key; chmod 600 gatepost.key";
        let mut shell = Command::new("sh");
        process::run_well(shell.args(["-c", key]).current_dir(home.folder()), b"", PROMPT);
        let password = sign_in(&home, ADDRESS, None);
        Self { home, bed, password }
    }

    fn accounts(&self) -> PathBuf {
        self.home.folder().join("accounts")
    }

    fn address() -> Address {
        Address::parse(ADDRESS).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.accounts().join(format!("{}.json", Self::address().canonical()))
    }

    fn trace(&self) -> Trace {
        Trace::into_file(self.home.said().join("strace"))
    }

    /// The refresh token, the same by each slot.
    fn token(&self, json: &[u8]) -> String {
        let record = Record::from_json(json).unwrap();
        let password = LocalPassword::new(self.password.clone());
        let key_file = KeyFile::read(&self.home.folder().join("gatepost.key")).unwrap();
        let keys = [
            record.unlock_with_password(&password).unwrap(),
            record.unlock_with_key_file(&key_file).unwrap(),
        ];
        let [one, two] = keys.map(|key| record.open(&key).unwrap().refresh_token);
        assert_eq!(one, two);
        one.expose().to_owned()
    }

    /// Has a client sign on, and doesn't wait for what comes of it.
    fn begin_sign_on(&self, proxy: &Proxy) -> Wire {
        let mut wire = Wire::imap(proxy.imap);
        wire.send(format!("a1 LOGIN {} {}\r\n", quoted(ADDRESS), quoted(&self.password)));
        wire
    }

    /// A sign-on right after the start gets a token, and rotates the refresh token for it.
    fn sign_on(&self, proxy: &Proxy) {
        let mut wire = self.begin_sign_on(proxy);
        let answer = wire.reply("a1").pop().unwrap();
        assert!(answer.starts_with("a1 OK"), "{answer}\n{}", proxy.log());
    }

    /// The record is the old one or a newer one, whole, and nothing else passes for an account.
    fn judge(&self, before: &[u8]) -> Left {
        let listed = Store::new(self.accounts()).list().unwrap();
        let sound = listed.iter().all(|listed| matches!(listed, Listed::Account(_)));
        assert!(sound && listed.len() == 1, "{listed:?}");
        let now = fs::read(self.file()).unwrap();
        let (old, new) = (self.token(before), self.token(&now));
        match now == before {
            true => Left::Old,
            false => {
                assert_ne!(old, new, "the same token under another seal");
                Left::New
            }
        }
    }

    /// Unfinished files.
    fn unfinished(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.accounts()).unwrap().map(|entry| entry.unwrap().path());
        let is_whole = |path: &PathBuf| *path == self.file() || path.ends_with(".lock");
        entries.filter(|path| !is_whole(path)).collect()
    }

    /// One rotation, killed at this call of it if one is named; the calls that were seen.
    fn rotation(&self, kill: Option<(&str, usize)>) -> (Vec<Call>, Left) {
        let before = fs::read(self.file()).unwrap();
        let proxy = self.home.run();
        let trace = self.trace();
        let when = kill.map(|(_, nth)| nth.to_string()).unwrap_or_default();
        let inject = kill.map(|(name, _)| Inject { name, what: "signal=KILL", when: &when });
        let strace = trace.attach(proxy.pid(), inject);
        if kill.is_some() {
            let wire = self.begin_sign_on(&proxy);
            // It ends by itself, killed: `wait_for_end` would hang otherwise.
            assert!(!proxy.wait_for_end().success());
            drop(wire);
        } else {
            self.sign_on(&proxy);
            drop(strace);
        }
        (trace.calls(), self.judge(&before))
    }

    /// It starts again, and its client signs on.
    fn goes_on(&self) {
        self.sign_on(&self.home.run());
    }
}

/// What a call does to which file.
fn stage(call: &Call, home: &Path) -> String {
    let folder = home.display().to_string();
    // `rename`, `renameat`, `renameat2`: whichever this machine's library takes.
    let (name, at) = match &call.name {
        name if name.starts_with("rename") => ("rename", " to its name"),
        name => (name.as_str(), ""),
    };
    let object = match &call.text {
        text if !text.contains(&folder) => "elsewhere",
        text if text.contains(".lock") => "the lock",
        text if text.contains(".tmp") => "the new file",
        text if text.contains("/accounts/") && text.contains(".json") => "the record",
        text if text.contains("gatepost.key") => "the key file",
        text if text.contains("/accounts") => "the folder",
        _ => "the home",
    };
    format!("{name} {object}{at}")
}

/// Kills counted by where they came, with what they left.
#[derive(Default)]
struct Tally(BTreeMap<(String, Left), usize>);

impl Tally {
    fn count(&mut self, stage: String, left: Left) {
        *self.0.entry((stage, left)).or_default() += 1;
    }

    fn kills(&self) -> usize {
        self.0.values().sum()
    }

    fn print(&self, title: &str) {
        println!("{title}: {} kills, 0 records lost", self.kills());
        for ((stage, left), kills) in &self.0 {
            println!("{kills:>5}  at {stage:<40} left {left:?}");
        }
    }

    fn has(&self, stage: &str, wanted: Left) -> bool {
        self.0.keys().any(|(at, left)| at == stage && *left == wanted)
    }
}

/// As many as were asked for.
fn wanted() -> usize {
    env::var("GATEPOST_KILLS").map_or(FEW, |kills| kills.parse().expect("a number"))
}

#[test]
fn a_rotation_that_is_killed_leaves_the_old_record_or_the_new_one() {
    let kills = wanted();
    within(LIMIT + A_KILL * kills as u32, move || {
        let victim = Victim::new();
        let mut tally = Tally::default();
        let accounts = victim.accounts();
        let (mut writes, left) = victim.rotation(None);
        assert_eq!(left, Left::New, "a sign-on after a start rotates");
        writes.retain(|call| call.text.contains(&accounts.display().to_string()));
        for Call { name, nth, .. } in &writes {
            let (seen, left) = victim.rotation(Some((name, *nth)));
            let last = seen.iter().rev().find(|call| call.name == *name).expect("the last one");
            tally.count(stage(last, victim.home.folder()), left);
            victim.goes_on();
        }
        tally.print("exactly, at the system calls of a rotation");
        for before in [
            "openat the new file",
            "write the new file",
            "fsync the new file",
            "rename the new file to its name",
        ] {
            assert!(tally.has(before, Left::Old), "no kill at: {before}");
        }
        for after in ["openat the folder", "fsync the folder"] {
            assert!(tally.has(after, Left::New), "no kill at: {after}");
        }

        let exact = tally.kills();
        let mut tally = Tally::default();
        let mut most = 0;
        for kill in 0..kills.saturating_sub(exact).max(FEW) {
            let before = fs::read(victim.file()).unwrap();
            let were = victim.unfinished().len();
            let proxy = victim.home.run();
            let refreshes = victim.bed.google.refreshes();
            let wire = victim.begin_sign_on(&proxy);
            // From its answer on, all over the write; and each fourth before that, all over the request.
            let (from, micros) = match kill % 4 {
                0 => ("the request", kill as u64 * 337 % 12_000),
                _ => {
                    let asked = || victim.bed.google.refreshes() > refreshes;
                    while !asked() {
                        thread::yield_now();
                    }
                    ("the answer", kill as u64 * 337 % A_WRITE.as_micros() as u64)
                }
            };
            thread::sleep(Duration::from_micros(micros));
            drop(proxy);
            drop(wire);
            let left = victim.judge(&before);
            let unfinished = victim.unfinished().len();
            let amid = if unfinished > were { ", amid the write" } else { "" };
            most = most.max(unfinished);
            tally.count(format!("a moment after {from}{amid}"), left);
            victim.goes_on();
        }
        tally.print("at moments of all kinds");
        println!(
            "{} in all; at most {most} unfinished files lay there at a time",
            exact + tally.kills()
        );

        // What they left goes with the first write of a later minute.
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        for left in victim.unfinished() {
            fs::File::options().write(true).open(left).unwrap().set_modified(long_ago).unwrap();
        }
        victim.goes_on();
        assert_eq!(victim.unfinished(), Vec::<PathBuf>::new());
    });
}

/// What nobody can help: the server has ended the old token, and the new one was in the memory of a
/// process that was killed. The account is whole, its person is told, and one sign-in cures it.
#[test]
fn where_the_old_token_ended_with_its_rotation_a_kill_before_the_write_asks_for_a_sign_in() {
    within(LIMIT, || {
        let victim = Victim::new();
        victim.bed.google.forgive_rotation(false);
        let home = victim.home.folder();
        let (seen, _) = victim.rotation(None);
        let write = seen.iter().find(|call| stage(call, home) == "write the new file");
        let Call { name, nth, .. } = write.expect("it writes");
        assert_eq!(victim.rotation(Some((name, *nth))).1, Left::Old);
        let proxy = victim.home.run();
        let told = victim.begin_sign_on(&proxy).lines_to_end().pop().unwrap();
        assert!(
            told.starts_with("* BYE ") && told.contains("Google has ended the grant"),
            "{told}"
        );
        assert_eq!(victim.home.status()["accounts"][0]["state"], "needs_sign_in");
        let event = victim.home.login(ADDRESS, &[], b"").signed_in();
        assert_eq!(event["password_unchanged"], true, "{event}");
        drop(proxy);
        victim.goes_on();
    });
}

/// Kills a command at each of its system calls in a folder of the home.
fn kill_a_command(
    victim: &Victim,
    title: &str,
    folder: &Path,
    mut prepare: impl FnMut(),
    command: impl Fn() -> bool,
    mut judge: impl FnMut(&Call) -> Left,
) {
    let run = |inject: Option<Inject<'_>>| {
        let trace = victim.trace();
        let words = trace.words(inject);
        victim.home.start_through(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let succeeded = command();
        victim.home.start_directly();
        (trace, succeeded)
    };
    prepare();
    let (trace, succeeded) = run(None);
    assert!(succeeded, "{title}");
    let mut tally = Tally::default();
    for Call { name, nth, text } in trace.calls_in(folder) {
        prepare();
        let when = nth.to_string();
        let (trace, succeeded) =
            run(Some(Inject { name: &name, what: "signal=KILL", when: &when }));
        assert!(!succeeded, "not killed at {text}");
        let seen = trace.calls();
        let last = seen.iter().rev().find(|call| call.name == name).expect("the last one");
        let left = judge(last);
        tally.count(stage(last, victim.home.folder()), left);
    }
    tally.print(title);
    assert!(tally.kills() >= 4, "{title}");
}

#[test]
fn a_command_that_is_killed_leaves_the_old_record_or_the_new_one() {
    within(LIMIT, || {
        let mut victim = Victim::new();
        let store = Store::new(victim.accounts());
        let load = || store.load(&Victim::address()).unwrap();

        // A new local password: the old one or the new one opens it, and the key file does.
        let before = fs::read(victim.file()).unwrap();
        let restore = || fs::write(victim.file(), &before).unwrap();
        let new = "chosen-by-the-test";
        kill_a_command(
            &victim,
            "password --new",
            &victim.accounts(),
            restore,
            || {
                let arguments = ["password", ADDRESS, "--new", "--password-stdin"];
                victim.home.gatepost(&arguments, format!("{new}\n").as_bytes()).status.success()
            },
            |_| {
                let record = load().unwrap();
                let key_file = KeyFile::read(&victim.home.folder().join("gatepost.key")).unwrap();
                let key = record.unlock_with_key_file(&key_file).unwrap();
                record.open(&key).unwrap();
                let opens = |password: &str| {
                    record.unlock_with_password(&LocalPassword::new(password)).is_ok()
                };
                let (old, new) = (opens(&victim.password), opens(new));
                assert!(old != new, "by the old one: {old}, by the new one: {new}");
                if old { Left::Old } else { Left::New }
            },
        );
        restore();

        // The first sign-in, which makes the key file too: no record, or a whole one that it opens; the
        // next sign-in works.
        let key_file = victim.home.folder().join("gatepost.key");
        kill_a_command(
            &victim,
            "login, for the first time",
            victim.home.folder(),
            || {
                drop(fs::remove_file(victim.file()));
                drop(fs::remove_file(&key_file));
            },
            || victim.home.login(ADDRESS, &[], b"").code == Some(0),
            |_| match load() {
                None => {
                    // The key file is made first: none, or a whole one.
                    assert!(!key_file.exists() || KeyFile::read(&key_file).is_ok());
                    Left::Nothing
                }
                Some(record) => {
                    let key_file = KeyFile::read(&key_file).unwrap();
                    let key = record.unlock_with_key_file(&key_file).unwrap();
                    record.open(&key).unwrap();
                    Left::New
                }
            },
        );
        drop(fs::remove_file(victim.file()));
        victim.password = sign_in(&victim.home, ADDRESS, None);

        // A sign-in again writes as a rotation does; a longer run kills it too.
        let before = fs::read(victim.file()).unwrap();
        if wanted() > FEW {
            kill_a_command(
                &victim,
                "login, again",
                &victim.accounts(),
                || fs::write(victim.file(), &before).unwrap(),
                || victim.home.login(ADDRESS, &[], b"").code == Some(0),
                |_| victim.judge(&before),
            );
        }
        victim.home.login(ADDRESS, &[], b"").signed_in();
        victim.goes_on();

        // Forgetting: it is there, or it is gone, and it can be forgotten then.
        let before = fs::read(victim.file()).unwrap();
        kill_a_command(
            &victim,
            "logout",
            &victim.accounts(),
            || fs::write(victim.file(), &before).unwrap(),
            || victim.home.gatepost(&["logout", ADDRESS], b"").status.success(),
            |_| match load() {
                None => Left::Nothing,
                Some(_) => victim.judge(&before),
            },
        );
        let password = sign_in(&victim.home, ADDRESS, None);
        victim.password = password;
        victim.goes_on();
    });
}

/// Two processes write one record, neither with regard to the other's part of it.
#[test]
fn a_new_password_amid_rotations_loses_neither() {
    const ROUNDS: usize = 6;
    within(LIMIT, || {
        let victim = Victim::new();
        // What is lost now is lost for good.
        victim.bed.google.forgive_rotation(false);
        let proxy = victim.home.run();
        let line = format!("{}\n", victim.password);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let arguments = ["password", ADDRESS, "--new", "--password-stdin"];
                    let output = victim.home.gatepost(&arguments, line.as_bytes());
                    assert!(output.status.success(), "{}", process::said(&output));
                }
            });
            for _ in 0..ROUNDS {
                victim.bed.google.expire_access_tokens();
                victim.sign_on(&proxy);
            }
        });
        let before = fs::read(victim.file()).unwrap();
        assert!(Record::from_json(&before).unwrap().password_is_slow(), "the last one was chosen");
        assert_eq!(victim.judge(&before), Left::Old);
        assert!(proxy.stop().success());
        victim.goes_on();
    });
}
