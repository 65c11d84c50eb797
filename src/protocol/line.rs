//! Bounded lines, and the literals that IMAP lets a line announce.

use zeroize::Zeroizing;

/// The bytes that came and were not yet read as commands; wiped when dropped, since a password
/// may be among them.
#[derive(Default)]
pub struct Inbox(Zeroizing<Vec<u8>>);

impl Inbox {
    /// Adds what came from the socket.
    pub fn push(&mut self, bytes: &[u8]) {
        // Grown by hand: a reallocation by `extend` would leave a copy of a password behind.
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger =
                Zeroizing::new(Vec::with_capacity(needed.max(512).next_power_of_two()));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// All that is there.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first whole line with its end, if there is one: its length in bytes, LF included.
    pub fn line_length(&self, from: usize) -> Option<usize> {
        let rest = self.0.get(from..)?;
        memchr::memchr(b'\n', rest).map(|at| at + 1)
    }

    /// Takes the first `length` bytes away.
    pub fn take(&mut self, length: usize) -> Zeroizing<Vec<u8>> {
        let length = length.min(self.0.len());
        Zeroizing::new(self.0.drain(..length).collect())
    }
}

/// A line without its CRLF (or bare LF, which old clients send).
pub fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// How a client ends its lines, as far as it has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineEnds {
    /// Some ended in LF alone, as scripts write them: every LF ends a line.
    #[default]
    Any,
    /// All ended in CRLF. An LF alone is then part of what the client was handed, an address or a
    /// mailbox's name, and would begin a command that the client knows nothing of.
    Crlf,
}

impl LineEnds {
    /// With one more line.
    #[must_use]
    pub fn and(self, line: &[u8]) -> Self {
        if line.ends_with(b"\r\n") { self } else { Self::Any }
    }
}

/// An announced literal (RFC 9051 §4.3, RFC 7888).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Literal {
    /// Its size in bytes.
    pub size: u64,
    /// False for `{n+}`: its bytes follow at once. True for `{n}`: they wait for the server's `+`.
    pub synchronizing: bool,
}

/// The longest announcement that is looked for: `{`, twenty digits, `+}` and CRLF.
pub const LONGEST_ANNOUNCEMENT: usize = 25;

/// What the end of a line announces; `line_end` is the line's last bytes, CRLF included, at least
/// [`LONGEST_ANNOUNCEMENT`] of them where the line has so many.
///
/// `Err` is a size that no number here can hold.
pub fn announced_literal(line_end: &[u8]) -> Result<Option<Literal>, ImpossibleSize> {
    let Some(inner) = trim_end(line_end).strip_suffix(b"}") else {
        return Ok(None);
    };
    let (inner, synchronizing) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, false),
        None => (inner, true),
    };
    let digits = inner.len() - inner.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, digits) = inner.split_at(digits);
    if digits.is_empty() {
        return Ok(None);
    }
    if before.last() != Some(&b'{') {
        // Twenty digits and more, whose brace is out of sight: no size of a mail.
        return if before.is_empty() { Err(ImpossibleSize) } else { Ok(None) };
    }
    let size = digits
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    // A mail is far from this; a larger number is an attempt to overflow somebody's counter.
    match size {
        Some(size) if size <= u64::from(u32::MAX) * 16 => Ok(Some(Literal { size, synchronizing })),
        _ => Err(ImpossibleSize),
    }
}

/// A literal's announced size that no mail can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImpossibleSize;

/// The last bytes of a line that passes by in pieces, as many as an announcement may need.
#[derive(Debug, Default, Clone)]
pub struct Tail {
    bytes: [u8; LONGEST_ANNOUNCEMENT],
    length: usize,
}

impl Tail {
    /// Forgets the line before.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Adds a piece of the line.
    pub fn push(&mut self, piece: &[u8]) {
        let piece = &piece[piece.len().saturating_sub(LONGEST_ANNOUNCEMENT)..];
        let keep = self.length.min(LONGEST_ANNOUNCEMENT - piece.len());
        self.bytes.copy_within(self.length - keep..self.length, 0);
        self.bytes[keep..keep + piece.len()].copy_from_slice(piece);
        self.length = keep + piece.len();
    }

    /// The last bytes seen.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn literal(size: u64, synchronizing: bool) -> Result<Option<Literal>, ImpossibleSize> {
        Ok(Some(Literal { size, synchronizing }))
    }

    #[test]
    fn literals_are_announced_at_the_end_of_a_line() {
        assert_eq!(announced_literal(b"a LOGIN {5}\r\n"), literal(5, true));
        assert_eq!(announced_literal(b"a APPEND x ~{5+}\r\n"), literal(5, false));
        assert_eq!(announced_literal(b"{0}\n"), literal(0, true));
        assert_eq!(announced_literal(b"a {5} b\r\n"), Ok(None));
        assert_eq!(announced_literal(b"a {}\r\n"), Ok(None));
        assert_eq!(announced_literal(b"a 5}\r\n"), Ok(None));
        assert_eq!(announced_literal(b"a {5a}\r\n"), Ok(None));
        assert_eq!(announced_literal(b"{68719476720}\r\n"), literal(68_719_476_720, true));
        assert_eq!(announced_literal(b"{68719476721}\r\n"), Err(ImpossibleSize));
        assert_eq!(announced_literal(b"{99999999999999999999}\r\n"), Err(ImpossibleSize));
        assert_eq!(announced_literal(b"1111111111111111111111}\r\n"), Err(ImpossibleSize));
    }

    /// No more than what it grows to by hand: `extend` would leave a copy behind.
    #[test]
    fn an_inbox_grows_by_itself() {
        let mut inbox = Inbox::default();
        for (bytes, capacity) in [(400, 512), (600, 1024), (24, 1024), (1, 2048)] {
            inbox.push(&vec![b'x'; bytes]);
            assert_eq!(inbox.0.capacity(), capacity);
        }
    }

    proptest! {
        #[test]
        fn a_tail_is_the_end_of_its_pieces(pieces in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..60), 0..6)) {
            let mut tail = Tail::default();
            let mut whole = Vec::new();
            for piece in &pieces {
                tail.push(piece);
                whole.extend_from_slice(piece);
            }
            prop_assert_eq!(tail.bytes(), &whole[whole.len().saturating_sub(LONGEST_ANNOUNCEMENT)..]);
            tail.clear();
            prop_assert_eq!(tail.bytes(), b"");
        }
    }
}
