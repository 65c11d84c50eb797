//! What a real mail client is to the tests: what it can do, how it is asked to, and what it leaves
//! for the test to look at. `clients.rs` has the list of them.
//!
//! Most are a small script in `tests/clients/` each, run once a task ([`Script`]). One that is better
//! kept running from task to task is a [`Program`] of its own.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use super::{
    process,
    servers::{Dovecot, PLAIN_PASSWORD},
};

/// How long one task may take. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client is asked to do. It works in a folder of its own; the names here are files in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Sign on to IMAP (a client that only sends: to SMTP), and leave.
    SignOn,
    /// Write the names of all mailboxes to `list`, one a line, as UTF-8 or in modified UTF-7.
    List,
    /// Fetch the only mail of the mailbox `One` into a file under `fetched/`.
    Fetch,
    /// Append `mail` to the mailbox `Kept`.
    Append,
    /// Send `mail` to the address itself.
    Send,
    /// IDLE in the inbox; see [`Push`].
    Idle,
    /// Fetch every mail of the mailbox `Many`, each into a file under `synced/`.
    Sync,
}

impl Task {
    pub(crate) const ALL: [Self; 7] =
        [Self::SignOn, Self::List, Self::Fetch, Self::Append, Self::Send, Self::Idle, Self::Sync];

    /// The word that a script is given.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::SignOn => "sign-on",
            Self::List => "list",
            Self::Fetch => "fetch",
            Self::Append => "append",
            Self::Send => "send",
            Self::Idle => "idle",
            Self::Sync => "sync",
        }
    }
}

/// Where a client signs on, and as whom. No TLS on either port.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) imap: SocketAddr,
    pub(crate) smtp: SocketAddr,
    pub(crate) address: String,
    pub(crate) password: String,
    /// How to send the password, as this client says it, where its own choice isn't wanted.
    pub(crate) auth: Option<&'static str>,
}

impl Settings {
    /// Without Gatepost: straight to the Dovecot with plain passwords. (No SMTP.)
    pub(crate) fn direct(plain: &Dovecot, address: &str) -> Self {
        Self {
            imap: plain.address(),
            smtp: SocketAddr::from(([127, 0, 0, 1], 1)),
            address: address.to_owned(),
            password: PLAIN_PASSWORD.to_owned(),
            auth: None,
        }
    }
}

/// A mail client, as a row of the table.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// What it can do by its nature.
    pub(crate) tasks: &'static [Task],
    /// What the header lines begin with that it adds by itself to a mail that it stores or sends.
    pub(crate) adds: &'static [&'static str],
    pub(crate) program: &'static dyn Program,
}

/// How a client is started.
pub(crate) trait Program: Sync {
    /// The version that runs here, as the client says it.
    fn version(&self) -> String;

    /// Makes it ready to work with these settings, in this folder, which is empty. It ends when the
    /// session is dropped.
    fn open(&self, settings: &Settings, folder: &Path) -> Box<dyn Session>;
}

/// A client that is set up, and can do one thing after the other. What a call takes is what the
/// table shows.
pub(crate) trait Session {
    /// Does this, or says why it can't. For [`Task::Idle`] it uses `push`.
    fn perform(&mut self, task: Task, push: &mut Push<'_>) -> Result<(), String>;
}

/// The mail that comes while a client idles. The client calls `deliver` once it idles, and `told` as
/// soon as it has heard.
pub(crate) struct Push<'a> {
    deliver: &'a dyn Fn(),
    delivered: Option<Instant>,
    took: Option<Duration>,
}

impl<'a> Push<'a> {
    /// `deliver` puts a mail into the inbox, and returns when it is there.
    pub(crate) fn new(deliver: &'a dyn Fn()) -> Self {
        Self { deliver, delivered: None, took: None }
    }

    /// It idles: a mail arrives in the inbox.
    pub(crate) fn deliver(&mut self) {
        (self.deliver)();
        self.delivered = Some(Instant::now());
    }

    /// It has been told of the mail.
    pub(crate) fn told(&mut self) {
        self.took = self.delivered.map(|delivered| delivered.elapsed());
    }

    /// How long it took from the mail's arrival until the client was told.
    pub(crate) fn took(&self) -> Option<Duration> {
        self.took
    }
}

