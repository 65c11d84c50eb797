//! What the commands themselves say.

use std::path::Path;

use tokio_rustls::rustls;

use super::{Chapter, YOU, denied, every, rooms};
use crate::accounts::{Address, AddressError, NoRandomness, PasswordError, RecordError};
use crate::autoconfig::AutoconfigError;
use crate::cli::background::{STARTING, Told as Background};
use crate::cli::check::{doors, rounds};
use crate::cli::demo::PLAYING;
use crate::cli::keys;
use crate::cli::logout::REVOKING;
use crate::cli::mistake::Mistake;
use crate::cli::password::RENEWING;
use crate::cli::run::Hint;
use crate::cli::running::{ASKING, STOPPING, account_line};
use crate::cli::service::Told as Service;
use crate::cli::setup::ASKING_GOOGLE;
use crate::cli::signing_in::PROVING;
use crate::config::{ClientFileError, HomeError};
use crate::protocol::intruder::Intruder;
use crate::proxy::{
    AccountStatus, CertificateStatus, Connections, Continuity, EventKind, GrantFacts, Happening,
    Limits, Part, Protocol, Sessions, Traffic, Trouble, Warning, WarningKind, Words,
    certificate_warning, grant_warnings, hint, newer_version, no_tls, status_port_taken,
    token_unstored,
};
use crate::token::{ANOTHER_SIGN_IN, Cause, NOT_THE_ADDRESS, Unstored};

