//! `gatepost run`: serve, in the foreground.

use std::process::ExitCode;
use std::sync::Arc;

use tracing_subscriber::filter::LevelFilter;

use super::report::{Failure, say};
use super::{block_on, log, login};
use crate::config::Home;
use crate::control::{Channel, InstanceLock};
use crate::private_file;
use crate::proxy::Server;
use crate::settings::Settings;

pub(super) fn run(home: Home) -> Result<ExitCode, Failure> {
    log::start(LevelFilter::INFO)?;
    let settings = Settings::load(&home, None)?;
    // Held to the end: nobody else writes what this process reads.
    let _lock = InstanceLock::take(&home)?;
    // One that was killed left its address behind; nobody is to knock there.
    let _ = private_file::remove(&home.control_file());
    private_file::create_private_dir(&home.accounts()).map_err(|error| {
        Failure::failed(
            format!("{} can't be written ({error}).", home.accounts().display()),
            "Make the folder writable, or name another home with --home.",
        )
    })?;
    raise_descriptor_limit();
    block_on(serve(home, settings))?;
    Ok(ExitCode::SUCCESS)
}

/// Each session has two descriptors; the soft limit of many systems is 1,024, the hard one far more.
#[cfg(unix)]
fn raise_descriptor_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "descriptors"),
        Err(error) => tracing::debug!("the limit of descriptors stays as it is ({error})"),
    }
}

/// Windows has no such limit.
#[cfg(windows)]
fn raise_descriptor_limit() {}

async fn serve(home: Home, settings: Settings) -> Result<(), Failure> {
    let signals = Signals::listen().map_err(|error| {
        Failure::failed(format!("Signals can't be listened for ({error})."), "Start it anew.")
    })?;
    let key_file = login::key_file_path(&settings.config);
    let server = Server::start(home, settings, key_file)?;
    let mut channel = Channel::open(server.clone()).await?;
    hints(&server);
    say("ready");
    notify(Stage::Ready);
    until_stopped(&server, &mut channel, signals).await;
    tracing::info!("stopping; sessions come to rest");
    notify(Stage::Stopping);
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// What a newcomer should know before the first mail client comes.
fn hints(server: &Server) {
    if server.settings().server.is_none() {
        tracing::warn!(
            "there is no Google client yet: run `gatepost login you@gmail.com --client FILE` (docs/google-client.md)"
        );
    } else if server.status().accounts.is_empty() && server.status().damaged.is_empty() {
        tracing::warn!("there is no account yet: run `gatepost login you@gmail.com`");
    }
    for account in server.status().accounts {
        tracing::info!(account = account.address, state = account.state, "account");
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

/// What a service manager is told.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Ready,
    Stopping,
}

/// Tells systemd, where it has asked to be told.
#[cfg(unix)]
fn notify(stage: Stage) {
    let state = match stage {
        Stage::Ready => sd_notify::NotifyState::Ready,
        Stage::Stopping => sd_notify::NotifyState::Stopping,
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!("systemd can't be told ({error})");
    }
}

/// Windows' service manager is not told by a program in the foreground.
#[cfg(windows)]
fn notify(stage: Stage) {
    tracing::debug!(?stage, "no service manager to tell");
}

enum Signal {
    Stop,
    #[cfg_attr(windows, expect(dead_code, reason = "Windows has no such signal"))]
    Reload,
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    breaks: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
        Ok(Self {
            interrupt: ctrl_c()?,
            breaks: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.breaks.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
        }
        Signal::Stop
    }
}
