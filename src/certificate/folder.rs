//! The local certificate on disk.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::issue::issue;
use super::local::LocalCertificate;
use crate::private_file::{self, RightsError};

/// A key and eleven certificates have some ten thousand bytes.
const MAX_FILE: u64 = 256 * 1024;

/// The folder `certificates` of a home.
#[derive(Debug, Clone)]
pub struct CertificateFolder(PathBuf);

/// Why there is no usable local certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// This machine's: the file is no local certificate any more.
    #[error("{} is no certificate of Gatepost's ({reason})", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// This machine's: others can read the private key.
    #[error("the local certificate can't be trusted: {0}")]
    Rights(#[from] RightsError),
    /// The configuration's: one's own certificate can't be used.
    #[error("the certificate in {} can't be used ({reason})", file.display())]
    Own {
        /// The file that is to blame.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// This machine's: a certificate can't be made.
    #[error("no local certificate can be made ({0})")]
    NotMade(String),
    /// The system said no.
    #[error("{} can't be used ({source})", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CertificateError {
    /// One thing to do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Damaged { .. } => {
                "Run `gatepost certificate renew`, and then `gatepost certificate trust`.".to_owned()
            }
            Self::Rights(error) => error.remedy(),
            Self::Own { .. } => {
                "Mend `file` and `key` under [certificate] in the configuration: PEM files, the key without a password.".to_owned()
            }
            Self::NotMade(_) => "Set this machine's clock right, and try again.".to_owned(),
            Self::Io { source, .. } => private_file::remedy(source).to_owned(),
        }
    }
}

impl CertificateFolder {
    /// It need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The certificate, if there is one.
    pub fn load(&self) -> Result<Option<LocalCertificate>, CertificateError> {
        let file = self.file();
        let pem = match private_file::read_bounded(&file, MAX_FILE) {
            Ok(pem) => zeroize::Zeroizing::new(pem),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CertificateError::Io { file, source }),
        };
        private_file::check_owner_only(&file)?;
        let parsed = LocalCertificate::parse(&pem);
        parsed.map(Some).map_err(|reason| CertificateError::Damaged { file, reason })
    }

    /// The certificate; one is made if there is none.
    pub fn load_or_make(&self, names: &[String]) -> Result<LocalCertificate, CertificateError> {
        if let Some(certificate) = self.load()? {
            return Ok(certificate);
        }
        let (pem, certificate) = new(names)?;
        match self.write(&self.file(), pem.as_bytes(), private_file::create_atomically) {
            // Another process was faster.
            Err(CertificateError::Io { file, source })
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                self.load()?.ok_or(CertificateError::Io { file, source })
            }
            written => written.map(|()| certificate),
        }
    }

    /// Makes a certificate in the place of the one that is there. Nobody trusts it yet.
    pub fn make(&self, names: &[String]) -> Result<LocalCertificate, CertificateError> {
        let (pem, certificate) = new(names)?;
        self.write(&self.file(), pem.as_bytes(), private_file::write_atomically)?;
        Ok(certificate)
    }

    /// Writes the authority's certificate into a file, for the system's own commands; gives its path.
    pub fn authority_file(
        &self,
        certificate: &LocalCertificate,
    ) -> Result<PathBuf, CertificateError> {
        let file = self.0.join("authority.pem");
        let pem = certificate.authority_pem().as_bytes();
        self.write(&file, pem, private_file::write_atomically)?;
        Ok(file)
    }

    /// Keeps in mind that this certificate is trusted wherever this person's programs look.
    pub fn set_trusted(&self, certificate: &LocalCertificate) -> Result<(), CertificateError> {
        let mark = certificate.fingerprint();
        self.write(&self.mark(), mark.as_bytes(), private_file::write_atomically)
    }

    /// Whether it is.
    pub fn is_trusted(&self, certificate: &LocalCertificate) -> bool {
        let mark = std::fs::read_to_string(self.mark());
        mark.is_ok_and(|mark| mark == certificate.fingerprint())
    }

    fn write(
        &self,
        file: &Path,
        contents: &[u8],
        how: fn(&Path, &[u8]) -> io::Result<()>,
    ) -> Result<(), CertificateError> {
        let written = private_file::create_private_dir(&self.0).and_then(|()| how(file, contents));
        written.map_err(|source| CertificateError::Io { file: file.to_owned(), source })
    }

    /// The key, the certificates, the authority: see [`issue`].
    fn file(&self) -> PathBuf {
        self.0.join("local.pem")
    }

    /// The fingerprint of the authority that is trusted.
    fn mark(&self) -> PathBuf {
        self.0.join("trusted")
    }
}

