//! Another connection takes the place of the present one, or of one that was lost.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::speech::{ANSWER, is_tagged, next_response, send, speak};
use super::{Carried, Leg, Supply, next};
use crate::protocol::imap::{Difference, FlagsSince, Moment, Responses, Takeover, Unlike};
use crate::proxy::relay::End;

/// How long a server may be behind what it said before; looked at each half second.
const CATCH_UP: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How long a client that lost messages is waited for, to tell it.
const UNTIL_OPEN: Duration = Duration::from_secs(300);
/// The flags of up to so many messages are all told where some have changed. Of more, it is asked which.
const FLAGS_AT_ONCE: u32 = 1000;

/// Why the new connection could not take over.
pub(super) enum Fault {
    /// This connection failed, another may not.
    Connection(String),
    /// The client's view can't be brought up to date.
    View(Unlike),
    /// The client has gone.
    Client,
    /// The session must end, for this reason.
    Leaving(String),
}

/// What is done where messages are gone, and the client is between two commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renumber {
    /// A command of its is held, and can be the one at which it is told if it is such a one.
    Held(bool),
    /// Its next command is waited for.
    Await,
}

/// What was proved: what the client must be told, for the other connection to be its own.
pub(super) struct Proof {
    takeover: Takeover,
    difference: Option<Difference>,
}

/// A connection that was left.
pub(super) struct Left<S> {
    pub(super) stream: S,
    pub(super) rest: Vec<u8>,
}

impl<C, S> Carried<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    S: Supply,
{
    /// Brings a fresh connection to where the client is. Nothing is told the client, and the present
    /// connection isn't touched.
    pub(super) async fn prove(
        &mut self,
        leg: &mut Leg<S::Stream>,
        renumber: Renumber,
    ) -> Result<Proof, Fault> {
        let mut responses = Responses::new(std::mem::take(&mut leg.rest));
        let (mut takeover, commands) = self.dialogue.take_over(&leg.capabilities);
        let stream = &mut leg.stream;
        speak(stream, &mut responses, &mut takeover, &commands).await?;
        let mut difference = self.settle(stream, &mut responses, &mut takeover).await?;
        let is_open = self.dialogue.moment(renumber == Renumber::Held(true)) == Some(Moment::Open);
        if difference.as_ref().is_some_and(Difference::renumbers) && !is_open {
            if renumber != Renumber::Await {
                leg.rest = responses.into_rest();
                return Err(Fault::View(Unlike::Renumbered));
            }
            self.wait_until_open().await?;
            // What happened meanwhile is a part of the difference.
            let look = takeover.look().unwrap_or_default();
            speak(stream, &mut responses, &mut takeover, &look).await?;
            difference = self.settle(stream, &mut responses, &mut takeover).await?;
        }
        leg.rest = responses.into_rest();
        Ok(Proof { takeover, difference })
    }

    /// The difference, once the server has caught up.
    async fn settle(
        &mut self,
        stream: &mut S::Stream,
        responses: &mut Responses,
        takeover: &mut Takeover,
    ) -> Result<Option<Difference>, Fault> {
        let until = Instant::now() + CATCH_UP;
        loop {
            match self.dialogue.difference(takeover) {
                Err(unlike) if unlike.may_pass() && Instant::now() < until => {
                    sleep(LOOK_AGAIN).await;
                    let look = takeover.look().unwrap_or_default();
                    speak(stream, responses, takeover, &look).await?;
                }
                settled => return settled.map_err(Fault::View),
            }
        }
    }

