//! What keeps a right password from being served, in the words that each protocol has for it.
//!
//! None of it is ever a tagged `NO` or a `535`: mail clients answer those by asking for a password,
//! and the person then types the wrong one over the right one.

use std::{fmt, io};

use tokio_rustls::rustls;

use super::events::EventKind;
use super::standing::Stands;
use crate::accounts::CheckError;
use crate::protocol::dialogue::Violation;
use crate::protocol::intruder::Intruder;
use crate::token;
use crate::upstream::{Refusal, UpstreamError};

const NEXT_SIGN_ON: &str = "Nothing to do: the next sign-on tries again.";

/// What is spoken on a listener and in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Imap,
    Smtp,
}

impl Protocol {
    /// In the log.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Smtp => "smtp",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Imap => "IMAP",
            Self::Smtp => "SMTP",
        }
    }

    /// The last words to a client.
    pub(crate) fn goodbye(self, words: Goodbye<'_>) -> Vec<u8> {
        match self {
            Self::Imap => format!("* BYE {words}\r\n"),
            Self::Smtp => format!("421 {} {words}\r\n", words.code()),
        }
        .into_bytes()
    }
}

/// Why a mail client whose password is right is turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// One sentence.
    pub(crate) sentence: String,
    /// One thing to do.
    pub(crate) remedy: String,
    /// True if nothing gets better before a person acts: then the client is given an alert.
    pub(crate) needs_person: bool,
    /// True if it is a limit of Gatepost's own, which says nothing of the provider.
    pub(crate) is_limit: bool,
    /// What kind of event it is where it is one by itself; what becomes of tokens is told where they are
    /// got.
    pub(crate) event: Option<EventKind>,
    /// The enhanced status code (RFC 3463) behind SMTP's 421.
    code: &'static str,
}

/// Each of the ways to make one stands in `cli/words`, so that all words can be read together.
impl Trouble {
    /// The token can't be had.
    pub(crate) fn token(trouble: &token::Trouble, address: &str) -> Self {
        match trouble {
            token::Trouble::Cause(cause) => Self {
                sentence: cause.sentence(),
                remedy: cause.remedy(address),
                needs_person: !cause.is_transient(),
                is_limit: false,
                event: None,
                code: if cause.is_transient() { "4.4.1" } else { "4.7.0" },
            },
            token::Trouble::Locked => Self {
                sentence: trouble.to_string(),
                remedy: "Close the mail program and open it again, so that it signs on anew."
                    .into(),
                needs_person: true,
                is_limit: false,
                event: None,
                code: "4.7.0",
            },
            token::Trouble::Record(_) => Self {
                sentence: trouble.to_string(),
                remedy: format!("Run `gatepost login {address}` to sign in again."),
                needs_person: true,
                is_limit: false,
                event: None,
                code: "4.7.0",
            },
        }
    }

    /// The provider's mail server can't be used.
    pub(crate) fn upstream(error: &UpstreamError) -> Self {
        let is_network = error.is_transient() && !matches!(error, UpstreamError::Refused { .. });
        Self {
            sentence: format!("{error}."),
            remedy: error.remedy().to_owned(),
            needs_person: !error.is_transient(),
            is_limit: false,
            event: Some(match error {
                UpstreamError::Refused { refusal, .. } => event_of(refusal),
                _ => EventKind::Unreachable,
            }),
            code: if is_network { "4.4.1" } else { "4.7.0" },
        }
    }

    /// The provider has ended a session for this reason.
    pub(crate) fn farewell(refusal: &Refusal) -> Self {
        Self {
            sentence: refusal.sentence(),
            remedy: refusal.remedy().to_owned(),
            needs_person: !refusal.is_transient(),
            is_limit: false,
            event: Some(event_of(refusal)),
            code: "4.7.0",
        }
    }

