//! What a program costs that has nothing to do. Each is started anew for it: one that has worked
//! keeps memory.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::Taken;
use crate::figures::{Key, median};
use crate::options::Effort;
use crate::process;
use crate::target::{Served, Target};

/// For what is still under way after the start, and after the last sign-on.
const SETTLE: Duration = Duration::from_millis(300);

/// Sessions with a mailbox of 5,000 messages selected, whose flags the client knows, in IDLE.
pub(super) fn idle(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let Some(Served { another, .. }) = &target.served_by else { return Ok(Vec::new()) };
    let launch = another()?;
    let program = launch.start()?;
    thread::sleep(SETTLE);
    let processes = program.processes()?;
    let at_rest = process::memory(&processes)?;
    let mut clients = Vec::with_capacity(effort.idle);
    for _ in 0..effort.idle {
        let mut client = launch.door.imap()?;
        client.ask("SELECT INBOX")?;
        client.ask("UID FETCH 1:* (FLAGS)")?;
        client.send(b"a IDLE\r\n")?;
        client.line_that_starts("+")?;
        client.rest();
        clients.push(client);
    }
    thread::sleep(SETTLE);
    let in_all = process::memory(&processes)?;
    let before = process::switches(&processes)?;
    thread::sleep(Duration::from_secs_f64(effort.watched));
    let switches = process::switches(&processes)? - before;
    Ok(vec![
        (Key::AtRest, at_rest / 1024.0),
        (Key::IdleSession, (in_all - at_rest) / effort.idle as f64),
        (Key::Switches, switches / effort.watched),
    ])
}

/// From nothing to a program that serves.
pub(super) fn starts(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let Some(Served { another, .. }) = &target.served_by else { return Ok(Vec::new()) };
    let mut times = Vec::new();
    let mut size = 0.0;
    for _ in 0..effort.starts {
        let launch = another()?;
        times.push(launch.time()?.as_secs_f64() * 1e3);
        size = Path::new(&launch.command[0]).metadata()?.len() as f64 / 1e6;
    }
    Ok(vec![(Key::Ready, median(&times)), (Key::Binary, size)])
}