/// A client that is driven by a script of `tests/clients/`, whose first argument is the word of the
/// task, or `version`. It is given `HOST`, `IMAP_PORT`, `SMTP_PORT`, `ADDRESS`, `PASSWORD` and maybe
/// `AUTH`, works
/// in the current folder, which is also its `HOME`, and succeeds or fails by its exit code. In `idle`
/// it prints the lines `idling` and `told`.
pub(crate) struct Script(pub(crate) &'static str);

impl Program for Script {
    fn version(&self) -> String {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut command = self.command();
        command.arg("version").env("HOME", home.path());
        let output = process::run_well(&mut command, b"", PATIENCE);
        String::from_utf8_lossy(&output).trim().to_owned()
    }

    fn open(&self, settings: &Settings, folder: &Path) -> Box<dyn Session> {
        Box::new(ScriptSession {
            script: Self(self.0),
            settings: settings.clone(),
            folder: folder.to_owned(),
        })
    }
}

impl Script {
    /// The script with what it is run by. What isn't Debian's is where `tests/clients/install.sh`
    /// put it.
    pub(crate) fn command(&self) -> Command {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = project.join("target/clients");
        let script = project.join("tests/clients").join(self.0);
        let python = installed.join("python/bin/python");
        let interpreter = match script.extension().and_then(|extension| extension.to_str()) {
            Some("sh") => Path::new("/bin/bash"),
            Some("py") => &python,
            Some("js") => Path::new("node"),
            Some("pl") => Path::new("/usr/bin/perl"),
            Some("rb") => Path::new("/usr/bin/ruby"),
            other => panic!("nothing runs {other:?}"),
        };
        let mut command = Command::new(interpreter);
        command.arg(script);
        // Nothing of this machine's own.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("LANG", "C.UTF-8").env("TERM", "xterm");
        command.env("NODE_PATH", installed.join("node/node_modules"));
        command
    }
}

/// A client that stays in IDLE in the inbox, by a script's task `hold`: whenever that has changed, it
/// prints `list` and the UIDs of the messages that it knows of.
pub(crate) struct Held {
    lines: Receiver<String>,
    known: Vec<u32>,
    session: ScriptSession,
    client: Group,
}

impl Held {
    pub(crate) fn start(script: Script, settings: &Settings, folder: &Path) -> Self {
        Self::begin("hold", script, settings, folder)
    }

    /// The same, by the task `wait`: it connects again when it has lost its connection, and leaves only
    /// where a client would ask its person for a password.
    pub(crate) fn waiting(script: Script, settings: &Settings, folder: &Path) -> Self {
        Self::begin("wait", script, settings, folder)
    }

    /// What it has said besides, of lost connections above all.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.session.said()).expect("a file of ours")
    }

    fn begin(word: &str, script: Script, settings: &Settings, folder: &Path) -> Self {
        let session =
            ScriptSession { script, settings: settings.clone(), folder: folder.to_owned() };
        let (client, lines) = session.start(word);
        Self { lines, known: Vec::new(), session, client }
    }

    /// The UIDs that it said last. It must not have left.
    pub(crate) fn uids(&mut self) -> &[u32] {
        for line in self.lines.try_iter() {
            let uids = line.strip_prefix("list").unwrap_or_else(|| panic!("{line}"));
            self.known = uids.split_whitespace().filter_map(|uid| uid.parse().ok()).collect();
        }
        let left = self.client.0.try_wait().expect("a child of ours");
        let said = process::tail(&self.session.said());
        assert!(left.is_none(), "{} has left: {said}", self.session.script.0);
        &self.known
    }
}

struct ScriptSession {
    script: Script,
    settings: Settings,
    folder: PathBuf,
}

impl ScriptSession {
    /// Lets the script do this; the lines that it prints.
    fn start(&self, word: &str) -> (Group, Receiver<String>) {
        let Settings { imap, smtp, address, password, auth } = &self.settings;
        let mut command = self.script.command();
        command.arg(word).current_dir(&self.folder).env("HOME", &self.folder);
        command.env("HOST", imap.ip().to_string());
        command.env("IMAP_PORT", imap.port().to_string());
        command.env("SMTP_PORT", smtp.port().to_string());
        command.env("ADDRESS", address).env("PASSWORD", password);
        command.envs(auth.map(|auth| ("AUTH", auth)));
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(self.said()).expect("a folder of ours"))
            .process_group(0)
            .spawn();
        let mut child = Group(child.unwrap_or_else(|error| {
            panic!("{command:?}: {error}: run tests/clients/install.sh, as ./test does")
        }));
        let stdout = BufReader::new(child.0.stdout.take().expect("piped"));
        let (line, lines) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|l| line.send(l)));
        (child, lines)
    }

    /// What it says on stderr.
    fn said(&self) -> PathBuf {
        self.folder.join("said")
    }
}

impl Session for ScriptSession {
    fn perform(&mut self, task: Task, push: &mut Push<'_>) -> Result<(), String> {
        let (mut child, lines) = self.start(task.word());
        let said = self.said();
        let start = Instant::now();
        let mut words = Vec::new();
        loop {
            match lines.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
                Ok(word) if word == "idling" => push.deliver(),
                Ok(word) if word == "told" => push.told(),
                Ok(word) => words.push(word),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("not done after {PATIENCE:?}\n{}", process::tail(&said)));
                }
            }
        }
        match process::wait(&mut child.0, PATIENCE) {
            Some(status) if status.success() => Ok(()),
            status => {
                let code = status.and_then(|status| status.code());
                Err(format!("exit code {code:?}\n{}\n{}", words.join("\n"), process::tail(&said)))
            }
        }
    }
}

/// A process with all that it has started; they are killed when the test is through with it.
struct Group(std::process::Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let mut kill = Command::new("kill");
        // Most of the time nobody is left to kill.
        drop(kill.args(["-KILL", "--", &group]).stderr(Stdio::null()).status());
        drop(self.0.wait());
    }
}

/// The files under a folder (a Maildir's too), in no order; hidden ones are the client's own.
pub(crate) fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .flat_map(|entry| match entry.path() {
            folder if folder.is_dir() => files(&folder),
            file => vec![fs::read(file).expect("a file of ours")],
        })
        .collect()
}
