//! `/metrics`: what is counted, for Prometheus, read at each scrape from what `status` shows. Nothing in
//! it is personal unless the person wants addresses in it.

use std::collections::BTreeMap;
use std::fmt;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;

use super::naming::Naming;
use crate::proxy::{AccountStatus, EventKind, Server, Status, Traffic, WarningKind};

/// The states of an account, each a gauge of 0 or 1.
const STATES: [&str; 5] = ["ready", "locked", "needs_sign_in", "refreshing", "unreachable"];
/// Kinds that are there from the start, at 0, so that a rate can be made of the first one.
const EVENTS: [EventKind; 11] = [
    EventKind::Started,
    EventKind::SignedIn,
    EventKind::NeedsSignIn,
    EventKind::Unreachable,
    EventKind::Recovered,
    EventKind::GrantWorks,
    EventKind::Limit,
    EventKind::WrongPassword,
    EventKind::Ended,
    EventKind::Forgotten,
    EventKind::Reloaded,
];
const WARNINGS: [WarningKind; 6] = [
    WarningKind::GrantEnds,
    WarningKind::CertificateEnds,
    WarningKind::Unused,
    WarningKind::NewerVersion,
    WarningKind::StatusPortTaken,
    WarningKind::TokenUnstored,
];
/// What OpenMetrics is asked for with, and answered with.
const OPEN_METRICS: &str = "application/openmetrics-text";

type Labels = Vec<(&'static str, String)>;

/// Answers `GET /metrics`: OpenMetrics to whoever asks for it, else Prometheus' own text.
pub(super) fn answer(server: &Server, headers: &HeaderMap) -> Response {
    let addresses = server.settings().config.monitoring.addresses;
    let registry = registry(&server.status(), &server.event_counts(), addresses);
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    let is_open =
        accepted.any(|accept| accept.to_str().is_ok_and(|accept| accept.contains(OPEN_METRICS)));
    let encoded = match is_open {
        true => encoded(text::encode, &registry)
            .map(|body| (body, "application/openmetrics-text; version=1.0.0; charset=utf-8")),
        false => encoded(prometheus_text::encode, &registry)
            .map(|body| (body, prometheus_text::CONTENT_TYPE)),
    };
    let Ok((body, media_type)) = encoded else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}

fn encoded(
    encode: impl Fn(&mut String, &Registry) -> fmt::Result,
    registry: &Registry,
) -> Result<String, fmt::Error> {
    let mut body = String::new();
    encode(&mut body, registry).map(|()| body)
}

/// Everything that `/metrics` tells.
fn registry(status: &Status, events: &BTreeMap<EventKind, u64>, by_address: bool) -> Registry {
    let accounts = status.accounts.iter().map(|account| account.address.as_str());
    let mut told = Told {
        registry: Registry::with_prefix("gatepost"),
        naming: Naming::new(accounts, by_address),
        status,
    };
    told.house();
    told.tokens();
    told.connections();
    told.traffic();
    told.ends();
    told.happenings(events);
    told.registry
}

struct Told<'s> {
    registry: Registry,
    naming: Naming,
    status: &'s Status,
}

