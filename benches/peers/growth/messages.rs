//! Messages from 1 kB to 50 MB, down and up.

use std::io;
use std::time::Instant;

use super::chart::{Chart, Form, Line};
use super::{Bed, Serving};
use crate::client::{Client, Door};
use crate::figures::median;
use crate::process;
use crate::report::figure;
use crate::rows::message;

const SIZES: [usize; 6] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000];
/// Bytes that are moved for each figure, within so many messages.
const BYTES: usize = 50_000_000;
const AT_LEAST: usize = 3;
const AT_MOST: usize = 500;

/// Moves one message.
type Send = fn(&mut Client, &[u8]) -> io::Result<()>;

/// One direction.
struct Way {
    send: Send,
    through: Line,
    direct: Line,
    cpu: Line,
    peak: Line,
}

pub(super) fn take(bed: &Bed) -> io::Result<Vec<Chart>> {
    let way = |send: Send, [through, direct, cpu]: [&'static str; 3]| Way {
        send,
        through: Line::new(through),
        direct: Line::new(direct),
        cpu: Line::new(cpu),
        peak: Line::new(cpu),
    };
    let mut ways = [
        way(|client, _| client.ask("FETCH 1 (BODY.PEEK[])"), ["FETCH", "FETCH, direct", "FETCH"]),
        way(
            |client, message| client.append("INBOX", message),
            ["APPEND", "APPEND, direct", "APPEND"],
        ),
    ];
    for _ in 0..bed.rounds() {
        for &size in bed.steps(&SIZES, &[SIZES[0], SIZES[3]]) {
            let times = if bed.short { 1 } else { (BYTES / size).clamp(AT_LEAST, AT_MOST) };
            let message = message(size);
            for way in &mut ways {
                let gatepost = bed.start()?;
                let before = gatepost.cpu()?;
                let mut client = ready(&gatepost.door, size)?;
                let start = gatepost.cpu()? - before;
                way.through.add(size, several(&mut client, way.send, &message, times)? * 1e3);
                let cpu = gatepost.cpu()? - before - start;
                way.cpu.add(size, cpu / times as f64 * 1e3);
                way.peak.add(size, peak(&gatepost)?);
                let mut client = ready(&bed.direct, size)?;
                way.direct.add(size, several(&mut client, way.send, &message, times)? * 1e3);
            }
        }
    }
    Ok(charts(ways))
}

/// A session in a mailbox in which every message has this size.
fn ready(door: &Door, size: usize) -> io::Result<Client> {
    let mut client = door.imap()?;
    client.ask(&format!("SELECT Size-{size}"))?;
    Ok(client)
}

/// Seconds that one took in the middle.
fn several(client: &mut Client, send: Send, message: &[u8], times: usize) -> io::Result<f64> {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let begin = Instant::now();
        send(client, message)?;
        took.push(begin.elapsed().as_secs_f64());
    }
    Ok(median(&took))
}

/// The most that it has had, MiB.
fn peak(gatepost: &Serving) -> io::Result<f64> {
    Ok(process::peak(&gatepost.processes)? / 1024.0)
}

fn charts([down, up]: [Way; 2]) -> Vec<Chart> {
    // Seconds and CPU of a megabyte where a message is large.
    let rate = |line: &Line| line.last().0 / 1e3 / line.last().1;
    let (size, least) = (bytes(down.peak.last().0), bytes(down.peak.first().0));
    let by_the_byte = |line: &Line| line.marginal().knee();
    let cpu = |line: &Line| line.marginal().last().1 * 1e6;
    let peaks = [down.peak.first().1, down.peak.last().1, up.peak.last().1].map(figure);
    let time = Chart {
        name: "growth-message-time",
        title: format!(
            "A message of {size}: {} ms down, {} ms up",
            figure(down.through.last().1),
            figure(up.through.last().1)
        ),
        told: format!(
            "At {size} a FETCH runs at {} MB/s through Gatepost and {} direct, an APPEND at {} and {}; at \
             {least} a FETCH takes {} ms more than direct. What one more byte takes, FETCH:{} APPEND:{}",
            figure(rate(&down.through)),
            figure(rate(&down.direct)),
            figure(rate(&up.through)),
            figure(rate(&up.direct)),
            figure(down.through.first().1 - down.direct.first().1),
            by_the_byte(&down.through),
            by_the_byte(&up.through),
        ),
        x: "bytes of a message",
        y: "ms",
        lines: vec![down.through, down.direct, up.through, up.direct],
        beside: Vec::new(),
        form: Form::Lines,
    };
    let cpu = Chart {
        name: "growth-message-cpu",
        title: format!(
            "CPU of a message of {size}: {} ms down, {} ms up",
            figure(down.cpu.last().1),
            figure(up.cpu.last().1)
        ),
        told: format!(
            "One more gigabyte costs {} s CPU down and {} up at {size}. FETCH:{} APPEND:{}",
            figure(cpu(&down.cpu)),
            figure(cpu(&up.cpu)),
            by_the_byte(&down.cpu),
            by_the_byte(&up.cpu),
        ),
        x: "bytes of a message",
        y: "ms CPU",
        lines: vec![down.cpu, up.cpu],
        beside: Vec::new(),
        form: Form::Lines,
    };
    let memory = Chart {
        name: "growth-message-memory",
        title: format!("Most memory while messages of {size} pass: {} MiB", peaks[1]),
        told: format!(
            "The most memory that Gatepost has had (resident, its binary's pages included) is {} MiB after \
             FETCHes of {least} and {} of {size}, {} after APPENDs of {size}. FETCH:{}",
            peaks[0],
            peaks[1],
            peaks[2],
            down.peak.knee(),
        ),
        x: "bytes of a message",
        y: "MiB",
        lines: vec![down.peak, up.peak],
        beside: Vec::new(),
        form: Form::Lines,
    };
    vec![time, cpu, memory]
}

fn bytes(size: f64) -> String {
    if size >= 1e6 { format!("{} MB", size / 1e6) } else { format!("{} kB", size / 1e3) }
}
