//! The scene that most tests begin with: Google on this machine, a home where one person has signed
//! in, and `gatepost run`. Every such test ends with the same two questions: did `run` leave as it
//! should, and did no secret get out?

use std::{
    fs,
    path::Path,
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    bed::{ADDRESS, Bed},
    gatepost::{Home, Proxy, configuration},
    leaks::{self, Secret},
    machine::Machine,
    mail_client::Settings,
    messages,
    servers::{Desktop, Keyring},
    windows::Windows,
    wire::Wire,
    within,
};

/// Outlook gives up on a server after a minute at its default.
pub(crate) const AN_ANSWER: Duration = Duration::from_secs(60);

/// How a scene is set. `Setting::default()` has no SMTP server and a random local password.
#[derive(Default)]
pub(crate) struct Setting {
    /// With Postfix.
    pub(crate) smtp: bool,
    /// The local password that the person picks.
    pub(crate) password: Option<&'static str>,
    /// More of `[provider.gmail]`.
    pub(crate) provider: &'static str,
    /// How long access tokens live, where it matters.
    pub(crate) token_life: Option<Duration>,
    /// In the session of a person whose keyring is unlocked; else there is no keychain.
    pub(crate) keyring: bool,
    /// On a desktop that shows notices, with the status page on.
    pub(crate) desktop: bool,
    /// With the program for Windows in Wine, and Windows' keychain; needs `tests/windows/run`.
    pub(crate) windows: bool,
}

impl Setting {
    /// With Postfix as well as Dovecot.
    pub(crate) fn with_smtp() -> Self {
        Self { smtp: true, ..Self::default() }
    }

    /// Sets the scene and plays it.
    pub(crate) fn play(self, limit: Duration, body: impl FnOnce(&mut Scene) + Send + 'static) {
        within(limit, move || {
            let mut scene = Scene::set(&self);
            body(&mut scene);
            scene.end();
        });
    }
}

/// Where a test takes place.
pub(crate) struct Scene {
    /// The running proxy. `None` only while it restarts.
    proxy: Option<Proxy>,
    pub(crate) home: Arc<Home>,
    /// The local password of [`ADDRESS`].
    pub(crate) password: String,
    /// The keychain, with [`Setting::keyring`].
    pub(crate) keyring: Option<Keyring>,
    /// The desktop, with [`Setting::desktop`].
    pub(crate) desktop: Option<Desktop>,
    /// The local passwords of others who have signed in.
    others: Vec<String>,
    pub(crate) bed: Bed,
    /// What the keychain has held.
    kept: Vec<String>,
    /// The machine that Gatepost is on, where it isn't this one.
    machine: Option<Arc<Machine>>,
}

impl Scene {
    fn set(setting: &Setting) -> Self {
        let bed = if setting.smtp { Bed::with_smtp() } else { Bed::new() };
        if let Some(life) = setting.token_life {
            bed.google.set_token_life(life);
        }
        let keyring = setting.keyring.then(|| Keyring::unlocked(&bed.scratch("session")));
        let with_keychain = format!("{}\n[secrets]\nkeychain = \"auto\"\n", setting.provider);
        let desktop = setting.desktop.then(|| Desktop::start(&bed.scratch("desktop")));
        let home = match &keyring {
            _ if setting.windows => {
                Home::on_windows(&bed, "home", &with_keychain, &Windows::prepared())
            }
            None => {
                let session = desktop.as_ref().map(Desktop::environment).unwrap_or_default();
                Home::in_session(&bed, "home", setting.provider, session)
            }
            Some(keyring) => Home::in_session(&bed, "home", &with_keychain, keyring.environment()),
        };
        if setting.desktop {
            let configured = configuration(&bed, setting.provider);
            home.configure(&configured.replace("status = \"\"", "status = \"127.0.0.1:0\""));
        }
        let password = sign_in(&home, ADDRESS, setting.password);
        let proxy = Some(home.run());
        let kept = keyring.iter().map(Keyring::secret).collect();
        let (others, machine) = (Vec::new(), None);
        Self { proxy, home, password, others, keyring, desktop, bed, kept, machine }
    }

