//! At which commands a client may be told that messages are gone, which renumbers the ones behind.

/// True for the commands that are there to wait for news.
pub(super) fn waits(command: &[u8]) -> bool {
    let word = words(command).next().unwrap_or_default();
    is_one_of(word, &["NOOP", "CHECK", "IDLE"])
}

/// True for an IDLE.
pub(super) fn is_idle(command: &[u8]) -> bool {
    is_one_of(words(command).next().unwrap_or_default(), &["IDLE"])
}

/// True for a command behind which the selected mailbox is so no longer, whatever comes of it.
pub(super) fn leaves(command: &[u8]) -> bool {
    is_one_of(words(command).next().unwrap_or_default(), &["SELECT", "EXAMINE", "LOGOUT"])
}

/// A command's line without its tag.
pub(super) fn behind_tag(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_start();
    &line[memchr::memchr(b' ', line).unwrap_or(line.len())..]
}

/// True for a command (without its tag, its line at least) that names no message by its number: what it
/// does is the same before an EXPUNGE and after, and RFC 9051 §7.5.1 allows one while it is under
/// way.
pub(super) fn tells_of_expunged(command: &[u8]) -> bool {
    let mut words = words(command);
    let word = words.next().unwrap_or_default();
    if word.eq_ignore_ascii_case(b"UID") {
        // The keys of a SEARCH can be numbers.
        let word = words.next().unwrap_or_default();
        return is_one_of(word, &["FETCH", "STORE", "COPY", "MOVE", "EXPUNGE"]);
    }
    waits(command)
        || is_one_of(
            word,
            &[
                "SELECT",
                "EXAMINE",
                "CLOSE",
                "UNSELECT",
                "EXPUNGE",
                "LOGOUT",
                "APPEND",
                "STATUS",
                "LIST",
                "LSUB",
                "XLIST",
                "CREATE",
                "DELETE",
                "RENAME",
                "SUBSCRIBE",
                "UNSUBSCRIBE",
                "NAMESPACE",
                "CAPABILITY",
                "ID",
                "ENABLE",
                "GETQUOTA",
                "GETQUOTAROOT",
            ],
        )
}

fn words(command: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = command.split(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    words.filter(|word| !word.is_empty())
}

fn is_one_of(word: &[u8], names: &[&str]) -> bool {
    names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_counts_messages_is_not_told_of_expunged_ones() {
        for command in ["noop\r\n", "IDLE\n", "UID FETCH 1:* FLAGS\r\n", "uid  MOVE 5 x", "LOGOUT"]
        {
            assert!(tells_of_expunged(command.as_bytes()), "{command}");
        }
        for command in [
            "FETCH 1 FLAGS",
            "STORE 1 FLAGS ()",
            "SEARCH 1:4",
            "UID SEARCH 1:4",
            "COPY 1 x",
            "MOVE 1 x",
            "SORT",
            "UID",
            "XYZ",
            "",
        ] {
            assert!(!tells_of_expunged(command.as_bytes()), "{command}");
        }
        assert!(waits(b"check\r\n") && !waits(b"UID FETCH 1 FLAGS"));
    }

    #[test]
    fn what_waits_and_what_leaves_is_known_by_its_first_word_behind_the_tag() {
        let idle = b"a1 idle\r\n";
        assert!(is_idle(behind_tag(idle)) && !is_idle(idle) && !leaves(behind_tag(idle)));
        for line in ["a1 SELECT INBOX", "a1 examine INBOX", "  a1 LOGOUT\r\n"] {
            assert!(leaves(behind_tag(line.as_bytes())), "{line}");
        }
        for line in ["a1 IDLED", "a1 CLOSE", "IDLE a1", "a1", ""] {
            let command = behind_tag(line.as_bytes());
            assert!(!is_idle(command) && !leaves(command), "{line}");
        }
    }
}
