//! `gatepost run`: serve, in the foreground or without a window.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::log::Log;
use super::mistake::Mistake;
use super::report::{Failure, say};
#[cfg(windows)]
use super::service;
use super::{background, block_on, keys, signing_in};
use crate::accounts::Address;
use crate::config::{Config, Home};
use crate::control::{Channel, InstanceLock};
use crate::notice::Notices;
use crate::private_file;
use crate::proxy::{Limits, Server};
use crate::service_manager;
use crate::settings::Settings;
use crate::status::Site;

/// Serve your mail programs, until Ctrl-C or `gatepost stop`
#[derive(Args, Default)]
#[command(after_help = "\
With --background it leaves once it serves, or says why it does not.

Examples:
  gatepost run                              serve
  gatepost run --background                 and give the terminal back
  gatepost run --log-wire you@gmail.com     and write down what your mail program says")]
pub(super) struct Run {
    /// Go on without a window or a terminal; `gatepost stop` ends it
    #[arg(long)]
    background: bool,
    /// Write what this account's mail programs say and hear to logs/wire.log, without passwords and mail
    #[arg(long, value_name = "ADDRESS")]
    log_wire: Option<String>,
    /// Windows' Service Control Manager starts it
    #[cfg(windows)]
    #[arg(long = service::AS_SERVICE, hide = true)]
    as_service: bool,
}

impl Run {
    pub(super) fn run(self, home: Home) -> Result<ExitCode, Failure> {
        let log_wire = self.log_wire.as_deref().map(signing_in::address).transpose()?;
        #[cfg(windows)]
        if self.as_service {
            return as_service(home, log_wire);
        }
        if self.background {
            let process = background::start(&home, log_wire.as_ref())?;
            say(&background::Told::Serving { process }.to_string());
            return Ok(ExitCode::SUCCESS);
        }
        if !background::is_it() {
            run(home, log_wire, || say("ready"))?;
        } else if let Err(failure) = run(home, log_wire, background::say_ready) {
            background::say_failed(&failure);
            return Err(failure);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Serves as a service of Windows', whose manager is told how it goes.
#[cfg(windows)]
fn as_service(home: Home, log_wire: Option<Address>) -> Result<ExitCode, Failure> {
    let work = move || {
        let Err(failure) = run(home.clone(), log_wire, || ()) else { return 0 };
        if !tracing::dispatcher::has_been_set() {
            // It failed before it knew what to log. Where this fails too, there is nobody to tell.
            let usual =
                crate::config::Log { level: tracing::level_filters::LevelFilter::INFO, files: 1 };
            let _ = Log::start(&usual, &home.logs(), None);
        }
        tracing::error!("{} {}", failure.sentence, failure.remedy);
        failure.exit as u32
    };
    service_manager::serve(work).map_err(|_| Failure::from(Mistake::NotAService))?;
    Ok(ExitCode::SUCCESS)
}

/// Serves to the end; `ready` is done once every listener accepts.
fn run(home: Home, log_wire: Option<Address>, ready: fn()) -> Result<(), Failure> {
    let settings = Settings::load(&home, None)?;
    // Held to the end: nobody else writes what this process reads, or its log.
    let _lock = InstanceLock::take(&home)?;
    let log = Log::start(&settings.config.log, &home.logs(), log_wire.clone())?;
    // One that was killed left its address behind; nobody is to knock there.
    let _ = private_file::remove(&home.control_file());
    private_file::create_private_dir(&home.accounts()).map_err(|error| {
        Failure::from(Mistake::FolderUnwritable { folder: &home.accounts(), error: &error })
    })?;
    block_on(serve(home, settings, log, log_wire, ready))
}

async fn serve(
    home: Home,
    settings: Settings,
    log: Log,
    log_wire: Option<Address>,
    ready: fn(),
) -> Result<(), Failure> {
    let signals =
        Signals::listen().map_err(|error| Failure::from(Mistake::SignalsUnheard(&error)))?;
    let keys = keys::configured(&settings.config)?;
    let server = Server::start(home, settings, keys)?;
    let site = Site::open(&server);
    let mut channel = Channel::open(site.desk().clone()).await?;
    let desk = site.desk().clone();
    let page = move || desk.link().ok().map(|link| link.expose());
    let notices = Notices::begin(server.clone(), Box::new(page));
    server.look_for_newer_versions();
    hints(&server);
    if let Some(account) = &log_wire {
        hint_of_wire_log(&server, account);
    }
    let (mut changes, begun) = (server.changes(), server.settings());
    let changed = tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            let now = changes.borrow_and_update();
            log.reload(&now.config.log);
            hint_of_new_start(&begun.config, &now.config);
        }
    });
    ready();
    service_manager::ready(&in_short(&server));
    let beating = tokio::spawn(beat(server.clone()));
    until_stopped(&server, &mut channel, signals).await;
    tracing::info!("stopping; sessions come to rest");
    service_manager::stopping();
    notices.end().await;
    server.stop().await;
    drop(site);
    beating.abort();
    changed.abort();
    tracing::info!("stopped");
    Ok(())
}

