//! Why a provider's mail server can't be used: who is at fault, in words a person can act on.

use crate::sentence;

/// What went wrong with a mail server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The network: DNS, TCP, or no answer in time.
    #[error("{host} can't be reached ({reason})")]
    Unreachable {
        /// The server.
        host: String,
        /// What happened.
        reason: String,
    },
    /// Somebody in between, or the server: the certificate isn't the right one.
    #[error("{host} did not prove who it is ({reason}); no token was sent")]
    Tls {
        /// The server.
        host: String,
        /// What TLS says.
        reason: String,
    },
    /// The server: what it said isn't the protocol.
    #[error("{host} answered with something else than {protocol}")]
    NotTheProtocol {
        /// The server.
        host: String,
        /// `IMAP` or `SMTP`.
        protocol: &'static str,
    },
    /// The server closed the connection before the sign-on was over.
    #[error("{host} closed the connection{}", last(words))]
    Closed {
        /// The server.
        host: String,
        /// Its last words, or none.
        words: String,
    },
    /// The server doesn't take this access token.
    #[error("{host} refused the access token")]
    TokenRefused {
        /// The server.
        host: String,
    },
    /// The server knows the account and says no.
    #[error("{host} refused the sign-on: {}", .refusal.sentence().trim_end_matches('.'))]
    Refused {
        /// The server.
        host: String,
        /// Why.
        refusal: Refusal,
    },
}

/// Why a server refuses an account whose token it doesn't complain of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// More connections than the provider allows; every client of the account counts.
    TooManyConnections,
    /// The day's bandwidth, or too many commands.
    OverQuota,
    /// IMAP is off in the account's settings.
    ImapOff,
    /// IMAP is off for the organisation.
    ImapOffForDomain,
    /// The provider wants the person in the browser first.
    WebLogin,
    /// The server's own trouble; the text is its own.
    Temporary(String),
    /// Anything else; the text is the server's.
    Other(String),
}

impl Refusal {
    /// Reads a server's words. A code that says it all comes first, since texts are for people and may
    /// change; several reasons are put under one code, so the text has to tell them apart.
    pub fn read(code: &str, text: &str) -> Option<Self> {
        let word = code.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let lower = text.to_lowercase();
        let says = |words: &str| lower.contains(words);
        Some(match word.as_str() {
            "WEBALERT" => Self::WebLogin,
            "OVERQUOTA" => Self::OverQuota,
            _ if says("too many simultaneous connections") => Self::TooManyConnections,
            _ if says("exceeded command or bandwidth") => Self::OverQuota,
            _ if says("imap access is disabled for your domain") => Self::ImapOffForDomain,
            _ if says("not enabled for imap") || says("enable your account for imap") => {
                Self::ImapOff
            }
            _ if says("via your web browser") || says("web login required") => Self::WebLogin,
            "UNAVAILABLE" | "INUSE" | "SERVERBUG" | "CONTACTADMIN" => {
                Self::Temporary(sentence::shown(text))
            }
            _ if says("temporary system") || says("too many login attempts") => {
                Self::Temporary(sentence::shown(text))
            }
            _ => return None,
        })
    }

    pub(super) fn other(text: &str) -> Self {
        Self::Other(sentence::shown(text))
    }

    /// True if it passes by itself.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::TooManyConnections | Self::OverQuota | Self::Temporary(_))
    }

    /// One sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::TooManyConnections => "Gmail counts too many connections of this account (15 at most, phones and other programs included).".into(),
            Self::OverQuota => "Gmail's limit of traffic for this account is used up for now.".into(),
            Self::ImapOff => "IMAP is switched off in this account's Gmail settings.".into(),
            Self::ImapOffForDomain => "The administrator has switched IMAP off for this organisation.".into(),
            Self::WebLogin => "Google wants you to sign in in the browser once.".into(),
            Self::Temporary(text) => format!("The server has trouble of its own{}.", last(text)),
            Self::Other(text) => format!("The server says no{}.", last(text)),
        }
    }

    /// A word for programs, stable between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooManyConnections => "too_many_connections",
            Self::OverQuota => "over_quota",
            Self::ImapOff => "imap_off",
            Self::ImapOffForDomain => "imap_off_for_domain",
            Self::WebLogin => "web_login",
            Self::Temporary(_) => "temporary",
            Self::Other(_) => "refused",
        }
    }

    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::TooManyConnections => {
                "Close a mail program of this account, on a phone for instance."
            }
            Self::OverQuota => {
                "Wait, for a day at most; hiding “All Mail” from IMAP in Gmail's settings saves most of the traffic."
            }
            Self::ImapOff => "Enable IMAP in Gmail: Settings › Forwarding and POP/IMAP.",
            Self::ImapOffForDomain => {
                "Ask the administrator to enable IMAP (Admin console › Gmail › End user access)."
            }
            Self::WebLogin => {
                "Open https://mail.google.com in the browser, sign in, and try again."
            }
            Self::Temporary(_) => "Nothing to do: it is tried again at the next sign-on.",
            Self::Other(_) => {
                "Do what the server says; `gatepost run --log-wire` with your address writes down the whole exchange, without its secrets."
            }
        }
    }
}

