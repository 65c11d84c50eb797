//! A grant: the secret of it, and what may be read by anyone.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::RecordError;
use super::header::fit;
use crate::secret::RefreshToken;

/// The longest refresh token, in bytes. Google's have up to 512
/// (<https://developers.google.com/identity/protocols/oauth2#size>); others put claims into theirs.
const MAX_REFRESH_TOKEN: usize = 16 * 1024;

/// What the provider gave when the person signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The refresh token (RFC 6749 §1.5).
    pub refresh_token: RefreshToken,
}

/// What is known of a grant and may be read by anyone who can read the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantFacts {
    /// The provider's own name for the account, which goes into XOAUTH2.
    pub sign_in_name: String,
    /// When the person signed in, in unix seconds.
    pub granted: u64,
    /// When the grant ends by itself, in unix seconds, if that is known: the grants of a Google
    /// project that is still in testing end after seven days.
    pub grant_expires: Option<u64>,
}

/// The plain text of a sealed grant, to write.
#[derive(Serialize)]
struct GrantToSeal<'a> {
    refresh_token: &'a str,
}

/// The plain text of a sealed grant, to read. It is borrowed from the wiped buffer unless it has
/// JSON escapes in it, which tokens have not.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenedGrant<'a> {
    #[serde(borrow)]
    refresh_token: Cow<'a, str>,
}

impl Grant {
    /// The text that is sealed. It is wiped after use.
    pub(super) fn to_plain(&self) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        let refresh_token = self.refresh_token.expose();
        fit("refresh token", refresh_token, MAX_REFRESH_TOKEN)?;
        // Large enough for any escaping (two bytes a byte), so that growing leaves no unwiped copy.
        let mut plain = Zeroizing::new(Vec::with_capacity(2 * refresh_token.len() + 64));
        serde_json::to_writer(&mut *plain, &GrantToSeal { refresh_token })
            .map_err(|_| RecordError::CannotSeal)?;
        Ok(plain)
    }

    /// Reads what [`to_plain`](Self::to_plain) gave.
    pub(super) fn from_plain(plain: &[u8]) -> Result<Self, RecordError> {
        let opened: OpenedGrant<'_> =
            serde_json::from_slice(plain).map_err(|_| RecordError::BrokenSeal)?;
        Ok(Self { refresh_token: RefreshToken::new(opened.refresh_token) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_room_for_claims_and_no_more() {
        for (length, fits) in [(0, false), (1, true), (16 * 1024, true), (16 * 1024 + 1, false)] {
            let grant = Grant { refresh_token: RefreshToken::new("x".repeat(length)) };
            let plain = grant.to_plain();
            assert_eq!(plain.is_ok(), fits, "{length}");
            if let Ok(plain) = plain {
                assert_eq!(Grant::from_plain(&plain).unwrap(), grant);
            }
        }
    }
}
