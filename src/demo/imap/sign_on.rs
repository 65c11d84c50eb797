//! AUTHENTICATE, and LOGIN, which Gmail refuses.

use std::{io, sync::atomic::Ordering};

use tokio::time::Instant;

use super::{
    Refusal,
    parse::Cursor,
    session::{Session, User},
};
use crate::demo::{
    control::Counted,
    sasl::{self, Mechanism},
    sync::lock,
    wire::Stream,
};

const INVALID_CREDENTIALS: &str = "[AUTHENTICATIONFAILED] Invalid credentials (Failure)";

const TOO_MANY: &str = "NO [ALERT] Too many simultaneous connections. (Failure)";

impl<S: Stream> Session<'_, S> {
    pub(super) async fn authenticate(
        &mut self,
        tag: &str,
        cursor: &mut Cursor<'_>,
    ) -> io::Result<()> {
        if self.user.is_some() {
            return self
                .send(&format!("{tag} BAD Already authenticated {}", self.id))
                .await;
        }
        let name = if cursor.eat(b' ') {
            cursor.keyword().unwrap_or_default()
        } else {
            String::new()
        };
        let initial = cursor.eat(b' ').then(|| cursor.rest().to_vec());
        let Some(mechanism) = Mechanism::named(&name) else {
            // A password never does at Gmail; whether the mechanism is known makes no difference.
            let line = format!("{tag} NO {INVALID_CREDENTIALS}");
            return self.send(&line).await;
        };
        let response = match initial {
            // RFC 4959 §3: an empty initial response.
            Some(initial) if initial == b"=" => Vec::new(),
            Some(initial) => initial,
            None => {
                self.send("+ ").await?;
                let Some(response) = self.line().await? else {
                    return Ok(());
                };
                let text = sasl::shown(&name, &response);
                self.shared.records.line(self.number, text.as_bytes());
                response
            }
        };
        if response == b"*" {
            return self
                .send(&format!("{tag} BAD Authentication cancelled {}", self.id))
                .await;
        }
        let Some(claim) = sasl::decode(mechanism, &response) else {
            let line = format!("{tag} BAD Invalid SASL argument. {}", self.id);
            return self.send(&line).await;
        };
        match sasl::check(&claim, &self.shared.authorization) {
            Some(email) => self.sign_on(tag, email, &claim.token).await,
            None => self.challenge(tag).await,
        }
    }

    /// What LOGIN is answered with, whatever the password.
    pub(super) fn login(&self) -> Refusal {
        Refusal::No(INVALID_CREDENTIALS.to_owned())
    }

    async fn challenge(&mut self, tag: &str) -> io::Result<()> {
        self.send(&format!("+ {}", sasl::error_challenge())).await?;
        let Some(answer) = self.line().await? else {
            return Ok(());
        };
        self.shared.records.line(self.number, &answer);
        self.send(&format!("{tag} NO {INVALID_CREDENTIALS}")).await
    }

    async fn sign_on(&mut self, tag: &str, email: String, token: &str) -> io::Result<()> {
        let (refusal, limit, ends_with_token) = {
            let mut settings = lock(&self.shared.settings);
            let refusal = settings.refusals.take();
            (
                refusal,
                settings.connection_limit,
                settings.sessions_end_with_token,
            )
        };
        let live = Counted::one(&self.shared.live_sessions);
        let crowded =
            limit.is_some_and(|limit| self.shared.live_sessions.load(Ordering::SeqCst) > limit);
        if let Some(text) = refusal.or_else(|| crowded.then(|| TOO_MANY.to_owned())) {
            drop(live);
            return self.refuse(tag, &text).await;
        }
        let left = self
            .shared
            .authorization
            .live_for(token)
            .map(|(_, left)| left);
        let ends = left
            .filter(|_| ends_with_token)
            .map(|left| Instant::now() + left);
        self.shared.mailboxes.add_user(&email);
        self.shared.sign_ons.fetch_add(1, Ordering::SeqCst);
        self.shared.records.signed_on(self.number, &email);
        let capabilities = self.shared.capabilities(true);
        self.user = Some(User {
            email: email.clone(),
            ends,
            _live: live,
        });
        let answer =
            format!("* CAPABILITY {capabilities}\r\n{tag} OK {email} authenticated (Success)");
        self.send(&answer).await
    }

    async fn refuse(&mut self, tag: &str, text: &str) -> io::Result<()> {
        for line in text.lines() {
            self.leaving = line.starts_with("* ");
            if self.leaving {
                self.send(line).await?;
            } else {
                self.send(&format!("{tag} {line}")).await?;
            }
        }
        Ok(())
    }
}
