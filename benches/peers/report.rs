//! The figures, for the terminal and for `docs/performance.md`.

use std::fmt::Write as _;
use std::fs;
use std::io;

use crate::bars;
use crate::bench::Run;
use crate::figures::{About, Bar, Key, median};
use crate::plot;
use crate::target::Kind;

/// What explains a bar that isn't reached, or is by chance; from profiles (perf, Callgrind), and from the
/// symbols of a binary that keeps them.
const WHY: &str = "**Download.** OpenSSL copies a record once on its way, rustls twice: out of its own buffer, and \
    into Gatepost's. That is a seventh of Gatepost's CPU; what it reads along costs next to nothing, and a \
    read fewer for each record gives back a part of it. rustls could spare both copies by its interface \
    without buffers, which tokio-rustls doesn't offer.\n\n\
    **NOOP.** Two thirds of a NOOP are the kernel's: two waits, two reads and two writes, fewer than nginx \
    has, and a quarter of all for waking server and client. On which cores the three meet makes more than \
    what any of them does.\n\n\
    **Size.** 0.7 MB of the binary are AES for AVX-512, without which an upload costs a third more; 0.8 MB the \
    Secret Service over D-Bus in Rust, which Windows and macOS don't have; 1.2 MB the tables for unwinding, so \
    that a defect ends one session and not all. With libdbus in C and without international domain names it \
    would be 9.8 MB.";

/// Prints everything.
pub(crate) fn tell(run: &Run) {
    print!("{}", tables(run));
}

/// Writes it into the documentation.
pub(crate) fn write(run: &Run) -> io::Result<()> {
    let file = plot::docs().join("performance.md");
    let text = format!(
        "# How fast\n\n\
         Written by `cargo bench --bench peers -- --write` ({} rounds). Gatepost's release binary and its \
         peers stand, one after another, before a mail server that answers from memory, all on one machine \
         and on 127.0.0.1. nginx, haproxy and stunnel sign nobody on; they are here as the best C code at \
         moving bytes between plain TCP and TLS. email-oauth2-proxy and Dovecot sign on as Gatepost does; \
         they have less to do in some rows and are measured in one round of four, and have 200 idle sessions: \
         it would take an hour else. “128k” is with buffers of 128 KiB, the others are as Debian has them. \
         Each round starts all of these programs anew; the mail server stays.\n\n\
         Each figure is the median of its rounds, with the least and the most; the ratios are medians of those \
         within a round. What many sign-ons at once, idle sessions and starts take is taken in one round of \
         four, and how many sessions are held in one. Noise is how far two measurements with nothing in between \
         differ within a round. A figure changes with the machine and with what else it does; the ratios are \
         what counts. `cargo bench --bench peers -- --help` says how to measure a single row, or one \
         Gatepost beside another; [performance-real.md](performance-real.md) \
         has the same before real servers, [growth.md](growth.md) how cost grows, and \
         [instructions.md](instructions.md) what hardly depends on the machine.\n\n{WHY}\n\n{}{}",
        run.rounds,
        bars::write(run)?,
        tables(run)
    );
    fs::write(file, text)
}

/// The same before real servers.
pub(crate) fn write_real(run: &Run) -> io::Result<()> {
    let file = plot::docs().join("performance-real.md");
    let text = format!(
        "# How fast before real servers\n\n\
         Written by `cargo bench --bench peers -- --real --write` ({} rounds), as root: the same as in \
         [performance.md](performance.md), with real Dovecot and real Postfix in Gmail's place. They take \
         longer than anything that stands before them, as Gmail does.\n\n{}",
        run.rounds,
        tables(run)
    );
    fs::write(file, text)
}

fn tables(run: &Run) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", machine());
    if let Some(cpu) = run.server_cpu {
        let _ = writeln!(text, "The mail server itself takes {cpu:.2} CPU s/GB of download.");
    }
    if !run.missing.is_empty() {
        let _ = writeln!(text, "Not installed, and so missing here: {}.", run.missing.join("; "));
    }
    let _ = writeln!(text, "\n## Gatepost and the best peer\n");
    summary(run, &mut text);
    same_work(run, &mut text);
    for key in run.samples.keys() {
        let About { title, unit, .. } = key.about();
        let _ = writeln!(text, "\n## {title} ({unit})\n");
        all_of(run, key, &mut text);
    }
    text
}

