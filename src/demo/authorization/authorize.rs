//! `/authorize`: the browser's part.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Form,
    extract::{Query, State as Shared},
    response::Response,
};
use serde::Deserialize;
use tokio::time::Instant;
use url::{Host, Url};

use super::{
    Consent, answers,
    grants::Request,
    page, random,
    state::{State, granted_scope},
};
use crate::demo::sync::lock;

/// How many consent pages may be open at once; the oldest gives way.
const PENDING_LIMIT: usize = 32;

/// `GET /authorize`.
pub(super) async fn authorize(
    Shared(state): Shared<Arc<State>>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let asked = |name: &str| {
        asked
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    };
    if asked("client_id") != Some(&state.client_id) {
        return page::refused("invalid_client", "The OAuth client was not found.");
    }
    let Some(redirect_uri) = asked("redirect_uri").filter(|uri| is_loopback(uri)) else {
        return page::refused(
            "redirect_uri_mismatch",
            "The redirect_uri must be http://127.0.0.1:PORT or http://[::1]:PORT.",
        );
    };
    let refuse = |error: &str| back(redirect_uri, asked("state"), &[("error", error)]);
    if asked("response_type") != Some("code") {
        return refuse("unsupported_response_type");
    }
    // Google takes an omitted method for `plain`; a client of ours never means that.
    let challenge = asked("code_challenge").filter(|challenge| challenge.len() == 43);
    let (Some(challenge), Some("S256")) = (challenge, asked("code_challenge_method")) else {
        return refuse("invalid_request");
    };
    let Some(scope) = asked("scope").and_then(granted_scope) else {
        return refuse("invalid_scope");
    };

    let (consent, person) = {
        let settings = lock(&state.settings);
        (
            settings.consent.clone(),
            settings.person(asked("login_hint")),
        )
    };
    if let Consent::Refused(error) = &consent {
        return refuse(error);
    }
    // While a project is in "Testing", Google turns away whoever isn't a listed test user.
    let Some(email) = person else {
        return refuse("access_denied");
    };
    let request = Request {
        email,
        redirect_uri: redirect_uri.to_owned(),
        scope,
        challenge: challenge.to_owned(),
        state: asked("state").map(str::to_owned),
    };
    match consent {
        Consent::Page => show_page(&state, request),
        Consent::AtOnce | Consent::Refused(_) => allow(&state, request),
    }
}

/// What the consent page's form sends.
#[derive(Deserialize)]
pub(super) struct Decision {
    request: String,
    decision: String,
}

/// `POST /authorize/decision`.
pub(super) async fn decide(
    Shared(state): Shared<Arc<State>>,
    Form(form): Form<Decision>,
) -> Response {
    let request = {
        let mut settings = lock(&state.settings);
        let at = settings
            .pending
            .iter()
            .position(|(id, _)| *id == form.request);
        at.and_then(|at| settings.pending.remove(at))
    };
    let Some((_, request)) = request else {
        return page::refused("invalid_request", "This page has been answered already.");
    };
    if form.decision == "allow" {
        return allow(&state, request);
    }
    back(
        &request.redirect_uri,
        request.state.as_deref(),
        &[("error", "access_denied")],
    )
}

fn show_page(state: &State, request: Request) -> Response {
    let id = match random::text(18) {
        Ok(id) => id,
        Err(error) => return answers::internal(&error),
    };
    let page = page::consent(&request.email, &request.scope, &id);
    let mut settings = lock(&state.settings);
    if settings.pending.len() >= PENDING_LIMIT {
        settings.pending.pop_front();
    }
    settings.pending.push_back((id, request));
    page
}

fn allow(state: &State, request: Request) -> Response {
    let (redirect_uri, scope) = (request.redirect_uri.clone(), request.scope.clone());
    let echoed = request.state.clone();
    match lock(&state.grants).make_code(request, Instant::now()) {
        Ok(code) => back(
            &redirect_uri,
            echoed.as_deref(),
            &[("code", &code), ("scope", &scope)],
        ),
        Err(error) => answers::internal(&error),
    }
}

fn back(redirect_uri: &str, state: Option<&str>, parameters: &[(&str, &str)]) -> Response {
    let Ok(mut url) = Url::parse(redirect_uri) else {
        return page::refused("redirect_uri_mismatch", "The redirect_uri can't be read.");
    };
    let state = state.map(|state| ("state", state));
    url.query_pairs_mut()
        .extend_pairs(state.iter().chain(parameters));
    answers::redirect(url.as_str())
}

/// RFC 8252 §7.3: any port and path, but the address itself and not its name.
fn is_loopback(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| {
        url.scheme() == "http"
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && match url.host() {
                Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
                Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
                Some(Host::Domain(_)) | None => false,
            }
    })
}
