//! One connection: reads commands, answers them, and ends in good order.

use std::io;

use tokio::time::Instant;

use super::{
    Refusal, Shared,
    parse::{Cursor, Literal},
    selected::Selected,
};
use crate::demo::{
    control::{Counted, Ear},
    random,
    sync::lock,
    wire::{Stream, Wire},
};

/// Gmail's is not known; RFC 7162 §4 recommends at least 8192 bytes, long UID sets need more.
const LINE_LIMIT: usize = 64 * 1024;

/// What APPENDLIMIT promises, for a message.
pub(super) const APPEND_LIMIT: usize = 35_651_584;

/// For every other literal: names, passwords, words to search for.
const LITERAL_LIMIT: usize = 64 * 1024;

/// LITERAL- (RFC 7888 §5): more than this must be asked for.
const NON_SYNCHRONIZING_LIMIT: usize = 4096;

/// How many literals one command may have; bounds what it may take up.
const LITERALS: usize = 64;

/// What a session is between two commands.
pub(super) struct Session<'a, S> {
    pub(super) wire: &'a mut Wire<S>,
    pub(super) shared: &'a Shared,
    /// The number of the session in the records.
    pub(super) number: usize,
    /// What Gmail puts behind many an answer, for its own logs.
    pub(super) id: String,
    /// The tag of the command under way.
    pub(super) tag: String,
    pub(super) user: Option<User<'a>>,
    pub(super) selected: Option<Selected>,
    /// The client has shown that it knows MODSEQ (RFC 7162 §3.1).
    pub(super) condstore: bool,
    pub(super) leaving: bool,
    ear: Ear,
}

/// Who has signed on.
pub(super) struct User<'a> {
    pub(super) email: String,
    pub(super) ends: Option<Instant>,
    pub(super) _live: Counted<'a>,
}

/// What came from the client.
enum Input {
    Command(Vec<u8>),
    /// A command that was answered while it was read.
    Refused,
    Ended,
}

impl<'a, S: Stream> Session<'a, S> {
    pub(super) fn new(wire: &'a mut Wire<S>, shared: &'a Shared) -> Self {
        Self {
            wire,
            shared,
            number: shared.records.open(),
            id: random::hex(8).unwrap_or_default(),
            tag: String::new(),
            user: None,
            selected: None,
            condstore: false,
            leaving: false,
            ear: shared.orders.hear(),
        }
    }

    /// Serves the connection until it ends.
    pub(super) async fn run(&mut self) -> io::Result<()> {
        let scripted = lock(&self.shared.settings).greeting.clone();
        let greeting = scripted
            .unwrap_or_else(|| format!("* OK Gimap ready for requests from 127.0.0.1 {}", self.id));
        self.send(&greeting).await?;
        if greeting.starts_with("* BYE") {
            return Ok(());
        }
        while !self.leaving {
            let ends = self.user.as_ref().and_then(|user| user.ends);
            let input = tokio::select! {
                biased;
                () = self.ear.expired(ends) => return self.expire().await,
                input = read(self.wire, self.shared, self.number) => input?,
            };
            match input {
                Input::Command(command) => self.answer(&command).await?,
                Input::Refused => {}
                Input::Ended => return Ok(()),
            }
        }
        Ok(())
    }

    pub(super) async fn send(&mut self, line: &str) -> io::Result<()> {
        self.wire.send(format!("{line}\r\n").as_bytes()).await
    }

