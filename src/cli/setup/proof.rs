//! The fourth step: the whole way, as a mail program goes it.

use super::Walk;
use super::ask::{Halt, Step, choose, note, secret, tell};
use super::client::Client;
use crate::accounts::{Address, Store};
use crate::cli::report::{Failure, say};
use crate::cli::terminal::Mark;
use crate::cli::{check, keys, running};
use crate::config::Config;
use crate::secret::LocalPassword;
use crate::settings::SettingsError;

#[derive(Clone, Copy)]
enum Answer {
    Send,
    Read,
    SignIn,
    Later,
}

impl Walk<'_> {
    /// False if it was tried and something is wrong.
    pub(super) fn proof(&mut self, address: &Address) -> Step<bool> {
        if !self.signed_in {
            note(Mark::LeftOut, "It needs the sign-in.");
            return Ok(true);
        }
        if self.setup.no_proof {
            note(Mark::LeftOut, "Not now, as you asked.");
            return Ok(self.proof_later(address, true));
        }
        if !self.person {
            return Ok(check::prove(self.home, address, self.known_password(), self.setup.send)?);
        }
        say("Gatepost now goes the whole way as your mail program will.\n");
        let (mut send, mut replace) = (true, false);
        let mut answer = match self.setup.send {
            true => Answer::Send,
            false => choose(
                "What shall it try?",
                vec![
                    ("Read mail, and send one to myself".to_owned(), Answer::Send),
                    ("Only read".to_owned(), Answer::Read),
                    ("Leave this for later".to_owned(), Answer::Later),
                ],
                0,
            )?,
        };
        if matches!(answer, Answer::Send | Answer::Read) && !self.can_open(address)? {
            let answers = vec![
                ("It is lost: sign in at Google again, and get another".to_owned(), Answer::SignIn),
                ("Leave the proof for later".to_owned(), Answer::Later),
            ];
            say("");
            send = matches!(answer, Answer::Send);
            answer = choose("No local password?", answers, 0)?;
            replace = true;
        }
        loop {
            let can_try = match answer {
                Answer::Later => return Ok(self.proof_later(address, true)),
                Answer::SignIn => self.sign_in_anew(address, replace)?,
                Answer::Send | Answer::Read => {
                    send = matches!(answer, Answer::Send);
                    true
                }
            };
            if can_try && check::prove(self.home, address, self.known_password(), send)? {
                return Ok(true);
            }
            // A sign-in that failed has made no other password yet.
            replace &= self.known_password().is_none();
            say("");
            let again = if send { Answer::Send } else { Answer::Read };
            let answers = vec![
                ("Try it again".to_owned(), again),
                ("Sign in at Google again".to_owned(), Answer::SignIn),
                ("Go on without".to_owned(), Answer::Later),
            ];
            answer = choose("What next?", answers, 0)?;
            if matches!(answer, Answer::Later) {
                return Ok(self.proof_later(address, false));
            }
        }
    }

    /// Whether the account can be opened; where nothing else does, the local password is asked for.
    fn can_open(&mut self, address: &Address) -> Step<bool> {
        if self.known_password().is_some() || self.is_open(address) {
            return Ok(true);
        }
        let record = Store::new(self.home.accounts()).load(address).map_err(Failure::from)?;
        let Some(record) = record else { return Ok(false) };
        let config =
            Config::of(self.home).map_err(|error| Failure::from(SettingsError::from(error)))?;
        if keys::open(&record, &config).is_some() {
            return Ok(true);
        }
        let is_wrong = move |typed: &str| {
            let opens = record.unlock_with_password(&LocalPassword::new(typed)).is_ok();
            (!opens && !typed.is_empty())
                .then(|| "This is not the local password of this account.".to_owned())
        };
        let help = "Setup and `gatepost login` showed it. Only Enter: I don't have it. Esc leaves.";
        let typed = secret("Your local password:", help, is_wrong)?;
        self.typed = Some(typed).filter(|password| !password.is_empty());
        Ok(self.typed.is_some())
    }

    /// A Gatepost that runs has opened it already.
    fn is_open(&self, address: &Address) -> bool {
        let Some(status) = running::status(self.home) else { return false };
        let is_it = |typed: &str| Address::parse(typed).is_ok_and(|known| known == *address);
        status.accounts.iter().any(|known| is_it(&known.address) && known.state != "locked")
    }

    /// False if it failed.
    fn sign_in_anew(&mut self, address: &Address, mut replace: bool) -> Step<bool> {
        loop {
            match self.sign_in(address, &Client::Kept, replace) {
                Ok(true) => return Ok(true),
                // Published, they say: the next consent lasts, and its password is the one just shown.
                Ok(false) => replace = false,
                Err(Halt::Failed(failure)) => {
                    tell(&failure);
                    return Ok(false);
                }
                Err(left) => return Err(left),
            }
        }
    }

    fn proof_later(&mut self, address: &Address, is_well: bool) -> bool {
        self.left_out.push(format!("The proof: `gatepost check {address}`."));
        is_well
    }
}
