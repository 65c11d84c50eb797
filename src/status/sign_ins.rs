//! Sign-ins that began on the page: the browser goes to the consent page and comes back, while the
//! proxy waits for it as `gatepost login` does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use url::Url;

use crate::accounts::{Address, NewPassword, NoRandomness, Store};
use crate::proxy::Server;
use crate::secret::{BearerToken, LocalPassword};
use crate::sign_in::{PATIENCE, Progress, Request, SignInError, sign_in};

/// Sign-ins that are under way, or whose end is kept for the page. A person does one at a time.
const AT_ONCE: usize = 8;
/// How long the address of the consent page may take: nobody else is asked for it.
const BEGINNING: Duration = Duration::from_secs(10);
/// How long the end of one is kept, and with it a new local password that nobody has looked at.
const KEPT: Duration = Duration::from_secs(600);

/// Those of one page.
#[derive(Clone, Default)]
pub(super) struct SignIns(Arc<Mutex<BTreeMap<String, Kept>>>);

struct Kept {
    address: Address,
    state: State,
    until: Instant,
}

/// How a sign-in is.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// The person is at the consent page, or the proof is under way.
    UnderWay,
    /// The account is stored, and taken up.
    SignedIn {
        /// The new local password; `None` where the old one goes on.
        password: Option<LocalPassword>,
        /// The grant ends after this, whatever is done: the Google client is in Testing.
        grant_life: Option<Duration>,
    },
    /// A sentence and a remedy.
    Failed(String, String),
}

/// A sign-in can't begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotBegun {
    /// As `gatepost login` would say it.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// No new password can be made.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// Too many at once.
    #[error("{AT_ONCE} sign-ins are under way already")]
    TooMany,
}

impl From<NoRandomness> for NotBegun {
    fn from(_: NoRandomness) -> Self {
        Self::NoRandomness
    }
}

impl NotBegun {
    /// One thing to do.
    pub(super) fn remedy(&self, address: &str) -> String {
        match self {
            Self::SignIn(error) => error.remedy(address),
            Self::NoRandomness => "Start the computer anew.".into(),
            Self::TooMany => "Finish one of them, or wait ten minutes.".into(),
        }
    }
}

impl SignIns {
    /// Begins one; gives the address of the consent page. `page` is where the browser comes back to in
    /// the end.
    pub(super) async fn begin(
        &self,
        server: &Arc<Server>,
        address: Address,
        page: &Url,
    ) -> Result<Url, NotBegun> {
        let password = NewPassword::generate()?;
        let id = BearerToken::random().map_err(|_| NotBegun::NoRandomness)?;
        self.keep(&id, &address)?;
        let mut back = page.clone();
        back.set_path(&format!("/signed-in/{}", id.expose()));
        let (urls, mut shown) = mpsc::unbounded_channel();
        let (failed, failure) = oneshot::channel();
        let (sign_ins, server, ending) = (self.clone(), server.clone(), id.clone());
        tokio::spawn(async move {
            let ended = go(&server, &address, password, back, urls).await;
            match ended {
                Ok(state) => sign_ins.end(&ending, state),
                Err(error) => {
                    let remedy = error.remedy(address.as_str());
                    sign_ins.end(&ending, State::Failed(error.to_string(), remedy));
                    // Nobody waits for it once the consent page was shown.
                    let _ = failed.send(error);
                }
            }
        });
        let begun = timeout(BEGINNING, shown.recv()).await;
        match begun.ok().flatten() {
            Some(url) => Ok(url),
            None => {
                self.lock().remove(id.expose());
                let error = failure.await.unwrap_or(SignInError::NoClient);
                Err(error.into())
            }
        }
    }

    /// How the sign-in of this id is, and whose it is.
    pub(super) fn look(&self, id: &str) -> Option<(Address, State)> {
        let mut kept = self.lock();
        let now = Instant::now();
        kept.retain(|_, kept| now < kept.until);
        kept.get(id).map(|kept| (kept.address.clone(), kept.state.clone()))
    }

    fn keep(&self, id: &BearerToken, address: &Address) -> Result<(), NotBegun> {
        let mut kept = self.lock();
        let now = Instant::now();
        kept.retain(|_, kept| now < kept.until);
        if kept.len() >= AT_ONCE {
            return Err(NotBegun::TooMany);
        }
        let until = now + PATIENCE + KEPT;
        let begun = Kept { address: address.clone(), state: State::UnderWay, until };
        kept.insert(id.expose().to_owned(), begun);
        Ok(())
    }

    fn end(&self, id: &BearerToken, state: State) {
        if let Some(kept) = self.lock().get_mut(id.expose()) {
            kept.state = state;
            kept.until = Instant::now() + KEPT;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From the consent page to an account that serves.
async fn go(
    server: &Server,
    address: &Address,
    password: NewPassword,
    back: Url,
    urls: mpsc::UnboundedSender<Url>,
) -> Result<State, SignInError> {
    let settings = server.settings();
    let store = Store::new(server.home().accounts());
    let request = Request {
        address,
        password,
        replace_password: false,
        key_file: server.key_file(),
        back: Some(&back),
    };
    let tell = |progress: Progress<'_>| match progress {
        Progress::Authorize(url) => drop(urls.send(url.clone())),
        Progress::TryingAgain(why) => tracing::info!(account = %address, "{why} Trying again"),
        Progress::CameBack | Progress::BadPaste(_) => {}
    };
    let (_no_lines, pasted) = mpsc::channel(1);
    let signed_in = sign_in(&settings, &store, request, pasted, &tell).await?;
    server.take_up_accounts()?;
    if let (Some(password), Ok(Some(account))) =
        (&signed_in.password, server.account(address.as_str()))
    {
        // Opened as a mail client would: now it serves, and the keychain may open it from now on. If
        // it can't be, the first mail client's sign-on does.
        let _ = account.unlock(password.clone()).await;
    }
    let (password, grant_life) = (signed_in.password, signed_in.grant_life);
    Ok(State::SignedIn { password, grant_life })
}
