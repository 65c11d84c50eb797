//! Another connection takes the place of the present one, or of one that was lost.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};

use super::speech::{ANSWER, is_tagged, next_response, send, speak};
use super::successor::Successor;
use super::{Carried, Leg, Supply};
use crate::protocol::imap::{Difference, FlagsSince, Moment, Responses, Takeover, Unlike};
use crate::proxy::relay::End;

/// A server that is behind what it said before is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The flags of up to so many messages are all told where some have changed. Of more, it is asked which.
const FLAGS_AT_ONCE: u32 = 1000;

/// Why the new connection could not take over.
pub(super) enum Fault {
    /// This connection failed, another may not.
    Connection(String),
    /// The client's view can't be brought up to date.
    View(Unlike),
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
    /// connection isn't touched. `held`: a command of the client's is, at which anything may be told.
    pub(super) async fn prove(
        &mut self,
        leg: &mut Leg<S::Stream>,
        held: bool,
        patience: Duration,
    ) -> Result<Proof, Fault> {
        let mut responses = Responses::new(std::mem::take(&mut leg.rest));
        let (mut takeover, commands) = self.dialogue.take_over(&leg.capabilities);
        let stream = &mut leg.stream;
        speak(stream, &mut responses, &mut takeover, &commands).await?;
        let difference = self.settle(stream, &mut responses, &mut takeover, patience).await?;
        leg.rest = responses.into_rest();
        let is_open = self.dialogue.moment(held) == Some(Moment::Open);
        match &difference {
            Some(difference) if !is_open && difference.tells() => match self.first_line() {
                // It might be told all but what renumbers messages, but Thunderbird takes what comes
                // between two commands for the end of its next IDLE.
                None => Err(Fault::View(Unlike::NotNow)),
                Some(_) if difference.renumbers() && !self.next_command_opens() => {
                    Err(Fault::View(Unlike::Renumbered))
                }
                Some(_) => Ok(()),
            },
            _ => Ok(()),
        }
        .map(|()| Proof { takeover, difference })
    }

    /// True if the client's next command is there, allows that messages are renumbered, and nothing is
    /// behind it.
    fn next_command_opens(&self) -> bool {
        let line = self.first_line();
        line.is_some_and(|line| line.len() == self.from_client.len() && self.dialogue.opens(line))
    }

    /// The difference, once the server has caught up within `patience`.
    async fn settle(
        &mut self,
        stream: &mut S::Stream,
        responses: &mut Responses,
        takeover: &mut Takeover,
        patience: Duration,
    ) -> Result<Option<Difference>, Fault> {
        let until = Instant::now() + patience;
        loop {
            match self.dialogue.difference(takeover) {
                Err(unlike) if unlike.may_pass() && Instant::now() < until => {}
                difference => return difference.map_err(Fault::View),
            }
            sleep(LOOK_AGAIN).await;
            let look = takeover.look().unwrap_or_default();
            speak(stream, responses, takeover, &look).await?;
        }
    }

    /// Puts a connection in the place of the present one, and tells the client what is proved.
    /// `answers`: the present one still does.
    pub(super) async fn go_on_with(
        &mut self,
        leg: Leg<S::Stream>,
        proof: Proof,
        answers: bool,
    ) -> Result<(), End> {
        let Proof { takeover, difference } = proof;
        let Leg { stream, rest, capabilities, version, part_at } = leg;
        let stream = std::mem::replace(&mut self.stream, stream);
        let old = Left { stream, rest: std::mem::replace(&mut self.rest, rest) };
        (self.capabilities, self.version) = (capabilities, version);
        self.next = Successor::new(self.supply, version, part_at);
        self.tell_late();
        let lines = difference.as_ref().map(|difference| self.dialogue.told(difference));
        self.dialogue.go_on_with(&takeover);
        self.tell(&lines.unwrap_or_default()).await?;
        if let Some(difference) = difference {
            self.tell_flags(&takeover, &difference, answers.then_some(old)).await?;
        }
        self.idle_again().await?;
        self.idle_late().await
    }

    /// Tells the flags that may have changed.
    async fn tell_flags(
        &mut self,
        takeover: &Takeover,
        difference: &Difference,
        old: Option<Left<S::Stream>>,
    ) -> Result<(), End> {
        let exists = self.dialogue.exists();
        // By FETCH and not by UID FETCH: nothing may be renumbered here.
        let all = "gf FETCH 1:* (UID FLAGS)".to_owned();
        let command = match difference.flags_since {
            _ if exists == 0 => None,
            FlagsSince::Same => None,
            FlagsSince::Modseq(since) if self.dialogue.has_condstore() => {
                Some(format!("gf FETCH 1:* (UID FLAGS) (CHANGEDSINCE {since})"))
            }
            FlagsSince::Modseq(since) if exists > FLAGS_AT_ONCE => {
                match self.tell_flags_since(takeover, since, old).await? {
                    true => None,
                    false => Some(all),
                }
            }
            FlagsSince::Modseq(_) | FlagsSince::Unknown => Some(all),
        };
        if let Some(command) = command {
            let is_end = |response: &[u8]| is_tagged(response, b"gf");
            self.pass_answers(format!("{command}\r\n").as_bytes(), ANSWER, is_end).await?;
        }
        self.dialogue.flags_told(difference);
        Ok(())
    }

    /// Asks which flags have changed, not on the client's connection: all its later FETCH responses
    /// would have MODSEQ in them (RFC 7162 §3.1). The one that was left can serve for this. False if not all
    /// was told, by a server that is behind.
    async fn tell_flags_since(
        &mut self,
        takeover: &Takeover,
        since: u64,
        old: Option<Left<S::Stream>>,
    ) -> Result<bool, End> {
        // Opened anew: what a server has not told yet it would tell here by numbers, without UIDs.
        let examine = self.dialogue.examination().unwrap_or_default();
        let fetch = format!("\r\ngf UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since})\r\n");
        let command = [b"gx ", examine.as_slice(), fetch.as_bytes()].concat();
        let (_turn, left) = match old {
            Some(old) => (None, old),
            None => {
                let Ok(Ok((turn, leg))) = timeout(ANSWER, self.supply.aside()).await else {
                    return Ok(false);
                };
                (Some(turn), Left { stream: leg.stream, rest: leg.rest })
            }
        };
        let (mut stream, mut responses) = (left.stream, Responses::new(left.rest));
        let mut has_caught_up = false;
        if send(&mut stream, &command).await.is_err() {
            return Ok(false);
        }
        loop {
            let deadline = Instant::now() + ANSWER;
            let Ok(response) = next_response(&mut stream, &mut responses, deadline).await else {
                return Ok(false);
            };
            if is_tagged(&response, b"gf") {
                return Ok(has_caught_up && response.starts_with(b"gf OK"));
            }
            has_caught_up |= takeover.has_caught_up_elsewhere(&response);
            if let Some(line) = takeover.flags_from_elsewhere(&response) {
                self.tell(&line).await?;
            }
        }
    }

    /// Begins the client's IDLE, under its tag, on a connection that isn't in it.
    pub(super) async fn idle_again(&mut self) -> Result<(), End> {
        let Some(tag) = self.dialogue.open_idle() else { return Ok(()) };
        let tag = tag.to_vec();
        let command = [&tag, b" IDLE\r\n".as_slice()].concat();
        let end = self.begin_idle(&command, &tag).await?;
        match end.starts_with(b"+") {
            true => Ok(()),
            // Refused here: the client's IDLE is over.
            false => self.pass(&end).await,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(words) => f.write_str(words),
            Self::View(unlike) => unlike.fmt(f),
        }
    }
}
