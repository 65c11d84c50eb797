//! Signing on. Gatepost takes a password and signs on at the server itself; through the relays the
//! client signs on with a token, and they add nothing.

use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use super::Taken;
use crate::figures::{Key, median};
use crate::options::Effort;
use crate::target::{Kind, Served, Target};

/// There are hundreds of these threads, and each needs little.
const STACK: usize = 256 * 1024;

/// Connect, sign on, leave; one after another.
pub(super) fn one_by_one(target: &Target, effort: &Effort) -> io::Result<Taken> {
    target.door.imap()?.ask("LOGOUT")?;
    let cpu_before = target.cpu()?;
    let mut times = Vec::new();
    for _ in 0..effort.sign_ons {
        let begin = Instant::now();
        target.door.imap()?.ask("LOGOUT")?;
        times.push(begin.elapsed().as_secs_f64());
    }
    let mut taken = vec![(Key::SignOnMedian, median(&times) * 1e3)];
    if target.served_by.is_some() {
        let cpu = target.cpu()? - cpu_before;
        taken.push((Key::SignOnCpu, cpu / effort.sign_ons as f64 * 1e3));
    }
    Ok(taken)
}

/// All at once; until the last of them has signed on.
pub(super) fn at_once(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let gate = Barrier::new(effort.at_once + 1);
    let (gate, door) = (&gate, &target.door);
    let spans = thread::scope(|scope| -> io::Result<Vec<_>> {
        let clients = (0..effort.at_once)
            .map(|_| {
                thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || {
                    gate.wait();
                    let begin = Instant::now();
                    // Held until all are there.
                    door.imap().map(|client| (begin, Instant::now(), client))
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        gate.wait();
        let join = |client: thread::ScopedJoinHandle<'_, _>| {
            client.join().unwrap_or_else(|_| Err(io::Error::other("a client panicked")))
        };
        clients.into_iter().map(join).collect()
    })?;
    // By the clients' own clocks: this thread may be let go on as the last of all.
    let begin = spans.iter().map(|(begin, ..)| *begin).min();
    let end = spans.iter().map(|(_, end, _)| *end).max();
    let took = begin.zip(end).map_or(0.0, |(begin, end)| (end - begin).as_secs_f64());
    Ok(vec![(Key::AtOnce, took)])
}

/// How many are signed on at a time until one can't be, and are answered then: of those that do the same
/// work.
pub(super) fn held(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let Some(Served { another, .. }) = &target.served_by else { return Ok(Vec::new()) };
    if target.kind == Kind::Peer {
        return Ok(Vec::new());
    }
    let launch = another()?;
    let _program = launch.start()?;
    let mut clients = Vec::with_capacity(effort.held);
    while clients.len() < effort.held {
        let Ok(mut client) = launch.door.imap() else { break };
        client.rest();
        clients.push(client);
    }
    let answered = clients.iter_mut().filter_map(|client| client.ask("NOOP").ok()).count();
    Ok(vec![(Key::Held, answered as f64)])
}
