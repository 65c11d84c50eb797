//! The list of trusted root authorities of the Windows user.

use std::io;
use std::path::Path;

use schannel::cert_context::CertContext;
use schannel::cert_store::{CertAdd, CertStore};

use super::TrustError;
use crate::certificate::local::LocalCertificate;

/// The list's name for programs.
const ROOT: &str = "Root";

pub(super) struct Store;

pub(super) fn stores() -> Vec<Store> {
    vec![Store]
}

impl Store {
    pub(super) fn name(&self) -> &str {
        "Windows' list of authorities for this user"
    }

    pub(super) fn question(&self) -> Option<&'static str> {
        Some("Windows asks whether to install the certificate: choose Yes.")
    }

    pub(super) fn has(&self, certificate: &LocalCertificate) -> bool {
        let has = |store: CertStore| {
            store.certs().any(|it| it.to_der() == certificate.authority().as_ref())
        };
        CertStore::open_current_user(ROOT).is_ok_and(has)
    }

    pub(super) fn add(&self, certificate: &LocalCertificate, _: &Path) -> Result<(), TrustError> {
        let add = || {
            let authority = CertContext::new(certificate.authority())?;
            CertStore::open_current_user(ROOT)?.add_cert(&authority, CertAdd::ReplaceExisting)
        };
        add().map(drop).map_err(|error: io::Error| refused(&error))
    }

    pub(super) fn remove(&self, certificate: &LocalCertificate) -> Result<(), TrustError> {
        let remove = || -> io::Result<()> {
            let store = CertStore::open_current_user(ROOT)?;
            let ours = store.certs().find(|it| it.to_der() == certificate.authority().as_ref());
            ours.map_or(Ok(()), CertContext::delete)
        };
        remove().map_err(|error| refused(&error))
    }
}

fn refused(error: &io::Error) -> TrustError {
    TrustError {
        reason: error.to_string(),
        remedy: "Run the command again in a window of your own desktop, and choose Yes when Windows asks.".to_owned(),
    }
}
