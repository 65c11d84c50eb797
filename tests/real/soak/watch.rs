//! What Gatepost has in hand, second by second, and the report of it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    time::{Duration, Instant},
};

use super::{
    ledger::{Ledger, kind},
    plot::{self, Picture, Shape},
    weather::Weather,
};
use crate::support::{process, scene::Scene};

/// By then Gatepost has all the memory that the crowd needs.
const WARM: Duration = Duration::from_secs(120);
/// Kinds of errors that have a line of their own.
const DRAWN: usize = 4;

/// A picture's lines: the name of each, and its points.
type Lines<'l> = Vec<(&'l str, &'l [(f64, f64)])>;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    at: f64,
    imap: u64,
    smtp: u64,
    upstream: u64,
    memory: u64,
    descriptors: u64,
    tasks: u64,
}

pub(super) struct Watch {
    begun: Instant,
    first: Sample,
    samples: Vec<Sample>,
}

impl Watch {
    /// Nobody is there yet.
    pub(super) fn begin(scene: &Scene) -> Self {
        let begun = Instant::now();
        let first = sample(scene, begun);
        Self { begun, first, samples: vec![first] }
    }

    pub(super) fn look(&mut self, scene: &Scene) {
        self.samples.push(sample(scene, self.begun));
    }

    pub(super) fn last(&self) -> String {
        format!("{:?} at first, {:?}", self.first, self.samples.last())
    }

    /// Nobody is there, and there are no more descriptors and tasks than these besides.
    pub(super) fn is_as_at_first(&self, descriptors: u64, tasks: u64) -> bool {
        let last = self.samples.last().copied().unwrap_or_default();
        last.imap + last.smtp + last.upstream == 0
            && last.descriptors <= self.first.descriptors + descriptors
            && last.tasks <= self.first.tasks + tasks
    }

    /// Some growth may be the allocator's: a tenth, and a megabyte.
    pub(super) fn assert_memory_is_flat(&self, time: Duration) {
        if time < WARM * 4 {
            return;
        }
        let [_, second, third, last] = self.quarters(time, |sample| sample.memory);
        let most = second.max(third) + second / 10 + 1_000_000;
        assert!(last <= most, "memory: {second}, {third}, then {last}");
        let [_, second, third, last] = self.quarters(time, |sample| sample.descriptors);
        let most = second.max(third) * 13 / 10 + 10;
        assert!(last <= most, "descriptors: {second}, {third}, then {last}");
        let [_, second, third, last] = self.quarters(time, |sample| sample.tasks);
        let most = second.max(third) * 13 / 10 + 10;
        assert!(last <= most, "tasks: {second}, {third}, then {last}");
    }

    /// The medians of each quarter.
    fn quarters(&self, time: Duration, of: fn(&Sample) -> u64) -> [u64; 4] {
        let quarter = time.as_secs_f64() / 4.0;
        [0.0, 1.0, 2.0, 3.0].map(|number| {
            let within = |sample: &&Sample| {
                sample.at >= number * quarter && sample.at < (number + 1.0) * quarter
            };
            let mut values: Vec<u64> = self.samples.iter().filter(within).map(of).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied().unwrap_or_default()
        })
    }

    pub(super) fn report(
        &self,
        scene: &Scene,
        ledger: &Ledger,
        weather: &Weather,
        time: Duration,
        seed: u64,
    ) -> String {
        let mut text = String::new();
        let last = self.samples.last().copied().unwrap_or_default();
        let (accepted, unknown) = ledger.mails();
        let account =
            |of: fn(&serde_json::Value) -> u64| -> u64 { scene.accounts().iter().map(of).sum() };
        let kept = account(|it| it["continuity"]["rotations"].as_u64().unwrap_or_default());
        let resumed = account(|it| it["continuity"]["resumptions"].as_u64().unwrap_or_default());
        let _ = writeln!(
            text,
            "{} s, seed {seed}, {} faults; {accepted} mails accepted and {unknown} of unknown fate; \
             {kept} connections changed before they ended, {resumed} sessions carried over a loss, \
             {} access tokens asked for.\n",
            time.as_secs(),
            weather.had().values().sum::<u64>(),
            scene.bed.google.refreshes(),
        );
        let _ = writeln!(
            text,
            "| | at first | quarter 1 | 2 | 3 | 4 | when all had left |\n|---|---|---|---|---|---|---|"
        );
        type Of = fn(&Sample) -> u64;
        let rows: [(&str, Of); 5] = [
            ("mail clients signed on", |it| it.imap + it.smtp),
            ("IMAP connections to the server", |it| it.upstream),
            ("memory, kB", |it| it.memory / 1000),
            ("descriptors", |it| it.descriptors),
            ("tasks", |it| it.tasks),
        ];
        for (name, of) in rows {
            let quarters = self.quarters(time, of).map(|value| value.to_string()).join(" | ");
            let _ = writeln!(text, "| {name} | {} | {quarters} | {} |", of(&self.first), of(&last));
        }
        table(&mut text, "what was done", ledger.all_done().into_iter());
        table(&mut text, "fault", weather.had().into_iter());
        let errors = ledger.errors().into_iter().map(|(kind, at)| (kind, at.len() as u64));
        table(&mut text, "what clients heard that was no success", errors);
        table(&mut text, "why sessions ended, as the log has it", ends(&scene.log()).into_iter());
        text
    }