    /// A line that belongs to the command under way: a SASL response, DONE. `None` if the session
    /// has ended meanwhile.
    pub(super) async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let ends = self.user.as_ref().and_then(|user| user.ends);
        tokio::select! {
            biased;
            () = self.ear.expired(ends) => {
                self.expire().await?;
                Ok(None)
            }
            line = self.wire.line(LINE_LIMIT) => {
                let line = line?;
                self.leaving |= line.is_none();
                Ok(line)
            }
        }
    }

    /// IDLE (RFC 2177). Without a mailbox it is accepted and silent, as at Gmail.
    pub(super) async fn idle(&mut self, tag: &str) -> io::Result<()> {
        self.send("+ idling").await?;
        let mut changes = self.shared.mailboxes.watch();
        loop {
            let mut news = Vec::new();
            self.synchronize(true, &mut news);
            if !news.is_empty() {
                self.wire.send(&news).await?;
            }
            let ends = self.user.as_ref().and_then(|user| user.ends);
            let line = tokio::select! {
                biased;
                () = self.ear.expired(ends) => return self.expire().await,
                line = self.wire.line(LINE_LIMIT) => line?,
                // An error would mean that the store is gone; it lives as long as the session.
                _ = changes.changed() => continue,
            };
            let Some(line) = line else {
                self.leaving = true;
                return Ok(());
            };
            self.shared.records.line(self.number, &line);
            let answer = if line.eq_ignore_ascii_case(b"DONE") {
                format!("{tag} OK IDLE terminated (Success)")
            } else {
                format!("{tag} BAD Expected DONE {}", self.id)
            };
            return self.send(&answer).await;
        }
    }

    async fn answer(&mut self, command: &[u8]) -> io::Result<()> {
        let mut cursor = Cursor::new(command);
        let tag = cursor.word().unwrap_or("*").to_owned();
        let name = if cursor.eat(b' ') { cursor.keyword().ok() } else { None };
        let Some(name) = name else {
            let line = format!("{tag} BAD Unknown command {}", self.id);
            return self.send(&line).await;
        };
        match name.as_str() {
            "AUTHENTICATE" => return self.authenticate(&tag, &mut cursor).await,
            "IDLE" if self.user.is_some() && cursor.is_at_end() => return self.idle(&tag).await,
            _ => {}
        }
        let mut out = Vec::new();
        self.tag.clone_from(&tag);
        let line = match self.execute(&name, &mut cursor, &mut out) {
            Ok(text) => format!("{tag} OK {text}\r\n"),
            Err(Refusal::No(text)) => format!("{tag} NO {text}\r\n"),
            Err(Refusal::Bad(text)) => format!("{tag} BAD {text} {}\r\n", self.id),
        };
        out.extend_from_slice(line.as_bytes());
        self.wire.send(&out).await
    }

    async fn expire(&mut self) -> io::Result<()> {
        self.leaving = true;
        let farewell = lock(&self.shared.settings).farewell.clone();
        let farewell = farewell.as_deref();
        self.send(farewell.unwrap_or("* BYE Session expired, please login again.")).await
    }
}

/// Reads a whole command: lines, and the literals that they announce.
async fn read<S: Stream>(wire: &mut Wire<S>, shared: &Shared, number: usize) -> io::Result<Input> {
    let mut command = Vec::new();
    for _ in 0..LITERALS {
        let line = match wire.line(LINE_LIMIT).await {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(Input::Ended),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                wire.send(b"* BYE Line too long\r\n").await?;
                return Ok(Input::Ended);
            }
            Err(error) => return Err(error),
        };
        shared.records.line(number, &shown(&line));
        command.extend_from_slice(&line);
        let Some(literal) = Literal::announced_by(&line) else {
            return Ok(Input::Command(command));
        };
        let mut words = command.split(|byte| *byte == b' ');
        let tag = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
        let is_append = words.next().is_some_and(|name| name.eq_ignore_ascii_case(b"APPEND"));
        let limit = if is_append { APPEND_LIMIT } else { LITERAL_LIMIT };
        if !literal.synchronizing && literal.size > NON_SYNCHRONIZING_LIMIT {
            // Its bytes are on the way already: there is no going on.
            let line = format!("{tag} BAD Literal too big\r\n* BYE Literal too big\r\n");
            wire.send(line.as_bytes()).await?;
            return Ok(Input::Ended);
        }
        if literal.size > limit {
            wire.send(format!("{tag} NO [TOOBIG] Literal too big (Failure)\r\n").as_bytes())
                .await?;
            return Ok(Input::Refused);
        }
        if literal.synchronizing {
            wire.send(b"+ go ahead\r\n").await?;
        }
        command.extend_from_slice(b"\r\n");
        command.extend(wire.exactly(literal.size).await?);
        shared.records.line(number, format!("<{} bytes>", literal.size).as_bytes());
    }
    wire.send(b"* BYE Too many literals\r\n").await?;
    Ok(Input::Ended)
}

/// A line as the records show it: without what signs on.
fn shown(line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.splitn(4, ' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(tag), Some(name), Some(mechanism), Some(response))
            if name.eq_ignore_ascii_case("AUTHENTICATE") =>
        {
            let response = crate::demo::sasl::shown(mechanism, response.as_bytes());
            format!("{tag} {name} {mechanism} {response}").into_bytes()
        }
        _ => line.to_vec(),
    }
}
