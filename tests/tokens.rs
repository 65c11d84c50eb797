//! The life of tokens, seen from mail clients: refreshed by itself, once for all, and what clients
//! hear when it can't be.

// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gatepost::accounts::{Address, Grant, GrantFacts, NewPassword, Store, StoreError};
use gatepost::demo::authorization::TokenFault;
use gatepost::demo::faults::Times;
use gatepost::proxy::{Event, EventKind, Stands, WarningKind};
use gatepost::secret::RefreshToken;
use support::{World, YOU};

#[tokio::test]
async fn twenty_clients_at_once_cost_one_refresh() {
    let world = World::with("connections = 0").await;
    let before = world.authorization().refreshes();
    let clients = (0..20).map(|_| world.signed_on());
    let clients = futures_util::future::join_all(clients).await;
    assert_eq!(clients.len(), 20);
    assert_eq!(world.authorization().refreshes() - before, 1);
}

// A defect of email-oauth2-proxy: a revoked access token hangs LOGIN and AUTH PLAIN there.
#[tokio::test]
async fn a_token_that_died_early_is_replaced_once_for_all_and_nobody_notices() {
    let world = World::with("connections = 0").await;
    drop(world.signed_on().await);
    world.authorization().expire_access_tokens();
    let before = world.authorization().refreshes();
    let clients = futures_util::future::join_all((0..20).map(|_| world.signed_on())).await;
    drop(clients);
    assert_eq!(world.authorization().refreshes() - before, 1);
    world.authorization().expire_access_tokens();
    drop(world.smtp_signed_on().await);
    assert_eq!(world.authorization().refreshes() - before, 2);
}

#[tokio::test]
async fn a_token_is_refreshed_ahead_of_its_end_while_a_client_is_there() {
    let world = World::new().await;
    world.authorization().set_token_life(Duration::from_secs(2));
    // An IMAP session would ask for one by itself, for its next connection.
    let _client = world.smtp_signed_on().await;
    let before = world.authorization().refreshes();
    tokio::time::sleep(Duration::from_millis(3_600)).await;
    let ahead = world.authorization().refreshes() - before;
    assert!((1..=3).contains(&ahead), "{ahead} refreshes");
    assert!(world.account().token_expires_in.is_some());
}

#[tokio::test]
async fn a_rotated_refresh_token_survives_a_restart() {
    let mut world = World::new().await;
    world.authorization().set_rotation(true);
    drop(world.signed_on().await);
    let first = std::fs::read(world.record_file()).unwrap();
    world.authorization().expire_access_tokens();
    drop(world.signed_on().await);
    assert_ne!(std::fs::read(world.record_file()).unwrap(), first);
    world.restart().await;
    drop(world.signed_on().await);
}

#[tokio::test]
async fn an_account_is_locked_until_somebody_signs_on_and_again_after_a_restart() {
    let mut world = World::new().await;
    assert_eq!(world.account().state, "locked");
    let mut client = world.imap().await;
    assert!(client.log_in("wrong").await.starts_with("in NO [AUTHENTICATIONFAILED]"));
    assert_eq!(world.account().state, "locked");
    drop(world.signed_on().await);
    assert_eq!(world.account().state, "ready");
    world.restart().await;
    assert_eq!(world.account().state, "locked");
    drop(world.signed_on().await);
}

#[tokio::test]
async fn an_ended_grant_is_a_goodbye_and_never_a_wrong_password() {
    let world = World::new().await;
    drop(world.signed_on().await);
    world.authorization().revoke_grants();
    for _ in 0..3 {
        let mut client = world.imap().await;
        client.send(format!("in LOGIN {YOU} {}\r\n", world.password.expose())).await;
        let heard = client.rest().await;
        assert!(heard.starts_with("* OK [ALERT] Gatepost: Google has ended the grant"), "{heard}");
        assert!(
            heard.contains("gatepost login you@gmail.com") && heard.contains("\r\n* BYE "),
            "{heard}"
        );
        assert!(!heard.contains("in NO"), "{heard}");
    }
    let mut client = world.smtp().await;
    let heard = client.ask(&auth_plain(&world)).await;
    assert!(heard.starts_with("421 4.7.0 Google has ended the grant"), "{heard}");
    assert_eq!(world.account().state, "needs_sign_in");
    // Asked once, and not again for each client.
    assert!(world.authorization().refreshes() <= 3, "{}", world.authorization().refreshes());

    // Signing in again beside the running proxy: the old password goes on, without a restart.
    world.sign_in(YOU, NewPassword::generate().unwrap()).await.unwrap();
    world.server().reload().unwrap();
    assert_eq!(world.account().trouble, None, "what was wrong with the old grant is mended");
    drop(world.signed_on().await);
    assert_eq!(world.account().state, "ready");
}

