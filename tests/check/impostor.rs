//! Somebody who answers in a mail server's place, with a certificate of their own.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

const DAY: Duration = Duration::from_secs(86_400);

/// What is on the certificate.
pub(crate) struct Shows {
    pub(crate) issuer: &'static str,
    pub(crate) name: &'static str,
    pub(crate) expired: bool,
}

/// Starts one; its port, and the authority that signed its certificate (PEM).
pub(crate) async fn start(shows: Shows) -> (u16, String) {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::OrganizationName, shows.issuer);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let mut leaf = CertificateParams::new(vec![shows.name.to_owned()]).unwrap();
    let ends = if shows.expired { SystemTime::now() - DAY } else { SystemTime::now() + DAY };
    leaf.not_before = (ends - 30 * DAY).into();
    leaf.not_after = ends.into();
    let leaf = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let config = ServerConfig::builder_with_provider(gatepost::tls::crypto())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key.into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { drop(acceptor.accept(stream).await) });
        }
    });
    (port, pem)
}
