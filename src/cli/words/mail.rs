//! What mail clients are told in trouble, for their person to see; and the page in the browser.

use super::{Chapter, YOU, every, rooms};
use crate::accounts::{Address, CheckError, StoreError};
use crate::notice::{Notice, SIGN_IN_AGAIN};
use crate::protocol::dialogue::Violation;
use crate::protocol::imap::Unlike;
use crate::proxy::{Event, EventKind, Goodbye, Protocol, Trouble};
use crate::token::{self, Cause, Page};

/// Of a session that the log calls by this number.
const SESSION: u64 = 7;

pub(super) fn chapter() -> String {
    let mut chapter = Chapter::default();
    chapter.heading("Trouble with a token: as above, and on the wire");
    for cause in rooms::causes() {
        let code = cause.code();
        let trouble = Trouble::token(&token::Trouble::Cause(cause), YOU);
        chapter.line(format!("{code}: {}", forms(&trouble)));
    }
    for trouble in every![token::Trouble:
        token::Trouble::Cause(_) => token::Trouble::Cause(Cause::GrantEnded { testing: false }),
        token::Trouble::Locked => token::Trouble::Locked,
        token::Trouble::Record(_) => token::Trouble::Record("the record is not well-formed".into()),
    ] {
        tell(&mut chapter, &Trouble::token(&trouble, YOU));
    }
    chapter.heading("Trouble with Gmail's servers");
    for error in rooms::upstream_errors() {
        tell(&mut chapter, &Trouble::upstream(&error));
    }
    chapter.heading("What Gmail says when it ends a session");
    for refusal in rooms::refusals() {
        tell(&mut chapter, &Trouble::farewell(&refusal));
    }
    chapter.heading("Trouble of Gatepost's own");
    let address = Address::parse(YOU).unwrap();
    for trouble in [
        Trouble::no_connection_left(1),
        Trouble::no_connection_left(12),
        Trouble::too_many_checks(),
        Trouble::no_answer(),
        Trouble::no_client(YOU),
    ] {
        tell(&mut chapter, &trouble);
    }
    for error in every![CheckError:
        CheckError::Store(_) =>
            CheckError::Store(StoreError::NewerFormat { path: "you@gmail.com.json".into(), format: 2 }),
        CheckError::Record { .. } =>
            CheckError::Record { address, reason: "the slot that holds the account's key is damaged".into() },
        // Answered with a tagged NO.
        CheckError::Wrong => CheckError::Wrong,
    ]
    .iter()
    .take(2)
    {
        tell(&mut chapter, &Trouble::storage(error));
    }
    chapter.heading("Goodbyes");
    for goodbye in goodbyes() {
        let [imap, smtp] = [Protocol::Imap, Protocol::Smtp].map(|it| wire(&it.goodbye(goodbye)));
        chapter.line(imap).line(smtp);
    }
    chapter.heading("Why a session over IMAP could not go on");
    for unlike in unlikes() {
        chapter.line(Goodbye::ServerLost(&unlike.to_string()));
    }
    for violation in violations() {
        chapter.line(Goodbye::Broken(violation));
    }
    chapter.0
}

/// What a mail client hears, line by line.
fn tell(chapter: &mut Chapter, trouble: &Trouble) {
    super::check(&trouble.sentence, &trouble.remedy);
    chapter.line(wire(&trouble.words(Protocol::Imap, SESSION)));
    chapter.line(wire(&trouble.words(Protocol::Smtp, SESSION)));
}

fn wire(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.trim_end().replace("\r\n", "\n")
}

/// The form of it, without the words.
fn forms(trouble: &Trouble) -> String {
    let first = wire(&trouble.words(Protocol::Imap, SESSION));
    let imap = if first.starts_with("* OK [ALERT] ") { "ALERT and BYE" } else { "BYE" };
    let smtp = wire(&trouble.words(Protocol::Smtp, SESSION));
    format!("{imap}, {}", smtp.get(..9).unwrap_or_default())
}

fn goodbyes() -> Vec<Goodbye<'static>> {
    every![Goodbye<'static>:
        Goodbye::Stopping => Goodbye::Stopping,
        Goodbye::SignedOut => Goodbye::SignedOut,
        Goodbye::ServerClosed => Goodbye::ServerClosed,
        Goodbye::ServerLost(_) => Goodbye::ServerLost("the provider can't be reached"),
        Goodbye::Broken(_) => Goodbye::Broken(Violation::ServerReply),
        Goodbye::TooMany => Goodbye::TooMany,
        Goodbye::OtherProtocol(_) => Goodbye::OtherProtocol(Protocol::Imap),
        Goodbye::NeedsTls(_) => Goodbye::NeedsTls(Protocol::Smtp),
        Goodbye::Silent => Goodbye::Silent,
    ]
}

fn violations() -> Vec<Violation> {
    every![Violation:
        Violation::ClientLineTooLong => Violation::ClientLineTooLong,
        Violation::ClientLiteral => Violation::ClientLiteral,
        Violation::ClientNewline => Violation::ClientNewline,
        Violation::ServerLiteral => Violation::ServerLiteral,
        Violation::ServerReply => Violation::ServerReply,
        Violation::BareNewline => Violation::BareNewline,
    ]
}

fn unlikes() -> Vec<Unlike> {
    every![Unlike:
        Unlike::Closed => Unlike::Closed,
        Unlike::OtherMailbox => Unlike::OtherMailbox,
        Unlike::Lacking => Unlike::Lacking,
        Unlike::Behind => Unlike::Behind,
        Unlike::Ambiguous => Unlike::Ambiguous,
        Unlike::NotNow => Unlike::NotNow,
        Unlike::Renumbered => Unlike::Renumbered,
        Unlike::TooMany => Unlike::TooMany,
    ]
}

pub(super) fn browser() -> String {
    let mut chapter = Chapter::default();
    let (sentence, remedy) = (&Cause::Declined.sentence(), &Cause::Declined.remedy(YOU));
    for page in every![Page<'_>:
        Page::SignedIn { .. } => Page::SignedIn { address: YOU },
        Page::Failed { .. } => Page::Failed { sentence, remedy },
        Page::OtherSignIn => Page::OtherSignIn,
        Page::NoAnswer => Page::NoAnswer,
        Page::GoesOn => Page::GoesOn,
    ] {
        chapter.heading(page.heading());
        let (in_terminal, on_page) = (page.lines(true), page.lines(false));
        for line in &in_terminal {
            chapter.line(line);
        }
        if on_page != in_terminal {
            chapter.line("… or, where the sign-in began on Gatepost's page:");
            for line in &on_page {
                chapter.line(line);
            }
        }
    }
    chapter.0
}

pub(super) fn desktop() -> String {
    let mut chapter = Chapter::default();
    let cause = Cause::GrantEnded { testing: true };
    let (sentence, remedy) = (cause.sentence(), Some(cause.remedy(YOU)));
    let (account, kind) = (Some(YOU.to_owned()), EventKind::NeedsSignIn);
    let event = Event { id: 1, at: 0, account, kind, sentence, remedy };
    let notice = Notice::of(&event, YOU, true);
    chapter.line(&notice.title);
    for body in [notice.body(true), notice.body(false)] {
        chapter.line(body);
    }
    chapter.line(format!("[{SIGN_IN_AGAIN}]"));
    chapter.0
}
