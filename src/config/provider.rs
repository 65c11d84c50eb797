//! A mail provider: its servers, its authorization server, and what is true of it, as data.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::client::OauthClient;
use crate::protocol::smtp::BareNewlines;

/// A provider as the program uses it: the preset with the user's overrides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name in `[provider.NAME]`.
    pub name: String,
    /// The OAuth client in the configuration; a file kept by `login --client` goes before it.
    pub client: Option<OauthClient>,
    /// The IMAP server.
    pub imap: Host,
    /// The submission server.
    pub smtp: Host,
    /// RFC 6749 §3.1.
    pub authorize_url: Url,
    /// RFC 6749 §3.2.
    pub token_url: Url,
    /// RFC 7009.
    pub revoke_url: Url,
    /// OpenID Connect Core §5.3.
    pub userinfo_url: Url,
    /// What consent is asked for.
    pub scopes: Vec<String>,
    /// The scope without which no mail can be read or sent.
    pub mail_scope: String,
    /// How many IMAP connections one account may have; `None`: no limit.
    pub connections: Option<usize>,
    /// How long a mail client waits for one of them.
    pub connection_wait: Duration,
    /// How long an idle mail client is kept while the provider can't be reached.
    pub outage_hold: Duration,
    /// Root certificates for this provider's hosts, besides the platform's.
    pub ca_file: Option<PathBuf>,
    /// What is done with a bare CR or LF in a message.
    pub bare_newlines: BareNewlines,
    /// What it allows an account, where it says so.
    pub allowances: Option<Allowances>,
    /// Its IMAP capabilities before sign-on that hold after it as well.
    pub imap_capabilities: &'static str,
    /// Its SMTP extensions, told while the server itself can't be asked.
    pub smtp_extensions: &'static [&'static str],
}

/// What a provider allows an account a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowances {
    /// Bytes a day from it, by IMAP.
    pub imap_down: u64,
    /// Bytes a day to it, by IMAP.
    pub imap_up: u64,
    /// IMAP connections at a time, those of phones and other programs among them.
    pub connections: u32,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host {
    /// Its name; the certificate must be made out to it.
    pub name: String,
    /// Its TCP port.
    pub port: u16,
    /// How TLS begins.
    pub security: Security,
}

/// How TLS begins on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// With the first byte (RFC 8314).
    Tls,
    /// After the command STARTTLS (RFC 3207).
    StartTls,
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// What Gatepost knows of a provider before the user says anything.
pub(super) struct Preset {
    pub(super) name: &'static str,
    pub(super) imap: &'static str,
    pub(super) smtp: &'static str,
    pub(super) authorize_url: &'static str,
    pub(super) token_url: &'static str,
    pub(super) revoke_url: &'static str,
    pub(super) userinfo_url: &'static str,
    pub(super) scopes: &'static [&'static str],
    pub(super) mail_scope: &'static str,
    pub(super) connections: usize,
    pub(super) connection_wait: Duration,
    pub(super) outage_hold: Duration,
    pub(super) allowances: Option<Allowances>,
    pub(super) imap_capabilities: &'static str,
    pub(super) smtp_extensions: &'static [&'static str],
}

/// Gmail, personal and Workspace.
pub(super) const GMAIL: Preset = Preset {
    name: "gmail",
    imap: "imap.gmail.com:993",
    smtp: "smtp.gmail.com:465",
    authorize_url: "https://accounts.google.com/o/oauth2/v2/auth",
    token_url: "https://oauth2.googleapis.com/token",
    revoke_url: "https://oauth2.googleapis.com/revoke",
    userinfo_url: "https://openidconnect.googleapis.com/v1/userinfo",
    scopes: &["https://mail.google.com/", "openid", "email"],
    mail_scope: "https://mail.google.com/",
    // Gmail allows 15, and the person's phone needs some of them.
    connections: 12,
    connection_wait: Duration::from_secs(10),
    outage_hold: Duration::from_secs(300),
    // Google says so of Workspace: https://support.google.com/a/answer/1071518 (bandwidth) and
    // https://support.google.com/mail/answer/7126229 (connections).
    allowances: Some(Allowances {
        imap_down: 2_500_000_000,
        imap_up: 500_000_000,
        connections: 15,
    }),
    imap_capabilities: "IMAP4rev1 UNSELECT IDLE NAMESPACE ID CHILDREN",
    smtp_extensions: &[
        "SIZE 35882577",
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
        "PIPELINING",
        "SMTPUTF8",
    ],
};

/// Every preset.
pub(super) const PRESETS: [&Preset; 1] = [&GMAIL];
