//! The authorization server: what stands behind Google's `/o/oauth2/v2/auth`, `/token`, `/revoke`,
//! `/tokeninfo` and `/v1/userinfo`, over plain HTTP on a loopback port, with faults to order.

mod answers;
mod authorize;
mod connection;
mod grants;
mod page;
mod state;
#[cfg(test)]
mod tests;
mod token;
mod userinfo;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};

use self::{
    connection::{Cuttable, Knife, Knives},
    state::State,
};
use super::{faults::Times, random, sync::lock};

/// The scope that Gmail's IMAP and SMTP servers want.
pub const MAIL_SCOPE: &str = "https://mail.google.com/";

/// More than any honest request has: codes are at most 256 bytes, tokens at most 2048.
const BODY_LIMIT: usize = 64 * 1024;

/// How long an open connection may take to notice that the server stops.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// What an authorization server starts with.
#[derive(Debug, Clone)]
pub struct AuthorizationOptions {
    /// Who may consent. Without a `login_hint`, the first of them does.
    pub users: Vec<String>,
    /// The port on 127.0.0.1; 0 is any free one.
    pub port: u16,
    /// How long an access token lives; Google says 3599 seconds.
    pub token_life: Duration,
}

impl Default for AuthorizationOptions {
    fn default() -> Self {
        Self {
            users: vec!["someone@gmail.com".to_owned()],
            port: 0,
            token_life: grants::DEFAULT_TOKEN_LIFE,
        }
    }
}

/// What `/authorize` does with a request that is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// Consents at once, with no page in between.
    AtOnce,
    /// Shows a page with Allow and Cancel.
    Page,
    /// Redirects with this `error`: `access_denied`, `admin_policy_enforced`, `org_internal`, …
    Refused(String),
}

/// What goes wrong at `/token`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFault {
    /// 400 `invalid_grant`, with an `error_subtype` (`invalid_rapt`) if given.
    InvalidGrant {
        /// The `error_subtype`.
        subtype: Option<String>,
        /// The `error_description`; Google's is "Token has been expired or revoked."
        description: String,
    },
    /// 401 `invalid_client`.
    InvalidClient,
    /// 401 `deleted_client`.
    DeletedClient,
    /// 401 `unauthorized_client`.
    UnauthorizedClient,
    /// This status with an error body; 429 and 503 carry `Retry-After: 1`.
    Status(u16),
    /// The true answer, after this long.
    Slow(Duration),
    /// The connection is reset without an answer.
    Reset,
    /// The connection closes amid an answer that was announced as longer. The tokens in it are
    /// live, as after a real accident.
    HalfAnswer,
    /// 200 with a web page, as a captive portal sends.
    Html,
    /// 302 to another path of this server, which answers 404.
    Redirect,
    /// An access token of a million characters.
    Huge,
    /// An answer without a `refresh_token`.
    NoRefreshToken,
    /// A token whose `scope` lacks the mail scope, because the person unticked it; the grant lacks
    /// it from then on.
    MissingScope,
}

/// What goes wrong at `/userinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserinfoFault {
    /// This address in place of the true one.
    WrongAccount(String),
    /// This status with an error body.
    Status(u16),
}

/// Where the server's endpoints are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationUrls {
    /// For the browser.
    pub authorize_url: String,
    /// For codes and refresh tokens.
    pub token_url: String,
    /// For ending a grant.
    pub revoke_url: String,
    /// For the address of whoever consented.
    pub userinfo_url: String,
    /// What an access token is good for; Dovecot asks it.
    pub tokeninfo_url: String,
}

/// A running authorization server. Clones are handles on the same one; it stops when the last of
/// them is dropped.
#[derive(Clone)]
pub struct Authorization(Arc<Handle>);

struct Handle {
    address: SocketAddr,
    state: Arc<State>,
    running: Mutex<Option<Running>>,
}

struct Running {
    /// Dropping it stops the server as well.
    stop: watch::Sender<bool>,
    knives: Knives,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.knives.cut_all();
    }
}

