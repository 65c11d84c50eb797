//! Imports between the rooms of `src/` run one way, so that each room can be read, tested and
//! changed with only those below it in mind. `src/lib.rs` says what each room is for.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

/// The rooms, from the door down. A room may use those on lower floors, never one on its own floor
/// or above. A new room gets its place here, as low as what it uses allows.
const FLOORS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["demo", "control"],
    &["status"],
    &["check", "autoconfig", "notice"],
    &["proxy", "sign_in"],
    &["settings"],
    &["upstream", "token", "certificate", "mail_client"],
    &["tls", "accounts"],
    &["config"],
    &["protocol"],
    &["private_file", "private_memory", "secret", "sentence", "service_manager"],
];

/// Rooms that may use even less than their floor allows: only these.
const ONLY: &[(&str, &[&str])] = &[
    // Pure state machines: no files, no clock, no sockets.
    ("protocol", &["secret", "sentence"]),
];

/// Pairs that must stay apart wherever they stand, with the reason.
const NEVER: &[(&str, &str, &str)] = &[(
    "upstream",
    "token",
    "it is handed an access token, and needs not know where tokens come from",
)];

#[test]
fn imports_run_one_way() {
    let mut files = Vec::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&source, &source, &mut files);
    assert!(files.len() > 20, "the sources were not found");
    let wrong = violations(&files);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Every Rust file below `folder`, with its path within `source`.
fn read(source: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(source, &path, files);
        } else if path.extension().is_some_and(|is| is == "rs") {
            let name = path.strip_prefix(source).expect("a path within it");
            let name = name.to_string_lossy().replace('\\', "/");
            files.push((name, fs::read_to_string(&path).expect("a source")));
        }
    }
}

