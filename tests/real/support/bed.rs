//! The test bed: Google, as far as a mail proxy can see it, on this machine.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use gatepost::demo::authorization::{Authorization, AuthorizationOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{
    process,
    servers::{self, Dovecot, MailStore, Postfix},
};

/// The person whose mail it is. In mixed case, as people write it.
pub(crate) const ADDRESS: &str = "Anna.Example@gmail.com";

/// An authorization server, Dovecot and (if asked for) Postfix. Fields are dropped in this order.
pub(crate) struct Bed {
    /// The SMTP server, with [`Bed::with_smtp`].
    pub(crate) postfix: Option<Postfix>,
    /// The IMAP server.
    pub(crate) dovecot: Dovecot,
    /// The authorization server.
    pub(crate) google: Google,
    /// The mail in the IMAP server.
    pub(crate) store: MailStore,
    certificates: PathBuf,
    folder: TempDir,
}

/// The authorization server, which runs in this process, and the runtime it runs on.
pub(crate) struct Google {
    server: Authorization,
    runtime: Runtime,
}

impl std::ops::Deref for Google {
    type Target = Authorization;

    fn deref(&self) -> &Authorization {
        &self.server
    }
}

impl Google {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let options =
            AuthorizationOptions { users: vec![ADDRESS.to_owned()], ..Default::default() };
        let server = runtime.block_on(Authorization::start(options)).expect("a free port");
        Self { server, runtime }
    }

    /// The authorization server is down: its port refuses connections.
    pub(crate) fn goes_down(&self) {
        self.runtime.block_on(self.server.stop());
    }

    /// It is back, with every grant as it was.
    pub(crate) fn comes_back(&self) {
        self.runtime.block_on(self.server.restart()).expect("its own port");
    }

    /// Somebody's access token, which Gatepost knows nothing of.
    pub(crate) fn token_for(&self, address: &str) -> String {
        self.server.access_token(address).expect("randomness")
    }
}

impl Bed {
    /// With an IMAP server only, which starts faster.
    pub(crate) fn new() -> Self {
        servers::assert_can_run();
        // Short (Dovecot's sockets have the path in their names), and every user may pass through.
        let folder = tempfile::Builder::new().prefix("gp").tempdir().expect("a temporary folder");
        let passable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), passable).expect("a folder of ours");
        let certificates = folder.path().join("tls");
        make_certificates(&certificates);

        let google = Google::start();
        let store = MailStore::new(folder.path());
        let tokeninfo = google.urls().tokeninfo_url;
        let dovecot = Dovecot::as_gmail(folder.path(), &store, &certificates, &tokeninfo);
        Self { postfix: None, dovecot, google, store, certificates, folder }
    }

    /// With an IMAP and an SMTP server.
    pub(crate) fn with_smtp() -> Self {
        let mut bed = Self::new();
        let folder = bed.folder.path();
        bed.postfix = Some(Postfix::as_gmail(folder, &bed.dovecot, &bed.certificates));
        bed
    }

    /// A Dovecot without TLS and with a plain password on the same mail.
    pub(crate) fn plain_dovecot(&self) -> Dovecot {
        Dovecot::with_plain_password(self.folder.path(), &self.store)
    }

    /// The authority that signed the servers' certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.certificates.join("ca.pem")
    }

    /// For whatever else a test writes down.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join("scratch").join(name);
        fs::create_dir_all(&folder).expect("a folder of ours");
        folder
    }
}

/// A new authority and a server certificate of its making, in this folder: see `certs/README.md`.
pub(crate) fn make_certificates(folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/make-test-ca.sh");
    process::run_well(Command::new(script).arg(folder), b"", Duration::from_secs(30));
}
