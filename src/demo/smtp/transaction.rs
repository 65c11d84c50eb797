//! MAIL, RCPT, DATA and BDAT, and what becomes of the message.

use std::io;

use super::{
    Stage, Transaction,
    command::Path,
    session::{Next, Session},
};
use crate::demo::{
    clock,
    mailbox::{SEEN, SENT_MAIL},
    sync::lock,
    wire::Stream,
};

/// Gmail's for one message by SMTP.
const RECIPIENTS_LIMIT: usize = 100;

const TOO_LARGE: &str = "552-5.2.3 Your message exceeded Google's message size limits. For more\n\
    552-5.2.3 information, go to\n552 5.2.3  https://support.google.com/mail/?p=MaxSizeError";

impl<S: Stream> Session<'_, S> {
    pub(super) async fn mail(&mut self, path: Path) -> io::Result<Next> {
        if self.envelope.is_some() {
            return self.reply("503 5.5.1 Sender already specified.").await;
        }
        if !path.is_understood() {
            return self.reply("555 5.5.2 Syntax error.").await;
        }
        let limit = lock(&self.shared.settings).size_limit;
        if path.size().is_some_and(|size| size > limit) {
            return self.reply(TOO_LARGE).await;
        }
        if let Some(refusal) = self.shared.refusal(Stage::Mail) {
            return self.refuse(&refusal).await;
        }
        let user = self.user.as_ref().map(|(email, _)| email.clone()).unwrap_or_default();
        self.envelope = Some(Transaction {
            user,
            sender: path.address,
            parameters: path.parameters,
            recipients: Vec::new(),
            bytes: Vec::new(),
        });
        self.reply("250 2.1.0 OK").await
    }

    pub(super) async fn recipient(&mut self, path: Path) -> io::Result<Next> {
        let Some(envelope) = &self.envelope else {
            return self.reply("503 5.5.1 MAIL first.").await;
        };
        if !path.parameters.is_empty() {
            return self.reply("555 5.5.2 Syntax error.").await;
        }
        if envelope.recipients.len() >= RECIPIENTS_LIMIT {
            return self.reply("452 4.5.3 Your message has too many recipients.").await;
        }
        if let Some(refusal) = self.shared.refusal(Stage::Recipient) {
            return self.refuse(&refusal).await;
        }
        if let Some(envelope) = &mut self.envelope {
            envelope.recipients.push(path.address);
        }
        self.reply("250 2.1.5 OK").await
    }

    /// DATA: only a dot between two CRLFs ends it (RFC 5321 §4.1.1.4).
    pub(super) async fn data(&mut self) -> io::Result<Next> {
        let Some(mut envelope) = self.ready().await? else {
            return Ok(Next::Command);
        };
        if let Some(refusal) = self.shared.refusal(Stage::Data) {
            return self.refuse(&refusal).await;
        }
        self.reply("354  Go ahead").await?;
        let limit = lock(&self.shared.settings).size_limit;
        let mut received = 0usize;
        loop {
            // What has no CRLF is one line, however long.
            let line = match self.wire.line(limit).await {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(Next::Close),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.reply(TOO_LARGE).await?;
                    return Ok(Next::Close);
                }
                Err(error) => return Err(error),
            };
            if line == b"." {
                break;
            }
            let line = line.strip_prefix(b".").unwrap_or(&line);
            received = received.saturating_add(line.len() + 2);
            if received <= limit {
                envelope.bytes.extend_from_slice(line);
                envelope.bytes.extend_from_slice(b"\r\n");
            }
        }
        self.shared.records.line(self.number, format!("<{received} bytes>").as_bytes());
        if received > limit {
            return self.reply(TOO_LARGE).await;
        }
        self.take(envelope).await
    }

    /// BDAT (RFC 3030): chunks by count.
    pub(super) async fn chunk(&mut self, rest: &str) -> io::Result<Next> {
        let (count, last) = match rest.split_once(' ') {
            Some((count, last)) if last.eq_ignore_ascii_case("LAST") => (count, true),
            Some(_) => return self.reply("555 5.5.2 Syntax error.").await,
            None => (rest, false),
        };
        let limit = lock(&self.shared.settings).size_limit;
        let count = count.parse().ok().filter(|count: &usize| *count <= limit);
        let Some(count) = count else {
            // Its bytes are on the way already: there is no going on.
            self.reply(TOO_LARGE).await?;
            return Ok(Next::Close);
        };
        let bytes = self.wire.exactly(count).await?;
        self.shared.records.line(self.number, format!("<{count} bytes>").as_bytes());
        let Some(mut envelope) = self.ready().await? else {
            return Ok(Next::Command);
        };
        if envelope.bytes.len() + bytes.len() > limit {
            return self.reply(TOO_LARGE).await;
        }
        envelope.bytes.extend(bytes);
        if last {
            return self.take(envelope).await;
        }
        self.envelope = Some(envelope);
        self.reply("250 2.0.0 OK").await
    }

    /// The envelope, if there is all that a message needs; else the client is told.
    async fn ready(&mut self) -> io::Result<Option<Transaction>> {
        let reply = match self.envelope.take() {
            None => "503 5.5.1 MAIL first.",
            Some(envelope) if envelope.recipients.is_empty() => {
                self.envelope = Some(envelope);
                "503 5.5.1 RCPT first."
            }
            Some(envelope) => return Ok(Some(envelope)),
        };
        self.reply(reply).await?;
        Ok(None)
    }

    /// Delivers to whoever is here, and keeps a copy for the sender, as Gmail does.
    async fn take(&mut self, envelope: Transaction) -> io::Result<Next> {
        if let Some(refusal) = self.shared.refusal(Stage::Message) {
            return self.refuse(&refusal).await;
        }
        let mailboxes = &self.shared.mailboxes;
        let now = clock::now();
        mailboxes.append(&envelope.user, SENT_MAIL, &envelope.bytes, &[SEEN], now);
        mailboxes.deliver_to_all(&envelope.recipients, &envelope.bytes);
        self.shared.remember(envelope);
        self.reply(&format!("250 2.0.0 OK  {now}")).await
    }
}