impl UpstreamError {
    pub(super) fn unreachable(host: &impl ToString, reason: impl ToString) -> Self {
        Self::Unreachable { host: host.to_string(), reason: reason.to_string() }
    }

    /// What happened, without the server's name.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Unreachable { reason, .. } => reason,
            other => other.to_string(),
        }
    }

    /// True if the same attempt may succeed later without anybody acting.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Closed { .. } | Self::NotTheProtocol { .. } => true,
            Self::Tls { .. } | Self::TokenRefused { .. } => false,
            Self::Refused { refusal, .. } => refusal.is_transient(),
        }
    }

    /// True if the provider counts too many connections of the account.
    pub fn is_too_many_connections(&self) -> bool {
        matches!(self, Self::Refused { refusal: Refusal::TooManyConnections, .. })
    }

    /// A word for programs, stable between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Tls { .. } => "tls",
            Self::NotTheProtocol { .. } => "not_the_protocol",
            Self::Closed { .. } => "closed",
            Self::TokenRefused { .. } => "token_refused",
            Self::Refused { refusal, .. } => refusal.code(),
        }
    }

    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::Closed { .. } => {
                "Check the network; it is tried again at the next sign-on."
            }
            Self::Tls { .. } => {
                "Name the certificate of your antivirus or your company's proxy in `ca_file` in the configuration; if you have neither, use another network."
            }
            Self::NotTheProtocol { .. } => {
                "Open a web page in the browser, since the sign-in page of a hotel or a company may stand in between."
            }
            Self::TokenRefused { .. } => "Sign in again with `gatepost login`.",
            Self::Refused { refusal, .. } => refusal.remedy(),
        }
    }
}

/// A server's words as the end of a sentence, which the sentence's own full stop follows.
fn last(words: &str) -> String {
    let words = words.trim_end_matches('.');
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gmails_refusals_are_told_apart() {
        let is =
            |code, text, refusal| assert_eq!(Refusal::read(code, text), Some(refusal), "{text}");
        is("ALERT", "Too many simultaneous connections. (Failure)", Refusal::TooManyConnections);
        is("UNAVAILABLE", "Too many simultaneous connections.", Refusal::TooManyConnections);
        is("OVERQUOTA", "Account exceeded command or bandwidth limits.", Refusal::OverQuota);
        is("ALERT", "Account exceeded command or bandwidth limits. (Failure)", Refusal::OverQuota);
        is(
            "ALERT",
            "IMAP access is disabled for your domain. Please contact your domain administrator for questions about this feature. (Failure)",
            Refusal::ImapOffForDomain,
        );
        is(
            "ALERT",
            "Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable your account for IMAP access. (Failure)",
            Refusal::ImapOff,
        );
        is("WEBALERT https://accounts.google.com/x", "Web login required.", Refusal::WebLogin);
        is("ALERT", "Please log in via your web browser: https://x (Failure)", Refusal::WebLogin);
        is(
            "UNAVAILABLE",
            "Temporary System Problem (Failure)",
            Refusal::Temporary("Temporary System Problem (Failure)".into()),
        );
        assert_eq!(Refusal::read("AUTHENTICATIONFAILED", "Invalid credentials (Failure)"), None);
        assert_eq!(Refusal::read("ALERT", "Invalid credentials (Failure)"), None);
    }
}
