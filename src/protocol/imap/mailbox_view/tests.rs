use super::super::response::Response;
use super::*;

/// A mailbox of three messages with UIDs below 21, and what the server has told since.
fn after(lines: &[&str]) -> MailboxView {
    let mut view = MailboxView::default();
    view.command(b"s", b"SELECT x", false, true);
    let opening = [
        "* OK [UIDVALIDITY 7] x",
        "* OK [UIDNEXT 21] x",
        "* OK [HIGHESTMODSEQ 5] x",
        "* 3 EXISTS",
        "s OK [READ-WRITE] done",
    ];
    for line in opening.iter().chain(lines) {
        tell(&mut view, line, false);
    }
    view
}

fn tell(view: &mut MailboxView, line: &str, cut: bool) {
    match Response::parse(line.as_bytes()) {
        Some(Response::Untagged(said)) => view.code(said.code.unwrap_or_default()),
        Some(Response::Tagged(tag, told)) => view.tagged(tag, &told),
        _ => view.data(line.as_bytes(), cut),
    }
}

/// Another connection finds these UIDs.
fn found(uids: &str, uid_next: u32) -> Found {
    let uids = UidSet::parse(uids).unwrap_or_default();
    Found {
        uid_validity: Some(7),
        uid_next: Some(uid_next),
        modseq: Some(5),
        exists: uids.len(),
        uids,
        flags_changed: false,
    }
}

/// What the client would be told.
fn told(view: &MailboxView, found: &Found) -> String {
    match view.compare(found) {
        Ok(difference) => String::from_utf8(difference.lines(false)).unwrap().replace("\r\n", ";"),
        Err(unlike) => format!("{unlike:?}"),
    }
}

/// Of these, `KNOWN` tells all that was there at the selection.
const KNOWN: &str = "* 1 FETCH (UID 3)\n* 2 FETCH (UID 7)\n* 3 FETCH (UID 9)";

