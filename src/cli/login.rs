//! `gatepost login`: sign in, once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;

use super::mistake::Mistake;
use super::report::{Failure, put, say};
use super::signing_in::{ClientFile, SigningIn, address, pasted_lines};
use super::{keys, log};
use crate::accounts::Address;
use crate::autoconfig::{Place, Places};
use crate::config::{Config, Home};
use crate::secret::LocalPassword;
use crate::sign_in::{Progress, SignedIn};

/// Sign in to Google, once
#[derive(Args)]
#[command(after_help = "Examples:
  gatepost login you@gmail.com --client ~/Downloads/client_secret_….json   the first time
  gatepost login you@gmail.com                                             ever after
  gatepost login scan@example.com --password-stdin < password.txt          a password of your own
  gatepost login you@gmail.com --no-browser                                over SSH

How to get the client file: docs/google-client.md")]
pub(super) struct Login {
    /// The Gmail or Workspace address
    address: String,
    /// The JSON file that Google's console downloads for a client of the type “Desktop app”; it is
    /// kept for every later login
    #[arg(long, value_name = "FILE")]
    client: Option<PathBuf>,
    /// Only show the address to open; the one the browser ends at may be pasted
    #[arg(long)]
    no_browser: bool,
    /// Events as JSON, one a line, on stdout
    #[arg(long)]
    json: bool,
    /// Take the first line of the input as the local password
    #[arg(long)]
    password_stdin: bool,
    /// Replace the local password of an account that is there already
    #[arg(long)]
    new_password: bool,
}

impl Login {
    pub(super) fn run(self, home: &Home) -> Result<ExitCode, Failure> {
        log::start(LevelFilter::ERROR)?;
        let outcome = self.sign_in(home);
        if let (true, Err(failure)) = (self.json, &outcome) {
            put(&failure.event().to_string());
        }
        outcome.map(|()| ExitCode::SUCCESS)
    }

    fn sign_in(&self, home: &Home) -> Result<(), Failure> {
        let address = address(&self.address)?;
        let client = self.client.as_deref().map(ClientFile::read).transpose()?;
        let signing_in = SigningIn::prepare(home, &address, client)?;
        let chosen = self.password_stdin.then(chosen_password).transpose()?;
        let password = signing_in.password(chosen, self.new_password)?;
        let tell = |progress: Progress<'_>| self.tell(&progress);
        // A person gives up by ending the program.
        let never = std::future::pending();
        let outcome = signing_in.go(password, self.new_password, pasted_lines(), &tell, never)?;
        if let Some(outcome) = outcome {
            let (config, running) = (&signing_in.settings.config, outcome.running.as_ref());
            self.report(&address, &outcome.signed_in, config, running);
            signing_in.tie(&outcome);
        }
        Ok(())
    }

    fn tell(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Authorize(url) => {
                if self.json {
                    put(&json!({"event": "authorize", "url": url.as_str()}).to_string());
                }
                let opened = !self.no_browser && open::that_detached(url.as_str()).is_ok();
                if opened {
                    say(
                        "Your browser opens Google's sign-in page. If it does not, open this address in it:",
                    );
                } else {
                    say("Open this address in a browser and sign in:");
                }
                say(&format!("\n  {url}\n"));
                say(
                    "“Google hasn't verified this app” is right for your own client: Advanced › Go to … .",
                );
                if !opened {
                    say(
                        "If that browser is on another machine, its last page can't be shown: copy that page's address (http://127.0.0.1:…) and paste it here.",
                    );
                }
                say("Waiting for you, ten minutes at most …");
            }
            Progress::CameBack => {}
            Progress::TryingAgain(why) => say(&format!("{why} Trying again …")),
            Progress::BadPaste(why) => say(&format!("{why} Still waiting …")),
        }
    }

    fn report(
        &self,
        address: &Address,
        signed_in: &SignedIn,
        config: &Config,
        running: Option<&crate::proxy::Status>,
    ) {
        let places = Places::of(&config.listen, running);
        if self.json {
            let server = |place: &Option<Place>| {
                let Place { host, port, tls } = place.as_ref()?;
                let security = if *tls { "tls" } else { "none" };
                Some(json!({"host": host, "port": port, "security": security}))
            };
            let mut event = json!({
                "event": "signed_in", "address": address.as_str(),
                "password": signed_in.password.as_ref().map(LocalPassword::expose),
                "imap": server(&places.imap), "smtp": server(&places.smtp),
            });
            if signed_in.password.is_none() {
                event["password_unchanged"] = true.into();
            }
            if let Some(life) = signed_in.grant_life {
                event["grant_expires_in"] = life.as_secs().into();
            }
            put(&event.to_string());
        } else {
            say(&format!("Signed in as {address}.\n"));
            let password = match &signed_in.password {
                Some(_) if self.password_stdin => "the one you gave, for both servers".to_owned(),
                Some(password) => format!("{}   (for both servers)", password.expose()),
                None => "as before".to_owned(),
            };
            put("For your mail program:");
            places.rows(address.as_str(), &password).iter().for_each(|row| put(row));
            if signed_in.password.is_some() && !self.password_stdin {
                put(
                    "\nThe password is shown this once. It opens Gatepost on this machine and nothing else.",
                );
            }
            say(&format!("\nStep by step, or as a file: `gatepost settings {address}`"));
            if running.is_none() {
                say("\nNext: `gatepost run`");
            }
        }
        if let Some(life) = signed_in.grant_life {
            say(&format!(
                "\nThis grant ends in {} days: your Google client is in “Testing”. Publish it (Google Auth Platform › Audience › Publish app) and sign in again; see docs/google-client.md.",
                life.as_secs() / 86400
            ));
        }
    }
}

/// The first line of the input.
pub(super) fn chosen_password() -> Result<LocalPassword, Failure> {
    keys::line_of_stdin().map_err(|error| Mistake::PasswordUnreadable(&error).into())
}
