//! Reading one command: its bytes are all there, literals included.

use super::Refusal;

/// More numbers or ranges than any client puts in a set of 64 KiB.
const SET_LIMIT: usize = 20_000;

/// A place in the bytes of a command.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What can't be read; the reply is Gmail's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Self::Bad("Could not parse command".to_owned())
    }
}

pub(super) type Parsed<T> = Result<T, Malformed>;

/// The end of a line that announces a literal (RFC 3501 §4.3, RFC 7888).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) size: usize,
    pub(super) synchronizing: bool,
}

impl Literal {
    pub(super) fn announced_by(line: &[u8]) -> Option<Self> {
        let inner = line.strip_suffix(b"}")?;
        let open = inner.iter().rposition(|byte| *byte == b'{')?;
        let inner = &inner[open + 1..];
        let digits = inner.strip_suffix(b"+").unwrap_or(inner);
        let size = std::str::from_utf8(digits).ok()?;
        let is_number = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
        // A number beyond all bounds is still a literal: one that is too big.
        is_number.then(|| Self {
            size: size.parse().unwrap_or(usize::MAX),
            synchronizing: digits.len() == inner.len(),
        })
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    pub(super) fn end(&self) -> Parsed<()> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    pub(super) fn expect(&mut self, byte: u8) -> Parsed<()> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    pub(super) fn space(&mut self) -> Parsed<()> {
        self.expect(b' ')
    }

    /// The bytes up to one that `stop` picks, or to the end; at least one.
    pub(super) fn until(&mut self, stop: impl Fn(u8) -> bool) -> Parsed<&'a str> {
        let rest = self.rest();
        let length = rest
            .iter()
            .position(|byte| stop(*byte))
            .unwrap_or(rest.len());
        self.at += length;
        if length == 0 {
            return Err(Malformed);
        }
        std::str::from_utf8(&rest[..length]).map_err(|_| Malformed)
    }

    /// A word: everything up to a blank or a parenthesis.
    pub(super) fn word(&mut self) -> Parsed<&'a str> {
        self.until(|byte| matches!(byte, b' ' | b'(' | b')' | b'\r' | b'\n'))
    }

    pub(super) fn keyword(&mut self) -> Parsed<String> {
        Ok(self.word()?.to_ascii_uppercase())
    }

    pub(super) fn number<N: std::str::FromStr>(&mut self) -> Parsed<N> {
        let digits = self.until(|byte| !byte.is_ascii_digit())?;
        digits.parse().map_err(|_| Malformed)
    }

    /// An atom, a quoted string or a literal.
    pub(super) fn astring(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            _ => Ok(self.word()?.as_bytes().to_vec()),
        }
    }

    /// As [`astring`](Self::astring), for what is a text to us: mailboxes, names, words to find.
    pub(super) fn text(&mut self) -> Parsed<String> {
        String::from_utf8(self.astring()?).map_err(|_| Malformed)
    }

    /// The bytes of a literal, `~{n}` as well.
    pub(super) fn literal(&mut self) -> Parsed<Vec<u8>> {
        self.eat(b'~');
        self.expect(b'{')?;
        let size: usize = self.number()?;
        self.eat(b'+');
        self.expect(b'}')?;
        self.expect(b'\r')?;
        self.expect(b'\n')?;
        let bytes = self.rest().get(..size).ok_or(Malformed)?;
        self.at += size;
        Ok(bytes.to_vec())
    }

    /// A list in parentheses, each item read by `item`.
    pub(super) fn list<T>(&mut self, item: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect(b'(')?;
        let mut items = Vec::new();
        while !self.eat(b')') {
            if !items.is_empty() {
                self.space()?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    pub(super) fn sequence_set(&mut self) -> Parsed<SequenceSet> {
        let text = self.until(|byte| !matches!(byte, b'0'..=b'9' | b'*' | b':' | b','))?;
        SequenceSet::parse(text)
    }

    fn quoted(&mut self) -> Parsed<Vec<u8>> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            let byte = self.peek().ok_or(Malformed)?;
            self.at += 1;
            match byte {
                b'"' => return Ok(text),
                b'\\' => {
                    text.push(self.peek().ok_or(Malformed)?);
                    self.at += 1;
                }
                b'\r' | b'\n' => return Err(Malformed),
                _ => text.push(byte),
            }
        }
    }
}

/// Message numbers or UIDs; `*` is the last there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SequenceSet(Vec<(Bound, Bound)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Number(u32),
    Last,
}

impl SequenceSet {
    fn parse(text: &str) -> Parsed<Self> {
        let bound = |text: &str| match text {
            "*" => Ok(Bound::Last),
            digits => match digits.parse() {
                Ok(0) | Err(_) => Err(Malformed),
                Ok(number) => Ok(Bound::Number(number)),
            },
        };
        let mut ranges = Vec::new();
        for range in text.split(',') {
            let (from, to) = range.split_once(':').unwrap_or((range, range));
            ranges.push((bound(from)?, bound(to)?));
            if ranges.len() > SET_LIMIT {
                return Err(Malformed);
            }
        }
        Ok(Self(ranges))
    }

    /// True if the number is in the set, where `last` is the highest there is: `9:*` has the last
    /// message in it even if its number is below 9.
    pub(super) fn contains(&self, number: u32, last: u32) -> bool {
        let value = |bound| match bound {
            Bound::Number(number) => number,
            Bound::Last => last,
        };
        self.0.iter().any(|(from, to)| {
            let (from, to) = (value(*from), value(*to));
            (from.min(to)..=from.max(to)).contains(&number)
        })
    }
}

/// Numbers in the order given, as a set with ranges; the order is kept, for COPYUID.
pub(super) fn format_set(numbers: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let range = |(from, to): &(u32, u32)| {
        if from == to {
            from.to_string()
        } else {
            format!("{from}:{to}")
        }
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_they_say() {
        let set = SequenceSet::parse("2,4:5,9:*").unwrap();
        let held: Vec<_> = (1..=7).filter(|number| set.contains(*number, 7)).collect();
        assert_eq!(held, [2, 4, 5, 7]);
        for wrong in ["", "0", "1:", "x", "1,,2", "99999999999"] {
            assert_eq!(SequenceSet::parse(wrong), Err(Malformed), "{wrong}");
        }
        assert_eq!(format_set(&[3, 4, 5, 1, 9]), "3:5,1,9");
    }

    #[test]
    fn strings_come_in_three_forms() {
        let mut cursor = Cursor::new(b"atom \"quo\\\"ted\" {5}\r\na\r\nb) last");
        for expected in ["atom", "quo\"ted", "a\r\nb)"] {
            assert_eq!(cursor.astring().unwrap(), expected.as_bytes());
            cursor.space().unwrap();
        }
        assert_eq!(cursor.rest(), b"last");
    }

    #[test]
    fn literals_are_announced_at_the_end_of_a_line_only() {
        let announced = |line: &str| Literal::announced_by(line.as_bytes());
        let literal = |size, synchronizing| {
            Some(Literal {
                size,
                synchronizing,
            })
        };
        assert_eq!(announced("a LOGIN {5}"), literal(5, true));
        assert_eq!(announced("a LOGIN {5+}"), literal(5, false));
        assert_eq!(
            announced("a X {99999999999999999999999}"),
            literal(usize::MAX, true)
        );
        for none in ["a {5} b", "a {}", "a {-1}", "a {+}", "a 5}", "a {5"] {
            assert_eq!(announced(none), None, "{none}");
        }
    }
}
