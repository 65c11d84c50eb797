//! `gatepost demo`: the main job, without a Google account.

use std::process::ExitCode;

use clap::Args;
use tracing_subscriber::filter::LevelFilter;

use super::report::{Failure, put};
use super::{block_on, log};
use crate::demo::Story;

/// See the whole thing work with a stand-in for Google
#[derive(Args)]
#[command(after_help = "Examples:
  gatepost demo --once   tell the story and leave
  gatepost demo          the same, then stay for your own mail client")]
pub(super) struct Demo {
    /// Leave after the steps; 0 only if all of them held
    #[arg(long)]
    once: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        log::start(LevelFilter::ERROR)?;
        block_on(async {
            let story = Story::tell(&put).await.map_err(|broken| {
                Failure::failed(format!("A step of the demo did not hold. {broken}."), "Run it again with GATEPOST_LOG=debug to see what happened.")
            })?;
            if !self.once {
                put("\nThe demo stays up. Point a mail client at it, then press Ctrl-C:");
                for (what, value) in story.settings() {
                    put(&format!("  {what:<18}{value}"));
                }
                tokio::signal::ctrl_c().await.map_err(|error| {
                    Failure::failed(format!("Ctrl-C can't be listened for ({error})."), "Use --once.")
                })?;
            }
            story.stop().await;
            Ok(ExitCode::SUCCESS)
        })
    }
}
