//! Signing on at an IMAP server with XOAUTH2 (RFC 9051 §6.2.2, RFC 4959, and Google's page on it).

use super::Stream;
use super::error::{Refusal, UpstreamError};
use super::wire::Wire;
use crate::config::Host;
use crate::protocol::imap::{Capabilities, Response, Status, StatusResponse};
use crate::protocol::sasl::{self, ErrorChallenge};
use crate::secret::AccessToken;
use crate::sentence;

/// A connection that is signed on.
pub struct ImapSession {
    /// The connection.
    pub stream: Stream,
    /// What the server sent behind its sign-on; it belongs to the mail client.
    pub rest: Vec<u8>,
    /// What the server can do, as it says.
    pub capabilities: Capabilities,
    /// Untagged words for the person, each a whole line; they belong to the mail client.
    pub notices: Vec<Vec<u8>>,
}

/// What came before the tagged response.
#[derive(Default)]
struct Heard {
    capabilities: Option<Capabilities>,
    notices: Vec<Vec<u8>>,
    refusal: Option<Refusal>,
    challenged: bool,
}

/// Reads the greeting, signs on, and learns the capabilities.
pub(super) async fn sign_on(
    stream: Stream,
    host: &Host,
    name: &str,
    token: &AccessToken,
) -> Result<ImapSession, UpstreamError> {
    let mut wire = Wire::new(stream, host, "IMAP");
    greeting(&mut wire).await?;
    // Untagged lines may follow a greeting. An answer to a command that was not sent is made up.
    if wire.ahead().any(|line| !line.starts_with(b"*")) {
        return Err(wire.not_the_protocol());
    }
    // With the initial response: Gmail and Dovecot both know SASL-IR, and it saves a round trip.
    let mut command = zeroize::Zeroizing::new(String::with_capacity(4096));
    for part in ["g1 AUTHENTICATE XOAUTH2 ", &sasl::xoauth2(name, token), "\r\n"] {
        command.push_str(part);
    }
    let shown = "g1 AUTHENTICATE XOAUTH2 <initial response>";
    wire.send_token(command.as_bytes(), shown, token).await?;
    let mut heard = Heard::default();
    loop {
        let line = wire.line().await?;
        match Response::parse(&line).ok_or_else(|| wire.not_the_protocol())? {
            // One refusal has one challenge; a server may go on with them without end.
            Response::Continuation(_) if heard.challenged => return Err(wire.not_the_protocol()),
            Response::Continuation(challenge) => {
                let parsed = ErrorChallenge::parse(challenge);
                tracing::debug!(host = %host, status = parsed.map(|c| c.status), "the token is refused");
                heard.challenged = true;
                // Its answer is an empty line; without it the server says nothing more.
                wire.send(b"\r\n").await?;
            }
            // What was challenged is refused.
            Response::Tagged(b"g1", done) if done.status == Status::Ok && heard.challenged => {
                return Err(wire.not_the_protocol());
            }
            Response::Tagged(b"g1", done) if done.status == Status::Ok => {
                heard.capabilities = done.capabilities().or(heard.capabilities);
                break;
            }
            Response::Tagged(b"g1", refused) => return Err(refusal(&wire, &heard, &refused)),
            other => heard_more(&mut heard, other, &wire, line.clone())?,
        }
    }
    if heard.capabilities.is_none() {
        ask_capabilities(&mut wire, &mut heard).await?;
    }
    let (stream, rest) = wire.into_parts();
    let capabilities = heard.capabilities.unwrap_or_default();
    Ok(ImapSession { stream, rest, capabilities, notices: heard.notices })
}

async fn greeting(wire: &mut Wire<'_, Stream>) -> Result<(), UpstreamError> {
    let line = wire.line().await?;
    match Response::parse(&line) {
        Some(Response::Untagged(greeting)) if greeting.status == Status::Ok => Ok(()),
        Some(Response::Untagged(bye)) if bye.status == Status::Bye => {
            let words = String::from_utf8_lossy(bye.text);
            let code = String::from_utf8_lossy(bye.code.unwrap_or_default());
            Err(match Refusal::read(&code, &words) {
                Some(refusal) => refused(wire, refusal),
                None => wire.closed(&words),
            })
        }
        // PREAUTH would hand out a mailbox that nobody signed on for.
        _ => Err(wire.not_the_protocol()),
    }
}

async fn ask_capabilities(
    wire: &mut Wire<'_, Stream>,
    heard: &mut Heard,
) -> Result<(), UpstreamError> {
    wire.send(b"g2 CAPABILITY\r\n").await?;
    loop {
        let line = wire.line().await?;
        match Response::parse(&line).ok_or_else(|| wire.not_the_protocol())? {
            Response::Tagged(b"g2", _) => return Ok(()),
            other => heard_more(heard, other, wire, line.clone())?,
        }
    }
}

/// Takes in an untagged response.
fn heard_more(
    heard: &mut Heard,
    response: Response<'_>,
    wire: &Wire<'_, Stream>,
    line: Vec<u8>,
) -> Result<(), UpstreamError> {
    match response {
        Response::Capability(capabilities) => heard.capabilities = Some(capabilities),
        Response::Untagged(status) if status.status == Status::Bye => {
            return Err(refusal(wire, heard, &status));
        }
        // Only a greeting can say it; to a client it would be news of another session.
        Response::Untagged(status) if status.status == Status::PreAuth => {
            return Err(wire.not_the_protocol());
        }
        Response::Untagged(status) => {
            heard.capabilities = status.capabilities().or(heard.capabilities.take());
            heard.refusal = read(&status).or(heard.refusal.take());
            if !status.has_code("CAPABILITY") {
                heard.notices.push(line);
            }
        }
        // Untagged data before a mailbox is selected says nothing to anybody.
        Response::Data => {}
        Response::Continuation(_) | Response::Tagged(..) => return Err(wire.not_the_protocol()),
    }
    Ok(())
}

fn read(status: &StatusResponse<'_>) -> Option<Refusal> {
    let code = String::from_utf8_lossy(status.code.unwrap_or_default());
    Refusal::read(&code, &String::from_utf8_lossy(status.text))
}

/// What a final NO, BAD or BYE means, with all that was heard before it.
fn refusal(wire: &Wire<'_, Stream>, heard: &Heard, last: &StatusResponse<'_>) -> UpstreamError {
    let text = String::from_utf8_lossy(last.text);
    tracing::debug!(host = %wire.host(), "the server says: {}", sentence::shown(&text));
    match read(last).or(heard.refusal.clone()) {
        Some(known) => refused(wire, known),
        None if last.status == Status::Bye => wire.closed(&text),
        None if heard.challenged || last.has_code("AUTHENTICATIONFAILED") => {
            UpstreamError::TokenRefused { host: wire.host().to_string() }
        }
        None => refused(wire, Refusal::other(&text)),
    }
}

fn refused(wire: &Wire<'_, Stream>, refusal: Refusal) -> UpstreamError {
    UpstreamError::Refused { host: wire.host().to_string(), refusal }
}