fn new(
    names: &[String],
) -> Result<(zeroize::Zeroizing<String>, LocalCertificate), CertificateError> {
    let not_made = |error: &dyn std::fmt::Display| CertificateError::NotMade(error.to_string());
    let pem = issue(names, SystemTime::now()).map_err(|error| not_made(&error))?;
    let certificate = LocalCertificate::parse(pem.as_bytes()).map_err(|error| not_made(&error))?;
    Ok((pem, certificate))
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use x509_cert::Certificate;
    use x509_cert::der::Decode;

    use super::*;

    fn folder() -> (tempfile::TempDir, CertificateFolder) {
        let home = tempfile::tempdir().unwrap();
        let folder = CertificateFolder::new(home.path().join("certificates"));
        (home, folder)
    }

    #[test]
    fn it_is_made_once_and_trust_is_for_the_one_that_is_there() {
        let (_home, folder) = folder();
        assert!(folder.load().unwrap().is_none());
        let made = folder.load_or_make(&[]).unwrap();
        let again = folder.load_or_make(&["other.example".to_owned()]).unwrap();
        assert_eq!(made.fingerprint(), again.fingerprint());
        assert!(!folder.is_trusted(&made));
        folder.set_trusted(&made).unwrap();
        assert!(folder.is_trusted(&made));
        let renewed = folder.make(&["other.example".to_owned()]).unwrap();
        assert!(renewed.names().contains(&"other.example".to_owned()));
        assert!(!folder.is_trusted(&renewed));
    }

    /// With the authority's key somebody could sign for the names that it is bound to.
    #[test]
    fn the_only_key_in_it_is_the_certificates_own_and_not_the_authoritys() {
        let (_home, folder) = folder();
        folder.load_or_make(&[]).unwrap();
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
        let pem = std::fs::read_to_string(folder.file()).unwrap();
        let labels = pem.lines().filter_map(|line| line.strip_prefix("-----BEGIN "));
        let labels: Vec<_> = labels.map(|label| label.trim_end_matches('-')).collect();
        assert_eq!(labels[0], "PRIVATE KEY");
        assert_eq!(labels[1..], ["CERTIFICATE"; 11]);

        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        let key = KeyPair::try_from(&key).unwrap().public_key_raw().to_vec();
        let of = |certificate: CertificateDer<'_>| {
            let certificate = Certificate::from_der(&certificate).unwrap();
            let key = certificate.tbs_certificate().subject_public_key_info();
            key.subject_public_key.raw_bytes().to_vec()
        };
        let keys = CertificateDer::pem_slice_iter(pem.as_bytes());
        let mut keys: Vec<_> = keys.map(|certificate| of(certificate.unwrap())).collect();
        let authority = keys.pop().unwrap();
        assert!(keys.iter().all(|own| *own == key));
        assert_ne!(authority, key);
    }

    #[test]
    fn a_damaged_one_is_named_and_kept() {
        let (_home, folder) = folder();
        folder.make(&[]).unwrap();
        private_file::write_atomically(&folder.file(), b"nothing").unwrap();
        let error = folder.load_or_make(&[]).map(drop).unwrap_err();
        assert!(matches!(error, CertificateError::Damaged { .. }), "{error}");
        assert_eq!(std::fs::read(folder.file()).unwrap(), b"nothing");
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_its_owners_alone() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let (_home, folder) = folder();
        folder.make(&[]).unwrap();
        assert_eq!(std::fs::metadata(folder.file()).unwrap().mode() & 0o7777, 0o600);
        std::fs::set_permissions(folder.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(folder.load(), Err(CertificateError::Rights(_))));
    }
}
