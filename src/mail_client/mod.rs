//! A mail client of Gatepost's own, made of async-imap and lettre: it comes to the local ports as
//! Outlook does, knows nothing but a password, and says what it saw. The demo and the self-check read
//! and send with it.

mod line;

use std::time::Duration;

use async_imap::error::Error as ImapError;
use async_imap::extensions::idle::{Handle, IdleResponse};
use async_imap::types::Fetch;
use futures_util::TryStreamExt;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, transport::smtp};

use crate::secret::LocalPassword;
use crate::sentence;
use line::{Heard, Line, Spoken};

/// Where a mail program connects, and as whom.
#[derive(Debug, Clone)]
pub struct Door {
    /// `localhost`, or an address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// TLS begins with the first byte. Where it doesn't, STARTTLS is used if the server offers it.
    pub implicit_tls: bool,
    /// The name that the certificate must be for, where it isn't `host`.
    pub tls_name: Option<String>,
    /// The user name: the account's address.
    pub user: String,
    /// The local password.
    pub password: LocalPassword,
}

/// What a mail program would show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Nobody takes the connection.
    #[error("nothing answers at {0} ({1})")]
    NoConnection(String, String),
    /// What answers is not Gatepost.
    #[error("what answers at {0} is not Gatepost")]
    OtherProgram(String),
    /// A mail program that trusts whom the system trusts would refuse the certificate.
    #[error("TLS can't begin at {0} ({1})")]
    NoTls(String, String),
    /// A tagged NO to the LOGIN, or SMTP's 535: a mail program would ask its person for a password.
    #[error("{0}")]
    WrongPassword(String),
    /// Whatever else the server said.
    #[error("{0}")]
    Words(String),
}

impl Door {
    /// Where it is, in the words of a person.
    pub fn place(&self) -> String {
        sentence::place(&self.host, self.port)
    }
}

/// A mail client that has signed on by IMAP.
pub struct MailClient {
    session: async_imap::Session<Line>,
    heard: Heard,
}

/// A mail client in IDLE.
pub struct Waiting {
    idle: Handle<Line>,
    heard: Heard,
}

impl MailClient {
    /// Connects and signs on with LOGIN.
    pub async fn sign_on(door: &Door) -> Result<Self, MailError> {
        let line = Line::open(door, Spoken::Imap).await?;
        let heard = line.heard();
        let mut client = async_imap::Client::new(line);
        let greeting = client.read_response().await;
        if greeting.is_err() || !heard.greeting_is_gatepost() {
            return Err(match heard.last_words() {
                // It is, and has no place for one more.
                Some(words) => MailError::Words(words),
                None => MailError::OtherProgram(door.place()),
            });
        }
        match client.login(&door.user, door.password.expose()).await {
            Ok(session) => Ok(Self { session, heard }),
            Err((ImapError::No(_), _)) => Err(MailError::WrongPassword(heard.refusal())),
            Err((error, _)) => Err(heard.told(error)),
        }
    }

    /// The names of the folders.
    pub async fn folders(&mut self) -> Result<Vec<String>, MailError> {
        let listed = async { self.session.list(Some(""), Some("*")).await?.try_collect().await };
        let names: Vec<_> = listed.await.map_err(|error| self.heard.told(error))?;
        Ok(names.iter().map(|name: &async_imap::types::Name| name.name().to_owned()).collect())
    }

    /// Opens a folder; how many messages are in it.
    pub async fn open(&mut self, folder: &str) -> Result<u32, MailError> {
        let opened = self.session.select(folder).await;
        Ok(opened.map_err(|error| self.heard.told(error))?.exists)
    }

    /// The newest message in the open folder with these words in its subject.
    pub async fn find(&mut self, subject: &str) -> Result<Option<u32>, MailError> {
        let found = self.session.search(format!("SUBJECT \"{subject}\"")).await;
        Ok(found.map_err(|error| self.heard.told(error))?.into_iter().max())
    }

    /// The subject of a message, by its number or `*`.
    pub async fn subject(&mut self, number: &str) -> Result<String, MailError> {
        let wanted = "BODY.PEEK[HEADER.FIELDS (SUBJECT)]";
        let fetched = async { self.session.fetch(number, wanted).await?.try_collect().await };
        let fetches: Vec<Fetch> = fetched.await.map_err(|error| self.heard.told(error))?;
        let header = fetches.first().and_then(Fetch::header);
        let header = header.ok_or_else(|| MailError::Words("the message has no header".into()))?;
        let line = String::from_utf8_lossy(header);
        Ok(line.trim().trim_start_matches("Subject:").trim().to_owned())
    }

