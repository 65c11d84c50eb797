//! The login keychain, with trust for TLS alone; to the names in the certificate it is bound besides.

use std::io::Write;
use std::path::Path;
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

    pub(super) fn add(&self, _: &LocalCertificate, file: &Path) -> Result<(), TrustError> {
        security(&["add-trusted-cert", "-r", "trustRoot", "-p", "ssl"], file)
    }

    pub(super) fn remove(&self, certificate: &LocalCertificate) -> Result<(), TrustError> {
        let written = || -> std::io::Result<tempfile::NamedTempFile> {
            let mut file = tempfile::Builder::new().suffix(".pem").tempfile()?;
            file.write_all(certificate.authority_pem().as_bytes())?;
            Ok(file)
        };
        let file = written().map_err(|error| refused(error.to_string()))?;
        security(&["remove-trusted-cert"], file.path())
    }
}

/// Without a keychain named, it is the login keychain.
fn security(arguments: &[&str], file: &Path) -> Result<(), TrustError> {
    let output = Command::new("/usr/bin/security").args(arguments).arg(file).output();
    let output = output.map_err(|error| refused(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(refused(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

fn refused(reason: String) -> TrustError {
    TrustError {
        reason,
        remedy: "Open what `gatepost certificate export` writes in Keychain Access, and set its trust for SSL to “Always Trust”.".to_owned(),
    }
}
