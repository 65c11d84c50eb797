//! `/healthz` in each state that an account can be in, against the stand-in.

// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use gatepost::demo::faults::Times;
use gatepost::proxy::Stands;
use gatepost::status::Site;
use serde_json::Value;
use support::{Deserted, PATIENCE, World, YOU, browser};

/// Within which `docs/monitoring.md` promises a plain answer, and a deep one.
const PROMISED: [Duration; 2] = [Duration::from_secs(8), Duration::from_secs(28)];

/// Whoever asks for the health of a world, by HTTP.
struct Monitor {
    page: String,
    http: reqwest::Client,
    _site: Site,
}

impl Monitor {
    fn of(world: &World) -> Self {
        reconfigure(world, "status = \"\"", "status = \"127.0.0.1:0\"");
        let site = Site::open(world.server());
        Self {
            page: format!("http://{}", world.server().status().listeners["status"]),
            http: browser(),
            _site: site,
        }
    }

    async fn ask(&self, query: Option<&str>) -> (u16, Value) {
        let (code, text) = self.get(query).await;
        assert!(!text.contains(YOU), "an address is told: {text}");
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(code == 200, body["status"] == "ok", "{code}: {body}");
        (code, body)
    }

    async fn get(&self, query: Option<&str>) -> (u16, String) {
        let promised = PROMISED[usize::from(query.is_some())];
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}/healthz{query}", self.page);
        let begun = Instant::now();
        let response = self.http.get(url).send().await.unwrap();
        // The machine may be busy.
        assert!(begun.elapsed() < promised + PATIENCE, "{:?}", begun.elapsed());
        assert_eq!(response.headers()["cache-control"], "no-store");
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The word for the account, and its sentence.
    async fn state(&self, query: Option<&str>) -> (String, String) {
        let (_, body) = self.ask(query).await;
        let account = &body["accounts"][0];
        assert_eq!(account["account"], "1");
        let text = |key: &str| account[key].as_str().unwrap_or_default().to_owned();
        (text("state"), text("sentence"))
    }
}

/// A world whose account is open.
async fn open() -> World {
    open_with("").await
}

async fn open_with(provider: &str) -> World {
    let world = World::with(provider).await;
    drop(world.signed_on().await);
    world
}

/// Changes a part of the configuration, as a person does who then runs `gatepost reload`.
fn reconfigure(world: &World, from: &str, to: &str) {
    let text = std::fs::read_to_string(world.home.config_file()).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(world.home.config_file(), text.replacen(from, to, 1)).unwrap();
    world.server().reload().unwrap();
}

/// As if nobody answered at this port of the provider, while what is given lives.
fn move_away(world: &World, of: &str) -> Deserted {
    let address = match of {
        "imap" => world.google.imap_address(),
        _ => world.google.smtp_address(),
    };
    let (port, deserted) = (address.port(), Deserted::find());
    reconfigure(world, &format!(":{port}\""), &format!(":{}\"", deserted.port));
    deserted
}

#[tokio::test]
async fn an_account_that_is_well_and_who_asks_often_costs_the_provider_nothing() {
    let world = open().await;
    let monitor = Monitor::of(&world);
    let refreshes = world.authorization().refreshes();
    for _ in 0..20 {
        let (code, body) = monitor.ask(None).await;
        assert_eq!((code, &body["accounts"][0]["state"]), (200, &"ok".into()), "{body}");
        assert!(body["listeners"]["imap"].is_string() && body["deep"] == false, "{body}");
    }
    let (imap, smtp) = (world.google.imap(), world.google.smtp());
    let before = (imap.sign_ons(), smtp.sign_ons());
    // Many at a time share one look, and the next ones have its answer.
    let deep = || monitor.ask(Some("deep"));
    let answers = tokio::join!(deep(), deep(), deep());
    assert_eq!((answers.0.0, answers.1.0, answers.2.0), (200, 200, 200), "{answers:?}");
    assert_eq!(deep().await.0, 200);
    assert_eq!((imap.sign_ons(), smtp.sign_ons()), (before.0 + 1, before.1 + 1));
    assert_eq!(world.authorization().refreshes(), refreshes);
    assert_eq!(world.account().connections.in_use, 0);
}

#[tokio::test]
async fn a_locked_account_says_so_until_its_mail_program_signs_on() {
    let world = World::new().await;
    let monitor = Monitor::of(&world);
    for query in [None, Some("deep")] {
        let (state, sentence) = monitor.state(query).await;
        assert_eq!(state, "locked", "{sentence}");
        assert!(sentence.contains("locked until"), "{sentence}");
    }
    drop(world.signed_on().await);
    assert_eq!(monitor.state(None).await.0, "ok");
}

