//! A person's desktop: a screen (Xvfb), a notification server (dunst) and a browser that only notes
//! what it is asked to open.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use zbus::zvariant::{OwnedObjectPath, Value};

use super::{Guarded, PATIENCE, SessionBus, render, text};
use crate::support::process;

/// A point of the notice that is shown, by `desktop/dunstrc`.
const ON_THE_NOTICE: [&str; 2] = ["60", "30"];

/// A session of that person. Fields are dropped in this order.
pub(crate) struct Desktop {
    notifications: Option<Guarded>,
    _screen: Guarded,
    display: String,
    browser: PathBuf,
    bus: SessionBus,
}

/// What opens pages for programs that know no display (xdg-desktop-portal), as long as this lives.
pub(crate) struct Portal {
    opened: Arc<Mutex<Vec<String>>>,
    _bus: zbus::blocking::Connection,
}

impl Portal {
    /// What it was asked to open so far.
    pub(crate) fn opened(&self) -> Vec<String> {
        self.opened.lock().expect("no panic").clone()
    }
}

struct OpenUri(Arc<Mutex<Vec<String>>>);

#[zbus::interface(name = "org.freedesktop.portal.OpenURI")]
impl OpenUri {
    #[zbus(name = "OpenURI")]
    fn open_uri(
        &self,
        _parent_window: &str,
        uri: &str,
        _options: HashMap<&str, Value<'_>>,
    ) -> OwnedObjectPath {
        self.0.lock().expect("no panic").push(uri.to_owned());
        let request = "/org/freedesktop/portal/desktop/request/1_1/t";
        OwnedObjectPath::try_from(request).expect("a path")
    }
}

impl Desktop {
    /// A desktop on which nothing is shown.
    pub(crate) fn start(under: &Path) -> Self {
        let bus = SessionBus::start(under);
        let log = bus.folder().join("screen.log");
        let size = ["-screen", "0", "800x600x24", "-nolisten", "tcp"];
        let screen = [["Xvfb", "-displayfd", "1"].as_slice(), &size].concat();
        let screen = bus.serve(&screen, &[], &log);
        let mut number = None;
        let is_up = process::until(PATIENCE, || {
            let said = fs::read_to_string(&log).unwrap_or_default();
            number = said.lines().find_map(|line| line.trim().parse::<u16>().ok());
            number.is_some()
        });
        assert!(is_up, "no screen\n{}", process::tail(&log));
        let browser = super::folder(&bus.folder().join("browser"));
        let stub = browser.join("xdg-open");
        let opened = browser.join("opened");
        fs::write(&stub, format!("#!/bin/sh\nprintf '%s\\n' \"$1\" >> {}\n", text(&opened)))
            .expect("ours");
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).expect("ours");
        let display = format!(":{}", number.unwrap_or_default());
        let mut desktop = Self { notifications: None, _screen: screen, display, browser, bus };
        desktop.start_notifications();
        desktop
    }

    /// Nobody shows notices any more; the bus is there.
    pub(crate) fn stop_notifications(&mut self) {
        self.notifications = None;
        let is_gone = || self.bus.has_owner("org.freedesktop.Notifications") == Some(false);
        assert!(process::until(PATIENCE, is_gone), "the notification server goes on");
    }

    /// Somebody does.
    pub(crate) fn start_notifications(&mut self) {
        let configuration = self.bus.folder().join("dunstrc");
        render("desktop/dunstrc", &configuration, &[]);
        let log = self.bus.folder().join("notices");
        let dunst = ["dunst", "-print", "-config", text(&configuration)];
        let display = [("DISPLAY", self.display.as_str())];
        self.notifications = Some(self.bus.serve(&dunst, &display, &log));
        let is_up = || self.bus.has_owner("org.freedesktop.Notifications") == Some(true);
        assert!(process::until(PATIENCE, is_up), "no notices\n{}", process::tail(&log));
    }

    /// What a program in this session has in its environment.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.bus.environment();
        environment.push(("PATH".to_owned(), format!("{}:/usr/bin:/bin", text(&self.browser))));
        environment.push(("DISPLAY".to_owned(), self.display.clone()));
        environment
    }

    /// From now on somebody opens pages for programs that know no display.
    pub(crate) fn open_for_others(&self) -> Portal {
        let opened = Arc::<Mutex<Vec<String>>>::default();
        let address = self.bus.address();
        let bus = zbus::blocking::connection::Builder::address(address.as_str())
            .and_then(|bus| bus.name("org.freedesktop.portal.Desktop"))
            .and_then(|bus| {
                bus.serve_at("/org/freedesktop/portal/desktop", OpenUri(opened.clone()))
            })
            .and_then(zbus::blocking::connection::Builder::build);
        Portal { opened, _bus: bus.expect("our bus") }
    }

    /// All notices so far, since the notification server started, as it tells them.
    pub(crate) fn notices(&self) -> Vec<String> {
        let told = fs::read_to_string(self.bus.folder().join("notices")).expect("ours");
        told.split("\n\tappname: ").skip(1).map(str::to_owned).collect()
    }

    /// How many notices are on the screen.
    pub(crate) fn shown(&self) -> usize {
        let mut count = self.bus.command("dunstctl");
        let told = process::run_well(count.args(["count", "displayed"]), b"", PATIENCE);
        String::from_utf8_lossy(&told).trim().parse().expect("a number")
    }

    /// Clicks on the notice.
    pub(crate) fn click(&self) {
        let by_mouse = |words: &[&str]| {
            let mut mouse = self.bus.command("xdotool");
            process::run(mouse.env("DISPLAY", &self.display).args(words), b"", PATIENCE)
        };
        // It is counted a moment before it is drawn.
        let notice = ["search", "--onlyvisible", "--class", "Dunst"];
        let is_drawn = || by_mouse(&notice).status.success();
        assert!(process::until(PATIENCE, is_drawn), "no notice to click on");
        let [x, y] = ON_THE_NOTICE;
        let clicked = by_mouse(&["mousemove", x, y, "click", "1"]);
        assert!(clicked.status.success(), "{}", process::said(&clicked));
    }

    /// What the browser was asked to open so far.
    pub(crate) fn opened(&self) -> Vec<String> {
        let opened = fs::read_to_string(self.browser.join("opened")).unwrap_or_default();
        opened.lines().map(str::to_owned).collect()
    }

    /// A browser that keeps its cookies here.
    pub(crate) fn browse(&self, arguments: &[&str]) -> String {
        let cookies = self.browser.join("cookies");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--location"]);
        curl.args(["--noproxy", "*", "--cookie", text(&cookies), "--cookie-jar", text(&cookies)]);
        let page = process::run_well(curl.args(arguments), b"", PATIENCE);
        String::from_utf8_lossy(&page).into_owned()
    }
}
