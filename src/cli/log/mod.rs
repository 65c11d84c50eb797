//! The log: one line an event, its fields behind the words, the session's id before. On stderr for
//! every command; the running proxy keeps files of it as well.

mod files;
mod wire;

use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::Registry;
use tracing_subscriber::filter::{FilterFn, LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use super::mistake::Mistake;
use super::report::Failure;
use super::terminal::Look;
use crate::accounts::Address;
use crate::config::Log as Config;
use crate::protocol::wire_log;
use files::LogFile;

/// The variable that sets the level, before the configuration.
const VARIABLE: &str = "GATEPOST_LOG";

/// The running proxy's log, whose level a reload may change.
pub(super) struct Log {
    filters: Vec<reload::Handle<Targets, Registry>>,
    /// `GATEPOST_LOG` was set: nothing else sets the level.
    fixed: bool,
}

/// Begins to log to stderr, at the level in `GATEPOST_LOG`, else at `default`.
pub(super) fn start(default: LevelFilter) -> Result<(), Failure> {
    let targets = targets(level_typed()?.unwrap_or(default));
    // Only the first start in a process counts; the demo makes no second one.
    let _ = tracing_subscriber::registry().with(on_stderr().with_filter(targets)).try_init();
    Ok(())
}

impl Log {
    /// Begins to log to stderr and, if `config` wants them, to files in `folder`; and to a wire log
    /// what the mail clients of `account` say and hear.
    pub(super) fn start(
        config: &Config,
        folder: &Path,
        account: Option<Address>,
    ) -> Result<Self, Failure> {
        let typed = level_typed()?;
        let wanted = targets(typed.unwrap_or(config.level));
        let open = |name: &str, files| {
            LogFile::open(folder, name, files)
                .map_err(|error| Failure::from(Mistake::FolderUnwritable { folder, error: &error }))
        };
        let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
        let mut filters = Vec::new();
        let mut filtered = || {
            let (filter, handle) = reload::Layer::new(wanted.clone());
            filters.push(handle);
            filter
        };
        layers.push(on_stderr().with_filter(filtered()).boxed());
        if config.files > 0 {
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(Mutex::new(open("gatepost", config.files)?))
                .with_target(false)
                .with_ansi(false)
                // A full disk is no reason to fill stderr.
                .log_internal_errors(false);
            layers.push(lines.with_filter(filtered()).boxed());
        }
        if let Some(account) = account {
            let lines = wire::Lines::new(account, open("wire", config.files.max(1))?);
            layers.push(lines.with_filter(FilterFn::new(wire::is_wanted)).boxed());
        }
        let _ = tracing_subscriber::registry().with(layers).try_init();
        log_panics();
        Ok(Self { filters, fixed: typed.is_some() })
    }

    /// Logs at the level of `config` from now on, unless `GATEPOST_LOG` is set.
    pub(super) fn reload(&self, config: &Config) {
        if self.fixed {
            return;
        }
        for filter in &self.filters {
            // An error means that the log has ended.
            let _ = filter.reload(targets(config.level));
        }
    }
}

/// The level is for Gatepost's own words. Libraries stay at warnings whatever it says: some of
/// them log what passes through them, sign-ons included. The wire log has a file of its own.
fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level)
        .with_target(wire_log::TARGET, LevelFilter::OFF)
}

fn on_stderr() -> impl Layer<Registry> + Send + Sync {
    tracing_subscriber::fmt::layer()
        .with_writer(anstream::stderr)
        .with_target(false)
        .with_ansi(Look::of_stderr().has_colour())
}

fn level_typed() -> Result<Option<LevelFilter>, Failure> {
    match std::env::var(VARIABLE) {
        Ok(typed) if !typed.is_empty() => typed
            .parse()
            .map(Some)
            .map_err(|_| Mistake::NoLevel { variable: VARIABLE, typed: &typed }.into()),
        _ => Ok(None),
    }
}

/// A defect ends one session and not the proxy; the log says where. The panic's own words stay out:
/// they may repeat what it was working on.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("a defect in Gatepost at {place}: please report it with this line");
    }));
}
