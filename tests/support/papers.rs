//! Certificates as servers show them, whose names are in order or not.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;

const DAY: Duration = Duration::from_secs(86_400);

/// What is wrong with a server's certificate. But for that it is made out to `localhost` and 127.0.0.1, is
/// valid today, and its chain leads to [`Papers::authority`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    Nothing,
    OtherName,
    /// The name stands where it did before RFC 6125, and nowhere else.
    CommonNameOnly,
    Expired,
    NotYetValid,
    SelfSigned,
    OtherAuthority,
    /// An authority of the same name as the one that is trusted, with another key.
    Namesake,
    /// The authority has signed one of its own, which is not shown.
    IntermediateMissing,
    /// What has signed it is a server's certificate that the authority has signed.
    SignedByServer,
    /// It is good for proving who a client is, and not for a server.
    ForClients,
}

/// What a server shows, and whom it names as its authority.
pub struct Papers {
    pub server: Arc<ServerConfig>,
    /// To be trusted (PEM).
    pub authority: String,
}

impl Papers {
    pub fn with(flaw: Flaw) -> Self {
        Self::signed_by("Known", flaw)
    }

    /// The same by an authority of this organisation.
    pub fn signed_by(organisation: &str, flaw: Flaw) -> Self {
        let (trusted, authority) = authority(organisation);
        let key = KeyPair::generate().unwrap();
        let leaf = leaf(flaw);
        let (chain, key) = match flaw {
            Flaw::SelfSigned => (vec![leaf.self_signed(&key).unwrap()], key),
            Flaw::OtherAuthority => {
                (vec![leaf.signed_by(&key, &self::authority("Other").1).unwrap()], key)
            }
            Flaw::Namesake => {
                (vec![leaf.signed_by(&key, &self::authority(organisation).1).unwrap()], key)
            }
            Flaw::IntermediateMissing => {
                let (_, between) = under(&authority, IsCa::Ca(BasicConstraints::Constrained(0)));
                (vec![leaf.signed_by(&key, &between).unwrap()], key)
            }
            Flaw::SignedByServer => {
                let (shown, server) = under(&authority, IsCa::ExplicitNoCa);
                (vec![leaf.signed_by(&key, &server).unwrap(), shown], key)
            }
            _ => (vec![leaf.signed_by(&key, &authority).unwrap()], key),
        };
        Self { server: server_config(&chain, key), authority: trusted.pem() }
    }
}

fn leaf(flaw: Flaw) -> CertificateParams {
    let names: &[&str] = match flaw {
        Flaw::OtherName => &["mail.example.com"],
        Flaw::CommonNameOnly => &[],
        _ => &["localhost", "127.0.0.1"],
    };
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut leaf = CertificateParams::new(names).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![match flaw {
        Flaw::ForClients => ExtendedKeyUsagePurpose::ClientAuth,
        _ => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    let now = SystemTime::now();
    let (from, to) = match flaw {
        Flaw::Expired => (now - 30 * DAY, now - DAY),
        Flaw::NotYetValid => (now + DAY, now + 30 * DAY),
        _ => (now - DAY, now + 30 * DAY),
    };
    (leaf.not_before, leaf.not_after) = (from.into(), to.into());
    leaf
}

fn authority(organisation: &str) -> (Certificate, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::OrganizationName, organisation);
    let certificate = authority.self_signed(&key).unwrap();
    (certificate, Issuer::new(authority, key))
}

/// Something that `authority` has signed, and that signs in its turn.
fn under(
    authority: &Issuer<'static, KeyPair>,
    is_ca: IsCa,
) -> (Certificate, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut between = CertificateParams::new(vec!["between.example.com".to_owned()]).unwrap();
    between.is_ca = is_ca;
    between.distinguished_name.push(DnType::CommonName, "Between");
    let certificate = between.signed_by(&key, authority).unwrap();
    (certificate, Issuer::new(between, key))
}

fn server_config(chain: &[Certificate], key: KeyPair) -> Arc<ServerConfig> {
    let chain: Vec<CertificateDer<'static>> =
        chain.iter().map(|certificate| certificate.der().clone()).collect();
    let config = ServerConfig::builder_with_provider(gatepost::tls::crypto())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.into())
        .unwrap();
    Arc::new(config)
}