impl Authorization {
    /// Starts a server on 127.0.0.1. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the port can't be bound, or there is no randomness.
    pub async fn start(options: AuthorizationOptions) -> io::Result<Self> {
        let tcp = TcpListener::bind(("127.0.0.1", options.port)).await?;
        let address = tcp.local_addr()?;
        let state = Arc::new(State::new(options, format!("http://{address}"))?);
        let running = Mutex::new(Some(serve(tcp, Arc::clone(&state))));
        Ok(Self(Arc::new(Handle { address, state, running })))
    }

    /// Stops listening and ends the open connections; nothing is forgotten. Returns once the port
    /// refuses connections.
    pub async fn stop(&self) {
        let running = lock(&self.0.running).take();
        if let Some(mut running) = running {
            running.stop.send_replace(true);
            running.knives.cut_all();
            if timeout(STOP_PATIENCE, &mut running.task).await.is_err() {
                running.task.abort();
            }
        }
    }

    /// Listens again on the same port after [`stop`](Self::stop), with every grant as it was.
    ///
    /// # Errors
    /// If the port has been taken meanwhile.
    pub async fn restart(&self) -> io::Result<()> {
        self.stop().await;
        let tcp = TcpListener::bind(self.0.address).await?;
        *lock(&self.0.running) = Some(serve(tcp, Arc::clone(&self.0.state)));
        Ok(())
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Where its endpoints are.
    pub fn urls(&self) -> AuthorizationUrls {
        let base = &self.0.state.base;
        AuthorizationUrls {
            authorize_url: format!("{base}/authorize"),
            token_url: format!("{base}/token"),
            revoke_url: format!("{base}/revoke"),
            userinfo_url: format!("{base}/userinfo"),
            tokeninfo_url: format!("{base}/tokeninfo"),
        }
    }

    /// The `client_id` of its one Desktop client.
    pub fn client_id(&self) -> &str {
        &self.0.state.client_id
    }

    /// The `client_secret` that belongs to it.
    pub fn client_secret(&self) -> &str {
        &self.0.state.client_secret
    }

    /// The file that Google's console would offer for this client.
    pub fn client_json(&self) -> String {
        let urls = self.urls();
        serde_json::json!({"installed": {
            "client_id": self.client_id(),
            "project_id": "gatepost-demo",
            "auth_uri": urls.authorize_url,
            "token_uri": urls.token_url,
            "auth_provider_x509_cert_url": format!("{}/certs", self.0.state.base),
            "client_secret": self.client_secret(),
            "redirect_uris": ["http://localhost"],
        }})
        .to_string()
    }

    /// Lets one more address consent.
    pub fn allow_user(&self, email: &str) {
        lock(&self.0.state.settings).users.push(email.to_owned());
    }

    /// What `/authorize` does; at first [`Consent::AtOnce`].
    pub fn set_consent(&self, consent: Consent) {
        lock(&self.0.state.settings).consent = consent;
    }

    /// Who consents, whatever the `login_hint`; `None`: the hint's user, or the first.
    pub fn set_consenting_user(&self, email: Option<&str>) {
        lock(&self.0.state.settings).consenting_user = email.map(str::to_owned);
    }

    /// How long access tokens made from now on live. Fractions of a second count, but `expires_in`
    /// is rounded up to whole seconds.
    pub fn set_token_life(&self, life: Duration) {
        lock(&self.0.state.grants).token_life = life;
    }

    /// How long access tokens made now would live.
    pub fn token_life(&self) -> Duration {
        lock(&self.0.state.grants).token_life
    }

    /// With rotation on, a refresh gives a new refresh token and ends the old one. Google has no
    /// such rotation; other providers do.
    pub fn set_rotation(&self, on: bool) {
        lock(&self.0.state.grants).rotation = on;
    }

    /// Lets the refresh token before a rotated one work until the new one is used, as some providers do
    /// for whoever loses an answer (a *grace period*).
    pub fn forgive_rotation(&self, on: bool) {
        lock(&self.0.state.grants).forgives = on;
    }

    /// As a project whose publishing status is "Testing": answers say that the grant ends in a
    /// week (`refresh_token_expires_in`).
    pub fn set_testing(&self, on: bool) {
        lock(&self.0.state.settings).testing = on;
    }

    /// Lets answers be dated by a clock that is so many seconds ahead of this machine's, or behind.
    pub fn set_clock(&self, seconds_ahead: i64) {
        lock(&self.0.state.settings).clock_off = seconds_ahead;
    }

    /// Orders a fault at `/token`. Faults are used up in the order in which they were set.
    pub fn fail_token(&self, fault: TokenFault, times: Times) {
        lock(&self.0.state.settings).token_faults.add(fault, times);
    }

    /// Orders a fault at `/userinfo`.
    pub fn fail_userinfo(&self, fault: UserinfoFault, times: Times) {
        lock(&self.0.state.settings).userinfo_faults.add(fault, times);
    }

    /// Everything is well again.
    pub fn clear_faults(&self) {
        let mut settings = lock(&self.0.state.settings);
        settings.token_faults.clear();
        settings.userinfo_faults.clear();
    }

    /// Requests for a refresh so far, those that were answered with a fault included.
    pub fn refreshes(&self) -> usize {
        lock(&self.0.state.settings).refreshes
    }

    /// Requests to exchange a code so far, those that were answered with a fault included.
    pub fn exchanges(&self) -> usize {
        lock(&self.0.state.settings).exchanges
    }

    /// Requests to `/userinfo` so far.
    pub fn userinfo_requests(&self) -> usize {
        lock(&self.0.state.settings).userinfo_requests
    }

    /// Requests to `/revoke` so far that ended a grant.
    pub fn revocations(&self) -> usize {
        lock(&self.0.state.settings).revocations
    }

    /// Every live access token dies now; the refresh tokens go on.
    pub fn expire_access_tokens(&self) {
        lock(&self.0.state.grants).expire_access_tokens();
    }

    /// Every grant ends, as if each user had withdrawn consent on Google's page.
    pub fn revoke_grants(&self) {
        lock(&self.0.state.grants).revoke_all();
    }

    /// A refresh token for mail and the address, with no consent asked.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn grant(&self, email: &str) -> io::Result<String> {
        let scope = format!("{MAIL_SCOPE} {}", state::SCOPE_EMAIL);
        lock(&self.0.state.grants).grant(email, &format!("{scope} openid"))
    }

