//! `docs/growth.md`, and the same on a terminal.

use std::fmt::Write as _;
use std::fs;
use std::io;

use super::chart::{Chart, Form, Line};
use crate::plot;
use crate::report::{self, count, figure};

/// Prints the tables and what is said of them.
pub(super) fn tell(charts: &[Chart]) {
    print!("{}", text(charts, false));
}

/// Writes the page and its pictures.
pub(super) fn write(charts: &[Chart]) -> io::Result<()> {
    for chart in charts {
        plot::write(chart.name, &picture(chart))?;
    }
    let text = format!(
        "# How cost grows\n\n\
         Written by `cargo bench --bench peers -- --growth --write`: Gatepost's release binary before a mail \
         server that answers from memory, all on one machine and on 127.0.0.1. What grows in proportion is a \
         straight line; what stays as it is, a level one. A knee is a step at which a piece costs half as \
         much again as at any before. Each figure is the median of three, by as many Gateposts; \
         [performance.md](performance.md) has Gatepost beside other proxies.\n\n{}",
        text(charts, true)
    );
    fs::write(plot::docs().join("growth.md"), text)
}

fn text(charts: &[Chart], pictures: bool) -> String {
    let mut text = report::machine() + "\n";
    for chart in charts {
        let _ = writeln!(text, "\n## {}\n", chart.title);
        if pictures {
            let _ = writeln!(text, "![{}](plots/{}.svg)\n", chart.title, chart.name);
        }
        let _ = writeln!(text, "{}\n", chart.told);
        table(chart, &mut text);
    }
    text
}

fn table(chart: &Chart, text: &mut String) {
    let lines: Vec<&Line> = chart.lines.iter().chain(&chart.beside).collect();
    let Some(first) = lines.first() else { return };
    let drawn = chart.lines.iter().map(|line| match line.name.split_once(", ") {
        Some((name, unit)) if unit == chart.y => format!("{name}, {unit}"),
        _ => format!("{}, {}", line.name, chart.y),
    });
    let beside = chart.beside.iter().map(|line| line.name.to_owned());
    let head = std::iter::once(chart.x.to_owned()).chain(drawn).chain(beside);
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    for (place, &(x, _)) in first.points.iter().enumerate() {
        let step = match chart.form {
            Form::Lines => count(x),
            Form::Bars(names) => names.get(place).copied().unwrap_or_default().to_owned(),
        };
        let figures = lines
            .iter()
            .map(|line| line.points.get(place).map_or(String::new(), |of| figure(of.1)));
        rows.push(std::iter::once(step).chain(figures).collect());
    }
    report::table(&rows, text);
}

fn picture(chart: &Chart) -> plot::Picture<'_> {
    let shape = match chart.form {
        Form::Lines => plot::Shape::Lines(
            chart.lines.iter().map(|line| (line.name, line.points.as_slice())).collect(),
        ),
        Form::Bars(names) => plot::Shape::Bars(
            names
                .iter()
                .zip(chart.lines.iter().flat_map(|line| &line.points))
                .map(|(name, point)| ((*name).to_owned(), point.1, figure(point.1)))
                .collect(),
        ),
    };
    plot::Picture { title: &chart.title, x: chart.x, y: chart.y, shape }
}
