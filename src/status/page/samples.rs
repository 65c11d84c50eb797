//! What pages are tried out with: a household on the 29th of November 2026.

use std::collections::BTreeMap;

use crate::accounts::Address;
use crate::config::{Endpoint, EndpointHost, Listen};
use crate::proxy::{
    AccountStatus, Allowances, CertificateStatus, Connections, Continuity, Event, EventKind, Hour,
    Sessions, Stands, Status, Traffic, Warning, WarningKind,
};
use crate::secret::BearerToken;

/// Sunday, 18:56:00 UTC.
pub(super) const NOW: u64 = 1_795_978_560;

/// What forms bring back.
pub(super) fn csrf() -> BearerToken {
    BearerToken::new("c5rf")
}

pub(super) const ANNA: &str = "anna.example@gmail.com";
pub(super) const PASSWORD: &str = "kq7f-3mza-w9td-hx2p-v6rc";

const DAY: u64 = 86_400;

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// As it is without a configuration.
pub(super) fn listen() -> Listen {
    let endpoint = |port| Some(Endpoint { host: EndpointHost::Localhost, port });
    Listen {
        imap: endpoint(10143),
        smtp: endpoint(10587),
        imaps: None,
        smtps: None,
        status: endpoint(10180),
        status_is_named: false,
        allow_from: Vec::new(),
    }
}

/// Nobody has signed in yet.
pub(super) fn empty() -> Status {
    let listeners = [("imap", "127.0.0.1:10143"), ("smtp", "127.0.0.1:10587")];
    let listeners = listeners.map(|(service, address)| (service.to_owned(), address.to_owned()));
    Status {
        version: "0.1.0".to_owned(),
        listeners: listeners.into(),
        accounts: Vec::new(),
        damaged: Vec::new(),
        started_at: NOW - 2 * DAY,
        tasks: 9,
        events: vec![event(1, NOW - 2 * DAY, None, EventKind::Started, "Gatepost started.", None)],
        warnings: Vec::new(),
        certificate: Some(CertificateStatus { ends_at: NOW + 300 * DAY, is_own: false }),
        newer_version: None,
        allowances: Some(Allowances {
            imap_down: 2_500_000_000,
            imap_up: 500_000_000,
            connections: 15,
        }),
    }
}

/// One account, in use, and all is well.
pub(super) fn well() -> Status {
    let mut status = empty();
    status.accounts.push(account(ANNA));
    status.events.extend([
        event(2, NOW - 90_000, Some(ANNA), EventKind::SignedIn, "A new grant was taken up.", None),
        event(
            3,
            NOW - 30_000,
            Some(ANNA),
            EventKind::Unreachable,
            "Google can't be reached (no answer within 10 s).",
            Some("Check the network; Gatepost tries again by itself."),
        ),
        event(
            4,
            NOW - 29_000,
            Some(ANNA),
            EventKind::Recovered,
            "Google can be reached again.",
            None,
        ),
    ]);
    status
}

/// One account, whose grant has ended.
pub(super) fn needs_sign_in() -> Status {
    let mut status = well();
    let ended = "Google has ended the grant, because your Google client is in “Testing”, where a grant lives seven days.";
    let publish = "Publish the client (Google Auth Platform › Audience › Publish app), then run `gatepost login anna.example@gmail.com`; the local password stays as it is.";
    let anna = &mut status.accounts[0];
    anna.state = "needs_sign_in".to_owned();
    anna.token_expires_in = None;
    anna.trouble = Some(format!("{ended} {publish}"));
    status.events.push(event(
        5,
        NOW - 600,
        Some(ANNA),
        EventKind::NeedsSignIn,
        ended,
        Some(publish),
    ));
    status
}

/// One account against which this stands, though its token is good.
pub(super) fn in_trouble(stands: Stands, trouble: &str) -> Status {
    let mut status = well();
    (status.accounts[0].stands, status.accounts[0].trouble) = (Some(stands), Some(trouble.into()));
    status
}

