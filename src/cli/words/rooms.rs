//! What the rooms below the commands find wrong.

use std::path::{Path, PathBuf};

use tokio_rustls::rustls;

use super::{Chapter, YOU, denied, every};
use crate::accounts::{
    Address, AddressError, KeyFileError, KeychainError, NoRandomness, PasswordError, RecordError,
    StoreError,
};
use crate::certificate::CertificateError;
use crate::cli::keys::{Note, SILENT};
use crate::cli::report::{Failure, of_listening};
use crate::cli::signing_in::told;
use crate::config::{ClientFileError, Config, ConfigError, Home};
use crate::control::{AlreadyRunning, ChannelError, ControlError};
use crate::private_file::RightsError;
use crate::proxy::{EndGrantError, ListenError, ServeError};
use crate::sentence;
use crate::settings::SettingsError;
use crate::sign_in::SignInError;
use crate::status::NoLink;
use crate::status::sign_ins::NotBegun;
use crate::tls::TlsError;
use crate::token::{AuthorizeError, Cause, SetupError};
use crate::upstream::{Refusal, UpstreamError};

pub(super) fn chapter() -> String {
    let mut chapter = Chapter::default();
    chapter.heading("Signing in");
    for cause in causes() {
        chapter.told(&cause.sentence(), &cause.remedy(YOU), cause.code());
    }
    let you = Address::parse(YOU).unwrap();
    for error in sign_in_errors() {
        let Failure { sentence, remedy, .. } = told(&error, &you);
        chapter.told(&sentence, &remedy, error.code());
    }
    chapter.heading("Gmail's servers");
    for error in upstream_errors() {
        chapter.told(&format!("{error}."), error.remedy(), "");
    }
    for refusal in refusals() {
        chapter.told(&refusal.sentence(), refusal.remedy(), "");
    }
    chapter.heading("The configuration and the client").failures(settings_errors());
    chapter.heading("Accounts and keys").failures(store_errors());
    for error in record_errors() {
        chapter.told(&format!("The account can't be stored: {error}."), error.remedy(), "");
    }
    chapter.failures(key_file_errors());
    chapter.heading("Notes, behind which the command goes on");
    let missing = &key_file_errors()[0];
    for note in every![Note<'_>:
        Note::Tied => Note::Tied,
        Note::NotTied(_) => Note::NotTied(SILENT),
        Note::KeyFile(_) => Note::KeyFile(missing),
        Note::Keychain(_) => Note::Keychain(SILENT),
        Note::EntryStays { .. } =>
            Note::EntryStays { name: "you@gmail.com 0f", why: "the configuration has it off" },
    ] {
        chapter.line(note);
    }
    for error in keychain_errors() {
        chapter.line(Note::Keychain(&error.to_string()));
    }
    chapter.heading("Signing out");
    for error in every![EndGrantError:
        EndGrantError::Locked => EndGrantError::Locked,
        EndGrantError::NoClient => EndGrantError::NoClient,
        EndGrantError::Refused(_) => EndGrantError::Refused(Cause::Busy),
    ] {
        chapter.told(&error.to_string(), error.remedy(), "");
    }
    chapter.heading("Serving");
    for error in serve_errors() {
        // The others have been told above.
        if let ServeError::Listen(error) = error {
            chapter.failure(of_listening(&error, |_| Some("dovecot (process 123)".to_owned())));
        }
    }
    for error in listen_errors() {
        chapter.failure(of_listening(&error, |_| None));
    }
    chapter.failures(running_errors());
    chapter.failure(ChannelError::from(denied()));
    chapter.heading("The running Gatepost").failures(control_errors());
    chapter.failures(no_links());
    for error in begun_not() {
        chapter.told(&sentence::of(&error), &error.remedy(YOU), "page");
    }
    chapter.0
}

pub(super) fn causes() -> Vec<Cause> {
    every![Cause:
        Cause::NobodySignedIn => Cause::NobodySignedIn,
        Cause::Declined => Cause::Declined,
        Cause::GrantEnded { testing: false } => Cause::GrantEnded { testing: false },
        Cause::GrantEnded { testing: true } => Cause::GrantEnded { testing: true },
        Cause::SessionPolicy => Cause::SessionPolicy,
        Cause::AdminPolicy => Cause::AdminPolicy,
        Cause::WrongOrganisation => Cause::WrongOrganisation,
        Cause::EmbeddedBrowser => Cause::EmbeddedBrowser,
        Cause::CodeRejected => Cause::CodeRejected,
        Cause::ClientUnknown => Cause::ClientUnknown,
        Cause::ClientDeleted => Cause::ClientDeleted,
        Cause::SecretMissing => Cause::SecretMissing,
        Cause::NotDesktopClient => Cause::NotDesktopClient,
        Cause::ClientUnauthorized => Cause::ClientUnauthorized,
        Cause::InvalidScope => Cause::InvalidScope,
        Cause::ScopeMissing => Cause::ScopeMissing,
        Cause::NoRefreshToken => Cause::NoRefreshToken,
        Cause::OtherAccount { .. } => Cause::OtherAccount { signed_in: "other@gmail.com".into() },
        Cause::AccountUnknown => Cause::AccountUnknown,
        Cause::ServerTrouble(_) => Cause::ServerTrouble(500),
        Cause::Busy => Cause::Busy,
        Cause::Unreadable => Cause::Unreadable,
        Cause::Unreachable(_) => Cause::Unreachable("no such host".into()),
        Cause::NotProven { is_date: false, .. } => not_proven("UnknownIssuer", false),
        Cause::NotProven { is_date: true, .. } => not_proven("Expired", true),
        Cause::Other(_) => Cause::Other("strange_code".into()),
    ]
}