    /// `docs/soak.md` and its pictures.
    pub(super) fn write(&self, report: &str, ledger: &Ledger) -> io::Result<()> {
        let course = |of: fn(&Sample) -> f64| -> Vec<(f64, f64)> {
            self.samples.iter().map(|sample| (sample.at / 60.0, of(sample))).collect()
        };
        let (clients, upstream) =
            (course(|it| (it.imap + it.smtp) as f64), course(|it| it.upstream as f64));
        let memory = course(|it| it.memory as f64 / 1e6);
        let (descriptors, tasks) =
            (course(|it| it.descriptors as f64), course(|it| it.tasks as f64));
        let mut kinds: Vec<(String, Vec<Instant>)> = ledger.errors().into_iter().collect();
        kinds.sort_by_key(|(_, at)| std::cmp::Reverse(at.len()));
        let mut of_kinds: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
        for (kind, at) in kinds.into_iter().take(DRAWN) {
            let mut points = vec![(0.0, 0.0)];
            for (count, at) in (1..).zip(at) {
                let minutes = at.duration_since(self.begun).as_secs_f64() / 60.0;
                points.push((minutes, f64::from(count - 1)));
                points.push((minutes, f64::from(count)));
            }
            of_kinds.push((kind.chars().take(70).collect(), points));
        }
        let pictures: [(&str, &str, &str, Lines<'_>); 4] = [
            (
                "soak-sessions",
                "Sessions",
                "open",
                vec![
                    ("mail clients signed on", &clients),
                    ("IMAP connections to the server", &upstream),
                ],
            ),
            ("soak-memory", "Memory", "MB (RSS)", vec![("memory", &memory)]),
            (
                "soak-descriptors",
                "Descriptors and tasks",
                "in use",
                vec![("descriptors", &descriptors), ("tasks", &tasks)],
            ),
            (
                "soak-errors",
                "What clients heard that was no success, so far",
                "times",
                of_kinds.iter().map(|(kind, points)| (kind.as_str(), points.as_slice())).collect(),
            ),
        ];
        let mut page = String::from(include_str!("page.md"));
        for (name, title, y, lines) in pictures {
            plot::write(name, &Picture { title, x: "minutes", y, shape: Shape::Course(lines) })?;
            let _ = writeln!(page, "![{title}](plots/{name}.svg)\n");
        }
        page.push_str(report);
        fs::write(plot::docs().join("soak.md"), page)
    }
}

fn ends(log: &str) -> BTreeMap<String, u64> {
    let mut ends = BTreeMap::new();
    for (_, why) in log.lines().filter_map(|line| line.split_once(": session ended ")) {
        let why = why.split_once("why=").map_or(why, |(_, why)| why);
        let why = why.split(" server=").next().unwrap_or_default();
        *ends.entry(kind(why)).or_default() += 1;
    }
    ends
}

fn table<K: std::fmt::Display>(text: &mut String, of: &str, rows: impl Iterator<Item = (K, u64)>) {
    let _ = writeln!(text, "\n| {of} | times |\n|---|---|");
    for (what, times) in rows {
        let _ = writeln!(text, "| {} | {times} |", what.to_string().replace('|', "\\|"));
    }
}

fn sample(scene: &Scene, begun: Instant) -> Sample {
    let status = scene.home.status();
    let accounts = status["accounts"].as_array().expect("accounts");
    let sum = |of: &str, what: &str| -> u64 {
        accounts.iter().filter_map(|account| account[of][what].as_u64()).sum()
    };
    let pid = scene.proxy().pid();
    Sample {
        at: begun.elapsed().as_secs_f64(),
        imap: sum("sessions", "imap"),
        smtp: sum("sessions", "smtp"),
        upstream: sum("connections", "in_use"),
        memory: process::memory(pid),
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count() as u64,
        tasks: status["tasks"].as_u64().expect("a number of tasks"),
    }
}
