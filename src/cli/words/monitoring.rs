//! What `/healthz` tells a monitoring program, and the person behind it.

use std::path::Path;

use super::rooms::{refusals, upstream_errors};
use super::{Chapter, every};
use crate::config::Config;
use crate::proxy::ProbeTrouble;
use crate::status::condition::{Condition, Found, State};
use crate::status::health::Problem;
use crate::token::{Cause, Trouble};
use crate::upstream::{Refusal, UpstreamError};

pub(super) fn chapter() -> String {
    let provider = Config::parse(Path::new("config.toml"), "").unwrap().provider;
    let mut chapter = Chapter::default();
    chapter.heading("An account");
    let mut told = Vec::new();
    for found in founds() {
        let Condition { state, sentence, remedy } = Condition::of(&found, &provider, "ADDRESS");
        let word = format!("{state:?}");
        match remedy {
            Some(remedy) => chapter.told(&sentence, &remedy, &word),
            None => chapter.line(format!("{sentence} [{word}]")),
        };
        told.push(state);
    }
    for state in states() {
        assert!(told.contains(&state), "{state:?} is told of nothing");
    }
    chapter.heading("The house");
    for Problem { state, sentence, remedy } in [
        Problem::no_account(),
        Problem::damaged(2),
        Problem::no_listener("imap"),
        Problem::token_unstored(2),
    ] {
        chapter.told(&sentence, &remedy, state);
    }
    chapter.0
}

fn states() -> Vec<State> {
    every![State:
        State::Ok => State::Ok,
        State::Locked => State::Locked,
        State::NeedsSignIn => State::NeedsSignIn,
        State::NoClient => State::NoClient,
        State::Damaged => State::Damaged,
        State::Unreachable => State::Unreachable,
        State::ImapUnreachable => State::ImapUnreachable,
        State::SmtpUnreachable => State::SmtpUnreachable,
        State::ImapUntrusted => State::ImapUntrusted,
        State::SmtpUntrusted => State::SmtpUntrusted,
        State::ImapRefused => State::ImapRefused,
        State::SmtpRefused => State::SmtpRefused,
        State::Limited => State::Limited,
    ]
}

fn founds() -> Vec<Found> {
    let standing = || ("The provider did not answer in time.".to_owned(), "Check it.".to_owned());
    let mut founds = every![Found:
        Found::Known => Found::Known,
        Found::SignedOn => Found::SignedOn,
        Found::NoToken(_) => Found::NoToken(ProbeTrouble::NoClient),
        Found::NoTokenInTime => Found::NoTokenInTime,
        Found::NoAnswerInTime => Found::NoAnswerInTime,
        Found::Forgotten => Found::Forgotten,
        Found::Unreadable(_) => Found::Unreadable("the file can't be read".into()),
        Found::Servers { .. } => Found::Servers {
            imap: Some(unreachable()),
            smtp: Some(unreachable()),
        },
        Found::Standing(..) => Found::Standing(standing().0, standing().1),
    ];
    // What stands has been told of the mail program.
    founds.pop();
    let tokens = every![Trouble:
        Trouble::Cause(_) => Trouble::Cause(Cause::GrantEnded { testing: false }),
        Trouble::Locked => Trouble::Locked,
        Trouble::Record(_) => Trouble::Record("it was sealed to another key".into()),
    ];
    founds.extend(tokens.into_iter().map(|it| Found::NoToken(ProbeTrouble::Token(it))));
    founds.extend(
        every![ProbeTrouble:
            ProbeTrouble::NoClient => ProbeTrouble::NoClient,
            ProbeTrouble::Token(_) => ProbeTrouble::Token(Trouble::Cause(Cause::Busy)),
            ProbeTrouble::Upstream(_) => unreachable(),
            ProbeTrouble::NoConnectionLeft(_) => ProbeTrouble::NoConnectionLeft(12),
            ProbeTrouble::NoAnswer => ProbeTrouble::NoAnswer,
        ]
        .into_iter()
        // It has been told.
        .filter(|trouble| *trouble != ProbeTrouble::NoClient)
        .map(|trouble| Found::Servers { imap: Some(trouble), smtp: None }),
    );
    // This one stands among the errors.
    let refused = refusals().into_iter().filter(|refusal| *refusal != Refusal::ImapOff);
    let refused = refused.map(|refusal| {
        let host = "imap.gmail.com:993".to_owned();
        UpstreamError::Refused { host, refusal }
    });
    let errors = upstream_errors().into_iter().chain(refused);
    let mail = errors.filter(|error| !matches!(error, UpstreamError::Unreachable { .. }));
    founds.extend(
        mail.map(|error| Found::Servers { imap: Some(ProbeTrouble::Upstream(error)), smtp: None }),
    );
    let smtp = || "smtp.gmail.com:465".to_owned();
    for error in [
        UpstreamError::Unreachable { host: smtp(), reason: "connection refused".into() },
        UpstreamError::Tls { host: smtp(), reason: "unknown issuer".into() },
        UpstreamError::Refused { host: smtp(), refusal: Refusal::WebLogin },
    ] {
        founds.push(Found::Servers { imap: None, smtp: Some(ProbeTrouble::Upstream(error)) });
    }
    founds
}

fn unreachable() -> ProbeTrouble {
    let (host, reason) = ("imap.gmail.com:993".to_owned(), "connection refused".to_owned());
    ProbeTrouble::Upstream(UpstreamError::Unreachable { host, reason })
}
