//! What the commands themselves find wrong, beside what the rooms below them do: one sentence, one
//! remedy, and the exit code of each.

use std::io;
use std::path::Path;

use super::report::{Exit, Failure};
use crate::accounts::{AddressError, NoRandomness, PasswordError, RecordError};
use crate::config::{ClientFileError, HomeError};
use crate::private_file;

/// What is wrong.
#[derive(Debug)]
pub(super) enum Mistake<'m> {
    /// No place is known for Gatepost's files.
    NoHome(HomeError),
    /// The runtime can't be made.
    CantStart(&'m io::Error),
    /// A folder of Gatepost's.
    FolderUnwritable { folder: &'m Path, error: &'m io::Error },
    /// `GATEPOST_LOG`.
    NoLevel { variable: &'m str, typed: &'m str },
    /// `run --background`: neither that it serves nor why not.
    SilentStart,
    /// `run`, and the demo.
    SignalsUnheard(&'m io::Error),

    /// An ADDRESS that is none.
    NoAddress { typed: &'m str, why: AddressError },
    /// An ADDRESS of no account.
    NoAccount { typed: &'m str },

    /// `login --client`.
    ClientUnreadable { file: &'m Path, error: &'m io::Error },
    /// `login --client`.
    ClientUnfit { file: &'m Path, why: &'m ClientFileError },
    /// `login --client`.
    ClientNotKept { file: &'m Path, error: &'m io::Error },
    /// `login --password-stdin` for an account that has a password.
    OtherPassword { address: &'m str },

    /// `setup`, where nobody can be asked.
    AddressUnasked,
    /// The same.
    ProgramUnasked,
    /// The same.
    ClientUnasked,
    /// `setup` on a terminal that is of no use.
    TerminalUnfit(&'m str),
    /// `setup`: Google has something against the client. `why` is a whole sentence.
    ClientRefused { why: &'m str },

    /// `password` without `--new`.
    PasswordIsNotKept { address: &'m str },
    /// A random password.
    PasswordNotMade(NoRandomness),
    /// A password of the person's own.
    PasswordUnfit(PasswordError),
    /// One that stands on the input, or is typed.
    PasswordUnreadable(&'m io::Error),
    /// The old password is wanted, and nobody can type it.
    OldPasswordUnasked { address: &'m str },
    /// The old password is wanted on the input.
    OldPasswordMissing { address: &'m str },
    /// The old password is another one.
    OldPasswordWrong { address: &'m str },

    /// `logout` wants the password, and nobody can type it.
    GrantLocked,
    /// `logout`: the password is another one.
    GrantPasswordWrong,
    /// `logout`: the record is damaged.
    GrantUnopened(&'m RecordError),
    /// `logout`: Google did not end it. `why` is a whole sentence.
    GrantNotEnded { why: &'m str },

    /// `service status`.
    NoService,
    /// `service`: this system is another.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "a word of Linux"))]
    NoSystemd,
    /// `service`: nobody is there to ask.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "a word of Linux"))]
    NoUserManager { why: &'m str },
    /// `service`: the system's own start at log-in said no.
    ServiceRefused { by: &'m str, why: &'m str },
    /// `service`: the file that the start at log-in stands in.
    #[cfg_attr(windows, allow(dead_code, reason = "it stands in the registry"))]
    UnitUnwritable { file: &'m Path, error: &'m io::Error },
    /// `service install`: more than Windows heeds.
    #[cfg_attr(not(windows), allow(dead_code, reason = "a word of Windows"))]
    LineTooLong { length: usize, longest: usize },
    /// `service install`: it is set up, and does not serve.
    #[cfg_attr(windows, allow(dead_code, reason = "what is wrong is known there"))]
    ServiceNotStarted,
    /// `service install`: a path that no such file can hold.
    PathUnfit { path: &'m Path },
    /// `service --system` where that is no matter of Gatepost's.
    #[cfg_attr(windows, allow(dead_code, reason = "a word of the others"))]
    NoSystemService,
    /// `service status --system`.
    #[cfg_attr(not(windows), allow(dead_code, reason = "a word of Windows"))]
    NoServer,
    /// `service --system` by somebody who may not.
    #[cfg_attr(not(windows), allow(dead_code, reason = "a word of Windows"))]
    NoAdministrator,
    /// `service install --system`: the folder is not Gatepost's own beyond doubt.
    #[cfg_attr(not(windows), allow(dead_code, reason = "a word of Windows"))]
    FolderOfOthers { folder: &'m Path },
    /// `service install --system`: it is set up, and does not serve.
    #[cfg_attr(not(windows), allow(dead_code, reason = "a word of Windows"))]
    ServerNotStarted { why: &'m str, log: &'m Path },
    /// What Windows' service manager starts, typed.
    #[cfg_attr(not(windows), allow(dead_code, reason = "a word of Windows"))]
    NotAService,

    /// `stop`.
    NothingToStop,
    /// `reload`: what was wrong, as the running proxy tells it.
    NotReloaded { why: &'m str },
    /// The running proxy is of another version.
    StrangeAnswer,

    /// `--out`.
    OutIsThere { file: &'m Path },
    /// `--out`.
    OutUnwritable { file: &'m Path, error: &'m io::Error },
    /// `setup --for … --out`, for a program that no file sets up.
    NoSuchFile,
    /// A flag that belongs to another use of the command.
    OnlyFor { flag: &'m str, command: &'m str },
    /// `certificate`: the configuration names one of the person's own.
    CertificateIsYours { file: &'m Path },
    /// `certificate` as root, in another person's place.
    BySudo,
    /// `certificate show`: there is none.
    NoCertificate,
    /// `certificate trust`: not by every store. What each says was told before.
    NotTrusted,
    /// Standard output.
    OutputUnwritable(&'m io::Error),
}

impl Mistake<'_> {
    fn sentence(&self) -> String {
        match self {
            Self::NoHome(_) => "This system does not say where your files lie.".into(),
            Self::CantStart(error) => format!("The program can't start ({error})."),
            Self::FolderUnwritable { folder: path, error }
            | Self::UnitUnwritable { file: path, error }
            | Self::OutUnwritable { file: path, error } => {
                format!("{} can't be written ({error}).", path.display())
            }
            Self::NoLevel { variable, typed } => {
                format!("{variable} is “{typed}”, which is no level of the log.")
            }
            Self::SilentStart => "Gatepost did not start, and did not say why.".into(),
            Self::SignalsUnheard(error) => format!("Gatepost can't wait for Ctrl-C ({error})."),
            Self::NoAddress { typed, why } => format!("“{typed}” is no address: {why}."),
            Self::NoAccount { typed } => format!("There is no account {typed}."),
            Self::ClientUnreadable { file, error } => {
                format!("{} can't be read ({error}).", file.display())
            }
            Self::ClientUnfit { file, why } => format!("{}: {why}.", file.display()),
            Self::ClientNotKept { file, error } => {
                format!("You are signed in, but {} can't be written ({error}).", file.display())
            }
            Self::OtherPassword { address } => {
                format!("{address} has another local password, which signing in again keeps.")
            }
            Self::AddressUnasked => {
                "There is no terminal to ask on, and no address was given.".into()
            }
            Self::ProgramUnasked => {
                "There is no terminal to ask on, and no mail program was named.".into()
            }
            Self::ClientUnasked => {
                "There is no terminal to ask on, and there is no Google client yet.".into()
            }
            Self::TerminalUnfit(why) => format!("Nothing can be asked on this terminal ({why})."),
            Self::ClientRefused { why } => (*why).to_owned(),
            Self::PasswordIsNotKept { .. } => {
                "The local password can't be shown: it is stored nowhere.".into()
            }
            Self::PasswordNotMade(error) => format!("No password can be made: {error}."),
            Self::PasswordUnfit(why) => format!("The password can't be used: {why}."),
            Self::PasswordUnreadable(error) => format!("The password can't be read ({error})."),
            Self::OldPasswordUnasked { address } => format!(
                "No key file and no keychain opens {address}, and there is no terminal to ask for the old password."
            ),
            Self::OldPasswordMissing { address } => format!(
                "No key file and no keychain opens {address}, and the input has no second line."
            ),
            Self::OldPasswordWrong { address } => {
                format!("This is not the old local password of {address}.")
            }
            Self::GrantLocked => {
                "The local password is needed to end the grant, and there is no terminal to ask for it.".into()
            }
            Self::GrantPasswordWrong => "This is not the local password of the account.".into(),
            Self::GrantUnopened(error) => format!("The grant can't be opened: {error}."),
            Self::GrantNotEnded { why } => format!("The grant could not be ended: {why}"),
            Self::NoService => "Gatepost does not start by itself.".into(),
            Self::NoSystemd => "There is no systemd here to start Gatepost when you log in.".into(),
            Self::NoUserManager { why } => format!("Your systemd can't be reached ({why})."),
            Self::ServiceRefused { by, why } => format!("{by} did not do it ({why})."),
            Self::LineTooLong { length, longest } => format!(
                "The paths of Gatepost are too long for Windows' start at log-in: {length} characters, and {longest} are allowed."
            ),
            Self::ServiceNotStarted => {
                "Gatepost is set up to start when you log in, but it does not serve now.".into()
            }
            Self::PathUnfit { path } => format!(
                "{} has characters that a start at log-in can't hold.",
                path.display().to_string().replace(char::is_control, "?")
            ),
            Self::NoSystemService if cfg!(target_os = "macos") => {
                "Gatepost can't be a service of the whole computer on macOS.".into()
            }
            Self::NoSystemService => {
                "The service of the whole computer comes with Gatepost's package, as a unit of systemd.".into()
            }
            Self::NoServer => "There is no service “gatepost” on this computer.".into(),
            Self::NoAdministrator => {
                "Windows lets only an administrator change the services of the computer.".into()
            }
            Self::FolderOfOthers { folder } => format!(
                "{} was there before the service, and others may have rights to it.",
                folder.display()
            ),
            Self::ServerNotStarted { why, .. } => {
                format!("The service is set up, but it does not serve now ({why}).")
            }
            Self::NotAService => "Only Windows itself can start Gatepost as a service.".into(),
            Self::NothingToStop => "Gatepost is not running here.".into(),
            Self::NotReloaded { why } => format!("{why}."),
            Self::StrangeAnswer => {
                "The running Gatepost gave an answer that this version does not know.".into()
            }
            Self::OutIsThere { file } => {
                format!("{} is there already, and nothing is overwritten.", file.display())
            }
            Self::NoSuchFile => "There is no file that sets this mail program up.".into(),
            Self::OnlyFor { flag, command } => format!("{flag} is for `gatepost {command}`."),
            Self::CertificateIsYours { file } => format!(
                "Mail programs are shown your own certificate in {}, which Gatepost leaves alone.",
                file.display()
            ),
            Self::BySudo => "By sudo, this would be root's certificate and not yours.".into(),
            Self::NoCertificate => "There is no local certificate: nothing has needed one yet.".into(),
            Self::NotTrusted => {
                "The certificate is not trusted everywhere, so STARTTLS is not offered.".into()
            }
            Self::OutputUnwritable(error) => {
                format!("The standard output can't be written ({error}).")
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoHome(_) => "Name a folder with --home.".into(),
            Self::CantStart(_) | Self::SignalsUnheard(_) => {
                "End a program that you don't need, and try again.".into()
            }
            Self::SilentStart => "Try `gatepost run`, which shows what happens.".into(),
            Self::FolderUnwritable { error, .. } => private_file::remedy(error).into(),
            Self::NoLevel { variable, .. } => {
                format!("Set {variable} to off, error, warn, info, debug or trace.")
            }
            Self::NoAddress { .. } => "Write the whole address, like you@gmail.com.".into(),
            Self::NoAccount { .. } => "See with `gatepost status` which accounts there are.".into(),
            Self::ClientUnreadable { .. } => {
                "Name the JSON file that Google's console lets you download.".into()
            }
            Self::ClientUnfit { .. } => {
                "Download the JSON file of a client of the type “Desktop app” (docs/google-client.md, “The client”).".into()
            }
            Self::ClientNotKept { .. } => {
                "Make the folder writable and sign in again, since tokens can't be renewed without that file.".into()
            }
            Self::OtherPassword { .. } => "Add --new-password to replace it.".into(),
            Self::AddressUnasked => "Name it, as in `gatepost setup you@gmail.com`.".into(),
            Self::ProgramUnasked => "Name it with --for, as in `--for outlook`.".into(),
            Self::ClientUnasked => {
                "Name its JSON file with --client FILE (docs/google-client.md tells how to get one).".into()
            }
            Self::TerminalUnfit(_) => {
                "Give the answers as options, which `gatepost setup --help` names.".into()
            }
            Self::ClientRefused { .. } => {
                "Take another file, or wait some minutes if this client is new.".into()
            }
            Self::PasswordIsNotKept { address } => {
                format!("Make a new one with `gatepost password {address} --new`.")
            }
            Self::PasswordNotMade(_) => "Try again.".into(),
            Self::PasswordUnfit(_) => "Choose another one.".into(),
            Self::PasswordUnreadable(_) => {
                "Write it to the input in one line, as UTF-8.".into()
            }
            Self::OldPasswordUnasked { address } => {
                format!("Run it on a terminal; {}", lost(address))
            }
            Self::OldPasswordMissing { address } => {
                format!("Write the old password there; {}", lost(address))
            }
            Self::OldPasswordWrong { address } => format!("Try again; {}", lost(address)),
            Self::GrantLocked => {
                "Add --password-stdin and write the local password to the input.".into()
            }
            Self::GrantPasswordWrong => {
                format!("Try again; if the password is lost, {KEEP_GRANT}.")
            }
            Self::GrantUnopened(_) => "Add --keep-grant, which forgets the account here without asking Google.".into(),
            Self::GrantNotEnded { .. } => format!("Try again later; at once, {KEEP_GRANT}."),
            Self::NoService => "Let it with `gatepost service install`.".into(),
            Self::NoSystemd => {
                "Have whatever starts your programs run `gatepost run --background`.".into()
            }
            Self::NoUserManager { .. } => {
                "Log in as yourself, on the screen or by SSH and not by `su` or `sudo`, and try again.".into()
            }
            Self::ServiceRefused { .. } => {
                "Mend that and try again; until then all is as it was.".into()
            }
            Self::UnitUnwritable { error, .. } => private_file::remedy(error).into(),
            Self::LineTooLong { .. } => "Move Gatepost to a folder with a shorter path.".into(),
            Self::ServiceNotStarted => {
                "Run `gatepost run` yourself once, which says what is wrong.".into()
            }
            Self::PathUnfit { .. } => "Move it to a path of ordinary characters.".into(),
            Self::NoSystemService if cfg!(target_os = "macos") => {
                "Leave --system out: it then starts when you log in.".into()
            }
            Self::NoSystemService => {
                "Install the package, and run `sudo systemctl enable --now gatepost`.".into()
            }
            Self::NoServer => "Set it up with `gatepost service install --system`.".into(),
            Self::NoAdministrator => {
                "Open a terminal with “Run as administrator”, and try again there.".into()
            }
            Self::FolderOfOthers { folder } => format!(
                "If it is an earlier service's, add --home \"{}\"; else move it away.",
                folder.display()
            ),
            Self::ServerNotStarted { log, .. } => format!(
                "Look into {}; where that says nothing, let LocalService read gatepost.exe, as it may in C:\\Program Files.",
                log.display()
            ),
            Self::NotAService => "Type `gatepost run`.".into(),
            Self::NothingToStop => "Nothing to do.".into(),
            Self::NotReloaded { .. } => {
                "Mend that and reload again; until then all stays as it was.".into()
            }
            Self::StrangeAnswer => {
                "Stop it with the version that started it, and start this one.".into()
            }
            Self::OutIsThere { .. } => "Name another file with --out.".into(),
            Self::OutUnwritable { .. } => {
                "Name a file in a folder that is there and that you may write to.".into()
            }
            Self::OnlyFor { .. } => "Leave it out.".into(),
            Self::CertificateIsYours { .. } => {
                "See to it that mail programs trust it; take `file` out of [certificate] to have Gatepost's.".into()
            }
            Self::BySudo => "Run it without sudo, which it asks for itself where it must.".into(),
            Self::NoCertificate => "Make one with `gatepost certificate trust`.".into(),
            Self::NotTrusted => "Do what stands above, and run `gatepost certificate trust` again.".into(),
            Self::NoSuchFile => "Leave --out out, and enter the settings yourself.".into(),
            Self::OutputUnwritable(_) => "Name a file with --out.".into(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NoHome(_)
            | Self::NoLevel { .. }
            | Self::NoAddress { .. }
            | Self::NoAccount { .. }
            | Self::ClientUnreadable { .. }
            | Self::ClientUnfit { .. }
            | Self::OtherPassword { .. }
            | Self::AddressUnasked
            | Self::ProgramUnasked
            | Self::ClientUnasked
            | Self::ClientRefused { .. }
            | Self::PasswordIsNotKept { .. }
            | Self::PasswordUnfit(_)
            | Self::PasswordUnreadable(_)
            | Self::OldPasswordUnasked { .. }
            | Self::OldPasswordMissing { .. }
            | Self::GrantLocked
            | Self::NotReloaded { .. }
            | Self::OutIsThere { .. }
            | Self::OnlyFor { .. }
            | Self::CertificateIsYours { .. }
            | Self::BySudo
            | Self::PathUnfit { .. }
            | Self::NoSystemService
            | Self::NotAService
            | Self::NoSuchFile => Exit::Usage,
            Self::CantStart(_)
            | Self::FolderUnwritable { .. }
            | Self::SilentStart
            | Self::SignalsUnheard(_)
            | Self::TerminalUnfit(_)
            | Self::ClientNotKept { .. }
            | Self::PasswordNotMade(_)
            | Self::OldPasswordWrong { .. }
            | Self::GrantPasswordWrong
            | Self::GrantUnopened(_)
            | Self::GrantNotEnded { .. }
            | Self::NoService
            | Self::NoSystemd
            | Self::NoUserManager { .. }
            | Self::ServiceRefused { .. }
            | Self::LineTooLong { .. }
            | Self::UnitUnwritable { .. }
            | Self::ServiceNotStarted
            | Self::NoServer
            | Self::NoAdministrator
            | Self::FolderOfOthers { .. }
            | Self::ServerNotStarted { .. }
            | Self::NothingToStop
            | Self::StrangeAnswer
            | Self::OutUnwritable { .. }
            | Self::NoCertificate
            | Self::NotTrusted
            | Self::OutputUnwritable(_) => Exit::Failed,
        }
    }
}

const KEEP_GRANT: &str = "--keep-grant forgets the account here without asking Google";

fn lost(address: &str) -> String {
    format!("if the old password is lost, run `gatepost login {address} --new-password`.")
}

impl From<Mistake<'_>> for Failure {
    fn from(mistake: Mistake<'_>) -> Self {
        Self { exit: mistake.exit(), ..Self::failed(mistake.sentence(), mistake.remedy()) }
    }
}