#[tokio::test]
async fn a_token_is_got_for_an_account_that_is_open_and_has_none() {
    let world = World::new().await;
    world.authorization().stop().await;
    // It opens the account.
    drop(world.imap().await.log_in(world.password.expose()).await);
    world.authorization().restart().await.unwrap();
    let refreshes = world.authorization().refreshes();
    let monitor = Monitor::of(&world);
    assert_eq!(monitor.state(None).await.0, "ok");
    assert_eq!(world.authorization().refreshes(), refreshes + 1);
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_before_anybody_is_alarmed() {
    let world = open().await;
    let monitor = Monitor::of(&world);
    let refreshes = world.authorization().refreshes();
    world.authorization().expire_access_tokens();
    assert_eq!(monitor.ask(Some("deep")).await.0, 200);
    assert_eq!(world.authorization().refreshes(), refreshes + 1);
}

#[tokio::test]
async fn an_ended_grant_is_told_deeply_at_once_and_plainly_from_then_on() {
    let world = open().await;
    let monitor = Monitor::of(&world);
    world.authorization().revoke_grants();
    let (state, sentence) = monitor.state(Some("deep")).await;
    assert_eq!(state, "needs_sign_in", "{sentence}");
    assert!(sentence.contains("ended the grant"), "{sentence}");
    let (code, body) = monitor.ask(None).await;
    assert_eq!((code, &body["accounts"][0]["state"]), (503, &"needs_sign_in".into()), "{body}");
    let remedy = body["accounts"][0]["remedy"].as_str().unwrap();
    assert!(remedy.contains("`gatepost login ADDRESS`"), "{remedy}");
    let refreshes = world.authorization().refreshes();
    for _ in 0..10 {
        monitor.ask(None).await;
    }
    assert_eq!(world.authorization().refreshes(), refreshes, "Google is left in peace");
    let password = gatepost::accounts::NewPassword::generate().unwrap();
    world.sign_in(YOU, password).await.unwrap();
    world.server().reload().unwrap();
    assert_eq!(monitor.state(None).await.0, "ok");
}

#[tokio::test]
async fn a_sign_in_server_that_is_away_is_told() {
    let mut world = World::new().await;
    world.authorization().stop().await;
    drop(world.imap().await.log_in(world.password.expose()).await);
    let monitor = Monitor::of(&world);
    for query in [None, Some("deep")] {
        let (state, sentence) = monitor.state(query).await;
        assert_eq!(state, "unreachable", "{sentence}");
        assert!(sentence.contains("sign-in server"), "{sentence}");
    }
    world.restart().await;
}

#[tokio::test]
async fn mail_servers_that_are_away_and_a_port_that_is_blocked_are_told_apart() {
    for (away, state, words) in [
        (&["imap", "smtp"][..], "unreachable", "Neither "),
        (&["imap"], "imap_unreachable", "can't be reached"),
        (&["smtp"], "smtp_unreachable", "can't be reached"),
    ] {
        let world = open().await;
        let _deserted: Vec<_> = away.iter().map(|of| move_away(&world, of)).collect();
        let monitor = Monitor::of(&world);
        let found = monitor.state(Some("deep")).await;
        assert_eq!(found.0, state, "{}", found.1);
        assert!(found.1.contains(words), "{}", found.1);
    }
}

#[tokio::test]
async fn a_server_that_is_not_served_from_is_not_asked() {
    let world = open().await;
    let _deserted = move_away(&world, "smtp");
    reconfigure(&world, "smtp = \"127.0.0.1:0\"", "smtp = \"\"");
    let monitor = Monitor::of(&world);
    assert_eq!(monitor.state(Some("deep")).await.0, "ok");
}

#[tokio::test]
async fn a_limit_of_gatepost_s_own_is_told() {
    let world = open_with("connections = 1").await;
    let monitor = Monitor::of(&world);
    let client = world.signed_on().await;
    let (state, sentence) = monitor.state(Some("deep")).await;
    assert_eq!(state, "limited", "{sentence}");
    assert!(sentence.contains("only connection"), "{sentence}");
    // It is no trouble of the account's that a mail program works.
    assert_eq!(monitor.state(None).await.0, "ok");
    drop(client);
}

#[tokio::test]
async fn what_a_provider_says_is_told_and_not_asked_for_again_during_its_pause() {
    for (said, state) in [
        ("NO [ALERT] Too many simultaneous connections. (Failure)", "limited"),
        ("NO [OVERQUOTA] Account exceeded command or bandwidth limits.", "limited"),
        ("NO [UNAVAILABLE] Temporary System Problem (Failure)", "imap_unreachable"),
        ("NO [ALERT] Your account is not enabled for IMAP use. (Failure)", "imap_refused"),
    ] {
        let world = open().await;
        // Before: a reload ends every pause.
        let monitor = Monitor::of(&world);
        world.google.imap().refuse_sign_on(said, Times::UntilCleared);
        // A client comes first, so that there is something that stands.
        let answer = world.imap().await.log_in(world.password.expose()).await;
        assert!(!answer.starts_with("in OK"), "{answer}");
        let connections = world.google.imap().connections_so_far();
        for query in [None, Some("deep")] {
            let found = monitor.state(query).await;
            assert_eq!(found.0, state, "{}", found.1);
        }
        // Both times one look at the most; Gmail's day of traffic has a pause of a minute.
        let asked = world.google.imap().connections_so_far() - connections;
        assert!(asked <= usize::from(!said.contains("OVERQUOTA")), "{asked}: {said}");
    }
}

#[tokio::test]
async fn a_trouble_that_stands_is_looked_at_again_and_is_over_when_it_is() {
    let world = open().await;
    world
        .google
        .imap()
        .refuse_sign_on("NO [ALERT] IMAP access is disabled for your domain.", Times::Next(1));
    let answer = world.imap().await.log_in(world.password.expose()).await;
    assert!(!answer.starts_with("in OK"), "{answer}");
    assert!(world.account().trouble.is_some());
    let monitor = Monitor::of(&world);
    assert_eq!(monitor.state(None).await.0, "ok");
    assert_eq!(world.account().trouble, None, "`status` knows it too");
}

#[tokio::test]
async fn a_blocked_port_stands_although_the_other_one_works() {
    let world = open().await;
    let _deserted = move_away(&world, "smtp");
    let mut client = world.smtp().await;
    client.ask("EHLO test").await;
    let answer = client.sign_on(world.password.expose()).await;
    assert!(answer.starts_with("421"), "{answer}");
    drop(world.signed_on().await);
    let account = world.account();
    assert_eq!((&*account.state, account.stands), ("unreachable", Some(Stands::Away)));
    assert!(account.trouble.is_some(), "`status` says the same");
    let monitor = Monitor::of(&world);
    let (state, sentence) = monitor.state(None).await;
    assert_eq!(state, "smtp_unreachable", "{sentence}");
}

#[tokio::test]
async fn no_account_and_a_file_that_is_none_are_told() {
    let mut world = World::signed_out("").await;
    world.start();
    let (code, body) = Monitor::of(&world).ask(None).await;
    assert_eq!((code, &body["problems"][0]["state"]), (503, &"no_account".into()), "{body}");

    let world = open().await;
    std::fs::write(world.home.accounts().join("other@gmail.com.json"), "{").unwrap();
    world.server().reload().unwrap();
    let (code, body) = Monitor::of(&world).ask(None).await;
    assert_eq!((code, &body["problems"][0]["state"]), (503, &"damaged".into()), "{body}");
    assert!(!body.to_string().contains("other@"), "{body}");
    assert_eq!(body["accounts"][0]["state"], "ok", "{body}");
}

#[tokio::test]
async fn the_head_alone_and_any_of_this_machines_names_do_and_nothing_else_does() {
    let world = open().await;
    let monitor = Monitor::of(&world);
    let head = monitor.http.head(format!("{}/healthz", monitor.page)).send().await.unwrap();
    assert_eq!(head.status().as_u16(), 200);
    assert_eq!(head.headers()["content-type"], "application/json");
    assert!(head.text().await.unwrap().is_empty());
    let by = async |host: &str, path: &str| {
        let url = format!("{}{path}", monitor.page);
        let asked = monitor.http.get(url).header("host", host);
        asked.send().await.unwrap().status().as_u16()
    };
    let port = monitor.page.rsplit(':').next().unwrap();
    assert_eq!(by(&format!("localhost:{port}"), "/healthz").await, 200);
    assert_eq!(by(&format!("localhost:{port}"), "/metrics").await, 200);
    assert_eq!(by("evil.example", "/healthz").await, 421);
    assert_eq!(by("evil.example", "/metrics").await, 421);
    let posted = monitor.http.post(format!("{}/healthz", monitor.page)).send().await.unwrap();
    assert_eq!(posted.status().as_u16(), 405);
}

#[tokio::test]
async fn addresses_are_told_to_whoever_wants_that() {
    let world = open().await;
    reconfigure(&world, "[secrets]", "[monitoring]\naddresses = true\n[secrets]");
    let (_, text) = Monitor::of(&world).get(None).await;
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["accounts"][0]["account"], YOU, "{body}");
}
