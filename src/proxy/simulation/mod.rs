//! The whole proxy, simulated: its sessions, accounts, tokens, budgets and operators, between mail clients
//! and a provider that do whatever a seed lets them, on a clock that doesn't wait.
//!
//! A schedule is all that happens between the start of a proxy and the end of its last task, in virtual
//! minutes or hours: one number makes it. What must be true in each:
//!
//! - each command has its own answer once, or the session ends with a reason (BYE, 421);
//! - a mail that was given 250 was taken in by the provider once and byte for byte, one whose end was not
//!   sent or that was refused never; an APPEND likewise; a message fetched is the one that is there;
//! - no token and no password comes to a peer that it isn't for, whatever certificate that shows;
//! - an account has one refresh under way at most, and none for a grant that has ended, before five minutes
//!   or a person's act;
//! - an account never has more connections at the provider than its budget and one that takes over;
//! - only a wrong password is answered by `NO` or 535;
//! - nothing waits for ever, no task panics, and at the end none is left, nor a place or a turn taken.
//!
//! `GATEPOST_SCHEDULES=50000 cargo test --lib proxy::simulation -- --nocapture` plays more of them, and
//! `GATEPOST_SEED=n` begins with another seed; a failure names its own. A seed makes all that is said, done
//! and broken, and when. Only which of several things that happen at one instant is looked at first is
//! tokio's: where a seed fails now and then, `GATEPOST_REPEAT=50` plays it so many times.
//!
//! **What is real and what isn't.** Everything from the accepted client to TLS towards the provider is what
//! people run: the accounts on disk with their seals, rustls with its verification. Connections are
//! in memory (`tls::simulated`), since real sockets and a clock that jumps ahead whenever nothing is ready
//! would race; so neither listeners nor name look-ups are in it, and of the requests for tokens reqwest's
//! own part is not, which tests/tokens.rs has. The wall clock stands still.
//!
//! turmoil and madsim were weighed. Both want the sockets replaced at compile time as well. turmoil moves its
//! clock by steps of a millisecond or so, and polls every host at each: an hour, which is a token's life,
//! takes as long as a thousand schedules here. madsim replaces tokio itself, below rustls and hyper too, in a
//! build apart from all other tests. What was needed besides is an enum for one socket, in test builds alone.

mod authorization;
mod google;
mod imap_client;
mod imap_server;
mod network;
mod operator;
mod panics;
mod schedule;
mod smtp_client;
mod smtp_server;
mod talk;
mod world;

use std::time::Instant;

use self::google::Counts;
use super::continuity::tests::model::Trace;

const SCHEDULES: u64 = 120;
const SEED: u64 = 20_261_130;
/// Where something was found once: of the simulation itself, and last that a stop amid a message that was
/// refused wasn't told.
const FOUND: [u64; 4] = [46, 1078, 7420, 14893];

#[test]
fn whatever_happens_nothing_is_lost_and_nobody_gets_in() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let schedules = number("GATEPOST_SCHEDULES").unwrap_or(SCHEDULES);
    let first = number("GATEPOST_SEED").unwrap_or(SEED);
    let repeat = number("GATEPOST_REPEAT").unwrap_or(1);
    panics::note();
    let began = Instant::now();
    let mut sum = Counts::new();
    for seed in (first..first + schedules).chain(FOUND) {
        for _ in 0..repeat {
            let trace = Trace::default();
            match schedule::play(seed, trace.clone()) {
                Ok(counts) => add(&mut sum, counts),
                Err(why) => {
                    let again = format!("GATEPOST_SEED={seed} GATEPOST_SCHEDULES=1");
                    panic!("{}\n{again}: {why}", trace.show());
                }
            }
        }
    }
    println!("seeds {first}..{} in {:.1} s", first + schedules, began.elapsed().as_secs_f64());
    for (what, count) in &sum {
        println!("{count:>12}  {what}");
    }
    // A simulation in which nothing happens holds nothing.
    let seen = |what: &str| sum.get(what).is_some_and(|count| *count > 0);
    let all = if schedules < SCHEDULES { &[][..] } else { &SEEN };
    for what in all {
        assert!(seen(what), "not once: {what}");
    }
}

const SEEN: [&str; 10] = [
    "fault: impostor",
    "fault: half-open",
    "IMAP commands answered",
    "mails accepted",
    "refreshes answered, rotated",
    "wrong passwords refused",
    "IMAP clients that knew what was true at the end",
    "stops",
    "reloads",
    "sign-outs",
];

fn add(sum: &mut Counts, counts: Counts) {
    for (what, count) in counts {
        let all = sum.entry(what).or_default();
        *all = if what.starts_with("most ") { (*all).max(count) } else { *all + count };
    }
}
