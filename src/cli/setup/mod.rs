//! `gatepost setup`: leads a newcomer from nothing to reading Gmail in their mail program. What is
//! done already is seen from what lies on disk; each step is proved before the next.

mod address;
mod ask;
mod client;
mod consent;
mod console;
mod download;
mod interrupt;
mod keyboard;
mod program;
mod proof;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Args;

use super::mistake::Mistake;
use super::report::{Exit, Failure, put, say};
use super::terminal::{Look, Mark};
use super::{login, run, running, service};
use crate::accounts::{Address, Record, Store};
use crate::autoconfig::{MailProgram, Places};
use crate::config::{Config, Home};
use crate::secret::LocalPassword;
use crate::settings::SettingsError;
use ask::{Halt, Step, note, tell, yes};
#[cfg(test)]
pub(super) use client::ASKING_GOOGLE;
use client::Client;
use consent::End;
use interrupt::Interrupt;

/// Be led through everything, from the Google client to your mail program
#[derive(Args)]
#[command(after_help = "\
What is done already isn't asked for again. Esc or Ctrl-C leaves at any time, and the next
`gatepost setup` goes on from there.

Without a terminal nothing can be asked: ADDRESS and --for are needed then, and --client or
--no-sign-in where nobody has signed in yet.

Examples:
  gatepost setup                               be asked for everything
  gatepost setup you@gmail.com                 this account
  gatepost setup you@gmail.com --no-browser    over SSH
  gatepost setup you@gmail.com --client FILE --for outlook --out gatepost.prf   without a terminal")]
pub(super) struct Setup {
    /// The Gmail or Workspace address
    address: Option<String>,
    /// The JSON file that Google's console downloads for a client of the type “Desktop app”
    #[arg(long, value_name = "FILE")]
    client: Option<PathBuf>,
    /// Leave out the Google client and the sign-in
    #[arg(long)]
    no_sign_in: bool,
    /// Only show the addresses to open
    #[arg(long)]
    no_browser: bool,
    /// Take the first line of the input as the local password
    #[arg(long)]
    password_stdin: bool,
    /// Leave out the proof that mail can be read
    #[arg(long)]
    no_proof: bool,
    /// Mail a message from the account to itself as part of the proof
    #[arg(long, conflicts_with = "no_proof")]
    send: bool,
    /// The mail program
    #[arg(long = "for", value_enum, value_name = "PROGRAM")]
    program: Option<MailProgram>,
    /// Write the file that sets the mail program up here; nothing may be there yet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Let Gatepost start by itself when you log in, and now
    #[arg(long)]
    at_login: bool,
    /// Serve mail programs in the end, as `gatepost run` does
    #[arg(long)]
    run: bool,
}

/// What is done with a page that the person needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pages {
    Open,
    Show,
}

/// One walk through the steps.
struct Walk<'s> {
    setup: &'s Setup,
    home: &'s Home,
    /// Somebody is there to be asked.
    person: bool,
    pages: Pages,
    /// From stdin: the person's own local password.
    chosen: Option<LocalPassword>,
    /// Made by this sign-in.
    password: Option<LocalPassword>,
    /// Typed, where the account is one that was signed in before.
    typed: Option<LocalPassword>,
    signed_in: bool,
    /// What was put off, and how it is done later.
    left_out: Vec<String>,
}

const STEPS: usize = 6;

const WELCOME: &str = "\
Six steps lead you from nothing to reading your Gmail in your own mail program.
Most of the time goes to Google's console, once. Esc or Ctrl-C leaves whenever
you like: what is done is kept, and `gatepost setup` goes on from there.";

impl Setup {
    pub(super) fn run(self, home: Home) -> Result<ExitCode, Failure> {
        // The log is left to `run`, which may follow: a process begins it once only.
        let person = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if let Some(file) = self.out.as_deref().filter(|file| file.exists()) {
            return Err(Mistake::OutIsThere { file }.into());
        }
        if self.out.is_some() && self.program.is_some_and(|program| program.file().is_none()) {
            return Err(Mistake::NoSuchFile.into());
        }
        let chosen = self.password_stdin.then(login::chosen_password).transpose()?;
        let pages = if self.no_browser { Pages::Show } else { Pages::Open };
        let (setup, home_kept) = (&self, home.clone());
        let mut walk = Walk {
            setup,
            home: &home_kept,
            person,
            pages,
            chosen,
            password: None,
            typed: None,
            signed_in: false,
            left_out: Vec::new(),
        };
        let interrupt = Interrupt::watch(home.clone());
        let end = match walk.go() {
            Ok(end) => end,
            Err(Halt::Failed(failure)) => return Err(failure),
            Err(Halt::Left) => {
                say_left(&home);
                return Ok(Exit::Failed.into());
            }
        };
        drop(interrupt);
        match end {
            Finish::Serve => run::Run::default().run(home),
            Finish::Leave(code) => Ok(code),
        }
    }
}

