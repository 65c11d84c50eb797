//! Local passwords: what a mail client sends to Gatepost in the place of the provider's password.

use zeroize::Zeroizing;

use super::encoding::fill_random;
use super::error::NoRandomness;
use crate::secret::LocalPassword;

/// Lower-case letters and digits without those that are mistaken for one another when copied by
/// hand: no i, l, o, 0 and 1.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// 26 characters of 31 kinds are 26 · log2(31) ≈ 128.8 bits, beyond any search, so that no slow
/// derivation is needed to protect them.
const GENERATED_LENGTH: usize = 26;

/// The longest chosen password, in bytes. A mail client has to send it within one line.
const MAX_CHOSEN: usize = 256;

/// A password that is to be stored. Where it came from decides how: see [`Self::generate`] and
/// [`Self::chosen`].
#[derive(Clone, Debug)]
pub struct NewPassword {
    password: LocalPassword,
    strength: Strength,
}

/// How hard a password is to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    /// As a key is: HKDF is enough, and a sign-on costs microseconds.
    Random,
    /// As people's passwords are: needs a slow derivation.
    Human,
}

/// Why a chosen password can't be taken: whoever chose it has to choose another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It has a line break or a NUL in it.
    #[error("it has a line break or a NUL in it, which no mail program can send")]
    Unsendable,
    /// It has more than 256 bytes.
    #[error("it is longer than 256 bytes")]
    TooLong,
}

impl NewPassword {
    /// A random password of 26 characters from `abcdefghjkmnpqrstuvwxyz23456789`: about 129 bits.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self { password: generate()?, strength: Strength::Random })
    }

    /// A password that a person chose. Any characters will do but CR, LF and NUL: SASL PLAIN parts
    /// its fields with NUL (RFC 4616 §2), a quoted string of IMAP can hold none of the three
    /// (RFC 9051 §9), and clients that send a bare line would end it there.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn chosen(password: LocalPassword) -> Result<Self, PasswordError> {
        let text = password.expose();
        if text.is_empty() {
            return Err(PasswordError::Empty);
        }
        if text.len() > MAX_CHOSEN {
            return Err(PasswordError::TooLong);
        }
        if text.contains(['\r', '\n', '\0']) {
            return Err(PasswordError::Unsendable);
        }
        Ok(Self { password, strength: Strength::Human })
    }

    /// The password, to show it once.
    pub fn password(&self) -> &LocalPassword {
        &self.password
    }

    pub(super) fn strength(&self) -> Strength {
        self.strength
    }
}

/// What a random byte gives, if it does: bytes from 248 on are passed over, since 256 isn't a multiple
/// of 31 and the first letters of the alphabet would come up more often.
fn letter(byte: u8) -> Option<char> {
    const KINDS: u8 = ALPHABET.len() as u8;
    const FAIR: u8 = u8::MAX - u8::MAX % KINDS;
    (byte < FAIR).then(|| char::from(ALPHABET[usize::from(byte % KINDS)]))
}

fn generate() -> Result<LocalPassword, NoRandomness> {
    let mut text = Zeroizing::new(String::with_capacity(GENERATED_LENGTH));
    let mut random = Zeroizing::new([0u8; 64]);
    while text.len() < GENERATED_LENGTH {
        fill_random(random.as_mut())?;
        let missing = GENERATED_LENGTH - text.len();
        text.extend(random.iter().filter_map(|byte| letter(*byte)).take(missing));
    }
    Ok(LocalPassword::new(std::mem::take(&mut *text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn generated_passwords_are_long_typeable_and_different() {
        let (one, two) = (NewPassword::generate().unwrap(), NewPassword::generate().unwrap());
        assert_ne!(one.password(), two.password());
        let text = one.password().expose();
        assert_eq!(text.len(), 26);
        assert!(text.bytes().all(|byte| ALPHABET.contains(&byte)));
        assert_eq!(one.strength(), Strength::Random);
    }

    #[test]
    fn each_letter_comes_of_as_many_bytes() {
        let mut counts: HashMap<char, u32> = HashMap::new();
        for letter in (0..=u8::MAX).filter_map(letter) {
            *counts.entry(letter).or_default() += 1;
        }
        assert_eq!(counts.len(), 31);
        assert!(counts.values().all(|count| *count == 8), "{counts:?}");
    }

    #[test]
    fn chosen_passwords_take_what_a_line_can_carry() {
        for good in ["x", "pässwörd \"quoted\" \\ ", "1//%s{}", &"a".repeat(256)] {
            let password = NewPassword::chosen(LocalPassword::new(good)).unwrap();
            assert_eq!(password.strength(), Strength::Human);
        }
        for (bad, error) in [
            (String::new(), PasswordError::Empty),
            ("a\rb".to_owned(), PasswordError::Unsendable),
            ("a\n".to_owned(), PasswordError::Unsendable),
            ("\0".to_owned(), PasswordError::Unsendable),
            ("a".repeat(257), PasswordError::TooLong),
        ] {
            assert_eq!(NewPassword::chosen(LocalPassword::new(bad)).unwrap_err(), error);
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let password = NewPassword::chosen(LocalPassword::new("marker")).unwrap();
        assert!(!format!("{password:?}").contains("marker"));
    }
}
