//! The log, on stderr: one line an event, its fields behind the words, the session's id before.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::report::Failure;

/// The variable that sets the level.
const VARIABLE: &str = "GATEPOST_LOG";

/// Begins to log at the level in `GATEPOST_LOG`, else at `default`.
///
/// The level is for Gatepost's own words. Libraries stay at warnings whatever it says: some of
/// them log what passes through them, sign-ons included.
pub(super) fn start(default: LevelFilter) -> Result<(), Failure> {
    let level = match std::env::var(VARIABLE) {
        Ok(typed) if !typed.is_empty() => typed.parse().map_err(|_| {
            Failure::usage(
                format!("{VARIABLE} is “{typed}”, which is no level."),
                "Levels are off, error, warn, info, debug and trace.",
            )
        })?,
        _ => default,
    };
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // Only the first start in a process counts; the demo makes no second one.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
    Ok(())
}
