//! What `--help` of a command ends with: its examples, and what there is to note.

use clap::Command;

/// The lines under it are the examples.
const HEADING: &str = "Examples:";

/// A command line as a person types it, and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Example<'h> {
    pub(super) line: &'h str,
    pub(super) what: &'h str,
}

/// The end of a command's help.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ending<'h> {
    pub(super) examples: Vec<Example<'h>>,
    pub(super) notes: Vec<&'h str>,
}

impl<'h> Ending<'h> {
    /// Reads it: below the heading each indented line is an example, two or more blanks before what it
    /// is for; everything else is a note.
    pub(super) fn read(help: &'h str) -> Self {
        let mut ending = Self::default();
        let mut is_below = false;
        for line in help.lines() {
            is_below = line == HEADING || is_below && line.starts_with("  ");
            if line == HEADING {
                continue;
            }
            if is_below {
                let (line, what) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
                ending.examples.push(Example { line, what: what.trim() });
            } else {
                ending.notes.push(line);
            }
        }
        ending
    }
}

/// The end of a command's help, as it was written.
pub(super) fn ending(command: &Command) -> String {
    command.get_after_help().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::Cli;

    const README: &str = include_str!("../../README.md");

    /// Every command that a person may type.
    fn commands() -> Vec<Command> {
        let mut all = Cli::command();
        all.build();
        let typed = |command: &&Command| command.get_name() != "help" && !command.is_hide_set();
        all.get_subcommands().filter(typed).cloned().collect()
    }

    /// As a shell hands it over, without what is the shell's own.
    fn words(line: &str) -> Vec<&str> {
        let end = line.find(['<', '>', '|', ';', '&']).unwrap_or(line.len());
        line[..end].split_whitespace().collect()
    }

    #[test]
    fn every_example_can_be_typed() {
        let mut help: Vec<_> =
            commands().iter().map(|it| (it.get_name().to_owned(), ending(it))).collect();
        help.push((String::new(), ending(&Cli::command())));
        for (name, help) in help {
            let Ending { examples, .. } = Ending::read(&help);
            assert!(!examples.is_empty(), "`gatepost {name} --help` has no example");
            for Example { line, what } in examples {
                assert!(!what.is_empty(), "{line}: what is it for?");
                let begins = format!("gatepost {name}");
                assert!(line.starts_with(begins.trim()), "{line} under `gatepost {name} --help`");
                if let Err(error) = Cli::try_parse_from(words(line)) {
                    panic!("{line}: {error}");
                }
            }
        }
    }

    #[test]
    fn an_ending_is_read_into_its_parts() {
        let help = "First a note.\n\nExamples:\n  gatepost run                 serve\n  gatepost stop\n\nLast.";
        let run = Example { line: "gatepost run", what: "serve" };
        let stop = Example { line: "gatepost stop", what: "" };
        let notes = vec!["First a note.", "", "", "Last."];
        assert_eq!(Ending::read(help), Ending { examples: vec![run, stop], notes });
    }

    /// The commands with their flags, as `gatepost login --client`.
    fn in_the_program() -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for command in commands() {
            let name = command.get_name();
            all.insert(name.to_owned());
            let is_own = |it: &&clap::Arg| !it.is_global_set() && !it.is_hide_set();
            let own = command.get_arguments().filter(is_own);
            let flags = own.filter_map(|it| it.get_long()).filter(|flag| *flag != "help");
            all.extend(flags.map(|flag| format!("{name} --{flag}")));
        }
        all
    }

    fn in_the_readme() -> BTreeSet<String> {
        let (_, table) = README.split_once("\n## Commands\n").unwrap();
        let (table, everywhere) = table.split_once("\nEverywhere: ").unwrap();
        for flag in ["--home", "--config", "--help"] {
            assert!(everywhere.contains(flag), "{flag}");
        }
        let mut all = BTreeSet::new();
        let mut name = "";
        for row in table.lines().filter_map(|row| row.strip_prefix("| `")) {
            let (cell, _) = row.split_once(" | ").unwrap();
            if let Some(command) = cell.strip_prefix("gatepost ") {
                name = command.split([' ', '`']).next().unwrap();
                all.insert(name.to_owned());
            }
            let words = cell.split(|c: char| c != '-' && !c.is_alphanumeric());
            let flags = words.filter(|word| word.starts_with("--"));
            all.extend(flags.map(|flag| format!("{name} {flag}")));
        }
        all
    }

    #[test]
    fn the_readme_names_every_command_and_flag_and_no_other() {
        let (program, readme) = (in_the_program(), in_the_readme());
        let missing: Vec<_> = program.difference(&readme).collect();
        let gone: Vec<_> = readme.difference(&program).collect();
        assert!(missing.is_empty() && gone.is_empty(), "missing: {missing:?}; gone: {gone:?}");
    }
}
