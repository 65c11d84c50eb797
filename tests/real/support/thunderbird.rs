//! Thunderbird, which is kept running from task to task: its start takes longer than all of them.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use super::{
    mail_client::{Program, Push, Session, Settings, Task},
    process,
};

/// How long one task may take, and the start. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// Thunderbird under Xvfb, driven by `tests/clients/thunderbird.py`.
pub(crate) struct Thunderbird;

impl Program for Thunderbird {
    fn version(&self) -> String {
        let output = process::run_well(script().arg("version"), b"", PATIENCE);
        String::from_utf8_lossy(&output).trim().to_owned()
    }

    fn open(&self, settings: &Settings, folder: &Path) -> Box<dyn Session> {
        Box::new(Running::start(settings, folder))
    }
}

/// A Thunderbird that runs.
pub(crate) struct Running {
    driver: Child,
    lines: Receiver<String>,
    said: PathBuf,
}

impl Running {
    /// Starts it with an account, and waits until it is there.
    pub(crate) fn start(settings: &Settings, folder: &Path) -> Self {
        Self::start_with(settings, folder, &[])
    }

    /// The same, with more in the script's environment.
    pub(crate) fn start_with(settings: &Settings, folder: &Path, more: &[(&str, &str)]) -> Self {
        let Settings { imap, smtp, address, password, .. } = settings;
        let mut script = script();
        script
            .env("HOST", imap.ip().to_string())
            .env("IMAP_PORT", imap.port().to_string())
            .env("SMTP_PORT", smtp.port().to_string())
            .envs(more.iter().copied());
        Self::begin(script, address, password, folder)
    }

    /// Starts it without one, and lets it set up one by itself from the file for the address's domain
    /// in the folder `isp` in `folder`.
    pub(crate) fn set_up(address: &str, password: &str, folder: &Path) -> Self {
        let mut script = script();
        script.env("AUTOCONFIG", folder);
        Self::begin(script, address, password, folder)
    }

    fn begin(mut script: Command, address: &str, password: &str, folder: &Path) -> Self {
        let said = folder.join("said");
        let mut driver = script
            .current_dir(folder)
            .env("ADDRESS", address)
            .env("PASSWORD", password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&said).expect("a folder of ours"))
            .spawn()
            .expect("Debian's python3");
        let stdout = BufReader::new(driver.stdout.take().expect("piped"));
        let (line, lines) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|l| line.send(l)));
        let mut running = Self { driver, lines, said };
        let started = running.wait(&mut Push::new(&|| ()));
        started.unwrap_or_else(|words| panic!("Thunderbird does not start: {words}"));
        running
    }

    /// Does what a line says; see `perform` in `thunderbird.py`.
    pub(crate) fn ask(&mut self, line: &str, push: &mut Push<'_>) -> Result<(), String> {
        let input = self.driver.stdin.as_mut().expect("piped");
        writeln!(input, "{line}").map_err(|error| error.to_string())?;
        self.wait(push)
    }

    fn wait(&mut self, push: &mut Push<'_>) -> Result<(), String> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(word) if word == "idling" => push.deliver(),
                Ok(word) if word == "told" => push.told(),
                Ok(word) if word == "done" => return Ok(()),
                Ok(words) => return Err(words),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("not done after {PATIENCE:?}"));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(process::tail(&self.said)),
            }
        }
    }
}

impl Session for Running {
    fn perform(&mut self, task: Task, push: &mut Push<'_>) -> Result<(), String> {
        self.ask(task.word(), push)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The end of its input ends the driver, and the driver's end ends all that it started.
        drop(self.driver.stdin.take());
        if process::wait(&mut self.driver, PATIENCE).is_none() {
            drop(self.driver.kill());
            drop(self.driver.wait());
        }
    }
}

fn script() -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/thunderbird.py");
    let mut python = Command::new("/usr/bin/python3");
    // Nothing of this machine's own.
    python.arg(path).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    python.env("LANG", "C.UTF-8");
    python
}
