//! Sign-ins that began on the page: the browser goes to the consent page and comes back, while the
//! proxy waits for it as `gatepost login` does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use url::Url;

use crate::accounts::{Address, NewPassword, NoRandomness, Store};
use crate::proxy::Server;
use crate::secret::{BearerToken, LocalPassword};
use crate::sign_in::{PATIENCE, Progress, Request, SignInError, sign_in};

/// Sign-ins that are under way at a time; each has a port. A person does one after another, but leaves some.
const AT_ONCE: usize = 8;
/// Those whose end is kept for the page besides; the oldest goes.
const ENDED: usize = 32;
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
    task: Option<AbortHandle>,
}

impl Kept {
    fn is_under_way(&self) -> bool {
        matches!(self.state, State::UnderWay)
    }
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
pub(crate) enum NotBegun {
    /// As `gatepost login` would say it.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// No new password can be made.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// Its beginning takes too long: this machine is very busy.
    #[error("the sign-in did not begin within {} seconds", BEGINNING.as_secs())]
    TooSlow,
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
    pub(crate) fn remedy(&self, address: &str) -> String {
        match self {
            Self::SignIn(error) => error.remedy(address),
            Self::NoRandomness => "Start the computer anew.".into(),
            Self::TooSlow => "Try again in a minute.".into(),
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
        let task = tokio::spawn(async move {
            match go(&server, &address, password, back, urls).await {
                Ok(state) => sign_ins.end(&ending, state),
                Err(error) => {
                    let remedy = error.remedy(address.as_str());
                    sign_ins.end(&ending, State::Failed(error.to_string(), remedy));
                    // Nobody waits for it once the consent page was shown.
                    let _ = failed.send(error);
                }
            }
        });
        if let Some(kept) = self.lock().get_mut(id.expose()) {
            kept.task = Some(task.abort_handle());
        }
        let begun = timeout(BEGINNING, async {
            tokio::select! {
                biased;
                Some(url) = shown.recv() => Ok(url),
                error = failure => Err(error.map_or(NotBegun::TooSlow, NotBegun::from)),
            }
        });
        let begun = begun.await.unwrap_or(Err(NotBegun::TooSlow));
        if begun.is_err() {
            task.abort();
            self.lock().remove(id.expose());
        }
        begun
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
        kept.retain(|_, kept| {
            // Who begins anew has left the one before.
            let is_left = kept.is_under_way() && kept.address == *address;
            if let (true, Some(task)) = (is_left, &kept.task) {
                task.abort();
            }
            !is_left && now < kept.until
        });
        if kept.values().filter(|kept| kept.is_under_way()).count() >= AT_ONCE {
            return Err(NotBegun::TooMany);
        }
        while kept.len() >= AT_ONCE + ENDED {
            let ended = kept.iter().filter(|(_, kept)| !kept.is_under_way());
            let Some(oldest) = ended.min_by_key(|(_, kept)| kept.until) else { break };
            let oldest = oldest.0.clone();
            kept.remove(&oldest);
        }
        let until = now + PATIENCE + KEPT;
        let begun = Kept { address: address.clone(), state: State::UnderWay, until, task: None };
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
    // It is stored, whatever comes of this: it is taken up at its first sign-on all the same.
    if let Err(error) = server.take_up_accounts() {
        tracing::warn!(account = %address, "{}", error.in_full());
    }
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