fn not_proven(why: &str, is_date: bool) -> Cause {
    Cause::NotProven { why: format!("invalid peer certificate: {why}"), is_date }
}

fn sign_in_errors() -> Vec<SignInError> {
    let begin: Vec<AuthorizeError> = every![AuthorizeError:
        AuthorizeError::Listen(_) => AuthorizeError::Listen(denied()),
        AuthorizeError::Address(_) => AuthorizeError::Address(url::ParseError::EmptyHost),
    ];
    let mut errors = every![SignInError:
        SignInError::NoClient => SignInError::NoClient,
        SignInError::Cause(_) => SignInError::Cause(Cause::Declined),
        SignInError::Begin(_) => SignInError::Begin(AuthorizeError::Listen(denied())),
        SignInError::Proof(_) => SignInError::Proof(refused(Refusal::ImapOff)),
        SignInError::Store(_) => SignInError::Store(damaged()),
        SignInError::Record(_) => SignInError::Record(RecordError::CannotSeal),
    ];
    errors.extend(begin.into_iter().skip(1).map(SignInError::Begin));
    // A cause has its own words, but for one that passes.
    errors.retain(|error| !matches!(error, SignInError::Cause(_)));
    let pass = [
        Cause::Unreachable("no such host".into()),
        not_proven("UnknownIssuer", false),
        not_proven("Expired", true),
        Cause::Unreadable,
        Cause::Busy,
    ];
    errors.extend(pass.map(SignInError::Cause));
    errors.push(SignInError::Proof(refused(Refusal::Temporary("Try later".into()))));
    errors
}

fn host() -> String {
    "imap.gmail.com:993".to_owned()
}

fn refused(refusal: Refusal) -> UpstreamError {
    UpstreamError::Refused { host: host(), refusal }
}

pub(super) fn upstream_errors() -> Vec<UpstreamError> {
    let host = host();
    let mut errors = every![UpstreamError:
        UpstreamError::Unreachable { .. } =>
            UpstreamError::Unreachable { host: host.clone(), reason: "no answer in time".into() },
        UpstreamError::Tls { .. } =>
            UpstreamError::Tls { host: host.clone(), reason: "unknown issuer".into() },
        UpstreamError::NotTheProtocol { .. } =>
            UpstreamError::NotTheProtocol { host: host.clone(), protocol: "IMAP" },
        UpstreamError::Closed { .. } =>
            UpstreamError::Closed { host: host.clone(), words: "Try later".into() },
        UpstreamError::TokenRefused { .. } => UpstreamError::TokenRefused { host: host.clone() },
        UpstreamError::Refused { .. } => refused(Refusal::ImapOff),
    ];
    // One that left without a word.
    errors.push(UpstreamError::Closed { host, words: String::new() });
    errors
}

pub(super) fn refusals() -> Vec<Refusal> {
    every![Refusal:
        Refusal::TooManyConnections => Refusal::TooManyConnections,
        Refusal::OverQuota => Refusal::OverQuota,
        Refusal::ImapOff => Refusal::ImapOff,
        Refusal::ImapOffForDomain => Refusal::ImapOffForDomain,
        Refusal::WebLogin => Refusal::WebLogin,
        Refusal::Temporary(_) => Refusal::Temporary("Temporary System Problem (Failure)".into()),
        Refusal::Other(_) => Refusal::Other("Not today.".into()),
    ]
}

/// A mistake in each of the ways that need words of their own, as the file is read.
fn config_errors() -> Vec<ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere.toml");
    let missing = Home::locate(None, Some(&missing)).unwrap();
    let mut errors = vec![Config::of(&missing).unwrap_err()];
    // A folder in its place can't be read; what the system says of it differs.
    let mut unreadable = Config::load(folder.path()).unwrap_err();
    unreadable.problem = format!("it can't be read ({})", denied());
    errors.push(unreadable);
    let texts = ["[listen]\nimpa = \"localhost:1\"\n", "[log]\nlevel = debug\n"];
    errors.extend(texts.map(|text| Config::parse(Path::new(""), text).unwrap_err()));
    errors.into_iter().map(|error| ConfigError { file: "config.toml".into(), ..error }).collect()
}

