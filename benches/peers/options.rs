//! What is measured, and how much of it.

use std::io;
use std::path::PathBuf;

use clap::Parser;

use crate::real::LARGEST;
use crate::target::Kind;

/// Measures Gatepost beside its peers
#[derive(Parser)]
#[command(name = "cargo bench --bench peers --")]
pub(crate) struct Options {
    /// How often each figure is taken from each target; 20 times, instructions 3 times. What takes long
    /// is taken in one round of four, or in the first
    #[arg(long)]
    rounds: Option<usize>,
    /// Only these rows, by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) rows: Vec<String>,
    /// Only these targets, by commas; Gatepost and direct are always there
    #[arg(long, value_delimiter = ',')]
    pub(crate) targets: Vec<String>,
    /// One round of little work, which only shows that each row gives its figures
    #[arg(long)]
    pub(crate) short: bool,
    /// Before real Dovecot and real Postfix, instead of the server that answers from memory
    #[arg(long, conflicts_with_all = ["growth", "instructions"])]
    pub(crate) real: bool,
    /// Count Gatepost's instructions by Callgrind, beside those kept in docs/instructions.md
    #[arg(long)]
    pub(crate) instructions: bool,
    /// Measure how cost grows with sessions and sizes, instead of the rows
    #[arg(long, conflicts_with_all = ["rows", "targets", "against", "instructions"])]
    pub(crate) growth: bool,
    /// Write docs/performance.md with its plots; with --real docs/performance-real.md, with --growth
    /// docs/growth.md, with --instructions docs/instructions.md
    #[arg(long)]
    pub(crate) write: bool,
    /// Measure this binary instead of the one that cargo builds
    #[arg(long, value_name = "FILE")]
    pub(crate) gatepost: Option<PathBuf>,
    /// Measure another Gatepost beside it, one from before a change
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
    /// The mail server's own process
    #[arg(long, value_name = "FOLDER", hide = true)]
    pub(crate) upstream: Option<PathBuf>,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much work a row is.
pub(crate) struct Effort {
    /// MiB in one message, and messages.
    pub(crate) download: (usize, usize),
    pub(crate) upload: (usize, usize),
    /// Answers to `UID FETCH 1:* (FLAGS)` of 5,000 messages.
    pub(crate) lists: usize,
    pub(crate) fetches: usize,
    pub(crate) noops: usize,
    pub(crate) sign_ons: usize,
    pub(crate) at_once: usize,
    /// The most sessions that are tried.
    pub(crate) held: usize,
    pub(crate) idle: usize,
    /// Seconds for which idle sessions are watched.
    pub(crate) watched: f64,
    pub(crate) starts: usize,
}

impl Options {
    /// Those that are wanted: all, where none is named.
    pub(crate) fn chosen<T>(
        &self,
        all: &'static [T],
        name: fn(&T) -> &str,
    ) -> io::Result<Vec<&'static T>> {
        let known = || all.iter().map(name);
        if let Some(unknown) = self.rows.iter().find(|row| known().all(|known| known != **row)) {
            let known = known().collect::<Vec<_>>().join(", ");
            return Err(io::Error::other(format!(
                "there is no row “{unknown}”; there are {known}"
            )));
        }
        let wanted = |row: &&T| self.rows.is_empty() || self.rows.iter().any(|of| of == name(row));
        Ok(all.iter().filter(wanted).collect())
    }

    pub(crate) fn effort(&self) -> Effort {
        let effort = self.full_effort();
        if !self.real {
            return effort;
        }
        // They write to a disk, and are far slower than what stands before them.
        Effort {
            download: (effort.download.0.min(LARGEST), effort.download.1),
            upload: (effort.upload.0.min(LARGEST), effort.upload.1),
            fetches: effort.fetches.min(200),
            noops: effort.noops.min(400),
            sign_ons: effort.sign_ons.min(20),
            ..effort
        }
    }

    fn full_effort(&self) -> Effort {
        if self.short {
            return Effort {
                download: (4, 2),
                upload: (4, 2),
                lists: 4,
                fetches: 50,
                noops: 50,
                sign_ons: 5,
                at_once: 20,
                held: 20,
                idle: 20,
                watched: 0.2,
                starts: 1,
            };
        }
        Effort {
            download: (25, 6),
            upload: (25, 4),
            lists: 50,
            fetches: 800,
            noops: 1_600,
            sign_ons: 30,
            at_once: 500,
            held: 2_560,
            idle: 1_000,
            watched: 3.0,
            starts: 5,
        }
    }

    /// A colleague gets less of what it is slow at, and no more clients than it bears.
    pub(crate) fn effort_for(&self, kind: Kind) -> Effort {
        let effort = self.effort();
        if kind != Kind::Colleague {
            return effort;
        }
        let (size, count) = effort.download;
        Effort {
            download: (size, count.div_ceil(3)),
            upload: (effort.upload.0, effort.upload.1.div_ceil(2)),
            lists: effort.lists.div_ceil(4),
            fetches: effort.fetches.min(50),
            sign_ons: effort.sign_ons.min(5),
            idle: effort.idle.min(200),
            ..effort
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        let usual = if self.instructions { 3 } else { 20 };
        if self.short { 1 } else { self.rounds.unwrap_or(usual).max(1) }
    }
}
