//! `gatepost logout`: end the grant, forget the account.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;
use tracing_subscriber::filter::LevelFilter;

use super::mistake::Mistake;
use super::report::{Failure, say};
use super::terminal::UnderWay;
use super::{block_on, keys, log, record_of};
use crate::accounts::{Grant, Record, Store};
use crate::config::{Config, Home};
use crate::control::{Answer, Request, Running};
use crate::secret::LocalPassword;
use crate::settings::{Settings, SettingsError};
use crate::sign_in::SignInError;

/// What is told while Google is asked.
pub(super) const REVOKING: &str = "Google is asked to end the grant";

/// End the grant at Google and forget the account
#[derive(Args)]
#[command(after_help = "Examples:
  gatepost logout you@gmail.com                 Google ends the grant, on every machine
  gatepost logout you@gmail.com --keep-grant    forget it on this machine only")]
pub(super) struct Logout {
    /// The address
    address: String,
    /// Only forget the account here
    #[arg(long)]
    keep_grant: bool,
    /// Take the first line of the input as the local password, which opens the grant
    #[arg(long)]
    password_stdin: bool,
}

impl Logout {
    pub(super) fn run(self, home: &Home) -> Result<ExitCode, Failure> {
        log::start(LevelFilter::ERROR)?;
        let store = Store::new(home.accounts());
        let record = record_of(&store, &self.address)?;
        let address = record.address().clone();
        let config = Config::of(home).map_err(SettingsError::from)?;
        if !self.keep_grant {
            self.end_grant(home, &record)?;
            say(
                "Google has ended the grant, on every machine that used this Google client with this account.",
            );
        }
        store.remove(&address)?;
        keys::untie(&record, &config);
        if let Ok(running) = Running::find(home) {
            // It drops the account at its next sign-on in any case.
            let _ = block_on(async { Ok(running.ask(Request::Reload).await?) });
        }
        say(&format!("{address} is forgotten here."));
        if self.keep_grant {
            say("The grant lives on; end it at https://myaccount.google.com/connections.");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn end_grant(&self, home: &Home, record: &Record) -> Result<(), Failure> {
        let address = record.address().as_str();
        if let Ok(running) = Running::find(home) {
            let _sign = UnderWay::begin(REVOKING);
            match block_on(async { Ok(running.ask(Request::Revoke(address.to_owned())).await?) })? {
                Answer::Done => return Ok(()),
                Answer::Failed(why) => return Err(Mistake::GrantNotEnded { why: &why }.into()),
                _ => {}
            }
        }
        let settings = Settings::load(home, None)?;
        let server = settings.server.clone().ok_or_else(|| {
            Failure::usage(SignInError::NoClient.to_string(), SignInError::NoClient.remedy(address))
        })?;
        let grant = self.open(record, &settings)?;
        let _sign = UnderWay::begin(REVOKING);
        block_on(async {
            let revoked = server.revoke(&grant.refresh_token).await;
            revoked.map_err(|cause| Mistake::GrantNotEnded { why: &cause.sentence() }.into())
        })
    }

    /// Opens the grant: with the key file or the keychain, else with the local password.
    fn open(&self, record: &Record, settings: &Settings) -> Result<Grant, Failure> {
        let key = match keys::open(record, &settings.config) {
            Some(key) => key,
            None => {
                let password = self.password()?;
                let _sign = UnderWay::begin(keys::DERIVING);
                record
                    .unlock_with_password(&password)
                    .map_err(|_| Failure::from(Mistake::GrantPasswordWrong))?
            }
        };
        record.open(&key).map_err(|error| Mistake::GrantUnopened(&error).into())
    }

    fn password(&self) -> Result<LocalPassword, Failure> {
        let fail = |error: std::io::Error| Mistake::PasswordUnreadable(&error).into();
        if self.password_stdin {
            return keys::line_of_stdin().map_err(fail);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Mistake::GrantLocked.into());
        }
        say("The local password opens the grant, so that Google can be told which one to end.");
        rpassword::prompt_password("Local password: ").map(LocalPassword::new).map_err(fail)
    }
}
