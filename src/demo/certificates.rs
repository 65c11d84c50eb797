//! A throw-away certificate authority and the one certificate it signs, for the names of Gmail's
//! servers and for this machine.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::aws_lc_rs::{Ticketer, default_provider},
    pki_types::PrivateKeyDer,
};

const NAMES: [&str; 5] = [
    "imap.gmail.com",
    "smtp.gmail.com",
    "localhost",
    "127.0.0.1",
    "::1",
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longer than any demo runs; short enough for every verifier (Apple's takes at most 825 days).
const LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What the stand-in's TLS needs. The authority's key is gone as soon as the leaf is signed, so
/// whoever trusts [`ca_pem`](Self::ca_pem) trusts this one certificate and no other.
#[derive(Clone)]
pub struct Certificates {
    ca_pem: String,
    server: Arc<ServerConfig>,
}

impl Certificates {
    /// Makes both.
    ///
    /// # Errors
    /// If there is no randomness, or a library refuses what it is given.
    pub fn make() -> io::Result<Self> {
        let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;

        let mut ca = parameters(Vec::new(), "Gatepost demo authority (throw-away)")?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_certificate = ca.self_signed(&ca_key).map_err(io::Error::other)?;
        let issuer = Issuer::new(ca, ca_key);

        let mut leaf = parameters(NAMES.map(str::to_owned).into(), "Gatepost demo")?;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let leaf_certificate = leaf
            .signed_by(&leaf_key, &issuer)
            .map_err(io::Error::other)?;

        let chain = vec![leaf_certificate.der().clone()];
        let server = server_config(chain, leaf_key.into())?;
        Ok(Self {
            ca_pem: ca_certificate.pem(),
            server: Arc::new(server),
        })
    }

    /// The authority's certificate, as a client's `ca_file` wants it.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// TLS 1.2 and 1.3, with tickets for resumption.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }
}

fn parameters(names: Vec<String>, common_name: &str) -> io::Result<CertificateParams> {
    let mut parameters = CertificateParams::new(names).map_err(io::Error::other)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    parameters.distinguished_name = name;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(io::Error::other)?;
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(now.as_secs());
    // A day back, for clocks that differ.
    parameters.not_before = now - DAY;
    parameters.not_after = now + LIFE;
    Ok(parameters)
}

fn server_config(
    chain: Vec<tokio_rustls::rustls::pki_types::CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> io::Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    config.ticketer = Ticketer::new().map_err(io::Error::other)?;
    Ok(config)
}
