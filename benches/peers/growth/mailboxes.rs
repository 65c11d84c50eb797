//! Mailboxes from 100 messages to a million, as a mail program opens them.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::Bed;
use super::chart::{Chart, Form, Line};
use crate::client::{Client, Door};
use crate::figures::median;
use crate::report::{count, figure};

const MESSAGES: [usize; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
/// Lines that are fetched for each figure, within so many openings.
const LINES: usize = 500_000;
const AT_LEAST: usize = 3;
const AT_MOST: usize = 200;
/// Sessions whose memory is looked at.
const SESSIONS: usize = 40;
const SETTLE: Duration = Duration::from_millis(300);

pub(super) fn take(bed: &Bed) -> io::Result<Vec<Chart>> {
    let [mut through, mut direct] = [Line::new("through Gatepost"), Line::new("direct")];
    let [mut cpu, mut memory] = [Line::new("CPU, ms"), Line::new("a session")];
    for _ in 0..bed.rounds() {
        for &size in bed.steps(&MESSAGES, &MESSAGES[..2]) {
            let times = if bed.short { 1 } else { (LINES / size).clamp(AT_LEAST, AT_MOST) };
            let (plain, _) = several(&bed.direct, size, times)?;
            direct.add(size, plain * 1e3);
            let gatepost = bed.start()?;
            let before = gatepost.cpu()?;
            let (took, first) = several(&gatepost.door, size, times)?;
            through.add(size, took * 1e3);
            cpu.add(size, (gatepost.cpu()? - before) / (times + 1) as f64 * 1e3);
            thread::sleep(SETTLE);
            let with_one = gatepost.memory()?;
            let mut clients = vec![first];
            while clients.len() <= SESSIONS {
                clients.push(several(&gatepost.door, size, 0)?.1);
            }
            thread::sleep(SETTLE);
            memory.add(size, (gatepost.memory()? - with_one) / SESSIONS as f64);
        }
    }
    Ok(charts(through, direct, cpu, memory))
}

/// Opens it once, then so many times more; seconds that one took in the middle, and the session.
fn several(door: &Door, size: usize, times: usize) -> io::Result<(f64, Client)> {
    let mut client = door.imap()?;
    let mut took = Vec::with_capacity(times);
    for _ in 0..=times {
        let begin = Instant::now();
        client.ask(&format!("SELECT Count-{size}"))?;
        client.ask("UID FETCH 1:* (FLAGS)")?;
        took.push(begin.elapsed().as_secs_f64());
    }
    client.rest();
    // The mail server makes up the mailbox when it is first asked.
    Ok((if times == 0 { took[0] } else { median(&took[1..]) }, client))
}

fn charts(through: Line, direct: Line, cpu: Line, memory: Line) -> Vec<Chart> {
    let messages = count(through.last().0);
    let of_one = through.marginal();
    let time = Chart {
        name: "growth-mailbox-time",
        title: format!("To open a mailbox of {messages}: {} ms", figure(through.last().1)),
        told: format!(
            "SELECT and UID FETCH 1:* (FLAGS) take {} ms through Gatepost and {} direct with {messages} \
             messages, {} and {} with {}; one more message takes {} µs.{}",
            figure(through.last().1),
            figure(direct.last().1),
            figure(through.first().1),
            figure(direct.first().1),
            count(through.first().0),
            figure(of_one.last().1 * 1e3),
            of_one.knee(),
        ),
        x: "messages in the mailbox",
        y: "ms",
        lines: vec![through, direct],
        beside: vec![cpu],
        form: Form::Lines,
    };
    let memory = Chart {
        name: "growth-mailbox-memory",
        title: format!("An idle session with {messages} messages: {} KiB", figure(memory.last().1)),
        told: format!(
            "A session that has opened a mailbox of {messages} and idles has {} KiB, one of {} {}.{}",
            figure(memory.last().1),
            count(memory.first().0),
            figure(memory.first().1),
            memory.knee(),
        ),
        x: "messages in the mailbox",
        y: "KiB",
        lines: vec![memory],
        beside: Vec::new(),
        form: Form::Lines,
    };
    vec![time, memory]
}
