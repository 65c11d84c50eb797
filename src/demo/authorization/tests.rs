use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, Response, redirect::Policy};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::*;

const VERIFIER: &str = "0123456789012345678901234567890123456789012";
const REDIRECT: &str = "http://127.0.0.1:4711/back";
const ME: &str = "someone@gmail.com";

fn client() -> Client {
    // The second test to come finds it installed.
    let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

async fn start() -> (Authorization, Client) {
    (
        Authorization::start(AuthorizationOptions::default())
            .await
            .unwrap(),
        client(),
    )
}

fn authorize_url(server: &Authorization, change: &[(&str, &str)]) -> Url {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let mut parameters = HashMap::from([
        ("client_id", server.client_id()),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "https://mail.google.com/ openid email"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("state", "a state"),
        ("login_hint", ME),
    ]);
    parameters.extend(change.iter().copied());
    Url::parse_with_params(&server.urls().authorize_url, parameters).unwrap()
}

fn redirected(response: &Response) -> HashMap<String, String> {
    assert_eq!(response.status(), 302);
    let location = response.headers()["location"].to_str().unwrap();
    assert!(location.starts_with(REDIRECT), "{location}");
    Url::parse(location)
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect()
}

async fn code(server: &Authorization, http: &Client) -> String {
    let answer = http.get(authorize_url(server, &[])).send().await.unwrap();
    redirected(&answer)["code"].clone()
}

async fn post(http: &Client, server: &Authorization, fields: &[(&str, &str)]) -> (u16, Value) {
    let mut form = vec![
        ("client_id", server.client_id()),
        ("client_secret", server.client_secret()),
    ];
    form.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
    form.extend(
        fields
            .iter()
            .copied()
            .filter(|(_, value)| !value.is_empty()),
    );
    let answer = http
        .post(server.urls().token_url)
        .form(&form)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn exchange(http: &Client, server: &Authorization, code: &str) -> (u16, Value) {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    post(http, server, &fields).await
}

async fn refresh(http: &Client, server: &Authorization, token: &str) -> (u16, Value) {
    post(
        http,
        server,
        &[("grant_type", "refresh_token"), ("refresh_token", token)],
    )
    .await
}

fn error(answer: &(u16, Value)) -> (u16, &str, &str) {
    let text = |name: &str| answer.1[name].as_str().unwrap_or("");
    (answer.0, text("error"), text("error_description"))
}

#[tokio::test]
async fn a_code_becomes_tokens_once_and_a_refresh_gives_more() {
    let (server, http) = start().await;
    let answer = http.get(authorize_url(&server, &[])).send().await.unwrap();
    let parameters = redirected(&answer);
    assert_eq!(parameters["state"], "a state");
    let scope = "https://mail.google.com/ openid https://www.googleapis.com/auth/userinfo.email";
    assert_eq!(parameters["scope"], scope);

    let (status, tokens) = exchange(&http, &server, &parameters["code"]).await;
    assert_eq!((status, &tokens["expires_in"]), (200, &3599.into()));
    assert_eq!(
        (&tokens["token_type"], &tokens["scope"]),
        (&"Bearer".into(), &scope.into())
    );
    assert!(tokens.get("refresh_token_expires_in").is_none());
    let access = tokens["access_token"].as_str().unwrap();
    assert!(
        access.starts_with("ya29.") && (190..230).contains(&access.len()),
        "{access}"
    );
    assert_eq!(server.is_live(access).as_deref(), Some(ME));
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    assert!(refresh_token.starts_with("1//0"));

    let again = exchange(&http, &server, &parameters["code"]).await;
    assert_eq!(
        error(&again),
        (400, "invalid_grant", "Malformed auth code.")
    );

    let (status, more) = refresh(&http, &server, refresh_token).await;
    assert_eq!(status, 200);
    assert!(more.get("refresh_token").is_none());
    assert_ne!(more["access_token"], tokens["access_token"]);
    assert_eq!((server.exchanges(), server.refreshes()), (2, 1));
}

#[tokio::test]
async fn authorize_checks_what_google_checks() {
    let (server, http) = start().await;
    let refused = [
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "https://mail.google.com"), "invalid_scope"),
        (("login_hint", "stranger@gmail.com"), "access_denied"),
    ];
    for (change, expected) in refused {
        let answer = http
            .get(authorize_url(&server, &[change]))
            .send()
            .await
            .unwrap();
        let parameters = redirected(&answer);
        assert_eq!(parameters["error"], expected, "{change:?}");
        assert_eq!(parameters["state"], "a state");
    }
    let blocked = [
        ("client_id", "another"),
        ("redirect_uri", "https://127.0.0.1:1/"),
        ("redirect_uri", "http://localhost:1/"),
        ("redirect_uri", "http://127.0.0.2:1/"),
        ("redirect_uri", "http://127.0.0.1@evil.example/"),
    ];
    for change in blocked {
        let answer = http
            .get(authorize_url(&server, &[change]))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{change:?}");
    }
    let answer = http.get(authorize_url(
        &server,
        &[("redirect_uri", "http://[::1]:9/x?y=z")],
    ));
    let location = answer.send().await.unwrap().headers()["location"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        location.starts_with("http://[::1]:9/x?y=z&state=a+state&code="),
        "{location}"
    );
}

