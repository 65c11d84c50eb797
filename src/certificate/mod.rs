//! The certificate that mail clients are shown, on the ports with implicit TLS and after STARTTLS.
//!
//! Gatepost's own is made on this machine for this machine's names, signed by an authority whose key
//! is thrown away at once: who trusts it trusts nothing else by it. That authority has signed for ten
//! years ahead, a certificate a year, so that none of them ever has to be trusted anew. A certificate
//! of the person's own may stand in its place.

mod acceptor;
mod folder;
mod issue;
mod local;
mod trust;

pub use acceptor::{Acceptor, name_of};
pub use folder::{CertificateError, CertificateFolder};
pub use local::LocalCertificate;
pub use trust::{TrustError, TrustStore};