fn settings_errors() -> Vec<SettingsError> {
    let file = || PathBuf::from("clients/gmail.json");
    let client = |error| SettingsError::ClientFile { path: file(), error };
    let bad_ca = || TlsError::BadCaFile { file: "company.pem".into(), reason: "none found".into() };
    let no_roots = TlsError::NoRoots(rustls::Error::General("none found".into()));
    let tls = every![TlsError:
        TlsError::BadCaFile { .. } => bad_ca(),
        TlsError::NoRoots(_) => no_roots,
    ];
    let clients = every![ClientFileError:
        ClientFileError::NotAClient(_) => ClientFileError::NotAClient("line 1".into()),
        ClientFileError::WebClient => ClientFileError::WebClient,
        ClientFileError::ServiceAccount => ClientFileError::ServiceAccount,
    ];
    let setup = reqwest::Proxy::all("https://[").unwrap_err();
    let kinds = every![SettingsError:
        SettingsError::Config(_) => SettingsError::Config(config_errors().remove(0)),
        SettingsError::Tls(_) => SettingsError::Tls(bad_ca()),
        SettingsError::ClientFile { .. } => client(ClientFileError::WebClient),
        SettingsError::Unreadable { .. } =>
            SettingsError::Unreadable { path: file(), error: denied() },
        SettingsError::Setup(_) => SettingsError::Setup(SetupError(setup)),
    ];
    let mut errors: Vec<_> = config_errors().into_iter().map(SettingsError::Config).collect();
    errors.extend(tls.into_iter().map(SettingsError::Tls));
    errors.extend(clients.into_iter().map(client));
    errors.extend(kinds.into_iter().skip(3));
    errors
}

fn damaged() -> StoreError {
    let path = "accounts/you@gmail.com.json".into();
    StoreError::Damaged { path, reason: "the record is not well-formed: line 1".into() }
}

pub(super) fn store_errors() -> Vec<StoreError> {
    let path = || PathBuf::from("accounts/you@gmail.com.json");
    let [expected, found] =
        ["you@gmail.com", "other@gmail.com"].map(|a| Address::parse(a).unwrap());
    let mut errors = every![StoreError:
        StoreError::Damaged { .. } => damaged(),
        StoreError::NewerFormat { .. } => StoreError::NewerFormat { path: path(), format: 2 },
        StoreError::WrongAccount { .. } => StoreError::WrongAccount { expected, found },
        StoreError::Io { .. } =>
            StoreError::Io { action: "written", path: path(), source: denied() },
        StoreError::Record(_) => StoreError::Record(RecordError::CannotSeal),
    ];
    let source = std::io::Error::new(std::io::ErrorKind::StorageFull, "no space left on device");
    errors.push(StoreError::Io { action: "written", path: path(), source });
    let source = std::io::ErrorKind::NotFound.into();
    errors.push(StoreError::Io { action: "read", path: path(), source });
    errors
}

fn record_errors() -> Vec<RecordError> {
    every![RecordError:
        RecordError::UnknownFormat { .. } => RecordError::UnknownFormat { found: 2 },
        RecordError::Malformed { .. } => RecordError::Malformed { reason: "line 1".into() },
        RecordError::BrokenSeal => RecordError::BrokenSeal,
        RecordError::WrongKey => RecordError::WrongKey,
        RecordError::Unfit { .. } =>
            RecordError::Unfit { what: "refresh token", problem: "is too long" },
        RecordError::NoRandomness(_) => RecordError::NoRandomness(NoRandomness),
        RecordError::CannotSeal => RecordError::CannotSeal,
    ]
}

fn key_file_errors() -> Vec<KeyFileError> {
    let path = || PathBuf::from("gatepost.key");
    let rights = every![RightsError:
        RightsError::TooOpen { .. } => RightsError::TooOpen { path: path(), mode: 0o644 },
        RightsError::Io { .. } => RightsError::Io { path: path(), source: denied() },
    ];
    let mut errors = every![KeyFileError:
        KeyFileError::Missing { .. } => KeyFileError::Missing { path: path() },
        KeyFileError::NotAFile { .. } => KeyFileError::NotAFile { path: path() },
        KeyFileError::TooShort { .. } => KeyFileError::TooShort { path: path(), found: 5 },
        KeyFileError::TooLong { .. } => KeyFileError::TooLong { path: path() },
        KeyFileError::AlreadyExists { .. } => KeyFileError::AlreadyExists { path: path() },
        KeyFileError::Io { .. } => KeyFileError::Io { path: path(), source: denied() },
        KeyFileError::NoRandomness(_) => KeyFileError::NoRandomness(NoRandomness),
        KeyFileError::Rights(_) =>
            KeyFileError::Rights(RightsError::TooOpen { path: path(), mode: 0o644 }),
    ];
    errors.pop();
    errors.extend(rights.into_iter().map(KeyFileError::Rights));
    errors
}