#[test]
fn a_client_is_told_what_can_be_proved_and_nothing_else() {
    for (lines, uids, next, expected) in [
        // By their number alone: below 21 nothing can appear.
        ("", "3,7,9", 21, ""),
        ("", "3,7,9,21,30", 31, "* 5 EXISTS;"),
        ("", "3,7", 21, "Ambiguous"),
        ("", "3,7,8,9", 21, "Behind"),
        ("", "3,7,9", 20, "Behind"),
        (KNOWN, "3,9", 21, "* 2 EXPUNGE;"),
        (KNOWN, "9", 21, "* 2 EXPUNGE;* 1 EXPUNGE;"),
        (KNOWN, "3,9,25", 26, "* 2 EXPUNGE;* 3 EXISTS;"),
        (KNOWN, "3,8,9", 21, "Behind"),
        ("* 1 FETCH (UID 3)", "3,7,9", 21, ""),
        ("* 1 FETCH (UID 3)", "7,9", 21, "* 1 EXPUNGE;"),
        ("* 1 FETCH (UID 3)", "3,9", 21, "Ambiguous"),
        // The UIDs of those before it aren't known.
        ("* 3 FETCH (UID 9)", "3,7", 21, "Ambiguous"),
        // Told as gone, and there again: what was there before.
        (&format!("{KNOWN}\n* 2 EXPUNGE"), "3,9", 21, ""),
        (&format!("{KNOWN}\n* 2 EXPUNGE"), "3,7,9", 21, "Behind"),
        (&format!("{KNOWN}\n* VANISHED 4:7"), "3,9", 21, ""),
        (&format!("{KNOWN}\n* VANISHED 4:7"), "3", 21, "* 2 EXPUNGE;"),
        ("* 3 EXPUNGE", "3,7", 21, ""),
        ("* VANISHED 15", "3,7", 21, ""),
        ("* 1 FETCH (UID 3)\n* VANISHED 3", "7,9", 21, "Ambiguous"),
        // A client's own move is told before what others did. One that is behind has what is gone, and lacks
        // another; that matters where the client heard more of them than their number.
        ("* 3 FETCH (FLAGS ())\n* 2 EXPUNGE", "3,9", 21, "Ambiguous"),
        ("* 3 FETCH (FLAGS ())\n* VANISHED 7", "3,9", 21, "Ambiguous"),
        ("* 1 FETCH (UID 3)\n* 1 EXPUNGE", "7,9", 21, ""),
        ("* 2 FETCH (UID 7)\n* 1 EXPUNGE", "7,9", 21, "Ambiguous"),
        ("* 3 FETCH (UID 9)\n* 3 EXPUNGE\n* 1 FETCH (UID 3)\n* 2 FETCH (UID 7)", "3,7", 21, ""),
        ("* 3 FETCH (UID 9)\n* VANISHED 9\n* 1 FETCH (UID 3)", "3,7", 21, "Ambiguous"),
        ("* 1 FETCH (UID 3)\n* 2 EXPUNGE\n* 2 EXPUNGE", "3", 21, ""),
        ("* 1 FETCH (UID 3)\n* VANISHED 7\n* VANISHED 9", "3", 21, ""),
        (&format!("{KNOWN}\n* 4 EXISTS\n* 4 EXPUNGE"), "3,7,9", 22, ""),
        ("* 3 FETCH (FLAGS ())\n* 4 EXISTS\n* 4 EXPUNGE", "3,7,9", 22, ""),
        // Two came, of which only the number was told: the first two of all that came.
        ("* 5 EXISTS", "3,7,9,21,22", 23, ""),
        ("* 5 EXISTS", "3,7,9,21,22,23", 24, "* 6 EXISTS;"),
        ("* 5 EXISTS", "3,7,9,21", 22, "Behind"),
        ("* 5 EXISTS", "3,7,9,22", 23, "Ambiguous"),
        ("* 5 EXISTS", "3,7,9,21,23", 24, "Ambiguous"),
        ("* 5 EXISTS\n* VANISHED 21", "3,7,9,22", 23, "Ambiguous"),
        ("* 5 EXISTS\n* VANISHED 22", "3,7,9,21", 22, ""),
        ("* 5 EXISTS\n* 4 EXPUNGE\n* 4 EXPUNGE", "3,7,9", 23, ""),
        // By a replica that is behind they may be others, which matters once more was heard of them.
        ("* 5 EXISTS\n* 3 FETCH (FLAGS ())", "3,7,9,21,22", 23, ""),
        ("* 5 EXISTS\n* 4 FETCH (FLAGS ())", "3,7,9,21,22", 23, "Ambiguous"),
        ("* 5 EXISTS\n* SEARCH 1", "3,7,9,21,22", 23, "Ambiguous"),
        ("* 5 EXISTS\n* SORT 1", "3,7,9,21,22", 23, "Ambiguous"),
        ("* 4 EXISTS\n* SEARCH 1\n* 5 EXISTS\n* 4 EXPUNGE", "3,7,9,21", 22, ""),
        ("* 4 EXISTS\n* 4 FETCH (FLAGS ())\n* VANISHED 21\n* 4 EXISTS", "3,7,9,21", 22, ""),
        ("* 4 FETCH (FLAGS ())\n* 4 EXISTS", "3,7,9,21", 22, "Ambiguous"),
        (&format!("{KNOWN}\n* 4 EXISTS\n* VANISHED 7"), "3,9,21", 22, ""),
        (
            &format!("{KNOWN}\n* 5 EXISTS\n* 4 FETCH (FLAGS ())\n* VANISHED 9"),
            "3,7,21,22",
            23,
            "Ambiguous",
        ),
        // A UID that was told: all up to it are the client's, if none was passed over …
        ("* 5 EXISTS\n* 4 FETCH (UID 21)", "3,7,9,21,22", 23, ""),
        ("* 5 EXISTS\n* 5 FETCH (UID 22)", "3,7,9,21,22", 23, ""),
        ("* 6 EXISTS\n* 5 FETCH (UID 22)", "3,7,9,21,22,23", 24, ""),
        // … or if each is known. Else another may have come and gone in between, and one before it.
        (&format!("{KNOWN}\n* 4 EXISTS\n* 4 FETCH (UID 30)"), "3,7,9,30", 31, ""),
        (&format!("{KNOWN}\n* 4 EXISTS\n* 4 FETCH (UID 30)"), "3,7,25,30", 31, "Behind"),
        ("* 4 EXISTS\n* 4 FETCH (UID 30)", "3,7,25,30", 31, "Ambiguous"),
        ("* 5 EXISTS\n* 5 FETCH (UID 30)", "3,7,9,29,30", 31, "Ambiguous"),
    ] {
        let lines: Vec<_> = lines.split('\n').collect();
        let view = after(&lines);
        assert_eq!(view.stuck(), None, "{lines:?}");
        assert_eq!(told(&view, &found(uids, next)), expected, "{lines:?}, found {uids}");
    }
    // A server that says no UIDNEXT has at least one above its last message.
    let silent = |uids| Found { uid_next: None, ..found(uids, 0) };
    assert_eq!(told(&after(&[]), &silent("3,7,9")), "Behind");
    assert_eq!(told(&after(&[]), &silent("3,7,9,21")), "* 4 EXISTS;");
    // Its search has not what it says is there.
    assert_eq!(told(&after(&[]), &Found { exists: 4, ..found("3,7,9", 21) }), "Behind");
    for validity in [None, Some(8)] {
        let anew = Found { uid_validity: validity, ..found("3,7,9", 21) };
        assert_eq!(told(&after(&[]), &anew), "OtherMailbox");
    }
    assert_eq!(told(&after(&["* OK [UIDVALIDITY 8] x"]), &found("3,7,9", 21)), "OtherMailbox");
}

