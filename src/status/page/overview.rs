//! The first page: whether all is well, the accounts, and what happened last.

use std::time::{SystemTime, UNIX_EPOCH};

use askama::Template;

use super::account::{Account, Happened, Tone, stands};
use super::chart;
use super::frame::{Frame, render};
use super::prose::{Prose, prose, prose_beside_button};
use super::words::{Moment, count};
use crate::proxy::{AccountStatus, Stands, Status, WarningKind};
use crate::secret::BearerToken;

/// How many events are in sight; the others are behind a click.
const IN_SIGHT: usize = 6;

/// The whole page.
pub(in crate::status) fn overview(view: &Overview) -> String {
    render(&OverviewPage { frame: Frame::default(), view })
}

/// The parts of it that change, for the script.
pub(in crate::status) fn fragment(view: &Overview) -> String {
    render(&Fragment { view })
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage<'v> {
    frame: Frame,
    view: &'v Overview,
}

#[derive(Template)]
#[template(path = "fragment.html")]
struct Fragment<'v> {
    view: &'v Overview,
}

/// All that stands on it.
pub(in crate::status) struct Overview {
    csrf: BearerToken,
    tone: Tone,
    verdict: String,
    /// What the verdict means to the person.
    lead: Prose,
    warnings: Vec<Warned>,
    accounts: Vec<Account>,
    damaged: Vec<Prose>,
    has_client: bool,
    recent: Vec<Happened>,
    older: Vec<Happened>,
    listeners: Vec<(String, String)>,
    certificate: Option<Certificate>,
    version: String,
    newer_version: Option<String>,
    started: Moment,
}

struct Warned {
    account: Option<String>,
    sentence: Prose,
    remedy: Prose,
}

struct Certificate {
    ends: Moment,
    whose: &'static str,
}

impl Overview {
    /// `has_client`: there is a Google client to sign in with. `csrf` is what every form brings back.
    pub(in crate::status) fn new(
        status: Status,
        now: SystemTime,
        csrf: BearerToken,
        has_client: bool,
    ) -> Self {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (tone, verdict, lead) = verdict(&status, has_client);
        let mut events: Vec<_> = status.events.iter().rev().map(Happened::of).collect();
        let older = events.split_off(events.len().min(IN_SIGHT));
        let of = |(number, account)| Account::of(number, account, &status, now);
        let mut accounts: Vec<_> = (1..).zip(&status.accounts).map(of).collect();
        // Whoever needs a person comes first; the others stay in their order.
        accounts.sort_by_key(|account| (!account.needs_sign_in, account.tone != Tone::Bad));
        // A newer version has its place beside the present one.
        let warnings = status.warnings.iter().filter(|it| it.kind != WarningKind::NewerVersion);
        Self {
            csrf,
            tone,
            verdict,
            lead: prose(&lead),
            warnings: warnings
                .map(|warning| Warned {
                    account: warning
                        .account
                        .clone()
                        .filter(|it| !warning.sentence.contains(it.as_str())),
                    sentence: prose(&warning.sentence),
                    remedy: match &warning.account {
                        Some(address) => prose_beside_button(&warning.remedy, address),
                        None => prose(&warning.remedy),
                    },
                })
                .collect(),
            accounts,
            damaged: status.damaged.iter().map(|words| prose(words)).collect(),
            has_client,
            recent: events,
            older,
            listeners: status
                .listeners
                .iter()
                .map(|(service, address)| (listener(service), address.clone()))
                .collect(),
            certificate: status.certificate.as_ref().map(|certificate| Certificate {
                ends: Moment::of(certificate.ends_at),
                whose: if certificate.is_own { "your own" } else { "made by Gatepost" },
            }),
            version: status.version,
            newer_version: status.newer_version,
            started: Moment::of(status.started_at),
        }
    }
}

