//! The message of a DATA command as it passes by: where it ends, and its bare newlines.
//!
//! Only CRLF `.` CRLF ends it (RFC 5321 §4.1.1.4). A CR or LF that stands alone is an end of line
//! to some servers and not to others; a message that smuggles `LF . CRLF` past one of them becomes
//! two messages for the next. So a bare CR or LF never leaves here.

use memchr::memchr2;

/// What is done with a bare CR or LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BareNewlines {
    /// The message is refused.
    #[default]
    Refuse,
    /// It becomes CRLF, and a dot behind it is stuffed, so that it can't end the message.
    Normalize,
}

/// Finds the end of a message.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Data {
    line: Line,
}

/// Where in a line the next byte is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Line {
    /// At the start of a line that CRLF began.
    #[default]
    Start,
    /// At the start of a line that a bare CR or LF began, which was made a CRLF.
    AfterBare,
    /// Anywhere else.
    Inside,
}

/// What the front of a message's bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// This many bytes are the message's.
    Text(usize),
    /// This many bytes are the message's, and end it.
    End(usize),
    /// So many bytes at the front are a line's end that isn't CRLF: a bare CR or LF, or several CRs
    /// before an LF.
    Bare(usize),
    /// The dot at the front begins a line that a bare CR or LF begins or ends: once those are made
    /// CRLF, it would read as stuffing or as the end of the message, so it wants a dot before it.
    BareDot,
    /// The bytes at the front can't be told before the next came.
    Incomplete,
}

/// What the newline at the front of some bytes is.
enum Newline {
    Crlf,
    Bare(usize),
    None,
    Unclear,
}

/// More CRs before one LF than this are no slip of a program that adds one to each.
const MAX_CRS: usize = 8;

#[inline]
fn newline(bytes: &[u8]) -> Newline {
    // Nearly all: the rest is for what is strange.
    if bytes.starts_with(b"\r\n") {
        return Newline::Crlf;
    }
    let crs = bytes.iter().take(MAX_CRS).take_while(|byte| **byte == b'\r').count();
    match (crs, bytes.get(crs)) {
        (0, Some(b'\n')) => Newline::Bare(1),
        (0, Some(_)) => Newline::None,
        (0, None) => Newline::Unclear,
        (1..=MAX_CRS, None) => Newline::Unclear,
        // CR CR LF, as a program sends that makes CRLF of each LF, and of those in CRLF too.
        (_, Some(b'\n')) => Newline::Bare(crs + 1),
        (_, _) => Newline::Bare(1),
    }
}

impl Data {
    /// Looks at the front of `buffered`, which isn't empty.
    pub(super) fn look(&mut self, buffered: &[u8]) -> Seen {
        let mut at = 0;
        while at < buffered.len() {
            let rest = &buffered[at..];
            if self.line != Line::Inside && rest[0] == b'.' {
                let seen = match (self.line, newline(&rest[1..])) {
                    (_, Newline::Unclear) => Seen::Incomplete,
                    (Line::Start, Newline::Crlf) => {
                        self.line = Line::Start;
                        return Seen::End(at + 3);
                    }
                    (Line::Start, Newline::None) => {
                        self.line = Line::Inside;
                        at += 1;
                        continue;
                    }
                    _ => Seen::BareDot,
                };
                if at > 0 {
                    return Seen::Text(at);
                }
                if seen == Seen::BareDot {
                    self.line = Line::Inside;
                }
                return seen;
            }
            let Some(found) = memchr2(b'\r', b'\n', rest) else {
                self.line = Line::Inside;
                return Seen::Text(buffered.len());
            };
            if found > 0 {
                self.line = Line::Inside;
                at += found;
            }
            match newline(&buffered[at..]) {
                Newline::Crlf => {
                    self.line = Line::Start;
                    at += 2;
                }
                _ if at > 0 => return Seen::Text(at),
                Newline::Unclear => return Seen::Incomplete,
                Newline::Bare(length) => {
                    // Its last two bytes may be CRLF, and then the line behind it begins as any.
                    let crlf = buffered[..length].ends_with(b"\r\n");
                    self.line = if crlf { Line::Start } else { Line::AfterBare };
                    return Seen::Bare(length);
                }
                Newline::None => self.line = Line::Inside,
            }
        }
        Seen::Text(at)
    }
}

/// Takes the rest of a message that was refused, until its end.
#[derive(Debug, Default)]
pub struct DataSink {
    data: Data,
}

impl DataSink {
    /// Goes on where the message was refused.
    pub(super) fn new(data: Data) -> Self {
        Self { data }
    }

    /// How many bytes of `buffered` belong to the message, and whether they end it. Fewer bytes
    /// than there are, without an end, means that more must come first.
    pub fn swallow(&mut self, buffered: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < buffered.len() {
            match self.data.look(&buffered[at..]) {
                Seen::Text(length) => at += length,
                Seen::End(length) => return (at + length, true),
                Seen::Bare(length) => at += length,
                Seen::BareDot => at += 1,
                Seen::Incomplete => break,
            }
        }
        (at, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs a message through in pieces; gives what a server would get, and what is left behind
    /// the end. `None` if a bare newline was met and is to be refused.
    fn run(pieces: &[&[u8]], bare: BareNewlines) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let mut data = Data::default();
        let mut buffer = Vec::new();
        let mut out = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            buffer.extend_from_slice(piece);
            while !buffer.is_empty() {
                let (take, end) = match data.look(&buffer) {
                    Seen::Text(n) => (n, false),
                    Seen::End(n) => (n, true),
                    Seen::Bare(_) if bare == BareNewlines::Refuse => return None,
                    Seen::Bare(length) => {
                        out.extend_from_slice(b"\r\n");
                        buffer.drain(..length);
                        continue;
                    }
                    Seen::BareDot if bare == BareNewlines::Refuse => return None,
                    Seen::BareDot => {
                        out.extend_from_slice(b"..");
                        buffer.drain(..1);
                        continue;
                    }
                    Seen::Incomplete => break,
                };
                assert!(take > 0, "no progress");
                out.extend(buffer.drain(..take));
                if end {
                    buffer.extend(pieces[index + 1..].iter().flat_map(|piece| piece.iter()));
                    return Some((out, Some(buffer)));
                }
            }
        }
        Some((out, None))
    }

