//! One world: how it is made and looked at.

use std::{
    any::Any,
    fs,
    os::unix::fs::PermissionsExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    bed::{ADDRESS, Bed},
    gatepost::{Home, Proxy, configuration},
    leaks::{self, Secret},
    machine::{self, Machine, NotHere},
    middle::Middle,
    process::{self, said},
    scene::sign_in,
    within,
};

const LIMIT: Duration = Duration::from_secs(240);
/// Whoever waits longer for a check ends it.
const PATIENCE: Duration = Duration::from_secs(32);
/// Worlds at a time: some wait more than they work.
const AT_ONCE: usize = 4;

/// One world, and what must be said of it.
pub(super) struct Row {
    name: &'static str,
    arrange: fn(&mut World),
    wrong: &'static [(&'static str, &'static str)],
    exit: i32,
    noted: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
    health: Option<&'static str>,
    alone: bool,
    after: fn(&mut World),
}

/// A world in which these checks fail with these codes.
pub(super) fn row(
    name: &'static str,
    wrong: &'static [(&'static str, &'static str)],
    exit: i32,
    arrange: fn(&mut World),
) -> Row {
    Row {
        name,
        arrange,
        wrong,
        exit,
        noted: &[],
        says: &[],
        health: None,
        alone: false,
        after: |_| (),
    }
}

impl Row {
    /// What is told besides.
    pub(super) fn noting(self, noted: &'static [(&'static str, &'static str)]) -> Self {
        Self { noted, ..self }
    }

    /// Words of what is told, sentences and remedies.
    pub(super) fn saying(self, says: &'static [&'static str]) -> Self {
        Self { says, ..self }
    }

    /// What `/healthz?deep` calls it, for a monitoring program.
    pub(super) fn in_health(self, state: &'static str) -> Self {
        Self { health: Some(state), ..self }
    }

    /// With servers of its own, since they are changed.
    pub(super) fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    /// What must hold when it was looked at.
    pub(super) fn then(self, after: fn(&mut World)) -> Self {
        Self { after, ..self }
    }
}

/// A person's Gatepost among the bed's servers, signed in. `run` runs unless the row says otherwise; its
/// account is locked until the check opens it.
pub(super) struct World {
    pub(super) bed: Arc<Bed>,
    /// Tells it from the others.
    pub(super) number: usize,
    pub(super) home: Arc<Home>,
    pub(super) password: String,
    /// More on the command line.
    pub(super) arguments: Vec<String>,
    pub(super) stdin: String,
    /// `gatepost run` is to run.
    pub(super) runs: bool,
    pub(super) proxy: Option<Proxy>,
    machine: Option<Machine>,
    /// What lives as long as the world.
    pub(super) keeps: Vec<Box<dyn Any>>,
    /// Where reports are written, and what else everybody may see.
    pub(super) open: PathBuf,
}

/// Plays worlds, some at a time.
pub(super) fn play(rows: Vec<Row>) {
    let only = std::env::var("GATEPOST_WORLD").unwrap_or_default();
    let rows: Vec<_> = rows.into_iter().filter(|row| row.name.contains(&only)).collect();
    let test = machine::this_test();
    within(LIMIT, move || {
        let shared = Arc::new(Bed::with_smtp());
        let left = Mutex::new(rows.into_iter().enumerate());
        let wrong = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let next = left.lock().expect("no panic while held").next();
                        let Some((number, row)) = next else { return };
                        let bed = match row.alone {
                            true => Arc::new(Bed::with_smtp()),
                            false => Arc::clone(&shared),
                        };
                        let looked =
                            catch_unwind(AssertUnwindSafe(|| World::new(bed, number).look(&row)));
                        let looked = looked.unwrap_or_else(|panic| without(&test, &row, &*panic));
                        wrong.lock().expect("no panic while held").extend(looked.err());
                    }
                });
            }
        });
        let wrong = wrong.into_inner().expect("no panic while held");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// A world that came to no end.
fn without(test: &str, row: &Row, panic: &(dyn Any + Send)) -> Result<(), String> {
    if panic.is::<NotHere>() {
        machine::left_out(test, row.name);
        return Ok(());
    }
    Err(format!("# {}: see the panic", row.name))
}

