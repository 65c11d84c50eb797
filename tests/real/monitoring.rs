//! `/healthz` as monitoring programs ask it, and `/metrics` as a real Prometheus scrapes them, with the
//! rules and the dashboard of `docs/monitoring`. In what worlds `/healthz` says what is in
//! `broken_worlds`.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    bed::ADDRESS,
    gatepost::configuration,
    process,
    scene::{Scene, Setting},
    servers::Prometheus,
};

const LIMIT: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(30);
/// For what a look may hide that is good for half a minute, and takes a while itself.
const A_LOOK: Duration = Duration::from_secs(120);
/// 8 seconds are promised for a plain answer. The machine may be busy.
const PLAIN: Duration = Duration::from_secs(25);
/// A healthy minute of Docker's and of systemd's.
const PROBES: usize = 30;

fn docs(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring").join(file)
}

/// Where programs ask.
fn place(scene: &Scene) -> SocketAddr {
    let status = scene.home.status();
    let place = status["listeners"]["status"].as_str().unwrap_or_else(|| panic!("{status}"));
    place.parse().expect("an address")
}

fn curl(arguments: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]).args(arguments);
    let said = process::run_well(&mut curl, b"", PATIENCE * 3);
    String::from_utf8(said).expect("UTF-8")
}

/// The code, and the word for the only account.
fn health(scene: &Scene, query: &str) -> (String, String) {
    health_at(place(scene), query)
}

fn health_at(place: SocketAddr, query: &str) -> (String, String) {
    let url = format!("http://{place}/healthz{query}");
    let said = curl(&["--write-out", "\n%{http_code}", &url]);
    let (body, code) = said.rsplit_once('\n').expect("a code");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert!(!said.to_lowercase().contains("anna"), "whose account it is: {said}");
    let word = body["accounts"][0]["state"].as_str().unwrap_or_default().to_owned();
    (code.to_owned(), word)
}

fn told(code: &str, state: &str) -> (String, String) {
    (code.to_owned(), state.to_owned())
}

#[test]
fn health_is_told_in_each_state_and_costs_nothing() {
    Setting::with_smtp().play(LIMIT, |scene| {
        assert_eq!(health(scene, ""), told("503", "locked"));
        assert_eq!(health(scene, "?deep"), told("503", "locked"));
        drop(scene.signed_on());
        assert_eq!(health(scene, ""), told("200", "ok"));
        let refreshes = scene.bed.google.refreshes();
        (0..PROBES).for_each(|_| assert_eq!(health(scene, ""), told("200", "ok")));
        assert_eq!(scene.bed.google.refreshes(), refreshes);
        // As `curl --fail`, which Docker and systemd run, would have it; and by the head alone.
        let url = format!("http://{}/healthz", place(scene));
        curl(&["--fail", &url]);
        curl(&["--fail", "--head", &url]);

        let as_deeply = |scene: &Scene, state: &(String, String)| {
            process::until(A_LOOK, || health(scene, "?deep") == *state)
        };
        assert!(as_deeply(scene, &told("200", "ok")));
        scene.bed.postfix.as_mut().expect("with_smtp").end();
        assert!(as_deeply(scene, &told("503", "smtp_unreachable")), "{:?}", health(scene, "?deep"));
        scene.bed.dovecot.end();
        assert!(as_deeply(scene, &told("503", "unreachable")), "{:?}", health(scene, "?deep"));
        // What a mail program has met is known plainly too.
        scene.expect_bye();
        let (place, begun) = (place(scene), Instant::now());
        let plainly = health_at(place, "");
        let took = begun.elapsed();
        assert_eq!(plainly, told("503", "unreachable"));
        assert!(took < PLAIN, "{took:?}");
        scene.bed.dovecot.begin();
        scene.bed.postfix.as_mut().expect("with_smtp").begin();
        let is_well = || health(scene, "") == told("200", "ok");
        assert!(process::until(A_LOOK, is_well), "{:?}", health(scene, ""));
        assert!(as_deeply(scene, &told("200", "ok")));

        scene.bed.google.revoke_grants();
        assert!(as_deeply(scene, &told("503", "needs_sign_in")), "{:?}", health(scene, "?deep"));
        assert_eq!(health(scene, ""), told("503", "needs_sign_in"));
        scene.home.login(ADDRESS, &[], b"").signed_in();
        assert!(process::until(A_LOOK, is_well), "{:?}", health(scene, ""));

        scene.bed.google.expire_access_tokens();
        scene.bed.google.goes_down();
        scene.restart();
        scene.expect_bye();
        assert_eq!(health(scene, ""), told("503", "unreachable"));
        scene.bed.google.comes_back();
        assert!(process::until(A_LOOK, || health(scene, "") == told("200", "ok")));
    });
}

