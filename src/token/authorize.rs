//! The authorization-code flow for an installed program (RFC 8252): PKCE (RFC 7636), a checked
//! `state`, and a loopback address that waits for the browser to come back.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use url::{Url, form_urlencoded};

use super::endpoint::{AuthorizationServer, NewGrant};
use super::google::Cause;
use super::page::{self, Page};

/// How long the browser is kept waiting for the outcome of the sign-in, which its page tells.
const PAGE_PATIENCE: Duration = Duration::from_secs(120);
/// How long the last page is given to reach the browser.
const LAST_PAGE: Duration = Duration::from_secs(2);

/// The last page has a style of its own and a link, and nothing else; no other page may show it as its own.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

pub(crate) const NOT_THE_ADDRESS: &str = "That is not the address of the browser's last page, which begins with http://127.0.0.1: and has code= and state= in it.";
pub(crate) const ANOTHER_SIGN_IN: &str =
    "That address does not belong to the sign-in that is under way.";

/// A sign-in under way: a person has to open [`url`](Self::url).
pub struct Authorization {
    server: Arc<AuthorizationServer>,
    url: Url,
    state: CsrfToken,
    verifier: PkceCodeVerifier,
    redirect: RedirectUrl,
    back: Option<Url>,
    redirects: mpsc::Receiver<Arrival>,
    pages: tokio::task::JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

/// Why a sign-in can't begin.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// No loopback port can be had.
    #[error("no port on 127.0.0.1 is free for the browser to come back to ({0})")]
    Listen(#[from] std::io::Error),
    /// The address that was made isn't one.
    #[error("the redirect address can't be made ({0})")]
    Address(#[from] url::ParseError),
}

/// A request that came to the loopback address.
struct Arrival {
    query: String,
    page: Option<oneshot::Sender<Shown>>,
}

/// A page that is on its way to the browser.
struct Shown {
    status: StatusCode,
    html: String,
}

/// The browser came back with a code.
pub struct Redirect {
    code: String,
    back: Option<Url>,
    page: Option<oneshot::Sender<Shown>>,
}

impl Redirect {
    /// Shows the person how the sign-in ended: the account that is signed in now, or what went
    /// wrong and what to do.
    pub fn finish(self, outcome: Result<&str, (&str, &str)>) {
        let page = match outcome {
            Ok(address) => Page::SignedIn { address },
            Err((sentence, remedy)) => Page::Failed { sentence, remedy },
        };
        let html = page::render(page, self.back.as_ref());
        if let Some(page) = self.page {
            // A browser that has left needs no page.
            let _ = page.send(Shown { status: StatusCode::OK, html });
        }
    }
}

impl Authorization {
    /// Takes a free loopback port and makes the address of the consent page. `address` fills in
    /// the account there; the person may still choose another. The last page leads to `back`, or to the
    /// terminal.
    pub async fn begin(
        server: Arc<AuthorizationServer>,
        address: &str,
        back: Option<&Url>,
    ) -> Result<Self, AuthorizeError> {
        // The address literal, not `localhost` (RFC 8252 §8.3).
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let redirect = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let redirect = RedirectUrl::new(redirect)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let scopes = server.provider.scopes.iter().cloned().map(Scope::new);
        let (url, state) = server
            .client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .set_redirect_uri(std::borrow::Cow::Borrowed(&redirect))
            .add_extra_param("login_hint", address)
            // Google gives a refresh token for certain, and its boxes to tick, only on these.
            .add_extra_param("access_type", "offline")
            .add_extra_param("prompt", "consent")
            .url();
        let (arrivals, redirects) = mpsc::channel(4);
        let (stop, stopped) = oneshot::channel();
        let back = back.cloned();
        let pages =
            tokio::spawn(serve(listener, Arrivals { arrivals, back: back.clone() }, stopped));
        Ok(Self { server, url, state, verifier, redirect, back, redirects, pages, stop })
    }

    /// The address that the person must open.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Waits until the browser comes back, or the person pastes the address that it was sent to.
    /// What comes with another `state` is not an answer to this sign-in: it is turned away, and
    /// the wait goes on. `pasted` may end without an answer.
    ///
    /// `address` is the account's, for the words on the page; `tell` hears what is wrong with
    /// something pasted.
    pub async fn redirected(
        &mut self,
        pasted: &mut mpsc::Receiver<String>,
        address: &str,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<Redirect, Cause> {
        let mut pasting = true;
        loop {
            let arrival = tokio::select! {
                arrival = self.redirects.recv() => arrival,
                line = pasted.recv(), if pasting => match line {
                    Some(line) => query_of(&line).map(|query| Arrival { query, page: None }),
                    None => {
                        pasting = false;
                        continue;
                    }
                },
            };
            let Some(arrival) = arrival else {
                tell(NOT_THE_ADDRESS);
                continue;
            };
            let was_pasted = arrival.page.is_none();
            match self.read(arrival, address) {
                Some(outcome) => return outcome,
                None if was_pasted => tell(ANOTHER_SIGN_IN),
                None => {}
            }
        }
    }

    fn read(&self, arrival: Arrival, address: &str) -> Option<Result<Redirect, Cause>> {
        let field = |name: &str| {
            form_urlencoded::parse(arrival.query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let state = field("state").unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(self.state.secret().as_bytes())) {
            tracing::warn!("an answer came that does not belong to this sign-in; still waiting");
            self.turn_away(arrival.page, Page::OtherSignIn);
            return None;
        }
        match (field("code"), field("error")) {
            (_, Some(error)) => {
                let cause = Cause::of_redirect(&error);
                let (sentence, remedy) = (&cause.sentence(), &cause.remedy(address));
                self.turn_away(arrival.page, Page::Failed { sentence, remedy });
                Some(Err(cause))
            }
            (Some(code), None) => {
                Some(Ok(Redirect { code, back: self.back.clone(), page: arrival.page }))
            }
            (None, None) => {
                self.turn_away(arrival.page, Page::NoAnswer);
                None
            }
        }
    }

    /// Turns the code into a grant. The loopback port goes on serving the last page until
    /// [`close`](Self::close).
    pub async fn exchange(&mut self, redirect: &Redirect) -> Result<NewGrant, Cause> {
        let verifier = PkceCodeVerifier::new(self.verifier.secret().clone());
        self.server.exchange(redirect.code.clone(), verifier, self.redirect.clone()).await
    }

    fn turn_away(&self, browser: Option<oneshot::Sender<Shown>>, page: Page<'_>) {
        if let Some(browser) = browser {
            let html = page::render(page, self.back.as_ref());
            let _ = browser.send(Shown { status: StatusCode::BAD_REQUEST, html });
        }
    }

    /// Lets the last page reach the browser, then frees the port.
    pub async fn close(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(LAST_PAGE, self.pages).await;
    }
}

/// The query in what a person pasted: a whole address, or only its end.
fn query_of(pasted: &str) -> Option<String> {
    let pasted = pasted.trim();
    let (_, query) = pasted.split_once('?').unwrap_or(("", pasted));
    let query = query.split('#').next().unwrap_or_default();
    query.contains('=').then(|| query.to_owned())
}

/// Where what comes to the loopback address goes.
#[derive(Clone)]
struct Arrivals {
    arrivals: mpsc::Sender<Arrival>,
    back: Option<Url>,
}

async fn serve(listener: TcpListener, arrivals: Arrivals, stopped: oneshot::Receiver<()>) {
    let app = Router::new().route("/", get(arrive)).with_state(arrivals);
    let served = axum::serve(listener, app).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    if let Err(error) = served.await {
        tracing::warn!("the loopback address failed: {error}");
    }
}

async fn arrive(
    State(Arrivals { arrivals, back }): State<Arrivals>,
    RawQuery(query): RawQuery,
) -> Response {
    let (page, outcome) = oneshot::channel();
    let arrival = Arrival { query: query.unwrap_or_default(), page: Some(page) };
    let gone = || Shown { status: StatusCode::OK, html: page::render(Page::GoesOn, back.as_ref()) };
    let page = match arrivals.send(arrival).await {
        Ok(()) => tokio::time::timeout(PAGE_PATIENCE, outcome).await,
        Err(_) => Ok(Ok(gone())),
    };
    let page = page.ok().and_then(Result::ok).unwrap_or_else(gone);
    // The code stands in the address: it is neither kept nor told to anybody.
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONNECTION, "close"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (page.status, headers, Html(page.html)).into_response()
}

#[cfg(test)]
mod tests {
    use super::query_of;

    #[test]
    fn a_pasted_address_is_read_whole_or_in_part() {
        let is = |pasted, query: Option<&str>| assert_eq!(query_of(pasted).as_deref(), query);
        is(" http://127.0.0.1:1/?state=a&code=b#x \n", Some("state=a&code=b"));
        is("state=a&code=b", Some("state=a&code=b"));
        is("", None);
        is("hello", None);
    }
}
