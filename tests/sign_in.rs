//! Signing in: every way in which the authorization server, the person or the mailbox can say no.

// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Mutex;
use std::time::Duration;

use gatepost::accounts::{Address, NewPassword, Store};
use gatepost::demo::authorization::{Consent, TokenFault, UserinfoFault};
use gatepost::demo::faults::Times;
use gatepost::settings::Settings;
use gatepost::sign_in::{Progress, SignInError, sign_in};
use support::{World, YOU, browser, new_account};
use tokio::sync::mpsc;

fn generated() -> NewPassword {
    NewPassword::generate().unwrap()
}

async fn reason(world: &World) -> &'static str {
    world.sign_in(YOU, generated()).await.unwrap_err().code()
}

#[tokio::test]
async fn consent_becomes_an_account_that_opens_with_its_password_only() {
    let world = World::signed_out("").await;
    let signed_in = world.sign_in("You@GoogleMail.com", generated()).await.unwrap();
    let store = Store::new(world.home.accounts());
    let record = store.load(&Address::parse(YOU).unwrap()).unwrap().unwrap();
    assert_eq!(record.sign_in_name(), YOU, "the name is the provider's, not the typed one");
    let key = record.unlock_with_password(&signed_in.password.unwrap()).unwrap();
    let grant = record.open(&key).unwrap();
    let json = std::fs::read_to_string(world.record_file()).unwrap();
    assert!(!json.contains(grant.refresh_token.expose()));
}

/// Signs in; what the person was told, in its order.
async fn told(
    world: &World,
    person: impl AsyncFnOnce(url::Url, mpsc::Sender<String>),
) -> Vec<String> {
    let told = Mutex::new(Vec::new());
    let tell = |progress: &Progress<'_>| {
        told.lock().unwrap().push(match progress {
            Progress::Authorize(_) => "open this".to_owned(),
            Progress::CameBack => "came back".to_owned(),
            Progress::TryingAgain(_) => "trying again".to_owned(),
            Progress::BadPaste(why) => (*why).to_owned(),
        });
    };
    let signed_in = world.sign_in_telling(YOU, generated(), person, &tell).await.unwrap();
    assert!(signed_in.password.is_some());
    told.into_inner().unwrap()
}

#[tokio::test]
async fn the_person_is_told_when_the_rest_needs_nobody() {
    let world = World::signed_out("").await;
    world.authorization().fail_userinfo(UserinfoFault::Status(503), Times::Next(1));
    let told = told(&world, async |url, _| {
        browser().get(url).send().await.unwrap();
    });
    assert_eq!(told.await, ["open this", "came back", "trying again"]);
}

#[tokio::test]
async fn signing_in_again_keeps_the_password_and_takes_the_new_grant() {
    let world = World::signed_out("").await;
    let first = world.sign_in(YOU, generated()).await.unwrap().password.unwrap();
    let again = world.sign_in(YOU, generated()).await.unwrap();
    assert!(again.password.is_none());
    let record =
        Store::new(world.home.accounts()).load(&Address::parse(YOU).unwrap()).unwrap().unwrap();
    assert!(record.unlock_with_password(&first).is_ok());
    assert_eq!(world.authorization().revocations(), 0);
}

#[tokio::test]
async fn every_no_of_the_consent_page_has_its_reason() {
    let world = World::signed_out("").await;
    for (code, expected) in [
        ("access_denied", "access_denied"),
        ("admin_policy_enforced", "admin_policy"),
        ("org_internal", "org_internal"),
        ("disallowed_useragent", "embedded_browser"),
        ("invalid_scope", "invalid_scope"),
        ("something_new", "other"),
    ] {
        world.authorization().set_consent(Consent::Refused(code.to_owned()));
        assert_eq!(reason(&world).await, expected);
    }
    assert!(!world.record_file().exists());
}

#[tokio::test]
async fn every_no_of_the_token_endpoint_has_its_reason() {
    let world = World::signed_out("").await;
    let grant = |subtype: Option<&str>| TokenFault::InvalidGrant {
        subtype: subtype.map(str::to_owned),
        description: "Bad Request".to_owned(),
    };
    for (fault, expected) in [
        (grant(None), "code_rejected"),
        (grant(Some("invalid_rapt")), "session_policy"),
        (TokenFault::InvalidClient, "invalid_client"),
        (TokenFault::DeletedClient, "deleted_client"),
        (TokenFault::UnauthorizedClient, "unauthorized_client"),
        (TokenFault::NoRefreshToken, "no_refresh_token"),
        (TokenFault::MissingScope, "scope_missing"),
    ] {
        let shown = format!("{fault:?}");
        world.authorization().fail_token(fault, Times::Next(1));
        assert_eq!(reason(&world).await, expected, "{shown}");
        world.authorization().clear_faults();
    }
    assert!(!world.record_file().exists());
}

#[tokio::test]
async fn a_missing_client_secret_is_named() {
    let world = World::signed_out("").await;
    let config = std::fs::read_to_string(world.home.config_file()).unwrap();
    let without: Vec<_> =
        config.lines().filter(|line| !line.starts_with("client_secret")).collect();
    std::fs::write(world.home.config_file(), without.join("\n")).unwrap();
    assert_eq!(reason(&world).await, "client_secret_missing");
}

#[tokio::test]
async fn what_fails_for_now_is_tried_again_and_the_consent_kept() {
    let world = World::signed_out("").await;
    world.authorization().fail_token(TokenFault::Status(503), Times::Next(1));
    world.authorization().fail_userinfo(UserinfoFault::Status(500), Times::Next(1));
    world
        .google
        .imap()
        .refuse_sign_on("NO [UNAVAILABLE] Temporary System Problem (Failure)", Times::Next(1));
    world.sign_in(YOU, generated()).await.unwrap();
    assert_eq!(world.google.imap().sign_ons(), 1);
}

