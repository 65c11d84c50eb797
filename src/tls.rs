//! TLS as a client: whose certificates are trusted.

use std::path::Path;
use std::sync::Arc;

use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{self, ClientConfig};

/// Servers whose sessions are remembered, so that a new connection needs no full handshake.
/// A provider has a handful of hosts.
const REMEMBERED_SESSIONS: usize = 64;

/// Why TLS can't be set up on this machine.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file in `ca_file` is no list of certificates.
    #[error("{file} holds no certificate in PEM form ({reason})")]
    BadCaFile {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// No trusted roots: Debian's package `ca-certificates` is missing, say.
    #[error("the system's list of trusted certificates can't be used ({0})")]
    NoRoots(rustls::Error),
}

/// What TLS is made with; one for the whole program.
pub fn crypto() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A configuration that trusts what the platform trusts, and the roots in `ca_file`. Name and chain
/// are always checked. Sessions are resumed.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let extra = ca_file.map_or(Ok(Vec::new()), read_roots)?;
    let provider = crypto();
    let verifier =
        Verifier::new_with_extra_roots(extra, provider.clone()).map_err(TlsError::NoRoots)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::NoRoots)?
        .dangerous() // rustls's word for any verifier of one's own; this one is the platform's.
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(REMEMBERED_SESSIONS);
    Ok(Arc::new(config))
}

fn read_roots(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |reason: String| TlsError::BadCaFile { file: file.display().to_string(), reason };
    let roots: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))?.collect();
    let roots = roots.map_err(|error| bad(error.to_string()))?;
    if roots.is_empty() { Err(bad("none found".into())) } else { Ok(roots) }
}
