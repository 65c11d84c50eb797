//! The settings in plain words, for every mail program.

use clap::ValueEnum;

use crate::accounts::Address;
use crate::autoconfig::{FIRST_OF_ALL, MailProgram, Part, Places};

const PASSWORD: &str = "the local password, which `gatepost login` showed   (for both servers)";

/// How far the way through a mail program is set in.
const MARGIN: &str = "  ";

/// All that a person needs to set up whatever mail program they have.
pub(super) fn all(places: &Places, address: &Address) -> String {
    let rows = places.rows(address.as_str(), PASSWORD).join("\n");
    let sections = MailProgram::value_variants().iter().map(|program| section(*program, address));
    let sections: Vec<_> = sections.collect();
    format!(
        "\
For your mail program:
{rows}

“None” is right: this stretch lies within your computer. From Gatepost to Google
everything is encrypted. Google's own password is never right here. The local
password is shown once and stored nowhere; if it is lost, this makes another:
gatepost password {address} --new
Gatepost must be running: `gatepost run`.

{FIRST_OF_ALL}


{}
",
        sections.join("\n\n")
    )
}

fn section(program: MailProgram, address: &Address) -> String {
    let mut section = format!("{}\n\n{}", program.title(), steps(program, address));
    if let Some(kind) = program.file() {
        let (name, file) = (kind.name(), kind.usual_file());
        let own =
            if program == MailProgram::Outlook { ", in an Outlook profile of its own" } else { "" };
        section.push_str(&format!(
            "\n  Or let a file do it{own}:\n  gatepost settings {address} --for {name} --out {file}"
        ));
    }
    if let Some(note) = note(program) {
        section.push_str(&format!("\n\n{note}"));
    }
    section
}

/// The way through a mail program.
pub(in crate::cli) fn steps(program: MailProgram, address: &Address) -> String {
    Part::printed(&program.steps(address), MARGIN)
}

/// What else there is to know of it.
pub(in crate::cli) fn note(program: MailProgram) -> Option<String> {
    program.note().map(|words| Part::printed(&[Part::Words(words.into())], MARGIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoconfig::samples::{ODD, address, usual};

    #[test]
    fn all_words() {
        insta::assert_snapshot!(all(&usual(), &address("you@gmail.com")));
    }

    #[test]
    fn an_odd_address_is_shown_as_it_is() {
        for odd in ODD {
            let row = format!("\n  User name         {odd}\n");
            assert!(all(&usual(), &address(odd)).contains(&row), "{odd}");
        }
    }
}
