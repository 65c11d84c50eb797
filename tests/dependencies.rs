//! `docs/dependencies.md` has a reason for each dependency, and for no other: crates, versions and rooms
//! there are those of `Cargo.toml` and of the sources.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_dependency_has_its_reason() {
    let stated: BTreeMap<String, BTreeMap<String, String>> = reasons()
        .into_iter()
        .filter(|(section, _)| section.ends_with("dependencies]"))
        .map(|(section, rows)| {
            (section, rows.into_iter().map(|row| (row.name, row.version)).collect())
        })
        .collect();
    assert_eq!(stated, dependencies(&manifest("Cargo.toml").unwrap()));
}

#[test]
fn each_stands_with_the_rooms_that_use_it() {
    let sources = sources();
    let mut rows = 0;
    for (section, reasons) in reasons() {
        let dev = section.ends_with("dev-dependencies]");
        if !section.ends_with("dependencies]") {
            continue;
        }
        for row in reasons {
            let rooms = users(&sources, &row.name, dev);
            assert!(!rooms.is_empty(), "nothing uses {}: it can go", row.name);
            assert_eq!(row.places, rooms, "{} in {section}", row.name);
            rows += 1;
        }
    }
    assert!(rows > 50, "the tables were not found");
}

#[test]
fn no_reason_is_left_empty() {
    for (section, rows) in reasons() {
        for row in rows {
            assert!(!row.words.iter().any(String::is_empty), "{} in {section}", row.name);
        }
    }
}

/// The fuzz crate has the versions of the program, and what it needs besides stands in a table of its own.
#[test]
fn what_is_fuzzed_is_made_with_the_same() {
    // The package has no fuzz crate.
    let Some(fuzz) = manifest("fuzz/Cargo.toml") else { return };
    let ours = dependencies(&manifest("Cargo.toml").unwrap()).remove("[dependencies]").unwrap();
    let besides: BTreeMap<_, _> = dependencies(&fuzz)
        .remove("[dependencies]")
        .unwrap()
        .into_iter()
        .filter(|(name, version)| ours.get(name) != Some(version))
        .collect();
    let stated: BTreeMap<_, _> = reasons()
        .remove("The fuzz crate")
        .unwrap()
        .into_iter()
        .map(|row| (row.name, row.version))
        .collect();
    assert_eq!(stated, besides);
}

/// A row of a table: `name` | version (month) | for | where | why it | against it.
struct Row {
    name: String,
    version: String,
    places: BTreeSet<String>,
    words: Vec<String>,
}

/// The rows below each heading of the document that begin with a crate.
fn reasons() -> BTreeMap<String, Vec<Row>> {
    let text = std::fs::read_to_string(Path::new(ROOT).join("docs/dependencies.md")).unwrap();
    let mut sections: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.trim_matches('`').to_owned();
        } else if let Some(row) = line.strip_prefix("| `") {
            let cells: Vec<_> = row.trim_end_matches('|').split(" | ").map(str::trim).collect();
            let [name, version, words @ ..] = cells.as_slice() else {
                unreachable!("a row has cells")
            };
            let (version, month) = version.split_once(" (").expect("a version with its month");
            assert!(month.len() == "2026-01)".len(), "{line}");
            sections.entry(section.clone()).or_default().push(Row {
                name: name.trim_end_matches('`').to_owned(),
                version: version.to_owned(),
                places: words[1].split(", ").map(str::to_owned).collect(),
                words: words.iter().map(|&words| words.to_owned()).collect(),
            });
        }
    }
    sections
}

fn manifest(path: &str) -> Option<toml::Table> {
    let text = std::fs::read_to_string(Path::new(ROOT).join(path)).ok()?;
    Some(text.parse().unwrap())
}

/// The crates of each section of a `Cargo.toml`, with the versions asked for. Sections are called as they
/// are there.
fn dependencies(manifest: &toml::Table) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections = BTreeMap::new();
    let mut take = |prefix: &str, table: &toml::Table| {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(crates) = table.get(kind) else { continue };
            let version = |asked: &toml::Value| match asked.get("version") {
                Some(version) => version.as_str().unwrap().to_owned(),
                None => asked.as_str().unwrap().to_owned(),
            };
            let crates = crates.as_table().unwrap().iter();
            let crates = crates.map(|(name, asked)| (name.clone(), version(asked))).collect();
            sections.insert(format!("[{prefix}{kind}]"), crates);
        }
    };
    take("", manifest);
    if let Some(targets) = manifest.get("target") {
        for (target, table) in targets.as_table().unwrap() {
            take(&format!("target.'{target}'."), table.as_table().unwrap());
        }
    }
    sections
}

/// The rooms of `src` whose sources name a crate; or, of what only tests and benches need, the folders.
fn users(sources: &[(String, String)], name: &str, dev: bool) -> BTreeSet<String> {
    let path = format!("{}::", name.replace('-', "_"));
    let place = |file: &str| {
        let mut parts = file.split('/');
        let folder = parts.next()?;
        let place = if dev { Some(folder) } else { parts.next().filter(|_| folder == "src") };
        place.map(|place| place.trim_end_matches(".rs").to_owned())
    };
    let uses = |text: &str| text.contains(&path) && text.lines().any(|line| names(line, &path));
    // What plays the proxy on a paused clock is a test.
    let is_played = |file: &str| file.contains("/simulation/") || file.ends_with("/simulated.rs");
    let counts = |file: &str| dev || !is_played(file);
    let used = sources.iter().filter(|(file, text)| counts(file) && uses(text));
    used.filter_map(|(file, _)| place(file)).collect()
}

/// Every Rust file of the program, its tests and its benches, with its path.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<_> = ["src", "tests", "benches"].map(str::to_owned).into();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(Path::new(ROOT).join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let within = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                open.push(within);
            } else if within.ends_with(".rs") {
                found.push((within, std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    found
}

/// Whether a path in this line of code begins with this one: `a::b` with `a::`, and neither `b::a::` nor
/// `ba::`.
fn names(line: &str, path: &str) -> bool {
    let begins =
        |at: usize| !line[..at].ends_with(|c: char| c == ':' || c == '_' || c.is_alphanumeric());
    !line.trim_start().starts_with("//") && line.match_indices(path).any(|(at, _)| begins(at))
}
