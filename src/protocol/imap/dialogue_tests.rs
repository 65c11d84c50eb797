//! When a session may change its server, what is asked again of the next one, and what it must know
//! for that.

use super::*;
use crate::protocol::Dialogue as _;
use crate::protocol::dialogue::Violation;
use crate::protocol::imap::mailbox_view::FlagsSince;

const EMPTY: &str = "C: s SELECT x | S: * 0 EXISTS | S: s OK [READ-WRITE] done";
/// Messages whose UIDs nobody has told.
const THREE: &str = "C: s SELECT x | S: * 3 EXISTS | S: s OK [READ-WRITE] done";

/// A session in which client (`C: `) and server (`S: `) have said this, line by line; `<+>` ends one
/// that has only begun. That it goes on to the other side is not looked at here, only that it may.
fn after(story: &str) -> Dialogue {
    play(Dialogue::default(), story)
}

/// The same, with a mailbox selected in which all is known.
fn selected(story: &str) -> Dialogue {
    play(after(EMPTY), story)
}

fn play(mut dialogue: Dialogue, story: &str) -> Dialogue {
    for said in story.split(" | ").filter(|said| !said.is_empty()) {
        let (side, line) = said.split_at("C: ".len());
        let line = line.strip_suffix("<+>").map_or(format!("{line}\r\n"), str::to_owned);
        let (mut rest, mut held) = (line.as_bytes(), false);
        while !rest.is_empty() {
            let verdict = match side {
                "C: " => dialogue.client_sent(rest),
                _ => dialogue.server_sent(rest),
            };
            match verdict {
                Verdict::Pass(length) | Verdict::Replace { take: length, .. } => {
                    rest = &rest[length..];
                }
                Verdict::Hold if !held => {
                    held = true;
                    dialogue.release();
                }
                verdict => panic!("{verdict:?} at {said} in {story}"),
            }
        }
    }
    dialogue
}

fn holds(dialogue: &mut Dialogue, line: &str) -> bool {
    match dialogue.client_sent(format!("{line}\r\n").as_bytes()) {
        Verdict::Hold => true,
        Verdict::Pass(length) if length == line.len() + 2 => false,
        verdict => panic!("{verdict:?} for {line}"),
    }
}

#[test]
fn the_server_is_changed_only_where_nothing_is_cut_off() {
    let (open, between) = (Some(Moment::Open), Some(Moment::Between));
    for (story, moment) in [
        ("", open),
        (EMPTY, between),
        // Half a line of either side: the rest would reach another server, or never come.
        ("C: a STORE 1 <+>", None),
        ("S: * 3 EXI<+>", None),
        // The answer would be lost.
        ("C: a NOOP", None),
        ("C: a APPEND x {5}", None),
        ("C: a NOOP | S: a OK done", open),
        // Another server has no IDLE that a `+` or a `DONE` could be about.
        ("C: a IDLE", None),
        ("C: a IDLE | S: + idling", open),
        ("C: a IDLE | S: + idling | C: DONE", None),
        ("C: a IDLE | S: + idling | C: b STORE 1 <+>", None),
        // Two in one packet; each DONE ends its own.
        (
            "C: a IDLE | S: + idling | C: DONE | C: b IDLE | C: DONE | S: a OK done | S: + idling",
            None,
        ),
        // It ends as it is.
        ("C: a LOGOUT | S: a OK done", None),
        // What it does to the connection nobody knows, or whose messages the responses count.
        ("C: a XNEW | S: a OK done", None),
        ("C: a NOOP | C: b SELECT y | S: a OK done | S: b OK done", None),
        // None is selected any more (RFC 9051 §6.3.2, §6.4.1).
        ("C: s SELECT x | S: s OK done | C: a CLOSE | S: a OK done", open),
        ("C: s SELECT x | S: s OK done | C: a UNSELECT | S: a OK done", open),
        ("C: s SELECT x | S: s OK done | C: a SELECT y | S: a NO none", open),
        ("C: s SELECT x | S: s OK done | C: a CLOSE | S: a NO not now", between),
    ] {
        assert_eq!(after(story).moment(false), moment, "{story}");
    }
    // What is held is a command at which anything may be told.
    assert_eq!(after(EMPTY).moment(true), open);
}

