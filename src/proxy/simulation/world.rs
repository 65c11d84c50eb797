//! What one run of the proxy needs: a home on disk, accounts signed in, settings, certificates.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

use super::google::Google;
use crate::accounts::{Address, Grant, GrantFacts, NewPassword, Record, Store, StoreError};
use crate::config::{Config, Home};
use crate::secret::RefreshToken;
use crate::settings::Settings;
use crate::tls;
use crate::token::AuthorizationServer;
use crate::upstream::Upstream;

/// The names of the true servers.
pub(super) const NAMES: [&str; 3] =
    [super::network::IMAP_HOST, super::network::SMTP_HOST, super::network::TOKEN_HOST];
/// Accounts of a schedule, at most.
pub(super) const ACCOUNTS: usize = 3;

/// Made once for all schedules. The certificates are good for two thousand years, whatever the clock;
/// their signatures have one length (Ed25519), so that a seed breaks a connection at the same byte.
pub(super) struct Once {
    client: Arc<ClientConfig>,
    pub(super) truth: TlsAcceptor,
    /// Of another authority; and of the right one, for other names.
    pub(super) impostors: [TlsAcceptor; 2],
    pub(super) passwords: Vec<NewPassword>,
    _folder: tempfile::TempDir,
}

pub(super) fn once() -> &'static Once {
    static ONCE: OnceLock<Once> = OnceLock::new();
    ONCE.get_or_init(|| {
        let folder = in_memory();
        let (trusted, root) = authority("Simulated Root");
        let (other, _) = authority("Another Root");
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, root).unwrap();
        Once {
            client: tls::client_config(Some(&ca_file)).unwrap(),
            truth: acceptor(&trusted, &NAMES),
            impostors: [acceptor(&other, &NAMES), acceptor(&trusted, &["mail.example"])],
            passwords: (0..ACCOUNTS).map(|_| NewPassword::generate().unwrap()).collect(),
            _folder: folder,
        }
    })
}

/// A folder that costs no disk, where the system has such a place: each write is flushed.
fn in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap()
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(rcgen::DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&key).unwrap().pem();
    (Issuer::new(authority, key), root)
}

fn acceptor(authority: &Issuer<'static, KeyPair>, names: &[&str]) -> TlsAcceptor {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, authority).unwrap();
    let config = ServerConfig::builder_with_provider(tls::crypto())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    Arc::new(config).into()
}

/// A home on disk.
pub(super) struct World {
    folder: tempfile::TempDir,
    pub(super) home: Home,
    smtp_port: u16,
    tls: Arc<ClientConfig>,
}

impl World {
    pub(super) fn new(smtp_port: u16) -> Self {
        let folder = in_memory();
        let home = Home::locate(Some(folder.path()), None).unwrap();
        // The sessions that TLS resumes are a schedule's own.
        let mut tls = ClientConfig::clone(&once().client);
        tls.resumption = Resumption::in_memory_sessions(64);
        Self { folder, home, smtp_port, tls: Arc::new(tls) }
    }

    /// Settings as `Settings::load` makes them, but for the roots that are trusted: to read the
    /// platform's takes longer than a schedule.
    pub(super) fn settings(&self, connections: usize, normalize: bool) -> Settings {
        let newlines = if normalize { "normalize" } else { "refuse" };
        let text = format!(
            "[listen]\nimap = \"\"\nsmtp = \"\"\nstatus = \"\"\n[secrets]\nkeychain = \"off\"\n\
             [provider.gmail]\nclient_id = \"simulated\"\nsmtp = \"{}{}:{}\"\n\
             connections = {connections}\nbare_newlines = \"{newlines}\"\n",
            if self.smtp_port == super::network::STARTTLS_PORT { "starttls://" } else { "" },
            super::network::SMTP_HOST,
            self.smtp_port,
        );
        let file: PathBuf = self.folder.path().join("config.toml");
        let config = Config::parse(&file, &text).unwrap();
        let provider = Arc::new(config.provider.clone());
        let client = provider.client.clone().unwrap();
        let server = AuthorizationServer::new(provider.clone(), &client, self.tls.clone()).unwrap();
        Settings {
            upstream: Arc::new(Upstream::new(provider.clone(), self.tls.clone())),
            server: Some(Arc::new(server)),
            config,
            provider,
        }
    }

    /// A person signs in: what `sign_in` writes once it has the grant.
    pub(super) fn sign_in(&self, google: &Google, account: usize) {
        let address = google.state().accounts[account].address.clone();
        let refresh_token = RefreshToken::new(google.consent(account));
        let address = Address::parse(&address).unwrap();
        let facts = GrantFacts {
            sign_in_name: address.to_string(),
            granted: 1_800_000_000,
            grant_expires: None,
        };
        let grant = Grant { refresh_token };
        let written = Store::new(self.home.accounts()).update(&address, |record| {
            let password = &once().passwords[account];
            let record = match record {
                Some(mut record) => record.renew("gmail", facts, &grant).map(|()| record),
                None => Record::create(&address, "gmail", facts, &grant, password, None),
            };
            Ok::<_, StoreError>(Some(record.unwrap()))
        });
        written.unwrap();
        let mut state = google.state();
        state.accounts[account].is_here = true;
        state.accounts[account].changes += 1;
    }
}