#[tokio::test]
async fn a_testing_grant_that_ends_before_its_time_was_ended_by_somebody() {
    let world = World::signed_out("").await;
    world.authorization().set_testing(true);
    let mut world = world;
    let signed_in = world.sign_in(YOU, NewPassword::generate().unwrap()).await.unwrap();
    world.password = signed_in.password.unwrap();
    world.start();
    world.authorization().revoke_grants();
    let mut client = world.imap().await;
    let heard = client.log_in(world.password.expose()).await;
    assert!(heard.contains("it was taken back") && !heard.contains("Testing"), "{heard}");
}

// A defect of email-oauth2-proxy: two HTTP 400s wipe the refresh token there.
#[tokio::test]
async fn trouble_at_the_authorization_server_loses_nothing() {
    let world = World::new().await;
    let record = std::fs::read(world.record_file()).unwrap();
    for fault in [
        TokenFault::Status(500),
        TokenFault::Status(429),
        TokenFault::Reset,
        TokenFault::HalfAnswer,
        TokenFault::Html,
        TokenFault::Redirect,
        TokenFault::Huge,
        TokenFault::InvalidClient,
        TokenFault::InvalidGrant { subtype: None, description: "Bad Request".into() },
    ] {
        let shown = format!("{fault:?}");
        world.authorization().fail_token(fault, Times::Next(1));
        let mut client = world.imap().await;
        let heard = client.log_in(world.password.expose()).await;
        assert!(heard.starts_with("* BYE "), "{shown}: {heard}");
        assert_eq!(std::fs::read(world.record_file()).unwrap(), record, "{shown}");
        world.authorization().clear_faults();
        world.server().reload().unwrap();
        drop(world.signed_on().await);
        world.authorization().expire_access_tokens();
    }
}

#[tokio::test]
async fn the_authorization_server_goes_and_comes_back() {
    let world = World::new().await;
    world.authorization().stop().await;
    let mut client = world.imap().await;
    let heard = client.log_in(world.password.expose()).await;
    assert!(heard.starts_with("* BYE Google's sign-in server can't be reached"), "{heard}");
    assert_eq!(world.account().state, "unreachable");
    world.authorization().restart().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    drop(world.signed_on().await);
    assert_eq!(world.account().state, "ready");
}

#[tokio::test]
async fn a_living_token_serves_while_the_authorization_server_is_away() {
    let world = World::new().await;
    world.authorization().set_token_life(Duration::from_secs(10));
    drop(world.signed_on().await);
    world.authorization().fail_token(TokenFault::Status(500), Times::UntilCleared);
    // Within the last fifth of its life a refresh is due, and fails; the token still serves.
    tokio::time::sleep(Duration::from_millis(8_200)).await;
    drop(world.signed_on().await);
}

#[tokio::test]
async fn gmails_own_refusals_are_passed_on_in_words() {
    for (text, words) in [
        ("NO [ALERT] Too many simultaneous connections. (Failure)", "too many connections"),
        ("* BYE [OVERQUOTA] Account exceeded command or bandwidth limits.", "limit of traffic"),
        ("NO [UNAVAILABLE] Temporary System Problem (Failure)", "trouble of its own"),
    ] {
        let world = World::with("connection_wait = \"2s\"").await;
        world.google.imap().refuse_sign_on(text, Times::Next(1));
        let mut client = world.imap().await;
        let heard = client.log_in(world.password.expose()).await;
        assert!(heard.starts_with("* BYE ") && heard.contains(words), "{text}: {heard}");
        assert!(!heard.contains(".."), "{heard}");
        assert!(world.account().trouble.unwrap().contains(words));
        // The provider isn't asked again at once, unless a person has done something about it.
        world.server().reload().unwrap();
        drop(world.signed_on().await);
        assert_eq!(world.account().trouble, None);
    }
}

