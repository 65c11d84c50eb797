//! The real `gatepost`, driven as a script would drive it: by its commands, its exit codes, its JSON
//! and the line `ready`.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

use super::{
    bed::{ADDRESS, Bed},
    process,
    windows::Windows,
};

/// How long a command that asks nobody may take.
pub(crate) const PROMPT: Duration = Duration::from_secs(20);

/// A closed port, for the server that a test has not started.
const NOBODY: &str = "127.0.0.1:1";

/// A folder with everything that one Gatepost has, and a folder beside it for what it says.
pub(crate) struct Home {
    folder: PathBuf,
    said: PathBuf,
    runs: AtomicUsize,
    level_is_configured: AtomicBool,
    /// What a command has in its environment besides.
    environment: Vec<(String, String)>,
    started: Mutex<Started>,
}

/// How `gatepost` is started.
struct Started {
    program: PathBuf,
    /// What stands before it on the command line: programs that start others elsewhere, as somebody
    /// else, or at another time.
    through: Vec<String>,
    /// How it is told of a path.
    path: fn(&Path) -> String,
}

/// What `gatepost login --json` came to.
pub(crate) struct Login {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// The last JSON line.
    pub(crate) outcome: Value,
}

impl Login {
    /// The `signed_in` event.
    pub(crate) fn signed_in(self) -> Value {
        assert_eq!(
            (self.code, self.outcome["event"].as_str()),
            (Some(0), Some("signed_in")),
            "{}",
            self.outcome
        );
        self.outcome
    }
}

impl Home {
    /// A new home, configured for the bed's servers. `provider` is more of `[provider.gmail]`.
    pub(crate) fn new(bed: &Bed, name: &str, provider: &str) -> Arc<Self> {
        Self::in_session(bed, name, provider, Vec::new())
    }

    /// The same, with the environment of a person's session.
    pub(crate) fn in_session(
        bed: &Bed,
        name: &str,
        provider: &str,
        environment: Vec<(String, String)>,
    ) -> Arc<Self> {
        let started = Started {
            program: env!("CARGO_BIN_EXE_gatepost").into(),
            through: Vec::new(),
            path: |path| path.display().to_string(),
        };
        Self::of(bed, name, provider, environment, started)
    }

    /// The same for the program that was built for Windows.
    pub(crate) fn on_windows(
        bed: &Bed,
        name: &str,
        provider: &str,
        windows: &Windows,
    ) -> Arc<Self> {
        let started = Started {
            program: windows.program().to_owned(),
            through: vec![Windows::RUNNER.to_owned()],
            path: Windows::path,
        };
        let authority = Windows::path(&bed.authority());
        let provider = format!("ca_file = {authority:?}\n{provider}");
        Self::of(bed, name, &provider, windows.environment(), started)
    }

