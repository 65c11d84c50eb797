//! What is entered in a mail program, and the local password that is shown once.

use std::time::Duration;

use askama::Template;
use clap::ValueEnum as _;

use super::account::Tone;
use super::frame::{Asset, Frame, render};
use super::prose::{Prose, prose};
use super::words::lasts;
use crate::accounts::Address;
use crate::autoconfig::{
    AutoconfigError, FIRST_OF_ALL, FileKind, MailProgram, Part, Place, Places,
};
use crate::config::Listen;
use crate::proxy::Status;
use crate::secret::LocalPassword;

/// How each mail program is set up for an account. Nobody knows the local password any more.
pub(in crate::status) fn settings(address: &Address, listen: &Listen, status: &Status) -> String {
    let places = &Places::of(listen, Some(status));
    render(&SettingsPage {
        frame: Frame::default(),
        setup: Setup::of(address, places),
        programs: MailProgram::value_variants()
            .iter()
            .map(|program| Program::of(*program, address, places))
            .collect(),
        first_of_all: prose(FIRST_OF_ALL),
    })
}

/// The file that sets a mail program up, by its usual name; `None` where there is none.
pub(in crate::status) fn settings_file(
    file: &str,
    address: &Address,
    listen: &Listen,
    status: &Status,
) -> Option<Asset> {
    let places = Places::of(listen, Some(status));
    let kind = FileKind::ALL.into_iter().find(|kind| kind.usual_file() == file)?;
    places.check().ok()?;
    Some(Asset {
        name: kind.usual_file().to_owned(),
        media_type: kind.media_type(),
        contents: kind.contents(&places, address).ok()?.into_bytes(),
    })
}

/// A person has signed in. `password` is the local one of a new account: this is the only time that it
/// is shown. An account that was there already keeps its own. `grant_life`: the grant ends after it,
/// since the Google client is in Testing.
pub(in crate::status) fn signed_in(
    address: &Address,
    password: Option<&LocalPassword>,
    grant_life: Option<Duration>,
    listen: &Listen,
    status: &Status,
) -> String {
    render(&SignedInPage {
        frame: Frame::default(),
        setup: Setup::of(address, &Places::of(listen, Some(status))),
        password: password.map(LocalPassword::expose).unwrap_or_default(),
        grant_life: grant_life.map(|life| lasts(life.as_secs())),
    })
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    setup: Setup,
    programs: Vec<Program>,
    first_of_all: Prose,
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedInPage<'p> {
    frame: Frame,
    setup: Setup,
    /// Empty where there is none to show.
    password: &'p str,
    grant_life: Option<String>,
}

/// What is the same for every mail program.
struct Setup {
    address: String,
    servers: Vec<Server>,
    /// Why nothing can be entered, or not yet.
    trouble: Prose,
    remedy: Prose,
}

struct Server {
    what: &'static str,
    /// For the ids of its buttons.
    id: String,
    host: String,
    port: String,
    encryption: &'static str,
    is_plain: bool,
}

impl Setup {
    /// True if a server is reached without TLS.
    fn is_plain(&self) -> bool {
        self.servers.iter().any(|server| server.is_plain)
    }

    fn of(address: &Address, places: &Places) -> Self {
        let (trouble, remedy) = match places.check() {
            Ok(()) => (Prose::new(), Prose::new()),
            Err(error) => (prose(&error.to_string()), prose(error.remedy())),
        };
        let server = |(number, (what, place)): (usize, (&'static str, &Place))| Server {
            what,
            id: format!("server-{number}"),
            host: place.host.clone(),
            port: place.port.to_string(),
            encryption: place.encryption(),
            is_plain: !place.tls,
        };
        let servers = match trouble.is_empty() {
            true => places.servers().enumerate().map(server).collect(),
            false => Vec::new(),
        };
        Self { address: address.to_string(), servers, trouble, remedy }
    }
}

/// A mail program and the way through it.
struct Program {
    /// For the ids.
    id: String,
    title: &'static str,
    steps: Vec<Shown>,
    file: Option<Download>,
    note: Prose,
}

struct Download {
    name: &'static str,
    steps: Vec<Shown>,
    /// Why there is none, and what to do.
    trouble: Prose,
}

/// A part of the words, for the template.
enum Shown {
    Words(Prose),
    Steps(Vec<Prose>),
    Verbatim(String),
}

impl Program {
    fn of(program: MailProgram, address: &Address, places: &Places) -> Self {
        Self {
            id: program.title().chars().filter(char::is_ascii_alphanumeric).collect(),
            title: program.title(),
            steps: shown(&program.steps(address)),
            file: program.file().map(|kind| Download::of(kind, address, places)),
            note: prose(program.note().unwrap_or_default()),
        }
    }
}

impl Download {
    fn of(kind: FileKind, address: &Address, places: &Places) -> Self {
        let contents = places.check().and_then(|()| kind.contents(places, address));
        let trouble = |error: AutoconfigError| prose(&format!("{error} {}", error.remedy()));
        Self {
            name: kind.usual_file(),
            steps: shown(&kind.next_step(kind.downloaded_file(), address)),
            trouble: contents.err().map(trouble).unwrap_or_default(),
        }
    }
}

fn shown(parts: &[Part]) -> Vec<Shown> {
    let shown = |part: &Part| match part {
        Part::Words(words) => Shown::Words(prose(words)),
        Part::Steps(steps) => Shown::Steps(steps.iter().map(|step| prose(step)).collect()),
        Part::Verbatim(line) => Shown::Verbatim(line.clone().into_owned()),
    };
    parts.iter().map(shown).collect()
}
