//! Which commands may be sent a second time, where the first one's answer never came: those that
//! only read.

/// True if a command (without its tag) changes nothing, however often it is done.
pub(super) fn is_harmless(command: &[u8]) -> bool {
    let upper = command.to_ascii_uppercase();
    let mut words = upper.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    // A literal's bytes would have to wait for leave again.
    if command.contains(&b'\n') {
        return false;
    }
    match first {
        b"CAPABILITY" | b"NOOP" | b"LIST" | b"LSUB" | b"XLIST" | b"STATUS" | b"NAMESPACE"
        | b"GETQUOTA" | b"GETQUOTAROOT" | b"SEARCH" | b"SELECT" | b"EXAMINE" => true,
        b"FETCH" => only_peeks(&upper),
        b"UID" => match words.next() {
            Some(b"SEARCH") => true,
            Some(b"FETCH") => only_peeks(&upper),
            _ => false,
        },
        _ => false,
    }
}

/// A FETCH of a body without `.PEEK` sets `\Seen` (RFC 9051 §6.4.5).
fn only_peeks(upper: &[u8]) -> bool {
    let bodies: [&[u8]; 5] = [b"BODY[", b"BINARY[", b"RFC822 ", b"RFC822)", b"RFC822.TEXT"];
    let fetches = bodies.iter().any(|body| memchr::memmem::find(upper, body).is_some());
    !fetches && !upper.ends_with(b"RFC822")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_may_be_repeated_and_nothing_else() {
        for command in [
            "NOOP",
            "uid fetch 1:* (FLAGS BODY.PEEK[])",
            "FETCH 1 RFC822.SIZE",
            "SELECT INBOX",
            "UID SEARCH ALL",
            "LIST \"\" *",
        ] {
            assert!(is_harmless(command.as_bytes()), "{command}");
        }
        for command in [
            "STORE 1 +FLAGS \\Seen",
            "FETCH 1 BODY[]",
            "UID FETCH 1 (FLAGS RFC822)",
            "FETCH 1 RFC822",
            "EXPUNGE",
            "UID COPY 1 x",
            "APPEND x {3}",
            "SEARCH TEXT {3}\r\nabc",
            "IDLE",
            "LOGOUT",
            "CHECK",
            "XYZ",
            "UID",
            "FETCH 1 (RFC822.TEXT)",
            "FETCH 1 BINARY[1]",
            "",
        ] {
            assert!(!is_harmless(command.as_bytes()), "{command}");
        }
    }
}
