//! The login keychain, with trust for TLS alone; to the names in the certificate it is bound besides.

use std::io::Write;
use std::process::Command;

use super::TrustError;
use crate::certificate::local::LocalCertificate;

pub(super) struct Store;

pub(super) fn stores() -> Vec<Store> {
    vec![Store]
}

impl Store {
    pub(super) fn name(&self) -> &str {
        "the login keychain"
    }

    pub(super) fn question(&self) -> Option<&'static str> {
        Some("macOS asks for your password, to change what you trust.")
    }

    pub(super) fn has(&self, certificate: &LocalCertificate) -> bool {
        certificate.is_accepted_here()
    }

    pub(super) fn add(&self, certificate: &LocalCertificate) -> Result<(), TrustError> {
        security(&["add-trusted-cert", "-r", "trustRoot", "-p", "ssl"], certificate)
    }

    pub(super) fn remove(&self, certificate: &LocalCertificate) -> Result<(), TrustError> {
        security(&["remove-trusted-cert"], certificate)
    }
}

/// Without a keychain named, it is the login keychain.
fn security(arguments: &[&str], certificate: &LocalCertificate) -> Result<(), TrustError> {
    let run = || -> std::io::Result<Result<(), String>> {
        let mut file = tempfile::Builder::new().suffix(".pem").tempfile()?;
        file.write_all(certificate.authority_pem().as_bytes())?;
        let output = Command::new("/usr/bin/security").args(arguments).arg(file.path()).output()?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(if output.status.success() { Ok(()) } else { Err(said) })
    };
    let outcome = run().unwrap_or_else(|error| Err(error.to_string()));
    outcome.map_err(|reason| TrustError {
        reason,
        remedy: "Open what `gatepost certificate export` writes in Keychain Access, and set its trust for SSL to “Always Trust”.".to_owned(),
    })
}