    /// All connections that the account may have are in use.
    pub(crate) fn no_connection_left(limit: usize) -> Self {
        let sentence = match limit {
            1 => "The only connection of this account is in use.".to_owned(),
            limit => format!("All {limit} connections of this account are in use."),
        };
        let remedy = "Close a mail program of this account.";
        Self::limit(&sentence, remedy, Some(EventKind::Limit))
    }

    /// Passwords that a person chose take their time, one after the other.
    pub(crate) fn too_many_checks() -> Self {
        Self::limit("Too many passwords are being checked.", NEXT_SIGN_ON, None)
    }

    /// A sign-on has taken too long in all.
    pub(crate) fn no_answer() -> Self {
        let sentence = "The provider did not answer in time.";
        let away = Some(EventKind::Unreachable);
        Self { is_limit: false, ..Self::limit(sentence, NEXT_SIGN_ON, away) }
    }

    /// The account can't be read or opened, whatever the password is.
    pub(crate) fn storage(error: &CheckError) -> Self {
        Self::machine(format!("{error}."), error.remedy())
    }

    /// There is an account, and no client to renew its tokens with.
    pub(crate) fn no_client(address: &str) -> Self {
        Self::machine(
            "Gatepost has no Google client.".into(),
            &format!("Run `gatepost login {address} --client FILE` (docs/google-client.md)."),
        )
    }

    fn limit(sentence: &str, remedy: &str, event: Option<EventKind>) -> Self {
        Self {
            sentence: sentence.to_owned(),
            remedy: remedy.to_owned(),
            needs_person: false,
            is_limit: true,
            event,
            code: "4.7.0",
        }
    }

    fn machine(sentence: String, remedy: &str) -> Self {
        Self {
            sentence,
            remedy: remedy.to_owned(),
            needs_person: true,
            is_limit: false,
            event: None,
            code: "4.3.0",
        }
    }

    /// What kind of trouble stands while this does.
    pub(super) fn stands(&self) -> Stands {
        match self.event {
            _ if self.needs_person => Stands::NeedsPerson,
            Some(EventKind::Limit) => Stands::Limit,
            _ => Stands::Away,
        }
    }

    /// True if it was no server's word: there was no token to sign on with.
    pub(super) fn is_of_tokens(&self) -> bool {
        self.event.is_none()
    }

    /// The last words to a client, with the number by which the log calls its session.
    pub(crate) fn words(&self, protocol: Protocol, session: u64) -> Vec<u8> {
        let (sentence, remedy) = (ascii(&self.sentence), ascii(&self.remedy));
        match protocol {
            // The alert alone is the same each time: mail programs show it once.
            Protocol::Imap if self.needs_person => {
                let bye = signed(&sentence, session);
                format!("* OK [ALERT] Gatepost: {sentence} {remedy}\r\n* BYE {bye}\r\n")
            }
            Protocol::Imap => {
                format!("* BYE {}\r\n", signed(format_args!("{sentence} {remedy}"), session))
            }
            Protocol::Smtp => {
                // RFC 5321 §4.5.3.1.5: a reply line has 512 bytes.
                let text: String = format!("{sentence} {remedy}").chars().take(460).collect();
                format!("421 {} {}\r\n", self.code, signed(&text, session))
            }
        }
        .into_bytes()
    }
}

fn event_of(refusal: &Refusal) -> EventKind {
    match refusal {
        Refusal::TooManyConnections | Refusal::OverQuota => EventKind::Limit,
        _ => EventKind::Unreachable,
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sentence, self.remedy)
    }
}

/// Why a session ends that nothing is the matter with, or nothing that its person could mend: mail
/// programs connect again by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye<'g> {
    /// The proxy ends.
    Stopping,
    /// The account is forgotten.
    SignedOut,
    /// The provider closed.
    ServerClosed,
    /// The provider's connection is gone, and no other can take its place, for this reason.
    ServerLost(&'g str),
    /// The dialogue can't go on.
    Broken(Violation),
    /// There are as many clients without a sign-on as may be.
    TooMany,
    /// It is no client of this protocol.
    OtherProtocol(Protocol),
    /// It speaks without TLS where TLS begins with the first byte.
    NeedsTls(Protocol),
    /// It did not sign on in time.
    Silent,
}

