//! Callgrind's output, summed up by whose code was executed.

use std::collections::BTreeMap;
use std::io;

/// Instructions by part of the program.
#[derive(Default, Clone)]
pub(super) struct Profile(BTreeMap<Part, f64>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Tls,
    Tokio,
    Protocol,
    Proxy,
    /// The other rooms of Gatepost.
    Gatepost,
    /// Libraries that search for bytes, lines' ends mostly.
    Search,
    /// Libraries that open what is under seal.
    Seals,
    /// `memcpy` and its like.
    Moves,
    Allocator,
    /// Other libraries, and the ways into the kernel.
    Other,
}

impl Part {
    pub(super) const ALL: [(Self, &str); 10] = [
        (Self::Tls, "TLS"),
        (Self::Tokio, "tokio"),
        (Self::Protocol, "protocol"),
        (Self::Proxy, "proxy"),
        (Self::Gatepost, "rest of Gatepost"),
        (Self::Search, "memchr"),
        (Self::Seals, "seals"),
        (Self::Moves, "memory moves"),
        (Self::Allocator, "allocator"),
        (Self::Other, "other"),
    ];
}

impl Profile {
    /// Reads a profile that has neither names nor positions compressed. Costs of what a function
    /// calls are left out: they stand with that function too.
    pub(super) fn read(text: &str) -> io::Result<Self> {
        let mut profile = Self::default();
        let (mut file, mut function) = ("", "");
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "fl" | "fi" | "fe" => file = value,
                    "fn" => function = value,
                    "calls" => drop(lines.next()),
                    _ => {}
                }
            } else if line.starts_with(|first: char| first.is_ascii_digit()) {
                let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<f64>().ok());
                let cost = cost.ok_or_else(|| io::Error::other(format!("no cost in “{line}”")))?;
                *profile.0.entry(part(file, function)).or_default() += cost;
            }
        }
        Ok(profile)
    }

    pub(super) fn of(&self, part: Part) -> f64 {
        self.0.get(&part).copied().unwrap_or(0.0)
    }

    pub(super) fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// Of Gatepost's own code.
    pub(super) fn own(&self) -> f64 {
        [Part::Protocol, Part::Proxy, Part::Gatepost].into_iter().map(|part| self.of(part)).sum()
    }

    /// So much more than the other, in so many equal pieces.
    pub(super) fn beyond(&self, other: &Self, pieces: f64) -> Self {
        let piece = |(part, _)| (part, (self.of(part) - other.of(part)) / pieces);
        Self(Part::ALL.into_iter().map(piece).collect())
    }
}

/// Whose code it is: by its file, so that what the compiler has inlined is known too; the standard
/// library's by whom it works for, as far as its name says so.
fn part(file: &str, function: &str) -> Part {
    match of_file(file).or_else(|| of_name(function)) {
        Some(Owner::Room("protocol")) => Part::Protocol,
        Some(Owner::Room("proxy")) => Part::Proxy,
        Some(Owner::Room(_)) => Part::Gatepost,
        Some(Owner::Crate("tokio" | "mio")) => Part::Tokio,
        Some(Owner::Crate("memchr")) => Part::Search,
        Some(Owner::Crate(name)) if SEALS.contains(&name) => Part::Seals,
        Some(Owner::Crate(name)) if TLS.iter().any(|start| name.starts_with(start)) => Part::Tls,
        Some(Owner::Crate(_)) => Part::Other,
        None => match function.trim_start_matches('_') {
            name if name.starts_with("aws_lc") => Part::Tls,
            name if name.starts_with("mem") => Part::Moves,
            name if ALLOCATOR.iter().any(|piece| name.contains(piece)) => Part::Allocator,
            _ => Part::Other,
        },
    }
}

/// How the names of crates for TLS begin.
const TLS: [&str; 6] = ["rustls", "tokio-rustls", "tokio_rustls", "webpki", "aws-lc", "aws_lc"];

/// What hpke and the sealing of records are made of.
const SEALS: [&str; 14] = [
    "argon2",
    "blake2",
    "chacha20",
    "chacha20poly1305",
    "curve25519-dalek",
    "curve25519_dalek",
    "digest",
    "hkdf",
    "hmac",
    "hpke",
    "poly1305",
    "sha2",
    "universal-hash",
    "x25519-dalek",
];

/// What the functions of malloc have in their names.
const ALLOCATOR: [&str; 7] =
    ["alloc", "memalign", "free", "tcache", "unlink_chunk", "consolidate", "systrim"];

enum Owner<'n> {
    /// A room of Gatepost.
    Room(&'n str),
    Crate(&'n str),
}

/// By where cargo keeps sources.
fn of_file(file: &str) -> Option<Owner<'_>> {
    // Assembler and C, whose files have no path from cargo's folder.
    if ["aws-lc", "fipsmodule", "s2n-bignum"].iter().any(|folder| file.contains(folder)) {
        return Some(Owner::Crate("aws-lc-sys"));
    }
    if let Some((_, path)) = file.split_once("/registry/src/") {
        let folder = path.split('/').nth(1)?;
        // name-1.2.3
        let version = folder
            .match_indices('-')
            .map(|(at, _)| at)
            .find(|at| folder[at + 1..].starts_with(|first: char| first.is_ascii_digit()));
        return Some(Owner::Crate(&folder[..version.unwrap_or(folder.len())]));
    }
    let path = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(file);
    path.trim_start_matches('/').strip_prefix("src/")?.split(['/', '.']).next().map(Owner::Room)
}

/// By the first path in it that isn't the standard library's.
fn of_name(function: &str) -> Option<Owner<'_>> {
    let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut paths = function.split(|c| !is_of_path(c)).filter_map(|path| path.split_once("::"));
    let (name, rest) = paths.find(|(name, _)| !["", "core", "alloc", "std"].contains(name))?;
    Some(match name {
        "gatepost" => Owner::Room(rest.split("::").next().unwrap_or_default()),
        name => Owner::Crate(name),
    })
}