impl Told<'_> {
    fn house(&mut self) {
        let build = Info::new(vec![("version", self.status.version.clone())]);
        self.registry.register("build", "The version that runs", build);
        let start = self.gauges([(vec![], self.status.started_at)]);
        let help = "When this process started, in Unix seconds";
        self.registry.register_with_unit("start_time", help, Unit::Seconds, start);
        let tasks = self.gauges([(vec![], self.status.tasks)]);
        let help = "What this process has in hand: sessions, listeners, timers";
        self.registry.register("tasks", help, tasks);
        let all = self.gauges([(vec![], self.status.accounts.len() as u64)]);
        self.registry.register("accounts", "Accounts that are served", all);
        let damaged = self.gauges([(vec![], self.status.damaged.len() as u64)]);
        let help = "Files in the folder of the accounts that can't be used";
        self.registry.register("damaged_files", help, damaged);
    }

    fn tokens(&mut self) {
        let states = self.of_each(|account| {
            STATES
                .map(|state| (vec![("state", state.to_owned())], u64::from(account.state == state)))
        });
        let help = "1 for the state that the account is in, 0 for the others";
        self.registry.register("account_state", help, states);
        let left = self.of_each(|account| account.token_expires_in.map(|left| (vec![], left)));
        let help = "What is left of the access token's life; nothing while there is no token";
        self.registry.register_with_unit("access_token_remaining", help, Unit::Seconds, left);
        let used = self.of_each(|account| account.last_used.map(|at| (vec![], at)));
        let help = "When a token was last obtained, in Unix seconds";
        self.registry.register_with_unit("last_used_timestamp", help, Unit::Seconds, used);
    }

    fn connections(&mut self) {
        let sessions = self.of_each(|account| {
            [("imap", account.sessions.imap), ("smtp", account.sessions.smtp)]
                .map(|(protocol, count)| (vec![("protocol", protocol.to_owned())], count as u64))
        });
        self.registry.register("sessions", "Mail clients that are signed on", sessions);
        let in_use = self.of_each(|account| [(vec![], account.connections.in_use as u64)]);
        let help = "IMAP connections to the provider";
        self.registry.register("upstream_connections", help, in_use);
        let limit =
            self.of_each(|account| account.connections.limit.map(|limit| (vec![], limit as u64)));
        let help =
            "The most IMAP connections to the provider there may be; nothing without a limit";
        self.registry.register("upstream_connections_limit", help, limit);
        let waiting = self.of_each(|account| [(vec![], account.connections.waiting as u64)]);
        let help = "Mail clients that wait for an IMAP connection to the provider";
        self.registry.register("upstream_connections_waiting", help, waiting);
        let rotations = self.counters(|account| vec![(vec![], account.continuity.rotations)]);
        let help = "IMAP sessions whose connection to the provider was changed before it ended";
        self.registry.register("session_rotations", help, rotations);
        let resumptions = self.counters(|account| vec![(vec![], account.continuity.resumptions)]);
        let help = "IMAP sessions that went on over another connection after theirs was lost";
        self.registry.register("session_resumptions", help, resumptions);
        let ended = self.counters(|account| {
            let ended = account.continuity.ended.iter();
            ended.map(|(reason, count)| (vec![("reason", reason.clone())], *count)).collect()
        });
        let help =
            "IMAP sessions that could not go on after their connection to the provider ended";
        self.registry.register("sessions_ended", help, ended);
    }

    fn traffic(&mut self) {
        let bytes = self.counters(|account| directions(&account.since_start).to_vec());
        let help = "Bytes between mail clients and the provider; down is to the mail client";
        self.registry.register_with_unit("traffic", help, Unit::Bytes, bytes);
        let day = self.of_each(|account| directions(&account.today));
        let help = "Bytes in the last 24 hours, as far as this process has served them";
        self.registry.register_with_unit("traffic_day", help, Unit::Bytes, day);
        let Some(allowances) = self.status.allowances else { return };
        let of = |protocol: &str, direction: &str, bytes| (labels(protocol, direction), bytes);
        let allowed = self.gauges([
            of("imap", "down", allowances.imap_down),
            of("imap", "up", allowances.imap_up),
        ]);
        let help = "Bytes that the provider allows an account a day, as it publishes them";
        self.registry.register_with_unit("traffic_day_allowance", help, Unit::Bytes, allowed);
        let connections = self.gauges([(vec![], u64::from(allowances.connections))]);
        let help = "IMAP connections that the provider allows an account, phones included";
        self.registry.register("upstream_connections_allowance", help, connections);
    }

    fn ends(&mut self) {
        let grants = self.of_each(|account| account.grant_expires_at.map(|at| (vec![], at)));
        let help =
            "When the grant ends whatever is done, in Unix seconds; nothing if no end is known";
        self.registry.register_with_unit("grant_expiry_timestamp", help, Unit::Seconds, grants);
        let certificate = self.status.certificate.map(|it| (vec![], it.ends_at));
        let certificate = self.gauges(certificate);
        let help = "When the certificate for mail clients ends, in Unix seconds";
        self.registry.register_with_unit(
            "certificate_expiry_timestamp",
            help,
            Unit::Seconds,
            certificate,
        );
    }

    fn happenings(&mut self, events: &BTreeMap<EventKind, u64>) {
        let counted = Family::<Labels, Counter>::default();
        for kind in EVENTS {
            let counter = counted.get_or_create_owned(&vec![("kind", word(kind))]);
            counter.inc_by(events.get(&kind).copied().unwrap_or_default());
        }
        let help = "What happened since the start, as `gatepost status` tells it";
        self.registry.register("events", help, counted);
        let warnings = WARNINGS.map(|kind| {
            let count = self.status.warnings.iter().filter(|warning| warning.kind == kind).count();
            (vec![("kind", word(kind))], count as u64)
        });
        let warnings = self.gauges(warnings);
        let help = "What had better be done ahead, as `gatepost status` tells it";
        self.registry.register("warnings", help, warnings);
    }

    fn gauges(&self, all: impl IntoIterator<Item = (Labels, u64)>) -> Family<Labels, Gauge> {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in all {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create_owned(&labels).set(value);
        }
        family
    }

    /// Gauges of each account, under its name.
    fn of_each<V: IntoIterator<Item = (Labels, u64)>>(
        &self,
        values: impl Fn(&AccountStatus) -> V,
    ) -> Family<Labels, Gauge> {
        let all = self.status.accounts.iter().flat_map(|account| {
            values(account).into_iter().map(|(labels, value)| (self.named(account, labels), value))
        });
        self.gauges(all)
    }

    /// Counters of each account, under its name.
    fn counters(
        &self,
        values: impl Fn(&AccountStatus) -> Vec<(Labels, u64)>,
    ) -> Family<Labels, Counter> {
        let family = Family::<Labels, Counter>::default();
        for account in &self.status.accounts {
            for (labels, value) in values(account) {
                family.get_or_create_owned(&self.named(account, labels)).inc_by(value);
            }
        }
        family
    }

    fn named(&self, account: &AccountStatus, mut labels: Labels) -> Labels {
        labels.insert(0, ("account", self.naming.label(&account.address)));
        labels
    }
}