/// What comes after the steps.
enum Finish {
    Serve,
    Leave(ExitCode),
}

impl Walk<'_> {
    fn go(&mut self) -> Step<Finish> {
        if !self.person {
            self.check_answers()?;
        } else {
            say(&format!("{}\n", Look::of_stderr().strong("Welcome to Gatepost.")));
            say(WELCOME);
        }
        step(1, "Your address");
        let typed = self.address()?;
        let address = ADDRESS.get_or_init(|| typed).clone();
        self.signed_in = self.get_signed_in(&address)?;
        step(4, "The proof");
        let proved = self.proof(&address)?;
        step(5, "Your mail program");
        let places = self.places();
        let way = match &places {
            Some(places) => self.mail_program(places, &address)?,
            None => None,
        };
        step(6, "Start by itself");
        let starts = self.at_login()?;
        self.summary(&address, way, places.as_ref());
        self.finish(proved && starts)
    }

    /// Without a person: whatever would be asked must have been answered, before anything is done.
    fn check_answers(&self) -> Result<(), Failure> {
        let Some(typed) = &self.setup.address else {
            return Err(Mistake::AddressUnasked.into());
        };
        let address = super::signing_in::address(typed)?;
        if self.setup.program.is_none() {
            return Err(Mistake::ProgramUnasked.into());
        }
        let has_client = self.setup.client.is_some() || client::kept(self.home)?.is_some();
        let is_known = Store::new(self.home.accounts()).load(&address)?.is_some();
        if !has_client && !is_known && !self.setup.no_sign_in {
            return Err(Mistake::ClientUnasked.into());
        }
        Ok(())
    }

    /// The second and the third step. True if the account is signed in.
    fn get_signed_in(&mut self, address: &Address) -> Step<bool> {
        let known: Option<Record> =
            Store::new(self.home.accounts()).load(address).map_err(Failure::from)?;
        let mut kept = client::kept(self.home)?;
        step(2, "The Google client");
        if self.setup.no_sign_in {
            note(Mark::LeftOut, "Not now, as you asked.");
            step(3, "Sign in at Google");
            note(Mark::LeftOut, "Not now, as you asked.");
            self.left_out
                .push(format!("The sign-in: `{}`.", self.command(&format!("setup {address}"))));
            return Ok(known.is_some());
        }
        let mut client = match (&self.setup.client, &kept) {
            (Some(path), _) => client::named(self.home, path)?,
            (None, Some(client)) if known.is_some() || !self.person => {
                note(Mark::Good, &format!("{} is here.", client::shortened(&client.id)));
                Client::Kept
            }
            _ => match client::ask(self.home, kept.as_ref(), self.pages)? {
                Some(client) => client,
                None => return self.without_client(address, known.is_some()),
            },
        };
        step(3, "Sign in at Google");
        // A client that was named is there to be signed in with.
        let is_new = self.setup.client.is_some() && matches!(client, Client::Other(_));
        if !is_new && self.is_signed_in(address, known.as_ref())? {
            return Ok(true);
        }
        loop {
            match self.consent(address, &client)? {
                End::SignedIn => return Ok(true),
                End::Later => {
                    self.left_out.push(format!(
                        "The sign-in: `{}`.",
                        self.command(&format!("setup {address}"))
                    ));
                    return Ok(known.is_some());
                }
                End::OtherClient => {
                    kept = client::kept(self.home)?;
                    match client::ask(self.home, kept.as_ref(), self.pages)? {
                        Some(other) => client = other,
                        None => return self.without_client(address, known.is_some()),
                    }
                }
            }
        }
    }

    fn without_client(&mut self, address: &Address, known: bool) -> Step<bool> {
        step(3, "Sign in at Google");
        note(Mark::LeftOut, "It needs the Google client.");
        let again = self.command(&format!("setup {address}"));
        let words = format!("The Google client and the sign-in: `{again}`.");
        self.left_out.push(words);
        Ok(known)
    }

    /// A command as it is typed for the same home.
    fn command(&self, words: &str) -> String {
        command(self.home, words)
    }

    /// The servers to enter, where they are known.
    fn places(&self) -> Option<Places> {
        let places = Config::of(self.home)
            .map_err(|error| Failure::from(SettingsError::from(error)))
            .and_then(|config| {
                let places = Places::of(&config.listen, running::status(self.home).as_ref());
                places.check().map(|()| places).map_err(Failure::from)
            });
        places.map_err(|failure| tell(&failure)).ok()
    }

    /// What is entered in the mail program.
    fn rows(&self, places: &Places, address: &Address) -> Vec<String> {
        let password = match (&self.password, &self.chosen) {
            (_, Some(_)) => "the one you gave   (for both servers)".to_owned(),
            (Some(password), None) => {
                let shown = Look::of_stdout().strong(password.expose());
                format!("{shown}   (for both servers)")
            }
            (None, None) if self.signed_in => {
                "as before, the local one   (for both servers)".to_owned()
            }
            (None, None) => "comes with the sign-in".to_owned(),
        };
        places.rows(address.as_str(), &password)
    }

    /// The sixth step. False if it was to be done and could not.
    fn at_login(&mut self) -> Step<bool> {
        let wanted = self.setup.at_login
            || self.person && yes("Let Gatepost start by itself when you log in?")?;
        if !wanted {
            return Ok(true);
        }
        let Err(failure) = service::install(self.home) else { return Ok(true) };
        tell(&failure);
        let again = self.command("service install");
        self.left_out.push(format!("The start at log-in: `{again}`."));
        Ok(false)
    }

    fn summary(&self, address: &Address, way: Option<&str>, places: Option<&Places>) {
        let words = if self.left_out.is_empty() { "All set." } else { "That is it for now." };
        heading(words);
        if let Some(places) = places {
            put("For your mail program:");
            self.rows(places, address).iter().for_each(|row| put(row));
        }
        if let Some(words) = way {
            say(&format!("\n{words}"));
        }
        if self.password.is_some() && self.chosen.is_none() {
            say(&format!(
                "\nThe password is shown for the last time. Should it get lost, make another with\n`{}`.",
                self.command(&format!("password {address} --new"))
            ));
        }
        if !self.left_out.is_empty() {
            say("\nFor later:");
            self.left_out.iter().for_each(|what| say(&format!("  {what}")));
        }
    }

    fn finish(&self, proved: bool) -> Step<Finish> {
        let code = if proved { ExitCode::SUCCESS } else { Exit::Failed.into() };
        if running::status(self.home).is_some() {
            say("\nGatepost is running: your mail program can connect.");
            return Ok(Finish::Leave(code));
        }
        say(&format!("\nNext: `{}`, and leave it running.", self.command("run")));
        let serve = self.setup.run
            || self.person && {
                say("");
                yes("Start it right here, now? (Ctrl-C ends it)")?
            };
        Ok(if serve { Finish::Serve } else { Finish::Leave(code) })
    }
}