#[tokio::test]
async fn another_account_is_refused_by_name_and_not_revoked() {
    let world = World::signed_out("").await;
    world
        .authorization()
        .fail_userinfo(UserinfoFault::WrongAccount("other@gmail.com".into()), Times::Next(1));
    let error = world.sign_in(YOU, generated()).await.unwrap_err();
    assert_eq!(error.code(), "other_account");
    assert!(error.to_string().contains("other@gmail.com"));
    assert_eq!(world.authorization().revocations(), 0);
    assert!(!world.record_file().exists());
}

#[tokio::test]
async fn a_mailbox_that_does_not_open_is_told_in_gmails_sense() {
    let world = World::signed_out("").await;
    for (text, words) in [
        (
            "NO [ALERT] IMAP access is disabled for your domain. Please contact your domain administrator for questions about this feature. (Failure)",
            "administrator has switched IMAP off",
        ),
        (
            "NO [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable your account for IMAP access. (Failure)",
            "switched off in this account",
        ),
        (
            "* NO [WEBALERT https://accounts.google.com/signin/continue] Web login required.\nNO [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)",
            "sign in in the browser",
        ),
    ] {
        world.google.imap().refuse_sign_on(text, Times::Next(1));
        let error = world.sign_in(YOU, generated()).await.unwrap_err();
        assert!(matches!(error, SignInError::Proof(_)), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(!world.record_file().exists());
}

#[tokio::test]
async fn a_testing_grant_is_known_by_its_life() {
    let world = World::signed_out("").await;
    world.authorization().set_testing(true);
    let signed_in = world.sign_in(YOU, generated()).await.unwrap();
    let life = signed_in.grant_life.unwrap();
    assert!(
        life > Duration::from_secs(6 * 86400) && life <= Duration::from_secs(7 * 86400),
        "{life:?}"
    );
}

#[tokio::test]
async fn the_person_sees_how_it_ended_and_a_stranger_changes_nothing() {
    let world = World::signed_out("").await;
    let loopback = std::cell::OnceCell::new();
    let person = async |url: url::Url, _| {
        let query = |name: &str| {
            url.query_pairs()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
                .unwrap()
        };
        assert_eq!(query("code_challenge_method"), "S256");
        assert_eq!(query("login_hint"), YOU);
        assert!(query("scope").contains("https://mail.google.com/"));
        let back = query("redirect_uri");
        loopback.set(back.strip_prefix("http://").unwrap().to_owned()).unwrap();
        // Somebody else's answer: a code without the state, or with another.
        for stranger in
            ["/?code=stolen", "/?code=stolen&state=wrong", "/?error=access_denied&state=", "/"]
        {
            let answer = browser().get(format!("{back}{stranger}")).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 400, "{stranger}");
            assert!(answer.text().await.unwrap().contains("does not belong"));
        }
        let page = browser().get(url.clone()).send().await.unwrap();
        assert!(
            page.headers()["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("default-src 'none'")
        );
        assert!(page.text().await.unwrap().contains("You are signed in"));
    };
    world.sign_in_as(YOU, generated(), person).await.unwrap();
    // Once the last page is shown, nobody listens there.
    std::net::TcpStream::connect(loopback.into_inner().unwrap()).unwrap_err();
}

/// The command leaves once the sign-in is done.
#[tokio::test]
async fn the_last_page_reaches_the_browser_before_the_sign_in_is_done() {
    let world = World::signed_out("").await;
    let settings = Settings::load(&world.home, None).unwrap();
    let store = Store::new(world.home.accounts());
    let (urls, mut opened) = mpsc::unbounded_channel();
    let signing_in = std::thread::spawn(move || {
        let address = Address::parse(YOU).unwrap();
        let request = new_account(&address, generated());
        let tell = |progress: Progress<'_>| {
            if let Progress::Authorize(url) = progress {
                let _ = urls.send(url.clone());
            }
        };
        let (_lines, pasted) = mpsc::channel(1);
        let alone = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        alone.block_on(sign_in(&settings, &store, request, pasted, &tell)).unwrap();
    });
    let page = browser().get(opened.recv().await.unwrap()).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("You are signed in"));
    signing_in.join().unwrap();
}

/// Where the consent page sends the browser of another machine.
async fn sent_elsewhere(url: url::Url) -> String {
    let tls = gatepost::tls::client_config(None).unwrap();
    let elsewhere = reqwest::Client::builder()
        .tls_backend_preconfigured(tokio_rustls::rustls::ClientConfig::clone(&tls))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = elsewhere.get(url).send().await.unwrap();
    answer.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_pasted_address_serves_and_what_does_not_is_told() {
    let world = World::signed_out("").await;
    let told = told(&world, async |url, lines| {
        let back = sent_elsewhere(url).await;
        let stranger = format!("{}/?code=stolen&state=wrong", back.split_once("/?").unwrap().0);
        // Nobody hears of a page's, which anybody's page can ask for; of a person's they do.
        assert_eq!(browser().get(&stranger).send().await.unwrap().status().as_u16(), 400);
        for line in ["not an address".to_owned(), stranger, back] {
            lines.send(line).await.unwrap();
        }
    })
    .await;
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!([&*told[0], &*told[3]], ["open this", "came back"]);
    assert!(told[1].contains("is not the address of the browser's last page"), "{told:?}");
    assert!(told[2].contains("does not belong to the sign-in that is under way"), "{told:?}");
}