pub(super) fn chapter() -> String {
    let mut chapter = Chapter::default();
    let (file, error, why) = (Path::new("FILE"), &denied(), &ClientFileError::WebClient);
    let (address, typed) = (YOU, YOU);
    chapter.heading("The commands' own").failures(every![Mistake<'_>:
        Mistake::NoHome(_) => Mistake::NoHome(HomeError),
        Mistake::CantStart(_) => Mistake::CantStart(error),
        Mistake::FolderUnwritable { .. } =>
            Mistake::FolderUnwritable { folder: Path::new("accounts"), error },
        Mistake::NoLevel { .. } => Mistake::NoLevel { variable: "GATEPOST_LOG", typed: "loud" },
        Mistake::SilentStart => Mistake::SilentStart,
        Mistake::SignalsUnheard(_) => Mistake::SignalsUnheard(error),
        Mistake::NoAddress { .. } => Mistake::NoAddress { typed: "you", why: AddressError::NotOneAt },
        Mistake::NoAccount { .. } => Mistake::NoAccount { typed },
        Mistake::ClientUnreadable { .. } => Mistake::ClientUnreadable { file, error },
        Mistake::ClientUnfit { .. } => Mistake::ClientUnfit { file, why },
        Mistake::ClientNotKept { .. } =>
            Mistake::ClientNotKept { file: Path::new("clients/gmail.json"), error },
        Mistake::OtherPassword { .. } => Mistake::OtherPassword { address },
        Mistake::AddressUnasked => Mistake::AddressUnasked,
        Mistake::ProgramUnasked => Mistake::ProgramUnasked,
        Mistake::ClientUnasked => Mistake::ClientUnasked,
        Mistake::TerminalUnfit(_) => Mistake::TerminalUnfit("no keys can be read"),
        Mistake::ClientRefused { .. } => Mistake::ClientRefused { why: "This Google client was deleted." },
        Mistake::PasswordIsNotKept { .. } => Mistake::PasswordIsNotKept { address },
        Mistake::PasswordNotMade(_) => Mistake::PasswordNotMade(NoRandomness),
        Mistake::PasswordUnfit(_) => Mistake::PasswordUnfit(PasswordError::Empty),
        Mistake::PasswordUnreadable(_) => Mistake::PasswordUnreadable(error),
        Mistake::OldPasswordUnasked { .. } => Mistake::OldPasswordUnasked { address },
        Mistake::OldPasswordMissing { .. } => Mistake::OldPasswordMissing { address },
        Mistake::OldPasswordWrong { .. } => Mistake::OldPasswordWrong { address },
        Mistake::GrantLocked => Mistake::GrantLocked,
        Mistake::GrantPasswordWrong => Mistake::GrantPasswordWrong,
        Mistake::GrantUnopened(_) => Mistake::GrantUnopened(&RecordError::BrokenSeal),
        Mistake::GrantNotEnded { .. } =>
            Mistake::GrantNotEnded { why: "Google's sign-in server can't be reached (no route)." },
        Mistake::NoService => Mistake::NoService,
        Mistake::NoSystemd => Mistake::NoSystemd,
        Mistake::NoUserManager { .. } =>
            Mistake::NoUserManager { why: "Failed to connect to bus: No medium found" },
        Mistake::ServiceRefused { .. } =>
            Mistake::ServiceRefused { by: "systemd", why: "Access denied" },
        Mistake::UnitUnwritable { .. } =>
            Mistake::UnitUnwritable { file: Path::new("gatepost.service"), error },
        Mistake::LineTooLong { .. } => Mistake::LineTooLong { length: 283, longest: 260 },
        Mistake::ServiceNotStarted => Mistake::ServiceNotStarted,
        Mistake::PathUnfit { .. } => Mistake::PathUnfit { path: Path::new("/srv/line\nbreak") },
        Mistake::NoSystemService => Mistake::NoSystemService,
        Mistake::NoServer => Mistake::NoServer,
        Mistake::NoAdministrator => Mistake::NoAdministrator,
        Mistake::FolderOfOthers { .. } =>
            Mistake::FolderOfOthers { folder: Path::new(r"C:\ProgramData\gatepost") },
        Mistake::ServerNotStarted { .. } => Mistake::ServerNotStarted {
            why: "it ended with code 2",
            log: Path::new(r"C:\ProgramData\gatepost\logs\gatepost.log"),
        },
        Mistake::NotAService => Mistake::NotAService,
        Mistake::NothingToStop => Mistake::NothingToStop,
        Mistake::NotReloaded { .. } =>
            Mistake::NotReloaded { why: "config.toml, line 1, lissen: no such key; did you mean “listen”?" },
        Mistake::StrangeAnswer => Mistake::StrangeAnswer,
        Mistake::OutIsThere { .. } => Mistake::OutIsThere { file },
        Mistake::OutUnwritable { .. } => Mistake::OutUnwritable { file, error },
        Mistake::NoSuchFile => Mistake::NoSuchFile,
        Mistake::OnlyFor { .. } =>
            Mistake::OnlyFor { flag: "--out", command: "certificate export" },
        Mistake::CertificateIsYours { .. } =>
            Mistake::CertificateIsYours { file: Path::new("mail.pem") },
        Mistake::BySudo => Mistake::BySudo,
        Mistake::NoCertificate => Mistake::NoCertificate,
        Mistake::NotTrusted => Mistake::NotTrusted,
        Mistake::OutputUnwritable(_) => Mistake::OutputUnwritable(error),
    ]);
    chapter.heading("Setting a mail program up").failures(every![AutoconfigError:
        AutoconfigError::NothingIsServed => AutoconfigError::NothingIsServed,
        AutoconfigError::PortsUnknown => AutoconfigError::PortsUnknown,
        AutoconfigError::ServerOff { .. } =>
            AutoconfigError::ServerOff { what: "A profile file", service: "SMTP" },
        AutoconfigError::AddressUnfit { .. } =>
            AutoconfigError::AddressUnfit { address: "grüße@example.com".to_owned() },
    ]);
    chapter.heading("What is no address, and what no password");
    for why in rooms::address_errors() {
        chapter.failure(Mistake::NoAddress { typed: "…", why });
    }
    for why in rooms::password_errors() {
        chapter.failure(Mistake::PasswordUnfit(why));
    }
    chapter.heading("A start without a window");
    for told in
        every![Background: Background::Serving { .. } => Background::Serving { process: 4711 }]
    {
        chapter.line(told);
    }
    chapter.heading("The start at log-in");
    let server = Path::new(r"C:\ProgramData\gatepost");
    for told in every![Service<'_>:
        Service::Installed => Service::Installed,
        Service::InstalledBeside { .. } => Service::InstalledBeside { process: 4711 },
        Service::Replaced { .. } => Service::Replaced { command: "/usr/bin/gatepost run" },
        Service::Removed => Service::Removed,
        Service::NothingThere => Service::NothingThere,
        Service::State { .. } => Service::State { enabled: true, running: true },
        Service::Journal => Service::Journal,
        Service::LogFile { .. } => Service::LogFile { file: Path::new("logs/gatepost.log") },
        Service::Linger { .. } => Service::Linger { on: false },
        Service::Flash => Service::Flash,
        Service::ServerInstalled => Service::ServerInstalled,
        Service::ServerBeside { .. } => Service::ServerBeside { process: 4711 },
        Service::ServerState { .. } => Service::ServerState { enabled: true, running: true },
        Service::ServerSignIn { .. } => Service::ServerSignIn { home: server },
        Service::ServerKeychain { .. } =>
            Service::ServerKeychain { config: Path::new(r"C:\ProgramData\gatepost\config.toml") },
        Service::ServerFolder { .. } => Service::ServerFolder { home: server },
        Service::ServerRemoved { .. } =>
            Service::ServerRemoved { home: r"C:\ProgramData\gatepost" },
        Service::ServerNothingThere => Service::ServerNothingThere,
    ] {
        chapter.line(told);
    }
    chapter.line(Service::State { enabled: false, running: false });
    chapter.line(Service::ServerState { enabled: false, running: false });
    chapter.line(Service::Linger { on: true });
    chapter.heading("What is pasted while `login` waits");
    chapter.line(NOT_THE_ADDRESS).line(ANOTHER_SIGN_IN);
    chapter.0
}

