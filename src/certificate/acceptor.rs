//! The server's side of TLS with a mail client.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::Ticketer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use super::folder::{CertificateError, CertificateFolder};
use super::issue::YEAR;
use super::local::{LocalCertificate, end_of, names_of};
use crate::config::{CertificateConfig, OwnCertificate};
use crate::tls;

/// What a client may call the protocol in its ALPN (RFC 7301): IANA's name, and what submission is called
/// by those who name it (Exim, Courier), since IANA has none. Mail programs offer nothing at all, which is
/// well; one that offers others only is a browser, and refused within the handshake (ALPACA, USENIX Security
/// 2021).
const IMAP: &[&[u8]] = &[b"imap"];
const SMTP: &[&[u8]] = &[b"smtp", b"esmtp", b"submission"];

/// How long a certificate is shown before it is looked whether it is still the right one.
const LOOK: Duration = Duration::from_secs(1);

/// Accepts TLS with the certificate that is right at the time, whatever becomes of it: the next of
/// Gatepost's own when its year has come, or the person's own after its files have changed. Sessions
/// that are there already notice nothing.
pub struct Acceptor {
    source: Source,
    shown: Arc<Shown>,
    imap: TlsAcceptor,
    smtp: TlsAcceptor,
    looked: Mutex<Looked>,
}

enum Source {
    Local { certificate: LocalCertificate, is_trusted: bool },
    Own(OwnCertificate),
}

struct Looked {
    at: Instant,
    /// The files as they were when they were last read well; nothing for Gatepost's own.
    stamps: Stamps,
    /// What was last told of them.
    told: Option<String>,
}

/// When a file was last written, and its length.
type Stamps = [Option<(SystemTime, u64)>; 2];

#[derive(Debug)]
struct Shown(Mutex<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.lock().clone())
    }
}

impl Shown {
    fn lock(&self) -> MutexGuard<'_, Arc<CertifiedKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Acceptor {
    /// Loads the certificate that is configured. Gatepost's own is made if it isn't there and `is_needed`;
    /// without a need, and without a certificate, there is none.
    pub fn load(
        folder: &CertificateFolder,
        config: &CertificateConfig,
        is_needed: bool,
    ) -> Result<Option<Self>, CertificateError> {
        let (source, key, stamps) = match &config.own {
            Some(own) => {
                let stamps = stamps(own);
                (Source::Own(own.clone()), read_own(own)?, stamps)
            }
            None => {
                let certificate = match is_needed {
                    true => Some(folder.load_or_make(&config.names)?),
                    false => folder.load()?,
                };
                let Some(certificate) = certificate else { return Ok(None) };
                tell_of(&certificate, &config.names);
                let is_trusted = folder.is_trusted(&certificate);
                let key = certificate.at(SystemTime::now(), &tls::crypto());
                let key = key.map_err(CertificateError::NotMade)?;
                (Source::Local { certificate, is_trusted }, key, Stamps::default())
            }
        };
        let shown = Arc::new(Shown(Mutex::new(key)));
        let failed = |error: rustls::Error| CertificateError::NotMade(error.to_string());
        let mut server = ServerConfig::builder_with_provider(tls::crypto())
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        server.ticketer = Ticketer::new().map_err(failed)?;
        let of = |names: &[&[u8]]| {
            let mut server = server.clone();
            server.alpn_protocols = names.iter().map(|name| name.to_vec()).collect();
            TlsAcceptor::from(Arc::new(server))
        };
        let looked = Mutex::new(Looked { at: Instant::now(), stamps, told: None });
        Ok(Some(Self { source, shown, imap: of(IMAP), smtp: of(SMTP), looked }))
    }

    /// True if mail programs take the certificate: only then may TLS be offered to one that hasn't asked
    /// for it.
    pub fn is_trusted(&self) -> bool {
        match &self.source {
            Source::Local { is_trusted, .. } => *is_trusted,
            Source::Own(_) => true,
        }
    }

