//! Small commands, each sent when the one before is answered.

use std::io;
use std::time::Instant;

use super::Taken;
use crate::figures::{Key, median, quantile};
use crate::options::Effort;
use crate::target::Target;

/// What a program does that fetches a mailbox message by message.
pub(super) fn fetch(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let (times, cpu) = ask_often(target, effort.fetches, "FETCH 7 (BODY.PEEK[])")?;
    let mut taken = vec![(Key::FetchMedian, median(&times) * 1e3)];
    taken.extend(cpu.map(|cpu| (Key::FetchCpu, cpu * 1e6)));
    Ok(taken)
}

/// The shortest way there is, there and back.
pub(super) fn noop(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let (times, cpu) = ask_often(target, effort.noops, "NOOP")?;
    let mut taken =
        vec![(Key::NoopMedian, median(&times) * 1e6), (Key::NoopP99, quantile(&times, 0.99) * 1e6)];
    taken.extend(cpu.map(|cpu| (Key::NoopCpu, cpu * 1e6)));
    Ok(taken)
}

/// How long each took, and the CPU time of one, in seconds.
fn ask_often(target: &Target, count: usize, command: &str) -> io::Result<(Vec<f64>, Option<f64>)> {
    let mut client = target.door.imap()?;
    client.ask("SELECT INBOX")?;
    (0..count / 10).try_for_each(|_| client.ask(command))?;
    let cpu_before = target.cpu()?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        client.ask(command)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    let cpu = (target.cpu()? - cpu_before) / count as f64;
    Ok((times, target.served_by.is_some().then_some(cpu)))
}