#[tokio::test]
async fn a_damaged_record_is_told_and_left_as_it_is() {
    let world = World::new().await;
    std::fs::write(world.record_file(), b"{ damaged").unwrap();
    let mut client = world.imap().await;
    let heard = client.log_in(world.password.expose()).await;
    assert!(heard.starts_with("* BYE "), "{heard}");
    assert_eq!(std::fs::read(world.record_file()).unwrap(), b"{ damaged");
    world.server().reload().unwrap();
    assert!(world.server().status().damaged[0].contains("you@gmail.com.json"));
}

fn auth_plain(world: &World) -> String {
    use base64::Engine as _;
    let message = format!("\0{YOU}\0{}", world.password.expose());
    format!("AUTH PLAIN {}", base64::engine::general_purpose::STANDARD.encode(message))
}

#[tokio::test]
async fn a_failure_of_the_old_grant_is_not_the_new_ones() {
    let world = World::new().await;
    // The old grant is ended at Google; the person has no live token.
    drop(world.signed_on().await);
    world.authorization().expire_access_tokens();
    world.authorization().revoke_grants();
    // A mail client comes; the refresh with the old grant is slow.
    world.authorization().fail_token(TokenFault::Slow(Duration::from_secs(3)), Times::Next(1));
    let mut early = world.imap().await;
    let password = world.password.expose().to_owned();
    let early = tokio::spawn(async move { early.log_in(&password).await });
    tokio::time::sleep(Duration::from_millis(1000)).await;
    // Meanwhile the person signs in again, and `login` asks the proxy to look.
    world.sign_in(YOU, NewPassword::generate().unwrap()).await.unwrap();
    world.server().reload().unwrap();
    let early = early.await.unwrap();
    let mut late = world.imap().await;
    let late = late.log_in(world.password.expose()).await;
    assert!(late.starts_with("in OK"), "{early} then {late}; {:?}", world.account());
}

/// The events of one kind.
fn events(world: &World, kind: EventKind) -> Vec<Event> {
    world.server().events().into_iter().filter(|event| event.kind == kind).collect()
}

#[tokio::test]
async fn an_ended_grant_is_told_once_though_the_refresh_ahead_and_three_clients_find_it() {
    let world = World::new().await;
    let mut heard = world.server().subscribe();
    world.authorization().set_token_life(Duration::from_secs(3));
    world.google.imap().set_sessions_end_with_token(false);
    let idle = world.signed_on().await;
    assert_eq!(events(&world, EventKind::NeedsSignIn), []);
    // Nobody asks for anything: the refresh ahead of the token's end finds it.
    world.authorization().revoke_grants();
    let told = tokio::time::timeout(support::PATIENCE, heard.recv()).await.unwrap().unwrap();
    assert_eq!(told.kind, EventKind::NeedsSignIn);
    assert_eq!(told.account.as_deref(), Some(YOU));
    assert!(told.sentence.contains("Google has ended the grant"), "{told:?}");
    assert!(told.remedy.as_deref().unwrap().contains("gatepost login you@gmail.com"), "{told:?}");
    for _ in 0..3 {
        let mut client = world.imap().await;
        let heard = client.log_in(world.password.expose()).await;
        assert!(heard.starts_with("* BYE "), "{heard}");
    }
    // Whoever asks anew after a reload is told the same by Google, and it is no news.
    world.server().reload().unwrap();
    let mut client = world.smtp().await;
    assert!(client.ask(&auth_plain(&world)).await.starts_with("421 "));
    assert_eq!(events(&world, EventKind::NeedsSignIn), [told]);
    assert_eq!(events(&world, EventKind::SignedIn), []);
    assert_eq!(world.account().state, "needs_sign_in");

    world.sign_in(YOU, NewPassword::generate().unwrap()).await.unwrap();
    world.server().reload().unwrap();
    drop(world.signed_on().await);
    world.server().reload().unwrap();
    let signed_in = events(&world, EventKind::SignedIn);
    assert_eq!(signed_in.len(), 1, "{signed_in:?}");
    assert_eq!(signed_in[0].sentence, "you@gmail.com is signed in again.");
    // The new grant's end is another.
    world.authorization().revoke_grants();
    world.authorization().expire_access_tokens();
    let mut client = world.imap().await;
    assert!(client.log_in(world.password.expose()).await.starts_with("* BYE "));
    assert_eq!(events(&world, EventKind::NeedsSignIn).len(), 2);
    drop(idle);
}