    /// An access token for mail and the address, with no consent asked; it isn't counted.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn access_token(&self, email: &str) -> io::Result<String> {
        let refresh_token = self.grant(email)?;
        match lock(&self.0.state.grants).refresh(&refresh_token, Instant::now())? {
            Ok(issued) => Ok(issued.access_token),
            Err(_) => Err(io::Error::other("the grant just made is gone")),
        }
    }

    /// Whose access token this is, if it is alive and good for mail.
    pub fn is_live(&self, access_token: &str) -> Option<String> {
        self.live_for(access_token).map(|(email, _)| email)
    }

    /// As [`is_live`](Self::is_live), with the time that the token has left.
    pub fn live_for(&self, access_token: &str) -> Option<(String, Duration)> {
        let now = Instant::now();
        let grants = lock(&self.0.state.grants);
        let access = grants.live(access_token, now)?;
        let mail = access.scope.split(' ').any(|scope| scope == MAIL_SCOPE);
        mail.then(|| (access.email.clone(), access.ends - now))
    }
}

fn serve(tcp: TcpListener, state: Arc<State>) -> Running {
    let (stop, mut stopped) = watch::channel(false);
    let knives = Knives::default();
    let listener = Cuttable { tcp, knives: knives.clone() };
    let router = Router::new()
        .route("/authorize", get(authorize::authorize))
        .route("/authorize/decision", post(authorize::decide))
        .route("/token", post(token::token))
        .route("/revoke", post(token::revoke))
        .route("/tokeninfo", get(userinfo::tokeninfo))
        .route("/userinfo", get(userinfo::userinfo))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::map_response_with_state(state.clone(), answers::dated))
        .with_state(state)
        .into_make_service_with_connect_info::<Knife>();
    let task = tokio::spawn(async move {
        // An error of `wait_for` means that the sender is gone, which is a stop as well.
        let stopping = async move { drop(stopped.wait_for(|stop| *stop).await) };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopping).await {
            tracing::debug!(%error, "the demo authorization server ended");
        }
    });
    Running { stop, knives, task }
}
