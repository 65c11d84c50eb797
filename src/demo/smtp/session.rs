//! One connection: reads commands, answers them, and ends in good order.

use std::io;

use super::{Shared, Transaction, command::Path};
use crate::demo::{
    control::{Counted, Ear},
    random,
    sync::lock,
    wire::{Stream, Wire},
};

/// RFC 4954 §4: a line of SASL may have 12288 octets. Other lines need no other limit here.
pub(super) const LINE_LIMIT: usize = 12_288;

/// How a session ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Close,
    /// The stream goes on with TLS.
    StartTls,
}

/// What comes after a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Command,
    Close,
    StartTls,
}

pub(super) struct Session<'a, S> {
    pub(super) wire: &'a mut Wire<S>,
    pub(super) shared: &'a Shared,
    /// The number of the session in the records.
    pub(super) number: usize,
    pub(super) is_tls: bool,
    /// What Gmail puts behind many a reply, for its own logs.
    pub(super) id: String,
    pub(super) greeted: bool,
    pub(super) user: Option<(String, Counted<'a>)>,
    pub(super) envelope: Option<Transaction>,
    ear: Ear,
}

impl<'a, S: Stream> Session<'a, S> {
    pub(super) fn new(
        wire: &'a mut Wire<S>,
        shared: &'a Shared,
        number: usize,
        is_tls: bool,
    ) -> Self {
        Self {
            wire,
            shared,
            number,
            is_tls,
            id: random::hex(8).unwrap_or_default(),
            greeted: false,
            user: None,
            envelope: None,
            ear: shared.orders.hear(),
        }
    }

    /// Serves the connection until it ends or TLS begins; after STARTTLS there is no greeting.
    pub(super) async fn run(&mut self, greet: bool) -> io::Result<End> {
        if greet {
            let scripted = lock(&self.shared.settings).greeting.clone();
            let greeting =
                scripted.unwrap_or_else(|| format!("220 smtp.gmail.com ESMTP {} - gsmtp", self.id));
            self.send(&greeting).await?;
            if !greeting.starts_with("220") {
                return Ok(End::Close);
            }
        }
        loop {
            let Some(line) = self.line().await? else {
                return Ok(End::Close);
            };
            self.record(&line);
            let next = match str::from_utf8(&line) {
                Ok(line) => self.answer(line).await?,
                Err(_) => self.reply("555 5.5.2 Syntax error.").await?,
            };
            match next {
                Next::Command => {}
                Next::Close => return Ok(End::Close),
                Next::StartTls => return Ok(End::StartTls),
            }
        }
    }

    async fn answer(&mut self, line: &str) -> io::Result<Next> {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match name.to_ascii_uppercase().as_str() {
            "EHLO" => self.ehlo().await,
            "HELO" => {
                self.start_over();
                self.send("250 smtp.gmail.com at your service").await?;
                Ok(Next::Command)
            }
            "NOOP" => self.reply("250 2.0.0 OK").await,
            "RSET" => {
                self.envelope = None;
                self.reply("250 2.1.5 Flushed").await
            }
            "HELP" => {
                self.reply("214 2.0.0  https://www.google.com/search?btnI&q=RFC+5321")
                    .await
            }
            "VRFY" => {
                self.reply("252 2.1.5 Send some mail, I'll try my best")
                    .await
            }
            "QUIT" => {
                self.reply("221 2.0.0 closing connection").await?;
                Ok(Next::Close)
            }
            "STARTTLS" => self.starttls().await,
            "AUTH" | "MAIL" | "RCPT" | "DATA" | "BDAT" if !self.greeted => {
                self.reply("503 5.5.1 EHLO/HELO first.").await
            }
            "AUTH" | "MAIL" | "RCPT" | "DATA" | "BDAT" if !self.is_tls => {
                self.reply("530 5.7.0 Must issue a STARTTLS command first.")
                    .await
            }
            "AUTH" => self.auth(rest).await,
            "MAIL" | "RCPT" | "DATA" | "BDAT" if self.user.is_none() => {
                let reply = "530-5.5.1 Authentication Required. For more information, go to\n\
                    530 5.5.1  https://support.google.com/mail/?p=WantAuthError";
                self.reply(reply).await
            }
            "MAIL" => match Path::parse(rest, "FROM:") {
                Some(path) => self.mail(path).await,
                None => self.reply("555 5.5.2 Syntax error.").await,
            },
            "RCPT" => match Path::parse(rest, "TO:") {
                Some(path) if !path.address.is_empty() => self.recipient(path).await,
                _ => self.reply("555 5.5.2 Syntax error.").await,
            },
            "DATA" => self.data().await,
            "BDAT" => self.chunk(rest).await,
            _ => self.reply("502 5.5.1 Unrecognized command.").await,
        }
    }

