//! A newcomer's computer, and Google as it would be.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use gatepost::demo::{StandIn, StandInOptions};
use portable_pty::CommandBuilder;

use super::support::{PATIENCE, YOU, browser, free_port};
use super::terminal::Terminal;

/// The subject of the mail that is there.
pub(super) const SUBJECT: &str = "Lunch on Friday?";

/// As much of a systemd as a start at log-in needs.
const SYSTEMD: &str = "\
case $* in
    *FragmentPath*) printf 'UnitFileState=\\nActiveState=inactive\\nFragmentPath=\\n' ;;
    *LoadState*) echo LoadState=loaded ;;
    *' restart '*) gatepost run --background ;;
esac";

/// A newcomer's computer: an empty home, and Google as it would be.
pub(super) struct Desk {
    pub(super) google: StandIn,
    pub(super) folder: tempfile::TempDir,
    pub(super) imap: u16,
    pub(super) smtp: u16,
}

impl Desk {
    pub(super) async fn new() -> Self {
        let options = StandInOptions { users: vec![YOU.to_owned()], ..StandInOptions::default() };
        let google = StandIn::start(options).await.unwrap();
        let mail = format!(
            "From: Ada <ada@example.com>\r\nTo: {YOU}\r\nSubject: {SUBJECT}\r\n\r\nSee you?\r\n"
        );
        google.mailboxes().deliver(YOU, "INBOX", mail.as_bytes()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let desk = Self { google, folder, imap: free_port(), smtp: free_port() };
        for made in ["Downloads", ".config/gatepost", ".cargo/bin"] {
            std::fs::create_dir_all(desk.path(made)).unwrap();
        }
        // Its own path is in the words for the start at login.
        let program = desk.path(".cargo/bin/gatepost");
        if std::fs::hard_link(env!("CARGO_BIN_EXE_gatepost"), &program).is_err() {
            std::fs::copy(env!("CARGO_BIN_EXE_gatepost"), &program).unwrap();
        }
        desk.install("xdg-open", "printf '%s\\n' \"$1\" >> \"$HOME/opened\"");
        desk.install("systemctl", SYSTEMD);
        std::fs::write(desk.path(".config/gatepost/ca.pem"), desk.google.ca_pem()).unwrap();
        let config = format!(
            "[listen]\nimap = \"localhost:{}\"\nsmtp = \"localhost:{}\"\nstatus = \"\"\n[secrets]\nkeychain = \"off\"\n{}",
            desk.imap,
            desk.smtp,
            desk.google.provider_section("ca.pem"),
        );
        std::fs::write(desk.path(".config/gatepost/config.toml"), config).unwrap();
        desk
    }

    /// A program of the computer's own.
    fn install(&self, name: &str, script: &str) {
        let program = self.path(".cargo/bin").join(name);
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        below.split('/').fold(self.folder.path().to_owned(), |path, part| path.join(part))
    }

    pub(super) fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("HOME", self.folder.path().to_owned()),
            ("PATH", self.path(".cargo/bin")),
            ("TERM", "xterm-256color".into()),
            ("LANG", "C.UTF-8".into()),
        ]
    }

    /// `gatepost setup` on a terminal.
    pub(super) fn setup(&self, arguments: &[&str]) -> Terminal {
        self.setup_with(arguments, None)
    }

    /// The same with one more variable.
    pub(super) fn setup_with(
        &self,
        arguments: &[&str],
        variable: Option<(&str, &str)>,
    ) -> Terminal {
        let mut command = CommandBuilder::new(self.path(".cargo/bin/gatepost"));
        command.env_clear();
        self.environment().iter().for_each(|(name, value)| command.env(name, value));
        variable.iter().for_each(|(name, value)| command.env(name, value));
        command.arg("setup");
        command.args(arguments);
        command.cwd(self.folder.path());
        Terminal::start(command, is_recording())
    }

    /// The same without one: the exit code and what is said, with the home's path left out.
    pub(super) fn told(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let home = self.folder.path().display().to_string();
        let text = |bytes: &[u8]| self.known(&String::from_utf8_lossy(bytes));
        format!(
            "$ gatepost setup {}\n{}{}[exit {}]\n\n",
            arguments.join(" ").replace(&home, "HOME"),
            text(&output.stderr),
            text(&output.stdout),
            output.status.code().unwrap()
        )
    }

    /// Without what is this desk's alone.
    pub(super) fn known(&self, text: &str) -> String {
        text.replace(&self.folder.path().display().to_string(), "HOME")
            .replace(&self.imap.to_string(), "10143")
            .replace(&self.smtp.to_string(), "10587")
    }

    pub(super) fn output(&self, arguments: &[&str]) -> Output {
        self.command("setup").args(arguments).output().unwrap()
    }

    pub(super) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.path(".cargo/bin/gatepost"));
        command.env_clear().envs(self.environment()).current_dir(self.folder.path());
        command.arg(name).stdin(Stdio::null());
        command
    }

    pub(super) fn download(&self, name: &str, contents: &str) -> String {
        let path = self.path(&format!("Downloads/{name}"));
        std::fs::write(&path, contents).unwrap();
        path.display().to_string()
    }

    /// Google's file, where a browser puts it.
    pub(super) fn download_client(&self) -> String {
        let name = format!("client_secret_{}.json", self.google.authorization().client_id());
        self.download(&name, &self.google.authorization().client_json())
    }

    /// The pages that were opened, but for the sign-in.
    pub(super) fn pages(&self) -> Vec<String> {
        let opened = std::fs::read_to_string(self.path("opened")).unwrap_or_default();
        let pages = opened.lines().filter(|page| !page.contains("/authorize?"));
        pages.map(str::to_owned).collect()
    }

    /// The person consents on the page that the browser has opened, for the `nth` time.
    pub(super) async fn consent(&self, nth: usize) {
        let start = Instant::now();
        loop {
            let opened = std::fs::read_to_string(self.path("opened")).unwrap_or_default();
            let mut sign_ins = opened.lines().filter(|page| page.contains("/authorize?"));
            if let Some(url) = sign_ins.nth(nth - 1) {
                if is_recording() {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
                browser().get(url).send().await.unwrap();
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no page of Google's was opened");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What its systemd has started, if it has.
        let _ = self.command("stop").output();
    }
}

pub(super) fn is_recording() -> bool {
    std::env::var_os("GATEPOST_RECORD").is_some()
}
