//! Small commands, each sent when the one before is answered.

use std::io;
use std::thread;
use std::time::Duration;

use super::Taken;
use crate::figures::{Key, median, quantile};
use crate::options::Effort;
use crate::target::Target;

/// So many connections share the commands. On which cores the three programs meet makes a third of
/// what a command takes, and lasts: each connection, after a pause, has another chance.
const CONNECTIONS: usize = 8;
const PAUSE: Duration = Duration::from_millis(20);

/// What a program does that fetches a mailbox message by message.
pub(super) fn fetch(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let (times, cpu) = ask_often(target, effort.fetches, "FETCH 7 (BODY.PEEK[])")?;
    let mut taken = vec![(Key::FetchMedian, mean(&times, median) * 1e3)];
    taken.extend(cpu.map(|cpu| (Key::FetchCpu, cpu * 1e6)));
    Ok(taken)
}

/// The shortest way there is, there and back.
pub(super) fn noop(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let (times, cpu) = ask_often(target, effort.noops, "NOOP")?;
    let p99 = mean(&times, |times| quantile(times, 0.99));
    let mut taken = vec![(Key::NoopMedian, mean(&times, median) * 1e6), (Key::NoopP99, p99 * 1e6)];
    taken.extend(cpu.map(|cpu| (Key::NoopCpu, cpu * 1e6)));
    Ok(taken)
}

/// How long each took, by connection, and the CPU time of one, in seconds.
fn ask_often(
    target: &Target,
    count: usize,
    command: &str,
) -> io::Result<(Vec<Vec<f64>>, Option<f64>)> {
    let count = count.div_ceil(CONNECTIONS);
    let mut cpu = 0.0;
    let mut all = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        thread::sleep(PAUSE);
        let mut client = target.door.imap()?;
        client.ask("SELECT INBOX")?;
        (0..count.div_ceil(10)).try_for_each(|_| client.ask(command))?;
        let cpu_before = target.cpu()?;
        all.push(client.time_each(command, count)?);
        cpu += target.cpu()? - cpu_before;
    }
    let each = cpu / (count * CONNECTIONS) as f64;
    Ok((all, target.served_by.is_some().then_some(each)))
}

/// The mean of what each connection comes to.
fn mean(all: &[Vec<f64>], of: impl Fn(&[f64]) -> f64) -> f64 {
    all.iter().map(|times| of(times)).sum::<f64>() / all.len() as f64
}
