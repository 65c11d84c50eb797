//! One session of an IMAP client.

use tokio::sync::OwnedSemaphorePermit;

use super::client_stream::ClientStream;
use super::entrance::{Denied, OpenImap};
use super::household::Presence;
use super::relay::{Carry, relay};
use super::session::{Client, Context, Read, TurnedAway, finish};
use super::trouble::Protocol;
use crate::protocol::imap::{Accepted, Dialogue, Event, SignOn};
use crate::protocol::sasl::Credentials;

/// A client that was let in.
struct Entered {
    presence: Presence,
    open: OpenImap,
    accepted: Accepted,
}

/// Serves a client from its greeting to its end; `place` is its own until it has signed on.
pub(super) async fn serve(mut stream: ClientStream, context: Context, place: OwnedSemaphorePermit) {
    let Some(entered) = sign_on(&mut stream, &context).await else { return };
    drop(place);
    let Entered { presence, open, accepted } = entered;
    let OpenImap { session, place: connection } = open;
    let member = &presence.member;
    let mut carry = Carry { from_client: accepted.rest, from_upstream: Vec::new() };
    // What the provider said for the person comes first, then the list that Outlook wants to see
    // and others look for in the answer itself, then whatever the provider has sent since.
    let capabilities = session.capabilities.for_client();
    let mut hello = session.notices.concat();
    hello.extend_from_slice(format!("* CAPABILITY {capabilities}\r\n").as_bytes());
    hello.extend_from_slice(&[&accepted.tag[..], b" OK Signed on\r\n"].concat());
    if Client::new(&mut stream).send(&hello).await.is_err() {
        return;
    }
    carry.from_upstream = session.rest;
    let mut upstream = session.stream;
    let mut dialogue = Dialogue::default();
    let leave = context.leave(member);
    let ended =
        relay(&mut stream, &mut upstream, &mut dialogue, carry, leave, member.as_ref()).await;
    drop(connection);
    member.backoff(Protocol::Imap).connection_ended();
    finish(&context, Protocol::Imap, member, &ended.why, &dialogue, &mut stream, upstream).await;
}

/// Speaks with the client until it is let in; `None` once it is gone.
async fn sign_on(stream: &mut ClientStream, context: &Context) -> Option<Entered> {
    let settings = context.entrance.settings();
    let mut dialogue = SignOn::new(settings.provider.imap_capabilities);
    let mut client = Client::new(stream);
    client.send(&dialogue.greeting()).await.ok()?;
    let turned_away = 'speaking: loop {
        while let Some(event) = dialogue.next_event() {
            match event {
                Event::Reply(reply) => client.send(&reply).await.ok()?,
                Event::Credentials(credentials) => match check(context, credentials).await {
                    Ok((presence, open)) => {
                        let accepted = dialogue.accept()?;
                        return Some(Entered { presence, open, accepted });
                    }
                    Err(Denied::Wrong) => client.send(&dialogue.refuse()).await.ok()?,
                    Err(Denied::Trouble(trouble)) => {
                        break 'speaking TurnedAway::Trouble(trouble);
                    }
                },
                Event::Close { reply, why } => break 'speaking TurnedAway::Answered { reply, why },
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
) -> Result<(Presence, OpenImap), Denied> {
    let member = context.admit(credentials).await?;
    let presence = member.enter(Protocol::Imap);
    let open = context.entrance.imap(&member).await.map_err(Denied::Trouble)?;
    tracing::info!(account = %member.account.address(), "IMAP client signed on");
    Ok((presence, open))
}
