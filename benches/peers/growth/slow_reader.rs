//! Sessions that ask for much and read slowly, or don't read at all, beside one that does.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::chart::{Chart, Form, Line};
use super::{Bed, Serving, idle};
use crate::client::{Client, Door};
use crate::figures::{median, quantile};
use crate::report::figure;

const CASES: [Case; 4] = [
    Case { slow: 0, rate: None },
    Case { slow: 1, rate: Some(1e6) },
    Case { slow: 1, rate: None },
    Case { slow: 10, rate: None },
];
const NAMES: [&str; 4] = ["none", "one at 1 MB/s", "one stalled", "ten stalled"];
/// Until what the slow ones have asked for has filled every buffer on its way.
const FILLED: Duration = Duration::from_millis(500);

struct Case {
    slow: usize,
    /// Bytes a second; without it nothing is read.
    rate: Option<f64>,
}

/// What the fast one sees, and Gatepost's memory, in KiB.
struct Seen {
    rate: f64,
    noop: f64,
    noop_p99: f64,
    memory: f64,
}

pub(super) fn take(bed: &Bed) -> io::Result<Vec<Chart>> {
    let (messages, noops) = if bed.short { (1, 50) } else { (10, 2_000) };
    let mut seen: Vec<Vec<Seen>> = CASES.iter().map(|_| Vec::new()).collect();
    for _ in 0..bed.rounds() {
        for (case, seen) in CASES.iter().zip(&mut seen) {
            seen.push(case.take(&bed.start()?, messages, noops)?);
        }
    }
    let line = |name, of: fn(&Seen) -> f64| {
        let mut line = Line::new(name);
        for (number, seen) in seen.iter().enumerate() {
            line.add(number, median(&seen.iter().map(of).collect::<Vec<_>>()));
        }
        line
    };
    let rate = line("download of the fast one", |seen| seen.rate);
    let noop = line("NOOP, median, µs", |seen| seen.noop * 1e6);
    let noop_p99 = line("NOOP, 99 of 100 within, µs", |seen| seen.noop_p99 * 1e6);
    let memory = line("memory, MiB", |seen| seen.memory / 1024.0);
    let at = |line: &Line, place: usize| line.points[place].1;
    let ratio = |line: &Line, place| at(line, place) / at(line, 0);
    let between = |(one, ten): (&Seen, &Seen)| (ten.memory - one.memory) / 9.0;
    let stalled = median(&seen[2].iter().zip(&seen[3]).map(between).collect::<Vec<_>>());
    Ok(vec![Chart {
        name: "growth-slow-reader",
        title: format!("A fast reader beside slow ones: {} to {} MB/s", least(&rate), most(&rate)),
        told: format!(
            "Beside one at 1 MB/s the fast one loads at {:.2} of its rate alone and a NOOP takes {:.2} of its \
             time; beside one that has stalled {:.2} and {:.2}, beside ten {:.2} and {:.2}. A session that \
             doesn't read holds {} KiB of Gatepost's memory.",
            ratio(&rate, 1),
            ratio(&noop, 1),
            ratio(&rate, 2),
            ratio(&noop, 2),
            ratio(&rate, 3),
            ratio(&noop, 3),
            figure(stalled),
        ),
        x: "slow readers",
        y: "MB/s",
        lines: vec![rate],
        beside: vec![noop, noop_p99, memory],
        form: Form::Bars(&NAMES),
    }])
}

impl Case {
    fn take(&self, gatepost: &Serving, messages: usize, noops: usize) -> io::Result<Seen> {
        let slow: Vec<Client> =
            (0..self.slow).map(|_| asks_for_much(&gatepost.door)).collect::<io::Result<_>>()?;
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let mut stalled = Vec::new();
            for mut client in slow {
                match self.rate {
                    None => stalled.push(client),
                    Some(rate) => {
                        let done = &done;
                        scope.spawn(move || read_slowly(&mut client, rate, done));
                    }
                }
            }
            thread::sleep(FILLED);
            let memory = gatepost.memory();
            let seen = fast(&gatepost.door, messages, noops);
            done.store(true, Ordering::Relaxed);
            let (rate, times) = seen?;
            let (noop, noop_p99) = (median(&times), quantile(&times, 0.99));
            Ok(Seen { rate, noop, noop_p99, memory: memory? })
        })
    }
}

/// One that has asked for four messages of 25 MiB.
fn asks_for_much(door: &Door) -> io::Result<Client> {
    let mut client = door.imap()?;
    client.ask("SELECT Large")?;
    client.send("a FETCH 25 (BODY.PEEK[])\r\n".repeat(4).as_bytes())?;
    Ok(client)
}

fn read_slowly(client: &mut Client, rate: f64, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let Ok(length) = client.read_some() else { return };
        thread::sleep(Duration::from_secs_f64(length as f64 / rate));
    }
}

/// MB/s, and the seconds of NOOPs.
fn fast(door: &Door, messages: usize, noops: usize) -> io::Result<(f64, Vec<f64>)> {
    let mut client = door.imap()?;
    client.ask("SELECT Large")?;
    let (received, begin) = (client.received(), Instant::now());
    (0..messages).try_for_each(|_| client.ask("FETCH 25 (BODY.PEEK[])"))?;
    let rate = (client.received() - received) as f64 / 1e6 / begin.elapsed().as_secs_f64();
    Ok((rate, idle::noop(door, noops)?))
}

fn least(line: &Line) -> String {
    figure(line.points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min))
}

fn most(line: &Line) -> String {
    figure(line.points.iter().map(|point| point.1).fold(0.0, f64::max))
}