pub(super) fn under_way() -> String {
    let mut chapter = Chapter::default();
    let own = [PLAYING, PROVING, ASKING_GOOGLE, REVOKING, ASKING, STARTING, STOPPING, RENEWING];
    let checking = [rounds::THE_WAY, doors::READING, doors::SENDING, doors::MAILING];
    for words in own.into_iter().chain([keys::WAITING, keys::DERIVING]).chain(checking) {
        assert!(!words.ends_with('.'), "{words}");
        chapter.line(words);
    }
    chapter.0
}

pub(super) fn log() -> String {
    let mut chapter = Chapter::default();
    let account = &Address::parse(YOU).unwrap();
    chapter.heading("Hints");
    for hint in every![Hint<'_>:
        Hint::NoClient => Hint::NoClient,
        Hint::NoAccount => Hint::NoAccount,
        Hint::WireLog { .. } => Hint::WireLog { file: Path::new("wire.log") },
        Hint::WireLogWaits { .. } => Hint::WireLogWaits { account },
        Hint::NewStart => Hint::NewStart,
        Hint::FewDescriptors(_) => Hint::FewDescriptors(Limits::of(256)),
    ] {
        chapter.line(hint);
    }
    for intruder in every![Intruder:
        Intruder::Tls => Intruder::Tls,
        Intruder::Http => Intruder::Http,
    ] {
        chapter.line(hint(intruder, Protocol::Imap));
    }
    chapter.heading("Where TLS with a mail program can't begin");
    let refused = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
    let old = rustls::PeerIncompatible::SupportedVersionsExtensionRequired;
    for error in [
        std::io::Error::other(refused),
        std::io::Error::other(rustls::Error::PeerIncompatible(old)),
        std::io::Error::other(rustls::Error::NoApplicationProtocol),
        std::io::ErrorKind::TimedOut.into(),
    ] {
        chapter.line(no_tls(&error));
    }
    chapter.0
}

