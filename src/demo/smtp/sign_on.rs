//! AUTH (RFC 4954) as Gmail answers it.

use std::{io, sync::atomic::Ordering};

use super::{
    Stage,
    session::{Next, Session},
};
use crate::demo::{
    control::Counted,
    sasl::{self, Mechanism},
    wire::Stream,
};

const BAD_CREDENTIALS: &str = "535-5.7.8 Username and Password not accepted. For more \
    information, go to\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials";

/// "Username:" and "Password:" in base64, as AUTH LOGIN asks.
const LOGIN_CHALLENGES: [&str; 2] = ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"];

impl<S: Stream> Session<'_, S> {
    pub(super) async fn auth(&mut self, rest: &str) -> io::Result<Next> {
        if self.user.is_some() {
            return self.reply("503 5.7.0 No identity changes permitted.").await;
        }
        let mut words = rest.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let initial = words.next().map(|word| word.as_bytes().to_vec());
        match (Mechanism::named(name), name.to_ascii_uppercase().as_str()) {
            (Some(mechanism), _) => self.bearer(mechanism, name, initial).await,
            // A password never does at Gmail.
            (None, "PLAIN") => self.passwords(&[""], initial).await,
            (None, "LOGIN") => self.passwords(&LOGIN_CHALLENGES, initial).await,
            _ => {
                self.reply("504 5.7.4 Unrecognized Authentication Type")
                    .await
            }
        }
    }

    async fn bearer(
        &mut self,
        mechanism: Mechanism,
        name: &str,
        initial: Option<Vec<u8>>,
    ) -> io::Result<Next> {
        let response = match initial {
            // RFC 4954 §4: an empty initial response.
            Some(initial) if initial == b"=" => Vec::new(),
            Some(initial) => initial,
            None => match self.ask("", Some(name)).await? {
                Some(response) => response,
                None => return Ok(Next::Close),
            },
        };
        if response == b"*" {
            return self.reply("501 5.7.0 Authentication canceled.").await;
        }
        let Some(claim) = sasl::decode(mechanism, &response) else {
            return self.reply("501 5.5.2 Cannot Decode response.").await;
        };
        let Some(email) = sasl::check(&claim, &self.shared.authorization) else {
            if self.ask(&sasl::error_challenge(), None).await?.is_none() {
                return Ok(Next::Close);
            }
            return self.reply(BAD_CREDENTIALS).await;
        };
        if let Some(refusal) = self.shared.refusal(Stage::SignOn) {
            return self.refuse(&refusal).await;
        }
        self.shared.mailboxes.add_user(&email);
        self.shared.sign_ons.fetch_add(1, Ordering::SeqCst);
        self.shared.records.signed_on(self.number, &email);
        self.user = Some((email, Counted::one(&self.shared.live_sessions)));
        self.send("235 2.7.0 Accepted").await?;
        Ok(Next::Command)
    }

    async fn passwords(
        &mut self,
        challenges: &[&str],
        initial: Option<Vec<u8>>,
    ) -> io::Result<Next> {
        for challenge in &challenges[usize::from(initial.is_some())..] {
            match self.ask(challenge, Some("")).await? {
                None => return Ok(Next::Close),
                Some(response) if response == b"*" => {
                    return self.reply("501 5.7.0 Authentication canceled.").await;
                }
                Some(_) => {}
            }
        }
        self.reply(BAD_CREDENTIALS).await
    }

    /// A challenge and the response to it; `hide`: the mechanism whose response the records must
    /// not show.
    async fn ask(&mut self, challenge: &str, hide: Option<&str>) -> io::Result<Option<Vec<u8>>> {
        self.send(&format!("334 {challenge}")).await?;
        let Some(response) = self.line().await? else {
            return Ok(None);
        };
        let shown = match hide {
            Some(mechanism) => sasl::shown(mechanism, &response).into_bytes(),
            None => response.clone(),
        };
        self.shared.records.line(self.number, &shown);
        Ok(Some(response))
    }
}
