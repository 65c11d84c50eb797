//! The requests to the authorization server: code for grant, refresh, revoke, userinfo.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use oauth2::basic::{
    BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, EndpointNotSet, EndpointSet, ExtraTokenFields,
    HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig};
use url::Url;

use super::google::{Cause, ErrorBody, Step};
use crate::config::{OauthClient, Provider, is_loopback};
use crate::secret::{AccessToken, RefreshToken};
use crate::sentence;

/// A mail client waits a minute for its LOGIN; two requests must fit in.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// A host that doesn't take a connection within this is tried at its next address, or given up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// Google's answers are under 4 KiB.
const MAX_ANSWER: usize = 64 * 1024;
/// Taken where an answer names no `expires_in` (RFC 6749 §5.1 allows that): Google's usual hour.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);
/// Whatever an answer says, a token is renewed within this: no mail provider's lives longer, and what is
/// far beyond it is no time that can be reckoned with.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// No token is longer than this (Google says 2,048 bytes of an access token and 512 of a refresh token;
/// others twice that).
const MAX_TOKEN: usize = 16 * 1024;

/// Google's addition to a token answer (RFC 6749 §5.1).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct GoogleFields {
    refresh_token_expires_in: Option<u64>,
}

impl ExtraTokenFields for GoogleFields {}

type TokenAnswer = StandardTokenResponse<GoogleFields, BasicTokenType>;

pub(super) type Client = oauth2::Client<
    ErrorBody,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// The provider's authorization server, as one OAuth client sees it.
pub struct AuthorizationServer {
    pub(super) client: Client,
    pub(super) provider: Arc<Provider>,
    http: Http,
}

/// The HTTP client: bounded answers, no redirects.
struct Http {
    /// By the proxy that the environment names, if it names one.
    proxied: reqwest::Client,
    /// For addresses on loopback, which no proxy can reach and which may do without TLS.
    direct: reqwest::Client,
    /// For a simulation, which has no sockets.
    #[cfg(test)]
    tls: Arc<ClientConfig>,
}

/// Why the HTTP client can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("connections to Google can't be set up ({0})")]
pub struct SetupError(pub(crate) reqwest::Error);

/// What a person's consent gave.
#[derive(Debug)]
pub struct NewGrant {
    /// The first access token, for proving the grant.
    pub access_token: AccessToken,
    /// The grant itself.
    pub refresh_token: RefreshToken,
    /// How long the grant lives, where the provider limits it: seven days for a Google client in
    /// Testing.
    pub grant_life: Option<Duration>,
}

/// What a refresh gave.
#[derive(Debug)]
pub(super) struct Refreshed {
    /// `Err` where the answer holds none that can be used.
    pub(super) access_token: Result<AccessToken, Cause>,
    pub(super) life: Duration,
    /// A new refresh token in place of the old one (RFC 6749 §6).
    pub(super) rotated: Option<RefreshToken>,
}

/// Who consented.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// The account's address.
    pub email: String,
}

