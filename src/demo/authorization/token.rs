//! `/token` and `/revoke`: the proxy's part.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Form,
    extract::{ConnectInfo, Query, State as Shared},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    MAIL_SCOPE, TokenFault, answers,
    connection::Knife,
    grants::{Issued, Refused},
    state::State,
};
use crate::demo::sync::lock;

type Fields = HashMap<String, String>;

/// A week less a second, as Google counts it.
const TESTING_LIFE_SECONDS: u64 = 604_799;

/// Enough for the status line, the headers of an answer and a piece of its body.
const HALF_ANSWER_BYTES: usize = 260;

const HUGE_TOKEN_BYTES: usize = 1_000_000;

/// `POST /token`.
pub(super) async fn token(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(knife): ConnectInfo<Knife>,
    headers: HeaderMap,
    Form(form): Form<Fields>,
) -> Response {
    let fault = {
        let mut settings = lock(&state.settings);
        match form.get("grant_type").map(String::as_str) {
            Some("refresh_token") => settings.refreshes += 1,
            Some("authorization_code") => settings.exchanges += 1,
            _ => {}
        }
        settings.token_faults.take()
    };
    let answer = || answer(&state, &headers, &form);
    match fault {
        None => finish(&state, answer(), None),
        Some(TokenFault::Slow(wait)) => {
            sleep(wait).await;
            finish(&state, answer(), None)
        }
        Some(TokenFault::Reset) => {
            knife.reset();
            StatusCode::OK.into_response()
        }
        Some(TokenFault::HalfAnswer) => {
            knife.after(HALF_ANSWER_BYTES);
            finish(&state, answer(), None)
        }
        Some(
            fault @ (TokenFault::Huge | TokenFault::NoRefreshToken | TokenFault::MissingScope),
        ) => finish(&state, answer(), Some(&fault)),
        Some(TokenFault::InvalidGrant {
            subtype,
            description,
        }) => {
            let mut body = json!({"error": "invalid_grant", "error_description": description});
            if let Some(subtype) = subtype {
                body["error_subtype"] = subtype.into();
            }
            answers::json(StatusCode::BAD_REQUEST, &body)
        }
        Some(TokenFault::InvalidClient) => {
            answers::error(StatusCode::UNAUTHORIZED, "invalid_client", "Unauthorized")
        }
        Some(TokenFault::DeletedClient) => {
            let words = "The OAuth client was deleted.";
            answers::error(StatusCode::UNAUTHORIZED, "deleted_client", words)
        }
        Some(TokenFault::UnauthorizedClient) => answers::error(
            StatusCode::UNAUTHORIZED,
            "unauthorized_client",
            "Client is unauthorized to retrieve access tokens using this method, or client not \
             authorized for any of the scopes requested.",
        ),
        Some(TokenFault::Status(code)) => status(code),
        Some(TokenFault::Html) => {
            Html("<!doctype html><title>Welcome</title><p>Sign in to this network.").into_response()
        }
        Some(TokenFault::Redirect) => answers::redirect(&format!("{}/elsewhere", state.base)),
    }
}

/// `POST /revoke`: ends the whole grant, whichever of its tokens is named.
pub(super) async fn revoke(
    Shared(state): Shared<Arc<State>>,
    Query(query): Query<Fields>,
    body: String,
) -> Response {
    let in_body = url::form_urlencoded::parse(body.as_bytes())
        .find(|(name, _)| name == "token")
        .map(|(_, token)| token.into_owned());
    let Some(token) = in_body.or_else(|| query.get("token").cloned()) else {
        let words = "Missing required parameter: token";
        return answers::error(StatusCode::BAD_REQUEST, "invalid_request", words);
    };
    if !lock(&state.grants).revoke(&token, Instant::now()) {
        let words = "Token expired or revoked";
        return answers::error(StatusCode::BAD_REQUEST, "invalid_token", words);
    }
    lock(&state.settings).revocations += 1;
    answers::json(StatusCode::OK, &json!({}))
}

