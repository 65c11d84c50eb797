//! Signing on at a submission server with XOAUTH2 (RFC 4954, RFC 3207, and Google's page on it).

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::ClientConfig;

use super::Stream;
use super::connect::{Socket, connect, connect_tls, handshake};
use super::error::{Refusal, UpstreamError};
use super::wire::Wire;
use crate::config::{Host, Security};
use crate::protocol::sasl;
use crate::protocol::smtp::{Extensions, Reply, ReplyReader};
use crate::secret::AccessToken;
use crate::sentence;

/// A connection that has said hello, and waits for a sign-on.
pub struct SmtpGreeted {
    stream: Stream,
    host: Host,
    /// What the server can do, as it says.
    pub extensions: Extensions,
}

/// How far things were when the server refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has not proved to be the provider's: it speaks for nobody's limits.
    InTheClear,
    Secure,
    TokenSent,
    /// The token was challenged, which is how one is refused.
    Challenged,
}

/// A connection that is signed on.
pub struct SmtpSession {
    /// The connection.
    pub stream: Stream,
    /// What the server sent behind its sign-on; it belongs to the mail client.
    pub rest: Vec<u8>,
}

/// Connects, secures the connection, and says hello.
pub(super) async fn greet(
    host: &Host,
    tls: &Arc<ClientConfig>,
    client_name: &str,
) -> Result<SmtpGreeted, UpstreamError> {
    let hello = format!("EHLO {client_name}\r\n");
    let stream = match host.security {
        Security::Tls => {
            let mut wire = Wire::new(connect_tls(host, tls).await?, host, "SMTP");
            expect(&mut wire, 220, Stage::Secure).await?;
            in_turn(&wire)?;
            return greeted(wire, &hello).await;
        }
        Security::StartTls => begin_tls(host, &hello).await?,
    };
    let secured = handshake(stream, host, tls).await?;
    greeted(Wire::new(secured, host, "SMTP"), &hello).await
}

/// Connects, and asks for TLS; what the server sends next is its part of the handshake.
pub(super) async fn begin_tls(host: &Host, hello: &str) -> Result<Socket, UpstreamError> {
    let mut wire = Wire::new(connect(host).await?, host, "SMTP");
    expect(&mut wire, 220, Stage::InTheClear).await?;
    in_turn(&wire)?;
    wire.send(hello.as_bytes()).await?;
    let plain = expect(&mut wire, 250, Stage::InTheClear).await?;
    if !extensions(&plain).has("STARTTLS") {
        let reason = "it does not offer STARTTLS".to_owned();
        return Err(UpstreamError::Tls { host: host.to_string(), reason });
    }
    in_turn(&wire)?;
    wire.send(b"STARTTLS\r\n").await?;
    expect(&mut wire, 220, Stage::InTheClear).await?;
    // Whatever stands here was sent in the clear and would be read as if it were not.
    in_turn(&wire)?;
    Ok(wire.into_parts().0)
}

async fn greeted(mut wire: Wire<'_, Stream>, hello: &str) -> Result<SmtpGreeted, UpstreamError> {
    wire.send(hello.as_bytes()).await?;
    let reply = expect(&mut wire, 250, Stage::Secure).await?;
    in_turn(&wire)?;
    let host = wire.host().clone();
    Ok(SmtpGreeted { stream: wire.into_parts().0, host, extensions: extensions(&reply) })
}

impl SmtpGreeted {
    /// Signs on as `name`.
    ///
    /// In two steps: with an initial response the line would be longer than the 512 bytes that
    /// RFC 5321 §4.5.3.1.4 grants a command (RFC 4954 §4 forbids it then).
    pub async fn sign_on(
        self,
        name: &str,
        token: &AccessToken,
    ) -> Result<SmtpSession, UpstreamError> {
        let mut wire = Wire::new(self.stream, &self.host, "SMTP");
        wire.send(b"AUTH XOAUTH2\r\n").await?;
        let mut reply = reply(&mut wire).await?;
        let mut stage = Stage::Secure;
        if reply.code == 334 {
            in_turn(&wire)?;
            stage = Stage::TokenSent;
            let mut response = zeroize::Zeroizing::new(String::with_capacity(4096));
            response.push_str(&sasl::xoauth2(name, token));
            response.push_str("\r\n");
            wire.send_token(response.as_bytes(), "<SASL response>", token).await?;
            reply = self::reply(&mut wire).await?;
            if reply.code == 334 {
                stage = Stage::Challenged;
                // The error's JSON; its answer is an empty line.
                wire.send(b"\r\n").await?;
                reply = self::reply(&mut wire).await?;
            }
        }
        if reply.code == 235 {
            // Nobody is signed on without having said who they are, or by a token that was challenged.
            if stage != Stage::TokenSent {
                return Err(wire.not_the_protocol());
            }
            let (stream, rest) = wire.into_parts();
            return Ok(SmtpSession { stream, rest });
        }
        tracing::debug!(host = %self.host, code = reply.code, "the server says: {}", sentence::shown(&reply.text()));
        Err(refusal(&wire, &reply, stage))
    }
}

/// What a reply other than the wanted one means.
fn refusal<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &Wire<'_, S>,
    reply: &Reply,
    stage: Stage,
) -> UpstreamError {
    let host = wire.host().to_string();
    let text = reply.text();
    if stage != Stage::InTheClear
        && let Some(refusal) = Refusal::read("", &text)
    {
        return UpstreamError::Refused { host, refusal };
    }
    match reply.code {
        421 => wire.closed(&text),
        535 if matches!(stage, Stage::TokenSent | Stage::Challenged) => {
            UpstreamError::TokenRefused { host }
        }
        400..500 => {
            UpstreamError::Refused { host, refusal: Refusal::Temporary(sentence::shown(&text)) }
        }
        _ if stage == Stage::Challenged => UpstreamError::TokenRefused { host },
        _ => UpstreamError::Refused { host, refusal: Refusal::other(&text) },
    }
}

/// The list in a reply to EHLO. Clients are told it before they have signed on, and for minutes: what
/// is not of RFC 5321 §4.1.1.1's printable ASCII could be a line of its own to one of them.
fn extensions(reply: &Reply) -> Extensions {
    let listed = reply.lines.iter().skip(1).map(String::as_str);
    Extensions::new(listed.filter(|line| line.bytes().all(|byte| (b' '..=b'~').contains(&byte))))
}

/// A reply to what was not said yet is made up.
fn in_turn<S: AsyncRead + AsyncWrite + Unpin>(wire: &Wire<'_, S>) -> Result<(), UpstreamError> {
    if wire.has_more() { Err(wire.not_the_protocol()) } else { Ok(()) }
}

async fn expect<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<'_, S>,
    code: u16,
    stage: Stage,
) -> Result<Reply, UpstreamError> {
    let reply = reply(wire).await?;
    if reply.code == code { Ok(reply) } else { Err(refusal(wire, &reply, stage)) }
}

async fn reply<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<'_, S>,
) -> Result<Reply, UpstreamError> {
    let mut reader = ReplyReader::default();
    loop {
        let line = wire.line().await?;
        match reader.line(&line) {
            Ok(Some(reply)) => return Ok(reply),
            Ok(None) => {}
            Err(_) => return Err(wire.not_the_protocol()),
        }
    }
}
