//! One account of the running proxy, looked at from within: for the program's own commands.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::entrance::{Denied, Entrance};
use super::member::{AccountStatus, Member};
use crate::accounts::{NewPassword, NoRandomness, Record};
use crate::protocol::sasl::Credentials;
use crate::secret::LocalPassword;
use crate::token::{AuthorizationServer, TokenUse, Trouble};

/// How long a pass is good for: the longest look, which sends a message and waits for it.
const PASS_LIFE: Duration = Duration::from_secs(300);

/// One account, from within.
pub struct Inside<'s> {
    pub(super) member: Arc<Member>,
    pub(super) entrance: &'s Entrance,
}

/// A local password for the program's own mail client, beside the person's. It opens no slot: it is
/// made only while the account is open, lives in memory, and for five minutes.
pub(super) struct Pass {
    password: LocalPassword,
    until: Instant,
}

/// Why a local password does not open an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnlockTrouble {
    /// It is another account's, or mistyped.
    Wrong,
    /// It can't be tried; a sentence and a remedy.
    Trouble(String, String),
}

impl Pass {
    pub(super) fn is(&self, password: &LocalPassword) -> bool {
        self.is_good() && self.password == *password
    }

    pub(super) fn is_good(&self) -> bool {
        Instant::now() < self.until
    }
}

impl Inside<'_> {
    /// What `status` shows of it.
    pub fn status(&self) -> AccountStatus {
        self.member.status()
    }

    /// Its record.
    pub fn record(&self) -> Arc<Record> {
        self.member.account.record()
    }

    /// True until something opened it.
    pub fn is_locked(&self) -> bool {
        self.member.account.is_locked()
    }

    /// Opens it with its local password, as a mail client's sign-on does.
    pub async fn unlock(&self, password: LocalPassword) -> Result<(), UnlockTrouble> {
        let user = self.member.account.address().to_string();
        match self.entrance.admit(Credentials { user, password }, Ipv4Addr::LOCALHOST.into()).await
        {
            Ok(_) => Ok(()),
            Err(Denied::Wrong) => Err(UnlockTrouble::Wrong),
            Err(Denied::Trouble(trouble)) => {
                Err(UnlockTrouble::Trouble(trouble.sentence, trouble.remedy))
            }
        }
    }

    /// An access token, asked for anew if the last request failed. `refused` is the version of one
    /// that the provider didn't take.
    pub async fn token(
        &self,
        server: &Arc<AuthorizationServer>,
        refused: Option<u64>,
    ) -> Result<TokenUse, Trouble> {
        self.member.tokens().reconsider();
        let token = self.member.tokens().token(server, refused).await;
        self.member.note_token();
        token
    }

    /// A local password for the program's own mail client, good for five minutes. `None` while the
    /// account is locked.
    pub fn pass(&self) -> Result<Option<LocalPassword>, NoRandomness> {
        if self.is_locked() {
            return Ok(None);
        }
        let password = NewPassword::generate()?.password().clone();
        let until = Instant::now() + PASS_LIFE;
        self.member.give_pass(Pass { password: password.clone(), until });
        Ok(Some(password))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pass_is_good_for_five_minutes_and_for_itself_alone() {
        let password = LocalPassword::new("pass");
        let pass = Pass { password: password.clone(), until: Instant::now() + PASS_LIFE };
        assert!(pass.is(&password));
        assert!(!pass.is(&LocalPassword::new("")) && !pass.is(&LocalPassword::new("pas")));
        tokio::time::advance(PASS_LIFE - Duration::from_secs(1)).await;
        assert!(pass.is(&password));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!pass.is(&password));
    }
}
