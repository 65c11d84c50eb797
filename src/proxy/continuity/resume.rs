//! After the loss of a connection: another one, for as long as the client may wait.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until};

use super::successor::Successor;
use super::takeover::Fault;
use super::{Carried, Leg, Supply};
use crate::protocol::dialogue::Dialogue as _;
use crate::protocol::imap::Unlike;
use crate::proxy::pipe::LARGEST_BUFFER;
use crate::proxy::relay::End;
use crate::upstream::Refusal;

/// How long a command of the client's is held while the provider is away: Outlook waits a minute.
const HELD_COMMAND: Duration = Duration::from_secs(30);
/// How long a server may be behind what it said before.
const CATCH_UP: Duration = Duration::from_secs(5);
/// The pauses between attempts to reach the provider.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A connection that is lost within this has not ended the outage before it: at a server that lets everybody
/// in and loses them again, each sign-on would be followed at once by another, without end.
const STEADY: Duration = Duration::from_secs(10);
/// What a client may send while it waits: as much as the relay may have left.
const MAX_HELD: usize = LARGEST_BUFFER;

/// An outage that has ended for now.
pub(super) struct Outage {
    /// When it has lasted too long.
    deadline: Instant,
    /// The tag of the command that waited for its end, and how long it may.
    held: Option<(Vec<u8>, Instant)>,
    pause: Duration,
    resumed: Instant,
}

/// Why a session doesn't go on.
enum Lost {
    /// It can't: a word for the counters, and more for the client and the log.
    Because(&'static str, String),
    /// It was to end anyhow.
    Ends(End),
}

impl Lost {
    fn new(reason: &'static str, words: impl Into<String>) -> Self {
        Self::Because(reason, words.into())
    }
}

impl<C, S> Carried<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    S: Supply,
{
    /// Lets the session go on over another connection, or gives how it ends.
    pub(super) async fn resume(&mut self) -> Result<(), End> {
        if self.dialogue.is_leaving() {
            return Err(End::UpstreamLeft);
        }
        // Its turn must not be in another session's way while it isn't looked at.
        let next = self.next.take();
        self.next = Successor::never(self.supply, self.version);
        match self.try_to_resume(next.map(|(_, leg)| leg)).await {
            Ok(()) => {
                self.supply.count().resumed();
                tracing::info!("the session goes on over another connection");
                Ok(())
            }
            Err(Lost::Because(reason, words)) => {
                self.supply.count().ended(reason);
                Err(End::Lost(words))
            }
            Err(Lost::Ends(end)) => Err(end),
        }
    }

