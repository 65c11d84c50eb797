//! The shapes of Google's answers.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// What no answer with a token goes without (RFC 6749 §5.1); Google adds the last two words.
const NO_STORE: (HeaderName, &str) = (
    header::CACHE_CONTROL,
    "no-cache, no-store, max-age=0, must-revalidate",
);

/// JSON, indented by two blanks as Google indents it.
pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    let text = format!("{body:#}");
    let kind = (header::CONTENT_TYPE, "application/json; charset=utf-8");
    (status, [kind, NO_STORE], text).into_response()
}

/// An OAuth error (RFC 6749 §5.2).
pub(super) fn error(status: StatusCode, error: &str, description: &str) -> Response {
    json(
        status,
        &json!({"error": error, "error_description": description}),
    )
}

/// The answer when the stand-in itself is at fault: there is no randomness.
pub(super) fn internal(error: &std::io::Error) -> Response {
    tracing::warn!(%error, "the demo authorization server can't go on");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        Json(json!({"error": "internal_failure"})),
    )
        .into_response()
}

pub(super) fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        Err(_) => error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "Bad redirect_uri.",
        ),
    }
}
