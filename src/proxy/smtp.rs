//! One session of an SMTP client.

use std::time::Duration;

use tokio::time::Instant;

use super::client_stream::ClientStream;
use super::entrance::{AHEAD_LIFE, Ahead, Denied};
use super::member::{Member, Presence};
use super::places::Seated;
use super::relay::{Carry, End, Never, Until, relay};
use super::session::{
    Client, Context, Read, TurnedAway, finish, not_served, say_goodbye, sent_away,
};
use super::trouble::{Goodbye, Protocol};
use crate::protocol::dialogue::Violation;
use crate::protocol::line::LineEnds;
use crate::protocol::sasl::Credentials;
use crate::protocol::smtp::{DataSink, Dialogue, Event, SignOn};
use crate::upstream::SmtpSession;

/// The name that Gatepost gives where the client gave none that can be sent on.
const OWN_NAME: &str = "[127.0.0.1]";

const BARE_NEWLINE: &[u8] =
    b"550 5.6.0 The message has a bare CR or LF (RFC 5321 2.3.8) and was not sent. \
If its program can't be mended, set bare_newlines = \"normalize\" in Gatepost's configuration.\r\n";

/// How long a client may be silent in the middle of a message that was refused.
const WITHOUT_END: Duration = Duration::from_secs(5);

/// A client that was let in.
struct Entered {
    presence: Presence,
    session: SmtpSession,
    client_name: String,
    accepted: &'static [u8],
    rest: Vec<u8>,
    line_ends: LineEnds,
}

/// Serves a client from its greeting to its end; `place` is its own until it has signed on.
pub(super) async fn serve(mut stream: ClientStream, context: Context, place: Seated) {
    // On the heap: it is larger than all that an idle session of either protocol needs.
    let signing_on = Box::pin(sign_on(&mut stream, &context, &place));
    let Some(signed_on) = place.hold(signing_on).await else {
        return sent_away(&mut stream, &context, Protocol::Smtp).await;
    };
    drop(place);
    let Some(entered) = signed_on else { return };
    let Entered { presence, mut session, client_name, accepted, mut rest, line_ends } = entered;
    let member = &presence.member;
    if Client::new(&mut stream).send(accepted).await.is_err() {
        return;
    }
    // Once round for most; again each time that a message had to be dropped with its connection.
    let (end, dialogue, upstream) = loop {
        let carry = Carry { from_client: rest, from_upstream: session.rest };
        let mut dialogue = Dialogue::new(context.entrance.settings().provider.bare_newlines)
            .with_line_ends(line_ends);
        let mut upstream = session.stream;
        let until = Until { leave: context.leave(member), part: Never };
        let ended =
            relay(&mut stream, &mut upstream, &mut dialogue, carry, until, &member.smtp_bytes)
                .await;
        if !matches!(ended.why, End::Stopped(Violation::BareNewline)) {
            break (ended.why, dialogue, upstream);
        }
        tracing::warn!(account = %member.account.address(), "a message with a bare CR or LF was refused");
        // Without its final dot the message is nothing to the provider.
        drop(upstream);
        let Some(sink) = dialogue.into_sink() else { return };
        let swallowed = swallow(&mut stream, &context, member, sink, ended.from_client).await;
        let Some(left) = swallowed else { return };
        if Client::new(&mut stream).send(BARE_NEWLINE).await.is_err() {
            return;
        }
        let again = tokio::select! {
            again = context.entrance.smtp(member, &client_name, None) => again,
            parting = context.parting(member) => {
                return say_goodbye(&mut stream, &Protocol::Smtp.goodbye(parting)).await;
            }
        };
        match again {
            Ok(again) => session = again,
            Err(trouble) => {
                return say_goodbye(&mut stream, &trouble.words(Protocol::Smtp, context.id)).await;
            }
        }
        rest = left;
    };
    finish(&context, Protocol::Smtp, member, &end, &dialogue, &mut stream, upstream).await;
}

