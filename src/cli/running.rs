//! `gatepost status`, `reload` and `stop`: what is asked of the running proxy.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::mistake::Mistake;
use super::report::{Exit, Failure, put, say};
use super::terminal::UnderWay;
use super::{block_on, page};
use crate::accounts::{Listed, Record, Store};
use crate::config::Home;
use crate::control::{Answer, ControlError, Request, Running};
use crate::proxy::{
    AccountStatus, Connections, Continuity, Stands, Status as ProxyStatus, Warning,
};

/// What is told while the running proxy is asked, or ends.
pub(super) const ASKING: &str = "Waiting for the running Gatepost";
pub(super) const STOPPING: &str = "Gatepost lets its sessions come to rest, twenty seconds at most";

/// Show how the running Gatepost and its accounts are
#[derive(Args)]
#[command(after_help = "\
It leaves with 3 if an account needs you to sign in, and with 1 if nothing is running.

Examples:
  gatepost status          for you
  gatepost status --open   the page, in your browser
  gatepost status --json   for a script")]
pub(super) struct Status {
    /// One JSON object on stdout
    #[arg(long, conflicts_with = "open")]
    json: bool,
    /// Open the status page in the browser
    #[arg(long)]
    open: bool,
}

impl Status {
    pub(super) fn run(self, home: &Home) -> Result<ExitCode, Failure> {
        if self.open {
            return page::open(home);
        }
        let status = match Running::find(home) {
            Ok(running) => ask(&running, Request::Status)?,
            Err(ControlError::NotRunning) => return self.not_running(home),
            Err(error) => return Err(error.into()),
        };
        let Answer::Status(status) = status else {
            return Err(Mistake::StrangeAnswer.into());
        };
        if self.json {
            put(&serde_json::to_string(&status).unwrap_or_default());
        } else {
            lines(&status).iter().for_each(|line| put(line));
        }
        let needs = status.accounts.iter().any(|account| account.state == "needs_sign_in");
        Ok(if needs { Exit::NeedsSignIn.into() } else { ExitCode::SUCCESS })
    }

    /// What can be told without it: the accounts on disk.
    fn not_running(&self, home: &Home) -> Result<ExitCode, Failure> {
        let listed = Store::new(home.accounts()).list()?;
        let records: Vec<&Record> = listed
            .iter()
            .filter_map(|listed| match listed {
                Listed::Account(record) => Some(&**record),
                Listed::Damaged { .. } => None,
            })
            .collect();
        if self.json {
            let account = |record: &&Record| json!({"address": record.address().as_str(), "opens_with": record.opens_with()});
            let accounts: Vec<_> = records.iter().map(account).collect();
            let status = json!({
                "version": env!("CARGO_PKG_VERSION"), "running": false, "listeners": {}, "accounts": accounts,
            });
            put(&status.to_string());
        } else {
            for record in records {
                let opens_with = record.opens_with().join(", ");
                put(&format!("{}: signed in; opens with {opens_with}", record.address()));
            }
        }
        for listed in listed {
            if let Listed::Damaged { error, .. } = listed {
                say(&error.in_full());
            }
        }
        Err(ControlError::NotRunning.into())
    }
}

/// What a person is shown.
fn lines(status: &ProxyStatus) -> Vec<String> {
    let mut lines = vec![format!("Gatepost {} is running.", status.version)];
    let listeners = status.listeners.iter();
    lines.extend(listeners.map(|(service, address)| format!("  {service:<8}{address}")));
    let about = |account: Option<&str>| {
        let about = |warning: &&Warning| warning.account.as_deref() == account;
        let found: Vec<_> = status.warnings.iter().filter(about).map(warning_line).collect();
        found
    };
    lines.extend(about(None));
    lines.extend(status.damaged.iter().cloned());
    if status.accounts.is_empty() && status.damaged.is_empty() {
        lines.push("No account yet: run `gatepost login you@gmail.com`.".to_owned());
    }
    for account in &status.accounts {
        lines.push(account_line(account));
        let more = continuity_line(&account.continuity).into_iter();
        let more = more.chain(account.trouble.clone()).chain(about(Some(&account.address)));
        lines.extend(more.map(|line| format!("    {line}")));
    }
    lines
}

fn warning_line(warning: &Warning) -> String {
    format!("{} {}", warning.sentence, warning.remedy)
}

pub(super) fn account_line(account: &AccountStatus) -> String {
    let state = match account.state.as_str() {
        "ready" => "ready",
        "locked" => "locked until a mail program signs on",
        "needs_sign_in" => "needs you to sign in again",
        "refreshing" => "getting a token",
        _ => match account.stands {
            Some(Stands::Limit) => "has reached a limit",
            Some(Stands::NeedsPerson) => "needs you to do something",
            Some(Stands::Away) | None => "Google can't be reached",
        },
    };
    let token = account
        .token_expires_in
        .map_or(String::new(), |seconds| format!(", token good for {} min", seconds / 60));
    let Connections { in_use, limit, waiting } = account.connections;
    let connections = match (in_use, limit) {
        (_, Some(limit)) => format!("{in_use} of {limit} IMAP connections"),
        (1, None) => "1 IMAP connection".to_owned(),
        (_, None) => format!("{in_use} IMAP connections"),
    };
    let waiting = match waiting {
        0 => String::new(),
        waiting => format!(" ({waiting} waiting for one)"),
    };
    format!(
        "{}: {state}{token}; opens with {}; {} IMAP and {} SMTP sessions, {connections} to Gmail{waiting}; {:.1} MB down, {:.1} MB up in the last 24 hours",
        account.address,
        account.opens_with.join(", "),
        account.sessions.imap,
        account.sessions.smtp,
        account.today.down() as f64 / 1e6,
        account.today.up() as f64 / 1e6,
    )
}