impl Goodbye<'_> {
    /// SMTP's enhanced status code (RFC 3463).
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::TooMany | Self::OtherProtocol(_) | Self::NeedsTls(_) => "4.7.0",
            Self::Silent => "4.4.2",
            _ => "4.3.2",
        }
    }
}

impl fmt::Display for Goodbye<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopping => f.write_str("Gatepost is stopping"),
            Self::SignedOut => f.write_str("This account was signed out"),
            Self::ServerClosed => f.write_str("The mail server has closed the connection"),
            Self::ServerLost(why) => {
                write!(f, "The connection to the mail server was lost: {why}")
            }
            Self::Broken(violation) => write!(f, "The session can't go on: {violation}"),
            Self::TooMany => f.write_str("Too many clients at once, try again later"),
            Self::OtherProtocol(here) => {
                write!(f, "This port speaks {} without TLS", here.name())
            }
            Self::NeedsTls(here) => write!(
                f,
                "This port speaks {} with TLS from the first byte: set the encryption to SSL/TLS, or use the port without TLS",
                here.name()
            ),
            Self::Silent => f.write_str("Too long without a sign-on"),
        }
    }
}

/// What the log says of something else than a mail client.
pub(crate) fn hint(intruder: Intruder, protocol: Protocol) -> String {
    let name = protocol.name();
    match intruder {
        Intruder::Tls => format!(
            "a client speaks TLS to the plain {name} port: set its encryption to “None” for this account, or give it the port of `{}s` under [listen]",
            protocol.key()
        ),
        Intruder::Http => {
            format!("an HTTP request came to the {name} port and was refused: this is no web page")
        }
    }
}

/// What the log says of a client with which TLS could not begin.
pub(crate) fn no_tls(error: &io::Error) -> String {
    use rustls::AlertDescription::{BadCertificate, CertificateUnknown, UnknownCA};

    let of_tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match of_tls {
        Some(rustls::Error::AlertReceived(UnknownCA | BadCertificate | CertificateUnknown)) => {
            "a mail program refuses the certificate: run `gatepost certificate trust`, and give it a name that `gatepost certificate` shows".to_owned()
        }
        Some(rustls::Error::PeerIncompatible(_)) => {
            "a mail program knows no TLS that is safe, which begins with TLS 1.2: update it, or use the port without TLS on this machine".to_owned()
        }
        Some(rustls::Error::NoApplicationProtocol) => {
            "what began TLS at a mail port speaks another protocol, as a browser does, and was refused: this is no web page".to_owned()
        }
        _ => format!("TLS with a mail program could not begin ({error}): it will try again"),
    }
}

/// Words with the number of their session, by which the log is found from a client's complaint.
pub(crate) fn signed(words: impl fmt::Display, session: u64) -> String {
    format!("{words} (Gatepost session {session})")
}

/// Words that go on the wire: both protocols have ASCII only there, and one line.
pub(crate) fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '“' | '”' => '"',
            '’' => '\'',
            '›' => '>',
            '–' => '-',
            c if c.is_ascii() && !c.is_ascii_control() => c,
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Cause;

    #[test]
    fn a_reply_line_of_smtp_is_not_too_long() {
        let server = "The server says so. ".repeat(40);
        let trouble = Trouble::farewell(&Refusal::Other(server));
        assert!(trouble.words(Protocol::Smtp, u64::MAX).len() <= 512);
    }

    #[test]
    fn what_goes_on_the_wire_is_ascii_in_one_line() {
        let trouble = token::Trouble::Cause(Cause::Unreachable("“größer”\r\n* OK – …".into()));
        let words = Trouble::token(&trouble, "you@gmail.com").words(Protocol::Imap, 7);
        assert!(words.is_ascii() && words.iter().filter(|byte| **byte == b'\n').count() == 1);
    }
}
