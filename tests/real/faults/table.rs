//! Plays journeys, some at a time, and keeps what they came to.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::{
    journeys::Journey,
    kinds::Kind,
    mail::TOKEN_LIFE,
    outcome::Outcome,
    world::{Stage, World},
};
use crate::support::{machine::NotHere, process};

/// Worlds at a time: most of them wait more than they work.
const AT_ONCE: usize = 12;
/// Once a fault is gone the next tries work within this: a token is asked for again after a pause of 15 s
/// at most, and what `/healthz` has found is good for 30.
const RECOVERY: Duration = Duration::from_secs(75);

/// A journey, and the faults that come to it in one world, one after the other.
pub(super) struct Task {
    pub(super) journey: &'static Journey,
    pub(super) kinds: Vec<Kind>,
}

/// What became of one journey under one fault.
#[derive(Default)]
pub(super) struct Cell {
    pub(super) carried_on: usize,
    /// The words, in the order of the alphabet.
    pub(super) told: BTreeSet<String>,
    pub(super) defects: Vec<String>,
}

/// What became of all.
#[derive(Default)]
pub(super) struct Table(pub(super) BTreeMap<(&'static str, Kind), Cell>);

impl Table {
    pub(super) fn defects(&self) -> Vec<String> {
        let all = self.0.iter().flat_map(|((journey, kind), cell)| {
            let where_ = format!("# {journey} × {}", kind.words().0);
            cell.defects.iter().map(move |defect| format!("{where_}: {defect}"))
        });
        all.collect()
    }
}

pub(super) fn play(tasks: Vec<Task>) -> Table {
    // By this thread, with whose end their processes would end.
    let [long, short] = [None, Some(TOKEN_LIFE)].map(|life| {
        let is_needed = tasks.iter().any(|task| task.journey.short_tokens == life.is_some());
        is_needed.then(|| Stage::new(life))
    });
    let stage = |journey: &Journey| if journey.short_tokens { &short } else { &long }.as_ref();
    let left = Mutex::new(tasks.into_iter());
    let (table, missing) = (Mutex::new(Table::default()), Mutex::new(None));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(task) = left.lock().expect("no panic while held").next() else {
                        return;
                    };
                    let keep = |kind, outcome| {
                        let mut table = table.lock().expect("no panic while held");
                        keep(table.0.entry((task.journey.name, kind)).or_default(), outcome);
                    };
                    let played = catch_unwind(AssertUnwindSafe(|| {
                        let stage = stage(task.journey).expect("made for it");
                        play_one(&task, stage, &keep);
                    }));
                    match played {
                        Err(panic) if panic.is::<NotHere>() => {
                            *missing.lock().expect("no panic while held") = Some(panic);
                            return;
                        }
                        Err(panic) => keep(task.kinds[0], Outcome::Defect(words(&*panic))),
                        Ok(()) => {}
                    }
                }
            });
        }
    });
    if let Some(panic) = missing.into_inner().expect("no panic while held") {
        resume_unwind(panic);
    }
    table.into_inner().expect("no panic while held")
}

fn keep(cell: &mut Cell, outcome: Outcome) {
    match outcome {
        Outcome::CarriedOn => cell.carried_on += 1,
        Outcome::Told(words) => drop(cell.told.insert(words)),
        Outcome::Defect(what) => cell.defects.push(what),
    }
}

fn play_one(task: &Task, stage: &Arc<Stage>, keep: &dyn Fn(Kind, Outcome)) {
    let Task { journey, kinds } = task;
    let mut world = World::new(stage);
    for kind in kinds {
        for point in journey.points(*kind) {
            let begun = Instant::now();
            world.plans(*kind, point, journey.upstream);
            let outcome = walk(&mut world, journey);
            let took = begun.elapsed().as_secs_f32();
            let name = kind.words().0;
            println!("{} × {name}, {point:?}: {took:.1} s, {outcome:?}", journey.name);
            world.heals();
            keep(*kind, outcome);
            let mut last = Outcome::CarriedOn;
            let recovered = process::until(RECOVERY, || {
                last = walk(&mut world, journey);
                matches!(last, Outcome::CarriedOn | Outcome::Defect(_))
            });
            if !recovered || last != Outcome::CarriedOn {
                let log = world.log();
                keep(*kind, Outcome::Defect(format!("afterwards, {point:?}: {last:?}\n{log}")));
            }
        }
    }
}

fn walk(world: &mut World, journey: &Journey) -> Outcome {
    let walked = catch_unwind(AssertUnwindSafe(|| (journey.walk)(world)));
    match walked.unwrap_or_else(|panic| Outcome::Defect(words(&*panic))) {
        Outcome::Defect(what) => Outcome::Defect(format!("{what}\n{}", world.log())),
        outcome => outcome,
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
    text.unwrap_or_else(|| "a panic without words".to_owned())
}
