//! How many instructions Gatepost executes for what a mail program does, by Callgrind:
//! `cargo bench --bench peers -- --instructions`. Unlike seconds, they hardly depend on what else the
//! machine does, so that a small change is seen. The kernel's are not among them.

mod callgrind;
mod operations;
mod profile;
mod report;

use std::fs;
use std::io;
use std::path::Path;

use callgrind::Counted;
use operations::{OPERATIONS, Operation};
use profile::Profile;

use crate::options::Options;
use crate::stage::{Stage, build};

/// What was counted of an operation, in each round.
pub(super) struct Count {
    operation: &'static Operation,
    rounds: Vec<Profile>,
}

/// Counts, and tells.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let chosen = options.chosen(&OPERATIONS, |operation| operation.name)?;
    let uncounted = |operation| Count { operation, rounds: Vec::new() };
    let mut counts: Vec<Count> = chosen.into_iter().map(uncounted).collect();
    if let Some(program) = callgrind::missing() {
        println!(
            "Nothing was counted: {program} is missing (Debian has it in the package valgrind)."
        );
        return Ok(());
    }
    let binary = match &options.gatepost {
        Some(file) => file.canonicalize()?,
        None => build("profiling")?,
    };
    let stage = Stage::set()?;
    let without_tickets = stage.prepare_without_tickets()?;
    // For callgrind_annotate.
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/instructions");
    fs::create_dir_all(&profiles)?;
    for _ in 0..options.rounds() {
        for (prepared, full) in [(&stage.prepared, false), (&without_tickets, true)] {
            let mut of_this: Vec<&mut Count> =
                counts.iter_mut().filter(|count| count.operation.without_tickets == full).collect();
            if of_this.is_empty() {
                continue;
            }
            let folder = tempfile::tempdir_in(stage.folder.path())?;
            // Each round has a process of its own: where chance has a part in it, it is another.
            let mut gatepost = Counted::start(prepared.instances(&binary)()?, folder.path())?;
            for Count { operation, rounds } in &mut of_this {
                rounds.push(count(operation, &mut gatepost, options.short)?);
                fs::copy(gatepost.latest(), profiles.join(operation.name).with_extension("out"))?;
            }
        }
    }
    report::tell(&counts);
    println!("\nFor single functions: callgrind_annotate {}/….out", profiles.display());
    if options.write {
        report::write(&counts)?;
    }
    Ok(())
}

/// One operation: by how much twice as many are more, so that what begins and ends them is not
/// counted.
fn count(operation: &Operation, gatepost: &mut Counted, short: bool) -> io::Result<Profile> {
    let number = if short { 2 } else { operation.count };
    let mut often = (operation.begin)(&gatepost.door)?;
    // What grows at first has grown.
    often(number.div_ceil(4))?;
    gatepost.executed()?;
    often(number)?;
    let once = gatepost.executed()?;
    often(2 * number)?;
    let twice = gatepost.executed()?;
    Ok(twice.beyond(&once, (number * operation.pieces) as f64))
}