/// What went wrong below the protocol.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("{0}")]
    Request(#[from] reqwest::Error),
    #[error("status {0}")]
    Status(u16),
    #[error("the answer is too long")]
    TooLong,
    #[cfg(test)]
    #[error("{0}")]
    Simulated(String),
    #[error("{0}")]
    Http(#[from] oauth2::http::Error),
    #[error("{0}")]
    Url(#[from] url::ParseError),
}

impl AuthorizationServer {
    /// Sets the requests up; nothing is sent yet.
    pub fn new(
        provider: Arc<Provider>,
        client: &OauthClient,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, SetupError> {
        let client_builder = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(ClientConfig::clone(&tls))
                // A redirect would carry the secret to another address.
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(REQUEST_TIMEOUT)
                // An idle connection is a descriptor and a wake-up; a refresh an hour needs none.
                .pool_max_idle_per_host(0)
                .user_agent(concat!("gatepost/", env!("CARGO_PKG_VERSION")))
        };
        let proxied = client_builder().build().map_err(SetupError)?;
        let direct = client_builder().no_proxy().build().map_err(SetupError)?;
        let mut oauth = oauth2::Client::new(ClientId::new(client.id.clone()))
            .set_auth_uri(AuthUrl::from_url(provider.authorize_url.clone()))
            .set_token_uri(TokenUrl::from_url(provider.token_url.clone()))
            .set_auth_type(AuthType::RequestBody);
        if let Some(secret) = &client.secret {
            oauth = oauth.set_client_secret(oauth2::ClientSecret::new(secret.expose().to_owned()));
        }
        let http = Http {
            proxied,
            direct,
            #[cfg(test)]
            tls,
        };
        Ok(Self { client: oauth, provider, http })
    }

    /// Turns the code that the browser brought back into a grant (RFC 6749 §4.1.3, RFC 7636 §4.5).
    pub(super) async fn exchange(
        &self,
        code: String,
        verifier: PkceCodeVerifier,
        redirect: RedirectUrl,
    ) -> Result<NewGrant, Cause> {
        let request = self
            .client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(verifier)
            .set_redirect_uri(std::borrow::Cow::Owned(redirect));
        let answer = request.request_async(&self.http).await;
        let answer = answer.map_err(|error| cause(Step::Exchange, error))?;
        if !self.grants_mail(&answer) {
            return Err(Cause::ScopeMissing);
        }
        let refresh_token = answer.refresh_token().ok_or(Cause::NoRefreshToken)?;
        Ok(NewGrant {
            access_token: access_token(&answer)?,
            refresh_token: usable(refresh_token).ok_or(Cause::Unreadable)?,
            grant_life: answer.extra_fields().refresh_token_expires_in.map(Duration::from_secs),
        })
    }

    /// Asks whether it takes the client for one of its own: a server looks at the client before it
    /// looks at the refresh token (RFC 6749 §6), and this one is nobody's.
    ///
    /// # Errors
    /// What it has against the client; or that it could not be asked.
    pub async fn knows_client(&self) -> Result<(), Cause> {
        match self.refresh(&RefreshToken::new("1//nobodys")).await {
            Err(Cause::GrantEnded { .. } | Cause::SessionPolicy) | Ok(_) => Ok(()),
            Err(cause) => Err(cause),
        }
    }

    /// Gets a new access token (RFC 6749 §6).
    pub(super) async fn refresh(&self, refresh_token: &RefreshToken) -> Result<Refreshed, Cause> {
        let token = oauth2::RefreshToken::new(refresh_token.expose().to_owned());
        let request = self.client.exchange_refresh_token(&token);
        let answer = request.request_async(&self.http).await;
        let answer = answer.map_err(|error| cause(Step::Refresh, error))?;
        let rotated =
            answer.refresh_token().and_then(usable).filter(|token| token != refresh_token);
        let token = match self.grants_mail(&answer) {
            true => access_token(&answer),
            // The person took the mail away from the grant; no mail server takes such a token.
            false => Err(Cause::ScopeMissing),
        };
        Ok(Refreshed {
            access_token: token,
            life: answer.expires_in().unwrap_or(DEFAULT_LIFE).min(LONGEST_LIFE),
            rotated,
        })
    }

    /// An answer without a scope grants what was asked for (RFC 6749 §5.1).
    fn grants_mail(&self, answer: &TokenAnswer) -> bool {
        let is_mail = |scope: &oauth2::Scope| scope.as_str() == self.provider.mail_scope;
        answer.scopes().is_none_or(|scopes| scopes.iter().any(is_mail))
    }

    /// What time the authorization server has (RFC 9110 §6.6.1), `None` if it doesn't say. Nothing is
    /// told to it; whatever it answers shows that it can be reached.
    pub async fn clock(&self) -> Result<Option<SystemTime>, Cause> {
        let url = &self.provider.token_url;
        let request = self.http.to(url).head(url.clone()).build();
        let answer = self.http.to(url).execute(request.map_err(|error| unreachable(&error))?).await;
        let answer = answer.map_err(|error| unreachable(&error))?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        Ok(date.and_then(|date| httpdate::parse_http_date(date).ok()))
    }

    /// The variable of the environment that names the proxy by which it is reached, if one does.
    pub fn proxy_variable(&self) -> Option<&'static str> {
        const NAMES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        if is_loopback(&self.provider.token_url) {
            return None;
        }
        NAMES.into_iter().find(|name| std::env::var_os(name).is_some_and(|url| !url.is_empty()))
    }

    /// Asks who consented (OpenID Connect Core §5.3).
    pub async fn identity(&self, token: &AccessToken) -> Result<Identity, Cause> {
        let request = self
            .http
            .to(&self.provider.userinfo_url)
            .get(self.provider.userinfo_url.clone())
            .bearer_auth(token.expose())
            .build()
            .map_err(|error| unreachable(&error))?;
        let answer = self.http.execute(request).await.map_err(http_cause)?;
        if !answer.status().is_success() {
            return Err(Cause::AccountUnknown);
        }
        serde_json::from_slice(answer.body()).map_err(|_| Cause::AccountUnknown)
    }

    /// Ends the grant, and with it every token of it, on every machine (RFC 7009).
    pub async fn revoke(&self, refresh_token: &RefreshToken) -> Result<(), Cause> {
        let request = self
            .http
            .to(&self.provider.revoke_url)
            .post(self.provider.revoke_url.clone())
            .form(&[("token", refresh_token.expose())])
            .build()
            .map_err(|error| unreachable(&error))?;
        let answer = self.http.execute(request).await.map_err(http_cause)?;
        // 400 says that there was no such token any more: what was wanted holds.
        if answer.status().is_success() || answer.status().as_u16() == 400 {
            Ok(())
        } else {
            Err(Cause::Other(format!("HTTP {}", answer.status().as_u16())))
        }
    }
}

impl Http {
    /// The client for an address.
    fn to(&self, url: &Url) -> &reqwest::Client {
        if is_loopback(url) { &self.direct } else { &self.proxied }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())?;
        let request = self.to(&url).request(parts.method, url).headers(parts.headers).body(body);
        self.execute(request.build()?).await
    }

    async fn execute(&self, request: reqwest::Request) -> Result<HttpResponse, HttpError> {
        let mut answer = self.answer(request).await?;
        let status = answer.status();
        if status.is_server_error() || status.is_redirection() || status.as_u16() == 429 {
            return Err(HttpError::Status(status.as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(HttpError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = oauth2::http::Response::builder().status(status);
        if let Some(kind) = answer.headers().get("content-type") {
            response = response.header("content-type", kind);
        }
        Ok(response.body(body)?)
    }

    #[cfg(not(test))]
    async fn answer(&self, request: reqwest::Request) -> Result<reqwest::Response, HttpError> {
        Ok(self.to(request.url()).execute(request).await?)
    }

    #[cfg(test)]
    async fn answer(&self, request: reqwest::Request) -> Result<reqwest::Response, HttpError> {
        let url = request.url();
        let (host, port) =
            (url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default());
        match crate::tls::simulated::connect(&host, port.unwrap_or_default()) {
            Some(connecting) => {
                let answer = super::simulated::answer(connecting, host, self.tls.clone(), request);
                let answer = tokio::time::timeout(REQUEST_TIMEOUT, answer).await;
                let answer = answer.unwrap_or_else(|_| Err("no answer in time".into()));
                answer.map_err(HttpError::Simulated)
            }
            None => Ok(self.to(request.url()).execute(request).await?),
        }
    }
}

impl<'c> oauth2::AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// The token in an answer, if it is one that can be sent in a SASL message (RFC 6750 §2.1), and of the
/// only type that mail servers take; of another it must not be used (RFC 6749 §7.1).
fn access_token(answer: &TokenAnswer) -> Result<AccessToken, Cause> {
    let token = answer.access_token().secret();
    let wrong = if *answer.token_type() != BasicTokenType::Bearer {
        "is of another type than Bearer"
    } else if let Some(wrong) = wrong_with(token, u8::is_ascii_graphic) {
        wrong
    } else {
        return Ok(AccessToken::new(token.clone()));
    };
    tracing::warn!("the access token that the sign-in server gave {wrong}; it is not used");
    Err(Cause::Unreadable)
}

/// A refresh token, if it is one (RFC 6749 appendix A.17): it takes the place of one that works.
fn usable(token: &oauth2::RefreshToken) -> Option<RefreshToken> {
    let token = token.secret();
    if let Some(wrong) = wrong_with(token, |byte| (b' '..=b'~').contains(byte)) {
        tracing::warn!("the refresh token that the sign-in server gave {wrong}; it is not used");
        return None;
    }
    Some(RefreshToken::new(token.clone()))
}

/// Why a token can't be one, without a letter of it.
fn wrong_with(token: &str, fits: impl Fn(&u8) -> bool) -> Option<&'static str> {
    match token {
        "" => Some("is empty"),
        token if token.len() > MAX_TOKEN => Some("is too long"),
        token => (!token.as_bytes().iter().all(fits)).then_some("has characters that no token has"),
    }
}

fn cause(step: Step, error: RequestTokenError<HttpError, ErrorBody>) -> Cause {
    match error {
        RequestTokenError::ServerResponse(body) => Cause::of(step, &body),
        RequestTokenError::Request(error) => http_cause(error),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => Cause::Unreadable,
    }
}

fn http_cause(error: HttpError) -> Cause {
    match error {
        HttpError::Request(error) if error.is_body() || error.is_decode() => Cause::Unreadable,
        HttpError::Request(error) => unreachable(&error),
        #[cfg(test)]
        HttpError::Simulated(words) => Cause::Unreachable(words),
        HttpError::Status(429) => Cause::Busy,
        HttpError::Status(status) if status < 500 => Cause::Unreadable,
        HttpError::Status(status) => Cause::ServerTrouble(status),
        HttpError::TooLong | HttpError::Http(_) | HttpError::Url(_) => Cause::Unreadable,
    }
}

/// The innermost reason, which says most: "Connection refused", "certificate has expired".
fn unreachable(error: &reqwest::Error) -> Cause {
    if error.is_timeout() {
        return Cause::Unreachable("no answer in time".into());
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = inside(innermost) {
        innermost = source;
    }
    // What a certificate is made out to is among them.
    let why = sentence::shown(&innermost.to_string());
    // All else that TLS objects to is the network's: words in plain text, an alert, an old version.
    match innermost.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(flaw)) => {
            Cause::NotProven { why, is_date: is_of_date(flaw) }
        }
        _ => Cause::Unreachable(why),
    }
}

/// A certificate whose time is over or has yet to come, by this machine's clock.
fn is_of_date(flaw: &CertificateError) -> bool {
    matches!(
        flaw,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}

/// What an error was made of. One of the system's passes over what it was given, and names the source of
/// that instead.
fn inside<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e (dyn std::error::Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(given) => Some(given),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_token_is_as_long_as_one_may_be_and_no_longer() {
        let wrong = |length| wrong_with(&"x".repeat(length), |_| true);
        assert_eq!(wrong(16 * 1024), None);
        assert_eq!(wrong(16 * 1024 + 1), Some("is too long"));
    }

    /// Only these are a wrong clock's, too.
    #[test]
    fn a_certificate_may_be_wrong_by_its_date_alone() {
        for (flaw, is_date) in [
            (CertificateError::Expired, true),
            (CertificateError::NotValidYet, true),
            (CertificateError::UnknownIssuer, false),
            (CertificateError::NotValidForName, false),
            (CertificateError::Revoked, false),
        ] {
            assert_eq!(is_of_date(&flaw), is_date, "{flaw:?}");
        }
    }

    #[test]
    fn the_innermost_reason_is_what_another_was_made_of() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let wrapped = io::Error::other(io::Error::other(refused));
        let middle = inside(&wrapped).unwrap();
        assert_eq!(inside(middle).unwrap().to_string(), "connection refused");
        assert!(inside(&io::Error::from(io::ErrorKind::TimedOut)).is_none());
    }
}
