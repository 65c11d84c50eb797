//! Where mail programs look for whom they may trust, and how the local certificate's authority comes
//! there: into this person's own store, and no other person's.

#[cfg(all(unix, not(target_os = "macos")))]
#[path = "linux.rs"]
mod platform;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

use std::path::Path;

use super::local::LocalCertificate;

/// A store of trusted authorities.
pub struct TrustStore(platform::Store);

/// Why a store doesn't take an authority, or give one back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustError {
    /// What the system said.
    pub reason: String,
    /// One thing to do.
    pub remedy: String,
}

impl TrustStore {
    /// Those of this person and this machine that mail programs use.
    pub fn all() -> Vec<Self> {
        platform::stores().into_iter().map(Self).collect()
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// What the person will be asked when it is changed, if anything.
    pub fn question(&self) -> Option<&'static str> {
        self.0.question()
    }

    /// True if it has the certificate's authority.
    pub fn has(&self, certificate: &LocalCertificate) -> bool {
        self.0.has(certificate)
    }

    /// Puts it in, unless it is there already. It is looked for afterwards, whatever was said. `file` holds
    /// the authority's certificate (PEM).
    ///
    /// # Errors
    /// [`TrustError`]
    pub fn add(&self, certificate: &LocalCertificate, file: &Path) -> Result<(), TrustError> {
        if self.has(certificate) {
            return Ok(());
        }
        self.0.add(certificate, file)?;
        if self.has(certificate) {
            return Ok(());
        }
        Err(TrustError {
            reason: "it took the certificate, and does not have it".to_owned(),
            remedy: format!("Add {} to it by the system's own means.", file.display()),
        })
    }

    /// Takes it out, if it is there.
    ///
    /// # Errors
    /// [`TrustError`]
    pub fn remove(&self, certificate: &LocalCertificate) -> Result<(), TrustError> {
        if self.has(certificate) { self.0.remove(certificate) } else { Ok(()) }
    }
}
