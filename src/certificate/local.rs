//! A local certificate as it is used.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::tls;

/// Before a certificate serves, so that clocks that are slow see it as valid.
const SETTLE: Duration = Duration::from_secs(24 * 60 * 60);

/// A private key, certificates for it of which each follows the one before, and the authority that
/// signed them and has no key any more.
pub struct LocalCertificate {
    key: PrivateKeyDer<'static>,
    leaves: Vec<Leaf>,
    authority: CertificateDer<'static>,
    authority_pem: String,
}

struct Leaf {
    der: CertificateDer<'static>,
    from: SystemTime,
    until: SystemTime,
}

impl LocalCertificate {
    /// Reads what [`issue`](super::issue::issue) made; in error, what is wrong.
    pub(super) fn parse(pem: &[u8]) -> Result<Self, String> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| error.to_string())?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let mut certificates = certificates.map_err(|error| error.to_string())?;
        let authority = certificates.pop().ok_or("no certificate is in it")?;
        let leaves: Result<Vec<_>, _> = certificates.into_iter().map(Leaf::read).collect();
        let leaves = leaves?;
        if leaves.is_empty() {
            return Err("no certificate is in it".to_owned());
        }
        let text = std::str::from_utf8(pem).map_err(|error| error.to_string())?;
        let last = text.rfind("-----BEGIN CERTIFICATE-----").unwrap_or_default();
        Ok(Self { key, leaves, authority, authority_pem: text[last..].to_owned() })
    }

    /// The certificate to show at this time, and its key.
    pub(super) fn at(
        &self,
        now: SystemTime,
        crypto: &CryptoProvider,
    ) -> Result<Arc<CertifiedKey>, String> {
        let chain = vec![self.leaf(now).der.clone()];
        let certified = CertifiedKey::from_der(chain, self.key.clone_key(), crypto);
        certified.map(Arc::new).map_err(|error| error.to_string())
    }

    /// True if this machine's own verifier takes it, as it would in a mail program.
    pub fn is_accepted_here(&self) -> bool {
        tls::accepts(&self.leaf(SystemTime::now()).der, "localhost")
    }

    /// The latest whose time has come, a year before the one before it ends.
    fn leaf(&self, now: SystemTime) -> &Leaf {
        let begun = self.leaves.iter().rev().find(|leaf| leaf.from + SETTLE <= now);
        begun.unwrap_or(&self.leaves[0])
    }

    /// The names and addresses that it is for.
    pub fn names(&self) -> Vec<String> {
        names_of(&self.leaves[0].der).unwrap_or_default()
    }

    /// When the one that is shown now ends.
    pub fn until(&self, now: SystemTime) -> SystemTime {
        self.leaf(now).until
    }

    /// When the last of them ends.
    pub fn ends(&self) -> SystemTime {
        self.leaves.last().map_or(UNIX_EPOCH, |leaf| leaf.until)
    }

    /// The authority's certificate (DER): what a mail program is to trust.
    pub fn authority(&self) -> &CertificateDer<'static> {
        &self.authority
    }

    /// The same as PEM (RFC 7468).
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The authority's common name, by which a list of certificates shows it.
    pub fn authority_name(&self) -> String {
        let name = || {
            let certificate = Certificate::from_der(&self.authority).ok()?;
            let name = certificate.tbs_certificate().subject().common_name().ok()??;
            Some(name.value().into_owned())
        };
        name().unwrap_or_else(|| "Gatepost".to_owned())
    }

    /// SHA-256 of the authority's certificate in hexadecimal, as every certificate viewer shows it.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.authority);
        let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }
}

impl Leaf {
    fn read(der: CertificateDer<'static>) -> Result<Self, String> {
        let certificate = Certificate::from_der(&der).map_err(|error| error.to_string())?;
        let validity = certificate.tbs_certificate().validity();
        let [from, until] =
            [validity.not_before, validity.not_after].map(|at| UNIX_EPOCH + at.to_unix_duration());
        Ok(Self { der, from, until })
    }
}

/// When a certificate ends (RFC 5280 §4.1.2.5).
pub(super) fn end_of(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let until = certificate.tbs_certificate().validity().not_after;
    Some(UNIX_EPOCH + until.to_unix_duration())
}

