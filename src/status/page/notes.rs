//! Pages that say one thing.

use askama::Template;

use super::account::Tone;
use super::frame::{Frame, render};
use super::prose::{Prose, prose, prose_beside_button};
use crate::accounts::Address;
use crate::secret::BearerToken;

/// What is told in place of a page.
pub(in crate::status) enum Message<'m> {
    /// The browser came by no link, or its visit is over.
    NoVisit,
    /// The link was used, or is too old.
    LinkUsedUp,
    /// A form that is not of this visit, or from another site.
    Refused,
    /// By a name that is not this page's.
    WrongHost,
    /// A program of another user of this machine.
    OtherUser,
    /// There is nothing under this path.
    NotFound,
    /// A sentence and a remedy.
    Failed {
        /// What happened.
        sentence: &'m str,
        /// One thing to do.
        remedy: &'m str,
    },
    /// A sign-in came to nothing, and may be begun again from here.
    NotSignedIn {
        /// Who was to sign in.
        address: &'m Address,
        /// What happened, as the terminal has it.
        sentence: &'m str,
        /// One thing to do, as the terminal has it.
        remedy: &'m str,
        /// What the form brings back.
        csrf: &'m BearerToken,
    },
}

/// A message as a page. What is told to somebody without a visit has nothing personal in it, and leads
/// nowhere.
pub(in crate::status) fn message(message: &Message<'_>) -> String {
    let open = "Run `gatepost status --open` in a terminal.";
    let (tone, heading, sentence, remedy, way_back) = match *message {
        Message::NoVisit => (
            Tone::Calm,
            "This page is for you alone",
            "So that nobody else on this computer can use it, Gatepost opens it by a link that only you get.",
            open,
            false,
        ),
        Message::LinkUsedUp => (
            Tone::Calm,
            "This link has been used, or is too old",
            "Each link opens the page once, and only for a short while.",
            "Run `gatepost status --open` in a terminal for another.",
            false,
        ),
        Message::Refused => (
            Tone::Warning,
            "Gatepost did not do that",
            "The request did not come from the page that is open now.",
            "Go to the overview, and do it there once more.",
            true,
        ),
        Message::WrongHost => (
            Tone::Warning,
            "This is not the address of this page",
            "It answers only under the address of this computer itself, so that no page on the Internet can use it.",
            open,
            false,
        ),
        Message::OtherUser => (
            Tone::Warning,
            "This page is somebody else’s",
            "The Gatepost here belongs to another user of this computer.",
            "Run a Gatepost of your own: `gatepost setup` leads you through it.",
            false,
        ),
        Message::NotFound => (
            Tone::Calm,
            "There is no such page",
            "Perhaps the account that it was about has been forgotten.",
            "",
            true,
        ),
        Message::Failed { sentence, remedy } => {
            (Tone::Bad, "That did not work", sentence, remedy, true)
        }
        Message::NotSignedIn { sentence, remedy, .. } => {
            (Tone::Bad, "You are not signed in", sentence, remedy, true)
        }
    };
    let again = match *message {
        Message::NotSignedIn { address, csrf, .. } => Some((csrf.expose(), address.to_string())),
        _ => None,
    };
    let remedy = match &again {
        Some((_, address)) => prose_beside_button(remedy, address),
        None => prose(remedy),
    };
    let (frame, sentence) = (Frame::default(), prose(sentence));
    render(&NotePage { frame, tone, heading, sentence, remedy, again, way_back })
}

/// Asks whether an account is to be forgotten, and how.
pub(in crate::status) fn forget(address: &Address, csrf: &BearerToken) -> String {
    let address = address.to_string();
    render(&ForgetPage { frame: Frame::default(), address, csrf: csrf.expose() })
}

/// The person has come back before the sign-in is done.
pub(in crate::status) fn under_way(address: &Address) -> String {
    render(&UnderWayPage { frame: Frame::default(), address: address.to_string() })
}

/// A link was right. The browser goes on to the overview by itself.
pub(in crate::status) fn opened() -> String {
    render(&OpenedPage { frame: Frame::default() })
}

/// A sign-in has begun. The browser goes on to the provider's page by itself.
pub(in crate::status) fn onward(address: &Address, consent: &str) -> String {
    render(&OnwardPage { frame: Frame::default(), address: address.to_string(), consent })
}

#[derive(Template)]
#[template(path = "onward.html")]
struct OnwardPage<'p> {
    frame: Frame,
    address: String,
    consent: &'p str,
}

#[derive(Template)]
#[template(path = "opened.html")]
struct OpenedPage {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "under_way.html")]
struct UnderWayPage {
    frame: Frame,
    address: String,
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
}
