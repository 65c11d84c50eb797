//! The counts, beside those that are kept in `docs/instructions.md`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::Count;
use super::operations::OPERATIONS;
use super::profile::{Part, Profile};
use crate::plot;
use crate::report::{count, table};

const WORDS: &str = include_str!("words.md");

/// Figures of one operation.
struct Figures {
    /// The round in the middle.
    median: Profile,
    all: Figure,
    /// Of Gatepost's own code.
    own: Figure,
}

struct Figure {
    median: f64,
    /// How far the rounds lie apart, as a part of the median.
    spread: f64,
}

/// Prints everything.
pub(super) fn tell(counts: &[Count]) {
    let kept = kept();
    let mut lines = vec![row(
        "",
        ["instructions", "spread", "kept", "change", "Gatepost's own", "spread", "kept", "change"],
    )];
    let mut parts = vec![row("", Part::ALL.map(|(_, name)| name))];
    for Count { operation, rounds } in counts {
        let Figures { median, all, own } = figures(rounds);
        let kept = kept.get(operation.title);
        let beside = |figure: &Figure, column: usize| {
            let kept = kept.and_then(|cells| cells.get(column)?.replace(',', "").parse().ok());
            let change =
                kept.map(|kept: f64| format!("{:+.1} %", (figure.median / kept - 1.0) * 100.0));
            [
                count(figure.median),
                percent(figure.spread),
                kept.map(count).unwrap_or_default(),
                change.unwrap_or_default(),
            ]
        };
        lines.push(row(operation.title, [beside(&all, 1), beside(&own, 3)].concat()));
        parts.push(row(operation.title, shares(&median)));
    }
    let mut text = String::new();
    table(&lines, &mut text);
    text.push('\n');
    table(&parts, &mut text);
    print!("{text}");
}

/// Keeps them. What was not counted now stays as it is.
pub(super) fn write(counts: &[Count]) -> io::Result<()> {
    let mut kept = kept();
    for Count { operation, rounds } in counts {
        let Figures { median, all, own } = figures(rounds);
        let mut cells = row(
            operation.title,
            [count(all.median), percent(all.spread), count(own.median), percent(own.spread)],
        );
        cells.extend(shares(&median));
        kept.insert(operation.title.to_owned(), cells);
    }
    let heads = ["instructions", "spread", "Gatepost's own", "spread"];
    let mut lines = vec![row("", heads.into_iter().chain(Part::ALL.map(|(_, name)| name)))];
    lines.extend(OPERATIONS.iter().filter_map(|operation| kept.remove(operation.title)));
    let mut text = WORDS.to_owned() + "\n";
    table(&lines, &mut text);
    fs::write(file(), text)
}

/// The rows of the documentation, by the operation's title.
fn kept() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(file()).unwrap_or_default();
    let rows = text.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect());
    cells.map(|cells: Vec<String>| (cells[0].clone(), cells)).collect()
}

fn file() -> PathBuf {
    plot::docs().join("instructions.md")
}

fn figures(rounds: &[Profile]) -> Figures {
    let mut rounds = rounds.to_vec();
    rounds.sort_by(|a, b| a.total().total_cmp(&b.total()));
    Figures {
        all: figure(rounds.iter().map(Profile::total)),
        own: figure(rounds.iter().map(Profile::own)),
        median: rounds.swap_remove(rounds.len() / 2),
    }
}

fn figure(values: impl Iterator<Item = f64>) -> Figure {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    Figure { median, spread: (values[values.len() - 1] - values[0]) / median }
}

fn row<C: Into<String>>(title: &str, cells: impl IntoIterator<Item = C>) -> Vec<String> {
    [title.to_owned()].into_iter().chain(cells.into_iter().map(Into::into)).collect()
}

fn shares(profile: &Profile) -> impl Iterator<Item = String> {
    Part::ALL
        .into_iter()
        .map(|(part, _)| format!("{:.0} %", profile.of(part) / profile.total() * 100.0))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
