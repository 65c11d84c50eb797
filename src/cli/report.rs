//! From an error to one sentence, one remedy and an exit code.

use std::io::Write;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::port_owner;
use super::terminal::Look;
use crate::accounts::{KeyFileError, StoreError};
use crate::autoconfig::AutoconfigError;
use crate::certificate::CertificateError;
use crate::control::{AlreadyRunning, ChannelError, ControlError};
use crate::private_file;
use crate::proxy::{ListenError, ServeError};
use crate::sentence;
use crate::settings::SettingsError;
use crate::status::NoLink;
use crate::tls::TlsError;

/// What a command that did not do its work says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) sentence: String,
    pub(super) remedy: String,
    pub(super) exit: Exit,
}

/// The exit codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Exit {
    Failed = 1,
    Usage = 2,
    NeedsSignIn = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Failure {
    pub(super) fn failed(sentence: impl Into<String>, remedy: impl Into<String>) -> Self {
        let sentence = sentence::plain(&sentence.into());
        Self { sentence, remedy: remedy.into(), exit: Exit::Failed }
    }

    pub(super) fn usage(sentence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::failed(sentence, remedy) }
    }

    /// The same for a script.
    pub(super) fn event(&self) -> serde_json::Value {
        serde_json::json!({"event": "failed", "reason": self.sentence, "remedy": self.remedy})
    }

    /// Says it on stderr; gives the exit code.
    pub(super) fn tell(&self) -> ExitCode {
        let look = Look::of_stderr();
        say(&format!("{} {}", look.alarm("gatepost:"), self.sentence));
        say(&format!("  {} {}", look.arrow(), self.remedy));
        self.exit.into()
    }
}

/// A line for the person, on stderr.
pub(super) fn say(line: &str) {
    // Colour reaches an old Windows console in that console's own way. Nobody can be told that stderr is
    // closed.
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// A line of the command's result, on stdout.
pub(super) fn put(line: &str) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let remedy = match &error {
            SettingsError::Config(error) => error.remedy,
            SettingsError::Tls(TlsError::BadCaFile { .. }) => {
                "Name a file of certificates in PEM form as `ca_file` in the configuration."
            }
            SettingsError::Tls(TlsError::NoRoots(_)) => {
                "Install the system's certificates (on Debian: apt install ca-certificates)."
            }
            SettingsError::ClientFile { .. } => {
                "Download the JSON file of a client of the type “Desktop app” (docs/google-client.md) and run `gatepost login` with --client FILE."
            }
            SettingsError::Unreadable { error, .. } => private_file::remedy(error),
            SettingsError::Setup(_) => {
                "Mend the proxy settings in the environment (HTTPS_PROXY and its like)."
            }
        };
        Self::usage(sentence::of(error), remedy)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let remedy = error.remedy();
        Self::failed(sentence::of(error), remedy)
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        let remedy = error.remedy();
        Self::usage(sentence::of(error), remedy)
    }
}

impl From<CertificateError> for Failure {
    fn from(error: CertificateError) -> Self {
        let remedy = error.remedy();
        Self::failed(sentence::of(error), remedy)
    }
}

impl From<AutoconfigError> for Failure {
    fn from(error: AutoconfigError) -> Self {
        let by_file = "Leave --for out, and enter the settings in the mail program yourself.";
        let sentence = error.to_string();
        match &error {
            AutoconfigError::NothingIsServed => Self::usage(sentence, error.remedy()),
            AutoconfigError::PortsUnknown => Self::failed(sentence, error.remedy()),
            AutoconfigError::ServerOff { .. } => Self::usage(sentence, by_file),
            AutoconfigError::AddressUnfit { .. } => Self::failed(sentence, by_file),
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Settings(error) => error.into(),
            ServeError::Store(error) => error.into(),
            ServeError::Certificate(error) => error.into(),
            ServeError::Listen(error) => of_listening(&error, port_owner::owner_of),
        }
    }
}

/// `owner_of` gives the program that holds a port.
pub(super) fn of_listening(error: &ListenError, owner_of: fn(u16) -> Option<String>) -> Failure {
    match error {
        ListenError::Taken { port, service, config } => {
            let owner = owner_of(*port).unwrap_or_else(|| "another program".to_owned());
            Failure::failed(
                format!("Port {port} ({service}) is taken by {owner}."),
                format!("Set `{service}` under [listen] in {config} to another port."),
            )
        }
        ListenError::Ours { .. } => {
            Failure::failed(sentence::of(error), "Run `gatepost stop`, and start it again.")
        }
        ListenError::Other { service, .. } => Failure::failed(
            sentence::of(error),
            format!("Set `{service}` under [listen] in the configuration to another address."),
        ),
    }
}

impl From<NoLink> for Failure {
    fn from(why: NoLink) -> Self {
        Self::failed(sentence::of(why), why.remedy())
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let remedy = match &error {
            ControlError::NotRunning => "Start it with `gatepost run`.",
            ControlError::Silent { .. } | ControlError::StillThere { .. } => {
                "Try again in a minute; if it stays so, end that process."
            }
        };
        Self::failed(error.to_string(), remedy)
    }
}

impl From<AlreadyRunning> for Failure {
    fn from(error: AlreadyRunning) -> Self {
        let remedy = match &error {
            AlreadyRunning::Other { .. } => "Use that one; `gatepost stop` ends it.",
            AlreadyRunning::Io { error, .. } => private_file::remedy(error),
        };
        Self::failed(sentence::of(error), remedy)
    }
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        Self::failed(
            sentence::of(error),
            "Make Gatepost's folder writable for the user that runs it.",
        )
    }
}
