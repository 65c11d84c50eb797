//! Notices on the person's desktop: when a grant ends, and about nothing else.
//!
//! There is one for each ended grant, for as long as the proxy runs. It goes away when the account is
//! signed in again. Where there is no desktop nothing happens, and nothing is said but at `debug`.
//!
//! | file | its job |
//! |---|---|
//! | `wanted` | which notices there should be, from the events; pure |
//! | `bus`, `windows`, `macos` | what shows them: the server of the desktop, over D-Bus; each system's own |
//! | `portal` | the browser, where this process can't start it |

#[cfg(all(unix, not(target_os = "macos")))]
mod bus;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(all(unix, not(target_os = "macos")))]
mod portal;
mod wanted;
#[cfg(windows)]
mod windows;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::proxy::{Event, Server};
#[cfg(all(unix, not(target_os = "macos")))]
use bus::Desktop;
#[cfg(target_os = "macos")]
use macos::Desktop;
use wanted::Wanted;
#[cfg(windows)]
use windows::Desktop;

/// When a notice that could not be shown is tried again: the program may start before the desktop that the
/// person logs in to.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// How long a desktop may take for one thing; nothing waits for it but the next notice.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the desktop has to take the notices away when the proxy stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// What is pressed.
#[cfg_attr(target_os = "macos", allow(dead_code, reason = "nothing is pressed there"))]
pub(crate) const SIGN_IN_AGAIN: &str = "Sign in again";

/// Makes a link that opens the status page once, when a notice is pressed; `None` where there is no page
/// any more.
pub type Page = Box<dyn Fn() -> Option<Url> + Send + Sync>;

/// The notices of a running proxy. Dropping it makes no more.
pub struct Notices {
    task: JoinHandle<()>,
    end: Option<oneshot::Sender<()>>,
}

/// One notice, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What happened, to whom.
    pub(crate) title: String,
    /// Why, in one sentence.
    body: String,
    /// What to do, where the notice itself can't do it.
    remedy: String,
    /// It leads to the status page.
    leads: bool,
}

/// Why a notice can't be shown; nobody needs to do anything about it.
#[derive(Debug, thiserror::Error)]
#[error("no notice can be shown ({0})")]
struct Unshown(String);

impl Notices {
    /// Listens to what happens to `server`, and shows notices while its settings have them on.
    pub fn begin(server: Arc<Server>, page: Page) -> Self {
        let (end, ended) = oneshot::channel();
        let events = server.subscribe();
        let (wanted, desktop) = (Wanted::default(), Desktop::default());
        let keeper = Keeper { server, wanted, desktop, page };
        Self { task: tokio::spawn(keeper.keep(events, ended)), end: Some(end) }
    }

    /// Takes away what is still shown: it would lead nowhere.
    pub async fn end(mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        let _ = timeout(FAREWELL, &mut self.task).await;
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sees to it that what should be shown is.
struct Keeper {
    server: Arc<Server>,
    wanted: Wanted,
    desktop: Desktop,
    page: Page,
}

impl Keeper {
    async fn keep(mut self, mut events: Receiver<Event>, mut ended: oneshot::Receiver<()>) {
        let mut settings = self.server.changes();
        // What happened before anybody listened.
        self.catch_up();
        loop {
            let is_on = settings.borrow_and_update().config.desktop_notices;
            let all_done = self.bring_up_to_date(is_on).await;
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.wanted.hear(&event),
                    Err(RecvError::Lagged(_)) => self.catch_up(),
                    Err(RecvError::Closed) => return,
                },
                changed = settings.changed() => if changed.is_err() { return },
                account = self.desktop.pressed() => self.open_page(&account).await,
                () = sleep(TRY_AGAIN), if !all_done => {}
                _ = &mut ended => break,
            }
        }
        self.bring_up_to_date(false).await;
    }

    fn catch_up(&mut self) {
        for event in self.server.events() {
            self.wanted.hear(&event);
        }
    }

    /// False if something could not be shown.
    async fn bring_up_to_date(&mut self, is_on: bool) -> bool {
        for account in self.wanted.to_withdraw(is_on) {
            let withdrawn = timeout(PATIENCE, self.desktop.withdraw(&account)).await;
            if withdrawn.is_err() {
                tracing::debug!(account, "the desktop does not answer");
            }
            self.wanted.withdrawn(&account);
        }
        let mut all_done = true;
        let mut leads = None;
        for event in self.wanted.to_show(is_on) {
            let Some(account) = event.account.as_deref() else { continue };
            let leads = *leads.get_or_insert_with(|| self.has_page());
            let notice = Notice::of(&event, account, leads);
            let shown = timeout(PATIENCE, self.desktop.show(account, &notice)).await;
            match shown.unwrap_or_else(|_| Err(Unshown("the desktop does not answer".into()))) {
                Ok(()) => {
                    tracing::debug!(account, "a notice on the desktop says so");
                    self.wanted.shown(account, event.id);
                }
                Err(error) => {
                    tracing::debug!(account, "{error}");
                    all_done = false;
                }
            }
        }
        all_done
    }

    /// True if the status page is served.
    fn has_page(&self) -> bool {
        self.server.address_of("status").is_some()
    }

    async fn open_page(&mut self, account: &str) {
        let Some(url) = (self.page)() else {
            tracing::warn!(account, "there is no status page any more that the notice leads to");
            return;
        };
        tracing::info!(account, "the notice was pressed; the browser opens the status page");
        if timeout(PATIENCE, self.desktop.open(&url)).await == Ok(true) {
            return;
        }
        let started = |started: std::io::Result<()>| {
            if let Err(error) = started {
                tracing::warn!("no browser opens ({error}): run `gatepost status --open`");
            }
        };
        // A system may take its time until a browser has started.
        let thread = std::thread::Builder::new().name("browser".to_owned());
        let begun = thread.spawn(move || started(open::that_detached(url.as_str())));
        started(begun.map(drop));
    }
}

impl Notice {
    /// That a grant has ended. `leads`: pressed, it opens the status page.
    pub(crate) fn of(event: &Event, account: &str, leads: bool) -> Self {
        Self {
            title: format!("Gatepost: sign in again as {account}"),
            body: event.sentence.clone(),
            remedy: event.remedy.clone().unwrap_or_default(),
            leads,
        }
    }

    /// The body, with what to do where nothing can be pressed.
    pub(crate) fn body(&self, can_be_pressed: bool) -> String {
        if can_be_pressed && self.leads || self.remedy.is_empty() {
            return self.body.clone();
        }
        format!("{} {}", self.body, self.remedy)
    }
}
