//! SASL, both ways: what mail clients send to Gatepost (PLAIN, LOGIN) and what Gatepost sends to
//! the provider (XOAUTH2).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::secret::{AccessToken, LocalPassword};

/// What a mail client signed on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name as sent: UTF-8, without CR, LF and NUL.
    pub user: String,
    /// The local password as sent.
    pub password: LocalPassword,
}

impl Credentials {
    /// Checks what came as bytes.
    pub fn new(user: &[u8], password: &[u8]) -> Result<Self, SaslError> {
        if user.iter().chain(password).any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(SaslError::ForbiddenCharacter);
        }
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| SaslError::NotUtf8);
        Ok(Self { user: text(user)?.to_owned(), password: LocalPassword::new(text(password)?) })
    }
}

/// Why a SASL message can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// It isn't base64 (RFC 4648 §4).
    #[error("not base64")]
    NotBase64,
    /// PLAIN needs two NULs (RFC 4616 §2).
    #[error("not a PLAIN message")]
    NotPlain,
    /// Names and passwords are UTF-8 (RFC 4616 §2).
    #[error("not UTF-8")]
    NotUtf8,
    /// CR, LF or NUL in a name or a password.
    #[error("a control character in the user name or password")]
    ForbiddenCharacter,
}

/// The SASL mechanisms that a mail client may use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login: two challenges, for the name and for the password.
    Login,
}

impl Mechanism {
    /// By its name in any letter case.
    pub fn parse(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"PLAIN") {
            Some(Self::Plain)
        } else if name.eq_ignore_ascii_case(b"LOGIN") {
            Some(Self::Login)
        } else {
            None
        }
    }
}

/// One client's side of a SASL exchange, fed with its responses as base64.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    user: Option<Zeroizing<Vec<u8>>>,
}

/// What an [`Exchange`] says to a response.
#[derive(Debug)]
pub enum Progress {
    /// The next challenge, already base64 (empty for PLAIN).
    Challenge(&'static str),
    /// The client has said all.
    Done(Credentials),
}

/// `Username:`, byte for byte what Outlook wants (another text makes it give up).
const ASK_USER: &str = "VXNlcm5hbWU6";
/// `Password:`.
const ASK_PASSWORD: &str = "UGFzc3dvcmQ6";

impl Exchange {
    /// A new exchange.
    pub fn new(mechanism: Mechanism) -> Self {
        Self { mechanism, user: None }
    }

    /// The first challenge, for a client that sent no initial response.
    pub fn first_challenge(&self) -> &'static str {
        match self.mechanism {
            Mechanism::Plain => "",
            Mechanism::Login => ASK_USER,
        }
    }

    /// Reads an initial response, in which `=` stands for an empty one (RFC 4959 §3, RFC 4954 §4).
    pub fn initial_response(&mut self, response: &[u8]) -> Result<Progress, SaslError> {
        self.response(if response == b"=" { b"" } else { response })
    }

    /// Reads a response.
    pub fn response(&mut self, response: &[u8]) -> Result<Progress, SaslError> {
        let decoded = decode(response)?;
        match (self.mechanism, self.user.take()) {
            (Mechanism::Plain, _) => plain(&decoded).map(Progress::Done),
            (Mechanism::Login, None) => {
                self.user = Some(decoded);
                Ok(Progress::Challenge(ASK_PASSWORD))
            }
            (Mechanism::Login, Some(user)) => Credentials::new(&user, &decoded).map(Progress::Done),
        }
    }
}

/// Base64 as clients really write it: padding may be missing, white space may surround it.
fn decode(response: &[u8]) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    LENIENT.decode(response.trim_ascii()).map(Zeroizing::new).map_err(|_| SaslError::NotBase64)
}

/// `authzid NUL authcid NUL passwd`; the authorization identity is passed over, since the account
/// is picked by the name whose password is given.
fn plain(message: &[u8]) -> Result<Credentials, SaslError> {
    let mut parts = message.split(|byte| *byte == 0);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(user), Some(password), None) => Credentials::new(user, password),
        _ => Err(SaslError::NotPlain),
    }
}

/// XOAUTH2's one message, as base64 on one line: `user=` name `^Aauth=Bearer ` token `^A^A`.
/// <https://developers.google.com/gmail/imap/xoauth2-protocol>
pub fn xoauth2(name: &str, token: &AccessToken) -> Zeroizing<String> {
    let message = Zeroizing::new(format!("user={name}\x01auth=Bearer {}\x01\x01", token.expose()));
    Zeroizing::new(STANDARD.encode(message.as_bytes()))
}

/// The JSON that a server gives as a challenge before it refuses an XOAUTH2 sign-on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ErrorChallenge {
    /// An HTTP-like status: Gmail says 400 for every refused token, its documentation 401.
    #[serde(default)]
    pub status: String,
    /// The scope that the token would need.
    #[serde(default)]
    pub scope: String,
}

impl ErrorChallenge {
    /// Reads a challenge; `None` if it is none of this form.
    pub fn parse(challenge: &[u8]) -> Option<Self> {
        serde_json::from_slice(&decode(challenge).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(progress: Result<Progress, SaslError>) -> (String, String) {
        match progress {
            Ok(Progress::Done(done)) => (done.user, done.password.expose().to_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plain_with_and_without_authorization_identity() {
        for message in ["\0you@gmail.com\0pass word", "admin\0you@gmail.com\0pass word"] {
            let mut exchange = Exchange::new(Mechanism::Plain);
            let done = exchange.initial_response(STANDARD.encode(message).as_bytes());
            assert_eq!(credentials(done), ("you@gmail.com".into(), "pass word".into()));
        }
    }

    #[test]
    fn login_asks_twice() {
        let mut exchange = Exchange::new(Mechanism::Login);
        assert_eq!(exchange.first_challenge(), "VXNlcm5hbWU6");
        assert!(matches!(exchange.response(b"eW91"), Ok(Progress::Challenge("UGFzc3dvcmQ6"))));
        assert_eq!(
            credentials(exchange.response("cMOkw58=".as_bytes())),
            ("you".into(), "päß".into())
        );
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        let refuse = |message: &[u8]| {
            let mut exchange = Exchange::new(Mechanism::Plain);
            exchange.response(message).err()
        };
        assert_eq!(refuse(b"!!!"), Some(SaslError::NotBase64));
        assert_eq!(refuse(b""), Some(SaslError::NotPlain));
        assert_eq!(refuse(STANDARD.encode("a\0b").as_bytes()), Some(SaslError::NotPlain));
        assert_eq!(refuse(STANDARD.encode("\0a\0b\0c").as_bytes()), Some(SaslError::NotPlain));
        assert_eq!(
            refuse(STANDARD.encode("\0a\r\nb\0c").as_bytes()),
            Some(SaslError::ForbiddenCharacter)
        );
        assert_eq!(refuse(STANDARD.encode(b"\0a\0\xff").as_bytes()), Some(SaslError::NotUtf8));
    }

    #[test]
    fn xoauth2_is_as_google_documents_it() {
        let token = AccessToken::new("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
        assert_eq!(
            xoauth2("someuser@example.com", &token).as_str(),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhk\
             SFJoZG1semRHRXVZMjl0Q2cBAQ=="
        );
    }

    #[test]
    fn error_challenges_are_read() {
        let challenge = b"eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvbS8ifQ==";
        let parsed = ErrorChallenge::parse(challenge).unwrap();
        assert_eq!(
            (parsed.status.as_str(), parsed.scope.as_str()),
            ("400", "https://mail.google.com/")
        );
        assert_eq!(ErrorChallenge::parse(b"bm90IGpzb24="), None);
    }
}
