//! An account, as its card shows it.

use super::chart::Chart;
use super::prose::{Prose, prose, prose_beside_button};
use super::words::{Moment, ago, bytes, count, grouped, lasts, percent, share};
use crate::proxy::{
    AccountStatus, Allowances, Connections, Continuity, Event, EventKind, Stands, Status,
};
use crate::sentence;

/// How well something is: by a colour, a mark and, next to them, words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    /// Nothing is wrong, and nothing is going on either, or not yet.
    Calm,
    /// It may mend by itself, or has to be seen to some day.
    Warning,
    /// Somebody has to do something.
    Bad,
}

impl Tone {
    /// Its class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Calm => "calm",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// A card.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Account {
    /// For the ids within it, the same wherever the card stands.
    pub(super) number: usize,
    pub(super) address: String,
    pub(super) tone: Tone,
    pub(super) state: &'static str,
    /// The person has to sign in: the button is the first thing to see.
    pub(super) needs_sign_in: bool,
    /// Why, where it isn't well.
    pub(super) why: Prose,
    /// What to do then.
    pub(super) remedy: Prose,
    pub(super) facts: Vec<Fact>,
    pub(super) chart: Chart,
    pub(super) shares: Vec<Share>,
}

impl Account {
    /// Nothing has gone through it lately, and nothing is about to.
    pub(super) fn is_quiet(&self) -> bool {
        self.chart.is_empty && self.shares.iter().all(|share| share.percent == "0%")
    }
}

/// A line of what is true of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) more: String,
}

/// How much of what the provider allows a day is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) percent: String,
    /// Of a bar that is 100 wide.
    pub(super) width: String,
    pub(super) tone: Tone,
}

/// From this part of an allowance on, in hundredths, it is told by its colour.
const HIGH: f64 = 80.0;

impl Account {
    pub(super) fn of(number: usize, account: &AccountStatus, status: &Status, now: u64) -> Self {
        let (tone, state) = state(account);
        let needs_sign_in = account.state == "needs_sign_in";
        let (why, remedy) = trouble(account, &status.events);
        Self {
            number,
            address: account.address.clone(),
            tone,
            state,
            needs_sign_in,
            why,
            remedy,
            facts: facts(account, now),
            chart: Chart::of(&account.hours, &account.today),
            shares: status
                .allowances
                .as_ref()
                .map_or_else(Vec::new, |allowances| shares(account, allowances)),
        }
    }
}

/// What keeps it from being served as it should be; an end of its grant is told by its state.
pub(super) fn stands(account: &AccountStatus) -> Option<Stands> {
    let is_away = !["ready", "refreshing", "locked", "needs_sign_in"].contains(&&*account.state);
    account.stands.or(is_away.then_some(Stands::Away))
}

/// Good only where nothing stands against it.
fn state(account: &AccountStatus) -> (Tone, &'static str) {
    match (account.state.as_str(), stands(account)) {
        ("needs_sign_in", _) => (Tone::Bad, "Needs you to sign in again"),
        (_, Some(Stands::NeedsPerson)) => (Tone::Bad, "Needs you to do something"),
        (_, Some(Stands::Away)) => (Tone::Warning, "Google can’t be reached"),
        (_, Some(Stands::Limit)) => (Tone::Warning, "At a limit"),
        ("locked", None) => (Tone::Calm, "Locked until a mail program signs on"),
        ("refreshing", None) => (Tone::Good, "Getting a new token"),
        (_, None) => (Tone::Good, "Ready"),
    }
}

/// Why it isn't well, and what to do.
fn trouble(account: &AccountStatus, events: &[Event]) -> (Prose, Prose) {
    let address = account.address.as_str();
    let is_cause = |event: &&Event| {
        event.account.as_deref() == Some(address) && event.kind == EventKind::NeedsSignIn
    };
    let cause = events.iter().rev().find(is_cause);
    match (account.state.as_str(), cause) {
        ("needs_sign_in", Some(Event { sentence, remedy, .. })) => {
            let remedy = remedy.as_deref().unwrap_or_default();
            (prose(sentence), prose_beside_button(remedy, address))
        }
        ("locked", _) if stands(account).is_none() => (
            prose("Its grant is sealed with the local password, which Gatepost does not keep."),
            prose("Open your mail program: it signs on by itself."),
        ),
        _ => {
            let trouble = account.trouble.as_deref().unwrap_or_default();
            (prose_beside_button(&sentence::plain(trouble), address), Prose::new())
        }
    }
}

