//! What is under which path.
//!
//! | path | what | for |
//! |---|---|---|
//! | `GET /open/TOKEN` | takes a one-time link for a visit | a browser |
//! | `GET /`, `/fragment` | how everything is; its changing part | a visit |
//! | `GET /settings`, `/settings/file` | what sets a mail program up | a visit |
//! | `GET /forget`, `POST /forget` | forgets an account | a visit |
//! | `POST /sign-in`, `GET /signed-in/ID` | begins a sign-in; how it ended | a visit |
//! | `GET /healthz`, `/metrics` | how everything is, and what is counted | programs |
//! | `GET /assets/…` | style, script, icon | anybody |

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{
    DefaultBodyLimit, Form, FromRequestParts, Path, Query, RawQuery, Request, State,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::Desk;
use super::guard::{self, Ends, Verdict};
use super::metrics;
use super::page;
use super::sign_ins::State as SignIn;
use crate::accounts::Address;
use crate::autoconfig::{FileKind, Places};
use crate::proxy::Server;
use crate::secret::{BearerToken, LocalPassword};

/// What a form may be at most: an address and a token.
const FORM: usize = 16 * 1024;
/// The visit's cookie. Cookies know no ports: the name is to be nobody else's on this machine.
const COOKIE: &str = "gatepost-visit";

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
        .route("/settings/file", get(settings_file))
        .route("/forget", get(ask_to_forget).post(forget))
        .route("/sign-in", post(sign_in))
        .route("/signed-in/{id}", get(signed_in))
        .route("/open/{token}", get(open))
        .route("/assets/{*file}", get(asset))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .fallback(async || not_found())
        .layer(DefaultBodyLimit::max(FORM))
        .layer(middleware::from_fn_with_state(shared.clone(), guarded))
        .with_state(shared)
}

/// What is for programs, under any of this machine's names and without a visit.
fn is_for_programs(path: &str) -> bool {
    matches!(path, "/healthz" | "/metrics")
}

async fn guarded(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let is_for_programs = is_for_programs(request.uri().path());
    let mut response = match guard::judge(&request, shared.ends, is_for_programs) {
        Verdict::Good => next.run(request).await,
        Verdict::Elsewhere(url) => guard::see_other(&url),
        // RFC 9110 §15.5.20: this server is not that host.
        Verdict::WrongHost => told(StatusCode::MISDIRECTED_REQUEST, page::wrong_host()),
        Verdict::OtherSite => told(StatusCode::FORBIDDEN, page::refused()),
        Verdict::OtherUser => told(StatusCode::FORBIDDEN, page::other_user()),
    };
    let settings = shared.desk.server.settings();
    let authorize = settings.provider.authorize_url.origin().ascii_serialization();
    guard::harden(response.headers_mut(), Some(&authorize));
    response
}

fn told(status: StatusCode, html: String) -> Response {
    (status, Html(html)).into_response()
}

fn shown(html: String) -> Response {
    told(StatusCode::OK, html)
}

fn not_found() -> Response {
    told(StatusCode::NOT_FOUND, page::not_found())
}

/// A browser that came by a link; without one a request gets no further than this.
struct Visit {
    cookie: BearerToken,
    csrf: BearerToken,
}

impl FromRequestParts<Shared> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let visit = cookie(&parts.headers).and_then(|cookie| {
            let csrf = shared.desk.visits().hear(&cookie, Instant::now())?;
            Some(Self { cookie, csrf })
        });
        visit.ok_or_else(|| told(StatusCode::UNAUTHORIZED, page::session_needed()))
    }
}

fn cookie(headers: &HeaderMap) -> Option<BearerToken> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|it| it.to_str().ok());
    let mut pairs =
        cookies.flat_map(|line| line.split(';')).filter_map(|it| it.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| BearerToken::new(value))
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
            cookie(&headers).is_some_and(|it| shared.desk.visits().hear(&it, now).is_some());
        return match is_in {
            true => guard::see_other("/"),
            false => told(StatusCode::FORBIDDEN, page::link_used()),
        };
    };
    // A page that goes on by itself, and not a redirect: the browser would take that for a step of
    // wherever the link was followed, and keep the cookie (SameSite=Strict) from it.
    let mut response = shown(page::opened());
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", visit.expose());
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
    let server = &shared.desk.server;
    shown(page::overview(&server.status(), has_client(server), &visit.at_page()))
}

