//! `/tokeninfo` and `/userinfo`: whose token is this?

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Query, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{
    UserinfoFault, answers,
    grants::whole_seconds,
    state::{SCOPE_EMAIL, State},
    token,
};
use crate::demo::sync::lock;

/// `GET /tokeninfo?access_token=…`. Google gives every number as a text here.
pub(super) async fn tokeninfo(
    Shared(state): Shared<Arc<State>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let now = Instant::now();
    let token = query
        .get("access_token")
        .map(String::as_str)
        .unwrap_or_default();
    let Some(access) = lock(&state.grants).live(token, now).cloned() else {
        return answers::error(StatusCode::BAD_REQUEST, "invalid_token", "Invalid Value");
    };
    let body = json!({
        "azp": state.client_id,
        "aud": state.client_id,
        "sub": subject(&access.email),
        "scope": access.scope,
        "expires_in": whole_seconds(access.ends - now).to_string(),
        "email": access.email,
        "email_verified": "true",
        "access_type": "offline",
    });
    answers::json(StatusCode::OK, &body)
}

/// `GET /userinfo` with a bearer token (OpenID Connect Core §5.3).
pub(super) async fn userinfo(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let fault = {
        let mut settings = lock(&state.settings);
        settings.userinfo_requests += 1;
        settings.userinfo_faults.take()
    };
    if let Some(UserinfoFault::Status(code)) = fault {
        return token::status(code);
    }
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let Some(access) = lock(&state.grants).live(token, Instant::now()).cloned() else {
        let words = "Invalid Credentials";
        return answers::error(StatusCode::UNAUTHORIZED, "invalid_request", words);
    };
    let email = match fault {
        Some(UserinfoFault::WrongAccount(other)) => other,
        _ => access.email,
    };
    let mut body = json!({"sub": subject(&email)});
    if access.scope.split(' ').any(|scope| scope == SCOPE_EMAIL) {
        body["email"] = email.into();
        body["email_verified"] = true.into();
    }
    answers::json(StatusCode::OK, &body)
}

/// Google's number for an account: 21 digits, the same each time.
fn subject(email: &str) -> String {
    let digest = Sha256::digest(email.to_ascii_lowercase());
    let number = digest
        .iter()
        .take(8)
        .fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    format!("1{number:020}")
}
