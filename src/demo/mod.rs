//! The stand-in for Google: an authorization server, an IMAP server and an SMTP server that answer
//! as Google's do, in this process and on the loopback interface only.
//!
//! It serves two masters: `gatepost demo`, which shows the proxy at work with no Google account,
//! and the tests of the proxy, which use it as the upstream and switch its faults on and off.
//!
//! It reproduces the bytes of Gmail that public transcripts show, with a protocol code of its own: it
//! shares no line with the proxy's, lest one mistake hide another. The secrets that it makes are
//! worth nothing outside it, so they are plain texts.
//!
//! What it is not: a mail server to keep mail in, since everything lies in memory; nor all of Gmail.
//! It advertises `COMPRESS=DEFLATE` and answers NO to it; labels can be read (`X-GM-LABELS`) but not
//! stored, each message is a conversation of its own (mail clients thread by References), Important
//! fills by COPY only, and a message marked `\Deleted` waits for EXPUNGE, as with Gmail's auto-expunge
//! switched off.

pub mod authorization;
pub mod certificates;
mod clock;
mod control;
pub mod faults;
pub mod imap;
mod listening;
pub mod mailbox;
mod random;
pub mod record;
mod samples;
mod sasl;
pub mod smtp;
mod story;
mod sync;
#[cfg(test)]
mod tests;
mod wire;

pub use story::{Broken, Person, Ports, Story, YOU};

use std::{io, net::SocketAddr, time::Duration};

use self::{
    authorization::{Authorization, AuthorizationOptions},
    certificates::Certificates,
    imap::Imap,
    mailbox::Mailboxes,
    smtp::{Security, Smtp},
};

/// What a stand-in starts with. A port of 0 is any free one.
#[derive(Debug, Clone)]
pub struct StandInOptions {
    /// Who has an account; the first consents when no `login_hint` says otherwise.
    pub users: Vec<String>,
    /// How long an access token lives, and with it an IMAP session.
    pub token_life: Duration,
    /// The authorization server's port.
    pub authorization_port: u16,
    /// The IMAP server's port, with implicit TLS.
    pub imap_port: u16,
    /// The SMTP server's port with implicit TLS.
    pub smtp_port: u16,
    /// The SMTP server's port with STARTTLS.
    pub submission_port: u16,
}

impl Default for StandInOptions {
    fn default() -> Self {
        let AuthorizationOptions { users, port, token_life } = AuthorizationOptions::default();
        Self {
            users,
            token_life,
            authorization_port: port,
            imap_port: 0,
            smtp_port: 0,
            submission_port: 0,
        }
    }
}

/// All of it, running. It stops when this and every handle taken from it are dropped.
#[derive(Clone)]
pub struct StandIn {
    authorization: Authorization,
    imap: Imap,
    smtp: Smtp,
    mailboxes: Mailboxes,
    certificates: Certificates,
}

impl StandIn {
    /// Starts the servers on 127.0.0.1. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If a port can't be bound, or there is no randomness.
    pub async fn start(options: StandInOptions) -> io::Result<Self> {
        let mailboxes = Mailboxes::default();
        for user in &options.users {
            mailboxes.add_user(user);
        }
        let certificates = Certificates::make()?;
        let authorization = Authorization::start(AuthorizationOptions {
            users: options.users,
            port: options.authorization_port,
            token_life: options.token_life,
        })
        .await?;
        let imap =
            Imap::start(options.imap_port, &certificates, authorization.clone(), mailboxes.clone())
                .await?;
        let smtp = Smtp::start(
            [(Security::Tls, options.smtp_port), (Security::StartTls, options.submission_port)],
            &certificates,
            authorization.clone(),
            mailboxes.clone(),
        )
        .await?;
        Ok(Self { authorization, imap, smtp, mailboxes, certificates })
    }

    /// One more user: mailboxes, and the right to consent.
    pub fn add_user(&self, email: &str) {
        self.mailboxes.add_user(email);
        self.authorization.allow_user(email);
    }

    /// The section of a configuration for which this is Google; `ca_file` holds
    /// [`ca_pem`](Self::ca_pem).
    pub fn provider_section(&self, ca_file: &str) -> String {
        let urls = self.authorization.urls();
        format!(
            "[provider.gmail]\nimap = \"localhost:{}\"\nsmtp = \"localhost:{}\"\n\
             authorize_url = \"{}\"\ntoken_url = \"{}\"\nrevoke_url = \"{}\"\nuserinfo_url = \"{}\"\n\
             ca_file = \"{ca_file}\"\n",
            self.imap_address().port(),
            self.smtp_address().port(),
            urls.authorize_url,
            urls.token_url,
            urls.revoke_url,
            urls.userinfo_url,
        )
    }

    /// The authorization server.
    pub fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// The IMAP server.
    pub fn imap(&self) -> &Imap {
        &self.imap
    }

    /// The SMTP server.
    pub fn smtp(&self) -> &Smtp {
        &self.smtp
    }

    /// The mail that both servers know of.
    pub fn mailboxes(&self) -> &Mailboxes {
        &self.mailboxes
    }

    /// The certificate to trust (PEM). The servers' own is good for `localhost`, `127.0.0.1`,
    /// `::1`, `imap.gmail.com` and `smtp.gmail.com`.
    pub fn ca_pem(&self) -> &str {
        self.certificates.ca_pem()
    }

    /// Where IMAP is, with implicit TLS.
    pub fn imap_address(&self) -> SocketAddr {
        self.imap.address()
    }

    /// Where SMTP is, with implicit TLS.
    pub fn smtp_address(&self) -> SocketAddr {
        self.smtp.address()
    }

    /// Where SMTP is, with STARTTLS.
    pub fn submission_address(&self) -> SocketAddr {
        self.smtp.starttls_address()
    }

    /// Stops all servers; returns once their ports refuse connections.
    pub async fn stop(&self) {
        self.authorization.stop().await;
        self.imap.stop().await;
        self.smtp.stop().await;
    }

    /// Starts them all again on the same ports, with every grant and message as it was.
    ///
    /// # Errors
    /// If a port has been taken meanwhile.
    pub async fn restart(&self) -> io::Result<()> {
        self.authorization.restart().await?;
        self.imap.restart().await?;
        self.smtp.restart().await
    }
}
