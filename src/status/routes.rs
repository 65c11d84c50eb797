//! What is under which path.
//!
//! | path | what | for |
//! |---|---|---|
//! | `GET /open/TOKEN` | takes a one-time link for a visit | a browser |
//! | `GET /`, `/fragment` | how everything is; its changing part | a visit |
//! | `GET /settings`, `/settings/FILE` | what sets a mail program up | a visit |
//! | `GET /forget`, `POST /forget` | forgets an account | a visit |
//! | `POST /sign-in`, `GET /signed-in/ID` | begins a sign-in; how it ended | a visit |
//! | `GET /healthz`, `/metrics` | how everything is, and what is counted | programs |
//! | `GET /assets/…` | style, script, icon | anybody |

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::Router;
use axum::extract::{
    DefaultBodyLimit, Form, FromRequestParts, Path, Query, RawQuery, Request, State,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::guard::{self, Purpose, Verdict};
use super::metrics;
use super::neighbour::Neighbour;
use super::page::{self, Message};
use super::sign_ins::State as SignIn;
use super::{Desk, Ends};
use crate::accounts::Address;
use crate::secret::BearerToken;

/// What a form may be at most: an address and a token.
const FORM: usize = 16 * 1024;
/// What begins the name of the visit's cookie; the port follows, since cookies know none and another
/// Gatepost of this machine has visits of its own.
const COOKIE: &str = "gatepost-visit-";

/// What begins the paths of style, script and icon.
const ASSETS: &str = "/assets/";

/// What each handler gets.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) desk: Arc<Desk>,
    pub(super) ends: Ends,
}

/// The whole page, for whoever is at the other end.
pub(super) fn router(desk: Arc<Desk>, ends: Ends) -> Router {
    let shared = Shared { desk, ends };
    Router::new()
        .route("/", get(overview))
        .route("/fragment", get(fragment))
        .route("/settings", get(settings))
        .route("/settings/{file}", get(settings_file))
        .route("/forget", get(ask_to_forget).post(forget))
        .route("/sign-in", post(sign_in))
        .route("/signed-in/{id}", get(signed_in))
        .route("/open/{token}", get(open))
        .route("/assets/{file}", get(asset))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .fallback(async || told(StatusCode::NOT_FOUND, Message::NotFound))
        .layer(DefaultBodyLimit::max(FORM))
        .layer(middleware::from_fn_with_state(shared.clone(), guarded))
        .with_state(shared)
}

fn purpose(path: &str) -> Purpose {
    match path {
        "/healthz" | "/metrics" => Purpose::Programs,
        path if path.starts_with(ASSETS) => Purpose::Asset,
        _ => Purpose::Page,
    }
}

impl Shared {
    /// Where browsers find the page. While it is being closed, where this connection arrived.
    fn page(&self) -> SocketAddr {
        self.desk.address().unwrap_or(self.ends.here)
    }

    /// The visit's cookie, if the browser has one.
    fn cookie(&self, headers: &HeaderMap) -> Option<BearerToken> {
        let all = headers.get_all(header::COOKIE).into_iter().filter_map(|it| it.to_str().ok());
        let pairs = all.flat_map(|line| line.split(';')).map(str::trim);
        let value = |pair: &str| {
            let port = self.page().port().to_string();
            let value = pair.strip_prefix(COOKIE)?.strip_prefix(&port)?.strip_prefix('=')?;
            Some(BearerToken::new(value))
        };
        pairs.filter_map(value).next()
    }
}

async fn guarded(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let purpose = purpose(request.uri().path());
    let verdict = guard::judge(&request, shared.page(), purpose);
    let mut response = match verdict {
        Verdict::Good | Verdict::Elsewhere(_)
            if purpose == Purpose::Page && shared.ends.neighbour().await == Neighbour::Other =>
        {
            told(StatusCode::FORBIDDEN, Message::OtherUser)
        }
        Verdict::Good => next.run(request).await,
        Verdict::Elsewhere(url) => guard::see_other(&url),
        // RFC 9110 §15.5.20: this server is not that host.
        Verdict::WrongHost => told(StatusCode::MISDIRECTED_REQUEST, Message::WrongHost),
        Verdict::OtherSite => told(StatusCode::FORBIDDEN, Message::Refused),
    };
    guard::harden(response.headers_mut());
    response
}

