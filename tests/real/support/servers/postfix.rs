//! Postfix as smtp.gmail.com.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Dovecot, Guarded, folder, free_port, loopback, render, text, wait_for, wait_until_gone,
};
use crate::support::process;

pub(super) const PROGRAM: &str = "/usr/lib/postfix/sbin/master";

/// The queue's folders, as `postfix check` would make them (it takes seconds).
const QUEUE: [&str; 12] = [
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
    "saved", "trace", "public",
];

/// The instance. Mail sent through it arrives in Dovecot's store.
pub(crate) struct Postfix {
    folder: PathBuf,
    instance: String,
    tls: SocketAddr,
    starttls: SocketAddr,
    plain: SocketAddr,
    running: Option<Guarded>,
}

impl Postfix {
    pub(crate) fn as_gmail(under: &Path, dovecot: &Dovecot, certificates: &Path) -> Self {
        let folder = folder(&under.join("smtp"));
        let (tls, starttls, plain) = (free_port(), free_port(), free_port());
        let instance = format!("bed-{}-{starttls}", std::process::id());
        make_queue(&folder);
        let plain_dovecot = Dovecot::plain_folder(under);
        let values = [
            ("STATE", text(&folder)),
            ("DOVECOT", text(dovecot.folder())),
            ("CERTIFICATES", text(certificates)),
            ("INSTANCE", &instance),
            ("TLS", &tls.to_string()),
            ("STARTTLS", &starttls.to_string()),
            ("PLAIN", &plain.to_string()),
            ("PLAIN_DOVECOT", text(&plain_dovecot)),
        ];
        for name in ["main.cf", "master.cf"] {
            render(&format!("postfix/{name}"), &folder.join(name), &values);
        }
        let [tls, starttls, plain] = [tls, starttls, plain].map(loopback);
        let mut postfix = Self { folder, instance, tls, starttls, plain, running: None };
        postfix.begin();
        postfix
    }

    /// The port with TLS from its first byte (Gmail's 465).
    pub(crate) fn tls(&self) -> SocketAddr {
        self.tls
    }

    /// The port with STARTTLS (Gmail's 587).
    pub(crate) fn starttls(&self) -> SocketAddr {
        self.starttls
    }

    /// A port without TLS, with the passwords of the Dovecot that has plain ones (and must run).
    pub(crate) fn plain(&self) -> SocketAddr {
        self.plain
    }

    /// Starts it (again), on its same ports.
    pub(crate) fn begin(&mut self) {
        let output = self.folder.join("output");
        let arguments = ["-c", text(&self.folder), "-d"];
        self.running = Some(Guarded::start(PROGRAM, &arguments, &output));
        // Its own name in the greeting: nobody else answers on this port.
        let greeting = format!("220 smtp.gmail.com ESMTP {} ", self.instance);
        wait_for(self.starttls, &greeting, &[&output, &self.folder.join("log")]);
    }

    /// Lets it do nothing more until its end; its connections stay open.
    pub(crate) fn stand_still(&mut self) {
        self.running.as_mut().expect("it runs").stand_still();
    }

    /// Ends it; its sessions are closed.
    pub(crate) fn end(&mut self) {
        self.running = None;
        wait_until_gone(self.tls);
    }
}

fn make_queue(under: &Path) {
    let queue = folder(&under.join("queue"));
    folder(&queue.join("pid"));
    let owned = QUEUE.iter().map(|name| queue.join(name)).chain([under.join("data")]);
    let mut install = Command::new("install");
    install.args(["-d", "-o", "postfix", "-m", "700"]).args(owned);
    process::run_well(&mut install, b"", super::PATIENCE);
    let mut maildrop = Command::new("install");
    maildrop.args(["-d", "-o", "postfix", "-g", "postdrop", "-m", "730"]);
    process::run_well(maildrop.arg(queue.join("maildrop")), b"", super::PATIENCE);
}