#[tokio::test]
async fn an_ended_grant_stays_so_whoever_comes_and_goes_until_it_works_after_all() {
    const OTHER: &str = "other@gmail.com";
    let world = World::new().await;
    let wrongly = || TokenFault::InvalidGrant { subtype: None, description: "Bad Request".into() };
    let turned_away = async || {
        let heard = world.imap().await.log_in(world.password.expose()).await;
        assert!(heard.starts_with("* BYE Google has ended the grant"), "{heard}");
    };
    world.authorization().fail_token(wrongly(), Times::UntilCleared);
    turned_away().await;
    let asked = world.authorization().refreshes();
    world.authorization().clear_faults();
    world.google.add_user(OTHER);
    world.authorization().set_consenting_user(Some(OTHER));
    world.sign_in(OTHER, NewPassword::generate().unwrap()).await.unwrap();
    world.server().take_up_accounts().unwrap();
    assert_eq!(world.server().status().accounts.len(), 2);
    let you = || world.server().status().accounts.into_iter().find(|it| it.address == YOU).unwrap();
    assert_eq!(you().state, "needs_sign_in");
    world.server().forget(&Address::parse(OTHER).unwrap()).unwrap();
    assert_eq!(you().state, "needs_sign_in");
    turned_away().await;
    assert_eq!(world.authorization().refreshes(), asked, "its pause goes on");
    // Known until the next answer, which a reload lets anybody ask for.
    world.server().reload().unwrap();
    assert_eq!((&*you().state, you().stands), ("needs_sign_in", Some(Stands::NeedsPerson)));
    drop(world.signed_on().await);
    assert_eq!((&*you().state, you().stands), ("ready", None));
    assert_eq!(events(&world, EventKind::GrantWorks).len(), 1);
    assert_eq!(events(&world, EventKind::Recovered), []);
}

#[tokio::test]
async fn an_outage_is_told_once_and_its_end() {
    let world = World::new().await;
    world.authorization().stop().await;
    for _ in 0..3 {
        let mut client = world.imap().await;
        assert!(client.log_in(world.password.expose()).await.starts_with("* BYE "));
        world.server().reload().unwrap();
    }
    assert_eq!(events(&world, EventKind::Unreachable).len(), 1);
    assert_eq!(events(&world, EventKind::Recovered), []);
    world.authorization().restart().await.unwrap();
    world.server().reload().unwrap();
    drop(world.signed_on().await);
    assert_eq!(events(&world, EventKind::Recovered).len(), 1);
    // Gmail's own trouble is another matter than the sign-in server's.
    world
        .google
        .imap()
        .refuse_sign_on("NO [UNAVAILABLE] Temporary System Problem (Failure)", Times::Next(1));
    let mut client = world.imap().await;
    assert!(client.log_in(world.password.expose()).await.starts_with("* BYE "));
    assert_eq!(events(&world, EventKind::Unreachable).len(), 2);
    world.server().reload().unwrap();
    drop(world.signed_on().await);
    assert_eq!(events(&world, EventKind::Recovered).len(), 2);
}

