//! What a reload replaces: the configuration, and what is made from it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{ClientFileError, Config, ConfigError, Home, OauthClient, Provider};
use crate::tls::{self, TlsError};
use crate::token::{AuthorizationServer, SetupError};
use crate::upstream::Upstream;

/// The configuration in use.
pub struct Settings {
    /// As resolved.
    pub config: Config,
    /// Its provider.
    pub provider: Arc<Provider>,
    /// The provider's mail servers.
    pub upstream: Arc<Upstream>,
    /// The provider's authorization server, once there is an OAuth client.
    pub server: Option<Arc<AuthorizationServer>>,
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The configuration file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP client.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The OAuth client's file.
    #[error("{}: {error}", path.display())]
    ClientFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: ClientFileError,
    },
    /// The OAuth client's file can't be read.
    #[error("{} can't be read ({error})", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Settings {
    /// Reads the configuration of `home`. `client` goes before the file that an earlier login
    /// kept, and that before the configuration.
    pub fn load(home: &Home, client: Option<OauthClient>) -> Result<Self, SettingsError> {
        let config = Config::of(home)?;
        let provider = Arc::new(config.provider.clone());
        let tls = tls::client_config(provider.ca_file.as_deref())?;
        let client = match client {
            Some(client) => Some(client),
            None => kept_client(home, &provider)?.or_else(|| provider.client.clone()),
        };
        let server = client
            .map(|client| AuthorizationServer::new(provider.clone(), &client, tls.clone()))
            .transpose()?;
        Ok(Self {
            upstream: Arc::new(Upstream::new(provider.clone(), tls)),
            server: server.map(Arc::new),
            config,
            provider,
        })
    }
}

fn kept_client(home: &Home, provider: &Provider) -> Result<Option<OauthClient>, SettingsError> {
    let path = home.client_file(&provider.name);
    match std::fs::read_to_string(&path) {
        Ok(text) => match OauthClient::from_json(&text) {
            Ok(client) => Ok(Some(client)),
            Err(error) => Err(SettingsError::ClientFile { path, error }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SettingsError::Unreadable { path, error }),
    }
}
