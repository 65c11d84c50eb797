//! Makes a local certificate.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P256_SHA256, SerialNumber, date_time_ymd,
};
use zeroize::Zeroizing;

/// What this machine calls itself.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(super) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Certificates are signed for this many years, each beginning a year after the one before it.
const YEARS: u32 = 10;
/// How long each is valid: Apple's systems take no more than 825 days
/// (<https://support.apple.com/en-us/103769>).
const LIFE: Duration = Duration::from_secs(2 * 365 * 24 * 60 * 60);

/// Makes an authority, has it sign certificates of one key for the years to come, and throws its key
/// away. Nobody can sign anything in its name any more, so whoever trusts it trusts these names alone,
/// which it is bound to besides (RFC 5280 §4.2.1.10).
///
/// Gives a PEM text: the private key, the certificates from the earliest to the latest, the authority's.
pub(super) fn issue(
    names: &[String],
    now: SystemTime,
) -> Result<Zeroizing<String>, Box<dyn std::error::Error + Send + Sync>> {
    let mut names: Vec<String> =
        THIS_MACHINE.map(str::to_owned).into_iter().chain(names.iter().cloned()).collect();
    let mut known = std::collections::BTreeSet::new();
    names.retain(|name| known.insert(name.clone()));
    let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let begin = now.duration_since(UNIX_EPOCH)?.saturating_sub(DAY);
    let end = begin + LIFE + YEAR * (YEARS - 1);
    // Two of one person's are told apart by it, and so is one that was made anew.
    let mark: String = random::<4>()?.iter().map(|byte| format!("{byte:02x}")).collect();

    let mut authority = parameters(&[], &format!("Gatepost on this machine ({mark})"), begin, end)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.name_constraints = Some(NameConstraints {
        permitted_subtrees: names.iter().map(|name| subtree(name)).collect(),
        excluded_subtrees: Vec::new(),
    });
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);

    let mut text = Zeroizing::new(String::new());
    text.push_str(&Zeroizing::new(key.serialize_pem()));
    for year in 0..YEARS {
        let from = begin + YEAR * year;
        let mut leaf = parameters(&names, &format!("Gatepost ({mark})"), from, from + LIFE)?;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        text.push_str(&leaf.signed_by(&key, &issuer)?.pem());
    }
    text.push_str(&authority_certificate.pem());
    Ok(text)
}

/// Times are counted from 1970.
fn parameters(
    names: &[String],
    common_name: &str,
    from: Duration,
    until: Duration,
) -> Result<CertificateParams, Box<dyn std::error::Error + Send + Sync>> {
    let mut parameters = CertificateParams::new(names)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    parameters.distinguished_name = name;
    // The library would make it of the key, which is the same for all.
    parameters.serial_number = Some(SerialNumber::from_slice(&positive(random::<16>()?)));
    let seconds = |at: Duration| date_time_ymd(1970, 1, 1) + Duration::from_secs(at.as_secs());
    parameters.not_before = seconds(from);
    parameters.not_after = seconds(until);
    Ok(parameters)
}

/// RFC 5280 §4.1.2.2: a serial number is above zero, and in its shortest form.
fn positive(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[0] = bytes[0] & 0x7f | 0x40;
    bytes
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn subtree(name: &str) -> GeneralSubtree {
    match name.parse() {
        Ok(IpAddr::V4(ip)) => {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(ip.into(), 32))
        }
        Ok(IpAddr::V6(ip)) => {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(ip.into(), 128))
        }
        Err(_) => GeneralSubtree::DnsName(name.to_owned()),
    }
}
