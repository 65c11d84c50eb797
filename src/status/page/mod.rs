//! The page as people see it.

use std::time::{Duration, SystemTime};

use crate::accounts::Address;
use crate::config::Listen;
use crate::proxy::Status;
use crate::secret::{BearerToken, LocalPassword};

/// What the overview is made from.
pub(super) struct Overview {
    status: Status,
}

impl Overview {
    pub(super) fn new(
        status: Status,
        _now: SystemTime,
        _csrf: BearerToken,
        _has_client: bool,
    ) -> Self {
        Self { status }
    }
}

/// What is told in place of a page.
pub(super) enum Message<'m> {
    /// The browser came by no link, or its visit is over.
    NoVisit,
    /// The link was used, or is too old.
    LinkUsedUp,
    /// A form that is not of this visit, or from another site.
    Refused,
    /// By a name that is not this page's.
    WrongHost,
    /// From another user of this machine.
    OtherUser,
    /// There is nothing under this path.
    NotFound,
    /// A sentence and a remedy.
    Failed { sentence: &'m str, remedy: &'m str },
}

/// A file that is saved, or one that the page itself needs.
pub(super) struct Asset {
    pub(super) name: String,
    pub(super) media_type: &'static str,
    pub(super) contents: Vec<u8>,
}

pub(super) fn overview(view: &Overview) -> String {
    view.status.version.clone()
}

/// Goes on to the overview by itself (`<meta http-equiv="refresh" content="0; url=/">`).
pub(super) fn opened() -> String {
    "<meta http-equiv=\"refresh\" content=\"0; url=/\">".into()
}

pub(super) fn fragment(view: &Overview) -> String {
    view.status.version.clone()
}

pub(super) fn settings(address: &Address, _listen: &Listen, _status: &Status) -> String {
    address.to_string()
}

pub(super) fn settings_file(
    _file: &str,
    _address: &Address,
    _listen: &Listen,
    _status: &Status,
) -> Option<Asset> {
    None
}

pub(super) fn forget(address: &Address, _csrf: &BearerToken) -> String {
    address.to_string()
}

pub(super) fn under_way(address: &Address) -> String {
    address.to_string()
}

pub(super) fn signed_in(
    address: &Address,
    _password: Option<&LocalPassword>,
    _grant_life: Option<Duration>,
    _listen: &Listen,
    _status: &Status,
) -> String {
    address.to_string()
}

pub(super) fn message(message: &Message<'_>) -> String {
    match message {
        Message::NoVisit => "NoVisit".into(),
        Message::LinkUsedUp => "LinkUsedUp".into(),
        Message::Refused => "Refused".into(),
        Message::WrongHost => "WrongHost".into(),
        Message::OtherUser => "OtherUser".into(),
        Message::NotFound => "NotFound".into(),
        Message::Failed { sentence, remedy } => format!("{sentence} {remedy}"),
    }
}

pub(super) fn asset(_file: &str) -> Option<Asset> {
    None
}