impl World {
    fn new(bed: Arc<Bed>, number: usize) -> Self {
        let home = Home::new(&bed, &format!("xanadu-{number}/home"), "");
        let password = sign_in(&home, ADDRESS, None);
        let open = bed.scratch(&format!("open-{number}"));
        for folder in [open.as_path(), home.folder()] {
            let mode = if *folder == open { 0o777 } else { 0o700 };
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).expect("ours");
        }
        Self {
            stdin: format!("{password}\n"),
            bed,
            number,
            home,
            password,
            arguments: vec!["--password-stdin".to_owned()],
            runs: true,
            proxy: None,
            machine: None,
            keeps: Vec::new(),
            open,
        }
    }

    /// Its own servers.
    pub(super) fn bed_alone(&mut self) -> &mut Bed {
        Arc::get_mut(&mut self.bed).expect("a row that is alone")
    }

    pub(super) fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// The record of the account.
    pub(super) fn record(&self) -> PathBuf {
        let accounts = fs::read_dir(self.folder().join("accounts")).expect("signed in");
        let mut records = accounts.map(|entry| entry.expect("an entry").path());
        records.find(|path| path.extension().is_some_and(|kind| kind == "json")).expect("one")
    }

    /// Writes `config.toml` anew, with more in `[provider.gmail]`.
    pub(super) fn configure(&self, provider: &str) {
        self.home.configure(&configuration(&self.bed, provider));
    }

    /// Replaces a part of `config.toml`.
    pub(super) fn reconfigure(&self, from: &str, to: &str) {
        let file = self.folder().join("config.toml");
        let text = fs::read_to_string(file).expect("configured");
        assert!(text.contains(from), "{from} is not in\n{text}");
        self.home.configure(&text.replacen(from, to, 1));
    }

    /// Starts `gatepost run`.
    pub(super) fn start(&mut self) {
        self.proxy = Some(self.home.run());
    }

    /// What it was put onto.
    pub(super) fn machine(&self) -> &Machine {
        self.machine.as_ref().expect("entered")
    }

    /// To `gatepost run`.
    pub(super) fn signal(&self, signal: &str) {
        let pid = self.proxy.as_ref().expect("it runs").pid().to_string();
        process::run_well(Command::new("kill").args([signal, &pid]), b"", PATIENCE);
    }

    /// Puts it onto a machine with mounts of its own.
    pub(super) fn enter(&mut self, machine: Machine) -> &Machine {
        let through = machine.through();
        let words: Vec<_> = through.iter().map(String::as_str).collect();
        self.home.start_through(&words);
        self.machine.insert(machine)
    }

    /// Puts it onto a machine with a network of its own, and who can stand on that network.
    pub(super) fn enter_network(&mut self) -> Middle {
        let machine = Machine::with_network();
        let middle = Middle::at(machine.outside());
        self.enter(machine);
        middle
    }

    fn look(mut self, row: &Row) -> Result<(), String> {
        let begun = Instant::now();
        (row.arrange)(&mut self);
        if self.runs && self.proxy.is_none() {
            self.start();
        }
        let report = self.open.join("report.txt");
        let mut arguments = vec!["check", "--json", "--report", report.to_str().expect("UTF-8")];
        arguments.extend(self.arguments.iter().map(String::as_str));
        let arranged = begun.elapsed();
        let begun = Instant::now();
        let output =
            process::run(&mut self.home.command(&arguments), self.stdin.as_bytes(), PATIENCE);
        let took = begun.elapsed();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        println!(
            "{:<55}{:>5.1} s ({:.1} s before)",
            row.name,
            took.as_secs_f32(),
            arranged.as_secs_f32()
        );

        let mut instead = Vec::new();
        let findings: Vec<Value> =
            stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if findings.len() != stdout.lines().count() {
            instead.push("stdout has more than JSON objects".to_owned());
        }
        for (outcome, expected) in [("failed", row.wrong), ("noted", row.noted)] {
            let found: Vec<_> = findings
                .iter()
                .filter(|found| found["outcome"] == outcome)
                .map(|found| (text(&found["check"]), text(&found["code"])))
                .collect();
            if found != expected {
                instead.push(format!("{outcome}: {found:?}"));
            }
        }
        if output.status.code() != Some(row.exit) {
            instead.push(format!("exit {:?}", output.status.code()));
        }
        let unsaid = row.says.iter().filter(|words| !stdout.contains(*words));
        instead.extend(unsaid.map(|words| format!("it does not say {words:?}")));
        instead.extend(row.health.and_then(|state| self.unlike_health(state)));
        instead.extend(self.betrayed(&report));
        instead.extend(self.leaks(&[&output.stdout, &output.stderr]));
        (row.after)(&mut self);
        match instead.is_empty() {
            true => Ok(()),
            false => Err(format!("# {}: {}\n{}", row.name, instead.join("; "), said(&output))),
        }
    }

    /// What `/healthz` says, if it is anything else than this state; plainly in time, and deeply.
    fn unlike_health(&self, state: &str) -> Option<String> {
        let place = self.home.status()["listeners"]["status"].clone();
        let ask = |what: &str, seconds: &str| {
            let through = self.machine.as_ref().map(Machine::through).unwrap_or_default();
            let words =
                ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", seconds];
            let mut words = through.iter().map(String::as_str).chain(words);
            let mut curl = Command::new(words.next().expect("curl at the least"));
            let url = format!("http://{}/{what}", text(&place));
            curl.args(words).args(["--write-out", "\n%{http_code}", &url]);
            let said = process::run_well(&mut curl, b"", PATIENCE);
            String::from_utf8(said).expect("UTF-8")
        };
        let deep = ask("healthz?deep", "30");
        // It may know no better than what stands; it answers in time.
        let plain = ask("healthz", "10");
        let (body, code) = deep.rsplit_once('\n').expect("a code");
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let found = match body["problems"][0]["state"].as_str() {
            Some(problem) => problem,
            None => text(&body["accounts"][0]["state"]),
        };
        let is_right = found == state && code == if state == "ok" { "200" } else { "503" };
        let own = [&deep, &plain].into_iter().find(|said| said.to_lowercase().contains("anna"));
        if let Some(said) = own {
            return Some(format!("/healthz tells whose account it is: {said}"));
        }
        (!is_right).then(|| format!("/healthz?deep does not say {state}: {deep}; plain: {plain}"))
    }

    /// What is in the report that is somebody's own.
    fn betrayed(&self, report: &Path) -> Vec<String> {
        let Ok(text) = fs::read_to_string(report) else {
            return vec!["there is no report".to_owned()];
        };
        let mode = fs::metadata(report).expect("it is there").permissions().mode() & 0o777;
        let open = (mode & 0o133 != 0).then(|| format!("the report's mode is {mode:o}"));
        let lower = text.to_lowercase();
        let own = ["anna", "@gmail.com", "xanadu", "games", "daemon", "-said"];
        let own = own.into_iter().filter(|own| lower.contains(own));
        let own = own.map(|own| format!("the report says “{own}”:\n{text}"));
        own.chain(open).chain(self.leaks(&[text.as_bytes()])).collect()
    }

    /// Secrets in these texts, in the home and in what was said.
    fn leaks(&self, texts: &[&[u8]]) -> Vec<String> {
        let secrets = [
            Secret::new("a mail's text", "to see whether mail that is sent arrives"),
            Secret::new("local password", &self.password),
            Secret::new("client secret", self.bed.google.client_secret()),
        ];
        let here = self.home.folder();
        let home = self.machine.as_ref().map_or(here.to_owned(), |machine| machine.path(here));
        let excepted = |name: &str, path: &Path| {
            let names = ["config.toml", "gmail.json"];
            name == "client secret"
                && path.file_name().is_some_and(|file| names.iter().any(|name| file == *name))
        };
        let mut found = leaks::under(&home, &secrets, excepted);
        found.extend(leaks::under(self.home.said(), &secrets, excepted));
        let texts = texts.iter().flat_map(|text| leaks::inside(text, &secrets));
        found.extend(texts.map(|name| format!("{name} in what it said")));
        found
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
