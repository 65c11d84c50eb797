//! One session of an IMAP client.

use std::time::Duration;

use tokio::sync::{SemaphorePermit, watch};

use super::client_stream::ClientStream;
use super::continuity::{self, Continued, Leg, Supply};
use super::entrance::{Denied, OpenImap};
use super::member::{Member, Presence};
use super::places::Seated;
use super::session::{Client, Context, Read, TurnedAway, finish, not_served, sent_away};
use super::traffic::Hours;
use super::trouble::{Protocol, Trouble};
use crate::protocol::imap::{Accepted, Event, SignOn};
use crate::protocol::line::LineEnds;
use crate::protocol::sasl::Credentials;
use crate::upstream::Stream;

/// A client that was let in.
struct Entered {
    presence: Presence,
    open: OpenImap,
    accepted: Accepted,
    line_ends: LineEnds,
}

/// Serves a client from its greeting to its end; `place` is its own until it has signed on.
pub(super) async fn serve(mut stream: ClientStream, context: Context, place: Seated) {
    let Some(signed_on) = place.hold(sign_on(&mut stream, &context, &place)).await else {
        return sent_away(&mut stream, &context, Protocol::Imap).await;
    };
    drop(place);
    let Some(entered) = signed_on else { return };
    let Entered { presence, open, accepted, line_ends } = entered;
    let OpenImap { leg, notices, place: connection } = open;
    let member = &presence.member;
    // What the provider said for the person comes first, then the list that Outlook wants to see
    // and others look for in the answer itself, then whatever the provider has sent since.
    let capabilities = leg.capabilities.for_client();
    let mut hello = notices.concat();
    hello.extend_from_slice(format!("* CAPABILITY {capabilities}\r\n").as_bytes());
    hello.extend_from_slice(&[&accepted.tag[..], b" OK Signed on\r\n"].concat());
    if Client::new(&mut stream).send(&hello).await.is_err() {
        drop(connection);
        member.backoff(Protocol::Imap).connection_ended();
        return;
    }
    let supply = Supplies { context: &context, member, line_ends };
    let (why, dialogue, upstream) =
        continuity::serve(&mut stream, &supply, leg, accepted.rest).await;
    drop(connection);
    member.backoff(Protocol::Imap).connection_ended();
    finish(&context, Protocol::Imap, member, &why, &dialogue, &mut stream, upstream).await;
}

/// What a session gets to go on over other connections.
struct Supplies<'s> {
    context: &'s Context,
    member: &'s Member,
    line_ends: LineEnds,
}

impl<'s> Supply for Supplies<'s> {
    type Stream = Stream;
    type Turn = Option<SemaphorePermit<'s>>;
    type Meter = Hours;

    async fn successor(&self, version: u64) -> Result<(Self::Turn, Leg<Stream>), Trouble> {
        let turn = self.member.swap().await;
        let leg = self.context.entrance.another_imap(self.member, Some(version)).await?;
        Ok((turn, leg))
    }

    async fn replacement(&self) -> Result<Leg<Stream>, Trouble> {
        let _turn = self.member.reconnect().await;
        self.context.entrance.another_imap(self.member, None).await
    }

    async fn aside(&self) -> Result<(Self::Turn, Leg<Stream>), Trouble> {
        let turn = self.member.swap().await;
        let leg = self.context.entrance.another_imap(self.member, None).await?;
        Ok((turn, leg))
    }

    async fn leave(&self) -> String {
        self.context.leave(self.member).await
    }

    fn woke(&self) -> watch::Receiver<u64> {
        self.context.woke.clone()
    }

    fn outage_hold(&self) -> Duration {
        self.context.entrance.settings().provider.outage_hold
    }

    fn line_ends(&self) -> LineEnds {
        self.line_ends
    }

    fn meter(&self) -> &Hours {
        &self.member.imap_bytes
    }

    fn count(&self) -> &Continued {
        &self.member.continuity
    }
}

/// Speaks with the client until it is let in; `None` once it is gone.
async fn sign_on(stream: &mut ClientStream, context: &Context, place: &Seated) -> Option<Entered> {
    let settings = context.entrance.settings();
    let mut client = Client::new(stream);
    let capabilities = settings.provider.imap_capabilities;
    let mut dialogue = SignOn::new(capabilities, client.start_tls(context));
    client.send(&dialogue.greeting()).await.ok()?;
    let turned_away = 'speaking: loop {
        while let Some(event) = dialogue.next_event() {
            place.heard();
            match event {
                Event::Reply(reply) => client.send(&reply).await.ok()?,
                Event::Credentials(credentials) => match check(context, credentials, place).await {
                    Ok((presence, open)) => {
                        let line_ends = dialogue.line_ends();
                        let accepted = dialogue.accept()?;
                        return Some(Entered { presence, open, accepted, line_ends });
                    }
                    Err(Denied::Wrong) => client.send(&dialogue.refuse()).await.ok()?,
                    Err(Denied::Trouble(trouble)) => {
                        break 'speaking TurnedAway::Trouble(trouble);
                    }
                },
                Event::Close { reply, why } => break 'speaking TurnedAway::Answered { reply, why },
                Event::StartTls { reply } => {
                    if !client.begin_tls(context, Protocol::Imap, &reply).await {
                        return None;
                    }
                    dialogue = SignOn::new(capabilities, client.start_tls(context));
                }
                Event::Intruder(intruder) => break 'speaking TurnedAway::Intruder(intruder),
            }
        }
        match client.read(context, None).await {
            Read::Bytes(bytes) => dialogue.receive(bytes),
            Read::Gone | Read::Due => return None,
            Read::Silent => break TurnedAway::Silent,
            Read::Stopping => break TurnedAway::Stopping,
        }
    };
    client.turn_away(context, Protocol::Imap, turned_away).await;
    None
}

async fn check(
    context: &Context,
    credentials: Credentials,
    place: &Seated,
) -> Result<(Presence, OpenImap), Denied> {
    let member = context.admit(credentials, place).await?;
    let presence = member.enter(Protocol::Imap);
    let open = context.entrance.imap(&member).await;
    let open = open.map_err(|trouble| not_served(&member, trouble))?;
    tracing::info!(account = %member.account.address(), "IMAP client signed on");
    Ok((presence, open))
}
