//! Commands of the proxy's own: sent, and their answers heard.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::takeover::Fault;
use super::{Carried, Supply};
use crate::protocol::dialogue::Dialogue as _;
use crate::protocol::imap::{Responses, Step, Takeover};
use crate::protocol::{Verdict, wire_log};
use crate::proxy::relay::End;

/// How long one answer to a command of the proxy's own may take; a search of a large mailbox takes
/// seconds.
pub(super) const ANSWER: Duration = Duration::from_secs(15);
/// Bytes that are read at a time.
const READ: usize = 8 * 1024;
/// How long a client may take to read what it is told.
const CLIENT: Duration = Duration::from_secs(60);

/// On the connection that serves the client.
impl<C, S> Carried<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    S: Supply,
{
    pub(super) async fn send(&mut self, command: &[u8]) -> Result<(), End> {
        send(&mut self.stream, command).await.map_err(|_| End::UpstreamLeft)
    }

    pub(super) async fn response(
        &mut self,
        responses: &mut Responses,
        deadline: Instant,
    ) -> Result<Vec<u8>, End> {
        next_response(&mut self.stream, responses, deadline).await.map_err(|_| End::UpstreamLeft)
    }

    /// Sends a command and passes all on to the client that comes before what `is_end` knows for its
    /// own end, which is given. `patience` is for the server's next response: what is told the client
    /// must never be broken off.
    pub(super) async fn pass_answers(
        &mut self,
        command: &[u8],
        patience: Duration,
        is_end: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, End> {
        let mut responses = Responses::new(std::mem::take(&mut self.rest));
        self.send(command).await?;
        loop {
            let response = self.response(&mut responses, Instant::now() + patience).await?;
            if is_end(&response) {
                self.rest = responses.into_rest();
                return Ok(response);
            }
            self.pass(&response).await?;
        }
    }

    /// Passes a response on to the client, as the relay would.
    pub(super) async fn pass(&mut self, response: &[u8]) -> Result<(), End> {
        let mut rest = response;
        let mut told = Vec::with_capacity(response.len());
        while !rest.is_empty() {
            match self.dialogue.server_sent(rest) {
                Verdict::Pass(length) => {
                    told.extend_from_slice(&rest[..length]);
                    rest = &rest[length..];
                }
                Verdict::Replace { take, with } | Verdict::Answer { take, reply: with } => {
                    told.extend_from_slice(&with);
                    rest = &rest[take..];
                }
                Verdict::Stop(violation) => return Err(End::Stopped(violation)),
                // A whole response leaves nothing to wait for.
                Verdict::Wait | Verdict::Hold => return Err(End::UpstreamLeft),
            }
        }
        self.tell(&told).await?;
        match self.dialogue.server_farewell() {
            Some(_) => Err(End::UpstreamLeft),
            None => Ok(()),
        }
    }

    pub(super) async fn tell(&mut self, lines: &[u8]) -> Result<(), End> {
        if let Some(late) = &mut self.late {
            late.extend_from_slice(lines);
            return Ok(());
        }
        match timeout(CLIENT, self.client.write_all(lines)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::ClientLeft),
        }
    }
}

/// With an IDLE of the client's that waits for what the proxy does.
impl<C, S> Carried<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    S: Supply,
{
    /// From now on the client is told nothing before its IDLE's `+`, if that is what waits.
    pub(super) fn tell_late(&mut self) {
        let line = self.first_line();
        let begins_idle = line.is_some_and(|line| self.dialogue.begins_idle(line));
        if begins_idle && self.dialogue.open_idle().is_none() && self.late.is_none() {
            self.late = Some(Vec::new());
        }
    }

    /// Begins the client's IDLE, if there is something to tell in it; else the relay does.
    pub(super) async fn idle_late(&mut self) -> Result<(), End> {
        if self.late.as_ref().is_some_and(Vec::is_empty) {
            self.late = None;
        }
        let (Some(_), Some(line)) = (&self.late, self.first_line().map(<[u8]>::to_vec)) else {
            return Ok(());
        };
        self.dialogue.release();
        let mut at = 0;
        while let Verdict::Pass(length) = self.dialogue.client_sent(&line[at..]) {
            at += length;
        }
        self.from_client.drain(..at);
        let tag = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let end = self.begin_idle(&line[..at], tag).await?;
        let late = self.late.take().unwrap_or_default();
        if end.starts_with(b"+") {
            self.pass(&end).await?;
            return self.tell(&late).await;
        }
        // Refused here: what is told, it is told while a command is under way (RFC 9051 §7.5.1).
        self.tell(&late).await?;
        self.pass(&end).await
    }

    /// Sends an IDLE; gives its `+`, or the tagged response that refuses it.
    pub(super) async fn begin_idle(&mut self, command: &[u8], tag: &[u8]) -> Result<Vec<u8>, End> {
        let is_end = |response: &[u8]| response.starts_with(b"+") || is_tagged(response, tag);
        self.pass_answers(command, ANSWER, is_end).await
    }

    /// The first line that the client sent and that is not judged yet.
    pub(super) fn first_line(&self) -> Option<&[u8]> {
        let end = memchr::memchr(b'\n', &self.from_client)?;
        Some(&self.from_client[..=end])
    }
}

/// The connection ended, broke, or was silent for too long.
pub(super) struct NoAnswer;

impl From<NoAnswer> for Fault {
    fn from(_: NoAnswer) -> Self {
        Self::Connection("it does not answer".into())
    }
}

/// Makes a connection that nobody is served by yet do what a takeover needs.
pub(super) async fn speak(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    responses: &mut Responses,
    takeover: &mut Takeover,
    commands: &[u8],
) -> Result<(), Fault> {
    if takeover.is_done() {
        return Ok(());
    }
    let deadline = Instant::now() + ANSWER;
    send(stream, commands).await?;
    loop {
        let response = next_response(stream, responses, deadline).await?;
        match takeover.response(&response) {
            Step::Own | Step::Both => {}
            Step::Send(more) => send(stream, &more).await?,
            Step::Done => return Ok(()),
            Step::Failed(why) => return Err(Fault::Connection(why)),
        }
    }
}

pub(super) async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    commands: &[u8],
) -> Result<(), NoAnswer> {
    for line in commands.split_inclusive(|byte| *byte == b'\n') {
        tracing::trace!(target: wire_log::TARGET, side = "->", "{}", wire_log::own_line(line));
    }
    let sent = timeout(ANSWER, async {
        stream.write_all(commands).await?;
        stream.flush().await
    });
    match sent.await {
        Ok(Ok(())) => Ok(()),
        _ => Err(NoAnswer),
    }
}

pub(super) async fn next_response(
    stream: &mut (impl AsyncRead + Unpin),
    responses: &mut Responses,
    deadline: Instant,
) -> Result<Vec<u8>, NoAnswer> {
    let mut buffer = Vec::new();
    loop {
        if let Some(response) = responses.next_response().map_err(|_| NoAnswer)? {
            return Ok(response);
        }
        buffer.resize(READ, 0);
        match timeout_at(deadline, stream.read(&mut buffer)).await {
            Ok(Ok(length)) if length > 0 => responses.receive(&buffer[..length]),
            _ => return Err(NoAnswer),
        }
    }
}

pub(super) fn is_tagged(response: &[u8], tag: &[u8]) -> bool {
    response.strip_prefix(tag).is_some_and(|rest| rest.first() == Some(&b' '))
}
