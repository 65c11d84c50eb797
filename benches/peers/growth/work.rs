//! Sessions that all have something to do, one after another.

use std::io;
use std::time::Instant;

use super::Bed;
use super::chart::{Chart, Form, Line};
use crate::report::{count, figure};

const SESSIONS: [usize; 4] = [1, 10, 100, 1_000];

pub(super) fn take(bed: &Bed) -> io::Result<Vec<Chart>> {
    let commands = if bed.short { 40 } else { 6_000 };
    let mut cpu = [Line::new("NOOP"), Line::new("FETCH of 2 KiB")];
    let mut time = [Line::new("NOOP, µs in all"), Line::new("FETCH, µs in all")];
    for _ in 0..bed.rounds() {
        let gatepost = bed.start()?;
        let mut clients = Vec::new();
        for &step in bed.steps(&SESSIONS, &SESSIONS[..2]) {
            while clients.len() < step {
                let mut client = gatepost.door.imap()?;
                client.ask("SELECT INBOX")?;
                clients.push(client);
            }
            for (number, command) in ["NOOP", "FETCH 7 (BODY.PEEK[])"].into_iter().enumerate() {
                // What a session does for the first time is not what is asked for.
                clients.iter_mut().try_for_each(|client| client.ask(command))?;
                let (before, begin) = (gatepost.cpu()?, Instant::now());
                (0..commands).try_for_each(|turn| clients[turn % step].ask(command))?;
                let took = begin.elapsed().as_secs_f64();
                cpu[number].add(step, (gatepost.cpu()? - before) / commands as f64 * 1e6);
                time[number].add(step, took / commands as f64 * 1e6);
            }
        }
    }
    let [noop, fetch] = cpu;
    let sessions = count(noop.last().0);
    Ok(vec![Chart {
        name: "growth-work-cpu",
        title: format!(
            "CPU of a command, {sessions} sessions in turn: {} µs",
            figure(noop.last().1)
        ),
        told: format!(
            "A NOOP takes {} µs CPU with {sessions} sessions in turn and {} with one, a FETCH {} and {}. \
             NOOP:{} FETCH:{}",
            figure(noop.last().1),
            figure(noop.first().1),
            figure(fetch.last().1),
            figure(fetch.first().1),
            noop.knee(),
            fetch.knee(),
        ),
        x: "sessions at work",
        y: "µs CPU a command",
        lines: vec![noop, fetch],
        beside: time.into(),
        form: Form::Lines,
    }])
}
