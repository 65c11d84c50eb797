//! Lines as they pass by in pieces, and what of their text may be shown.

use zeroize::Zeroizing;

use crate::protocol::line::{Tail, trim_end};
use crate::protocol::sasl::{Exchange, Progress};

/// So much of a line is looked at and shown.
const MAX_KEPT: usize = 2048;
/// A secret that is shorter is in every other word, and protects nothing.
const SHORTEST_SECRET: usize = 4;
/// Secrets that are remembered: a client that tries many passwords keeps the latest.
const MAX_SECRETS: usize = 32;
/// Web addresses in a server's words are shown up to their query, if that is longer: it may be good
/// for a sign-in.
const MAX_QUERY: usize = 24;

/// The line that is being said.
#[derive(Default)]
pub(super) struct Line {
    kept: Zeroizing<Vec<u8>>,
    length: usize,
    tail: Tail,
}

impl Line {
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.length += piece.len();
        self.tail.push(piece);
        if self.kept.capacity() == 0 {
            // At once as large as it gets, so that no copies of a password are left behind.
            self.kept.reserve_exact(MAX_KEPT);
        }
        let room = MAX_KEPT - self.kept.len();
        self.kept.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// The text without its end; of a long line the beginning.
    pub(super) fn text(&self) -> &[u8] {
        trim_end(&self.kept)
    }

    /// Its length in bytes, its end not counted.
    pub(super) fn length(&self) -> usize {
        self.length - (self.tail.bytes().len() - trim_end(self.tail.bytes()).len())
    }

    /// Its last bytes, which may announce a literal.
    pub(super) fn end(&self) -> &[u8] {
        self.tail.bytes()
    }

    pub(super) fn is_cut(&self) -> bool {
        self.length > self.kept.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What was signed on with, and must not be shown by whoever repeats it; the latest last.
#[derive(Default)]
pub struct Secrets(Vec<Zeroizing<Vec<u8>>>);

impl Secrets {
    /// Takes one up. White space around it doesn't count.
    pub fn add(&mut self, secret: &[u8]) {
        let secret = secret.trim_ascii();
        if secret.len() < SHORTEST_SECRET || self.0.iter().any(|known| **known == secret) {
            return;
        }
        if self.0.len() == MAX_SECRETS {
            self.0.remove(0);
        }
        self.0.push(Zeroizing::new(secret.to_vec()));
    }

    /// A SASL response: it is a secret itself, and the password in it another.
    pub(super) fn add_response(&mut self, exchange: &mut Option<Exchange>, response: &[u8]) {
        self.add(response);
        if let Some(exchange) = exchange
            && let Ok(Progress::Done(credentials)) = exchange.response(response)
        {
            self.add(credentials.password.expose().as_bytes());
        }
    }

    /// A text without them, each with `…` in its place.
    pub fn left_out_of(&self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        // The longest first, lest a part of it be taken out and the rest be shown.
        let mut secrets: Vec<&[u8]> = self.0.iter().map(|secret| &secret[..]).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in secrets {
            while let Some(at) = memchr::memmem::find(&text, secret) {
                text.splice(at..at + secret.len(), "…".bytes());
            }
        }
        text
    }
}

/// Bytes as text on one line: what isn't printable is escaped, the query of a web address left out.
pub(super) fn words(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    without_queries(&shown)
}

fn without_queries(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.split_once('?') {
        Some((address, query)) if address.contains("://") && query.len() > MAX_QUERY => {
            format!("{address}?…")
        }
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The text with every quoted string in it left out. What follows a quote that isn't closed is in
/// it.
pub(super) fn without_strings(text: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        shown.push(*byte);
        if *byte != b'"' {
            continue;
        }
        let mut is_empty = true;
        let mut closed = false;
        while let Some(inner) = bytes.next() {
            match inner {
                b'"' => {
                    closed = true;
                    break;
                }
                b'\\' => {
                    bytes.next();
                    is_empty = false;
                }
                _ => is_empty = false,
            }
        }
        if !is_empty {
            shown.extend("…".bytes());
        }
        if closed {
            shown.push(b'"');
        }
    }
    shown
}
