//! Pages that say one thing.

use askama::Template;

use super::account::Tone;
use super::frame::{Frame, render};
use super::prose::{Prose, prose, prose_beside_button};
use crate::accounts::Address;

/// Asks whether an account is to be forgotten, and how.
pub(in crate::status) fn forget(address: &Address, csrf: &str) -> String {
    let address = address.to_string();
    render(&ForgetPage { frame: Frame::default(), address, csrf })
}

/// A sign-in that came to nothing: one sentence and one remedy, as the terminal has them.
pub(in crate::status) fn sign_in_failed(
    address: &Address,
    sentence: &str,
    remedy: &str,
    csrf: &str,
) -> String {
    let address = address.to_string();
    render(&NotePage {
        tone: Tone::Bad,
        heading: "You are not signed in",
        sentence: prose(sentence),
        remedy: prose_beside_button(remedy, &address),
        again: Some((csrf, address)),
        ..NotePage::default()
    })
}

/// What a person asked for did not happen: one sentence and one remedy.
pub(in crate::status) fn failed(sentence: &str, remedy: &str) -> String {
    render(&NotePage {
        tone: Tone::Bad,
        heading: "That did not work",
        sentence: prose(sentence),
        remedy: prose(remedy),
        ..NotePage::default()
    })
}

/// Whoever comes without a session. There is nothing personal on it.
pub(in crate::status) fn session_needed() -> String {
    render(&NotePage {
        heading: "This page is for you alone",
        sentence: prose(
            "So that nobody else on this computer can use it, Gatepost opens it by a link that only you get.",
        ),
        remedy: prose("Run `gatepost status --open` in a terminal."),
        way_back: false,
        ..NotePage::default()
    })
}

/// A one-time link that has served, or whose time is over.
pub(in crate::status) fn link_used() -> String {
    render(&NotePage {
        heading: "This link has been used, or is too old",
        sentence: prose("Each link opens the page once, and only for a short while."),
        remedy: prose("Run `gatepost status --open` in a terminal for another."),
        way_back: false,
        ..NotePage::default()
    })
}

/// A change that didn't come from this page, or from one that is too old.
pub(in crate::status) fn refused() -> String {
    render(&NotePage {
        tone: Tone::Warning,
        heading: "Gatepost did not do that",
        sentence: prose("The request did not come from the page that is open now."),
        remedy: prose("Go to the overview, and do it there once more."),
        ..NotePage::default()
    })
}

/// A request under another name than this machine's. Nothing on it is personal, or leads anywhere.
pub(in crate::status) fn wrong_host() -> String {
    render(&NotePage {
        tone: Tone::Warning,
        heading: "This is not the address of this page",
        sentence: prose(
            "It answers only under the address of this computer itself, so that no page on the Internet can use it.",
        ),
        remedy: prose("Run `gatepost status --open` in a terminal."),
        way_back: false,
        ..NotePage::default()
    })
}

/// There is no such page, or no such account.
pub(in crate::status) fn not_found() -> String {
    render(&NotePage {
        heading: "There is no such page",
        sentence: prose("Perhaps the account that it was about has been forgotten."),
        ..NotePage::default()
    })
}

/// Another user of this machine.
pub(in crate::status) fn other_user() -> String {
    render(&NotePage {
        tone: Tone::Warning,
        heading: "This page is another user's",
        sentence: prose(
            "Gatepost runs for another user of this computer, and its page is for them alone.",
        ),
        remedy: prose("Open it as that user."),
        way_back: false,
        ..NotePage::default()
    })
}

/// A link has served: this goes on to the overview by itself.
pub(in crate::status) fn opened() -> String {
    render(&NotePage { heading: "Gatepost opens", next: "/", ..NotePage::default() })
}

/// The person is at the consent page, or has just come from it: this looks again by itself.
pub(in crate::status) fn under_way() -> String {
    render(&NotePage {
        heading: "The sign-in is under way",
        sentence: prose("Gatepost waits for what you do on Google's page, ten minutes at most."),
        looks_again: true,
        ..NotePage::default()
    })
}

#[derive(Template)]
#[template(path = "forget.html")]
struct ForgetPage<'p> {
    frame: Frame,
    address: String,
    csrf: &'p str,
}

#[derive(Template)]
#[template(path = "note.html")]
struct NotePage<'p> {
    frame: Frame,
    tone: Tone,
    heading: &'static str,
    sentence: Prose,
    remedy: Prose,
    /// The token for its form and the account, where the person may try again.
    again: Option<(&'p str, String)>,
    /// It leads back to the overview.
    way_back: bool,
    /// Where it goes on to by itself; empty is nowhere.
    next: &'static str,
    /// It is loaded again every other second.
    looks_again: bool,
}

impl Default for NotePage<'_> {
    fn default() -> Self {
        Self {
            frame: Frame::default(),
            tone: Tone::Calm,
            heading: "",
            sentence: Prose::new(),
            remedy: Prose::new(),
            again: None,
            way_back: true,
            next: "",
            looks_again: false,
        }
    }
}
