//! `gatepost settings`: what to enter in a mail program, or a file that does it.

mod words;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::LevelFilter;

use super::mistake::Mistake;
use super::report::{Failure, say};
use super::{log, record_of, running};
use crate::accounts::{Address, Store};
use crate::autoconfig::{FileKind, Part, Places};
use crate::config::{Config, Home};
use crate::settings::SettingsError;

pub(super) use words::{note, steps};

/// Show what to enter in a mail program, or write a file that sets it up
#[derive(Args)]
#[command(after_help = "\
The local password is in none of the files: the mail program asks for it.

Examples:
  gatepost settings you@gmail.com                                                 in plain words
  gatepost settings you@gmail.com --for outlook --out gatepost.prf                classic Outlook
  gatepost settings you@gmail.com --for thunderbird --out gmail.com.xml           Thunderbird
  gatepost settings you@gmail.com --for apple --out gatepost.mobileconfig         Apple Mail")]
pub(super) struct Settings {
    /// The address
    address: String,
    /// The mail program
    #[arg(long = "for", value_enum, value_name = "PROGRAM", default_value_t = Program::Text)]
    program: Program,
    /// The file to write, which must not exist yet; without it, standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Program {
    /// A profile file (.prf) for classic Outlook for Windows
    Outlook,
    /// An autoconfiguration file (.xml) for Thunderbird
    Thunderbird,
    /// A configuration profile (.mobileconfig) for Apple Mail
    Apple,
    /// Plain words, for every mail program
    Text,
}

impl Settings {
    pub(super) fn run(self, home: &Home) -> Result<ExitCode, Failure> {
        log::start(LevelFilter::ERROR)?;
        let record = record_of(&Store::new(home.accounts()), &self.address)?;
        let address = record.address();
        let config = Config::of(home).map_err(SettingsError::from)?;
        let places = Places::of(&config.listen, running::status(home).as_ref());
        places.check()?;
        let kind = self.program.file();
        let contents = match kind {
            Some(kind) => kind.contents(&places, address)?,
            None => words::all(&places, address),
        };
        match &self.out {
            Some(path) => {
                create(path, contents.as_bytes())?;
                say(&format!("{} is written.", path.display()));
            }
            None => print(contents.as_bytes())?,
        }
        if let Some(kind) = kind {
            say(&format!("\n{}", next_step(kind, self.out.as_deref(), address)));
        }
        if config.listen.mail().any(|(_, listener)| listener.port == 0) {
            say(
                "\nThe ports are those of the running Gatepost and change with each start: give `imap` and `smtp` fixed ones under [listen] in the configuration.",
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Program {
    /// The file for it; words are in none.
    fn file(self) -> Option<FileKind> {
        match self {
            Self::Outlook => Some(FileKind::Outlook),
            Self::Thunderbird => Some(FileKind::Thunderbird),
            Self::Apple => Some(FileKind::Apple),
            Self::Text => None,
        }
    }
}

/// Writes a file that sets a mail program up, and gives what a person does with it.
pub(super) fn write(
    kind: FileKind,
    places: &Places,
    address: &Address,
    path: &Path,
) -> Result<String, Failure> {
    places.check()?;
    create(path, kind.contents(places, address)?.as_bytes())?;
    Ok(next_step(kind, Some(path), address))
}

/// What a person does with the file.
fn next_step(kind: FileKind, out: Option<&Path>, address: &Address) -> String {
    // Outlook wants the whole path; one that the system can't make whole is as good as it was.
    let file = out.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let file = file.map_or_else(|| "FILE".to_owned(), |path| path.display().to_string());
    Part::printed(&kind.next_step(&file, address), "")
}

/// Writes a file that isn't there yet. It is open to whom the system's default says: nothing in it
/// is secret, and who installs it for Thunderbird may be another user than who reads it.
pub(super) fn create(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    let unwritable = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::from(Mistake::OutIsThere { file: path }),
        _ => Mistake::OutUnwritable { file: path, error: &error }.into(),
    };
    let mut file = File::create_new(path).map_err(unwritable)?;
    file.write_all(contents).map_err(|error| {
        // Half a file would only mislead; that it can't be removed either changes nothing.
        let _ = std::fs::remove_file(path);
        unwritable(error)
    })
}

/// To the byte: a profile file's lines end in CR LF everywhere.
fn print(contents: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(contents)
        .and_then(|()| stdout.flush())
        .map_err(|error| Mistake::OutputUnwritable(&error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cant_be_written_is_named_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prf");
        create(&path, b"one").unwrap();
        let refused = create(&path, b"two").unwrap_err();
        assert!(refused.sentence.contains("is there already"), "{}", refused.sentence);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        let refused = create(&folder.path().join("no/such/a.prf"), b"").unwrap_err();
        assert!(refused.sentence.contains("can't be written"), "{}", refused.sentence);
    }
}