async fn fragment(State(shared): State<Shared>, visit: Visit) -> Response {
    let server = &shared.desk.server;
    shown(page::fragment(&server.status(), has_client(server), &visit.at_page()))
}

/// True if somebody can sign in.
fn has_client(server: &Server) -> bool {
    server.settings().server.is_some()
}

impl Visit {
    fn at_page(&self) -> page::Visit<'_> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        page::Visit { csrf: self.csrf.expose(), now }
    }
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
    match known(&shared, &named.address) {
        Some(address) => shown(page::settings(&address, &places(&shared.desk.server))),
        None => not_found(),
    }
}

/// A file that sets a mail program up.
#[derive(Deserialize)]
struct Wanted {
    address: String,
    #[serde(rename = "for")]
    program: String,
}

async fn settings_file(
    State(shared): State<Shared>,
    _visit: Visit,
    Query(wanted): Query<Wanted>,
) -> Response {
    let kind = FileKind::ALL.into_iter().find(|kind| kind.name() == wanted.program);
    let (Some(kind), Some(address)) = (kind, known(&shared, &wanted.address)) else {
        return not_found();
    };
    match kind.contents(&places(&shared.desk.server), &address) {
        Ok(contents) => {
            let saved = format!("attachment; filename=\"{}\"", kind.usual_file());
            let headers = [
                (header::CONTENT_TYPE, kind.media_type().to_owned()),
                (header::CONTENT_DISPOSITION, saved),
            ];
            (headers, contents).into_response()
        }
        Err(error) => told(StatusCode::CONFLICT, page::failed(&error.to_string(), error.remedy())),
    }
}

/// Where mail programs connect.
fn places(server: &Server) -> Places {
    Places::of(&server.settings().config.listen, Some(&server.status()))
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
        Some(address) => shown(page::forget(&address, visit.csrf.expose())),
        None => not_found(),
    }
}

/// What a form sends.
#[derive(Deserialize)]
struct Sent {
    csrf: String,
    address: String,
    /// `forget`: the grant lives on.
    #[serde(default)]
    keep_grant: bool,
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
        return told(StatusCode::FORBIDDEN, page::refused());
    }
    let Some(address) = known(&shared, &sent.address) else {
        return not_found();
    };
    let server = &shared.desk.server;
    let failed = |sentence: String, remedy: &str| {
        told(StatusCode::BAD_GATEWAY, page::failed(&sentence, remedy))
    };
    if !sent.keep_grant
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
        return told(StatusCode::FORBIDDEN, page::refused());
    }
    let address = match Address::parse(&sent.address) {
        Ok(address) => address,
        Err(why) => {
            let sentence = format!("“{}” is no mail address: {why}.", sent.address.trim());
            let remedy = "Go back and type it like you@gmail.com.";
            return told(StatusCode::BAD_REQUEST, page::failed(&sentence, remedy));
        }
    };
    let Ok(page) = guard::origin(shared.ends.here).parse() else {
        return not_found();
    };
    match shared.desk.sign_ins.begin(&shared.desk.server, address.clone(), &page).await {
        Ok(consent) => guard::see_other(consent.as_str()),
        Err(error) => {
            let (sentence, remedy) = (crate::sentence::of(&error), error.remedy(address.as_str()));
            let csrf = visit.csrf.expose();
            let page = page::sign_in_failed(&address, &sentence, &remedy, csrf);
            told(StatusCode::SERVICE_UNAVAILABLE, page)
        }
    }
}

async fn signed_in(State(shared): State<Shared>, visit: Visit, Path(id): Path<String>) -> Response {
    let Some((address, state)) = shared.desk.sign_ins.look(&id) else {
        return guard::see_other("/");
    };
    shown(match state {
        SignIn::UnderWay => page::under_way(),
        SignIn::SignedIn { password } => {
            let password = password.as_ref().map(LocalPassword::expose);
            page::signed_in(&address, &places(&shared.desk.server), password)
        }
        SignIn::Failed(sentence, remedy) => {
            page::sign_in_failed(&address, &sentence, &remedy, visit.csrf.expose())
        }
    })
}

async fn asset(uri: Uri) -> Response {
    let Some(asset) = page::asset(uri.path()) else {
        return not_found();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        // Another version has another path.
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.contents).into_response()
}
