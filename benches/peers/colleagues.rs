//! The peers that do Gatepost's work: they sign a mail client on at the provider in its place.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use crate::client::{Door, SignOn};
use crate::gatepost_home::YOU;
use crate::process;
use crate::relays::Setting;
use crate::target::{Another, Launch};

/// Where `benches/peers/install.sh` puts it.
const VENV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/email-oauth2-proxy");
/// Writes its configuration.
const SIGNED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/signed_in.py");

pub(crate) struct Colleague {
    pub(crate) name: &'static str,
    /// What of the rows it can do, and what makes sense: its own start and size are Python's.
    pub(crate) rows: &'static [&'static str],
    program: fn() -> Result<PathBuf, String>,
    prepare: fn(&Path, &Setting, &Path) -> io::Result<Launch>,
}

pub(crate) const COLLEAGUES: [Colleague; 2] = [
    Colleague {
        name: "email-oauth2-proxy",
        rows: &["download", "list", "append", "data", "fetch", "noop", "sign-on", "held", "idle"],
        program: || {
            let file = Path::new(VENV).join("bin/emailproxy");
            let missing = || "email-oauth2-proxy (benches/peers/install.sh)".to_owned();
            file.is_file().then_some(file).ok_or_else(missing)
        },
        prepare: email_oauth2_proxy,
    },
    Colleague {
        name: "Dovecot",
        rows: &["download", "list", "append", "fetch", "noop", "sign-on", "idle"],
        program: || {
            let missing = || "Dovecot as a proxy (as root; Debian: dovecot-imapd)".to_owned();
            let is_root = nix::unistd::geteuid().is_root();
            process::installed("dovecot").filter(|_| is_root).ok_or_else(missing)
        },
        prepare: dovecot,
    },
];

impl Colleague {
    /// Prepares instances of it; what is missing, in words, if it isn't installed.
    pub(crate) fn find(&'static self, setting: &Rc<Setting>) -> Result<Another, String> {
        let program = (self.program)()?;
        let setting = Rc::clone(setting);
        Ok(Box::new(move || {
            let folder = tempfile::Builder::new()
                .prefix("colleague")
                // Dovecot's processes have users of their own.
                .permissions(Permissions::from_mode(0o755))
                .tempdir_in(&setting.folder)?
                .keep();
            (self.prepare)(&program, &setting, &folder)
        }))
    }
}

fn token(setting: &Setting) -> &str {
    match &setting.behind.sign_on {
        SignOn::Token { token, .. } | SignOn::Password { password: token, .. } => token,
    }
}

/// With a grant in its configuration, sealed by the local password as it does itself.
fn email_oauth2_proxy(program: &Path, setting: &Setting, folder: &Path) -> io::Result<Launch> {
    let password = "a local password".to_owned();
    let (imap, smtp) = (process::free_port()?, process::free_port()?);
    let file = folder.join("configuration");
    let mut writer = Command::new(program.with_file_name("python"))
        .arg(SIGNED_IN)
        .arg(&file)
        .args([YOU, token(setting)])
        .arg(format!("IMAP-{}={}", imap.port(), setting.behind.imap.port()))
        .arg(format!("SMTP-{}={}", smtp.port(), setting.behind.smtp.port()))
        .stdin(Stdio::piped())
        .spawn()?;
    let mut stdin = writer.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    writeln!(stdin, "{password}")?;
    drop(stdin);
    if !writer.wait()?.success() {
        return Err(io::Error::other("the configuration of email-oauth2-proxy was not written"));
    }
    let command = vec![
        "/usr/bin/env".to_owned(),
        // What Python's TLS trusts besides.
        format!("SSL_CERT_FILE={}", setting.ca_file.display()),
        program.display().to_string(),
        "--no-gui".to_owned(),
        "--config-file".to_owned(),
        file.display().to_string(),
    ];
    let sign_on = SignOn::Password { user: YOU.to_owned(), password };
    let door = Door { imap, smtp, tls: None, sign_on };
    Ok(Launch { command, log: folder.join("log"), door, says_ready: false })
}

/// With one token for whoever comes: it refreshes none, and checks no certificate, which spares it work.
fn dovecot(program: &Path, setting: &Setting, folder: &Path) -> io::Result<Launch> {
    let imap = process::free_port()?;
    let there = setting.behind.imap.port();
    let (here, token, port) = (folder.display(), token(setting), imap.port());
    let text = format!(
        "base_dir = {here}/run\nstate_dir = {here}/state\nlog_path = {here}/said\nprotocols = imap\n\
         listen = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\nauth_failure_delay = 0\n\
         default_vsz_limit = 0\n\
         passdb {{\n driver = static\n args = nopassword=y proxy=y host=localhost hostip=127.0.0.1 \
         port={there} ssl=any-cert proxy_mech=xoauth2 pass={token}\n}}\n\
         userdb {{\n driver = static\n args = uid=nobody gid=nogroup home=/nonexistent\n}}\n\
         service imap-login {{\n service_count = 0\n client_limit = 4096\n process_min_avail = 1\n \
         inet_listener imap {{\n port = {port}\n }}\n inet_listener imaps {{\n port = 0\n }}\n}}\n\
         service anvil {{\n client_limit = 8192\n unix_listener anvil-auth-penalty {{\n mode = 0\n }}\n}}\n\
         service auth {{\n client_limit = 8192\n}}\n",
    );
    let file = folder.join("configuration");
    fs::write(&file, text)?;
    let command = [&program.display().to_string(), "-F", "-c", &file.display().to_string()];
    let command = command.map(str::to_owned).to_vec();
    let sign_on = SignOn::Password { user: YOU.to_owned(), password: "any".to_owned() };
    // It has no submission here.
    let door = Door { imap, smtp: imap, tls: None, sign_on };
    Ok(Launch { command, log: folder.join("log"), door, says_ready: false })
}
