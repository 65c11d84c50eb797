//! Types for what must never be shown: each is redacted in `Debug` in every build profile, wiped
//! from memory when dropped, and read by one plainly named method, [`expose`](AccessToken::expose).

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Makes a secret text type. There is no `Display`, no `Serialize` and no `Deref`, so that no
/// format string and no record can take one in by accident.
macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// Takes the text over; it is wiped when the value is dropped.
            pub fn new(text: impl Into<String>) -> Self {
                Self(Zeroizing::new(text.into()))
            }

            /// The secret itself. Each call of this is a place to review.
            pub fn expose(&self) -> &str {
                &self.0
            }

            /// True if there is nothing in it.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        /// In constant time, as far as the length allows.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
            }
        }

        impl Eq for $name {}
    };
}

secret_text! {
    /// What the provider's IMAP and SMTP servers accept for about an hour (RFC 6749 §1.4).
    AccessToken
}
secret_text! {
    /// What the authorization server turns into access tokens (RFC 6749 §1.5). It is the grant.
    RefreshToken
}
secret_text! {
    /// What a mail client sends to Gatepost. It has nothing to do with the provider's password.
    LocalPassword
}
secret_text! {
    /// The `client_secret` of the user's own OAuth client. For an installed app it isn't
    /// confidential (RFC 8252 §8.5); it is kept out of logs all the same.
    ClientSecret
}
secret_text! {
    /// What proves that its bearer was given it by this process: 256 random bits in hexadecimal digits.
    BearerToken
}

impl BearerToken {
    /// Another one. It fails only if the system has no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *random)?;
        Ok(Self::new(random.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?} {:#?}", RefreshToken::new("1//abc"), LocalPassword::new("pw"));
        assert!(!shown.contains("abc") && !shown.contains("pw\""), "{shown}");
        assert!(shown.contains("RefreshToken(…)"));
    }

    #[test]
    fn equality_compares_the_text() {
        assert_eq!(AccessToken::new("a"), AccessToken::new("a"));
        assert_ne!(AccessToken::new("a"), AccessToken::new("b"));
        assert_ne!(AccessToken::new("a"), AccessToken::new("aa"));
    }
}