/// Several accounts, each with something of its own, and warnings.
pub(super) fn troubled() -> Status {
    let mut status = needs_sign_in();
    status.accounts.extend([
        AccountStatus {
            state: "unreachable".to_owned(),
            token_expires_in: None,
            trouble: Some("Google's sign-in server can't be reached (no answer within 10 s). Check the network; Gatepost tries again by itself.".to_owned()),
            ..account("ben@example.org")
        },
        AccountStatus {
            state: "locked".to_owned(),
            token_expires_in: None,
            last_used: None,
            sessions: Sessions { imap: 0, smtp: 0 },
            connections: Connections { in_use: 0, limit: Some(12), waiting: 0 },
            continuity: Continuity::default(),
            hours: hours(&[]),
            today: Traffic::default(),
            ..account("the-office-of-a-long-name.department@sub.example.org")
        },
    ]);
    for (id, kind, sentence) in [
        (6, EventKind::WrongPassword, "A mail program came with a wrong password."),
        (7, EventKind::Limit, "Gmail refuses more connections for now."),
        (8, EventKind::Ended, "A session had to be ended: its mailbox was made anew."),
        (9, EventKind::Reloaded, "The configuration was read again."),
    ] {
        status.events.push(event(id, NOW - 500 + id, Some(ANNA), kind, sentence, None));
    }
    status.warnings = vec![
        Warning {
            kind: WarningKind::GrantEnds,
            account: Some("ben@example.org".to_owned()),
            sentence: "The grant ends in 20 hours, since the Google client is in “Testing”."
                .to_owned(),
            remedy: "Run `gatepost login ben@example.org` before then.".to_owned(),
        },
        Warning {
            kind: WarningKind::CertificateEnds,
            account: None,
            sentence: "The certificate for mail programs ends on 12 Dec 2026.".to_owned(),
            remedy: "Run `gatepost certificate renew`.".to_owned(),
        },
    ];
    status.damaged = vec!["accounts/x.account can't be read: it is cut off. Restore it from a backup, or sign in again.".to_owned()];
    status.newer_version = Some("0.2.0".to_owned());
    status
}

pub(super) fn account(address: &str) -> AccountStatus {
    let hours = hours(&[
        (0, 0),
        (0, 0),
        (1_200_000, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (41_000_000, 1_200_000),
        (18_000_000, 400_000),
        (12_000_000, 9_000_000),
        (3_000_000, 200_000),
        (84_000_000, 2_400_000),
        (22_000_000, 1_000_000),
        (9_000_000, 0),
        (14_000_000, 18_000_000),
        (6_000_000, 300_000),
        (2_000_000, 0),
        (30_000_000, 4_100_000),
        (8_000_000, 90_000),
    ]);
    let today = hours.iter().fold(Traffic::default(), |sum, Hour { traffic, .. }| Traffic {
        imap_down: sum.imap_down + traffic.imap_down,
        imap_up: sum.imap_up + traffic.imap_up,
        smtp_down: sum.smtp_down + traffic.smtp_down,
        smtp_up: sum.smtp_up + traffic.smtp_up,
    });
    AccountStatus {
        address: address.to_owned(),
        state: "ready".to_owned(),
        opens_with: vec!["password".to_owned(), "keychain".to_owned()],
        token_expires_in: Some(3200),
        grant_expires_at: None,
        sessions: Sessions { imap: 3, smtp: 1 },
        connections: Connections { in_use: 3, limit: Some(12), waiting: 0 },
        continuity: Continuity { rotations: 45, resumptions: 2, ended: BTreeMap::new() },
        bytes_down: 250_000_000,
        bytes_up: 36_000_000,
        trouble: None,
        stands: None,
        since_start: today,
        hours,
        today,
        last_used: Some(NOW - 130),
    }
}

/// The last of them is the present one; what isn't given is nothing.
fn hours(traffic: &[(u64, u64)]) -> Vec<Hour> {
    let hour = |at: usize| {
        let (down, up) = traffic.get(at).copied().unwrap_or_default();
        Hour {
            begins_at: NOW / 3600 * 3600 - (23 - at as u64) * 3600,
            traffic: Traffic {
                imap_down: down,
                imap_up: up / 4,
                smtp_down: 0,
                smtp_up: up - up / 4,
            },
        }
    };
    (0..24).map(hour).collect()
}

fn event(
    id: u64,
    at: u64,
    account: Option<&str>,
    kind: EventKind,
    sentence: &str,
    remedy: Option<&str>,
) -> Event {
    let (account, remedy) = (account.map(str::to_owned), remedy.map(str::to_owned));
    Event { id, at, account, kind, sentence: sentence.to_owned(), remedy }
}