fn violations(files: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in files {
        let room = room_of(path);
        if room == "lib" {
            continue;
        }
        if floor(room).is_none() {
            wrong.push(format!(
                "src/{path}: the room `{room}` has no floor: give it its place in FLOORS in \
                 tests/architecture.rs, and a line in the table of src/lib.rs"
            ));
            continue;
        }
        for (line, used) in imports(path, text) {
            if let Some(reason) = refusal(room, &used) {
                wrong.push(format!("src/{path}:{line}: `{room}` uses `{used}`: {reason}"));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

fn room_of(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn refusal(room: &str, used: &str) -> Option<String> {
    if room == used {
        return None;
    }
    let never = NEVER.iter().find(|(from, to, _)| (*from, *to) == (room, used));
    if let Some((_, _, reason)) = never {
        return Some((*reason).to_owned());
    }
    if let Some((_, only)) = ONLY.iter().find(|(from, _)| *from == room)
        && !only.contains(&used)
    {
        return Some(format!("it may use only {}", only.join(", ")));
    }
    match floor(used) {
        None => Some("that room has no floor: give it its place in FLOORS".to_owned()),
        Some(of_used) if Some(of_used) <= floor(room) => Some(
            "imports run from the door down, see FLOORS: move what is shared to a lower room, or \
             hand it in as an argument"
                .to_owned(),
        ),
        Some(_) => None,
    }
}

/// The rooms that a file names by a path from the crate's root, with the line of each.
fn imports(path: &str, text: &str) -> Vec<(usize, String)> {
    let code = without_comments_and_strings(text);
    let mut found = Vec::new();
    let mut add = |at: usize, name: &str| {
        let line = code[..at].matches('\n').count() + 1;
        found.push((line, name.to_owned()));
    };
    for root in ["crate::", "gatepost::"] {
        for (at, _) in code.match_indices(root) {
            if code[..at].ends_with(is_of_name) {
                continue;
            }
            for name in first_names(&code[at + root.len()..]) {
                add(at, name);
            }
        }
    }
    // `super::` as often as the file is deep reaches the root as well; there, only a room's name
    // can be meant.
    let depth = path.trim_end_matches("/mod.rs").matches('/').count() + 1;
    let to_root = "super::".repeat(depth);
    for (at, _) in code.match_indices(&to_root) {
        let names = first_names(code[at + to_root.len()..].trim_start_matches("super::"));
        for name in names.into_iter().filter(|name| floor(name).is_some()) {
            add(at, name);
        }
    }
    found
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The first name of a path, or of each path in braces.
fn first_names(path: &str) -> Vec<&str> {
    let name = |text: &'_ str| text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    let Some(group) = path.strip_prefix('{') else {
        let end = name(path);
        return Vec::from_iter((end > 0).then(|| &path[..end]));
    };
    let mut names = Vec::new();
    let (mut depth, mut starts) = (0, true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts = true,
            _ if starts && is_of_name(character) => {
                names.push(&group[at..at + name(&group[at..])]);
                starts = false;
            }
            _ => {}
        }
    }
    names
}

/// The same text with blanks for what isn't code; the line breaks stay.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = comment(rest)
            .or_else(|| string(rest, code.ends_with(is_of_name)))
            .or_else(|| character(rest));
        let (skipped, behind) = rest.split_at(length.unwrap_or(first.len_utf8()));
        match length {
            None => code.push(first),
            Some(_) => code.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
        }
        rest = behind;
    }
    code
}

/// The length of the comment that `rest` begins with.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    let mut depth = 0;
    let mut at = 0;
    while rest.starts_with("/*") && at < rest.len() {
        match rest.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    rest.starts_with("/*").then_some(rest.len())
}

/// The length of the string that `rest` begins with, raw ones included.
fn string(rest: &str, inside_name: bool) -> Option<usize> {
    let raw = rest.strip_prefix('r').filter(|_| !inside_name);
    let raw = raw.or_else(|| rest.strip_prefix("br").filter(|_| !inside_name));
    if let Some(raw) = raw {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if let Some(inner) = raw[hashes..].strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
            return Some(rest.len() - inner.len() + length);
        }
    }
    let inner = rest.strip_prefix('"')?;
    let mut escaped = false;
    for (at, character) in inner.char_indices() {
        match character {
            '"' if !escaped => return Some(at + 2),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    Some(rest.len())
}

/// The length of the character literal that `rest` begins with; `'a` alone is a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    if let Some(escape) = inner.strip_prefix('\\') {
        let behind = escape.char_indices().nth(1)?.0;
        return Some(2 + behind + escape[behind..].find('\'')? + 1);
    }
    let (second, quote) = inner.char_indices().nth(1)?;
    (quote == '\'').then_some(1 + second + 1)
}

#[test]
fn a_wrong_import_is_found() {
    let says =
        |path: &str, text: &str| violations(&[(path.to_owned(), text.to_owned())]).join("\n");
    // Upwards, sideways, and what a room's own rule forbids.
    assert!(says("config/raw.rs", "use crate::token::State;").contains("raw.rs:1: `config`"));
    assert!(says("secret.rs", "use crate::private_file;").contains("uses `private_file`"));
    assert!(says("control/mod.rs", "use crate::demo;").contains("uses `demo`"));
    assert!(says("upstream/mod.rs", "use crate::token::Token;").contains("is handed"));
    assert!(says("protocol/line.rs", "use crate::private_file;").contains("only secret"));
    assert!(says("token/state.rs", "use gatepost::cli;").contains("uses `cli`"));
    // In braces, in code, in tests, by `super`.
    let braces = "use crate::{\n    secret::{A, B},\n    proxy,\n};";
    assert!(says("accounts/mod.rs", braces).contains("uses `proxy`"));
    assert!(says("tls.rs", "fn f() {\n    crate::cli::run()\n}").contains("tls.rs:2"));
    assert!(says("tls.rs", "#[cfg(test)]\nmod tests { use crate::cli; }").contains("cli"));
    assert!(says("tls.rs", "use super::cli;").contains("uses `cli`"));
    assert!(says("config/raw.rs", "use super::super::cli;").contains("uses `cli`"));
    assert!(says("tls.rs", "const A: char = '\"'; use crate::cli; // \"").contains("cli"));
    // Rooms that nobody placed.
    assert!(says("attic/mod.rs", "").contains("give it its place"));
    assert!(says("cli/mod.rs", "use crate::attic;").contains("has no floor"));
}

#[test]
fn a_right_import_is_left_alone() {
    let says =
        |path: &str, text: &str| violations(&[(path.to_owned(), text.to_owned())]).join("\n");
    assert_eq!(says("main.rs", "use gatepost::cli;"), "");
    assert_eq!(says("demo/mod.rs", "use crate::{proxy, sign_in, token, tls, config};"), "");
    assert_eq!(says("token/a.rs", "use crate::token::b; use crate::accounts::{C, D};"), "");
    assert_eq!(says("config/mod.rs", "//! [`crate::cli`]\n/* crate::cli /* */ crate::cli */"), "");
    assert_eq!(says("config/mod.rs", "const A: &str = \"crate::cli \\\" crate::cli\";"), "");
    assert_eq!(says("config/mod.rs", "const A: &str = r#\"\" crate::cli\"#;"), "");
    assert_eq!(says("config/mod.rs", "fn f<'a>(a: &'a str) {} // 'crate::cli"), "");
    assert_eq!(says("config/mod.rs", "use super::*; use xcrate::cli; pub(crate) fn cli() {}"), "");
    assert_eq!(says("lib.rs", "pub mod cli;"), "");
}
