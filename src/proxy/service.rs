//! What is served on a listener.

use super::trouble::Protocol;

/// A protocol, and whether TLS begins with the first byte (RFC 8314 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) protocol: Protocol,
    pub(super) implicit_tls: bool,
}

impl Service {
    const ALL: [Self; 4] = [
        Self { protocol: Protocol::Imap, implicit_tls: false },
        Self { protocol: Protocol::Smtp, implicit_tls: false },
        Self { protocol: Protocol::Imap, implicit_tls: true },
        Self { protocol: Protocol::Smtp, implicit_tls: true },
    ];

    /// As in the configuration and in `status`.
    pub(super) fn key(self) -> &'static str {
        match (self.protocol, self.implicit_tls) {
            (Protocol::Imap, false) => "imap",
            (Protocol::Smtp, false) => "smtp",
            (Protocol::Imap, true) => "imaps",
            (Protocol::Smtp, true) => "smtps",
        }
    }

    /// The one of this key.
    pub(super) fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.key() == key)
    }
}