    #[test]
    fn only_crlf_dot_crlf_ends() {
        let whole = |text: &'static [u8]| run(&[text], BareNewlines::Refuse);
        assert_eq!(whole(b".\r\nQUIT"), Some((b".\r\n".into(), Some(b"QUIT".into()))));
        assert_eq!(whole(b"a\r\n.\r\n"), Some((b"a\r\n.\r\n".into(), Some(vec![]))));
        assert_eq!(whole(b"a\r\n..\r\n.b\r\n"), Some((b"a\r\n..\r\n.b\r\n".into(), None)));
        assert_eq!(whole(b"a.\r\n"), Some((b"a.\r\n".into(), None)));
        assert_eq!(whole(b". \r\n"), Some((b". \r\n".into(), None)));
    }

    #[test]
    fn smuggled_ends_are_refused_or_made_harmless() {
        for end in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r", "\r\n\r.\r\n"] {
            let text = format!("a{end}MAIL FROM:<x>\r\n");
            assert_eq!(run(&[text.as_bytes()], BareNewlines::Refuse), None, "{end:?}");
            let (sent, rest) = run(&[text.as_bytes()], BareNewlines::Normalize).unwrap();
            assert_eq!(rest, None, "{end:?}");
            let sent = String::from_utf8(sent).unwrap();
            assert!(!sent.replace("\r\n", "").contains(['\r', '\n']), "{sent:?}");
            assert!(!sent.contains("\r\n.\r\n"), "{end:?} became {sent:?}");
        }
    }

    #[test]
    fn a_cr_too_many_is_taken_away() {
        let normal = |text: &str| run(&[text.as_bytes()], BareNewlines::Normalize).unwrap();
        let (sent, rest) = normal("Subject: x\r\r\nFrom: y\r\r\n\r\r\nbody\r\r\n.\r\nQUIT");
        assert_eq!(sent, b"Subject: x\r\nFrom: y\r\n\r\nbody\r\n.\r\n");
        assert_eq!(rest, Some(b"QUIT".to_vec()));
        let (sent, rest) = normal("a\r\r\n.\r\r\nb\r\rc\r\r\r\nz");
        assert_eq!(sent, b"a\r\n..\r\nb\r\n\r\nc\r\nz");
        assert_eq!(rest, None);
        // The most that are one line's end, and one more, also where the network cuts among them.
        for (crs, wanted) in [(MAX_CRS, "a\r\nz"), (MAX_CRS + 1, "a\r\n\r\nz")] {
            let text = format!("a{}\nz", "\r".repeat(crs));
            for cut in 0..text.len() {
                let (one, two) = text.as_bytes().split_at(cut);
                let sent = run(&[one, two], BareNewlines::Normalize);
                assert_eq!(sent, Some((wanted.into(), None)), "{crs} CRs, cut at {cut}");
            }
        }
    }

    #[test]
    fn the_rest_of_a_refused_message_is_taken_to_its_end() {
        for (rest, length, ended) in [
            (&b"\nb\r\n.\r\nQUIT\r\n"[..], 7, true),
            (b"b\n.\n\r.\nc\r\n.\r\n.", 13, true),
            (b"\nQUIT\n", 6, false),
            // What may be the beginning of its end waits for more.
            (b"b\r\n.\r", 3, false),
            (b"b\r", 1, false),
        ] {
            let mut sink = DataSink::new(Data::default());
            assert_eq!(sink.swallow(rest), (length, ended), "{}", rest.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn splits_change_nothing(
            text in "[a.\r\n]{0,24}",
            cuts in proptest::collection::vec(0_usize..24, 0..4),
            normalize in any::<bool>(),
        ) {
            let bare = if normalize { BareNewlines::Normalize } else { BareNewlines::Refuse };
            // A last byte that is no CR, so that nothing stays undecided.
            let text = format!("{text}z");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([text.len()]) {
                pieces.push(&text.as_bytes()[from..cut]);
                from = cut;
            }
            let whole = run(&[text.as_bytes()], bare);
            prop_assert_eq!(&run(&pieces, bare), &whole);
            if let Some((sent, None)) = whole {
                prop_assert!(memchr::memmem::find(&sent, b"\r\n.\r\n").is_none());
            }
        }

        #[test]
        fn the_sink_ends_where_the_message_ends(text in "[a.\r\n]{0,24}") {
            let text = format!("{text}\r\n.\r\nNOOP\r\n");
            let mut sink = DataSink::default();
            let (length, ended) = sink.swallow(text.as_bytes());
            prop_assert!(ended);
            let swallowed = &text[..length];
            prop_assert!(swallowed == ".\r\n" || swallowed.ends_with("\r\n.\r\n"), "{:?}", swallowed);
        }
    }
}
