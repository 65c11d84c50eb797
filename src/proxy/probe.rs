//! Whether an account could sign on at the provider, for those who watch over the proxy. No mail client
//! waits here: nothing is asked of the provider that a pause or the budget of connections forbids.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::backoff::Leave;
use super::inside::Inside;
use super::trouble::Protocol;
use crate::settings::Settings;
use crate::token::{self, TokenState, TokenUse};
use crate::upstream::UpstreamError;

/// How long a probe waits for a connection that mail clients have taken: one that has just ended
/// gives its place back within it.
const PLACE: Duration = Duration::from_secs(3);
/// How long the goodbye to a server may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why an account can't sign on now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeTrouble {
    /// There is no OAuth client to renew its tokens with.
    NoClient,
    /// It has no token.
    Token(token::Trouble),
    /// The provider's mail server can't be used, or was not asked because it has refused lately.
    Upstream(UpstreamError),
    /// Mail clients use all of its connections, this many.
    NoConnectionLeft(usize),
    /// The server did not answer in time.
    NoAnswer,
}

impl Inside<'_> {
    /// A token that is good now: the one there is, or one that is asked for unless a pause forbids it.
    /// It does not count as use of the account.
    pub async fn live_token(&self) -> Result<TokenUse, ProbeTrouble> {
        let token = self.token_instead_of(&self.entrance.settings(), None).await?;
        // One that is not at its end yet, of a grant that is.
        match self.member.tokens().show() {
            TokenState::NeedsSignIn(cause) => {
                Err(ProbeTrouble::Token(token::Trouble::Cause(cause)))
            }
            _ => Ok(token),
        }
    }

    /// Signs on at the provider's IMAP server, and leaves.
    pub async fn try_imap(&self) -> Result<(), ProbeTrouble> {
        let place = self.member.place(Instant::now() + PLACE).await;
        let limit = || self.status().connections.limit.unwrap_or_default();
        let _place = place.map_err(|_| ProbeTrouble::NoConnectionLeft(limit()))?;
        self.try_sign_on(Protocol::Imap).await
    }

    /// Signs on at the provider's submission server, and leaves.
    pub async fn try_smtp(&self) -> Result<(), ProbeTrouble> {
        self.try_sign_on(Protocol::Smtp).await
    }

    /// What stands against the account since a sign-on failed, a sentence and a remedy; `None` once one
    /// has gone right.
    pub fn trouble(&self) -> Option<(String, String)> {
        self.member.standing().map(|trouble| (trouble.sentence, trouble.remedy))
    }

    /// Whatever stood against the account is over: it has signed on everywhere.
    pub fn mended(&self) {
        for protocol in [Protocol::Imap, Protocol::Smtp] {
            self.member.note(protocol, None);
        }
    }

    async fn try_sign_on(&self, protocol: Protocol) -> Result<(), ProbeTrouble> {
        let settings = self.entrance.settings();
        let leave = self.leave(protocol, &settings).await?;
        let name = self.record().sign_in_name().to_owned();
        let token = self.token_instead_of(&settings, None).await?;
        let mut tried = sign_on(protocol, &settings, &name, &token).await;
        // One that looked alive is replaced once, as for a mail client.
        if let Err(UpstreamError::TokenRefused { .. }) = tried {
            let token = self.token_instead_of(&settings, Some(token.version)).await?;
            tried = sign_on(protocol, &settings, &name, &token).await;
        }
        match tried {
            Ok(()) => {
                leave.granted();
                Ok(())
            }
            Err(error) => {
                leave.heard(&error);
                Err(ProbeTrouble::Upstream(error))
            }
        }
    }

    /// Leave to ask now; else what the provider has said lately.
    async fn leave(
        &self,
        protocol: Protocol,
        settings: &Settings,
    ) -> Result<Leave<'_>, ProbeTrouble> {
        let backoff = self.member.backoff(protocol);
        backoff.leave(Instant::now()).await.map_err(|_| match backoff.refusal() {
            Some(refusal) => {
                let host = match protocol {
                    Protocol::Imap => settings.provider.imap.to_string(),
                    Protocol::Smtp => settings.provider.smtp.to_string(),
                };
                ProbeTrouble::Upstream(UpstreamError::Refused { host, refusal })
            }
            // It has let somebody in meanwhile: the next probe will tell.
            None => ProbeTrouble::NoAnswer,
        })
    }

    async fn token_instead_of(
        &self,
        settings: &Settings,
        refused: Option<u64>,
    ) -> Result<TokenUse, ProbeTrouble> {
        let server = settings.server.as_ref().ok_or(ProbeTrouble::NoClient)?;
        let tokens: &Arc<_> = self.member.tokens();
        let token = tokens.token(server, refused).await;
        self.member.note_token();
        token.map_err(ProbeTrouble::Token)
    }
}

/// One connection, signed on and left again.
async fn sign_on(
    protocol: Protocol,
    settings: &Settings,
    name: &str,
    TokenUse { token, .. }: &TokenUse,
) -> Result<(), UpstreamError> {
    match protocol {
        Protocol::Imap => {
            let session = settings.upstream.imap(name, token).await?;
            leave_server(session.stream, b"bye LOGOUT\r\n").await;
        }
        Protocol::Smtp => {
            let greeted = settings.upstream.smtp("localhost").await?;
            let session = greeted.sign_on(name, token).await?;
            leave_server(session.stream, b"QUIT\r\n").await;
        }
    }
    Ok(())
}

/// Says goodbye; a server that doesn't hear it notices the end of the connection.
async fn leave_server(mut stream: impl AsyncWrite + Unpin, words: &[u8]) {
    let goodbye = async {
        stream.write_all(words).await?;
        stream.shutdown().await
    };
    let _ = timeout(GOODBYE, goodbye).await;
}
