//! The example configuration says what is true: it parses, its values are the defaults, and no key
//! that the program knows is missing from it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use gatepost::config::Config;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/gatepost.toml");

#[test]
fn as_it_stands_the_example_changes_nothing() {
    assert_eq!(Config::load(Path::new(EXAMPLE)).unwrap(), defaults());
}

/// So that nobody who takes a “#” off gets something other than what was there before.
#[test]
fn the_values_in_the_example_are_the_defaults() {
    let mut config = Config::parse(Path::new(EXAMPLE), &uncommented()).unwrap();
    // That somebody wants this very port is what a “#” that is taken off says.
    assert!(std::mem::take(&mut config.listen.status_is_named));
    assert_eq!(config, defaults());
}

#[test]
fn every_key_that_the_program_knows_is_in_the_example() {
    let example: toml::Table = uncommented().parse().unwrap();
    assert_eq!(keys(&example), known(""));
    for section in known("").iter().filter(|section| *section != "provider") {
        let table = example[section].as_table().unwrap();
        assert_eq!(keys(table), known(section), "[{section}]");
    }
    let providers = example["provider"].as_table().unwrap();
    assert_eq!(keys(providers), known("provider"));
    for (name, keys_of_it) in providers {
        let section = format!("provider.{name}");
        let table = keys_of_it.as_table().unwrap();
        assert_eq!(keys(table), known(&section), "[{section}]");
    }
}

fn defaults() -> Config {
    Config::parse(Path::new(EXAMPLE), "").unwrap()
}

/// The example with each setting in force: `#key = …` is a setting, `# …` are words.
fn uncommented() -> String {
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => {
            format!("{setting}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn keys(table: &toml::Table) -> BTreeSet<String> {
    table.keys().cloned().collect()
}

/// The keys that the program knows in a section, as it lists them when it meets one that is like
/// none of them.
fn known(section: &str) -> BTreeSet<String> {
    let text = match section {
        "" => "qqqq = 0\n".to_owned(),
        section => format!("[{section}]\nqqqq = {{}}\n"),
    };
    let error = Config::parse(Path::new("config.toml"), &text).unwrap_err();
    let (_, list) = error.problem.split_once("known here: ").unwrap();
    list.split(", ").map(str::to_owned).collect()
}