/// The names in a certificate (RFC 5280 §4.2.1.6).
pub(super) fn names_of(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let (_, SubjectAltName(names)) =
        certificate.tbs_certificate().get_extension::<SubjectAltName>().ok()??;
    let name = |name: GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
            v4.or_else(|_| v6()).ok().map(|ip| ip.to_string())
        }
        _ => None,
    };
    Some(names.into_iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use x509_cert::der::asn1::{Ia5String, OctetString};
    use x509_cert::ext::pkix::NameConstraints;

    use super::*;
    use crate::certificate::issue::issue;

    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    fn made(names: &[&str]) -> (LocalCertificate, SystemTime) {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        (LocalCertificate::parse(issue(&names, now).unwrap().as_bytes()).unwrap(), now)
    }

    #[test]
    fn it_is_for_this_machine_and_what_was_asked_for() {
        let (certificate, _) = made(&["mail.home", "192.168.1.2", "localhost"]);
        assert_eq!(
            certificate.names(),
            ["localhost", "127.0.0.1", "::1", "mail.home", "192.168.1.2"]
        );
        assert!(certificate.authority_name().starts_with("Gatepost on this machine ("));
        assert_eq!(certificate.fingerprint().len(), 95);
        let pem = certificate.authority_pem();
        assert_eq!(
            &CertificateDer::from_pem_slice(pem.as_bytes()).unwrap(),
            certificate.authority()
        );
    }

    /// RFC 5280 §4.2.1.10: whatever verifies a certificate refuses all others, or the authority as a whole
    /// where it doesn't know how names are bound.
    #[test]
    fn its_authority_may_sign_for_its_names_alone() {
        let (certificate, _) = made(&["mail.home", "192.168.1.2", "fd00::1"]);
        let authority = Certificate::from_der(&certificate.authority).unwrap();
        let (critical, bound) =
            authority.tbs_certificate().get_extension::<NameConstraints>().unwrap().unwrap();
        assert!(critical);
        // An address has its mask behind it.
        let address = |octets: &[u8]| {
            let mask = vec![0xff_u8; octets.len()];
            GeneralName::IpAddress(OctetString::new([octets, &mask[..]].concat()).unwrap())
        };
        let name = |name: &str| match name.parse() {
            Ok(IpAddr::V4(ip)) => address(&ip.octets()),
            Ok(IpAddr::V6(ip)) => address(&ip.octets()),
            Err(_) => GeneralName::DnsName(Ia5String::new(name).unwrap()),
        };
        let names = ["localhost", "127.0.0.1", "::1", "mail.home", "192.168.1.2", "fd00::1"];
        let permitted = bound.permitted_subtrees.unwrap();
        let permitted: Vec<_> = permitted.into_iter().map(|subtree| subtree.base).collect();
        assert_eq!(permitted, names.map(name));
    }

    #[test]
    fn for_ten_years_one_is_shown_that_has_long_to_go() {
        let (certificate, now) = made(&[]);
        let mut shown = std::collections::BTreeSet::new();
        for day in 0..10 * 365 {
            let day = now + Duration::from_secs(24 * 60 * 60) * day;
            let leaf = certificate.leaf(day);
            assert!(leaf.from < day && leaf.until >= day + YEAR - 2 * SETTLE, "{day:?}");
            assert!(leaf.until.duration_since(leaf.from).unwrap().as_secs() <= 825 * 86_400);
            shown.insert(leaf.from);
        }
        assert_eq!(shown.len(), 10);
        assert!(certificate.ends() > now + 10 * YEAR);
    }

    /// NSS takes no two certificates of one authority with one serial number.
    #[test]
    fn no_two_have_the_same_serial_number() {
        let (certificate, _) = made(&[]);
        let serial = |der: &CertificateDer<'_>| {
            Certificate::from_der(der).unwrap().tbs_certificate().serial_number().to_string()
        };
        let mut serials: Vec<_> = certificate.leaves.iter().map(|leaf| serial(&leaf.der)).collect();
        serials.push(serial(&certificate.authority));
        serials.sort();
        serials.dedup();
        assert_eq!(serials.len(), 11);
    }

    #[test]
    fn half_a_file_is_refused() {
        let text = issue(&[], SystemTime::now()).unwrap();
        for length in [0, 100, 300, text.len() / 20] {
            assert!(LocalCertificate::parse(&text.as_bytes()[..length]).is_err(), "{length}");
        }
    }
}
