//! Nothing, one and many messages gone and come on either side of a change, at each moment for one.

use super::cases::{play, words};
use super::model::Trace;
use super::on_paused_clock;

/// Where the client is, and what must come of it; `BEFORE` is what happens before the change, `AMID` is what happens while the change is
/// under way.
const MOMENTS: [(&str, &str, &str); 6] = [
    ("in IDLE, planned", "rotates", "open; > IDLE; BEFORE; part; wait 0.7; AMID; wait 9"),
    ("in IDLE, lost", "resumes", "open; > IDLE; cut; BEFORE; back; wait 0.7; AMID; wait 9"),
    (
        "NOOP held, planned",
        "rotates",
        "open; BEFORE; part; wait 5; >> NOOP; wait 0.2; AMID; wait 9",
    ),
    ("NOOP held, lost", "resumes", "open; cut; BEFORE; >> NOOP; back; wait 0.7; AMID; wait 9"),
    (
        "UID FETCH, lost",
        "resumes",
        "open; cut; BEFORE; >> UID FETCH 1:* (FLAGS); back; wait 0.7; AMID; wait 9",
    ),
    ("DONE, lost", "resumes", "open; > IDLE; cut; BEFORE; >> DONE; back; wait 0.7; AMID; wait 9"),
];
const HAPPENS: [&str; 6] =
    ["wait 0", "gone 2", "gone 1,3,5", "come 1", "gone 4; come 1; flag 2", "come 3; gone 1,2"];

#[test]
fn whatever_goes_and_comes_on_either_side_of_a_change_is_told() {
    let mut failed = Vec::new();
    let mut all = 0;
    for (moment, comes, script) in MOMENTS {
        for server in ["slow", "slow plain no-modseq", "slow down"] {
            for before in HAPPENS {
                for amid in HAPPENS {
                    let script = script.replace("BEFORE", before).replace("AMID", amid);
                    all += 1;
                    match on_paused_clock(play(server, &script, Trace::default())) {
                        Ok(outcome) if words(&outcome) == comes => {}
                        Ok(outcome) => {
                            failed.push(format!("{moment}, {server}: {script}: {outcome:?}"))
                        }
                        Err(why) => failed.push(format!("{moment}, {server}: {script}: {why}")),
                    }
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} of {all}:\n{}", failed.len(), failed.join("\n"));
}