#[test]
fn flags_are_the_same_only_where_no_mod_sequence_is_newer() {
    let now = found("3,7,9", 21);
    for (lines, found, since) in [
        (vec![], now.clone(), FlagsSince::Same),
        (vec![], Found { flags_changed: true, ..now.clone() }, FlagsSince::Modseq(5)),
        (vec![], Found { modseq: Some(6), ..now.clone() }, FlagsSince::Modseq(5)),
        (vec![], Found { modseq: None, ..now.clone() }, FlagsSince::Unknown),
        (vec!["* OK [HIGHESTMODSEQ 4] x"], now.clone(), FlagsSince::Modseq(4)),
        (vec!["* OK [NOMODSEQ] x"], now, FlagsSince::Unknown),
    ] {
        assert_eq!(after(&lines).compare(&found).unwrap().flags_since, since, "{lines:?}");
    }
}

/// Nothing is told at a moment that allows little, and what renumbers only where that is allowed.
#[test]
fn a_difference_says_whether_there_is_something_to_tell() {
    let known: Vec<_> = KNOWN.split('\n').collect();
    for (uids, next, modseq, tells, renumbers) in [
        ("3,7,9", 21, 5, false, false),
        ("3,7,9", 21, 6, true, false),
        ("3,7,9,22", 23, 5, true, false),
        ("3,9", 21, 5, true, true),
    ] {
        let found = Found { modseq: Some(modseq), ..found(uids, next) };
        let difference = after(&known).compare(&found).unwrap();
        assert_eq!((difference.tells(), difference.renumbers()), (tells, renumbers), "{uids}");
    }
}

/// A replica catches up and a rename ends; what the client was told stays as it is.
#[test]
fn only_what_the_server_may_mend_is_looked_at_again() {
    for (lines, uids, passes) in [
        (vec![], "3,7,8,9", true),
        (vec!["* OK [UIDVALIDITY 8] x"], "3,7,9", true),
        (vec![], "3,7", false),
    ] {
        let unlike = after(&lines).compare(&found(uids, 21)).unwrap_err();
        assert_eq!(unlike.may_pass(), passes, "{unlike}");
    }
    assert!(Unlike::Closed.may_pass() && !Unlike::Lacking.may_pass());
}

/// A server that contradicts itself, or a view that does: by it nobody should be told anything.
#[test]
fn what_contradicts_the_mailbox_keeps_the_session_to_its_connection() {
    for (lines, fits) in [
        ("* 3 EXISTS", true),
        ("* 2 EXISTS", false),
        ("* 3 EXPUNGE", true),
        ("* 0 EXPUNGE", false),
        ("* 4 EXPUNGE", false),
        ("* 3 FETCH (FLAGS ())", true),
        ("* 0 FETCH (UID 30)", false),
        ("* 3 FETCH (UID 21)", true),
        ("* 4 FETCH (UID 30)", false),
        // Some tell a new message's flags before that it is there.
        ("* 4 FETCH (FLAGS ())", true),
        ("* 1 FETCH (UID 0)", true),
        ("* 1 FETCH (UID 3)\n* 1 FETCH (UID 3)", true),
        ("* 1 FETCH (UID 3)\n* 1 FETCH (UID 4)", false),
        ("* 1 FETCH (UID 3)\n* 2 FETCH (UID 3)", false),
        ("* VANISHED 1:20", false),
        ("* VANISHED 4:x", false),
        ("* 4 EXISTS\n* 4 FETCH (UID 21)\n* VANISHED 22", false),
        ("* 1 FETCH (UID 3)\n* 2 FETCH (UID 7)\n* VANISHED 10:11", false),
        ("* 1 FETCH (UID 3)\n* 2 FETCH (UID 7)\n* VANISHED 10", true),
    ] {
        let lines: Vec<_> = lines.split('\n').collect();
        assert_eq!(after(&lines).stuck().is_none(), fits, "{lines:?}");
        // It may be said while another connection is about to take over.
        if !fits {
            assert_eq!(told(&after(&lines), &found("3,7,9", 21)), "Ambiguous", "{lines:?}");
        }
    }
    // Of a line that is cut, which messages are gone isn't known …
    let mut view = after(&[]);
    tell(&mut view, "* VANISHED 3", true);
    assert!(view.stuck().is_some());
    // … nor which extensions are on; the numbers of a search are nothing to it.
    let mut view = after(&[]);
    tell(&mut view, "* SEARCH 3", true);
    assert!(view.stuck().is_none());
    tell(&mut view, "* ENABLED CONDSTORE", true);
    assert!(view.stuck().is_some());
}