/// One line a figure.
fn summary(run: &Run, text: &mut String) {
    let Some(gatepost) = place(run, Kind::Gatepost) else { return };
    let direct = place(run, Kind::Direct);
    let mut lines = vec![
        ["", "Gatepost", "best peer", "to the peer", "to direct", "noise", "wanted", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    for key in run.samples.keys() {
        let About { title, unit, bar, .. } = key.about();
        let Some(value) = run.samples.median(key, gatepost) else { continue };
        let peer = best_peer(run, key);
        let shown_peer = peer.and_then(|peer| {
            let value = run.samples.median(key, peer)?;
            Some(format!("{} {}", run.targets[peer].1, figure(value)))
        });
        let ratio = |to: Option<usize>| to.and_then(|to| run.samples.ratio(key, gatepost, to));
        let wanted = Wanted { run, key, gatepost, peer, direct };
        let (words, reached) = wanted.judge(&bar, value);
        lines.push(vec![
            format!("{title}, {unit}"),
            figure(value),
            shown_peer.unwrap_or_default(),
            ratio(peer).map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            ratio(direct).map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            noise(run, key),
            words,
            reached.map(|so| if so { "yes" } else { "**no**" }).unwrap_or_default().to_owned(),
        ]);
    }
    table(&lines, text);
}

/// How many times better than those that sign on as well.
fn same_work(run: &Run, text: &mut String) {
    let Some(gatepost) = place(run, Kind::Gatepost) else { return };
    for (number, (kind, name)) in run.targets.iter().enumerate() {
        if *kind != Kind::Colleague {
            continue;
        }
        let mut lines =
            vec![["", "Gatepost", name, "times better", "wanted", ""].map(str::to_owned).to_vec()];
        for key in run.samples.keys() {
            let Some(ratio) = run.samples.ratio(key, number, gatepost) else { continue };
            let About { title, unit, more_is_better, .. } = key.about();
            let times = if more_is_better { ratio.recip() } else { ratio };
            let wanted = key.wanted_of_same_work().filter(|_| *name == "email-oauth2-proxy");
            let shown = |target| run.samples.median(key, target).map(figure).unwrap_or_default();
            lines.push(vec![
                format!("{title}, {unit}"),
                shown(gatepost),
                shown(number),
                figure(times),
                wanted.map(|wanted| format!("≥ {wanted} ×")).unwrap_or_default(),
                wanted
                    .map(|wanted| if times >= wanted { "yes" } else { "**no**" })
                    .unwrap_or_default()
                    .to_owned(),
            ]);
        }
        if lines.len() > 1 {
            let _ = writeln!(text, "\n## Gatepost and {name}, which signs on as well\n");
            table(&lines, text);
        }
    }
}

/// What a bar comes to.
struct Wanted<'r> {
    run: &'r Run,
    key: Key,
    gatepost: usize,
    peer: Option<usize>,
    direct: Option<usize>,
}

impl Wanted<'_> {
    /// In words, and whether it is so.
    fn judge(&self, bar: &Bar, value: f64) -> (String, Option<bool>) {
        let About { unit, more_is_better, .. } = self.key.about();
        match bar {
            Bar::Open => (String::new(), None),
            Bar::AtMost(most) => (format!("≤ {most} {unit}"), Some(value <= *most)),
            Bar::AboveDirect(most) => {
                let direct =
                    self.direct.and_then(|direct| self.run.samples.median(self.key, direct));
                let so = direct.map(|direct| value - direct <= *most);
                (format!("≤ direct + {most} {unit}"), so)
            }
            Bar::OfBestPeer(times) => {
                let ratio = self
                    .peer
                    .and_then(|peer| self.run.samples.ratio(self.key, self.gatepost, peer));
                let sign = if more_is_better { '≥' } else { '≤' };
                let so = ratio
                    .map(|ratio| if more_is_better { ratio >= *times } else { ratio <= *times });
                (format!("{sign} {times:.1} × peer"), so)
            }
        }
    }
}

/// Every target's figure.
fn all_of(run: &Run, key: Key, text: &mut String) {
    let peer = best_peer(run, key);
    let direct = place(run, Kind::Direct);
    let mut lines = vec![
        ["", "median", "least – most", "to the best peer", "to direct"].map(str::to_owned).to_vec(),
    ];
    for (number, (_, name)) in run.targets.iter().enumerate() {
        let Some(samples) = run.samples.of(key, number) else { continue };
        let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
        let most = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let ratio = |to: Option<usize>| {
            let ratio = to.and_then(|to| run.samples.ratio(key, number, to));
            ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default()
        };
        lines.push(vec![
            name.clone(),
            run.samples.median(key, number).map(figure).unwrap_or_default(),
            format!("{} – {}", figure(least), figure(most)),
            ratio(peer),
            ratio(direct),
        ]);
    }
    table(&lines, text);
}

fn place(run: &Run, kind: Kind) -> Option<usize> {
    run.targets.iter().position(|(of, _)| *of == kind)
}

/// The peer with the best median.
fn best_peer(run: &Run, key: Key) -> Option<usize> {
    let peers = (0..run.targets.len()).filter(|number| run.targets[*number].0 == Kind::Peer);
    let with_median = peers.filter_map(|peer| Some((run.samples.median(key, peer)?, peer)));
    let better = |a: &(f64, usize), b: &(f64, usize)| {
        let order = a.0.total_cmp(&b.0);
        if key.about().more_is_better { order.reverse() } else { order }
    };
    with_median.min_by(better).map(|(_, peer)| peer)
}

/// How far the two measurements with nothing in between differ in a round, in the middle.
fn noise(run: &Run, key: Key) -> String {
    let ratios = place(run, Kind::DirectAgain)
        .zip(place(run, Kind::Direct))
        .and_then(|(again, direct)| run.samples.ratios(key, again, direct));
    let differ = |ratio: &f64| (ratio - 1.0).abs() * 100.0;
    ratios
        .map(|ratios| format!("{:.0} %", median(&ratios.iter().map(differ).collect::<Vec<_>>())))
        .unwrap_or_default()
}

/// Three digits that count.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A whole number with its thousands apart.
pub(crate) fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut apart = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

/// A table in Markdown whose columns stand below one another on a terminal too.
pub(crate) fn table(lines: &[Vec<String>], text: &mut String) {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(2)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let gap = width - cell.chars().count();
            let _ = write!(text, "| {cell}{} ", " ".repeat(gap));
        }
        text.push_str("|\n");
        if number == 0 {
            for width in &widths {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text.push_str("|\n");
        }
    }
}

/// The machine, and what it has to do besides.
pub(crate) fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or("a processor without a name", |(_, model)| model.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Measured with {processors} cores of {model}, Linux {}.", kernel.trim())
}
