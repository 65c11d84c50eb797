//! Whether TLS may begin on a connection that is plain so far.

/// What holds for STARTTLS (RFC 9051 §6.2.1, RFC 3207) on a connection. Where it has TLS already, there
/// is no offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartTls {
    /// The client signs on as it is.
    #[default]
    NotOffered,
    /// The client may begin TLS or sign on without.
    Offered,
    /// The client can't sign on before it has begun TLS: others can listen.
    Required,
}

impl StartTls {
    /// True if the client may begin TLS.
    pub fn is_offered(self) -> bool {
        self != Self::NotOffered
    }
}

/// What a client sends behind STARTTLS before TLS has begun may be somebody else's: it would be taken
/// for what was said under TLS (CVE-2011-0411).
pub(super) const NOTHING_BEHIND: &str = "Nothing may follow STARTTLS before TLS has begun";
