//! Connections to the provider's mail servers, signed on with an access token that is handed in.
//!
//! async-imap and lettre are not used here: both read ahead into buffers of their own, and what a
//! server sends behind its last sign-on reply must reach the mail client.

mod connect;
mod error;
mod hour;
mod imap;
mod reach;
mod smtp;
mod wire;

use std::sync::Arc;

use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;

pub use connect::set_socket_options;
pub use error::{Refusal, UpstreamError};
pub use hour::hour;
pub use imap::ImapSession;
pub use reach::{Reached, Stuck, reach, reach_port};
pub use smtp::{SmtpGreeted, SmtpSession};

use crate::config::Provider;
use crate::secret::AccessToken;

/// A connection to a provider: always TLS. On the heap: it goes through many hands, and in each future
/// that passes it on there would be a place of a kilobyte for it.
pub type Stream = Box<TlsStream<connect::Socket>>;

/// The servers of one provider.
pub struct Upstream {
    provider: Arc<Provider>,
    tls: Arc<ClientConfig>,
}

impl Upstream {
    /// Nothing is connected yet.
    pub fn new(provider: Arc<Provider>, tls: Arc<ClientConfig>) -> Self {
        Self { provider, tls }
    }

    /// Connects to the IMAP server and signs on as `name`.
    pub async fn imap(
        &self,
        name: &str,
        token: &AccessToken,
    ) -> Result<ImapSession, UpstreamError> {
        let host = &self.provider.imap;
        let stream = connect::connect_tls(host, &self.tls).await?;
        imap::sign_on(stream, host, name, token).await
    }

    /// Connects to the submission server and says hello as `client_name`, without signing on.
    pub async fn smtp(&self, client_name: &str) -> Result<SmtpGreeted, UpstreamError> {
        smtp::greet(&self.provider.smtp, &self.tls, client_name).await
    }
}