    /// Waits, between two commands of the client's, for one at which messages may be renumbered.
    async fn wait_until_open(&mut self) -> Result<(), Fault> {
        let mut buffer = [0; 4096];
        let until = Instant::now() + UNTIL_OPEN;
        let leave = self.supply.leave();
        tokio::pin!(leave);
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.from_client) {
                let is_last = end + 1 == self.from_client.len();
                return match is_last && self.dialogue.opens(&self.from_client) {
                    true => Ok(()),
                    false => Err(Fault::View(Unlike::Renumbered)),
                };
            }
            tokio::select! {
                words = &mut leave => return Err(Fault::Leaving(words)),
                read = self.client.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => return Err(Fault::Client),
                    Ok(length) => self.from_client.extend_from_slice(&buffer[..length]),
                },
                () = sleep_until(until) => return Err(Fault::View(Unlike::Renumbered)),
            }
        }
    }

    /// Puts a connection in the place of the present one, and tells the client what is proved.
    /// `frozen`: the present one still answers.
    pub(super) async fn go_on_with(
        &mut self,
        leg: Leg<S::Stream>,
        proof: Proof,
        frozen: bool,
    ) -> Result<(), End> {
        let Proof { takeover, difference } = proof;
        let Leg { stream, rest, capabilities, version, part_at } = leg;
        let stream = std::mem::replace(&mut self.stream, stream);
        let old = Left { stream, rest: std::mem::replace(&mut self.rest, rest) };
        (self.capabilities, self.version) = (capabilities, version);
        self.next = Box::pin(next(self.supply, version, part_at));
        self.ready = None;
        let lines = difference.as_ref().map(|difference| self.dialogue.told(difference));
        self.dialogue.go_on_with(&takeover);
        self.tell(&lines.unwrap_or_default()).await?;
        if let Some(difference) = difference {
            self.tell_flags(&difference, frozen.then_some(old)).await?;
        }
        self.idle_again().await
    }

    /// Tells the flags that may have changed.
    async fn tell_flags(
        &mut self,
        difference: &Difference,
        old: Option<Left<S::Stream>>,
    ) -> Result<(), End> {
        let exists = self.dialogue.exists();
        // By FETCH and not by UID FETCH: nothing may be renumbered here.
        let all = "gf FETCH 1:* (FLAGS)".to_owned();
        let command = match difference.flags_since {
            _ if exists == 0 => None,
            FlagsSince::Same => None,
            FlagsSince::Modseq(since) if self.dialogue.has_condstore() => {
                Some(format!("gf FETCH 1:* (UID FLAGS) (CHANGEDSINCE {since})"))
            }
            FlagsSince::Modseq(since) if exists > FLAGS_AT_ONCE => {
                match self.tell_flags_since(since, old).await? {
                    true => None,
                    false => Some(all),
                }
            }
            FlagsSince::Modseq(_) | FlagsSince::Unknown => Some(all),
        };
        if let Some(command) = command {
            let is_end = |response: &[u8]| is_tagged(response, b"gf");
            self.pass_answers(format!("{command}\r\n").as_bytes(), is_end).await?;
        }
        self.dialogue.flags_told(difference);
        Ok(())
    }

    /// Asks which flags have changed, not on the client's connection: all its later FETCH responses
    /// would have MODSEQ in them (RFC 7162 §3.1). The one that was left can serve for this. False if it
    /// wasn't told.
    async fn tell_flags_since(
        &mut self,
        since: u64,
        old: Option<Left<S::Stream>>,
    ) -> Result<bool, End> {
        // Opened anew: what a server has not told yet it would tell here by numbers, without UIDs.
        let examine = self.dialogue.examination().unwrap_or_default();
        let fetch = format!("\r\ngf UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since})\r\n");
        let command = [b"gx ", examine.as_slice(), fetch.as_bytes()].concat();
        let left = match old {
            Some(old) => old,
            None => {
                let Ok(Ok(leg)) = timeout(ANSWER, self.supply.replacement()).await else {
                    return Ok(false);
                };
                Left { stream: leg.stream, rest: leg.rest }
            }
        };
        let (mut stream, mut responses) = (left.stream, Responses::new(left.rest));
        if send(&mut stream, &command).await.is_err() {
            return Ok(false);
        }
        loop {
            let deadline = Instant::now() + ANSWER;
            let Ok(response) = next_response(&mut stream, &mut responses, deadline).await else {
                return Ok(false);
            };
            if is_tagged(&response, b"gf") {
                return Ok(response.starts_with(b"gf OK"));
            }
            if let Some(line) = self.dialogue.flags_from_elsewhere(&response) {
                self.tell(&line).await?;
            }
        }
    }

    /// Begins the client's IDLE, under its tag, on a connection that isn't in it.
    pub(super) async fn idle_again(&mut self) -> Result<(), End> {
        let Some(tag) = self.dialogue.open_idle() else { return Ok(()) };
        let command = [tag, b" IDLE\r\n"].concat();
        self.pass_answers(&command, |response| response.starts_with(b"+")).await
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(words) | Self::Leaving(words) => f.write_str(words),
            Self::View(unlike) => unlike.fmt(f),
            Self::Client => f.write_str("the client left"),
        }
    }
}