    fn of(
        bed: &Bed,
        name: &str,
        provider: &str,
        environment: Vec<(String, String)>,
        started: Started,
    ) -> Arc<Self> {
        let home = Self {
            folder: bed.scratch(name),
            said: bed.scratch(&format!("{name}-said")),
            runs: AtomicUsize::new(0),
            level_is_configured: AtomicBool::new(false),
            environment,
            started: Mutex::new(started),
        };
        home.configure(&configuration(bed, provider));
        Arc::new(home)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the output of each run is kept: the trace log, and what other commands said.
    pub(crate) fn said(&self) -> &Path {
        &self.said
    }

    /// From now on only the configuration says what is logged.
    pub(crate) fn leave_level_to_configuration(&self) {
        self.level_is_configured.store(true, Ordering::Relaxed);
    }

    /// From now on `gatepost` is started by way of this as well: the outermost comes last.
    pub(crate) fn start_through(&self, words: &[&str]) {
        let words = words.iter().map(|&word| word.to_owned());
        self.started.lock().expect("no panic").through.splice(..0, words);
    }

    /// From now on `gatepost` is started by way of nothing.
    pub(crate) fn start_directly(&self) {
        self.started.lock().expect("no panic").through.clear();
    }

    /// From now on this copy of `gatepost` is started, where the one that was built is out of reach.
    pub(crate) fn start_copy(&self, program: &Path) {
        self.started.lock().expect("no panic").program = program.to_owned();
    }

    /// Writes `config.toml`.
    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.folder.join("config.toml"), text).expect("a folder of ours");
    }

    /// A `gatepost` command in this home, with every log line there is. It ends with the thread that
    /// started it: a test that hangs leaves none behind.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        let started = self.started.lock().expect("no panic");
        command.args(&started.through).arg(&started.program);
        command.args(arguments).arg("--home").arg((started.path)(&self.folder));
        // Nothing of this machine's own: no configuration, keychain or proxy.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &self.said);
        command.envs(self.environment.iter().cloned());
        if !self.level_is_configured.load(Ordering::Relaxed) {
            command.env("GATEPOST_LOG", "trace");
        }
        command
    }

    /// Runs a command to its end; what it says on stderr is kept.
    pub(crate) fn gatepost(&self, arguments: &[&str], stdin: &[u8]) -> Output {
        let output = process::run(&mut self.command(arguments), stdin, PROMPT);
        fs::write(self.next_file("command"), &output.stderr).expect("a folder of ours");
        output
    }

    /// Runs a command well.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> Output {
        let output = self.gatepost(arguments, b"");
        assert!(output.status.success(), "{arguments:?}: {}", process::said(&output));
        output
    }

    /// `gatepost login` with a person at a browser who consents.
    pub(crate) fn login(&self, address: &str, arguments: &[&str], stdin: &[u8]) -> Login {
        self.login_answered(address, arguments, stdin, |url, _| visit(url))
    }

    /// `gatepost login`; `answer` does what the person does with the address to open. What it writes
    /// to the standard input comes after `stdin`; after it comes the end of stdin, which is no
    /// answer: the port still waits.
    pub(crate) fn login_answered(
        &self,
        address: &str,
        arguments: &[&str],
        stdin: &[u8],
        answer: impl FnOnce(&str, &mut ChildStdin),
    ) -> Login {
        let said = self.next_file("login");
        let mut command = self.command(&["login", address, "--no-browser", "--json"]);
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&said).expect("a folder of ours"))
            .spawn()
            .expect("the binary");
        let mut input = child.stdin.take().expect("piped");
        input.write_all(stdin).expect("room in the pipe");
        let mut person = Some((answer, input));
        let mut outcome = Value::Null;
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        for line in stdout.lines() {
            let line = line.expect("UTF-8");
            outcome = serde_json::from_str(&line)
                .unwrap_or_else(|error| panic!("not a JSON object: {line:?}: {error}"));
            if outcome["event"] == "authorize" {
                let (answer, mut input) = person.take().expect("asked once");
                answer(outcome["url"].as_str().expect("a url"), &mut input);
            }
        }
        let status = process::wait(&mut child, PROMPT).expect("login ends after its last event");
        if !status.success() {
            eprintln!("login: {outcome}\n{}", process::tail(&said));
        }
        Login { code: status.code(), outcome }
    }

    /// `gatepost run`, once it says that it is ready. With the wire log: each test that looks for
    /// secrets looks for them there as well.
    pub(crate) fn run(self: &Arc<Self>) -> Proxy {
        self.run_with(&["--log-wire", ADDRESS])
    }

    /// The same with other arguments.
    pub(crate) fn run_with(self: &Arc<Self>, arguments: &[&str]) -> Proxy {
        let log = self.next_file("run");
        let child = self
            .command(&[&["run"], arguments].concat())
            .stdin(Stdio::null())
            .stdout(File::create(self.next_file("run-stdout")).expect("a folder of ours"))
            .stderr(File::create(&log).expect("a folder of ours"))
            .spawn()
            .expect("the binary");
        let (imap, smtp) = (nowhere(), nowhere());
        let mut proxy = Proxy { child, home: Arc::clone(self), log, imap, smtp };
        let ready = || proxy.log().lines().any(|line| line == "ready");
        let log = &proxy.log;
        assert!(process::until(PROMPT, ready), "run is not ready:\n{}", process::tail(log));
        let status = self.status();
        proxy.imap = address(&status["listeners"]["imap"]);
        proxy.smtp = address(&status["listeners"]["smtp"]);
        proxy
    }

    /// What the running proxy says of itself.
    pub(crate) fn status(&self) -> Value {
        let output = self.gatepost(&["status", "--json"], b"");
        // 3: an account waits for a person to sign in again.
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 3)), "status: {}", process::said(&output));
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    }

    fn next_file(&self, of: &str) -> PathBuf {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        self.said.join(format!("{of}-{number}"))
    }
}