    /// True if it is the person's own, and not one of Gatepost's making.
    pub fn is_own(&self) -> bool {
        matches!(self.source, Source::Own(_))
    }

    /// When the certificate ends: the last of Gatepost's own, which follow each other by themselves, or
    /// the person's own that is shown now.
    pub fn ends(&self) -> Option<SystemTime> {
        self.look();
        match &self.source {
            Source::Local { certificate, .. } => Some(certificate.ends()),
            Source::Own(_) => end_of(self.shown.lock().cert.first()?),
        }
    }

    /// What accepts the next client of IMAP.
    pub fn imap(&self) -> TlsAcceptor {
        self.look();
        self.imap.clone()
    }

    /// What accepts the next client of SMTP.
    pub fn smtp(&self) -> TlsAcceptor {
        self.look();
        self.smtp.clone()
    }

    fn look(&self) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.at.elapsed() < LOOK {
            return;
        }
        looked.at = Instant::now();
        let key = match &self.source {
            Source::Local { certificate, .. } => {
                let key = certificate.at(SystemTime::now(), &tls::crypto());
                key.map_err(CertificateError::NotMade)
            }
            Source::Own(own) => {
                let now = stamps(own);
                if looked.stamps == now {
                    return;
                }
                let read = read_own(own);
                if read.is_ok() {
                    looked.stamps = now;
                }
                read
            }
        };
        match key {
            Ok(key) => {
                if key.cert != self.shown.lock().cert {
                    tracing::info!("mail programs are shown another certificate from now on");
                }
                *self.shown.lock() = key;
                looked.told = None;
            }
            Err(error) => {
                let words = Some(error.to_string());
                if looked.told != words {
                    tracing::warn!("{error}; the one from before stays in use. {}", error.remedy());
                    looked.told = words;
                }
            }
        }
    }
}

/// A name that a certificate of the person's own is for.
pub fn name_of(own: &OwnCertificate) -> Option<String> {
    let name = names_of(&CertificateDer::from_pem_file(&own.file).ok()?)?.into_iter().next()?;
    Some(name.replace('*', "mail"))
}

/// What a person should know of a certificate that is in use.
fn tell_of(certificate: &LocalCertificate, wanted: &[String]) {
    let names = certificate.names();
    if let Some(missing) = wanted.iter().find(|name| !names.contains(name)) {
        tracing::warn!(
            "the local certificate is not for “{missing}”; run `gatepost certificate renew`, and then `gatepost certificate trust`"
        );
    }
    if certificate.ends() < SystemTime::now() + YEAR {
        tracing::warn!(
            "the last of the local certificates ends within a year; run `gatepost certificate renew`, and then `gatepost certificate trust`"
        );
    }
}

fn stamps(own: &OwnCertificate) -> Stamps {
    let stamp = |file: &Path| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    [stamp(&own.file), stamp(&own.key)]
}

fn read_own(own: &OwnCertificate) -> Result<Arc<CertifiedKey>, CertificateError> {
    let bad = |file: &Path| {
        let file = file.to_owned();
        move |reason: String| CertificateError::Own { file, reason }
    };
    let read = |file: &Path| -> Result<Vec<u8>, CertificateError> {
        std::fs::read(file).map_err(|error: io::Error| bad(file)(error.to_string()))
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&own.file)?).collect();
    let chain = chain.map_err(|error| bad(&own.file)(error.to_string()))?;
    if chain.is_empty() {
        return Err(bad(&own.file)("no certificate in PEM form is in it".to_owned()));
    }
    let pem = zeroize::Zeroizing::new(read(&own.key)?);
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| bad(&own.key)(format!("no private key in PEM form is in it: {error}")))?;
    let certified = CertifiedKey::from_der(chain, key, &tls::crypto());
    certified.map(Arc::new).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            bad(&own.key)("it is the key of another certificate".to_owned())
        }
        error => bad(&own.file)(error.to_string()),
    })
}
