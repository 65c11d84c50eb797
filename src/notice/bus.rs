//! The desktop's notification server, over D-Bus
//! (<https://specifications.freedesktop.org/notification-spec/latest/>).

use std::collections::{BTreeMap, HashMap};

use futures_util::StreamExt;
use url::Url;
use zbus::proxy::OwnerChangedStream;
use zbus::zvariant::Value;

use super::{Notice, SIGN_IN_AGAIN, Unshown, portal};

/// What the server calls the whole notice when it is pressed.
const DEFAULT: &str = "default";
/// What it calls the button.
const SIGN_IN: &str = "sign-in";
/// It stays until the person or Gatepost takes it away.
const NEVER_EXPIRES: i32 = 0;
/// Of the hint `urgency`: normal.
const NORMAL: u8 = 1;

#[zbus::proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications",
    gen_blocking = false
)]
trait Notifications {
    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;

    #[allow(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;

    fn close_notification(&self, id: u32) -> zbus::Result<()>;

    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action_key: String) -> zbus::Result<()>;

    #[zbus(signal)]
    fn notification_closed(&self, id: u32, reason: u32) -> zbus::Result<()>;
}

/// The person's desktop; connected to once there is something to show.
#[derive(Default)]
pub(super) struct Desktop {
    server: Option<Server>,
    /// The accounts of the notices that are there, by the server's number.
    there: BTreeMap<u32, String>,
}

/// A server that answered.
struct Server {
    notifications: NotificationsProxy<'static>,
    pressed: ActionInvokedStream,
    closed: NotificationClosedStream,
    /// Another took its place, or nobody did.
    replaced: OwnerChangedStream<'static>,
    /// It has buttons.
    has_actions: bool,
    /// It reads the body as markup.
    has_markup: bool,
}

impl From<zbus::Error> for Unshown {
    fn from(error: zbus::Error) -> Self {
        Self(error.to_string())
    }
}

impl Desktop {
    /// Shows a notice, in the place of the account's earlier one.
    pub(super) async fn show(&mut self, account: &str, notice: &Notice) -> Result<(), Unshown> {
        let shown = self.try_to_show(account, notice).await;
        if shown.is_err() {
            // The next try begins anew: another desktop may be there by then.
            self.server = None;
            self.there.clear();
        }
        shown
    }

    /// Takes an account's notice away.
    pub(super) async fn withdraw(&mut self, account: &str) {
        let Some(server) = &self.server else { return };
        for (id, _) in self.there.iter().filter(|(_, whose)| *whose == account) {
            // The person may have done so at this moment.
            let _ = server.notifications.close_notification(*id).await;
        }
        self.there.retain(|_, whose| whose != account);
    }

    /// Has the desktop open a page in the browser, where this process knows no display. False if it must
    /// be tried from here.
    pub(super) async fn open(&mut self, url: &Url) -> bool {
        let Some(server) = self.server.as_ref().filter(|_| !portal::knows_display()) else {
            return false;
        };
        let opened = portal::open(server.notifications.inner().connection(), url).await;
        opened.inspect_err(|error| tracing::debug!("the desktop opens nothing ({error})")).is_ok()
    }

    /// Waits until a notice is pressed; gives its account.
    pub(super) async fn pressed(&mut self) -> String {
        loop {
            let Some(server) = &mut self.server else { return std::future::pending().await };
            let (pressed, closed) = (&mut server.pressed, &mut server.closed);
            let replaced = &mut server.replaced;
            tokio::select! {
                // A press comes before the end that it brings.
                biased;
                signal = pressed.next() => match signal {
                    Some(signal) => {
                        let Ok(args) = signal.args() else { continue };
                        let is_ours = [DEFAULT, SIGN_IN].contains(&args.action_key.as_str());
                        if let (true, Some(account)) = (is_ours, self.there.remove(&args.id)) {
                            return account;
                        }
                    }
                    None => self.server = None,
                },
                signal = closed.next() => match signal {
                    Some(signal) => {
                        let Ok(args) = signal.args() else { continue };
                        self.there.remove(&args.id);
                    }
                    None => self.server = None,
                },
                // Its notices are gone, and their numbers are others' by now.
                _ = replaced.next() => {
                    self.server = None;
                    self.there.clear();
                }
            }
        }
    }

    async fn try_to_show(&mut self, account: &str, notice: &Notice) -> Result<(), Unshown> {
        let server = match &mut self.server {
            Some(server) => server,
            none => none.insert(Server::connect().await?),
        };
        let earlier = self.there.iter().find(|(_, whose)| *whose == account).map(|(id, _)| *id);
        let body = notice.body(server.has_actions);
        let body = if server.has_markup { plain_as_markup(&body) } else { body };
        let actions = [DEFAULT, SIGN_IN_AGAIN, SIGN_IN, SIGN_IN_AGAIN];
        let actions = if server.has_actions && notice.leads { &actions[..] } else { &[] };
        let hints = HashMap::from([("urgency", Value::U8(NORMAL))]);
        let id = server.notifications.notify(
            "Gatepost",
            earlier.unwrap_or_default(),
            "dialog-warning",
            &notice.title,
            &body,
            actions,
            hints,
            NEVER_EXPIRES,
        );
        let id = id.await?;
        self.there.retain(|_, whose| whose != account);
        self.there.insert(id, account.to_owned());
        Ok(())
    }
}

impl Server {
    async fn connect() -> Result<Self, Unshown> {
        let bus = zbus::Connection::session().await?;
        let notifications = NotificationsProxy::new(&bus).await?;
        // Listened to before anything can be pressed.
        let pressed = notifications.receive_action_invoked().await?;
        let closed = notifications.receive_notification_closed().await?;
        let replaced = notifications.inner().receive_owner_changed().await?;
        let capabilities = notifications.get_capabilities().await?;
        let has = |name: &str| capabilities.iter().any(|capability| capability == name);
        let (has_actions, has_markup) = (has("actions"), has("body-markup"));
        Ok(Self { notifications, pressed, closed, replaced, has_actions, has_markup })
    }
}

/// Plain text, for a server that reads markup.
fn plain_as_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_reads_markup_shows_what_others_show() {
        assert_eq!(plain_as_markup("<b>A & B</b>"), "&lt;b&gt;A &amp; B&lt;/b&gt;");
    }
}
