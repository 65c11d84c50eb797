//! What is served on a listener.

use super::trouble::Protocol;

/// What whoever connects is met with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// A mail protocol.
    Mail(MailService),
    /// The status page, by HTTP.
    Page,
}

/// A protocol, and whether TLS begins with the first byte (RFC 8314 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MailService {
    pub(super) protocol: Protocol,
    pub(super) implicit_tls: bool,
}

impl Service {
    const ALL: [Self; 5] = [
        Self::mail(Protocol::Imap, false),
        Self::mail(Protocol::Smtp, false),
        Self::mail(Protocol::Imap, true),
        Self::mail(Protocol::Smtp, true),
        Self::Page,
    ];

    const fn mail(protocol: Protocol, implicit_tls: bool) -> Self {
        Self::Mail(MailService { protocol, implicit_tls })
    }

    /// As in the configuration and in `status`.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Mail(MailService { protocol: Protocol::Imap, implicit_tls: false }) => "imap",
            Self::Mail(MailService { protocol: Protocol::Smtp, implicit_tls: false }) => "smtp",
            Self::Mail(MailService { protocol: Protocol::Imap, implicit_tls: true }) => "imaps",
            Self::Mail(MailService { protocol: Protocol::Smtp, implicit_tls: true }) => "smtps",
            Self::Page => "status",
        }
    }

    /// The one of this key.
    pub(super) fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.key() == key)
    }
}
