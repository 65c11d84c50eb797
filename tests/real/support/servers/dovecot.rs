//! Dovecot as imap.gmail.com, and a second one with a plain password on the same mail store.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    Ending, Guarded, folder, free_port, loopback, render, text, wait_for, wait_until_gone,
};
use crate::support::process;

pub(super) const PROGRAM: &str = "/usr/sbin/dovecot";

/// Who owns the mail: a user that every Debian has.
const MAIL_USER: &str = "mail";

/// The password of everybody at the second Dovecot.
pub(crate) const PLAIN_PASSWORD: &str = "without-any-proxy";

/// The mail that both Dovecots show.
pub(crate) struct MailStore {
    folder: PathBuf,
}

impl MailStore {
    pub(crate) fn new(under: &Path) -> Self {
        let store = Self { folder: folder(&under.join("mail")) };
        store.give_away();
        store
    }

    /// Puts messages into a person's inbox before any server has looked at it.
    pub(crate) fn fill_inbox(&self, address: &str, messages: impl Iterator<Item = Vec<u8>>) {
        let maildir = self.folder.join(address.to_lowercase()).join("Maildir");
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(maildir.join(part)).expect("a folder of ours");
        }
        for (number, message) in messages.enumerate() {
            // The name gives the order of arrival, thus the UIDs.
            let name = format!("cur/{}.M{number}.bed:2,", 1_700_000_000 + number);
            fs::write(maildir.join(name), message).expect("a folder of ours");
        }
        self.give_away();
    }

    /// How many messages of a person's inbox have this text in them.
    pub(crate) fn count(&self, address: &str, text: &str) -> usize {
        let inbox = self.folder.join(address.to_lowercase()).join("Maildir");
        let files =
            ["cur", "new"].into_iter().filter_map(|part| fs::read_dir(inbox.join(part)).ok());
        let messages = files.flatten().flatten().filter_map(|file| fs::read(file.path()).ok());
        messages.filter(|bytes| String::from_utf8_lossy(bytes).contains(text)).count()
    }

    fn give_away(&self) {
        let owner = format!("{MAIL_USER}:{MAIL_USER}");
        let mut chown = Command::new("chown");
        process::run_well(chown.arg("-R").arg(owner).arg(&self.folder), b"", super::PATIENCE);
    }
}

/// One of the Dovecots.
pub(crate) struct Dovecot {
    folder: PathBuf,
    configuration: PathBuf,
    address: SocketAddr,
    greeting: &'static str,
    /// The words of a refusal, for its environment.
    refusal: Option<String>,
    running: Option<Guarded>,
}

impl Dovecot {
    /// Dovecot as imap.gmail.com, which asks `tokeninfo` whether a token is good.
    pub(crate) fn as_gmail(
        under: &Path,
        store: &MailStore,
        certificates: &Path,
        tokeninfo: &str,
    ) -> Self {
        let folder = folder(&under.join("imap"));
        let values = [
            ("STATE", text(&folder)),
            ("CERTIFICATES", text(certificates)),
            ("TOKENINFO", tokeninfo),
        ];
        render("dovecot/oauth2.conf", &folder.join("oauth2.conf"), &values);
        Self::start("gmail.conf", folder.clone(), store, &values, "")
    }

    /// Dovecot with [`PLAIN_PASSWORD`] and without TLS.
    pub(crate) fn with_plain_password(under: &Path, store: &MailStore) -> Self {
        let folder = folder(&Self::plain_folder(under));
        let values = [("STATE", text(&folder)), ("PASSWORD", PLAIN_PASSWORD)];
        fs::write(folder.join("users"), "").expect("a folder of ours");
        Self::start("plain.conf", folder.clone(), store, &values, "* OK")
    }

    /// Where the one with plain passwords lies, or will.
    pub(super) fn plain_folder(under: &Path) -> PathBuf {
        under.join("plain")
    }