/// What a person should know, in the log.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hint<'h> {
    /// Nobody can sign in.
    NoClient,
    /// Nobody has signed in.
    NoAccount,
    /// Where the wire log is.
    WireLog { file: &'h Path },
    /// The wire log's account isn't there yet.
    WireLogWaits { account: &'h Address },
    /// What a reload has read and can't take up.
    NewStart,
    /// The system's limit is low.
    FewDescriptors(Limits),
}

impl std::fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoClient => f.write_str(
                "there is no Google client yet: run `gatepost login you@gmail.com --client FILE` (docs/google-client.md)",
            ),
            Self::FewDescriptors(limits) => limits.fmt(f),
            Self::NoAccount => {
                f.write_str("there is no account yet: run `gatepost login you@gmail.com`")
            }
            Self::WireLog { file } => {
                write!(f, "what its mail programs say and hear is in {}", file.display())
            }
            Self::WireLogWaits { account } => write!(
                f,
                "there is no account {account}: its wire log begins after `gatepost login {account}`"
            ),
            Self::NewStart => f.write_str(
                "what is new under [secrets], or as `files` under [log], waits for a new start of Gatepost",
            ),
        }
    }
}

/// What a newcomer should know before the first mail client comes.
fn hints(server: &Server) {
    match server.limits() {
        Some(limits) if limits.are_low() => tracing::warn!("{}", Hint::FewDescriptors(limits)),
        Some(Limits { descriptors, sessions }) => {
            tracing::debug!(descriptors, sessions, "as many as there can be");
        }
        None => {}
    }
    let status = server.status();
    if server.settings().server.is_none() {
        tracing::warn!("{}", Hint::NoClient);
    } else if status.accounts.is_empty() && status.damaged.is_empty() {
        tracing::warn!("{}", Hint::NoAccount);
    }
    for account in status.accounts {
        tracing::info!(account = account.address, state = account.state, "account");
    }
}

/// Where the wire log is, and what it waits for.
fn hint_of_wire_log(server: &Server, account: &Address) {
    let file = server.home().logs().join("wire.log");
    tracing::info!(%account, "{}", Hint::WireLog { file: &file });
    let is_it = |typed: &str| Address::parse(typed).is_ok_and(|address| address == *account);
    if !server.status().accounts.iter().any(|known| is_it(&known.address)) {
        tracing::warn!("{}", Hint::WireLogWaits { account });
    }
}

/// What a reload has read and can't take up.
fn hint_of_new_start(begun: &Config, now: &Config) {
    let secrets = |config: &Config| (config.key_file.clone(), config.keychain);
    if secrets(begun) != secrets(now) || begun.log.files != now.log.files {
        tracing::warn!("{}", Hint::NewStart);
    }
}

async fn until_stopped(server: &Arc<Server>, channel: &mut Channel, mut signals: Signals) {
    loop {
        tokio::select! {
            () = channel.stop_asked() => return,
            signal = signals.next() => match signal {
                Signal::Stop => return,
                Signal::Reload => match server.reload() {
                    Ok(reloaded) => tracing::info!(accounts = reloaded.accounts, "read again"),
                    Err(error) => tracing::error!("the configuration was not taken up: {error}"),
                },
            },
        }
    }
}

/// Tells the service manager that all goes on, as often as it wants to hear it: on the runtime that serves
/// the mail clients, and only once the locks were to be had that they need.
async fn beat(server: Arc<Server>) {
    let Some(pulse) = service_manager::pulse() else { return };
    loop {
        tokio::time::sleep(pulse).await;
        service_manager::alive(&in_short(&server));
    }
}

/// The state of things in a line, without anybody's address: every user of the machine can read it.
fn in_short(server: &Server) -> String {
    let accounts = server.status().accounts;
    let (mut imap, mut smtp) = (0, 0);
    for account in &accounts {
        imap += account.sessions.imap;
        smtp += account.sessions.smtp;
    }
    let plural = if accounts.len() == 1 { "" } else { "s" };
    format!("{} account{plural}; {imap} IMAP and {smtp} SMTP sessions", accounts.len())
}

pub(super) enum Signal {
    Stop,
    #[cfg_attr(windows, expect(dead_code, reason = "Windows has no such signal"))]
    Reload,
}

#[cfg(unix)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }
}

#[cfg(windows)]
pub(super) struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    breaks: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
        Ok(Self {
            interrupt: ctrl_c()?,
            breaks: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.breaks.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
            () = service_manager::stop_asked() => {}
        }
        Signal::Stop
    }
}