    /// The running proxy.
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("it runs")
    }

    /// Stops the proxy and starts it again; its ports change.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Starts the proxy, which has ended.
    pub(crate) fn start(&mut self) {
        assert!(self.proxy.is_none(), "it runs");
        self.proxy = Some(self.home.run());
    }

    /// Does something while nothing runs.
    pub(crate) fn while_stopped(&mut self, body: impl FnOnce(&mut Self)) {
        self.stop();
        body(self);
        self.start();
    }

    /// Waits for the end of the proxy, which the test has brought about itself.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        self.proxy.take().expect("it ran").wait_for_end()
    }

    /// From now on Gatepost is started on this machine.
    pub(crate) fn move_to(&mut self, machine: &Arc<Machine>) {
        let through = machine.through();
        let words: Vec<&str> = through.iter().map(String::as_str).collect();
        self.home.start_through(&words);
        self.machine = Some(machine.clone());
    }

    /// What the running proxy has logged so far.
    pub(crate) fn log(&self) -> String {
        self.proxy().log()
    }

    /// What a mail client is told to use.
    pub(crate) fn settings(&self) -> Settings {
        let Proxy { imap, smtp, .. } = *self.proxy();
        Settings {
            imap,
            smtp,
            address: ADDRESS.to_owned(),
            password: self.password.clone(),
            auth: None,
        }
    }

    /// Signs somebody else in, with a local password that they pick or a random one. What their mail
    /// client is told to use.
    pub(crate) fn sign_in_another(&mut self, address: &str, password: Option<&str>) -> Settings {
        self.bed.google.allow_user(address);
        let password = sign_in(&self.home, address, password);
        self.others.push(password.clone());
        Settings { address: address.to_owned(), password, ..self.settings() }
    }

    /// What the running proxy says of each account.
    pub(crate) fn accounts(&self) -> Vec<Value> {
        self.home.status()["accounts"].as_array().expect("accounts").clone()
    }

    /// A fresh IMAP connection.
    pub(crate) fn imap(&self) -> Wire {
        Wire::imap(self.proxy().imap)
    }

    /// A fresh SMTP connection, after EHLO.
    pub(crate) fn smtp(&self) -> Wire {
        Wire::smtp(self.proxy().smtp)
    }

    /// What signs on to IMAP: `LOGIN` with both arguments quoted.
    pub(crate) fn login(&self) -> String {
        format!("LOGIN {} {}", quoted(ADDRESS), quoted(&self.password))
    }

    /// An IMAP connection that has signed on.
    pub(crate) fn signed_on(&self) -> Wire {
        let mut wire = self.imap();
        wire.command("a1", &self.login());
        wire
    }

    /// What signs on to SMTP.
    pub(crate) fn auth_plain(&self) -> String {
        format!("AUTH PLAIN {}\r\n", plain(ADDRESS, &self.password))
    }

    /// An SMTP connection that has signed on.
    pub(crate) fn smtp_signed_on(&self) -> Wire {
        let mut wire = self.smtp();
        wire.send(self.auth_plain());
        wire.expect_smtp("235");
        wire
    }

    /// A LOGIN in trouble that is not the password's: words for the person, a BYE with words, the end.
    /// Never a tagged reply, on which a client would ask the person for a password.
    pub(crate) fn expect_bye(&self) {
        let mut wire = self.imap();
        let start = Instant::now();
        wire.send(format!("a1 {}\r\n", self.login()));
        let lines = wire.lines_to_end();
        let took = start.elapsed();
        assert!(took < AN_ANSWER, "after {took:?}\n{}", wire.dialogue());
        let (bye, before) = lines.split_last().expect("a word before the end");
        assert!(bye.starts_with("* BYE ") && bye.len() > 20, "{}", wire.dialogue());
        let alerts = before.iter().all(|line| line.starts_with("* OK [ALERT] "));
        assert!(alerts, "{}", wire.dialogue());
    }

    /// The same for SMTP.
    pub(crate) fn expect_421(&self) {
        let mut wire = self.smtp();
        let start = Instant::now();
        wire.send(self.auth_plain());
        let said = wire.expect_smtp("421");
        wire.expect_end();
        let took = start.elapsed();
        assert!(took < AN_ANSWER, "after {took:?}\n{}", wire.dialogue());
        assert!(said.starts_with("421 4.") && said.len() > 25, "{}", wire.dialogue());
    }

    /// Starts the proxy anew with more in `[provider.gmail]`, in place of what was there.
    pub(crate) fn restart_with(&mut self, provider: &str) {
        self.home.configure(&configuration(&self.bed, provider));
        self.restart();
    }

    fn stop(&mut self) {
        let proxy = self.proxy.take().expect("it runs");
        for what in ["cmdline", "environ"] {
            let bytes = fs::read(format!("/proc/{}/{what}", proxy.pid())).expect("it runs");
            let found = leaks::inside(&bytes, &self.secrets());
            assert!(found.is_empty(), "{found:?} in the process's {what}");
        }
        let status = proxy.stop();
        assert_eq!(status.code(), Some(0), "run's exit status after stop");
    }

    fn end(mut self) {
        self.stop();
        self.assert_no_leaks();
    }

    /// No secret is in any file of the home, or in anything that was said on stderr.
    fn assert_no_leaks(&self) {
        let here = self.home.folder();
        // On a machine with a disk of its own under the home, this one's folder is not what was used.
        let home = self.machine.as_ref().map_or(here.to_owned(), |machine| machine.path(here));
        let client_file = home.join("clients");
        let configuration = home.join("config.toml");
        let excepted = |name: &str, path: &Path| {
            name == "client secret" && (path == configuration || path.starts_with(&client_file))
        };
        let secrets = self.secrets();
        let mut found = leaks::under(&home, &secrets, excepted);
        found.extend(leaks::under(self.home.said(), &secrets, excepted));
        assert!(found.is_empty(), "leaked: {found:#?}");
    }

    fn secrets(&self) -> Vec<Secret> {
        let mut secrets = vec![
            Secret::new("a mail's text", messages::A_LINE),
            Secret::new("local password", &self.password),
            Secret::new("client secret", self.bed.google.client_secret()),
        ];
        let others = self.others.iter().map(|other| Secret::new("another's local password", other));
        secrets.extend(others);
        secrets.extend(self.kept.iter().map(|key| Secret::new("key in the keychain", key)));
        secrets
    }
}

/// Signs a person in, with a local password that they pick or a random one. The local password.
pub(crate) fn sign_in(home: &Home, address: &str, password: Option<&str>) -> String {
    match password {
        None => {
            let event = home.login(address, &[], b"").signed_in();
            event["password"].as_str().expect("a new account has a password").to_owned()
        }
        Some(password) => {
            let line = format!("{password}\n");
            home.login(address, &["--password-stdin"], line.as_bytes()).signed_in();
            password.to_owned()
        }
    }
}

/// An IMAP quoted string (RFC 3501 §4.3).
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The message of SASL PLAIN (RFC 4616), in base64.
pub(crate) fn plain(user: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{user}\0{password}"))
}