/// The beginning of a step.
fn step(number: usize, title: &str) {
    heading(&format!("{number} of {STEPS}: {title}"));
}

fn heading(words: &str) {
    let rule = "─".repeat(75_usize.saturating_sub(words.chars().count()));
    say(&format!("\n{}", Look::of_stderr().strong(format!("── {words} {rule}"))));
}

fn open(page: &str) {
    match open::that_detached(page) {
        Ok(()) => note(Mark::Good, "The page opens in your browser."),
        Err(_) => {
            note(Mark::Note, "No browser can be opened from here: open the address yourself.")
        }
    }
}

/// The address, once it is known: nothing on disk has it before the sign-in.
static ADDRESS: OnceLock<Address> = OnceLock::new();

fn say_left(home: &Home) {
    let again = ADDRESS.get().map_or_else(String::new, |address| format!(" {address}"));
    let again = command(home, &format!("setup{again}"));
    say(&format!("\nYou have left. What is done is kept; `{again}` goes on from there."));
}

/// A command as it is typed for this home.
fn command(home: &Home, words: &str) -> String {
    let mut command = format!("gatepost {words}");
    for (flag, path) in home.arguments() {
        let path = path.display().to_string();
        let plain = path.chars().all(|c| c.is_alphanumeric() || "/\\:._-~".contains(c));
        let quote = if plain { "" } else { "\"" };
        command.push_str(&format!(" {flag} {quote}{path}{quote}"));
    }
    command
}