    /// A reply with Gmail's tail behind its last line.
    pub(super) async fn reply(&mut self, text: &str) -> io::Result<Next> {
        let text = format!("{text} {} - gsmtp", self.id);
        self.send(&text).await?;
        Ok(Next::Command)
    }

    /// A refusal that a test has ordered, word for word.
    pub(super) async fn refuse(&mut self, text: &str) -> io::Result<Next> {
        self.send(text).await?;
        Ok(if text.starts_with("421") {
            Next::Close
        } else {
            Next::Command
        })
    }

    /// Lines as they are, parted by `\n`.
    pub(super) async fn send(&mut self, text: &str) -> io::Result<()> {
        let text = format!("{}\r\n", text.replace('\n', "\r\n"));
        self.wire.send(text.as_bytes()).await
    }

    /// The next line; `None` at the end of the session, of which the client has been told.
    pub(super) async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = tokio::select! {
            biased;
            () = self.ear.expired(None) => {
                self.reply("451 4.4.2 Timeout - closing connection.").await?;
                return Ok(None);
            }
            line = self.wire.line(LINE_LIMIT) => line,
        };
        match line {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.reply("500 5.5.6 Line too long.").await?;
                Ok(None)
            }
            line => line,
        }
    }

    async fn ehlo(&mut self) -> io::Result<Next> {
        self.start_over();
        let security = if self.is_tls {
            "AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH"
        } else {
            "STARTTLS"
        };
        let mut lines = vec!["smtp.gmail.com at your service, [127.0.0.1]".to_owned()];
        {
            let settings = lock(&self.shared.settings);
            let size = format!("SIZE {}", settings.size_limit);
            let all = [
                &size,
                "8BITMIME",
                security,
                "ENHANCEDSTATUSCODES",
                "PIPELINING",
                "CHUNKING",
                "SMTPUTF8",
            ];
            let is_shown = |line: &&str| {
                !settings
                    .hidden
                    .contains(line.split(' ').next().unwrap_or_default())
            };
            lines.extend(all.into_iter().filter(is_shown).map(str::to_owned));
        }
        let last = lines.len() - 1;
        let number = |(at, line): (usize, &String)| {
            format!("250{}{line}", if at == last { ' ' } else { '-' })
        };
        let text: Vec<_> = lines.iter().enumerate().map(number).collect();
        self.send(&text.join("\n")).await?;
        Ok(Next::Command)
    }

    async fn starttls(&mut self) -> io::Result<Next> {
        if self.is_tls {
            return self.reply("502 5.5.1 Unrecognized command.").await;
        }
        if self.wire.has_more() {
            // Commands that would have come in the clear (CVE-2011-0411 and its kin).
            let words = "454 4.5.0 SMTP protocol violation, no commands allowed to pipeline after \
                STARTTLS";
            self.reply(words).await?;
            return Ok(Next::Close);
        }
        self.reply("220 2.0.0 Ready to start TLS").await?;
        Ok(Next::StartTls)
    }

    fn start_over(&mut self) {
        self.greeted = true;
        self.envelope = None;
    }

    /// The line as the records show it: without what signs on.
    fn record(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let mut words = text.split_ascii_whitespace();
        let shown = match (words.next(), words.next(), words.next()) {
            (Some(name), Some(mechanism), Some(response)) if name.eq_ignore_ascii_case("AUTH") => {
                let response = crate::demo::sasl::shown(mechanism, response.as_bytes());
                format!("{name} {mechanism} {response}").into_bytes()
            }
            _ => line.to_vec(),
        };
        self.shared.records.line(self.number, &shown);
    }
}
