//! A client for the tests, and the tests in two rooms: what goes well, and faults to order.

mod faults;
mod flow;

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, Response, redirect::Policy};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::*;

pub(super) const VERIFIER: &str = "0123456789012345678901234567890123456789012";
pub(super) const REDIRECT: &str = "http://127.0.0.1:4711/back";
pub(super) const ME: &str = "someone@gmail.com";

pub(super) fn client() -> Client {
    // The second test to come finds it installed.
    let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

pub(super) async fn start() -> (Authorization, Client) {
    (
        Authorization::start(AuthorizationOptions::default())
            .await
            .unwrap(),
        client(),
    )
}

pub(super) fn authorize_url(server: &Authorization, change: &[(&str, &str)]) -> Url {
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

pub(super) fn redirected(response: &Response) -> HashMap<String, String> {
    assert_eq!(response.status(), 302);
    let location = response.headers()["location"].to_str().unwrap();
    assert!(location.starts_with(REDIRECT), "{location}");
    Url::parse(location)
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect()
}

pub(super) async fn code(server: &Authorization, http: &Client) -> String {
    let answer = http.get(authorize_url(server, &[])).send().await.unwrap();
    redirected(&answer)["code"].clone()
}

pub(super) async fn post(
    http: &Client,
    server: &Authorization,
    fields: &[(&str, &str)],
) -> (u16, Value) {
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

pub(super) async fn exchange(http: &Client, server: &Authorization, code: &str) -> (u16, Value) {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    post(http, server, &fields).await
}

pub(super) async fn refresh(http: &Client, server: &Authorization, token: &str) -> (u16, Value) {
    post(
        http,
        server,
        &[("grant_type", "refresh_token"), ("refresh_token", token)],
    )
    .await
}

pub(super) fn error(answer: &(u16, Value)) -> (u16, &str, &str) {
    let text = |name: &str| answer.1[name].as_str().unwrap_or("");
    (answer.0, text("error"), text("error_description"))
}
