//! `config.toml`: as a person typed it ([`raw`](self)), then as the program uses it; the providers'
//! presets; and where things lie on disk.

mod client;
mod home;
mod keys;
mod listen;
mod provider;
mod raw;
mod resolved;

pub use client::{ClientFileError, OauthClient};
pub use home::{Home, HomeError};
pub use listen::{CertificateConfig, Endpoint, EndpointHost, Listen, OwnCertificate};
pub use provider::{Allowances, Host, Provider, Security};
pub use raw::ConfigError;
pub use resolved::{Config, Log, Monitoring, Upkeep, is_loopback};
