//! The browser of a desktop that this process knows no display of. A service that the system starts at
//! log-in is often there before the desktop has said where it is; what the desktop itself starts knows.

use std::collections::HashMap;
use std::env;

use url::Url;
use zbus::zvariant::{OwnedObjectPath, Value};

use crate::private_memory::Shown;

/// <https://flatpak.github.io/xdg-desktop-portal/docs/doc-org.freedesktop.portal.OpenURI.html>
#[zbus::proxy(
    interface = "org.freedesktop.portal.OpenURI",
    default_service = "org.freedesktop.portal.Desktop",
    default_path = "/org/freedesktop/portal/desktop",
    gen_blocking = false
)]
trait OpenUri {
    #[zbus(name = "OpenURI")]
    fn open_uri(
        &self,
        parent_window: &str,
        uri: &str,
        options: HashMap<&str, Value<'_>>,
    ) -> zbus::Result<OwnedObjectPath>;
}

/// True if programs that this process starts find the person's screen.
pub(super) fn knows_display() -> bool {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("WAYLAND_DISPLAY") || is_set("DISPLAY")
}

/// Has the desktop open a page in the person's browser.
pub(super) async fn open(bus: &zbus::Connection, url: &Url) -> zbus::Result<()> {
    let portal = OpenUriProxy::new(bus).await?;
    // It looks at `/proc/PID/root`, for whether a sandbox asks, and refuses whom it can't look at.
    let _shown = Shown::begin();
    // No window is its parent. What the person does then, the page says.
    portal.open_uri("", url.as_str(), HashMap::new()).await.map(drop)
}