/// What happened lately, and what had better be done ahead.
fn news(chapter: &mut Chapter) {
    chapter.heading("Events, beside trouble, whose words stand above");
    let (ended, away) = (&Cause::GrantEnded { testing: true }, &Cause::Busy);
    let full = &Trouble::no_connection_left(12);
    let mut happenings = every![Happening<'_>:
        Happening::Started => Happening::Started,
        Happening::SignedIn => Happening::SignedIn,
        Happening::SignedInAgain => Happening::SignedInAgain,
        Happening::NeedsSignIn(_) => Happening::NeedsSignIn(ended),
        Happening::NoToken(_) => Happening::NoToken(away),
        Happening::Trouble(..) => Happening::Trouble(EventKind::Limit, full),
        Happening::Recovered(_) => Happening::Recovered(Part::Tokens),
        Happening::GrantWorks => Happening::GrantWorks,
        Happening::WrongPassword => Happening::WrongPassword,
        Happening::Ended(..) =>
            Happening::Ended(Protocol::Imap, "a command was under way that may not be repeated"),
        Happening::Forgotten => Happening::Forgotten,
        Happening::Reloaded(_) => Happening::Reloaded(2),
        Happening::NotReloaded(_) => Happening::NotReloaded(
            "config.toml, line 1, lissen: no such key; did you mean “listen”?"),
    ];
    happenings.push(Happening::Recovered(Part::Mail(Protocol::Imap)));
    for happening in happenings {
        let Words { kind, sentence, remedy } = happening.words(YOU);
        // The version would have to be changed here with each release.
        let sentence = sentence.replace(env!("CARGO_PKG_VERSION"), "0.1.0");
        let kind = serde_json::to_string(&kind).unwrap();
        let kind = kind.trim_matches('"');
        match remedy {
            Some(remedy) => chapter.told(&sentence, &remedy, kind),
            None => chapter.line(format!("{sentence} [{kind}]")),
        };
    }
    chapter.heading("Warnings");
    let day = 24 * 60 * 60;
    let now = 1000 * day;
    let grant = |ends_at, granted| {
        let facts =
            GrantFacts { address: YOU, granted, ends_at, last_used: None, has_ended: false };
        grant_warnings(now, facts)
    };
    let certificate = |is_own| {
        let status = CertificateStatus { ends_at: now + 20 * day, is_own };
        certificate_warning(now, status, is_own.then(|| Path::new("mail.pem")))
    };
    let warnings = every![WarningKind:
        WarningKind::GrantEnds => WarningKind::GrantEnds,
        WarningKind::CertificateEnds => WarningKind::CertificateEnds,
        WarningKind::Unused => WarningKind::Unused,
        WarningKind::NewerVersion => WarningKind::NewerVersion,
        WarningKind::StatusPortTaken => WarningKind::StatusPortTaken,
        WarningKind::TokenUnstored => WarningKind::TokenUnstored,
    ];
    for kind in warnings {
        let told = match kind {
            WarningKind::GrantEnds => grant(Some(now + 26 * 60 * 60), now),
            WarningKind::CertificateEnds => {
                [false, true].into_iter().filter_map(certificate).collect()
            }
            WarningKind::Unused => grant(None, now - 160 * day),
            WarningKind::NewerVersion => vec![newer_version("9.0.0")],
            WarningKind::StatusPortTaken => {
                vec![status_port_taken(10180, Path::new("config.toml"))]
            }
            WarningKind::TokenUnstored => [
                (
                    "FILE could not be written (no space left on device)",
                    "Make room on the disk.",
                    true,
                ),
                (
                    "FILE is of format 9, which a newer Gatepost has written",
                    "Update Gatepost.",
                    false,
                ),
            ]
            .map(|(reason, remedy, passes)| {
                token_unstored(YOU, &Unstored { reason: reason.to_owned(), remedy, passes })
            })
            .into(),
        };
        for Warning { kind, sentence, remedy, .. } in told {
            let sentence = sentence.replace(env!("CARGO_PKG_VERSION"), "0.1.0");
            let kind = serde_json::to_string(&kind).unwrap();
            chapter.told(&sentence, &remedy, kind.trim_matches('"'));
        }
    }
}

pub(super) fn status() -> String {
    let mut chapter = Chapter::default();
    chapter.heading("The states of an account");
    for state in ["ready", "locked", "needs_sign_in", "refreshing", "unreachable"] {
        chapter.line(account_line(&AccountStatus {
            address: YOU.to_owned(),
            state: state.to_owned(),
            opens_with: vec!["password".to_owned()],
            token_expires_in: None,
            grant_expires_at: None,
            sessions: Sessions { imap: 1, smtp: 0 },
            connections: Connections { in_use: 1, limit: Some(12), waiting: 0 },
            continuity: Continuity::default(),
            bytes_down: 0,
            bytes_up: 0,
            since_start: Traffic::default(),
            hours: Vec::new(),
            today: Traffic::default(),
            last_used: None,
            trouble: None,
            stands: None,
        }));
    }
    news(&mut chapter);
    chapter.heading("Files that are no accounts");
    for error in rooms::store_errors() {
        chapter.line(error.in_full());
    }
    chapter.0
}
