//! `gatepost login`: sign in, once.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use clap::Args;
use serde_json::json;
use tokio::sync::mpsc;
use tracing_subscriber::filter::LevelFilter;

use super::mistake::Mistake;
use super::report::{Failure, put, say};
use super::settings::{Place, Places};
use super::terminal::UnderWay;
use super::{block_on, keys, log};
use crate::accounts::{Address, NewPassword, Record, Store};
use crate::config::{Config, Home, OauthClient};
use crate::control::{Answer, Request as Ask, Running};
use crate::private_file;
use crate::secret::LocalPassword;
use crate::settings::Settings;
use crate::sign_in::{Progress, Request, SignInError, SignedIn, sign_in};

/// What is told once the browser has come back.
pub(super) const PROVING: &str = "Google gives its grant, and your mailbox is opened with it";

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
        let address = Address::parse(&self.address).map_err(|error| {
            Failure::from(Mistake::NoAddress { typed: &self.address, why: error })
        })?;
        let client = self.client.as_deref().map(read_client).transpose()?;
        let settings = Settings::load(home, client.as_ref().map(|(client, _)| client.clone()))?;
        if settings.server.is_none() {
            return Err(Failure {
                exit: super::report::Exit::Usage,
                ..told(&SignInError::NoClient, &address)
            });
        }
        let store = Store::new(home.accounts());
        let known = store.load(&address)?;
        let password = self.password(known.as_ref(), &address)?;
        let keys = keys::for_login(&settings.config)?;
        let request = Request {
            address: &address,
            password,
            replace_password: self.new_password,
            key_file: keys.key_file.as_ref(),
        };
        private_file::create_private_dir(home.data())
            .map_err(|error| home_failure(home, &error))?;
        let signed_in = block_on(async {
            let sign = Mutex::new(None::<UnderWay>);
            let tell = |progress: Progress<'_>| {
                let mut sign = sign.lock().unwrap_or_else(PoisonError::into_inner);
                match (&progress, &*sign) {
                    (Progress::CameBack, _) => *sign = Some(UnderWay::begin(PROVING)),
                    (progress, Some(sign)) => sign.aside(|| self.tell(progress)),
                    (progress, None) => self.tell(progress),
                }
            };
            sign_in(&settings, &store, request, pasted_lines(), &tell)
                .await
                .map_err(|error| told(&error, &address))
        })?;
        if let Some((_, text)) = client {
            keep_client(home, &settings, &text)?;
        }
        let listen = tell_running(home);
        self.report(&address, &signed_in, &settings.config, listen.as_ref());
        // After the password was shown: the keychain may ask for its own, and be given up.
        if let Some(password) = &signed_in.password {
            if let Some(replaced) = known {
                keys::untie(&replaced, &settings.config);
            }
            if keys::tie(home, &keys, &address, password) && listen.is_some() {
                tell_running(home);
            }
        }
        Ok(())
    }

    /// The local password for a new account; it is checked before the browser opens.
    fn password(&self, known: Option<&Record>, address: &Address) -> Result<NewPassword, Failure> {
        if !self.password_stdin {
            return Ok(NewPassword::generate().map_err(Mistake::PasswordNotMade)?);
        }
        let password = keys::line_of_stdin()
            .map_err(|error| Failure::from(Mistake::PasswordUnreadable(&error)))?;
        let differs = known.is_some_and(|record| record.unlock_with_password(&password).is_err());
        if differs && !self.new_password {
            return Err(Mistake::OtherPassword { address: address.as_str() }.into());
        }
        Ok(NewPassword::chosen(password).map_err(Mistake::PasswordUnfit)?)
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
                let Place { host, port } = place.as_ref()?;
                Some(json!({"host": host, "port": port, "security": "none"}))
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

pub(super) fn told(error: &SignInError, address: &Address) -> Failure {
    Failure::failed(error.to_string(), error.remedy(address.as_str()))
}

fn home_failure(home: &Home, error: &std::io::Error) -> Failure {
    Mistake::FolderUnwritable { folder: home.data(), error }.into()
}

fn read_client(path: &Path) -> Result<(OauthClient, String), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::from(Mistake::ClientUnreadable { file: path, error: &error }))?;
    let client = OauthClient::from_json(&text)
        .map_err(|why| Failure::from(Mistake::ClientUnfit { file: path, why: &why }))?;
    Ok((client, text))
}

/// Keeps the client for every later login; only its owner can read it.
fn keep_client(home: &Home, settings: &Settings, text: &str) -> Result<(), Failure> {
    let path = home.client_file(&settings.provider.name);
    let kept = path
        .parent()
        .map_or(Ok(()), private_file::create_private_dir)
        .and_then(|()| private_file::write_atomically(&path, text.as_bytes()));
    kept.map_err(|error| Mistake::ClientNotKept { file: &path, error: &error }.into())
}

/// Lines that the person pastes. The end of stdin is no answer.
fn pasted_lines() -> mpsc::Receiver<String> {
    let (lines, pasted) = mpsc::channel(4);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let is_empty = line.trim().is_empty();
            if !is_empty && lines.blocking_send(line).is_err() {
                return;
            }
            if is_empty && std::io::stdin().is_terminal() {
                say("Still waiting for the sign-in in the browser …");
            }
        }
    });
    pasted
}

/// Lets a running proxy take the account up at once; gives its status.
fn tell_running(home: &Home) -> Option<crate::proxy::Status> {
    block_on(async {
        let running = Running::find(home)?;
        if let Answer::Failed(why) = running.ask(Ask::Reload).await? {
            // It takes the account up at its first sign-on all the same.
            say(&format!("The running Gatepost did not take up the configuration: {why}."));
        }
        match running.ask(Ask::Status).await? {
            Answer::Status(status) => Ok(Some(status)),
            _ => Ok(None),
        }
    })
    .ok()
    .flatten()
}