#[test]
fn a_session_parts_where_the_client_is_told_nothing_too_soon() {
    assert!(after("").may_part());
    assert!(selected("").may_part());
    assert!(!after("C: a NOOP").may_part());
    // The messages are learned first, which only an IDLE or a NOOP allows.
    assert!(!after(THREE).may_part());
    assert!(play(after(THREE), "C: a IDLE | S: + idling").may_part());
    // What another connection found could not be told between two commands: not again there.
    let mut overdue = selected("");
    overdue.stay_until_open();
    assert!(!overdue.may_part());
    assert!(play(overdue, "C: a IDLE | S: + idling").may_part());
}

#[test]
fn a_command_is_held_only_where_that_helps() {
    for (line, held) in [
        ("a NOOP", true),
        ("a UID FETCH 1:* (FLAGS)", true),
        // Its numbers would mean other messages.
        ("a FETCH 1:* (FLAGS)", false),
        // The change is made in it, or after it has left the mailbox.
        ("a IDLE", false),
        ("a SELECT y", false),
        ("a LOGOUT", false),
        // Another one is behind it.
        ("a NOOP\r\nb NOOP", false),
    ] {
        let (mut soon, mut overdue) = (selected(""), selected(""));
        soon.part_soon(true);
        overdue.stay_until_open();
        for mut dialogue in [soon, overdue] {
            assert!(dialogue.is_parting());
            assert_eq!(holds(&mut dialogue, line), held, "{line}");
        }
        assert!(!holds(&mut selected(""), line), "{line} with no other connection in sight");
    }
    let mut learning = after(THREE);
    assert!(!learning.is_parting());
    assert!(!holds(&mut learning, "a STATUS y (MESSAGES)") && holds(&mut after(THREE), "b NOOP"));
}

#[test]
fn what_was_held_passes_once() {
    let mut dialogue = selected("");
    dialogue.part_soon(true);
    assert!(holds(&mut dialogue, "a NOOP"));
    dialogue.release();
    assert!(!holds(&mut dialogue, "a NOOP"));
    dialogue = play(dialogue, "S: a OK done");
    assert!(holds(&mut dialogue, "b NOOP"), "the other connection is still wanted");
    dialogue.stay();
    assert!(!dialogue.is_parting() && !holds(&mut dialogue, "b NOOP"));

    let mut dialogue = selected("");
    dialogue.stay_until_open();
    dialogue.stay();
    assert!(!dialogue.is_parting());

    // It can't go to another connection, so that waiting for one would have no end.
    let mut stuck = selected("C: a XNEW | S: a OK done");
    stuck.part_soon(true);
    assert!(stuck.stuck().is_some() && !holds(&mut stuck, "b NOOP"));

    // What came before goes on first: what is held stands in front.
    let mut dialogue = selected("");
    dialogue.part_soon(true);
    assert_eq!(dialogue.client_sent(b"\r\na NOOP\r\n"), Verdict::Pass(2));
    assert!(holds(&mut dialogue, "a NOOP"));
}

