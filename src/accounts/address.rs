//! Mail addresses, compared as Google compares them.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest address in bytes that fits an SMTP path (RFC 5321 §4.5.3.1.3, erratum 1690).
const MAX_ADDRESS: usize = 254;

/// The longest file stem that is written out in full: with `.json` it stays below the 255 bytes
/// that file systems allow a name.
const MAX_PLAIN_STEM: usize = 180;

/// The address of an account, as a person or a mail client types it.
///
/// Two addresses are equal if [`canonical`](Self::canonical) is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    given: String,
    canonical: String,
}

/// Why a text is no address: whoever typed it has to type it anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is nothing in it.
    #[error("the address is empty")]
    Empty,
    /// It has no `@`, or more than one.
    #[error("an address has exactly one @, as in you@gmail.com")]
    NotOneAt,
    /// There is no name before the `@`, or nothing but dots or a tag.
    #[error("the address has no name before the @")]
    NoLocalPart,
    /// There is nothing after the `@`.
    #[error("the address has no domain after the @")]
    NoDomain,
    /// There is a space, a quotation mark or a control character in it.
    #[error("the address has a space, a quotation mark or a control character in it")]
    BadCharacter,
    /// It has more than 254 bytes.
    #[error("the address is longer than 254 bytes")]
    TooLong,
}

impl Address {
    /// Reads an address. Space around it and one pair of quotation marks are left out, since mail
    /// clients send them.
    ///
    /// # Errors
    /// [`AddressError`], which says what to type otherwise.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let unquoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let given = unquoted.unwrap_or(text).trim();
        if given.is_empty() {
            return Err(AddressError::Empty);
        }
        if given.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        if given.chars().any(|c| c.is_control() || c.is_whitespace() || c == '"') {
            return Err(AddressError::BadCharacter);
        }
        let (local, domain) = given.split_once('@').ok_or(AddressError::NotOneAt)?;
        if domain.contains('@') {
            return Err(AddressError::NotOneAt);
        }
        if domain.is_empty() {
            return Err(AddressError::NoDomain);
        }
        Ok(Self { given: given.to_owned(), canonical: canonical(local, domain)? })
    }

    /// The address as given, without space or quotation marks around it.
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// The form in which addresses are compared: lower-case and without a `+tag`; for Gmail's own
    /// domains also without the dots of the local part, and with `gmail.com` for `googlemail.com`.
    /// (<https://support.google.com/mail/answer/7436150>; the dots of a Workspace domain count.)
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The canonical form as a file name without its ending, safe on every platform: bytes outside
    /// `[a-z0-9@._-]` and a leading dot are percent-encoded, and one that would be too long for a
    /// name is cut and ends in its SHA-256. The `@` rules out the names that Windows reserves.
    pub fn file_stem(&self) -> String {
        let mut stem = String::new();
        for (at, &byte) in self.canonical.as_bytes().iter().enumerate() {
            match byte {
                b'.' if at == 0 => stem.push_str("%2e"),
                b'a'..=b'z' | b'0'..=b'9' | b'@' | b'.' | b'_' | b'-' => stem.push(byte.into()),
                _ => stem.push_str(&format!("%{byte:02x}")),
            }
        }
        if stem.len() > MAX_PLAIN_STEM {
            // Longer than any plain stem, so that no plain stem can look like it.
            let digest = super::encoding::hex(&Sha256::digest(self.canonical.as_bytes()));
            stem.truncate(MAX_PLAIN_STEM - 50);
            stem.push('-');
            stem.push_str(&digest);
        }
        stem
    }
}

fn canonical(local: &str, domain: &str) -> Result<String, AddressError> {
    let domain = match lower(domain).as_str() {
        "gmail.com" | "googlemail.com" => "gmail.com".to_owned(),
        other => other.to_owned(),
    };
    let untagged = local.split('+').next().unwrap_or(local);
    let mut local = lower(untagged);
    if domain == "gmail.com" {
        local.retain(|c| c != '.');
    }
    if local.is_empty() {
        return Err(AddressError::NoLocalPart);
    }
    Ok(format!("{local}@{domain}"))
}