    /// At the one with plain passwords: gives these people passwords of their own.
    pub(crate) fn set_passwords(&self, people: &[(&str, &str)]) {
        // As hexadecimal digits, so that any character may be in them.
        let line = |(address, password): &(&str, &str)| {
            let digits: String = password.bytes().map(|byte| format!("{byte:02x}")).collect();
            format!("{}:{{PLAIN.HEX}}{digits}\n", address.to_lowercase())
        };
        let users: String = people.iter().map(line).collect();
        fs::write(self.folder.join("users"), users).expect("a folder of ours");
    }

    fn start(
        template: &str,
        folder: PathBuf,
        store: &MailStore,
        values: &[(&str, &str)],
        greeting: &'static str,
    ) -> Self {
        let port = free_port();
        let port_text = port.to_string();
        let mut values = values.to_vec();
        values.extend([
            ("MAIL", text(&store.folder)),
            ("UID", MAIL_USER),
            ("GID", MAIL_USER),
            ("PORT", &port_text),
        ]);
        for name in ["common.conf", template] {
            render(&format!("dovecot/{name}"), &folder.join(name), &values);
        }
        let configuration = folder.join(template);
        let mut dovecot = Self {
            folder,
            configuration,
            address: loopback(port),
            greeting,
            refusal: None,
            running: None,
        };
        dovecot.begin();
        dovecot
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its sockets for Postfix lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts it (again), on its same port.
    pub(crate) fn begin(&mut self) {
        // Left by the killed one before, whose process the system may not have cleared away yet.
        drop(fs::remove_file(self.folder.join("run/master.pid")));
        let mut arguments: Vec<&str> = self.refusal.as_deref().into_iter().collect();
        arguments.extend([PROGRAM, "-F", "-c", text(&self.configuration)]);
        let output = self.folder.join("output");
        self.running = Some(Guarded::start("env", &arguments, &output));
        wait_for(self.address, self.greeting, &[&output, &self.folder.join("log")]);
    }

    /// From now on everybody is let in by their token and turned away all the same, with these words.
    pub(crate) fn refuse(&mut self, words: &str) {
        self.end();
        self.refusal = Some(format!("REFUSAL={words}"));
        // What stands here is taken apart at spaces before it is filled in.
        self.configure("oauth2.conf", "\npass_attrs = nologin=y reason=%{env:REFUSAL}\n");
        self.configure("common.conf", "import_environment = $import_environment REFUSAL\n");
        self.begin();
    }

    /// From now on a person has so many connections from one place.
    pub(crate) fn limit_connections(&mut self, most: usize) {
        self.end();
        self.configure("common.conf", &format!("mail_max_userip_connections = {most}\n"));
        self.begin();
    }

    /// Adds to a file; what stands there last holds.
    fn configure(&self, file: &str, more: &str) {
        let file = self.folder.join(file);
        let text = fs::read_to_string(&file).expect("rendered") + more;
        fs::write(file, text).expect("a folder of ours");
    }

    /// Ends it; its sessions are closed.
    pub(crate) fn end(&mut self) {
        self.running = None;
        wait_until_gone(self.address);
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).expect("a running Dovecot has a log")
    }

    /// Ends each session when its token has ended, with a BYE, as Gmail does: for as long as what this
    /// gives is kept.
    pub(crate) fn end_sessions_with_tokens(&self) -> Ending {
        Ending::begin(self.folder.join("log"))
    }

    /// Closes all of a person's sessions with a BYE, as soon as there are any.
    pub(crate) fn kick(&self, address: &str) {
        let arguments = ["-c", text(&self.configuration), "kick", &address.to_lowercase()];
        let kicked = process::until(Duration::from_secs(20), || {
            let mut doveadm = Command::new("/usr/bin/doveadm");
            let output = process::run(doveadm.args(arguments), b"", Duration::from_secs(20));
            // EX_NOHOST: nobody was there.
            let nobody = output.status.code() == Some(68);
            assert!(output.status.success() || nobody, "{}", process::said(&output));
            !nobody
        });
        assert!(kicked, "{address} has no session");
    }
}