    /// Begins to wait for mail (RFC 2177).
    pub async fn idle(self) -> Result<Waiting, MailError> {
        let Self { session, heard } = self;
        let mut idle = session.idle();
        idle.init().await.map_err(|error| heard.told(error))?;
        Ok(Waiting { idle, heard })
    }

    /// Signs off.
    pub async fn sign_off(mut self) -> Result<(), MailError> {
        self.session.logout().await.map_err(|error| self.heard.told(error))
    }
}

impl Waiting {
    /// Waits until the server tells something; false if it ended the wait without.
    pub async fn news(&mut self, patience: Duration) -> Result<bool, MailError> {
        let (news, _stop) = self.idle.wait_with_timeout(patience);
        let news = news.await.map_err(|error| self.heard.told(error))?;
        Ok(matches!(news, IdleResponse::NewData(_)))
    }

    /// Ends the wait.
    pub async fn done(self) -> Result<MailClient, MailError> {
        let Self { idle, heard } = self;
        let session = idle.done().await.map_err(|error| heard.told(error))?;
        Ok(MailClient { session, heard })
    }
}

/// Signs on for sending, and leaves.
pub async fn try_sending(door: &Door) -> Result<(), MailError> {
    let mut client = signed_on(door).await?;
    if !client.test_connected().await {
        return Err(MailError::Words("the server does not answer to NOOP".into()));
    }
    // What it says to that changes nothing.
    let _ = client.quit().await;
    Ok(())
}

/// Sends a mail from the door's account to itself.
pub async fn send_to_oneself(door: &Door, subject: &str, text: &str) -> Result<(), MailError> {
    let words = |error: &dyn std::fmt::Display| MailError::Words(error.to_string());
    let address: lettre::message::Mailbox = door.user.parse().map_err(|error| words(&error))?;
    let message = Message::builder()
        .from(address.clone())
        .to(address)
        .subject(subject)
        .header(ContentType::TEXT_PLAIN)
        .body(text.to_owned())
        .map_err(|error| words(&error))?;
    let mut client = signed_on(door).await?;
    let sent = client.send(message.envelope(), &message.formatted()).await;
    sent.map_err(|error| smtp_error(&error))?;
    // It is taken.
    let _ = client.quit().await;
    Ok(())
}

async fn signed_on(door: &Door) -> Result<AsyncSmtpConnection, MailError> {
    let line = Box::new(Line::open(door, Spoken::Smtp).await?);
    let connected = AsyncSmtpConnection::connect_with_transport(line, &ClientId::default()).await;
    let mut client = connected.map_err(|error| smtp_error(&error))?;
    let credentials = Credentials::new(door.user.clone(), door.password.expose().to_owned());
    let admitted = client.auth(&[Mechanism::Plain], &credentials).await;
    admitted.map_err(|error| smtp_error(&error))?;
    Ok(client)
}

fn smtp_error(error: &smtp::Error) -> MailError {
    let why =
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    match error.status().map(|code| code.to_string()) {
        Some(code) if code == "535" => MailError::WrongPassword(format!("{code} {why}")),
        Some(code) => MailError::Words(format!("{code} {why}")),
        None => MailError::Words(why),
    }
}

impl Heard {
    fn greeting_is_gatepost(&self) -> bool {
        self.lines().first().is_some_and(|line| line.ends_with("Gatepost ready"))
    }

    /// What it said when it closed.
    fn last_words(&self) -> Option<String> {
        let bye = |line: &String| line.strip_prefix("* BYE ").map(str::to_owned);
        self.lines().iter().rev().find_map(bye)
    }

    /// A NO or BAD as the server worded it, without its tag; async-imap takes it apart.
    fn refusal(&self) -> String {
        let lines = self.lines();
        let last = lines.last().map(String::as_str).unwrap_or_default();
        last.split_once(' ').map_or(last, |(_tag, words)| words).to_owned()
    }

    fn told(&self, error: ImapError) -> MailError {
        MailError::Words(self.last_words().unwrap_or_else(|| match error {
            ImapError::No(_) | ImapError::Bad(_) => self.refusal(),
            error => error.to_string(),
        }))
    }
}
