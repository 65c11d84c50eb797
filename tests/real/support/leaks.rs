//! Looks for secrets where none may be: in every file that Gatepost writes and every word it says.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// What an access token, a refresh token and an authorization code of Google's begin with, and how
/// many characters of the token's own must follow to make it one.
const GOOGLE: [(&str, &str, usize); 3] = [
    ("access token", "ya29.", 8),
    ("refresh token", "1//0", 20),
    ("authorization code", "4/0A", 20),
];

/// A text that must not be found, as it is or in base64.
pub(crate) struct Secret {
    name: &'static str,
    forms: Vec<Vec<u8>>,
}

impl Secret {
    pub(crate) fn new(name: &'static str, text: &str) -> Self {
        let mut forms = vec![text.as_bytes().to_vec()];
        forms.extend((0..3).map(|before| in_base64(text, before)));
        Self { name, forms }
    }

    /// How it may stand somewhere.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &[u8]> {
        self.forms.iter().map(Vec::as_slice)
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.forms.iter().any(|form| position(bytes, form).is_some())
    }
}

/// Each leak in the files under `folder`, as "what in which file". `excepted` says which files may
/// hold what: the client's own secret is in `config.toml`, where the person wrote it.
pub(crate) fn under(
    folder: &Path,
    secrets: &[Secret],
    excepted: impl Fn(&str, &Path) -> bool + Copy,
) -> Vec<String> {
    let mut leaks = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            leaks.extend(under(&path, secrets, excepted));
        } else if path.is_file() {
            let bytes = fs::read(&path).expect("root reads everything");
            let found = inside(&bytes, secrets).into_iter().filter(|name| !excepted(name, &path));
            leaks.extend(found.map(|name| format!("{name} in {}", path.display())));
        }
    }
    leaks
}

/// What is in these bytes that must not be.
pub(crate) fn inside(bytes: &[u8], secrets: &[Secret]) -> Vec<&'static str> {
    let known = secrets.iter().filter(|secret| secret.is_in(bytes)).map(|secret| secret.name);
    known.chain(google_tokens(bytes)).collect()
}

/// Google's tokens by their looks, so that not one has to be known to be found; and, in base64, the
/// SASL message that has one in it.
fn google_tokens(bytes: &[u8]) -> impl Iterator<Item = &'static str> {
    let plain = GOOGLE.into_iter().filter(move |(_, start, more)| {
        let mut rest = bytes;
        while let Some(found) = position(rest, start.as_bytes()) {
            rest = &rest[found + start.len()..];
            let own = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
            if own.count() >= *more {
                return true;
            }
        }
        false
    });
    let sasl = Secret::new("access token in base64", "auth=Bearer ya29.");
    plain.map(|(name, _, _)| name).chain(sasl.is_in(bytes).then_some(sasl.name))
}

/// How a text looks in base64 when so many bytes (of three) stand before it: without the characters
/// at its ends that depend on its neighbours.
fn in_base64(text: &str, before: usize) -> Vec<u8> {
    let encoded = STANDARD_NO_PAD.encode([&vec![0; before], text.as_bytes()].concat());
    let first = [0, 2, 3][before];
    let last = encoded.len() - usize::from(!(before + text.len()).is_multiple_of(3));
    encoded.as_bytes()[first..last].to_vec()
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[test]
fn a_leak_is_found_in_every_form() {
    let secret = [Secret::new("password", "correct horse")];
    for before in ["", "a", "ab", "abc"] {
        let plain = format!("{before}correct horse, and more");
        assert_eq!(inside(plain.as_bytes(), &secret), ["password"]);
        let encoded = STANDARD_NO_PAD.encode(plain);
        assert_eq!(inside(encoded.as_bytes(), &secret), ["password"], "{encoded}");
    }
    assert!(inside(b"incorrect hose; Bearer ya29.\xe2\x80\xa6", &secret).is_empty());
}
