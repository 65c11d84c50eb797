//! Notifications of macOS. Only the main thread of a program with windows hears of it when one is
//! pressed, so that they say in words what to do.

use notify_rust::Notification;
use tokio::sync::oneshot;
use url::Url;

use super::{Notice, Unshown};

/// Whose notifications they are: macOS takes them from applications alone. Pressed, they open the
/// Terminal, where the command in their words is typed.
const APPLICATION: &str = "com.apple.Terminal";

/// The person's desktop.
#[derive(Default)]
pub(super) struct Desktop {
    /// The library knows the application; it would otherwise have macOS ask the person for one.
    is_named: bool,
}

impl Desktop {
    /// Shows a notice, on a thread of its own: the library waits until it is delivered.
    pub(super) async fn show(&mut self, _account: &str, notice: &Notice) -> Result<(), Unshown> {
        let (told, outcome) = oneshot::channel();
        let (notice, is_named) = (notice.clone(), std::mem::replace(&mut self.is_named, true));
        let thread = std::thread::Builder::new().name("notice".to_owned());
        thread
            .spawn(move || {
                if !is_named {
                    // Whatever it answers, it is not asked for again.
                    let _ = notify_rust::set_application(APPLICATION);
                }
                let mut banner = Notification::new();
                banner.summary(&notice.title).body(&notice.body(false));
                // Sent when what this gives is dropped.
                let _ = told.send(banner.show().map(drop));
            })
            .map_err(|error| Unshown(error.to_string()))?;
        match outcome.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Unshown(error.to_string())),
            Err(_) => Err(Unshown("its thread broke off".to_owned())),
        }
    }

    /// What was delivered can't be taken away by this library.
    pub(super) async fn withdraw(&mut self, _account: &str) {}

    /// The browser is started as by any program.
    pub(super) async fn open(&mut self, _url: &Url) -> bool {
        false
    }

    /// Nothing is heard of a press.
    pub(super) async fn pressed(&mut self) -> String {
        std::future::pending().await
    }
}
