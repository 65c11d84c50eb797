//! `gatepost password`: renew the local password.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;

use super::mistake::Mistake;
use super::report::{Failure, put, say};
use super::terminal::{Look, UnderWay};
use super::{keys, log, record_of};
use crate::accounts::{Address, NewPassword, PrivateKey, Record, Store, StoreError};
use crate::config::{Config, Home};
use crate::secret::LocalPassword;
use crate::settings::SettingsError;

/// What is told while the new password is made fit to be kept, which is slow by design.
pub(super) const RENEWING: &str = "The account gets its new password";

/// Renew the local password of an account
#[derive(Args)]
#[command(after_help = "\
The key file or the system's keychain opens the account; where neither does, the
old password is asked for. With --password-stdin the first line of the input is
the new password, and the second the old one; it is read only where it is needed.

Examples:
  gatepost password you@gmail.com --new                             a random one, shown once
  gatepost password you@gmail.com --new --password-stdin < new.txt  one of your own

Lost, and nothing opens the account? Sign in again: gatepost login you@gmail.com --new-password")]
pub(super) struct Password {
    /// The address
    address: String,
    /// Make a new one; the old one no longer opens the account
    #[arg(long)]
    new: bool,
    /// Take the first line of the input as the new password, and the second as the old one where it is
    /// needed
    #[arg(long)]
    password_stdin: bool,
    /// The outcome as JSON, one object on stdout
    #[arg(long)]
    json: bool,
}

impl Password {
    pub(super) fn run(self, home: &Home) -> Result<ExitCode, Failure> {
        log::start(LevelFilter::ERROR)?;
        let outcome = self.renew(home);
        if let (true, Err(failure)) = (self.json, &outcome) {
            put(&failure.event().to_string());
        }
        outcome.map(|()| ExitCode::SUCCESS)
    }

    fn renew(&self, home: &Home) -> Result<(), Failure> {
        let typed = &self.address;
        if !self.new {
            return Err(Mistake::PasswordIsNotKept { address: typed }.into());
        }
        let store = Store::new(home.accounts());
        let record = record_of(&store, typed)?;
        let config = Config::of(home).map_err(SettingsError::from)?;
        let new = self.new_password()?;
        let key = match keys::open(&record, &config) {
            Some(key) => key,
            None => self.open_with_old(&record)?,
        };
        let sign = UnderWay::begin(RENEWING);
        // Read again under the lock: a sign-in or a rotated token may have come meanwhile.
        let changed = store.update(record.address(), |record| {
            let Some(mut record) = record else { return Ok(None) };
            record.set_password(&key, &new)?;
            Ok::<_, StoreError>(Some(record))
        })?;
        drop(sign);
        changed.ok_or(Mistake::NoAccount { typed })?;
        self.report(record.address(), new.password());
        Ok(())
    }

    fn new_password(&self) -> Result<NewPassword, Failure> {
        if !self.password_stdin {
            return Ok(NewPassword::generate().map_err(Mistake::PasswordNotMade)?);
        }
        let typed = keys::line_of_stdin().map_err(|error| unreadable(&error))?;
        Ok(NewPassword::chosen(typed).map_err(Mistake::PasswordUnfit)?)
    }

    fn open_with_old(&self, record: &Record) -> Result<PrivateKey, Failure> {
        let address = record.address().as_str();
        let old = self.old_password(address)?;
        let _sign = UnderWay::begin(keys::DERIVING);
        record.unlock_with_password(&old).map_err(|_| Mistake::OldPasswordWrong { address }.into())
    }

    fn old_password(&self, address: &str) -> Result<LocalPassword, Failure> {
        if self.password_stdin {
            let old = keys::line_of_stdin().map_err(|error| unreadable(&error))?;
            if old.is_empty() {
                return Err(Mistake::OldPasswordMissing { address }.into());
            }
            return Ok(old);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Mistake::OldPasswordUnasked { address }.into());
        }
        let old = rpassword::prompt_password("Old local password: ");
        old.map(LocalPassword::new).map_err(|error| unreadable(&error))
    }

    fn report(&self, address: &Address, new: &LocalPassword) {
        if self.json {
            let (event, password) = ("password_renewed", new.expose());
            let event = json!({"event": event, "address": address.as_str(), "password": password});
            return put(&event.to_string());
        }
        say(&format!("{address} has a new local password; the old one no longer opens it."));
        if self.password_stdin {
            return;
        }
        put(&format!("  {:<18}{}", "Password", Look::of_stdout().strong(new.expose())));
        say("It is shown this once. Mail programs that are connected stay so; enter it in each.");
    }
}

fn unreadable(error: &std::io::Error) -> Failure {
    Mistake::PasswordUnreadable(error).into()
}