fn keychain_errors() -> Vec<KeychainError> {
    let reason = || "what the system says".to_owned();
    every![KeychainError:
        KeychainError::Absent { .. } => KeychainError::Absent { reason: reason() },
        KeychainError::Locked { .. } => KeychainError::Locked { reason: reason() },
        KeychainError::Foreign { .. } => KeychainError::Foreign { name: "you@gmail.com 0f".into() },
        KeychainError::Failed { .. } => KeychainError::Failed { reason: reason() },
        KeychainError::NoRandomness(_) => KeychainError::NoRandomness(NoRandomness),
    ]
}

/// One that is made of another error is that one's words.
fn serve_errors() -> Vec<ServeError> {
    every![ServeError:
        ServeError::Settings(_) => ServeError::Settings(settings_errors().remove(0)),
        ServeError::Store(_) => ServeError::Store(damaged()),
        ServeError::Listen(_) => ServeError::Listen(listen_errors().remove(0)),
        ServeError::Certificate(_) => ServeError::Certificate(certificate_errors().remove(0)),
    ]
}

fn certificate_errors() -> Vec<CertificateError> {
    let file = || PathBuf::from("certificates/local.pem");
    let reason = || "what is wrong".to_owned();
    let open = RightsError::TooOpen { path: file(), mode: 0o644 };
    every![CertificateError:
        CertificateError::Damaged { .. } =>
            CertificateError::Damaged { file: file(), reason: reason() },
        CertificateError::Rights(_) => CertificateError::Rights(open),
        CertificateError::Own { .. } =>
            CertificateError::Own { file: "mail.pem".into(), reason: reason() },
        CertificateError::NotMade(_) => CertificateError::NotMade(reason()),
        CertificateError::Io { .. } => CertificateError::Io { file: file(), source: denied() },
    ]
}

fn listen_errors() -> Vec<ListenError> {
    let service = "imap";
    every![ListenError:
        ListenError::Taken { .. } =>
            ListenError::Taken { port: 10143, service, config: "config.toml".into() },
        ListenError::Ours { .. } =>
            ListenError::Ours { port: 10143, endpoint: "0.0.0.0:10143".into(), service },
        ListenError::Other { .. } =>
            ListenError::Other { endpoint: "localhost:143".into(), service, error: denied() },
    ]
}

fn running_errors() -> Vec<AlreadyRunning> {
    every![AlreadyRunning:
        AlreadyRunning::Other { pid: Some(_) } => AlreadyRunning::Other { pid: Some(123) },
        AlreadyRunning::Other { pid: None } => AlreadyRunning::Other { pid: None },
        AlreadyRunning::Io { .. } =>
            AlreadyRunning::Io { path: "gatepost.lock".into(), error: denied() },
    ]
}

fn control_errors() -> Vec<ControlError> {
    every![ControlError:
        ControlError::NotRunning => ControlError::NotRunning,
        ControlError::Silent { .. } => ControlError::Silent { pid: 123, error: denied() },
        ControlError::StillThere { .. } => ControlError::StillThere { pid: 123 },
    ]
}

fn no_links() -> Vec<NoLink> {
    every![NoLink:
        NoLink::Off => NoLink::Off,
        NoLink::PortTaken => NoLink::PortTaken,
        NoLink::NoRandomness => NoLink::NoRandomness,
    ]
}

fn begun_not() -> Vec<NotBegun> {
    every![NotBegun:
        NotBegun::SignIn(_) => NotBegun::SignIn(SignInError::NoClient),
        NotBegun::NoRandomness => NotBegun::NoRandomness,
        NotBegun::TooSlow => NotBegun::TooSlow,
        NotBegun::TooMany => NotBegun::TooMany,
    ]
}

pub(super) fn address_errors() -> Vec<AddressError> {
    every![AddressError:
        AddressError::Empty => AddressError::Empty,
        AddressError::NotOneAt => AddressError::NotOneAt,
        AddressError::NoLocalPart => AddressError::NoLocalPart,
        AddressError::NoDomain => AddressError::NoDomain,
        AddressError::BadCharacter => AddressError::BadCharacter,
        AddressError::TooLong => AddressError::TooLong,
    ]
}

pub(super) fn password_errors() -> Vec<PasswordError> {
    every![PasswordError:
        PasswordError::Empty => PasswordError::Empty,
        PasswordError::Unsendable => PasswordError::Unsendable,
        PasswordError::TooLong => PasswordError::TooLong,
    ]
}