/// Asked twice, the server would do twice what a client asked once; not asked again, a client waits
/// for ever.
#[test]
fn a_lost_server_leaves_what_can_be_asked_again() {
    for (story, taken) in [
        ("C: a FETCH 1 (FLAGS)", Some("a FETCH 1 (FLAGS)\r\n")),
        ("C: a SELECT y", Some("a SELECT y\r\n")),
        // It would come twice.
        ("C: a FETCH 1:2 (FLAGS) | S: * 1 FETCH (FLAGS ())", None),
        // News is none the second time.
        ("C: a NOOP | S: * 0 RECENT", Some("a NOOP\r\n")),
        ("C: a NOOP | S: a OK done", None),
        ("C: a STORE 1 +FLAGS (x)", None),
        ("C: a APPEND y {5}", None),
        // Only of one it is known how far it came.
        ("C: a STORE 1 +FLAGS (x) | C: b NOOP", None),
        ("C: a STORE 1 +FLAGS (x) | C: b NOOP | S: a OK done", None),
        ("C: a FETCH 1 (FLAGS) | C: b STORE 1 <+>", None),
        ("C: a NOOP | C: b IDLE", None),
        ("C: a IDLE | C: b STORE 1 <+>", None),
        // Of an IDLE, what wasn't answered.
        ("C: a IDLE", Some("a IDLE\r\n")),
        ("C: a IDLE | C: DONE", Some("a IDLE\r\nDONE\r\n")),
        ("C: a IDLE | S: + idling", None),
        ("C: a IDLE | S: + idling | C: DONE", Some("DONE\r\n")),
    ] {
        let mut dialogue = selected(story);
        let before = dialogue.moment(false);
        let given = dialogue.take_back();
        assert_eq!(given.as_deref(), taken.map(str::as_bytes), "{story}");
        let after = dialogue.moment(false);
        // Without it the session may go on, and does so where it was before.
        assert_eq!(after.is_some(), before.is_some() || taken.is_some(), "{story}");
        assert!(taken.is_none() || dialogue.examination().is_some(), "the mailbox is still x");
        assert_eq!(dialogue.open_idle().is_some(), story.contains("S: + idling"), "{story}");
        if let Some(again) = given {
            assert_eq!(dialogue.client_sent(&again), Verdict::Pass(again.len()), "{story}");
            assert!(play(dialogue, "S: + idling | S: a OK done").is_quiet(), "{story}");
        }
    }
}

#[test]
fn a_session_is_quiet_where_a_close_cuts_nothing_off() {
    for (story, quiet) in [
        ("", true),
        ("C: a STORE 1 <+>", false),
        ("S: * 3 EXI<+>", false),
        ("C: a APPEND x {5}", false),
        ("C: a APPEND x {5} | S: a NO full", true),
        // Against the grammar, and an answer nevertheless.
        ("C: a APPEND x {5} | S: a OK done", true),
        ("C: a IDLE | S: a OK done", true),
    ] {
        assert_eq!(after(story).is_quiet(), quiet, "{story}");
    }
}

#[test]
fn the_open_idle_is_known_by_its_tag() {
    assert_eq!(after("C: a7 IDLE | S: + idling").open_idle(), Some(b"a7".as_slice()));
    assert_eq!(after("C: a7 IDLE").open_idle(), None);
    assert_eq!(after("C: a7 NOOP").open_idle(), None);
}

#[test]
fn a_bye_is_the_clients_only_where_it_said_logout() {
    for (story, leaving) in [("", false), ("C: a NOOP", false), ("C: a logout", true)] {
        let dialogue = play(after(story), "S: * BYE so long");
        assert_eq!((dialogue.is_leaving(), dialogue.server_has_left()), (leaving, !leaving));
    }
    // What the client was told before goes on first.
    let mut dialogue = selected("");
    assert_eq!(dialogue.server_sent(b"* 1 EXISTS\r\n* BYE x\r\n"), Verdict::Pass(12));
    assert!(!dialogue.server_has_left());
}

/// Else the next server's end would be told in the words of the one before, or not at all.
#[test]
fn another_server_has_said_no_farewell() {
    let mut dialogue = after("S: * BYE so long");
    let (takeover, _) = dialogue.take_over(&Capabilities::default());
    dialogue.go_on_with(&takeover);
    assert!(!dialogue.server_has_left() && dialogue.server_farewell().is_none());
    assert_eq!(dialogue.farewell("over").as_deref(), Some(b"* BYE over\r\n".as_slice()));
}

#[test]
fn what_a_waiting_line_does_is_known_by_its_first_word() {
    let mut dialogue = selected("");
    assert!(
        dialogue.opens(b"a UID FETCH 1 (FLAGS)\r\n") && !dialogue.opens(b"a FETCH 1 (FLAGS)\r\n")
    );
    assert!(dialogue.begins_idle(b"a IDLE\r\n") && !dialogue.begins_idle(b"IDLE NOOP\r\n"));
    dialogue.leave_mailbox(b"SELECT NOOP\r\n");
    assert_eq!(dialogue.examination().as_deref(), Some(b"EXAMINE x".as_slice()));
    // It may be gone, which is nothing to a client that leaves it.
    dialogue.leave_mailbox(b"a SELECT y\r\n");
    assert_eq!((dialogue.examination(), dialogue.moment(false)), (None, Some(Moment::Open)));
}

