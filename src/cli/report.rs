//! From an error to one sentence, one remedy and an exit code.

use std::io::Write;
use std::process::ExitCode;

use crate::accounts::{KeyFileError, StoreError};
use crate::control::{AlreadyRunning, ChannelError, ControlError};
use crate::proxy::{ListenError, ServeError};
use crate::settings::SettingsError;
use crate::tls::TlsError;

/// What a command that did not do its work says.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) sentence: String,
    pub(super) remedy: String,
    pub(super) exit: Exit,
}

/// The exit codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        let mut sentence = sentence.into();
        // An error that ends in a question keeps its mark.
        if sentence.ends_with("?.") {
            sentence.pop();
        }
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
        say(&format!("gatepost: {}", self.sentence));
        say(&format!("  → {}", self.remedy));
        self.exit.into()
    }
}

/// A line for the person, on stderr.
pub(super) fn say(line: &str) {
    // Nobody can be told that stderr is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A line of the command's result, on stdout.
pub(super) fn put(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let remedy = match &error {
            SettingsError::Config(_) => {
                "Mend the configuration; config/gatepost.toml has every key with its default."
            }
            SettingsError::Tls(TlsError::BadCaFile { .. }) => {
                "Name a file of certificates in PEM form in `ca_file`, or leave `ca_file` out."
            }
            SettingsError::Tls(TlsError::NoRoots(_)) => {
                "Install the system's certificates (Debian: apt install ca-certificates), or mend `ca_file`."
            }
            SettingsError::ClientFile { .. } => {
                "Download the JSON file of a client of the type “Desktop app” (docs/google-client.md) and run `gatepost login` with --client FILE."
            }
            SettingsError::Unreadable { .. } => {
                "Make the file readable for the user that runs Gatepost."
            }
            SettingsError::Setup(_) => {
                "Check the proxy settings in the environment (HTTPS_PROXY and its like)."
            }
        };
        Self::usage(format!("{error}."), remedy)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::failed(format!("{error}."), "Nothing was changed.")
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        Self::usage(
            format!("{error}."),
            "Mend the file, or take `key_file` out of the configuration.",
        )
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Settings(error) => error.into(),
            ServeError::Store(error) => error.into(),
            ServeError::Listen(error) => {
                let remedy = match &error {
                    ListenError::Taken { .. } => {
                        "`ss -ltnp` (Linux) or `netstat -abno` (Windows) tells which program it is."
                    }
                    ListenError::Other { .. } => {
                        "Set another address under [listen] in the configuration."
                    }
                };
                Self::failed(format!("{error}."), remedy)
            }
        }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let remedy = match &error {
            ControlError::NotRunning => "Start it with `gatepost run`.",
            ControlError::Silent { .. } | ControlError::StillThere { .. } => {
                "Wait a little and try again; if it stays so, end the process."
            }
        };
        Self::failed(error.to_string(), remedy)
    }
}

impl From<AlreadyRunning> for Failure {
    fn from(error: AlreadyRunning) -> Self {
        let remedy = match &error {
            AlreadyRunning::Other { .. } => {
                "Nothing to do; `gatepost status` shows it, `gatepost stop` ends it."
            }
            AlreadyRunning::Io { .. } => {
                "Make the folder writable for the user that runs Gatepost."
            }
        };
        Self::failed(format!("{error}."), remedy)
    }
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        Self::failed(
            format!("{error}."),
            "Make the home folder writable, and see whether loopback is up.",
        )
    }
}
