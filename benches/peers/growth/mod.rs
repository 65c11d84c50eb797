//! How cost grows with the number of sessions, and with the size of messages and mailboxes, and what a
//! slow reader does to others: `cargo bench --bench peers -- --growth`. Of Gatepost alone; each part
//! starts Gateposts of its own.

mod chart;
mod idle;
mod mailboxes;
mod messages;
mod page;
mod slow_reader;
mod work;

use std::io;
use std::time::Instant;

use crate::client::Door;
use crate::process::{self, Program};
use crate::target::Another;
use chart::Chart;

const ROUNDS: usize = 3;

/// What all parts need.
pub(crate) struct Bed {
    /// Prepares a Gatepost.
    pub(crate) gatepost: Another,
    /// The mail server with nothing in between.
    pub(crate) direct: Door,
    pub(crate) short: bool,
}

/// A Gatepost that serves.
struct Serving {
    door: Door,
    processes: Vec<u32>,
    _program: Program,
}

impl Bed {
    /// A fresh one, in which one session has been: the first derives the password's key and makes a full
    /// TLS handshake.
    fn start(&self) -> io::Result<Serving> {
        let launch = (self.gatepost)()?;
        let program = launch.start()?;
        let processes = program.processes()?;
        launch.door.imap()?.ask("NOOP")?;
        // What a start has left to do.
        std::thread::sleep(std::time::Duration::from_millis(200));
        Ok(Serving { door: launch.door, processes, _program: program })
    }

    /// How often each figure is taken.
    fn rounds(&self) -> usize {
        if self.short { 1 } else { ROUNDS }
    }

    /// The steps that are taken, of which a short run takes few.
    fn steps<'s>(&self, all: &'s [usize], short: &'s [usize]) -> &'s [usize] {
        if self.short { short } else { all }
    }
}

impl Serving {
    fn cpu(&self) -> io::Result<f64> {
        process::cpu(&self.processes)
    }

    /// KiB.
    fn memory(&self) -> io::Result<f64> {
        process::memory(&self.processes)
    }
}

type Part = fn(&Bed) -> io::Result<Vec<Chart>>;

const PARTS: [(&str, Part); 5] = [
    ("idle sessions", idle::take),
    ("sessions at work", work::take),
    ("sizes of messages", messages::take),
    ("sizes of mailboxes", mailboxes::take),
    ("slow readers", slow_reader::take),
];

/// Measures, tells, and writes `docs/growth.md` if that is wanted.
pub(crate) fn run(bed: &Bed, write: bool) -> io::Result<()> {
    let begin = Instant::now();
    let mut charts = Vec::new();
    for (name, take) in PARTS {
        eprint!("\r{:60}\r{name} ", "");
        charts.extend(
            take(bed).map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?,
        );
    }
    eprintln!("\r{:60}\r{:.0} s", "", begin.elapsed().as_secs_f64());
    page::tell(&charts);
    if write {
        page::write(&charts)?;
    }
    Ok(())
}