    async fn try_to_resume(&mut self, mut next: Option<Leg<S::Stream>>) -> Result<(), Lost> {
        if let Some(said) = self.dialogue.server_farewell()
            && Refusal::read(&said.code, &said.text).is_some()
        {
            return Err(Lost::new("refused", "the provider refuses the account"));
        }
        self.take_back()?;
        let mut over_by = Instant::now() + self.supply.outage_hold();
        let mut deadline = over_by;
        let mut pause = FIRST_PAUSE;
        if let Some(before) = self.outage.take().filter(|it| it.resumed.elapsed() < STEADY) {
            (over_by, deadline, pause) = (before.deadline, before.deadline, before.pause);
            // Another command has its own time.
            if let Some((tag, by)) = before.held
                && self.first_tag() == Some(tag.as_slice())
            {
                deadline = by;
            }
            if Instant::now() + pause >= deadline {
                return Err(Lost::new("away", "each new one was lost as well"));
            }
            self.rest(pause).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        loop {
            self.take_back()?;
            let mut leg = match next.take() {
                Some(leg) => leg,
                None => self.replacement(&mut deadline).await?,
            };
            let held = self.first_tag().map(|tag| (tag.to_vec(), deadline));
            self.leave_mailbox();
            let leave = self.supply.leave();
            let proved = tokio::select! {
                proved = self.prove(&mut leg, false, CATCH_UP) => proved,
                words = leave => return Err(Lost::Ends(End::Leaving(words))),
            };
            let fault = match proved {
                Ok(proof) => match self.go_on_with(leg, proof, false).await {
                    Ok(()) => {
                        let resumed = Instant::now();
                        self.outage = Some(Outage { deadline: over_by, held, pause, resumed });
                        return Ok(());
                    }
                    // The client knows what is true, and the next connection begins from there.
                    Err(End::UpstreamLeft) => Fault::Connection("it was lost again".into()),
                    Err(end) => return Err(Lost::Ends(end)),
                },
                Err(fault) => {
                    // None is kept for a client that rests.
                    drop(leg);
                    fault
                }
            };
            match fault {
                Fault::Connection(_) if Instant::now() + pause < deadline => {}
                Fault::Connection(words) => return Err(Lost::new("away", words)),
                Fault::View(Unlike::NotNow) => {
                    self.next_command().await?;
                    over_by = Instant::now() + self.supply.outage_hold();
                    deadline = Instant::now() + HELD_COMMAND;
                    continue;
                }
                Fault::View(unlike) => return Err(Lost::new("mailbox", unlike.to_string())),
            }
            self.rest(pause).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits; the client is listened to meanwhile.
    async fn rest(&mut self, pause: Duration) -> Result<(), Lost> {
        let (over, leave) = (sleep(pause), self.supply.leave());
        tokio::pin!(over, leave);
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                words = &mut leave => return Err(Lost::Ends(End::Leaving(words))),
                heard = self.hear(), if self.from_client.len() < MAX_HELD => heard?,
            }
        }
    }

    fn first_tag(&self) -> Option<&[u8]> {
        self.first_line()?.split(|byte| *byte == b' ').next()
    }

    /// Takes back what was under way, also on a connection that was lost while it took over, and may be
    /// sent again: it is judged again, as if it came now.
    fn take_back(&mut self) -> Result<(), Lost> {
        if let Some(command) = self.dialogue.take_back() {
            self.from_client.splice(0..0, command);
        }
        if let Some(words) = self.dialogue.stuck() {
            return Err(Lost::new("extension", words));
        }
        if self.dialogue.moment(false).is_none() {
            return Err(Lost::new("command", "a command was under way that may not be repeated"));
        }
        Ok(())
    }

    /// Before a client that selects another mailbox, nothing is told about the one it leaves.
    fn leave_mailbox(&mut self) {
        if let Some(line) = self.first_line().map(<[u8]>::to_vec) {
            self.dialogue.leave_mailbox(&line);
        }
    }

    /// Waits for the client's next command.
    async fn next_command(&mut self) -> Result<(), Lost> {
        let leave = self.supply.leave();
        tokio::pin!(leave);
        while self.first_line().is_none() {
            if self.from_client.len() >= MAX_HELD {
                return Err(Lost::new("command", "the mail program's command has no end"));
            }
            tokio::select! {
                words = &mut leave => return Err(Lost::Ends(End::Leaving(words))),
                heard = self.hear() => heard?,
            }
        }
        Ok(())
    }

    /// Hears more of the client; nothing is lost if this is dropped.
    async fn hear(&mut self) -> Result<(), Lost> {
        match self.client.read_buf(&mut self.from_client).await {
            Ok(0) | Err(_) => Err(Lost::Ends(End::ClientLeft)),
            Ok(_) => Ok(()),
        }
    }

    /// Another signed-on connection, by `deadline`, which comes nearer once a command of the client's
    /// waits; the client is listened to meanwhile.
    async fn replacement(&mut self, deadline: &mut Instant) -> Result<Leg<S::Stream>, Lost> {
        let (connecting, leave) = (connect(self.supply), self.supply.leave());
        tokio::pin!(connecting, leave);
        loop {
            if !self.from_client.is_empty() {
                *deadline = (*deadline).min(Instant::now() + HELD_COMMAND);
            }
            tokio::select! {
                leg = &mut connecting => return leg.map_err(|words| Lost::new("refused", words)),
                words = &mut leave => return Err(Lost::Ends(End::Leaving(words))),
                heard = self.hear(), if self.from_client.len() < MAX_HELD => heard?,
                () = sleep_until(*deadline) => {
                    return Err(Lost::new("away", "the provider can't be reached"));
                }
            }
        }
    }
}

/// Tries until there is a connection; an error where only a person can help.
async fn connect<S: Supply>(supply: &S) -> Result<Leg<S::Stream>, String> {
    let mut pause = FIRST_PAUSE;
    loop {
        match supply.replacement().await {
            Err(trouble) if trouble.needs_person => return Err(trouble.to_string()),
            Err(trouble) => tracing::debug!("no other connection yet: {trouble}"),
            Ok(leg) => return Ok(leg),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