/// What became of sessions whose connection to the provider ended, if any did.
fn continuity_line(continuity: &Continuity) -> Option<String> {
    let Continuity { rotations, resumptions, ended } = continuity;
    if rotations + resumptions == 0 && ended.is_empty() {
        return None;
    }
    let went_on = format!(
        "IMAP sessions that went on over a new connection: {rotations} before the old one ended, \
         {resumptions} after it was lost"
    );
    let told: u64 = ended.values().sum();
    let reasons: Vec<_> = ended.iter().map(|(why, times)| format!("{why} {times}")).collect();
    let ended = match told {
        0 => String::new(),
        told => format!("; {told} had to be ended ({})", reasons.join(", ")),
    };
    Some(went_on + &ended)
}

/// What a proxy says of itself, where one runs and answers.
pub(super) fn status(home: &Home) -> Option<ProxyStatus> {
    let running = Running::find(home).ok()?;
    match ask(&running, Request::Status) {
        Ok(Answer::Status(status)) => Some(status),
        _ => None,
    }
}

/// Asks the running proxy, which answers at once unless the machine is very busy.
fn ask(running: &Running, request: Request) -> Result<Answer, Failure> {
    let _sign = UnderWay::begin(ASKING);
    block_on(async { Ok(running.ask(request).await?) })
}

pub(super) fn reload(home: &Home) -> Result<ExitCode, Failure> {
    read_again(&Running::find(home)?)?;
    say("Read again.");
    Ok(ExitCode::SUCCESS)
}

/// Has the running proxy read its configuration and its accounts again.
pub(super) fn read_again(running: &Running) -> Result<(), Failure> {
    match ask(running, Request::Reload)? {
        Answer::Done => Ok(()),
        Answer::Failed(why) => Err(Mistake::NotReloaded { why: &why }.into()),
        _ => Err(Mistake::StrangeAnswer.into()),
    }
}

pub(super) fn stop(home: &Home) -> Result<ExitCode, Failure> {
    let running = Running::find(home).map_err(|error| match error {
        ControlError::NotRunning => Failure::from(Mistake::NothingToStop),
        error => error.into(),
    })?;
    let sign = UnderWay::begin(STOPPING);
    block_on(async { Ok(running.stop().await?) })?;
    drop(sign);
    say("Stopped.");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{Sessions, Traffic, WarningKind};

    #[test]
    fn a_line_tells_all_of_an_account_and_who_waits() {
        let mut account = AccountStatus {
            address: "you@gmail.com".to_owned(),
            state: "ready".to_owned(),
            opens_with: vec!["password".to_owned(), "keychain".to_owned()],
            token_expires_in: Some(3599),
            grant_expires_at: None,
            sessions: Sessions { imap: 5, smtp: 1 },
            connections: Connections { in_use: 2, limit: Some(2), waiting: 3 },
            continuity: Continuity::default(),
            bytes_down: 7_000_000,
            bytes_up: 0,
            since_start: Traffic::default(),
            hours: Vec::new(),
            today: Traffic { imap_down: 1_000_000, smtp_down: 500_000, ..Traffic::default() },
            last_used: None,
            trouble: None,
            stands: None,
        };
        assert_eq!(
            account_line(&account),
            "you@gmail.com: ready, token good for 59 min; opens with password, keychain; 5 IMAP and 1 \
             SMTP sessions, 2 of 2 IMAP connections to Gmail (3 waiting for one); 1.5 MB down, 0.0 MB \
             up in the last 24 hours"
        );
        account.connections = Connections { in_use: 2, limit: None, waiting: 0 };
        assert!(account_line(&account).contains("sessions, 2 IMAP connections to Gmail; 1.5 MB"));
    }

    #[test]
    fn what_had_better_be_done_stands_by_what_it_is_about() {
        let warning = |account: Option<&str>, sentence: &str| Warning {
            kind: WarningKind::Unused,
            account: account.map(str::to_owned),
            sentence: sentence.to_owned(),
            remedy: "Do it.".to_owned(),
        };
        let account = |address: &str| AccountStatus {
            address: address.to_owned(),
            ..AccountStatus::default()
        };
        let status = ProxyStatus {
            version: "1.0.0".to_owned(),
            listeners: [("imap".to_owned(), "127.0.0.1:10143".to_owned())].into(),
            accounts: vec![account("a@gmail.com"), account("b@gmail.com")],
            warnings: vec![warning(Some("b@gmail.com"), "It ends."), warning(None, "All ends.")],
            ..ProxyStatus::default()
        };
        let shown = lines(&status);
        assert_eq!(
            shown[..3],
            ["Gatepost 1.0.0 is running.", "  imap    127.0.0.1:10143", "All ends. Do it."]
        );
        assert!(shown[3].starts_with("a@gmail.com: ") && shown[4].starts_with("b@gmail.com: "));
        assert_eq!(shown[5..], ["    It ends. Do it."]);
    }

    #[test]
    fn what_became_of_sessions_is_told_once_there_is_something() {
        let mut continuity = Continuity::default();
        assert_eq!(continuity_line(&continuity), None);
        continuity.rotations = 12;
        let line = continuity_line(&continuity).unwrap();
        assert_eq!(
            line,
            "IMAP sessions that went on over a new connection: 12 before the old one ended, 0 after \
             it was lost"
        );
        continuity.ended = [("away".to_owned(), 2), ("mailbox".to_owned(), 1)].into();
        let line = continuity_line(&continuity).unwrap();
        assert!(line.ends_with("; 3 had to be ended (away 2, mailbox 1)"), "{line}");
    }
}
