//! The fifth step: what to enter in the mail program.

use std::path::Path;

use clap::ValueEnum;

use super::ask::{Step, choose, enter, note, tell, text_or, yes};
use super::{Pages, Walk, download};
use crate::accounts::Address;
use crate::autoconfig::{FIRST_OF_ALL, FileKind, MailProgram, Places};
use crate::cli::report::{Failure, put, say};
use crate::cli::settings;
use crate::cli::terminal::Mark;

/// Gmail's own settings of what mail programs see.
const LABELS: &str = "https://mail.google.com/mail/#settings/labels";

impl Walk<'_> {
    /// Leads through the mail program; gives what to remember of it for the last screen.
    pub(super) fn mail_program(
        &mut self,
        places: &Places,
        address: &Address,
    ) -> Step<Option<&'static str>> {
        let named = self.setup.program;
        loop {
            let Some(program) = named.map_or_else(which_program, |named| Ok(Some(named)))? else {
                let settings = self.command(&format!("settings {address}"));
                let words = format!("The mail program: `{settings}`.");
                self.left_out.push(words);
                return Ok(None);
            };
            let by_file = self.set_up(program, places, address)?;
            // Who has the one that can't will take another.
            if program != MailProgram::NewOutlook || named.is_some() {
                return Ok(program.in_short().filter(|_| !by_file));
            }
        }
    }

    /// True if a file does it.
    fn set_up(&self, program: MailProgram, places: &Places, address: &Address) -> Step<bool> {
        let mut by_file = false;
        if program != MailProgram::NewOutlook {
            self.hide_all_mail()?;
        }
        super::heading(program.title());
        if let Some(words) = settings::note(program) {
            say(&format!("{words}\n"));
        }
        if program != MailProgram::NewOutlook {
            // On the standard output, as everything with the password in it.
            self.rows(places, address).iter().for_each(|row| put(row));
            say("");
        }
        match (program.file(), self.setup.out.as_deref()) {
            (Some(kind), Some(out)) => {
                self.write(kind, out, places, address)?;
                by_file = true;
            }
            (Some(kind), None) if self.person => {
                let answers = vec![
                    ("I will enter it: show me the way".to_owned(), false),
                    ("A file shall do it: Gatepost writes one".to_owned(), true),
                ];
                by_file =
                    choose("How?", answers, 0)? && self.write_somewhere(kind, places, address)?;
                if !by_file {
                    say(&format!("\n{}", settings::steps(program, address)));
                }
            }
            _ => say(&settings::steps(program, address)),
        }
        if self.person {
            say("");
            enter("Enter goes on:")?;
        }
        Ok(by_file)
    }

    fn hide_all_mail(&self) -> Step<()> {
        say(&format!("\n{FIRST_OF_ALL}\n"));
        if !self.person {
            return Ok(());
        }
        let mut first = 0;
        loop {
            let mut answers = Vec::new();
            if self.pages == Pages::Open {
                answers.push(("Open that page of Gmail in the browser".to_owned(), true));
            } else {
                say(&format!("{LABELS}\n"));
            }
            answers.push(("Done, or left as it is: go on".to_owned(), false));
            if !choose("In Gmail, first?", answers, first)? {
                return Ok(());
            }
            super::open(LABELS);
            say("");
            first = 1;
        }
    }

    /// Writes the file where the person wants it; false if they gave up.
    fn write_somewhere(&self, kind: FileKind, places: &Places, address: &Address) -> Step<bool> {
        let usual = download::easily_found().join(kind.usual_file());
        loop {
            let path = text_or("Where to?", &usual.display().to_string())?;
            match self.write(kind, &download::path_typed(&path), places, address) {
                Err(failure) => tell(&failure),
                Ok(()) => return Ok(true),
            }
            if !yes("Another place?")? {
                return Ok(false);
            }
        }
    }

    fn write(
        &self,
        kind: FileKind,
        path: &Path,
        places: &Places,
        address: &Address,
    ) -> Result<(), Failure> {
        let words = settings::write(kind, places, address, path)?;
        note(Mark::Good, &format!("{} is written.", shown(path)));
        say(&format!("\n{words}"));
        Ok(())
    }
}

/// Which program it is; `None` if the person puts it off.
fn which_program() -> Step<Option<MailProgram>> {
    let programs = MailProgram::value_variants().iter();
    let mut answers: Vec<_> =
        programs.map(|program| (program.title().to_owned(), Some(*program))).collect();
    answers.push(("Leave this for later".to_owned(), None));
    say("");
    choose("Which program?", answers, 0)
}

fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
