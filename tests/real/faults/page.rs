//! `docs/faults.md`, and the same on a terminal.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use super::{
    journeys::{JOURNEYS, Journey},
    kinds::Kind,
    table::{Cell, Table},
};

const CARRIED_ON: &str = "carried on";
const TOLD: &str = "told honestly";
/// No time-out of Gatepost's ends it: see the page.
const WAITS: &str = "—";

const HEAD: &str = "# What a broken network does to mail\n\n\
Written by `GATEPOST_FAULTS=1 GATEPOST_WRITE=1 cargo test --test real faults::each`: the real program before \
real Dovecot and Postfix and the stand-in for Google's authorization server, with a line in between that \
fails at will. In each cell something goes wrong, at several points of the journey; then the network is well \
again, and the next tries work without a restart.\n\n\
- **carried on**: the client got the right answer; mail is whole, and there once.\n\
- **told honestly**: the client was told that it got none, in words that stand below; no mail is there in \
half, or twice.\n\
- **—**: Gatepost waits for as long as the mail program does, as it would without Gatepost: a server may take \
minutes for an answer, and its system goes on acknowledging. A stall that ends is in the column before.\n\n\
Nobody was asked for a password in any of them.\n\n";

/// The table and the words.
pub(super) fn text(table: &Table) -> String {
    let mut text = String::from("| journey |");
    for kind in Kind::ALL {
        let _ = write!(text, " {} |", kind.words().0);
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(Kind::ALL.len()));
    text.push('\n');
    for journey in JOURNEYS {
        let _ = write!(text, "| {} |", journey.name);
        for kind in Kind::ALL {
            let _ = write!(text, " {} |", verdict(journey, kind, table));
        }
        text.push('\n');
    }
    text.push_str("\n## The faults\n\n");
    for kind in Kind::ALL {
        let (name, what) = kind.words();
        let _ = writeln!(text, "- **{name}**: {what}.");
    }
    text.push_str("\n## What is told\n\n`N` stands for a number that differs.\n");
    for journey in JOURNEYS {
        let mut by_words: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for kind in Kind::ALL {
            let told = table.0.get(&(journey.name, kind)).map(|cell| &cell.told);
            for words in told.into_iter().flatten() {
                by_words.entry(words).or_default().push(kind.words().0);
            }
        }
        if by_words.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n### {} (the line to {})\n", journey.name, journey.line());
        for (words, kinds) in by_words {
            let _ = writeln!(text, "- {}:\n  `{words}`", kinds.join(", "));
        }
    }
    text
}

fn verdict(journey: &Journey, kind: Kind, table: &Table) -> String {
    match table.0.get(&(journey.name, kind)) {
        None => WAITS.to_owned(),
        Some(Cell { defects, .. }) if !defects.is_empty() => "defect".to_owned(),
        Some(cell) => found(cell).join(", "),
    }
}

fn found(cell: &Cell) -> Vec<&'static str> {
    let carried_on = (cell.carried_on > 0).then_some(CARRIED_ON);
    let told = (!cell.told.is_empty()).then_some(TOLD);
    carried_on.into_iter().chain(told).collect()
}

pub(super) fn write(table: &Table) {
    fs::write(file(), format!("{HEAD}{}", text(table))).expect("docs is ours");
}

/// The page's table has each journey and each fault, and in each cell a verdict that is no defect.
pub(super) fn assert_whole() {
    let page = cells();
    for journey in JOURNEYS {
        for kind in Kind::ALL {
            let (row, column) = (journey.name.to_owned(), kind.words().0.to_owned());
            let cell = page.get(&(row, column));
            let fits = |cell: &&String| match journey.has(kind) {
                true => cell.split(", ").all(|word| [CARRIED_ON, TOLD].contains(&word)),
                false => *cell == WAITS,
            };
            assert!(cell.filter(fits).is_some(), "{} × {kind:?}: {cell:?}", journey.name);
        }
    }
    assert_eq!(page.len(), JOURNEYS.len() * Kind::ALL.len(), "a row or a column too many");
}

/// The cells of the page's table, by row and column.
fn cells() -> BTreeMap<(String, String), String> {
    let page = fs::read_to_string(file()).expect("docs/faults.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let mut rows = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    let head = rows.next().expect("a table");
    let mut cells = BTreeMap::new();
    for row in rows {
        assert_eq!(row.len(), head.len(), "{row:?}");
        for (column, cell) in head.iter().zip(&row).skip(1) {
            cells.insert((row[0].to_owned(), (*column).to_owned()), (*cell).to_owned());
        }
    }
    cells
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md")
}
