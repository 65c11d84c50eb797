//! Signing in, once: from the person's consent to a stored account.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::{BoxFuture, FutureExt, TryFutureExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use crate::accounts::{
    Address, Grant, GrantFacts, KeyFile, NewPassword, Record, RecordError, Store, StoreError,
};
use crate::secret::LocalPassword;
use crate::settings::Settings;
use crate::token::{Authorization, AuthorizationServer, AuthorizeError, Cause, Identity, NewGrant};
use crate::upstream::{Refusal, UpstreamError};

/// How long a person has, and with them whatever is tried again meanwhile.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// The pause before something that failed for now is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(3);
/// A code is used up by the answer to it; only a request that got none, or one that the server was
/// in no state to act on, is repeated.
const EXCHANGE_TRIES: u32 = 3;

/// What is to be signed in.
pub struct Request<'r> {
    /// The account.
    pub address: &'r Address,
    /// The local password, if the account is new or [`replace_password`](Self::replace_password).
    pub password: NewPassword,
    /// Make the account anew, with another local password.
    pub replace_password: bool,
    /// Opens the account as well, without a person.
    pub key_file: Option<&'r KeyFile>,
    /// Where the browser goes on to after the last page; without it the person goes back to the terminal.
    pub back: Option<&'r url::Url>,
}

/// What happens on the way, for the person.
pub enum Progress<'p> {
    /// Open this address and consent.
    Authorize(&'p url::Url),
    /// The browser came back, or an address was pasted: what follows needs nobody.
    CameBack,
    /// Something can't be reached just now; it is tried again, and nothing is lost.
    TryingAgain(&'p str),
    /// What was pasted is of no use; this is why.
    BadPaste(&'p str),
}

/// An account that is stored.
#[derive(Debug)]
pub struct SignedIn {
    /// The new local password; `None` where the old one goes on.
    pub password: Option<LocalPassword>,
    /// The grant ends after this, whatever is done: the Google client is in Testing.
    pub grant_life: Option<Duration>,
}

/// Why nothing was stored. Whatever was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// There is no OAuth client.
    #[error("Gatepost has no Google client yet.")]
    NoClient,
    /// The person, or the authorization server.
    #[error("{}", .0.sentence())]
    Cause(Cause),
    /// The sign-in can't begin.
    #[error("The sign-in can't begin: {0}.")]
    Begin(#[from] AuthorizeError),
    /// The proof failed: mail can't be read with this grant.
    #[error("The grant does not open the mailbox: {0}.")]
    Proof(UpstreamError),
    /// The account can't be stored.
    #[error("The account can't be stored: {0}.")]
    Store(#[from] StoreError),
    /// The account's record can't be made.
    #[error("The account can't be stored: {0}.")]
    Record(#[from] RecordError),
}

impl SignInError {
    /// One thing to do. Nobody begins a sign-in again but its person.
    pub fn remedy(&self, address: &str) -> String {
        let again = format!("run `gatepost login {address}` again");
        match self {
            Self::Cause(Cause::Unreachable(_))
            | Self::Proof(UpstreamError::Unreachable { .. } | UpstreamError::Closed { .. }) => {
                format!("Check the network, and {again}.")
            }
            Self::Cause(Cause::Unreadable) => format!(
                "Open a web page in the browser, since the sign-in page of a hotel or a company may stand in between; then {again}."
            ),
            Self::Cause(Cause::NotProven { is_date: false, .. }) => format!(
                "Name the certificate of your antivirus or your company's proxy in `ca_file` in the configuration, or use another network if you have neither; then {again}."
            ),
            Self::Cause(Cause::NotProven { is_date: true, .. }) => {
                format!("Set the clock, or use another network if it is right; then {again}.")
            }
            Self::Cause(Cause::ServerTrouble(_) | Cause::Busy)
            | Self::Proof(UpstreamError::Refused { refusal: Refusal::Temporary(_), .. }) => {
                format!("Wait for some minutes, and {again}.")
            }
            Self::NoClient => {
                format!(
                    "Run `gatepost setup {address}`, which leads you to one (half an hour, once)."
                )
            }
            Self::Cause(cause) => cause.remedy(address),
            Self::Begin(AuthorizeError::Listen(_)) => {
                "End a program that holds many ports, and try again.".into()
            }
            Self::Begin(AuthorizeError::Address(_)) => {
                "Please report this with these words.".into()
            }
            Self::Proof(error) => error.remedy().into(),
            Self::Store(error) => error.remedy().into(),
            Self::Record(error) => error.remedy().into(),
        }
    }

    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoClient => "no_client",
            Self::Cause(cause) => cause.code(),
            Self::Begin(_) => "no_port",
            Self::Proof(UpstreamError::TokenRefused { .. }) => "token_refused",
            Self::Proof(_) => "imap_refused",
            Self::Store(_) | Self::Record(_) => "not_stored",
        }
    }
}

/// Signs in: waits for the person's consent, checks that it is the right account's and holds the
/// mail, proves it at the IMAP server, and stores it.
///
/// `pasted` brings addresses that the person pasted, if they can; `tell` is called as things go.
pub async fn sign_in(
    settings: &Settings,
    store: &Store,
    request: Request<'_>,
    mut pasted: mpsc::Receiver<String>,
    tell: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<SignedIn, SignInError> {
    let server = settings.server.clone().ok_or(SignInError::NoClient)?;
    let deadline = Instant::now() + PATIENCE;
    let address = request.address.as_str();
    let mut authorization = Authorization::begin(server.clone(), address, request.back).await?;
    tell(Progress::Authorize(authorization.url()));
    let bad_paste = |why: &str| tell(Progress::BadPaste(why));
    let redirect =
        timeout_at(deadline, authorization.redirected(&mut pasted, address, &bad_paste)).await;
    let outcome = match redirect.unwrap_or(Err(Cause::NobodySignedIn)) {
        Err(cause) => Err(SignInError::Cause(cause)),
        Ok(redirect) => {
            tell(Progress::CameBack);
            let outcome = async {
                let grant = exchange(&mut authorization, &redirect, tell).await?;
                let until = Until { deadline, tell };
                let name = prove(settings, &server, request.address, &grant, &until).await?;
                keep(store, settings, request, name, grant).await
            };
            let outcome = outcome.await;
            match &outcome {
                Ok(_) => redirect.finish(Ok(address)),
                Err(error) => redirect.finish(Err((&error.to_string(), &error.remedy(address)))),
            }
            outcome
        }
    };
    authorization.close().await;
    outcome
}

async fn exchange(
    authorization: &mut Authorization,
    redirect: &crate::token::Redirect,
    tell: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<NewGrant, SignInError> {
    let mut tries = 1;
    loop {
        match authorization.exchange(redirect).await {
            Ok(grant) => return Ok(grant),
            Err(cause) if is_unanswered(&cause) && tries < EXCHANGE_TRIES => {
                tell(Progress::TryingAgain(&cause.sentence()));
                tries += 1;
                sleep(TRY_AGAIN).await;
            }
            Err(cause) => return Err(SignInError::Cause(cause)),
        }
    }
}

fn is_unanswered(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::Unreachable(_) | Cause::NotProven { .. } | Cause::ServerTrouble(_) | Cause::Busy
    )
}

/// How long something that fails for now is tried again, and who is told.
struct Until<'t> {
    deadline: Instant,
    tell: &'t (dyn Fn(Progress<'_>) + Sync),
}