/// Without it a client that enabled it is not told mod-sequences, and one that didn't is told what it
/// can't read (RFC 7162 §3.1).
#[test]
fn condstore_is_on_where_the_client_has_switched_it_on() {
    for (command, on) in [
        ("SELECT y", false),
        ("SELECT \"(CONDSTORE)\"", false),
        ("SELECT y (CONDSTORE)", true),
        ("SELECT y (QRESYNC (1 5))", true),
        ("STATUS y (MESSAGES)", false),
        ("STATUS y (HIGHESTMODSEQ)", true),
        ("FETCH 1 (FLAGS)", false),
        ("FETCH 1 (MODSEQ)", true),
        ("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)", true),
        ("STORE 1 (UNCHANGEDSINCE 5) FLAGS ()", true),
        ("SEARCH SUBJECT \"MODSEQ\"", false),
        ("SEARCH MODSEQ 5", true),
    ] {
        let dialogue = selected(&format!("C: a {command} | S: a OK done"));
        assert_eq!(dialogue.has_condstore(), on, "{command}");
        assert_eq!(dialogue.stuck(), None, "{command}");
    }
}

#[test]
fn expunged_messages_are_told_as_the_client_enabled_it() {
    let gone = Difference {
        expunged: vec![(2, 7)],
        exists: None,
        flags_since: FlagsSince::Same,
        modseq: None,
    };
    assert_eq!(after("").told(&gone), b"* 2 EXPUNGE\r\n");
    let enabled = after("C: a ENABLE QRESYNC | S: * ENABLED QRESYNC | S: a OK done");
    assert_eq!(enabled.told(&gone), b"* VANISHED 7\r\n");
}

/// A command longer than is kept can't be sent again whole, in however many pieces it came.
#[test]
fn the_longest_kept_command_is_taken_back_and_no_longer_one() {
    for (length, kept) in [(8190, true), (8191, false), (20_000, false)] {
        let command = format!("FETCH {}", "1".repeat(length - "FETCH ".len()));
        for piece in [100, 5000, length] {
            let mut dialogue = after("");
            let mut rest = format!("a {command}\r\n");
            while !rest.is_empty() {
                let now: String = rest.drain(..piece.min(rest.len())).collect();
                assert_eq!(dialogue.client_sent(now.as_bytes()), Verdict::Pass(now.len()));
            }
            assert_eq!(dialogue.take_back().is_some(), kept, "{length} in pieces of {piece}");
        }
    }
}

#[test]
fn a_commands_start_is_as_long_as_the_limit_says() {
    let command = |length: usize| format!("{} NOOP\r\n", "t".repeat(length - " NOOP".len()));
    assert_eq!(after("").client_sent(command(1024).as_bytes()), Verdict::Pass(1026));
    let too_long = Verdict::Stop(Violation::ClientLineTooLong);
    assert_eq!(after("").client_sent(command(1025).as_bytes()), too_long);
}

#[test]
fn a_client_of_crlf_ends_its_idle_and_tells_no_server_its_password() {
    let dialogue = Dialogue::of(LineEnds::Crlf);
    let dialogue = play(dialogue, "C: a IDLE | S: + idling | C: DONE | S: a OK done");
    assert!(dialogue.is_quiet() && dialogue.open_idle().is_none());

    // A LOGIN is answered here, even one that stops the session.
    let mut dialogue = Dialogue::of(LineEnds::Crlf);
    let mut rest = b"a LOGIN you secret\0\r\n".as_slice();
    let stop = loop {
        match dialogue.client_sent(rest) {
            Verdict::Answer { take, .. } => rest = &rest[take..],
            verdict => break verdict,
        }
    };
    assert_eq!((stop, rest), (Verdict::Stop(Violation::ClientNewline), b"\0\r\n".as_slice()));
}
