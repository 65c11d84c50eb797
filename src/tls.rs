//! TLS as a client: whose certificates are trusted.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::der::Decode;

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
    let mut config = config_with(Arc::new(verifier(ca_file)?))?;
    config.resumption = Resumption::in_memory_sessions(REMEMBERED_SESSIONS);
    Ok(Arc::new(config))
}

/// The same, for one handshake whose certificate is to be looked at. It trusts not a byte more.
pub fn witnessed_config(
    ca_file: Option<&Path>,
) -> Result<(Arc<ClientConfig>, Arc<Witness>), TlsError> {
    witnessed(ca_file, Day::Today)
}

/// A configuration that holds a certificate against a day on which it is valid, and not against this
/// machine's clock; name and chain are checked all the same. For asking a server that holds no secret
/// of ours what time it is, and for nothing else.
pub fn timeless_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(witnessed(ca_file, Day::OfTheCertificate)?.0)
}

/// True if the platform's verifier takes this certificate of a server's for this name, now.
pub fn accepts(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(verifier), Ok(name)) = (verifier(None), ServerName::try_from(name)) else {
        return false;
    };
    verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now()).is_ok()
}

fn witnessed(
    ca_file: Option<&Path>,
    day: Day,
) -> Result<(Arc<ClientConfig>, Arc<Witness>), TlsError> {
    let witness = Witness { verifier: verifier(ca_file)?, day, issuer: Mutex::default() };
    let witness = Arc::new(witness);
    let mut config = config_with(witness.clone())?;
    // A session that is taken up again shows no certificate.
    config.resumption = Resumption::disabled();
    Ok((Arc::new(config), witness))
}

/// The platform's verifier, which remembers who signed the certificate that a server showed, whether it
/// was accepted or not.
#[derive(Debug)]
pub struct Witness {
    verifier: Verifier,
    day: Day,
    issuer: Mutex<Option<String>>,
}

/// The day that a certificate is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    Today,
    /// The nearest one on which it is valid.
    OfTheCertificate,
}

impl Witness {
    /// The one who signed the server's certificate, in its own words: an organisation, or a name.
    pub fn issuer(&self) -> Option<String> {
        self.issuer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.issuer.lock().unwrap_or_else(PoisonError::into_inner) = issuer_of(end_entity);
        let day = match self.day {
            Day::Today => now,
            Day::OfTheCertificate => day_within(end_entity, now).unwrap_or(now),
        };
        let (leaf, chain) = (end_entity, intermediates);
        self.verifier.verify_server_cert(leaf, chain, server_name, ocsp_response, day)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// The time nearest to `now` at which a certificate is valid (RFC 5280 §4.1.2.5).
fn day_within(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<UnixTime> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let validity = certificate.tbs_certificate().validity();
    let [from, to] = [validity.not_before, validity.not_after].map(|at| at.to_unix_duration());
    let day = Duration::from_secs(now.as_secs()).min(to).max(from);
    Some(UnixTime::since_unix_epoch(day))
}

/// The organisation that signed a certificate, else its common name (RFC 5280 §4.1.2.4).
fn issuer_of(certificate: &CertificateDer<'_>) -> Option<String> {
    const LONGEST: usize = 80;
    let certificate = Certificate::from_der(certificate).ok()?;
    let issuer = certificate.tbs_certificate().issuer();
    let organization = issuer.organization().ok().flatten();
    let name = organization.or_else(|| issuer.common_name().ok().flatten())?;
    let shown: String = name.value().chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    Some(shown.trim().to_owned()).filter(|name| !name.is_empty())
}

fn verifier(ca_file: Option<&Path>) -> Result<Verifier, TlsError> {
    let extra = ca_file.map_or(Ok(Vec::new()), read_roots)?;
    Verifier::new_with_extra_roots(extra, crypto()).map_err(TlsError::NoRoots)
}

fn config_with(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::NoRoots)?
        .dangerous() // rustls's word for any verifier of one's own; this one is the platform's.
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

fn read_roots(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |reason: String| TlsError::BadCaFile { file: file.display().to_string(), reason };
    let roots: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))?.collect();
    let roots = roots.map_err(|error| bad(error.to_string()))?;
    // What isn't one is found here, where the file is known, and not by the platform's verifier.
    for root in &roots {
        RootCertStore::empty().add(root.clone()).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() { Err(bad("none found".into())) } else { Ok(roots) }
}
