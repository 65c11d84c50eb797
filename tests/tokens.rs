//! The life of tokens, seen from mail clients: refreshed by itself, once for all, and what clients
//! hear when it can't be.

// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use gatepost::accounts::NewPassword;
use gatepost::demo::authorization::TokenFault;
use gatepost::demo::faults::Times;
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
    world.google.imap().set_sessions_end_with_token(false);
    let _client = world.signed_on().await;
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