/// Until the tagged OK, what is told may be about the mailbox that is being left (RFC 9051 §6.3.2).
#[test]
fn a_mailbox_that_is_being_opened_is_as_its_last_lines_say() {
    let mut view = after(&[]);
    view.command(b"a", b"EXAMINE \"y z\"", false, true);
    assert!(view.selected().is_none(), "neither of the two");
    for line in ["* 9 EXISTS", "* 12 EXPUNGE", "* 4 EXISTS", "* OK [UIDNEXT 31] x", "a OK x"] {
        tell(&mut view, line, false);
    }
    assert_eq!((view.exists(), view.stuck()), (4, None));
    assert_eq!(view.selection().as_deref(), Some(b"EXAMINE \"y z\"".as_slice()));
    // A server without UIDNEXT: any message may be one that came.
    view.command(b"b", b"SELECT y", false, true);
    for line in ["* OK [UIDVALIDITY 7] x", "* 2 EXISTS", "b OK x"] {
        tell(&mut view, line, false);
    }
    assert_eq!(told(&view, &found("1,2", 3)), "");
    assert_eq!(told(&view, &found("1,3", 4)), "Ambiguous");
}

#[test]
fn an_enabled_extension_is_enabled_elsewhere_and_switches_condstore_on() {
    for (name, condstore) in [("CONDSTORE", true), ("qresync", true), ("IMAP4rev2", false)] {
        let view = after(&[&format!("* ENABLED {name}"), &format!("* ENABLED {name}")]);
        assert_eq!(view.has_condstore(), condstore, "{name}");
        assert_eq!(view.preamble(), [format!("ENABLE {name}").into_bytes()]);
        assert!(view.is_enabled_by(&[name.to_ascii_uppercase()]) && !view.is_enabled_by(&[]));
    }
}

/// A session in which the client has said this.
fn said(command: &str, cut: bool) -> MailboxView {
    let mut view = after(&[]);
    view.command(b"a", command.as_bytes(), cut, true);
    view
}

#[test]
fn what_lives_in_the_connection_keeps_the_session_to_it() {
    for (command, cut, stuck) in [
        // Results that a later `$` or the server itself comes back to (RFC 5182, RFC 5267).
        ("SEARCH RETURN (SAVE) ALL", false, true),
        ("UID SEARCH RETURN (UPDATE) ALL", false, true),
        ("SORT RETURN (CONTEXT) (DATE) UTF-8 ALL", false, true),
        ("SEARCH RETURN (ALL) ALL", false, false),
        ("SEARCH KEYWORD Update", false, false),
        // What stands behind the kept part may have switched anything on.
        ("FETCH 1 (FLAGS)", false, false),
        ("FETCH 1 (FLAGS)", true, true),
        // What is written elsewhere and may be anything.
        ("APPEND y {3}\r\nabc", true, false),
        ("COMPARATOR i;octet", false, true),
    ] {
        assert_eq!(said(command, cut).stuck().is_some(), stuck, "{command}");
    }
}

