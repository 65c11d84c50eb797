//! TLS as a client: whose certificates are trusted.

mod channel;
#[cfg(test)]
pub mod simulated;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::der::Decode;

pub use channel::Channel;

use crate::sentence;

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
    let mut config = config_with(Arc::new(Trust::of(ca_file)?))?;
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
    let (Ok(trust), Ok(name)) = (Trust::of(None), ServerName::try_from(name)) else {
        return false;
    };
    trust.verify_server_cert(certificate, &[], &name, &[], UnixTime::now()).is_ok()
}

fn witnessed(
    ca_file: Option<&Path>,
    day: Day,
) -> Result<(Arc<ClientConfig>, Arc<Witness>), TlsError> {
    let witness = Witness { trust: Trust::of(ca_file)?, day, issuer: Mutex::default() };
    let witness = Arc::new(witness);
    let mut config = config_with(witness.clone())?;
    // A session that is taken up again shows no certificate.
    config.resumption = Resumption::disabled();
    Ok((Arc::new(config), witness))
}

/// A verifier that trusts as the others do, and remembers who signed the certificate that a server
/// showed, whether it was accepted or not.
#[derive(Debug)]
pub struct Witness {
    trust: Trust,
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
        self.trust.verify_server_cert(leaf, chain, server_name, ocsp_response, day)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.supported_verify_schemes()
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
    let shown: String = sentence::shown(&name.value()).chars().take(LONGEST).collect();
    Some(shown.trim().to_owned()).filter(|name| !name.is_empty())
}

/// What the platform trusts, and the roots of a `ca_file`. For the latter it is rustls that looks, on
/// every platform alike: what Windows has for roots of one's own isn't to be had everywhere.
#[derive(Debug)]
struct Trust {
    /// `None` only where the platform has no roots, and a `ca_file` has.
    platform: Option<Verifier>,
    own: Option<Arc<WebPkiServerVerifier>>,
    crypto: Arc<CryptoProvider>,
}

const UNKNOWN_ISSUER: rustls::Error =
    rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);

impl Trust {
    fn of(ca_file: Option<&Path>) -> Result<Self, TlsError> {
        let own = ca_file.map(own_roots).transpose()?;
        let platform = match Verifier::new(crypto()) {
            Ok(verifier) => Some(verifier),
            Err(_) if own.is_some() => None,
            Err(error) => return Err(TlsError::NoRoots(error)),
        };
        Ok(Self { platform, own, crypto: crypto() })
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let asked =
            self.own.as_ref().map(|own| own.verify_server_cert(leaf, chain, name, ocsp, now));
        let (own, platform) = match (asked, &self.platform) {
            (Some(Ok(verified)), _) => return Ok(verified),
            (own, None) => return own.unwrap_or(Err(UNKNOWN_ISSUER)),
            (own, Some(platform)) => (own, platform),
        };
        let refused = match platform.verify_server_cert(leaf, chain, name, ocsp, now) {
            Ok(verified) => return Ok(verified),
            Err(refused) => refused,
        };
        // Whoever knows the issuer has the word.
        match own {
            Some(Err(error)) if error != UNKNOWN_ISSUER => Err(error),
            _ => Err(refused),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}

fn own_roots(file: &Path) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let bad = |reason: String| TlsError::BadCaFile { file: file.display().to_string(), reason };
    let roots: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))?.collect();
    let mut store = RootCertStore::empty();
    for root in roots.map_err(|error| bad(error.to_string()))? {
        store.add(root).map_err(|error| bad(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(bad("none found".into()));
    }
    WebPkiServerVerifier::builder_with_provider(store.into(), crypto())
        .build()
        .map_err(|error| bad(error.to_string()))
}

fn config_with(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::NoRoots)?
        .dangerous() // rustls's word for any verifier of one's own; ours only puts two together.
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    /// The certificate of this authority, and of a server with the name `mail.example`.
    fn signed_by(name: &str) -> (rcgen::Certificate, rcgen::Certificate) {
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.distinguished_name.push(rcgen::DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = authority.self_signed(&key).unwrap();
        let leaf = CertificateParams::new(vec!["mail.example".to_owned()]).unwrap();
        let issuer = Issuer::new(authority, key);
        (root, leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap())
    }

    #[test]
    fn the_roots_of_a_ca_file_are_trusted_for_the_name_and_no_others_are() {
        let (root, leaf) = signed_by("One");
        let (_, of_another) = signed_by("Another");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), root.pem()).unwrap();
        let trust = Trust::of(Some(file.path())).unwrap();
        let verify = |trust: &Trust, certificate: &rcgen::Certificate, name: &'static str| {
            let name = ServerName::try_from(name).unwrap();
            trust.verify_server_cert(certificate.der(), &[], &name, &[], UnixTime::now()).map(drop)
        };
        assert_eq!(verify(&trust, &leaf, "mail.example"), Ok(()));
        let refused = verify(&trust, &leaf, "other.example").unwrap_err();
        assert!(format!("{refused:?}").contains("NotValidForName"), "{refused:?}");
        // Here it is the platform that refuses, and each has its words.
        assert!(verify(&trust, &of_another, "mail.example").is_err());
        assert!(verify(&Trust::of(None).unwrap(), &leaf, "mail.example").is_err());
    }

    #[test]
    fn what_is_no_certificate_is_no_ca_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = Trust::of(Some(file.path())).unwrap_err().to_string();
        assert!(refused.contains("holds no certificate in PEM form (none found)"), "{refused}");
    }
}
