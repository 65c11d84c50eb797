//! Toasts of Windows.

use notify_rust::{Notification, NotificationResponse, Urgency};
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::{Notice, SIGN_IN_AGAIN, Unshown};

/// The person's desktop.
pub(super) struct Desktop {
    presses: mpsc::UnboundedReceiver<String>,
    /// A toast is pressed once at most.
    press: mpsc::UnboundedSender<String>,
}

impl Default for Desktop {
    fn default() -> Self {
        let (press, presses) = mpsc::unbounded_channel();
        Self { presses, press }
    }
}

impl Desktop {
    /// Shows a toast, on a thread that waits for the person as long as the toast is there.
    pub(super) async fn show(&mut self, account: &str, notice: &Notice) -> Result<(), Unshown> {
        let (told, outcome) = oneshot::channel();
        let (press, account, notice) = (self.press.clone(), account.to_owned(), notice.clone());
        let thread = std::thread::Builder::new().name("notice".to_owned());
        thread
            .spawn(move || match toast(&notice).show() {
                Ok(toast) => {
                    // Nobody waits for it once the proxy has ended, as for the press.
                    let _ = told.send(Ok(()));
                    let _ = toast.wait_for_response(|response: &NotificationResponse| {
                        if !matches!(response, NotificationResponse::Closed(_)) {
                            let _ = press.send(account);
                        }
                    });
                }
                Err(error) => drop(told.send(Err(Unshown(error.to_string())))),
            })
            .map_err(|error| Unshown(error.to_string()))?;
        outcome.await.unwrap_or_else(|_| Err(Unshown("its thread broke off".to_owned())))
    }

    /// A toast can't be taken away by this library; pressed late, it opens a page that says all is well.
    pub(super) async fn withdraw(&mut self, _account: &str) {}

    /// The browser is started as by any program.
    pub(super) async fn open(&mut self, _url: &Url) -> bool {
        false
    }

    /// Waits until a toast is pressed; gives its account.
    pub(super) async fn pressed(&mut self) -> String {
        match self.presses.recv().await {
            Some(account) => account,
            None => std::future::pending().await,
        }
    }
}

/// It comes under the name of PowerShell, as whatever no installer has registered; its title says whose
/// it is.
fn toast(notice: &Notice) -> Notification {
    let mut toast = Notification::new();
    toast.summary(&notice.title).body(&notice.body(true));
    if notice.leads {
        // Such a toast stays until the person has seen it.
        toast.action("sign-in", SIGN_IN_AGAIN).urgency(Urgency::Critical);
    }
    toast
}
