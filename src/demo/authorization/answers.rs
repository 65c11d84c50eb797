//! The shapes of Google's answers.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Json, extract,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::state::State;
use crate::demo::sync::lock;

/// What no answer with a token goes without (RFC 6749 §5.1); Google adds the last two words.
const NO_STORE: (HeaderName, &str) =
    (header::CACHE_CONTROL, "no-cache, no-store, max-age=0, must-revalidate");

/// JSON, indented by two blanks as Google indents it.
pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    let text = format!("{body:#}");
    let kind = (header::CONTENT_TYPE, "application/json; charset=utf-8");
    (status, [kind, NO_STORE], text).into_response()
}

/// Dates an answer by the stand-in's clock.
pub(super) async fn dated(
    extract::State(state): extract::State<Arc<State>>,
    mut answer: Response,
) -> Response {
    let off = lock(&state.settings).clock_off;
    let off_by = Duration::from_secs(off.unsigned_abs());
    let now = SystemTime::now();
    let date = if off < 0 { now - off_by } else { now + off_by };
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(date)) {
        answer.headers_mut().insert(header::DATE, date);
    }
    answer
}

/// An OAuth error (RFC 6749 §5.2).
pub(super) fn error(status: StatusCode, error: &str, description: &str) -> Response {
    json(status, &json!({"error": error, "error_description": description}))
}

/// The answer when the stand-in itself is at fault: there is no randomness.
pub(super) fn internal(error: &std::io::Error) -> Response {
    tracing::warn!(%error, "the demo authorization server can't go on");
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": "internal_failure"}))).into_response()
}

pub(super) fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        Err(_) => error(StatusCode::BAD_REQUEST, "invalid_request", "Bad redirect_uri."),
    }
}