/// A literal would wait for a `+` there, and of a long one the end isn't known.
#[test]
fn another_server_is_told_the_clients_id_where_one_line_holds_it() {
    let id = "ID (\"name\" \"x\")";
    assert_eq!(said(id, false).preamble(), [id.as_bytes()]);
    for (command, cut) in [("ID (\"name\" {3+}\r\nxyz)", false), ("ID (\"name\" \"x", true)] {
        let view = said(command, cut);
        assert_eq!((view.preamble().len(), view.stuck()), (0, None), "{command}");
    }
}

/// The answer to the proxy's own search.
#[test]
fn a_list_that_fits_is_taken_up_and_no_other() {
    let listed = |lines: &[&str], uids| {
        let mut view = after(lines);
        view.listed(&UidSet::parse(uids).unwrap());
        view
    };
    for uids in ["3,7", "3,7,8,9"] {
        assert!(listed(&[], uids).wants_list(), "{uids}");
    }
    let view = listed(&[], "3,7,9");
    assert_eq!((view.wants_list(), view.list_from()), (false, Some(10)));
    assert_eq!(told(&view, &found("3,9", 21)), "* 2 EXPUNGE;");
    // Only those behind the known ones are asked for.
    let known: Vec<_> = KNOWN.split('\n').chain(["* 5 EXISTS"]).collect();
    assert!(after(&known).wants_list() && listed(&known, "9,22").wants_list());
    let view = listed(&known, "22,25");
    assert!(!view.wants_list());
    assert_eq!(told(&view, &found("3,7,9,25", 26)), "* 4 EXPUNGE;");
    assert_eq!(told(&view, &found("3,7,9,22,25", 25)), "");
    assert_eq!(told(&view, &found("3,7,9,22", 23)), "Behind");
    // What the count alone doesn't prove since one is gone, the list does; as does another connection's.
    let thinned = ["* 3 FETCH (FLAGS ())", "* 2 EXPUNGE"];
    assert_eq!(told(&after(&thinned), &found("3,9", 21)), "Ambiguous");
    assert_eq!(told(&listed(&thinned, "3,9"), &found("3,9", 21)), "");
    let mut view = after(&thinned);
    view.caught_up(found("3,9", 21));
    tell(&mut view, "* 2 FETCH (FLAGS ())", false);
    assert_eq!(told(&view, &found("3,9", 21)), "");
    // What was heard of those that are gone is nothing about those that came.
    let mut view = after(&[]);
    view.caught_up(found("3,7,9", 21));
    for line in ["* 2 FETCH (FLAGS ())", "* 5 EXISTS", "* VANISHED 3,7"] {
        tell(&mut view, line, false);
    }
    assert_eq!(told(&view, &found("9,21,22", 23)), "");
}

fn many(count: u32, uids: &str) -> MailboxView {
    let mut view = after(&[&format!("* {count} EXISTS")]);
    view.listed(&UidSet::parse(uids).unwrap());
    view
}

#[test]
fn more_expunged_messages_than_a_client_can_be_told_are_not_told() {
    let view = many(20_000, "1:20000");
    assert_eq!(told(&view, &found("1:10000", 20_001)).matches("EXPUNGE").count(), 10_000);
    assert_eq!(told(&view, &found("1:9999", 20_001)), "TooMany");
}

/// A mailbox full of holes costs no more memory than the limit; then it is known by its count.
#[test]
fn a_list_of_too_many_holes_is_kept_as_its_count() {
    let odd = |count: u32| (1..=count).map(|at| (2 * at).to_string()).collect::<Vec<_>>().join(",");
    let most = 64 * 1024;
    let find = |count| found(&odd(count), 2 * most + 3);
    let (fewer, all, too_many) = (find(most - 1), find(most), find(most + 1));
    let mut view = many(most, &odd(most));
    assert_eq!(told(&view, &fewer), format!("* {most} EXPUNGE;"));
    view.caught_up(all.clone());
    assert_eq!(told(&view, &fewer), format!("* {most} EXPUNGE;"));

    let mut view = many(most + 1, &odd(most + 1));
    assert!(!view.wants_list(), "it would be given up again");
    assert_eq!(view.list_from(), Some(2 * most + 3));
    assert_eq!(told(&view, &too_many), "");
    assert_eq!(told(&view, &all), "Ambiguous");
    tell(&mut view, &format!("* {} EXPUNGE", most + 1), false);
    assert_eq!(told(&view, &all), "");
    view.caught_up(too_many);
    assert_eq!(told(&view, &all), "Ambiguous");
    tell(&mut view, "* VANISHED 2", false);
    assert!(view.stuck().is_some(), "whether it was there isn't known");
}
