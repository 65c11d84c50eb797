//! `gatepost check`: goes the whole way as a mail client does, and tells where it ends.

pub(super) mod doors;
mod machine;
mod proxy;
mod report;
pub(super) mod rounds;
mod told;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tracing_subscriber::filter::LevelFilter;

use super::mistake::Mistake;
use super::report::{Exit, Failure, put, say};
use super::settings::create;
use super::{block_on, keys, log, record_of};
use crate::accounts::{Address, Store};
use crate::check::{Check as Look, Finding, Outcome};
use crate::config::Home;
use crate::secret::LocalPassword;
use rounds::{Rounds, Stopped};
use told::Told;

/// Prove the whole way, as a mail program would go it, and name what is wrong
#[derive(Args)]
#[command(after_help = "\
Each line is one look. What is wrong comes with one thing to do. If no Gatepost is running, the check
serves for itself meanwhile.

Examples:
  gatepost check                              every account
  gatepost check you@gmail.com --send         one, and mail a message to yourself
  gatepost check --report report.txt          the same in a file that you can show to others")]
pub(super) struct Check {
    /// One account only
    address: Option<String>,
    /// Mail a message from each account to itself, and wait for it
    #[arg(long)]
    send: bool,
    /// Each finding as one JSON object a line, on stdout
    #[arg(long)]
    json: bool,
    /// Write what was found into a new file as well, without addresses and names
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Take the local password of a locked account from the first line of stdin
    #[arg(long)]
    password_stdin: bool,
}

impl Check {
    pub(super) fn run(self, home: &Home) -> Result<ExitCode, Failure> {
        // What the log would say is said by the findings.
        log::start(LevelFilter::OFF)?;
        let only = match &self.address {
            Some(typed) => Some(record_of(&Store::new(home.accounts()), typed)?.address().clone()),
            None => None,
        };
        if let Some(path) = self.report.as_deref().filter(|path| path.exists()) {
            return Err(Mistake::OutIsThere { file: path }.into());
        }
        let password = match self.password_stdin {
            true => Some(
                keys::line_of_stdin()
                    .map_err(|error| Failure::from(Mistake::PasswordUnreadable(&error)))?,
            ),
            false => None,
        };
        let told = if self.json { Told::as_json() } else { Told::for_people() };
        let rounds = Rounds {
            home,
            only: only.as_ref(),
            password: password.as_ref(),
            may_ask: !self.password_stdin && std::io::stdin().is_terminal(),
            send: self.send,
            stopped: Stopped::IsWrong,
        };
        if !self.json {
            put(&format!("Gatepost {} looks at itself.\n", env!("CARGO_PKG_VERSION")));
        }
        let findings = block_on(rounds.walk(&told))?;
        told.summary(&findings);
        if let Some(path) = &self.report {
            create(path, report::text(home, &findings).as_bytes())?;
            say(&format!("{} is written.", path.display()));
        }
        Ok(exit_code(&findings))
    }
}

/// The proof at the end of the guided set-up: as `check` does it for one account, and a Gatepost that
/// does not run yet is no failure. True if all is well.
pub(super) fn prove(
    home: &Home,
    address: &Address,
    password: Option<&LocalPassword>,
    send: bool,
) -> Result<bool, Failure> {
    let told = Told::for_people();
    let may_ask = std::io::stdin().is_terminal();
    let stopped = Stopped::IsFine;
    let rounds = Rounds { home, only: Some(address), password, may_ask, send, stopped };
    let findings = block_on(rounds.walk(&told))?;
    told.summary(&findings);
    Ok(!findings.iter().any(Finding::has_failed))
}

/// 3 if a new sign-in is all that is wanted, 2 if the configuration is wrong, 1 for anything else.
fn exit_code(findings: &[Finding]) -> ExitCode {
    let failed = || findings.iter().filter(|finding| finding.outcome == Outcome::Failed);
    if failed().next().is_none() {
        return ExitCode::SUCCESS;
    }
    let is_usage = |finding: &Finding| {
        finding.check == Look::Configuration || finding.code.as_deref() == Some("client_file")
    };
    if failed().any(is_usage) {
        return Exit::Usage.into();
    }
    if failed().all(needs_sign_in) {
        return Exit::NeedsSignIn.into();
    }
    Exit::Failed.into()
}

fn needs_sign_in(finding: &Finding) -> bool {
    const CODES: [&str; 7] = [
        "grant_ended",
        "grant_ended_testing",
        "session_policy",
        "scope_missing",
        "token_refused",
        "other_account",
        "no_account",
    ];
    finding.code.as_deref().is_some_and(|code| CODES.contains(&code))
}
