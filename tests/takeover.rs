//! A session that outlives its connection, told as stories that nobody wrote: the same model is a
//! fuzz target (`imap_takeover`).

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/taken_over.rs"]
mod taken_over;

use proptest::prelude::*;

/// A message came and went before the client heard of any, and another came. The other connection still
/// has the first one: as many as the client has, and not the same. That is no matter as long as the client
/// has only heard how many there are; in the second story it asks for their flags, in the third it searches.
#[test]
fn a_connection_that_is_behind_may_have_as_many_others() {
    for asked in [&b""[..], b"\x0b\x80", b"\x0b\xc0"] {
        let before = b"\0\xfe\x0d\xcc\xcc\xcc\xcc\x49\x44\x20\xcc\xcb\x0a";
        taken_over::check(&[before, asked, b"\xf7\xff\x14\x76"].concat());
    }
}

/// One is gone and not yet told so; another came and went before the last one, whose UID the client knows.
/// The other connection has as many up to there.
#[test]
fn a_uid_says_nothing_of_those_before_it_that_were_passed_over() {
    taken_over::check(b"\x20\x02\0\x0b\x80\0\0\x01\x01\0\0\x01\x01\x0b\x80\x04\x21\x08\x01");
}

/// The client moved a message away, and wasn't told yet that another is gone. The other connection has not
/// this one but still that: as many as the client.
#[test]
fn a_connection_that_is_behind_may_have_what_the_client_moved_away() {
    taken_over::check(b"\x40\x02\0\x0b\x80\x01\0\x06\x01\x08\x01");
}

/// Of the messages that were there when the mailbox was opened, only one whose UID is known is left.
#[test]
fn where_all_that_is_left_is_known_nothing_else_is_needed() {
    taken_over::check(
        b"\xd8\x01\0\x01\0\x01\0\x01\0\0\0\x01\0\x01\0\x02\0\x04\x03\x06\x63\x04\x33\x06\x37\x08\0",
    );
}

proptest! {
    // What a case finds is made a story of its own above; no file of seeds is kept.
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_client_knows_what_the_server_has(
        first in any::<u8>(),
        steps in proptest::collection::vec((0_u8..12, any::<u8>()), 1..60),
    ) {
        let steps = steps.into_iter().flat_map(|(what, how)| [what, how]);
        taken_over::check(&std::iter::once(first).chain(steps).collect::<Vec<u8>>());
    }
}