fn told(status: StatusCode, message: Message<'_>) -> Response {
    (status, Html(page::message(&message))).into_response()
}

/// A browser that came by a link; without one a request gets no further than this.
struct Visit {
    cookie: BearerToken,
    csrf: BearerToken,
}

impl FromRequestParts<Shared> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let visit = shared.cookie(&parts.headers).and_then(|cookie| {
            let csrf = shared.desk.visits().hear(&cookie, Instant::now())?;
            Some(Self { cookie, csrf })
        });
        visit.ok_or_else(|| told(StatusCode::UNAUTHORIZED, Message::NoVisit))
    }
}

async fn open(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Response {
    let now = Instant::now();
    let opened = shared.desk.visits().open(&BearerToken::new(token), now);
    let Some(visit) = opened else {
        // A browser that opens its last pages again is in already.
        let is_in =
            shared.cookie(&headers).is_some_and(|it| shared.desk.visits().hear(&it, now).is_some());
        return match is_in {
            true => guard::see_other("/"),
            false => told(StatusCode::FORBIDDEN, Message::LinkUsedUp),
        };
    };
    // A page that goes on by itself, and not a redirect: the browser would take that for a step of
    // wherever the link was followed, and keep the cookie (SameSite=Strict) from it.
    let mut response = Html(page::opened()).into_response();
    let (port, visit) = (shared.page().port(), visit.expose());
    let cookie = format!("{COOKIE}{port}={visit}; Path=/; HttpOnly; SameSite=Strict");
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

async fn healthz(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    shared.desk.health.answer(query.as_deref()).await
}

async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    metrics::answer(&shared.desk.server, &headers)
}

async fn overview(State(shared): State<Shared>, visit: Visit) -> Response {
    Html(page::overview(&view(&shared, &visit))).into_response()
}

async fn fragment(State(shared): State<Shared>, visit: Visit) -> Response {
    Html(page::fragment(&view(&shared, &visit))).into_response()
}

fn view(shared: &Shared, visit: &Visit) -> page::Overview {
    let server = &shared.desk.server;
    let has_client = server.settings().server.is_some();
    page::Overview::new(server.status(), SystemTime::now(), visit.csrf.clone(), has_client)
}

/// The account that a form or an address of the page names.
#[derive(Deserialize)]
struct Named {
    address: String,
}

async fn settings(
    State(shared): State<Shared>,
    _visit: Visit,
    Query(named): Query<Named>,
) -> Response {
    let Some(address) = known(&shared, &named.address) else {
        return told(StatusCode::NOT_FOUND, Message::NotFound);
    };
    let server = &shared.desk.server;
    Html(page::settings(&address, &server.settings().config.listen, &server.status()))
        .into_response()
}

async fn settings_file(
    State(shared): State<Shared>,
    _visit: Visit,
    Path(file): Path<String>,
    Query(named): Query<Named>,
) -> Response {
    let server = &shared.desk.server;
    let made = known(&shared, &named.address).and_then(|address| {
        page::settings_file(&file, &address, &server.settings().config.listen, &server.status())
    });
    let Some(made) = made else { return told(StatusCode::NOT_FOUND, Message::NotFound) };
    let saved = format!("attachment; filename=\"{}\"", made.name);
    let headers =
        [(header::CONTENT_TYPE, made.media_type.to_owned()), (header::CONTENT_DISPOSITION, saved)];
    (headers, made.contents).into_response()
}

/// The account of this address, as it was typed at login.
fn known(shared: &Shared, typed: &str) -> Option<Address> {
    let account = shared.desk.server.account(typed).ok()??;
    Some(account.record().address().clone())
}

async fn ask_to_forget(
    State(shared): State<Shared>,
    visit: Visit,
    Query(named): Query<Named>,
) -> Response {
    match known(&shared, &named.address) {
        Some(address) => Html(page::forget(&address, &visit.csrf)).into_response(),
        None => told(StatusCode::NOT_FOUND, Message::NotFound),
    }
}

/// What a form sends.
#[derive(Deserialize)]
struct Sent {
    csrf: String,
    address: String,
    /// `forget`: the grant lives on.
    keep_grant: Option<String>,
}

impl Sent {
    /// True if a form of this very visit sent it.
    fn is_own(&self, shared: &Shared, visit: &Visit) -> bool {
        let csrf = BearerToken::new(self.csrf.as_str());
        shared.desk.visits().is_own(&visit.cookie, &csrf, Instant::now())
    }
}

async fn forget(State(shared): State<Shared>, visit: Visit, Form(sent): Form<Sent>) -> Response {
    if !sent.is_own(&shared, &visit) {
        return told(StatusCode::FORBIDDEN, Message::Refused);
    }
    let Some(address) = known(&shared, &sent.address) else {
        return told(StatusCode::NOT_FOUND, Message::NotFound);
    };
    let server = &shared.desk.server;
    let failed = |sentence: String, remedy: &str| {
        told(StatusCode::BAD_GATEWAY, Message::Failed { sentence: &sentence, remedy })
    };
    if sent.keep_grant.is_none()
        && let Err(error) = server.end_grant(address.as_str()).await
    {
        return failed(error.to_string(), error.remedy());
    }
    match server.forget(&address) {
        Ok(_) => guard::see_other("/"),
        Err(error) => failed(crate::sentence::of(&error), error.remedy()),
    }
}

async fn sign_in(State(shared): State<Shared>, visit: Visit, Form(sent): Form<Sent>) -> Response {
    if !sent.is_own(&shared, &visit) {
        return told(StatusCode::FORBIDDEN, Message::Refused);
    }
    let address = match Address::parse(&sent.address) {
        Ok(address) => address,
        Err(why) => {
            let sentence = format!("“{}” is no mail address: {why}.", sent.address.trim());
            let remedy = "Go back and type it like you@gmail.com.";
            let failed = Message::Failed { sentence: &sentence, remedy };
            return told(StatusCode::BAD_REQUEST, failed);
        }
    };
    let Ok(page) = guard::origin(shared.page()).parse() else {
        return told(StatusCode::NOT_FOUND, Message::NotFound);
    };
    match shared.desk.sign_ins.begin(&shared.desk.server, address.clone(), &page).await {
        Ok(consent) => Html(page::onward(&address, consent.as_str())).into_response(),
        Err(error) => {
            let (sentence, remedy) = (crate::sentence::of(&error), error.remedy(address.as_str()));
            let (sentence, remedy, csrf) = (&sentence, &remedy, &visit.csrf);
            let message = Message::NotSignedIn { address: &address, sentence, remedy, csrf };
            told(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }
}

async fn signed_in(State(shared): State<Shared>, visit: Visit, Path(id): Path<String>) -> Response {
    let server = &shared.desk.server;
    match shared.desk.sign_ins.look(&id) {
        Some((address, SignIn::UnderWay)) => Html(page::under_way(&address)).into_response(),
        Some((address, SignIn::SignedIn { password, grant_life })) => {
            let listen = &server.settings().config.listen;
            let status = server.status();
            let html = page::signed_in(&address, password.as_ref(), grant_life, listen, &status);
            Html(html).into_response()
        }
        Some((address, SignIn::Failed(sentence, remedy))) => {
            let (sentence, remedy, csrf) = (&sentence, &remedy, &visit.csrf);
            let message = Message::NotSignedIn { address: &address, sentence, remedy, csrf };
            told(StatusCode::OK, message)
        }
        None => guard::see_other("/"),
    }
}

async fn asset(Path(file): Path<String>) -> Response {
    let Some(asset) = page::asset(&file) else {
        return told(StatusCode::NOT_FOUND, Message::NotFound);
    };
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.contents).into_response()
}
