//! Pictures of what Gatepost and its peers cost, for `docs/performance.md`.

use std::fmt::Write as _;
use std::io;

use crate::bench::Run;
use crate::figures::Key;
use crate::plot::{self, Picture, Shape};
use crate::report::figure;
use crate::target::Kind;

const DRAWN: [(Key, &str); 4] = [
    (Key::DownloadCpu, "peers-download-cpu"),
    (Key::AppendCpu, "peers-append-cpu"),
    (Key::DataCpu, "peers-data-cpu"),
    (Key::IdleSession, "peers-idle-session"),
];

/// Writes them; the text that shows them.
pub(crate) fn write(run: &Run) -> io::Result<String> {
    let mut text = String::new();
    for (key, name) in DRAWN {
        let about = key.about();
        let between = |kind| !matches!(kind, Kind::Direct | Kind::DirectAgain);
        let bars: Vec<_> = (0..run.targets.len())
            .filter(|number| between(run.targets[*number].0))
            .filter_map(|number| {
                let value = run.samples.median(key, number)?;
                Some((run.targets[number].1.clone(), value, figure(value)))
            })
            .collect();
        if bars.is_empty() {
            continue;
        }
        let picture =
            Picture { title: about.title, x: "", y: about.unit, shape: Shape::Bars(bars) };
        plot::write(name, &picture)?;
        let _ = writeln!(text, "![{}, {}](plots/{name}.svg)\n", about.title, about.unit);
    }
    Ok(text)
}
