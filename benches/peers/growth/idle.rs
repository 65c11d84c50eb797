//! Sessions that are signed on, have INBOX selected, and do nothing.

use std::io;
use std::thread;
use std::time::Duration;

use super::chart::{Chart, Form, Line};
use super::{Bed, Serving};
use crate::client::Door;
use crate::figures::{median, quantile};
use crate::process;
use crate::report::{count, figure};

const SESSIONS: [usize; 5] = [1, 10, 100, 1_000, 10_000];
/// Descriptors of a program besides its sessions'.
const OTHER_DESCRIPTORS: u64 = 100;
const SETTLE: Duration = Duration::from_millis(500);

/// What is taken at each step.
struct Taken {
    at_rest: Line,
    memory: Line,
    each: Line,
    sign_on: Line,
    median: Line,
    p99: Line,
    cpu: Line,
    switches: Line,
}

pub(super) fn take(bed: &Bed) -> io::Result<Vec<Chart>> {
    // Gatepost has two descriptors a session.
    let (soft, _) = rlimit::getrlimit(rlimit::Resource::NOFILE)?;
    let most = usize::try_from(soft.saturating_sub(OTHER_DESCRIPTORS) / 2).unwrap_or(usize::MAX);
    let steps = bed.steps(&SESSIONS, &SESSIONS[..2]);
    let left_out = steps.last().filter(|step| **step > most).map(|step| {
        format!(
            " {} would need more than the {} descriptors that a program may have here.",
            count(*step as f64),
            count(soft as f64)
        )
    });
    let mut steps: Vec<usize> = steps.iter().map(|step| *step.min(&most)).collect();
    steps.dedup();
    let mut taken = Taken {
        at_rest: Line::new("with none, MiB"),
        memory: Line::new("in all, MiB"),
        each: Line::new("a session, KiB"),
        sign_on: Line::new("CPU of a sign-on"),
        median: Line::new("median"),
        p99: Line::new("99 of 100 within"),
        cpu: Line::new("CPU at rest, ms/s"),
        switches: Line::new("context switches at rest, /s"),
    };
    for _ in 0..bed.rounds() {
        taken.round(bed, &steps)?;
    }
    Ok(charts(taken, &left_out.unwrap_or_default()))
}

impl Taken {
    fn round(&mut self, bed: &Bed, steps: &[usize]) -> io::Result<()> {
        let (watched, noops) = if bed.short { (0.2, 50) } else { (3.0, 3_000) };
        let gatepost = bed.start()?;
        let at_rest = gatepost.memory()?;
        self.at_rest.add(0, at_rest / 1024.0);
        let mut clients = Vec::new();
        for &step in steps {
            let (before, had) = (gatepost.cpu()?, clients.len());
            while clients.len() < step {
                let mut client = gatepost.door.imap()?;
                client.ask("SELECT INBOX")?;
                client.rest();
                clients.push(client);
            }
            self.sign_on.add(step, (gatepost.cpu()? - before) / (step - had) as f64 * 1e3);
            thread::sleep(SETTLE);
            let in_all = gatepost.memory()?;
            self.memory.add(step, in_all / 1024.0);
            self.each.add(step, (in_all - at_rest) / step as f64);
            let [cpu, switches] = at_rest_for(&gatepost, watched)?;
            self.cpu.add(step, cpu * 1e3);
            self.switches.add(step, switches);
            let times = noop(&gatepost.door, noops)?;
            self.median.add(step, median(&times) * 1e6);
            self.p99.add(step, quantile(&times, 0.99) * 1e6);
        }
        Ok(())
    }
}

/// CPU seconds and context switches in a second.
fn at_rest_for(gatepost: &Serving, seconds: f64) -> io::Result<[f64; 2]> {
    let before = [gatepost.cpu()?, process::switches(&gatepost.processes)?];
    thread::sleep(Duration::from_secs_f64(seconds));
    let after = [gatepost.cpu()?, process::switches(&gatepost.processes)?];
    Ok([(after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds])
}

/// Seconds of each of so many NOOPs of one more session.
pub(super) fn noop(door: &Door, count: usize) -> io::Result<Vec<f64>> {
    let mut client = door.imap()?;
    client.ask("SELECT INBOX")?;
    (0..count / 10).try_for_each(|_| client.ask("NOOP"))?;
    client.time_each("NOOP", count)
}

fn charts(taken: Taken, left_out: &str) -> Vec<Chart> {
    let Taken { at_rest, memory, each, sign_on, median: middle, p99, cpu, switches } = taken;
    let (sessions, last) = each.last();
    let (earlier, first) = each.points.iter().rev().nth(2).copied().unwrap_or(each.first());
    let knee = memory.marginal().knee();
    let memory = Chart {
        name: "growth-idle-memory",
        title: format!("Memory of {} idle sessions: {} KiB each", count(sessions), figure(last)),
        told: format!(
            "With none it has {} MiB; a session costs {} KiB at {} and {} at {}; {} of them use {} ms CPU \
             and {} context switches a second.{knee}{left_out}",
            figure(at_rest.first().1),
            figure(last),
            count(sessions),
            figure(first),
            count(earlier),
            count(sessions),
            figure(cpu.last().1),
            figure(switches.last().1),
        ),
        x: "idle sessions",
        y: "MiB",
        lines: vec![memory],
        beside: vec![each, cpu, switches],
        form: Form::Lines,
    };
    let latency = Chart {
        name: "growth-idle-noop",
        title: format!(
            "A NOOP beside {} idle sessions: {} µs",
            count(sessions),
            figure(middle.last().1)
        ),
        told: format!(
            "A NOOP takes {} µs beside {} and {} beside {}.{}",
            figure(middle.last().1),
            count(sessions),
            figure(middle.first().1),
            count(middle.first().0),
            middle.knee(),
        ),
        x: "idle sessions",
        y: "µs",
        lines: vec![middle, p99],
        beside: Vec::new(),
        form: Form::Lines,
    };
    let sign_on = Chart {
        name: "growth-idle-sign-on",
        title: format!(
            "A sign-on beside {} idle sessions: {} ms CPU",
            count(sessions),
            figure(sign_on.last().1)
        ),
        told: format!(
            "A sign-on with SELECT takes {} ms CPU up to {} sessions and {} up to {}.{}",
            figure(sign_on.last().1),
            count(sessions),
            figure(sign_on.first().1),
            count(sign_on.first().0),
            sign_on.knee(),
        ),
        x: "idle sessions",
        y: "ms CPU",
        lines: vec![sign_on],
        beside: Vec::new(),
        form: Form::Lines,
    };
    vec![memory, latency, sign_on]
}
