//! What keeps a right password from being served, in the words that each protocol has for it.
//!
//! None of it is ever a tagged `NO` or a `535`: mail clients answer those by asking for a password,
//! and the person then types the wrong one over the right one.

use crate::token;
use crate::upstream::{Refusal, UpstreamError};

/// What is spoken on a listener and in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Imap,
    Smtp,
}

impl Protocol {
    /// As in the configuration and in `status`.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Smtp => "smtp",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Imap => "IMAP",
            Self::Smtp => "SMTP",
        }
    }

    /// The last words to a client; `code` is SMTP's enhanced status code (RFC 3463).
    pub(super) fn goodbye(self, code: &str, words: &str) -> Vec<u8> {
        match self {
            Self::Imap => format!("* BYE {words}\r\n"),
            Self::Smtp => format!("421 {code} {words}\r\n"),
        }
        .into_bytes()
    }
}

/// Why a mail client whose password is right is turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// One sentence.
    pub(super) sentence: String,
    /// One thing to do.
    pub(super) remedy: String,
    /// True if nothing gets better before a person acts: then the client is given an alert.
    pub(super) needs_person: bool,
    /// True if it is a limit of Gatepost's own, which says nothing of the provider.
    pub(super) is_limit: bool,
    /// The enhanced status code (RFC 3463) behind SMTP's 421.
    code: &'static str,
}

impl Trouble {
    /// The token can't be had.
    pub(super) fn token(trouble: &token::Trouble, address: &str) -> Self {
        match trouble {
            token::Trouble::Cause(cause) => Self {
                sentence: cause.sentence(),
                remedy: cause.remedy(address),
                needs_person: !cause.is_transient(),
                is_limit: false,
                code: if cause.is_transient() { "4.4.1" } else { "4.7.0" },
            },
            token::Trouble::Locked | token::Trouble::Record(_) => Self {
                sentence: trouble.to_string(),
                remedy: format!("Run `gatepost login {address}` to sign in again."),
                needs_person: true,
                is_limit: false,
                code: "4.7.0",
            },
        }
    }

    /// The provider's mail server can't be used.
    pub(super) fn upstream(error: &UpstreamError) -> Self {
        let is_network = error.is_transient() && !matches!(error, UpstreamError::Refused { .. });
        Self {
            sentence: format!("{error}."),
            remedy: error.remedy().to_owned(),
            needs_person: !error.is_transient(),
            is_limit: false,
            code: if is_network { "4.4.1" } else { "4.7.0" },
        }
    }

    /// The provider has ended a session for this reason.
    pub(super) fn farewell(refusal: &Refusal) -> Self {
        Self {
            sentence: refusal.sentence(),
            remedy: refusal.remedy().to_owned(),
            needs_person: !refusal.is_transient(),
            is_limit: false,
            code: "4.7.0",
        }
    }

    /// A limit of Gatepost's own.
    pub(super) fn limit(sentence: String, remedy: &str) -> Self {
        Self {
            sentence,
            remedy: remedy.to_owned(),
            needs_person: false,
            is_limit: true,
            code: "4.7.0",
        }
    }

    /// This machine is at fault.
    pub(super) fn machine(sentence: String, remedy: &str) -> Self {
        Self {
            sentence,
            remedy: remedy.to_owned(),
            needs_person: true,
            is_limit: false,
            code: "4.3.0",
        }
    }

    /// The last words to a client, with the number by which the log calls its session.
    pub(super) fn words(&self, protocol: Protocol, session: u64) -> Vec<u8> {
        let (sentence, remedy) = (ascii(&self.sentence), ascii(&self.remedy));
        match protocol {
            // The alert alone is the same each time: mail programs show it once.
            Protocol::Imap if self.needs_person => {
                let bye = signed(&sentence, session);
                format!("* OK [ALERT] Gatepost: {sentence} {remedy}\r\n* BYE {bye}\r\n")
            }
            Protocol::Imap => {
                format!("* BYE {}\r\n", signed(&format!("{sentence} {remedy}"), session))
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

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.sentence, self.remedy)
    }
}

/// Words with the number of their session, by which the log is found from a client's complaint.
pub(super) fn signed(words: &str, session: u64) -> String {
    format!("{words} (Gatepost session {session})")
}

/// Words that go on the wire: both protocols have ASCII only there, and one line.
pub(super) fn ascii(text: &str) -> String {
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
    fn a_person_is_alerted_and_a_network_only_told() {
        let ended = token::Trouble::Cause(Cause::GrantEnded { testing: true });
        let words =
            String::from_utf8(Trouble::token(&ended, "you@gmail.com").words(Protocol::Imap, 7))
                .unwrap();
        assert!(words.starts_with("* OK [ALERT] Gatepost: Google has ended the grant"), "{words}");
        assert!(words.contains("\r\n* BYE ") && words.ends_with("\r\n") && words.is_ascii());
        let away = token::Trouble::Cause(Cause::Unreachable("no route".into()));
        let words =
            String::from_utf8(Trouble::token(&away, "you@gmail.com").words(Protocol::Imap, 7))
                .unwrap();
        assert!(words.starts_with("* BYE ") && words.matches("\r\n").count() == 1, "{words}");
        let words =
            String::from_utf8(Trouble::token(&away, "you@gmail.com").words(Protocol::Smtp, 7))
                .unwrap();
        assert!(words.starts_with("421 4.4.1 ") && words.len() <= 512);
        assert!(words.ends_with(" (Gatepost session 7)\r\n"), "{words}");
    }
}