/// Whether a failure is one for now, and the failure.
type Attempt<'a, T> = BoxFuture<'a, Result<T, (bool, SignInError)>>;

impl Until<'_> {
    /// Repeats `attempt` for as long as it fails for now; at the end its last failure is the answer.
    async fn settled<'a, T>(&self, attempt: impl Fn() -> Attempt<'a, T>) -> Result<T, SignInError> {
        loop {
            match attempt().await {
                Err((true, error)) if Instant::now() + TRY_AGAIN < self.deadline => {
                    (self.tell)(Progress::TryingAgain(&error.to_string()));
                    sleep(TRY_AGAIN).await;
                }
                settled => return settled.map_err(|(_, error)| error),
            }
        }
    }
}

/// Proves that the grant is the right account's and opens its mailbox; gives the account's name as
/// the provider has it. What fails for now is tried again: the consent isn't thrown away.
async fn prove(
    settings: &Settings,
    server: &AuthorizationServer,
    address: &Address,
    grant: &NewGrant,
    until: &Until<'_>,
) -> Result<String, SignInError> {
    let identity = until.settled(|| {
        let identity = server.identity(&grant.access_token);
        identity.map_err(|cause| (cause.is_transient(), SignInError::Cause(cause))).boxed()
    });
    let Identity { email } = identity.await?;
    let consented =
        Address::parse(&email).map_err(|_| SignInError::Cause(Cause::AccountUnknown))?;
    if consented != *address {
        return Err(SignInError::Cause(Cause::OtherAccount { signed_in: consented.to_string() }));
    }
    let name = consented.to_string();
    let opens = until.settled(|| {
        let opened = settings.upstream.imap(&name, &grant.access_token).map_ok(drop);
        opened.map_err(|error| (error.is_transient(), SignInError::Proof(error))).boxed()
    });
    opens.await?;
    Ok(name)
}

async fn keep(
    store: &Store,
    settings: &Settings,
    request: Request<'_>,
    sign_in_name: String,
    grant: NewGrant,
) -> Result<SignedIn, SignInError> {
    let granted = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let grant_expires = grant.grant_life.map(|life| granted.saturating_add(life.as_secs()));
    let facts = GrantFacts { sign_in_name, granted, grant_expires };
    let sealed = Grant { refresh_token: grant.refresh_token };
    let provider = settings.provider.name.clone();
    let mut password = None;
    store.update(request.address, |record| {
        let record = match record {
            // The local password and every other slot outlive the grant.
            Some(mut record) if !request.replace_password => {
                record.renew(&provider, facts, &sealed)?;
                record
            }
            _ => {
                password = Some(request.password.password().clone());
                let (address, new) = (request.address, &request.password);
                Record::create(address, &provider, facts, &sealed, new, request.key_file)?
            }
        };
        Ok::<_, SignInError>(Some(record))
    })?;
    Ok(SignedIn { password, grant_life: grant.grant_life })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_passes_is_said_to_be_tried_again_by_itself() {
        let not_proven = |is_date| Cause::NotProven { why: "no".into(), is_date };
        let passing = [
            Cause::ServerTrouble(500),
            Cause::Busy,
            Cause::Unreadable,
            Cause::Unreachable("no".into()),
            not_proven(false),
            not_proven(true),
        ];
        for cause in passing {
            assert!(cause.is_transient(), "{cause:?}");
            let remedy = SignInError::Cause(cause).remedy("you@gmail.com");
            assert!(remedy.ends_with("run `gatepost login you@gmail.com` again."), "{remedy}");
        }
    }
}