#[tokio::test]
async fn what_else_happens_is_told_without_a_secret_in_it() {
    let world = World::with("connection_wait = \"1s\"\nconnections = 1").await;
    assert_eq!(events(&world, EventKind::Started).len(), 1);
    let mut client = world.imap().await;
    for wrong in ["", "wrong-one", "wrong-two"] {
        client.log_in(wrong).await;
    }
    assert_eq!(events(&world, EventKind::WrongPassword).len(), 1, "once a minute");
    // The account's one connection is taken, twice.
    let _first = world.signed_on().await;
    for _ in 0..2 {
        let mut client = world.imap().await;
        assert!(client.log_in(world.password.expose()).await.starts_with("* BYE "));
    }
    assert_eq!(events(&world, EventKind::Limit).len(), 1);
    let before = std::fs::read(world.home.config_file()).unwrap();
    std::fs::write(world.home.config_file(), "[lissen]\n").unwrap();
    assert!(world.server().reload().is_err());
    std::fs::write(world.home.config_file(), before).unwrap();
    // Another account comes and goes.
    std::fs::remove_file(world.record_file()).unwrap();
    world.server().reload().unwrap();
    assert_eq!(events(&world, EventKind::Forgotten).len(), 1);
    world.sign_in(YOU, NewPassword::generate().unwrap()).await.unwrap();
    world.server().reload().unwrap();
    assert_eq!(events(&world, EventKind::SignedIn).len(), 1);
    let reloaded: Vec<bool> =
        events(&world, EventKind::Reloaded).iter().map(|event| event.remedy.is_none()).collect();
    assert_eq!(reloaded, [false, true, true]);
    let all = serde_json::to_string(&world.server().status()).unwrap();
    for secret in [world.password.expose(), "wrong-one", world.authorization().client_secret()] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn traffic_is_told_by_the_hour_and_the_last_use_outlives_a_restart() {
    let mut world = World::new().await;
    assert_eq!(world.account().last_used, None);
    let mut imap = world.signed_on().await;
    imap.send("a NOOP\r\n").await;
    imap.until("a OK").await;
    let mut smtp = world.smtp_signed_on().await;
    smtp.ask("NOOP").await;
    let account = world.account();
    assert_eq!(account.hours.len(), 24);
    assert_eq!(account.today.imap_up, 8, "a NOOP and its line's end");
    assert_eq!(account.today.smtp_up, 6);
    assert!(account.today.imap_down > 0 && account.today.smtp_down > 0);
    assert_eq!(account.today.up(), account.bytes_up);
    let used = account.last_used.unwrap();
    drop((imap, smtp));
    let file = world.home.last_used_file();
    tokio::time::timeout(support::PATIENCE, async {
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    world.restart().await;
    assert_eq!(world.account().last_used, Some(used));
    // A lost or damaged file is nobody's trouble.
    std::fs::write(&file, "{").unwrap();
    world.restart().await;
    assert_eq!(world.account().last_used, None);
    drop(world.signed_on().await);
}

#[tokio::test]
async fn what_had_better_be_done_ahead_is_told() {
    let world = World::new().await;
    let warnings = || world.server().status().warnings;
    let kinds = || Vec::from_iter(warnings().into_iter().map(|warning| warning.kind));
    assert_eq!(warnings(), []);
    // A grant of a Google client in Testing, on its last day.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let facts = GrantFacts {
        sign_in_name: YOU.to_owned(),
        granted: now - 6 * 86_400,
        grant_expires: Some(now + 86_000),
    };
    let grant = Grant { refresh_token: RefreshToken::new("1//nobodys") };
    Store::new(world.home.accounts())
        .update(&Address::parse(YOU).unwrap(), |record| {
            let mut record = record.unwrap();
            record.renew("gmail", facts, &grant)?;
            Ok::<_, StoreError>(Some(record))
        })
        .unwrap();
    world.server().reload().unwrap();
    assert_eq!(kinds(), [WarningKind::GrantEnds]);
    assert_eq!(warnings()[0].account.as_deref(), Some(YOU));
    // Once it has ended, that is what is told.
    let mut client = world.imap().await;
    assert!(client.log_in(world.password.expose()).await.contains("BYE"));
    assert_eq!(world.account().state, "needs_sign_in");
    assert_eq!(warnings(), []);
    let status = world.server().status();
    assert_eq!(status.allowances.unwrap().connections, 15);
    assert!(status.certificate.is_none() && status.started_at >= now);
}

#[tokio::test]
async fn a_newer_version_is_told_where_somebody_may_be_asked() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt;
            let body = "{\"tag_name\": \"v999.1.0\"}";
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            // Until the other side has it.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    });
    let world = World::new().await;
    world.server().look_for_newer_versions();
    assert_eq!(world.server().status().newer_version, None);
    let config = std::fs::read_to_string(world.home.config_file()).unwrap();
    let upkeep = format!("{config}\n[upkeep]\nversions_url = \"http://{address}/latest\"\n");
    std::fs::write(world.home.config_file(), upkeep).unwrap();
    // A reload is enough, both ways.
    let newer_after_reload = async |wanted: Option<&str>| {
        world.server().reload().unwrap();
        tokio::time::timeout(support::PATIENCE, async {
            while world.server().status().newer_version.as_deref() != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
        world.server().status().warnings
    };
    let warnings = newer_after_reload(Some("999.1.0")).await;
    assert_eq!(warnings[0].kind, WarningKind::NewerVersion);
    std::fs::write(world.home.config_file(), config).unwrap();
    assert_eq!(newer_after_reload(None).await, []);
}