#[test]
fn prometheus_understands_all_that_is_told_and_wakes_somebody() {
    Setting::with_smtp().play(LIMIT, |scene| {
        scene.while_stopped(|scene| {
            let with_tls = "smtp = \"127.0.0.1:0\"\nimaps = \"127.0.0.1:0\"\n";
            let text = configuration(&scene.bed, "connections = 12");
            scene.home.configure(&text.replacen("smtp = \"127.0.0.1:0\"\n", with_tls, 1));
        });
        scene.bed.google.set_testing(true);
        scene.home.login(ADDRESS, &[], b"").signed_in();
        // Something of everything: a session that had to end, one of each protocol that goes on.
        let mut ends = scene.signed_on();
        ends.command("a2", "SELECT INBOX");
        ends.command("a3", "SEARCH RETURN (SAVE) ALL");
        scene.bed.dovecot.kick(ADDRESS);
        ends.expect("* BYE");
        let _sessions = (scene.signed_on(), scene.smtp_signed_on());

        let target = place(scene);
        let metrics = curl(&[&format!("http://{target}/metrics")]);
        assert!(!metrics.to_lowercase().contains("anna"), "{metrics}");
        let mut promtool = Command::new("promtool");
        let lint = process::run(promtool.args(["check", "metrics"]), metrics.as_bytes(), PATIENCE);
        assert!(lint.status.success(), "{}\n{metrics}", process::said(&lint));
        assert!(lint.stderr.is_empty(), "{}", process::said(&lint));

        let scratch = scene.bed.scratch("monitor");
        let prometheus = Prometheus::of(&scratch, target, &docs("alerts.yml"));
        prometheus.wait_for("up{job=\"gatepost\"} == 1");
        for name in names() {
            prometheus.wait_for(&name);
        }
        for value in [
            "gatepost_account_state{state=\"ready\"} == 1",
            "sum(gatepost_account_state) == 1",
            "sum(gatepost_sessions) == 2",
            "sum(gatepost_sessions_ended_total) == 1",
            "sum(gatepost_traffic_bytes_total) > 0",
        ] {
            prometheus.wait_for(value);
        }
        // Rates want two samples.
        prometheus.wait_for("rate(gatepost_traffic_bytes_total[1m])");
        for query in queries() {
            prometheus.query(&query);
        }
        let rules_are_ok = || prometheus.rules().iter().all(|rule| rule["health"] == "ok");
        assert!(process::until(PATIENCE, rules_are_ok), "{:#?}", prometheus.rules());
        assert!(!prometheus.rules().is_empty());

        let fires = |alert: &str| format!("ALERTS{{alertstate=\"firing\", alertname=\"{alert}\"}}");
        assert!(prometheus.query(&fires("GatepostNeedsSignIn")).is_empty());
        scene.bed.google.revoke_grants();
        scene.expect_bye();
        prometheus.wait_for(&fires("GatepostNeedsSignIn"));
        scene.home.login(ADDRESS, &[], b"").signed_in();
        prometheus.wait_for("gatepost_account_state{state=\"ready\"} == 1");
        let is_over = || prometheus.query(&fires("GatepostNeedsSignIn")).is_empty();
        assert!(process::until(PATIENCE, is_over), "{:?}", prometheus.query("ALERTS"));
    });
}

#[test]
fn the_rules_are_right_and_fire_when_they_should() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/monitoring/alerts.test.yml");
    for (what, file) in [("check", docs("alerts.yml")), ("test", tests)] {
        process::run_well(Command::new("promtool").args([what, "rules"]).arg(file), b"", PATIENCE);
    }
}

/// Every metric that the rules, the dashboard and the page about them name.
fn names() -> BTreeSet<String> {
    let files = ["alerts.yml", "dashboard.json", "../monitoring.md"];
    let texts = files.map(|file| fs::read_to_string(docs(file)).expect(file));
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names: BTreeSet<String> = texts
        .iter()
        .flat_map(|text| text.split(|c| !is_of_name(c)))
        .filter(|word| word.starts_with("gatepost_"))
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 15, "{names:?}");
    names
}

/// Every query of the dashboard, as Grafana fills it in.
fn queries() -> Vec<String> {
    let text = fs::read_to_string(docs("dashboard.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let queries: Vec<String> = targets
        .map(|target| target["expr"].as_str().expect("a query"))
        .map(|query| query.replace("$instance", ".*").replace("$__rate_interval", "1m"))
        .collect();
    assert!(queries.len() > 15 && !queries.iter().any(|query| query.contains('$')), "{queries:?}");
    queries
}
