//! The rows of the table: what a person's programs do.

use super::{
    errands, is_long,
    kinds::{Kind, Point, amid, before, down, sweep, up},
    mail,
    outcome::Outcome,
    world::{Upstream, World},
};
use crate::support::fault_proxy::When;

/// One of them, and where faults come to it.
pub(super) struct Journey {
    pub(super) name: &'static str,
    /// The server whose line fails.
    pub(super) upstream: Upstream,
    pub(super) points: &'static [Point],
    pub(super) walk: fn(&mut World) -> Outcome,
    /// True if its tokens live for seconds.
    pub(super) short_tokens: bool,
    /// True if Gatepost waits no longer for an answer than it has named: where a mail client is connected
    /// through, the client's own patience counts.
    pub(super) ends_by_itself: bool,
    /// True if it is a sign-on alone, and soon done.
    pub(super) is_sign_on: bool,
    /// True if it does nothing for half a minute.
    pub(super) waits: bool,
}

impl Journey {
    /// Whether this fault comes to it.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.ends_by_itself || kind != Kind::Silence
    }

    /// Where this fault comes to it.
    pub(super) fn points(&self, kind: Kind) -> Vec<Point> {
        let mut points = kind.points(self.points);
        let is_swept = self.is_sign_on && matches!(kind, Kind::Reset | Kind::Close);
        match is_long() {
            true if is_swept => points.extend(sweep(CONNECTING)),
            true => {}
            // At each moment, and at the last of the bytes.
            false => {
                let last = points.len() - 1;
                let mut place = 0..;
                points.retain(|point| place.next() == Some(last) || point.when == When::Now);
            }
        }
        points
    }

    /// What is at the end of the line that fails.
    pub(super) fn line(&self) -> &'static str {
        match self.upstream {
            Upstream::Imap => "IMAP",
            Upstream::Smtp => "SMTP",
            Upstream::Authorization => "the authorization server",
        }
    }
}

const CONNECTING: &str = "before connecting";
const MAIL_AMID: &str = "amid the mail";

/// The bytes at which a sign-on's connection fails: at its first, amid TLS, and behind it. The long form has
/// more of them.
const SIGN_ON: &[Point] = &[
    before(CONNECTING),
    up(CONNECTING, 0),
    up(CONNECTING, 300),
    up(CONNECTING, 700),
    down(CONNECTING, 0),
    down(CONNECTING, 1000),
];

pub(super) const JOURNEYS: &[Journey] = &[
    Journey {
        name: "sign on to IMAP",
        upstream: Upstream::Imap,
        points: SIGN_ON,
        walk: mail::sign_on_imap,
        short_tokens: false,
        ends_by_itself: true,
        is_sign_on: true,
        waits: false,
    },
    Journey {
        name: "read a mail",
        upstream: Upstream::Imap,
        points: &[
            amid("amid a session"),
            up("amid a session", 0),
            down("amid a session", 0),
            down("amid a session", 1),
            down("amid a session", 100_000),
        ],
        walk: mail::read,
        short_tokens: false,
        ends_by_itself: false,
        is_sign_on: false,
        waits: false,
    },
    Journey {
        name: "new mail in IDLE",
        upstream: Upstream::Imap,
        points: &[amid("in IDLE"), down("in IDLE", 0), down("in IDLE", 10)],
        walk: mail::idle,
        short_tokens: false,
        ends_by_itself: false,
        is_sign_on: false,
        waits: false,
    },
    Journey {
        name: "append a mail",
        upstream: Upstream::Imap,
        points: &[
            amid("before APPEND"),
            up("before APPEND", 0),
            down("before APPEND", 0),
            amid(MAIL_AMID),
            up(MAIL_AMID, 50_000),
            down(MAIL_AMID, 0),
        ],
        walk: mail::append,
        short_tokens: false,
        ends_by_itself: false,
        is_sign_on: false,
        waits: false,
    },
    Journey {
        name: "sign on to SMTP",
        upstream: Upstream::Smtp,
        points: SIGN_ON,
        walk: mail::sign_on_smtp,
        short_tokens: false,
        ends_by_itself: true,
        is_sign_on: true,
        waits: false,
    },
    Journey {
        name: "send a mail",
        upstream: Upstream::Smtp,
        points: &[
            amid("before MAIL"),
            down("before MAIL", 0),
            amid(MAIL_AMID),
            up(MAIL_AMID, 50_000),
            down(MAIL_AMID, 0),
        ],
        walk: mail::send,
        short_tokens: false,
        ends_by_itself: false,
        is_sign_on: false,
        waits: false,
    },
    Journey {
        name: "refresh a token",
        upstream: Upstream::Authorization,
        points: &[
            before("before the refresh"),
            up("before the refresh", 0),
            down("before the refresh", 0),
            down("before the refresh", 700),
            down("before the refresh", 1100),
        ],
        walk: errands::refresh,
        short_tokens: true,
        ends_by_itself: true,
        is_sign_on: false,
        waits: false,
    },
    Journey {
        name: "`gatepost login`",
        upstream: Upstream::Authorization,
        points: &[
            before("before login"),
            up("before login", 0),
            down("before login", 0),
            down("before login", 700),
            down("before login", 1100),
        ],
        walk: errands::login,
        short_tokens: false,
        ends_by_itself: true,
        is_sign_on: false,
        waits: false,
    },
    Journey {
        name: "take-over at the token's end",
        upstream: Upstream::Imap,
        points: &[before("before the token's end"), down("before the token's end", 3000)],
        walk: mail::take_over,
        short_tokens: true,
        ends_by_itself: false,
        is_sign_on: false,
        waits: false,
    },
    Journey {
        name: "restart of the proxy",
        upstream: Upstream::Authorization,
        points: &[before("before the restart"), down("before the restart", 0)],
        walk: errands::restart,
        short_tokens: false,
        ends_by_itself: true,
        is_sign_on: false,
        waits: false,
    },
    Journey {
        name: "`gatepost check`",
        upstream: Upstream::Imap,
        points: SIGN_ON,
        walk: errands::check,
        short_tokens: false,
        ends_by_itself: true,
        is_sign_on: false,
        waits: false,
    },
    Journey {
        name: "`/healthz?deep`",
        upstream: Upstream::Imap,
        points: &[before("before the look"), down("before the look", 0)],
        walk: errands::healthz,
        short_tokens: false,
        ends_by_itself: true,
        is_sign_on: false,
        waits: true,
    },
];