fn directions(traffic: &Traffic) -> [(Labels, u64); 4] {
    [
        (labels("imap", "down"), traffic.imap_down),
        (labels("imap", "up"), traffic.imap_up),
        (labels("smtp", "down"), traffic.smtp_down),
        (labels("smtp", "up"), traffic.smtp_up),
    ]
}

fn labels(protocol: &str, direction: &str) -> Labels {
    vec![("protocol", protocol.to_owned()), ("direction", direction.to_owned())]
}

/// The word for a kind, as in JSON.
fn word(kind: impl Serialize) -> String {
    let word = serde_json::to_value(kind).ok();
    word.as_ref().and_then(|word| word.as_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Allowances;
    use crate::proxy::{CertificateStatus, Connections, Continuity, Sessions, Warning};

    const YOU: &str = "you@gmail.com";

    fn status() -> Status {
        let day = Traffic { imap_down: 2_400_000_000, imap_up: 10, smtp_down: 20, smtp_up: 30 };
        let you = AccountStatus {
            address: YOU.to_owned(),
            state: "ready".to_owned(),
            token_expires_in: Some(1800),
            grant_expires_at: Some(1_900_000_000),
            sessions: Sessions { imap: 3, smtp: 1 },
            connections: Connections { in_use: 3, limit: Some(12), waiting: 0 },
            continuity: Continuity {
                rotations: 5,
                resumptions: 2,
                ended: BTreeMap::from([("away".to_owned(), 1)]),
            },
            since_start: Traffic { imap_down: 5_000_000_000, ..day },
            today: day,
            last_used: Some(1_800_000_000),
            ..AccountStatus::default()
        };
        let other = AccountStatus {
            address: "anna@example.com".to_owned(),
            state: "needs_sign_in".to_owned(),
            trouble: Some("anna@example.com must sign in again.".to_owned()),
            ..AccountStatus::default()
        };
        let warning = Warning {
            kind: WarningKind::GrantEnds,
            account: Some(YOU.to_owned()),
            sentence: "It ends.".to_owned(),
            remedy: "Sign in.".to_owned(),
        };
        Status {
            version: "0.1.0".to_owned(),
            accounts: vec![other, you],
            started_at: 1_800_000_000,
            tasks: 9,
            warnings: vec![warning],
            certificate: Some(CertificateStatus { ends_at: 2_000_000_000, is_own: true }),
            allowances: Some(Allowances {
                imap_down: 2_500_000_000,
                imap_up: 500_000_000,
                connections: 15,
            }),
            ..Status::default()
        }
    }

    fn told(by_address: bool) -> Registry {
        let events = BTreeMap::from([(EventKind::Started, 1), (EventKind::Ended, 400)]);
        registry(&status(), &events, by_address)
    }

    /// Families keep no order.
    fn sorted(text: &str) -> String {
        let mut families: Vec<Vec<&str>> = Vec::new();
        for line in text.lines() {
            match families.last_mut() {
                Some(family) if !line.starts_with("# HELP") && line != "# EOF" => family.push(line),
                _ => families.push(vec![line]),
            }
        }
        for family in &mut families {
            let samples = family.iter().position(|line| !line.starts_with('#'));
            family[samples.unwrap_or(0)..].sort_unstable();
        }
        families.concat().join("\n")
    }

    #[test]
    fn all_that_is_told() {
        let text = encoded(prometheus_text::encode, &told(false)).unwrap();
        insta::assert_snapshot!(sorted(&text));
    }

    #[test]
    fn open_metrics_come_to_their_end() {
        let text = encoded(text::encode, &told(false)).unwrap();
        assert!(text.ends_with("# EOF\n"), "{text}");
        assert!(text.contains("\n# TYPE gatepost_traffic_bytes counter\n"), "{text}");
        assert!(text.contains("\n# UNIT gatepost_traffic_bytes bytes\n"), "{text}");
        assert!(text.contains("gatepost_build_info{version=\"0.1.0\"} 1\n"), "{text}");
    }

    /// A real Prometheus has all of them too, in `tests/real/monitoring.rs`.
    #[test]
    fn what_the_rules_and_the_dashboard_name_is_told() {
        let text = encoded(prometheus_text::encode, &told(false)).unwrap();
        let told: Vec<&str> = text.split(['{', ' ', '\n']).collect();
        for file in [
            include_str!("../../docs/monitoring/alerts.yml"),
            include_str!("../../docs/monitoring/dashboard.json"),
            include_str!("../../docs/monitoring.md"),
        ] {
            let words = file.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let names: Vec<&str> = words.filter(|word| word.starts_with("gatepost_")).collect();
            assert!(names.len() > 5);
            for name in names {
                assert!(told.contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn addresses_are_told_only_to_whoever_wants_that() {
        for (by_address, label) in [(false, "account=\"2\""), (true, "account=\"you@gmail.com\"")] {
            let text = encoded(prometheus_text::encode, &told(by_address)).unwrap();
            assert_eq!(text.contains('@'), by_address, "{text}");
            assert!(text.contains(label), "{text}");
        }
    }

    #[test]
    fn every_kind_is_told_from_the_start() {
        // A new one doesn't compile here before it is in the list.
        let place = |kind: &EventKind| match kind {
            EventKind::Started => 0,
            EventKind::SignedIn => 1,
            EventKind::NeedsSignIn => 2,
            EventKind::Unreachable => 3,
            EventKind::Recovered => 4,
            EventKind::GrantWorks => 5,
            EventKind::Limit => 6,
            EventKind::WrongPassword => 7,
            EventKind::Ended => 8,
            EventKind::Forgotten => 9,
            EventKind::Reloaded => 10,
        };
        assert!(EVENTS.iter().map(place).eq(0..11));
        let place = |kind: &WarningKind| match kind {
            WarningKind::GrantEnds => 0,
            WarningKind::CertificateEnds => 1,
            WarningKind::Unused => 2,
            WarningKind::NewerVersion => 3,
            WarningKind::StatusPortTaken => 4,
            WarningKind::TokenUnstored => 5,
        };
        assert!(WARNINGS.iter().map(place).eq(0..6));
    }
}