/// The one line that tells whether all is well, and a second one behind it.
fn verdict(status: &Status, has_client: bool) -> (Tone, String, String) {
    let in_state = |state: &str| -> Vec<&AccountStatus> {
        status.accounts.iter().filter(|account| account.state == state).collect()
    };
    let [needs, locked] = ["needs_sign_in", "locked"].map(in_state);
    let (accounts, damaged) = (status.accounts.len(), status.damaged.len());
    if let [one, others @ ..] = &needs[..] {
        let verdict = match others.len() {
            0 => format!("{} needs you to sign in again", one.address),
            others => format!("{} accounts need you to sign in again", others + 1),
        };
        return (
            Tone::Bad,
            verdict,
            "Sign in, and your mail programs go on by themselves.".to_owned(),
        );
    }
    if damaged > 0 {
        let verdict = count(damaged as u64, "account can’t be read", "accounts can’t be read");
        return (Tone::Bad, verdict, "What to do is said below.".to_owned());
    }
    if accounts == 0 {
        return match has_client {
            true => (
                Tone::Calm,
                "No account yet".to_owned(),
                "Add one, and your mail program can read and send its mail.".to_owned(),
            ),
            false => (
                Tone::Calm,
                "Gatepost is not set up yet".to_owned(),
                "It has no Google client: run `gatepost setup` in a terminal, which leads you through it."
                    .to_owned(),
            ),
        };
    }
    if let Some(trouble) = trouble(status) {
        return trouble;
    }
    if let [one, others @ ..] = &locked[..] {
        let verdict = match others.len() {
            0 => format!("{} is locked", one.address),
            others => format!("{} accounts are locked", others + 1),
        };
        let lead = "That is right until a mail program signs on with the local password.";
        return (Tone::Calm, verdict, lead.to_owned());
    }
    let sessions = status.accounts.iter().map(|it| it.sessions.imap + it.sessions.smtp);
    let lead = match sessions.sum::<usize>() {
        0 => {
            format!("{}, no mail program connected.", count(accounts as u64, "account", "accounts"))
        }
        live => format!(
            "{}, {} of mail programs.",
            count(accounts as u64, "account", "accounts"),
            count(live as u64, "live session", "live sessions")
        ),
    };
    (Tone::Good, "All is well".to_owned(), lead)
}

/// What stands against accounts, the gravest kind of it; the cards tell the rest.
fn trouble(status: &Status) -> Option<(Tone, String, String)> {
    let gravest = status.accounts.iter().filter_map(stands).max()?;
    let in_it = status.accounts.iter().filter(|account| stands(account) == Some(gravest));
    let addresses: Vec<&str> = in_it.map(|account| account.address.as_str()).collect();
    let who = match &addresses[..] {
        [one] => (*one).to_owned(),
        several => count(several.len() as u64, "account", "accounts"),
    };
    let is_one = addresses.len() == 1;
    let (tone, verdict, lead) = match gravest {
        Stands::NeedsPerson => {
            let need = if is_one { "needs" } else { "need" };
            (Tone::Bad, format!("{who} {need} you to do something"), "What to do is said below.")
        }
        Stands::Away => {
            let verdict = match status.accounts.len() {
                1 => "Google can’t be reached".to_owned(),
                _ => format!("Google can’t be reached for {who}"),
            };
            (Tone::Warning, verdict, "Gatepost tries again by itself.")
        }
        Stands::Limit => {
            let (has, what) = if is_one { ("has", "a limit") } else { ("have", "limits") };
            let lead = "That passes by itself; what helps sooner is said below.";
            (Tone::Warning, format!("{who} {has} reached {what}"), lead)
        }
    };
    Some((tone, verdict, lead.to_owned()))
}

fn listener(service: &str) -> String {
    match service {
        "imap" => "IMAP",
        "smtp" => "SMTP",
        "imaps" => "IMAP with TLS",
        "smtps" => "SMTP with TLS",
        "status" => "This page",
        other => other,
    }
    .to_owned()
}
