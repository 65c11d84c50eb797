//! What a person is told of the start at log-in.

use std::fmt;
use std::path::Path;

/// What happened, or how it is.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "not every system has each of them")]
pub(in crate::cli) enum Told<'t> {
    /// It was set up.
    Installed,
    /// It was set up, while one that somebody started serves.
    InstalledBeside { process: u32 },
    /// Another program or home was started before.
    Replaced { command: &'t str },
    /// It was taken away.
    Removed,
    /// There was none.
    NothingThere,
    /// How it is.
    State { enabled: bool, running: bool },
    /// Where the log is: systemd's.
    Journal,
    /// Where the log is: a file.
    LogFile { file: &'t Path },
    /// Whether it needs the person to be logged in.
    Linger { on: bool },
    /// Windows shows a console to every program for consoles.
    Flash,
    /// The service of a server was set up.
    ServerInstalled,
    /// It was, while another process serves its home.
    ServerBeside { process: u32 },
    /// How it is.
    ServerState { enabled: bool, running: bool },
    /// How to sign in for it.
    ServerSignIn { home: &'t Path },
    /// Whose keychain it can't open.
    ServerKeychain { config: &'t Path },
    /// Who else can read its home is not Gatepost's doing.
    ServerFolder { home: &'t Path },
    /// It was taken away, and its home was not.
    ServerRemoved { home: &'t str },
    /// There was none.
    ServerNothingThere,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => {
                f.write_str("Gatepost starts by itself when you log in, and serves now.")
            }
            Self::InstalledBeside { process } => write!(
                f,
                "Gatepost starts by itself when you log in; until then, the one that runs already (process {process}) serves."
            ),
            Self::Replaced { command } => write!(f, "Before, this was started: {command}"),
            Self::Removed => f.write_str("Gatepost starts by itself no more, and has stopped."),
            Self::NothingThere => {
                f.write_str("Gatepost does not start by itself; nothing was to be done.")
            }
            Self::State { enabled, running } => {
                let starts = match enabled {
                    true => "Gatepost starts by itself when you log in",
                    false => "Gatepost is entered to start by itself, but switched off",
                };
                let serves = if *running { "and serves now" } else { "and does not run now" };
                write!(f, "{starts}, {serves}.")
            }
            Self::Journal => f.write_str("What it logs: `journalctl --user -u gatepost`."),
            Self::LogFile { file } => write!(f, "What it logs: {}", file.display()),
            Self::Linger { on: false } => f.write_str(
                "It runs while you are logged in; `loginctl enable-linger` has systemd run your services without that, from the start of the computer on.",
            ),
            Self::Linger { on: true } => f.write_str(
                "It runs whether you are logged in or not: you linger (`loginctl disable-linger` ends that).",
            ),
            Self::Flash => {
                f.write_str("Windows shows a console window for a moment when it starts.")
            }
            Self::ServerInstalled => f.write_str(
                "Gatepost is the service “gatepost” of this computer: it starts with it, and serves now.",
            ),
            Self::ServerBeside { process } => write!(
                f,
                "Gatepost is the service “gatepost” of this computer and starts with it; until then, the one that runs already (process {process}) serves."
            ),
            Self::ServerState { enabled, running } => {
                let starts = match enabled {
                    true => "Gatepost starts with this computer",
                    false => "Gatepost is a service of this computer, but does not start with it",
                };
                let serves = if *running { "and serves now" } else { "and does not run now" };
                write!(f, "{starts}, {serves}.")
            }
            Self::ServerSignIn { home } => write!(
                f,
                "To sign in, as administrator: gatepost --home \"{}\" login you@gmail.com --client FILE --no-browser (the service takes it up at once)",
                home.display()
            ),
            Self::ServerKeychain { config } => write!(
                f,
                "The service can't open your keychain: before you sign in, write `key_file = \"gatepost.key\"` under [secrets] in {}, and afterwards `net stop gatepost` and `net start gatepost`; without that file each account waits after a start for its first mail program.",
                config.display()
            ),
            Self::ServerFolder { home } => write!(
                f,
                "The service may now read and write {}, which was there already; see to it that no other users may.",
                home.display()
            ),
            Self::ServerRemoved { home } => write!(
                f,
                "The service “gatepost” has stopped and is gone; what it kept stays in {home}, which `service install --system --home` takes up again."
            ),
            Self::ServerNothingThere => {
                f.write_str("There is no service “gatepost” on this computer; nothing was to be done.")
            }
        }
    }
}