/// Reads the rest of a refused message; gives what came behind it, or `None` if the session ends
/// here. A client that ends its lines in LF alone never sends the end of a message: it is told
/// once it falls silent, and nothing more of it is read, since what it takes for a command and
/// what for mail can't be told apart.
async fn swallow(
    stream: &mut ClientStream,
    context: &Context,
    member: &Member,
    mut sink: DataSink,
    mut buffered: Vec<u8>,
) -> Option<Vec<u8>> {
    let mut client = Client::new(stream);
    loop {
        let (length, ended) = sink.swallow(&buffered);
        buffered.drain(..length);
        if ended {
            return Some(buffered);
        }
        let parting = tokio::select! {
            read = client.read(context, Some(Instant::now() + WITHOUT_END)) => match read {
                Read::Bytes(bytes) => {
                    buffered.extend_from_slice(bytes);
                    continue;
                }
                Read::Due | Read::Silent => {
                    client.close(BARE_NEWLINE).await;
                    return None;
                }
                Read::Stopping => Goodbye::Stopping,
                Read::Gone => return None,
            },
            () = member.gone() => Goodbye::SignedOut,
        };
        client.close(&[BARE_NEWLINE, &Protocol::Smtp.goodbye(parting)].concat()).await;
        return None;
    }
}

/// Speaks with the client until it is let in; `None` once it is gone.
async fn sign_on(stream: &mut ClientStream, context: &Context, place: &Seated) -> Option<Entered> {
    let mut client = Client::new(stream);
    let mut dialogue = SignOn::new(client.start_tls(context));
    let mut ahead: Option<(Ahead, Instant)> = None;
    client.send(&dialogue.greeting()).await.ok()?;
    let turned_away = 'speaking: loop {
        while let Some(event) = dialogue.next_event() {
            place.heard();
            match event {
                Event::Reply(reply) => client.send(&reply).await.ok()?,
                Event::Hello => {
                    let name = dialogue.client_name().unwrap_or(OWN_NAME).to_owned();
                    place.waits();
                    let (extensions, opened) = context.entrance.hello(&name).await;
                    place.heard();
                    // The first EHLO's, where a second one follows STARTTLS.
                    if let Some(opened) = opened {
                        ahead = Some((opened, Instant::now() + AHEAD_LIFE));
                    }
                    client.send(&dialogue.greet(&extensions)).await.ok()?;
                }
                Event::Credentials(credentials) => {
                    let client_name = dialogue.client_name().unwrap_or(OWN_NAME).to_owned();
                    let opened = ahead.take().map(|(ahead, _)| ahead);
                    match check(context, credentials, place, &client_name, opened).await {
                        Ok((presence, session)) => {
                            let line_ends = dialogue.line_ends();
                            let (accepted, rest) = dialogue.accept();
                            return Some(Entered {
                                presence,
                                session,
                                client_name,
                                accepted,
                                rest,
                                line_ends,
                            });
                        }
                        Err(Denied::Wrong) => client.send(&dialogue.refuse()).await.ok()?,
                        Err(Denied::Trouble(trouble)) => {
                            break 'speaking TurnedAway::Trouble(trouble);
                        }
                    }
                }
                Event::Close { reply, why } => break 'speaking TurnedAway::Answered { reply, why },
                Event::StartTls { reply } => {
                    if !client.begin_tls(context, Protocol::Smtp, &reply).await {
                        return None;
                    }
                    dialogue = SignOn::new(client.start_tls(context));
                }
                Event::Intruder(intruder) => break 'speaking TurnedAway::Intruder(intruder),
            }
        }
        match client.read(context, ahead.as_ref().map(|(_, until)| *until)).await {
            Read::Bytes(bytes) => dialogue.receive(bytes),
            Read::Due => ahead = None,
            Read::Gone => return None,
            Read::Silent => break TurnedAway::Silent,
            Read::Stopping => break TurnedAway::Stopping,
        }
    };
    client.turn_away(context, Protocol::Smtp, turned_away).await;
    None
}

async fn check(
    context: &Context,
    credentials: Credentials,
    place: &Seated,
    client_name: &str,
    ahead: Option<Ahead>,
) -> Result<(Presence, SmtpSession), Denied> {
    let member = context.admit(credentials, place).await?;
    let presence = member.enter(Protocol::Smtp);
    let session = context.entrance.smtp(&member, client_name, ahead).await;
    let session = session.map_err(|trouble| not_served(&member, trouble))?;
    tracing::info!(account = %member.account.address(), "SMTP client signed on");
    Ok((presence, session))
}