/// A `gatepost run` that runs; killed with the test if nothing stopped it before.
pub(crate) struct Proxy {
    child: Child,
    home: Arc<Home>,
    log: PathBuf,
    /// Where it listens for IMAP.
    pub(crate) imap: SocketAddr,
    /// Where it listens for SMTP.
    pub(crate) smtp: SocketAddr,
}

impl Proxy {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `gatepost stop`, and the status that `run` ended with.
    pub(crate) fn stop(self) -> ExitStatus {
        let output = self.home.gatepost(&["stop"], b"");
        assert!(output.status.success(), "stop: {}", process::said(&output));
        self.wait_for_end()
    }

    /// The status that `run` ends with by itself, soon.
    pub(crate) fn wait_for_end(mut self) -> ExitStatus {
        process::wait(&mut self.child, PROMPT)
            .unwrap_or_else(|| panic!("run does not end\n{}", process::tail(&self.log)))
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("a file of ours")).into_owned()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("The end of the proxy's log:\n{}", process::tail(&self.log));
        }
        // Already ended, most of the time.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A `config.toml` for the bed's servers, on any free ports.
pub(crate) fn configuration(bed: &Bed, provider: &str) -> String {
    let urls = bed.google.urls();
    let imap = format!("localhost:{}", bed.dovecot.address().port());
    let smtp = bed.postfix.as_ref().map(|smtp| format!("localhost:{}", smtp.tls().port()));
    let mut keys = vec![
        ("client_id", bed.google.client_id().to_owned()),
        ("client_secret", bed.google.client_secret().to_owned()),
        ("imap", imap),
        ("smtp", smtp.unwrap_or_else(|| NOBODY.to_owned())),
        ("authorize_url", urls.authorize_url),
        ("token_url", urls.token_url),
        ("revoke_url", urls.revoke_url),
        ("userinfo_url", urls.userinfo_url),
        ("ca_file", bed.authority().display().to_string()),
    ];
    // What the test says itself takes the place of ours.
    let says = |key: &str| provider.lines().any(|line| line.starts_with(&format!("{key} ")));
    let connections = if says("connections") { "" } else { "connections = 0\n" };
    keys.retain(|(key, _)| !says(key));
    let keys: String = keys.iter().map(|(key, value)| format!("{key} = {value:?}\n")).collect();
    let listen =
        "[listen]\nimap = \"127.0.0.1:0\"\nsmtp = \"127.0.0.1:0\"\nstatus = \"127.0.0.1:0\"\n";
    let secrets =
        if provider.contains("[secrets]") { "" } else { "[secrets]\nkeychain = \"off\"\n" };
    format!("{listen}\n{secrets}\n[provider.gmail]\n{connections}{keys}{provider}\n")
}

/// Opens a page as a browser does, and follows where it leads: to the port where `login` waits.
pub(crate) fn visit(url: &str) {
    // What `login` says of a failed sign-in is what the test is after; the page is not.
    drop(browse(&["--location", url]));
}

/// Opens a page as a browser does, and gives the address to which it leads without going there.
pub(crate) fn redirect_of(url: &str) -> String {
    let output = browse(&["--write-out", "%{redirect_url}", "--output", "/dev/null", url]);
    String::from_utf8(output.stdout).expect("an address")
}

fn browse(arguments: &[&str]) -> Output {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]).args(arguments);
    process::run(&mut curl, b"", Duration::from_secs(60))
}

fn address(value: &Value) -> SocketAddr {
    let text = value.as_str().unwrap_or_else(|| panic!("not an address: {value}"));
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}