/// An error status as an overloaded server gives it.
pub(super) fn status(code: u16) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = match code {
        StatusCode::TOO_MANY_REQUESTS => {
            answers::error(code, "rate_limit_exceeded", "Rate limit exceeded.")
        }
        _ => answers::error(code, "internal_failure", "Backend Error"),
    };
    if matches!(
        code,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// The tokens asked for, or Google's reason for giving none.
fn answer(state: &State, headers: &HeaderMap, form: &Fields) -> Result<Issued, Box<Response>> {
    check_client(state, headers, form)?;
    let field = |name: &str| {
        form.get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    };
    let missing = |name: &str| {
        let words = format!("Missing required parameter: {name}");
        Box::new(answers::error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            &words,
        ))
    };
    let now = Instant::now();
    let issued = match field("grant_type") {
        Some("authorization_code") => {
            let code = field("code").ok_or_else(|| missing("code"))?;
            let redirect_uri = field("redirect_uri").ok_or_else(|| missing("redirect_uri"))?;
            let verifier = field("code_verifier");
            lock(&state.grants).exchange(code, redirect_uri, verifier, now)
        }
        Some("refresh_token") => {
            let token = field("refresh_token").ok_or_else(|| missing("refresh_token"))?;
            lock(&state.grants).refresh(token, now)
        }
        Some(other) => {
            let words = format!("Invalid grant_type: {other}");
            let answer = answers::error(StatusCode::BAD_REQUEST, "unsupported_grant_type", &words);
            return Err(Box::new(answer));
        }
        None => return Err(missing("grant_type")),
    };
    match issued {
        Ok(Ok(issued)) => Ok(issued),
        Ok(Err(refused)) => Err(Box::new(refusal(&refused))),
        Err(error) => Err(Box::new(answers::internal(&error))),
    }
}

/// In the form, or by HTTP Basic (RFC 6749 §2.3.1): Google takes both.
fn check_client(state: &State, headers: &HeaderMap, form: &Fields) -> Result<(), Box<Response>> {
    let (id, secret) = basic(headers).unwrap_or_else(|| {
        (
            form.get("client_id").cloned(),
            form.get("client_secret").cloned(),
        )
    });
    let refuse = |status: StatusCode, error: &str, words: &str| {
        Err(Box::new(answers::error(status, error, words)))
    };
    let present = |value: Option<String>| value.filter(|value| !value.is_empty());
    match (present(id), present(secret)) {
        (None, _) => {
            let words = "Could not determine client ID from request.";
            refuse(StatusCode::BAD_REQUEST, "invalid_request", words)
        }
        (Some(id), _) if id != state.client_id => {
            let words = "The OAuth client was not found.";
            refuse(StatusCode::UNAUTHORIZED, "invalid_client", words)
        }
        (_, None) => refuse(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "client_secret is missing.",
        ),
        (_, Some(secret)) if secret != state.client_secret => {
            refuse(StatusCode::UNAUTHORIZED, "invalid_client", "Unauthorized")
        }
        _ => Ok(()),
    }
}

fn basic(headers: &HeaderMap) -> Option<(Option<String>, Option<String>)> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |text: &str| {
        let pair = format!("value={text}");
        url::form_urlencoded::parse(pair.as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
    };
    Some((decode(id), decode(secret)))
}

fn refusal(refused: &Refused) -> Response {
    let (error, words) = match refused {
        Refused::MalformedCode => ("invalid_grant", "Malformed auth code."),
        Refused::WrongRedirect => ("redirect_uri_mismatch", "Bad Request"),
        Refused::MissingVerifier => ("invalid_grant", "Missing code verifier."),
        Refused::WrongVerifier => ("invalid_grant", "Invalid code verifier."),
        Refused::Dead => ("invalid_grant", "Token has been expired or revoked."),
    };
    answers::error(StatusCode::BAD_REQUEST, error, words)
}

fn finish(
    state: &State,
    answer: Result<Issued, Box<Response>>,
    fault: Option<&TokenFault>,
) -> Response {
    let mut issued = match answer {
        Ok(issued) => issued,
        Err(answer) => return *answer,
    };
    match fault {
        Some(TokenFault::Huge) => {
            issued.access_token = format!("ya29.{}", "x".repeat(HUGE_TOKEN_BYTES));
        }
        Some(TokenFault::NoRefreshToken) => issued.refresh_token = None,
        Some(TokenFault::MissingScope) => {
            let left = lock(&state.grants).narrow(&issued.access_token, MAIL_SCOPE);
            issued.scope = left.unwrap_or_default();
        }
        _ => {}
    }
    let mut body = json!({
        "access_token": issued.access_token,
        "expires_in": issued.expires_in,
        "scope": issued.scope,
        "token_type": "Bearer",
    });
    if let Some(refresh_token) = issued.refresh_token {
        body["refresh_token"] = refresh_token.into();
    }
    if lock(&state.settings).testing {
        body["refresh_token_expires_in"] = TESTING_LIFE_SECONDS.into();
    }
    answers::json(StatusCode::OK, &body)
}
