//! XOAUTH2 and OAUTHBEARER as Gmail takes them.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::authorization::{Authorization, MAIL_SCOPE};

/// The mechanisms that carry a bearer token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Xoauth2,
    OauthBearer,
}

impl Mechanism {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "XOAUTH2" => Some(Self::Xoauth2),
            "OAUTHBEARER" => Some(Self::OauthBearer),
            _ => None,
        }
    }
}

/// What a client claims.
pub(super) struct Claim {
    pub(super) user: String,
    pub(super) token: String,
}

/// Reads the base64 of a client's response; `None` if it has not the form of the mechanism.
pub(super) fn decode(mechanism: Mechanism, response: &[u8]) -> Option<Claim> {
    let text = String::from_utf8(STANDARD.decode(response).ok()?).ok()?;
    let fields = text.strip_suffix("\x01\x01")?;
    let (head, fields) = fields.split_once('\x01')?;
    let user = match mechanism {
        Mechanism::Xoauth2 => head.strip_prefix("user=")?,
        // The GS2 header (RFC 7628 §3.1): n,a=user@example.com,
        Mechanism::OauthBearer => head.strip_prefix("n,a=")?.strip_suffix(',')?,
    };
    let token = fields
        .split('\x01')
        .find_map(|field| field.strip_prefix("auth=Bearer "))?;
    Some(Claim {
        user: user.to_owned(),
        token: token.to_owned(),
    })
}

/// The address that signs on, if the token is alive, good for mail, and the claimed user's.
pub(super) fn check(claim: &Claim, authorization: &Authorization) -> Option<String> {
    let email = authorization.is_live(&claim.token)?;
    email.eq_ignore_ascii_case(&claim.user).then_some(email)
}

/// The error challenge, in base64. The answer to every fault is the same: it doesn't say whether
/// the token has expired, lacks a scope or is somebody else's.
pub(super) fn error_challenge() -> String {
    let json = format!(r#"{{"status":"400","schemes":"Bearer","scope":"{MAIL_SCOPE}"}}"#);
    STANDARD.encode(json)
}

/// A SASL response as the records show it.
pub(super) fn shown(mechanism: &str, response: &[u8]) -> String {
    let claim = Mechanism::named(mechanism).and_then(|known| decode(known, response));
    match claim {
        Some(claim) => format!("<SASL user={}>", claim.user),
        None if response.is_empty() || response == b"*" || response == b"=" => {
            String::from_utf8_lossy(response).into_owned()
        }
        None => "<SASL>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_own_example_is_read() {
        let response = b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxb\
            VRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";
        let claim = decode(Mechanism::Xoauth2, response).unwrap();
        assert_eq!(claim.user, "someuser@example.com");
        assert_eq!(claim.token, "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
        assert!(decode(Mechanism::OauthBearer, response).is_none());
        assert!(decode(Mechanism::Xoauth2, b"!").is_none());
    }

    #[test]
    fn the_challenge_is_gmails() {
        assert_eq!(
            error_challenge(),
            "eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29v\
             Z2xlLmNvbS8ifQ=="
        );
    }
}