fn facts(account: &AccountStatus, now: u64) -> Vec<Fact> {
    let sessions = account.sessions;
    let imap = format!("{} reading", grouped(sessions.imap as u64));
    let smtp = match sessions.smtp {
        0 => "none sending".to_owned(),
        smtp => format!("{} sending", grouped(smtp as u64)),
    };
    let mut facts = vec![
        Fact { name: "Live sessions", value: imap, more: smtp },
        connections(account.connections),
        token(account),
    ];
    facts.push(match account.last_used {
        Some(at) => Fact { name: "Last used", value: ago(now, at), more: String::new() },
        None => Fact { name: "Last used", value: "not yet".to_owned(), more: String::new() },
    });
    facts.extend(kept(&account.continuity));
    if let Some(at) = account.grant_expires_at {
        let value = match at.checked_sub(now) {
            Some(left) => format!("in {}", lasts(left)),
            None => "over".to_owned(),
        };
        let more = "a Google client in “Testing” gives seven days".to_owned();
        facts.push(Fact { name: "Grant ends", value, more });
    }
    facts
}

fn connections(Connections { in_use, limit, waiting }: Connections) -> Fact {
    let value = match limit {
        Some(limit) => format!("{in_use} of {limit}"),
        None => grouped(in_use as u64),
    };
    let more = match (waiting, limit) {
        (0, Some(_)) => "in use".to_owned(),
        (0, None) => "in use, no limit".to_owned(),
        (waiting, _) => count(waiting as u64, "mail program waits", "mail programs wait"),
    };
    Fact { name: "Connections", value, more }
}

fn token(account: &AccountStatus) -> Fact {
    let (value, more) = match (account.token_expires_in, account.state.as_str()) {
        (Some(left), _) => (format!("{} left", lasts(left)), "renewed by itself"),
        (None, "needs_sign_in") => ("none".to_owned(), "until you sign in again"),
        (None, _) => ("none yet".to_owned(), "got when a mail program needs one"),
    };
    Fact { name: "Access token", value, more: more.to_owned() }
}

/// What became of sessions whose connection to the provider ended.
fn kept(continuity: &Continuity) -> Option<Fact> {
    let Continuity { rotations, resumptions, ended } = continuity;
    let told: u64 = ended.values().sum();
    if rotations + resumptions + told == 0 {
        return None;
    }
    let mut parts = Vec::new();
    if *rotations > 0 {
        parts.push(format!("{} before Google’s hourly end", grouped(*rotations)));
    }
    if *resumptions > 0 {
        parts.push(format!("{} after a lost connection", grouped(*resumptions)));
    }
    if told > 0 {
        parts.push(format!("{} could not be", count(told, "session", "sessions")));
    }
    let value = count(rotations + resumptions, "time", "times");
    Some(Fact { name: "Kept connected", value, more: parts.join(", ") })
}

fn shares(account: &AccountStatus, allowances: &Allowances) -> Vec<Share> {
    let volume = |name, used: u64, allowed: u64| {
        let value = format!("{} of {}", bytes(used), bytes(allowed));
        (name, value, used, allowed)
    };
    let in_use = account.connections.in_use as u64;
    let allowed = u64::from(allowances.connections);
    let all = [
        volume("Fetched by IMAP", account.today.imap_down, allowances.imap_down),
        volume("Stored by IMAP", account.today.imap_up, allowances.imap_up),
        ("Connections now", format!("{in_use} of {allowed}"), in_use, allowed),
    ];
    let share = |(name, value, used, allowed)| {
        let share = share(used, allowed).min(100.0);
        Share {
            name,
            value,
            percent: percent(used, allowed),
            width: format!("{share:.1}"),
            tone: if share < HIGH { Tone::Good } else { Tone::Warning },
        }
    };
    all.into_iter().map(share).collect()
}

/// A line of what happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Happened {
    pub(super) at: Moment,
    pub(super) tone: Tone,
    pub(super) account: Option<String>,
    pub(super) sentence: Prose,
    pub(super) remedy: Prose,
}

impl Happened {
    pub(super) fn of(event: &Event) -> Self {
        let tone = match event.kind {
            EventKind::SignedIn | EventKind::Recovered | EventKind::GrantWorks => Tone::Good,
            EventKind::Started | EventKind::Reloaded | EventKind::Forgotten => Tone::Calm,
            EventKind::NeedsSignIn => Tone::Bad,
            EventKind::Unreachable
            | EventKind::Limit
            | EventKind::WrongPassword
            | EventKind::Ended => Tone::Warning,
        };
        let remedy = event.remedy.as_deref().unwrap_or_default();
        Self {
            at: Moment::of(event.at),
            tone,
            // Some sentences have it themselves.
            account: event.account.clone().filter(|it| !event.sentence.contains(it.as_str())),
            sentence: prose(&event.sentence),
            remedy: match &event.account {
                Some(address) => prose_beside_button(remedy, address),
                None => prose(remedy),
            },
        }
    }
}