#[tokio::test]
async fn the_login_hint_finds_its_user_and_a_switch_overrules_it() {
    let (server, http) = start().await;
    server.allow_user("First.Last@gmail.com");
    for (hint, consenting, expected) in [
        ("firstlast+x@googlemail.com", None, "First.Last@gmail.com"),
        (ME, Some("other@example.com"), "other@example.com"),
    ] {
        server.set_consenting_user(consenting);
        let answer = http
            .get(authorize_url(&server, &[("login_hint", hint)]))
            .send()
            .await;
        let code = redirected(&answer.unwrap())["code"].clone();
        let (_, tokens) = exchange(&http, &server, &code).await;
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(server.is_live(access).as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn the_consent_page_leads_on_by_its_buttons() {
    let (server, http) = start().await;
    server.set_consent(Consent::Page);
    for (decision, expected) in [("allow", "code"), ("cancel", "error")] {
        let answer = http.get(authorize_url(&server, &[])).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let page = answer.text().await.unwrap();
        assert!(page.contains("not Google") && page.contains("light dark"));
        let request = page.split("name=\"request\" value=\"").nth(1).unwrap();
        let request = request.split('"').next().unwrap();
        let action = format!("http://{}/authorize/decision", server.address());
        let form = [("request", request), ("decision", decision)];
        let answer = http.post(&action).form(&form).send().await.unwrap();
        assert!(redirected(&answer).contains_key(expected));
        assert_eq!(
            http.post(&action)
                .form(&form)
                .send()
                .await
                .unwrap()
                .status(),
            400
        );
    }
    server.set_consent(Consent::Refused("admin_policy_enforced".to_owned()));
    let answer = http.get(authorize_url(&server, &[])).send().await.unwrap();
    assert_eq!(redirected(&answer)["error"], "admin_policy_enforced");
}

#[tokio::test]
async fn token_checks_the_client_the_verifier_and_the_redirect() {
    let (server, http) = start().await;
    let grant = server.grant(ME).unwrap();
    let with = |field: (&'static str, &'static str)| {
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", &grant),
            field,
        ]
        .to_vec()
    };
    let answer = post(&http, &server, &with(("client_secret", ""))).await;
    assert_eq!(
        error(&answer),
        (400, "invalid_request", "client_secret is missing.")
    );
    let answer = post(&http, &server, &with(("client_secret", "wrong"))).await;
    assert_eq!(error(&answer), (401, "invalid_client", "Unauthorized"));
    let answer = post(&http, &server, &with(("client_id", "wrong"))).await;
    assert_eq!(
        error(&answer),
        (401, "invalid_client", "The OAuth client was not found.")
    );
    let basic = http
        .post(server.urls().token_url)
        .basic_auth(server.client_id(), Some(server.client_secret()))
        .form(&[("grant_type", "refresh_token"), ("refresh_token", &grant)]);
    assert_eq!(basic.send().await.unwrap().status(), 200);

    for (change, expected) in [
        (
            ("code_verifier", "wrong"),
            (400, "invalid_grant", "Invalid code verifier."),
        ),
        (
            ("code_verifier", ""),
            (400, "invalid_grant", "Missing code verifier."),
        ),
        (
            ("redirect_uri", "http://127.0.0.1:1/"),
            (400, "redirect_uri_mismatch", "Bad Request"),
        ),
    ] {
        let code = code(&server, &http).await;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        fields.retain(|field| field.0 != change.0);
        fields.push(change);
        let answer = post(&http, &server, &fields).await;
        assert_eq!(error(&answer), expected);
        let spent = exchange(&http, &server, &code).await;
        assert_eq!(spent.0, 400, "a code is spent by a failed exchange as well");
    }
}

#[tokio::test]
async fn tokens_expire_are_revoked_and_rotate() {
    let (server, http) = start().await;
    server.set_token_life(Duration::from_millis(300));
    server.set_testing(true);
    server.set_rotation(true);
    let first = server.grant(ME).unwrap();
    let (_, tokens) = refresh(&http, &server, &first).await;
    assert_eq!(
        (&tokens["expires_in"], &tokens["refresh_token_expires_in"]),
        (&1.into(), &604_799.into())
    );
    let access = tokens["access_token"].as_str().unwrap();
    assert!(server.is_live(access).is_some());
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(server.is_live(access).is_none());

    let dead = (400, "invalid_grant", "Token has been expired or revoked.");
    assert_eq!(error(&refresh(&http, &server, &first).await), dead);
    let second = tokens["refresh_token"].as_str().unwrap();
    server.set_rotation(false);
    server.set_token_life(Duration::from_secs(9));
    let (_, tokens) = refresh(&http, &server, second).await;
    let access = tokens["access_token"].as_str().unwrap();

    let revoke = |token: String| {
        http.post(server.urls().revoke_url)
            .form(&[("token", token)])
            .send()
    };
    assert_eq!(revoke(access.to_owned()).await.unwrap().status(), 200);
    assert_eq!(revoke(second.to_owned()).await.unwrap().status(), 400);
    assert!(server.is_live(access).is_none());
    assert_eq!(error(&refresh(&http, &server, second).await), dead);
    assert_eq!(server.revocations(), 1);

    let access = server.access_token(ME).unwrap();
    server.expire_access_tokens();
    assert!(server.is_live(&access).is_none());
    let grant = server.grant(ME).unwrap();
    server.revoke_grants();
    assert_eq!(error(&refresh(&http, &server, &grant).await), dead);
}

#[tokio::test]
async fn userinfo_and_tokeninfo_say_whose_token_it_is() {
    let (server, http) = start().await;
    let access = server.access_token(ME).unwrap();
    let urls = server.urls();
    let userinfo = |token: &str| http.get(&urls.userinfo_url).bearer_auth(token).send();
    let body: Value = userinfo(&access).await.unwrap().json().await.unwrap();
    assert_eq!(
        (&body["email"], &body["email_verified"]),
        (&ME.into(), &true.into())
    );
    assert_eq!(userinfo("dead").await.unwrap().status(), 401);
    server.fail_userinfo(
        UserinfoFault::WrongAccount("x@y.z".to_owned()),
        Times::Next(1),
    );
    server.fail_userinfo(UserinfoFault::Status(500), Times::Next(1));
    let body: Value = userinfo(&access).await.unwrap().json().await.unwrap();
    assert_eq!(body["email"], "x@y.z");
    assert_eq!(userinfo(&access).await.unwrap().status(), 500);
    assert_eq!(server.userinfo_requests(), 4);

    let tokeninfo = |token: &str| {
        http.get(format!("{}?access_token={token}", urls.tokeninfo_url))
            .send()
    };
    let body: Value = tokeninfo(&access).await.unwrap().json().await.unwrap();
    assert_eq!(
        (&body["email"], &body["aud"]),
        (&ME.into(), &server.client_id().into())
    );
    assert_eq!(body["expires_in"], "3599");
    let dead = tokeninfo("dead").await.unwrap();
    assert_eq!(dead.status(), 400);
    assert_eq!(
        dead.json::<Value>().await.unwrap()["error"],
        "invalid_token"
    );
}

#[tokio::test]
async fn every_token_fault_looks_as_it_should() {
    let (server, http) = start().await;
    let grant = server.grant(ME).unwrap();
    let fail = |fault| server.fail_token(fault, Times::Next(1));
    let send = || {
        let form = [
            ("client_id", server.client_id()),
            ("client_secret", server.client_secret()),
            ("grant_type", "refresh_token"),
            ("refresh_token", &grant),
        ];
        http.post(server.urls().token_url).form(&form).send()
    };
    fail(TokenFault::InvalidGrant {
        subtype: Some("invalid_rapt".to_owned()),
        description: "reauth related error (invalid_rapt)".to_owned(),
    });
    let (status, body) = refresh(&http, &server, &grant).await;
    assert_eq!(
        (status, &body["error_subtype"]),
        (400, &"invalid_rapt".into())
    );
    for (fault, expected) in [
        (TokenFault::InvalidClient, (401, "invalid_client")),
        (TokenFault::DeletedClient, (401, "deleted_client")),
        (TokenFault::UnauthorizedClient, (401, "unauthorized_client")),
        (TokenFault::Status(500), (500, "internal_failure")),
    ] {
        fail(fault);
        let answer = refresh(&http, &server, &grant).await;
        assert_eq!((error(&answer).0, error(&answer).1), expected);
    }
    fail(TokenFault::Status(429));
    assert_eq!(send().await.unwrap().headers()["retry-after"], "1");
    fail(TokenFault::Slow(Duration::from_millis(200)));
    let before = Instant::now();
    assert_eq!(send().await.unwrap().status(), 200);
    assert!(before.elapsed() >= Duration::from_millis(200));
    fail(TokenFault::Reset);
    assert!(send().await.unwrap_err().is_request());
    fail(TokenFault::HalfAnswer);
    let half = send().await.unwrap();
    assert_eq!(half.status(), 200);
    assert!(half.bytes().await.is_err());
    fail(TokenFault::Html);
    let html = send().await.unwrap();
    assert_eq!(html.headers()["content-type"], "text/html; charset=utf-8");
    fail(TokenFault::Redirect);
    assert_eq!(send().await.unwrap().status(), 302);
    fail(TokenFault::Huge);
    assert!(send().await.unwrap().bytes().await.unwrap().len() > 1_000_000);
    fail(TokenFault::MissingScope);
    let (_, body) = refresh(&http, &server, &grant).await;
    assert!(!body["scope"].as_str().unwrap().contains("mail.google"));
    let code = code(&server, &http).await;
    fail(TokenFault::NoRefreshToken);
    let (status, body) = exchange(&http, &server, &code).await;
    assert_eq!((status, body.get("refresh_token")), (200, None));
    server.fail_token(TokenFault::Status(503), Times::UntilCleared);
    assert_eq!(send().await.unwrap().status(), 503);
    server.clear_faults();
    assert_eq!(send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn it_goes_down_comes_back_and_ends_with_its_last_handle() {
    let (server, http) = start().await;
    let grant = server.grant(ME).unwrap();
    assert_eq!(refresh(&http, &server, &grant).await.0, 200);
    server.fail_token(TokenFault::Slow(Duration::from_secs(60)), Times::Next(1));
    let waiting = tokio::spawn({
        let (server, http, grant) = (server.clone(), http.clone(), grant.clone());
        async move {
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", grant.as_str()),
            ];
            http.post(server.urls().token_url)
                .form(&form)
                .send()
                .await
                .is_err()
        }
    });
    while server.refreshes() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.stop().await;
    assert!(
        waiting.await.unwrap(),
        "an open connection ends with the server"
    );
    assert!(
        tokio::net::TcpStream::connect(server.address())
            .await
            .is_err()
    );
    server.restart().await.unwrap();
    assert_eq!(refresh(&http, &server, &grant).await.0, 200);
    let address = server.address();
    drop(server);
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(address).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still listening");
}

#[tokio::test]
async fn the_client_file_has_googles_form() {
    let (server, _) = start().await;
    let file: Value = serde_json::from_str(&server.client_json()).unwrap();
    let installed = &file["installed"];
    assert_eq!(installed["client_id"], server.client_id());
    assert_eq!(installed["token_uri"], server.urls().token_url.as_str());
    assert!(
        installed["client_secret"]
            .as_str()
            .unwrap()
            .starts_with("GOCSPX-")
    );
    assert_eq!(
        installed["redirect_uris"],
        serde_json::json!(["http://localhost"])
    );
}
