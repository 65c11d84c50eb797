//! Every journey under every fault of the network between Gatepost and its servers.
//!
//! A short form always runs; `GATEPOST_FAULTS=1` has all of it, and `GATEPOST_WRITE=1` beside it writes
//! `docs/faults.md`. `GATEPOST_JOURNEY` names a part of the journeys that are looked at.

mod errands;
mod journeys;
mod kinds;
mod lines;
mod mail;
mod outcome;
mod page;
mod table;
mod world;

use std::{env, time::Duration};

use journeys::{JOURNEYS, Journey};
use kinds::Kind;
use table::{Task, play};

use crate::support::{machine::or_left_out, within};

const LIMIT: Duration = Duration::from_secs(1500);
/// What the short form has: each server, each way that mail takes.
const SHORT: [&str; 6] = [
    "sign on to IMAP",
    "read a mail",
    "append a mail",
    "sign on to SMTP",
    "send a mail",
    "restart of the proxy",
];

fn is_long() -> bool {
    env::var_os("GATEPOST_FAULTS").is_some()
}

/// What is played: the slow faults first, each in a world of its own.
fn tasks() -> Vec<Task> {
    let only = env::var("GATEPOST_JOURNEY").unwrap_or_default();
    let journeys = || JOURNEYS.iter().filter(|journey| journey.name.contains(&only));
    let is_slow = |kind: &Kind| !Kind::QUICK.contains(kind);
    let task = |journey: &'static Journey, kinds: Vec<Kind>| Task { journey, kinds };
    if !is_long() {
        let short = journeys().filter(|journey| SHORT.contains(&journey.name));
        return short.map(|journey| task(journey, Kind::SHORT.into())).collect();
    }
    let slow = journeys().flat_map(|journey| {
        let kinds = Kind::ALL.into_iter().filter(is_slow);
        kinds.filter(|kind| journey.has(*kind)).map(move |kind| task(journey, vec![kind]))
    });
    let quick = journeys().flat_map(|journey| match journey.waits {
        true => Kind::QUICK.map(|kind| task(journey, vec![kind])).into(),
        false => vec![task(journey, Kind::QUICK.into())],
    });
    slow.chain(quick).collect()
}

#[test]
fn each_fault_is_carried_through_or_told() {
    or_left_out("journeys under faults", || {
        within(LIMIT, || {
            let table = play(tasks());
            println!("{}", page::text(&table));
            if is_long() && env::var_os("GATEPOST_WRITE").is_some() {
                page::write(&table);
            }
            let wrong = table.defects();
            assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        });
    });
}

#[test]
fn the_page_has_every_journey_and_every_fault_and_no_defect() {
    page::assert_whole();
}