/// Letter by letter: `str::to_lowercase` looks at a letter's neighbours (final sigma), and the same
/// name could then come out in two ways, with a tag behind it and without.
fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical.hash(state);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn the_given_form_is_kept_and_the_canonical_one_compared() {
        for (given, canonical) in [
            ("You@Gmail.com", "you@gmail.com"),
            ("  \"y.o.u@gmail.com\" ", "you@gmail.com"),
            ("you+shop@googlemail.com", "you@gmail.com"),
            ("A.B+x+y@Example.org", "a.b@example.org"),
            ("ÄÖ@Bücher.example", "äö@bücher.example"),
        ] {
            assert_eq!(address(given).canonical(), canonical, "{given}");
        }
        assert_eq!(address(" \"Y.ou@gmail.com\"").as_str(), "Y.ou@gmail.com");
        assert_eq!(address("y.ou+a@GOOGLEMAIL.com"), address("you@gmail.com"));
        assert_ne!(address("a.b@example.org"), address("ab@example.org"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, error) in [
            ("", AddressError::Empty),
            (" \"\" ", AddressError::Empty),
            ("you", AddressError::NotOneAt),
            ("a@b@c", AddressError::NotOneAt),
            ("@gmail.com", AddressError::NoLocalPart),
            ("+tag@example.org", AddressError::NoLocalPart),
            ("..@gmail.com", AddressError::NoLocalPart),
            ("you@", AddressError::NoDomain),
            ("a\u{1}auth@b", AddressError::BadCharacter),
            ("a b@c", AddressError::BadCharacter),
            ("\"\"a@b\"\"", AddressError::BadCharacter),
            ("a@b\r\nc", AddressError::BadCharacter),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text:?}");
        }
        let longest = format!("{}@b.c", "a".repeat(250));
        assert!(Address::parse(&longest).is_ok());
        assert_eq!(Address::parse(&format!("a{longest}")), Err(AddressError::TooLong));
    }

    #[test]
    fn file_stems_are_safe_names() {
        assert_eq!(address("Y.ou+a@Gmail.com").file_stem(), "you@gmail.com");
        assert_eq!(address(".a/..\\:*@b.c").file_stem(), "%2ea%2f..%5c%3a%2a@b.c");
        assert_eq!(address("ä@b.c").file_stem(), "%c3%a4@b.c");
    }

    #[test]
    fn a_long_address_still_has_a_file_name_of_its_own() {
        let (one, two) = (format!("{}1@b.c", "ä".repeat(120)), format!("{}2@b.c", "ä".repeat(120)));
        let (one, two) = (address(&one).file_stem(), address(&two).file_stem());
        assert_ne!(one, two);
        assert!(one.len() < 240 && one.len() > MAX_PLAIN_STEM, "{}", one.len());
    }

    #[test]
    fn the_longest_plain_name_is_plain() {
        let domain = "@example.com";
        for (length, is_plain) in [(MAX_PLAIN_STEM, true), (MAX_PLAIN_STEM + 1, false)] {
            let text = "a".repeat(length - domain.len()) + domain;
            assert_eq!(address(&text).file_stem() == text, is_plain);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_the_canonical_form_is_stable(text in "\\PC{0,40}@?\\PC{0,40}") {
            if let Ok(address) = Address::parse(&text) {
                let stem = address.file_stem();
                let safe = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"@._-%".contains(&b);
                prop_assert!(stem.bytes().all(safe) && !stem.starts_with('.'), "{}", stem);
                if let Ok(again) = Address::parse(address.canonical()) {
                    prop_assert_eq!(again.canonical(), address.canonical());
                }
            }
        }
    }
}
