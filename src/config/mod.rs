//! `config.toml`: as a person typed it ([`raw`](self)), then as the program uses it; the providers'
//! presets; and where things lie on disk.

mod client;
mod home;
mod keys;
mod provider;
mod raw;
mod resolved;

pub use client::{ClientFileError, OauthClient};
pub use home::{Home, HomeError};
pub use provider::{Host, Provider, Security};
pub use raw::ConfigError;
pub use resolved::{Config, Endpoint, EndpointHost, Listen, Log, is_loopback};
