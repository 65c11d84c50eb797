//! What `login` and `setup` do alike: from a client's file and a person's consent to an account that
//! is stored, opens by itself, and that a running proxy has taken up.

use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use super::mistake::Mistake;
use super::report::{Exit, Failure, say};
use super::terminal::UnderWay;
use super::{block_on, keys};
use crate::accounts::{Address, Keys, NewPassword, Record, Store};
use crate::config::{Home, OauthClient};
use crate::control::{Answer, Request as Ask, Running};
use crate::private_file;
use crate::proxy::Status;
use crate::secret::LocalPassword;
use crate::settings::Settings;
use crate::sign_in::{Progress, Request, SignInError, SignedIn, sign_in};

/// What is told once the browser has come back.
pub(super) const PROVING: &str = "Google gives its grant, and your mailbox is opened with it";

/// Whose mail it is, as a person typed it.
pub(super) fn address(typed: &str) -> Result<Address, Failure> {
    Address::parse(typed).map_err(|why| Mistake::NoAddress { typed, why }.into())
}

/// A client as Google's console lets it be downloaded.
#[derive(Clone)]
pub(super) struct ClientFile {
    pub(super) client: OauthClient,
    text: String,
}

impl ClientFile {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::from(Mistake::ClientUnreadable { file: path, error: &error })
        })?;
        let client = OauthClient::from_json(&text)
            .map_err(|why| Failure::from(Mistake::ClientUnfit { file: path, why: &why }))?;
        Ok(Self { client, text })
    }

    /// Keeps it for every later sign-in; only its owner can read it.
    pub(super) fn keep(&self, path: &Path) -> std::io::Result<()> {
        path.parent().map_or(Ok(()), private_file::create_private_dir)?;
        private_file::write_atomically(path, self.text.as_bytes())
    }
}

/// A sign-in that can begin.
pub(super) struct SigningIn<'h> {
    home: &'h Home,
    address: &'h Address,
    client: Option<ClientFile>,
    pub(super) settings: Settings,
    store: Store,
    known: Option<Record>,
}

/// How it ended.
pub(super) struct Outcome {
    pub(super) signed_in: SignedIn,
    /// What the running proxy said of itself once it had taken the account up.
    pub(super) running: Option<Status>,
    keys: Keys,
}

impl<'h> SigningIn<'h> {
    /// `client` goes before the one that an earlier sign-in kept.
    pub(super) fn prepare(
        home: &'h Home,
        address: &'h Address,
        client: Option<ClientFile>,
    ) -> Result<Self, Failure> {
        let settings = Settings::load(home, client.as_ref().map(|file| file.client.clone()))?;
        if settings.server.is_none() {
            return Err(Failure { exit: Exit::Usage, ..told(&SignInError::NoClient, address) });
        }
        let store = Store::new(home.accounts());
        let known = store.load(address)?;
        Ok(Self { home, address, client, settings, store, known })
    }

    /// The local password for a new account, the person's own or a random one; it is checked before
    /// the browser opens. `replace`: for one that is there as well.
    pub(super) fn password(
        &self,
        chosen: Option<LocalPassword>,
        replace: bool,
    ) -> Result<NewPassword, Failure> {
        let Some(password) = chosen else {
            return Ok(NewPassword::generate().map_err(Mistake::PasswordNotMade)?);
        };
        let is_other = |record: &Record| record.unlock_with_password(&password).is_err();
        if self.known.as_ref().is_some_and(is_other) && !replace {
            return Err(Mistake::OtherPassword { address: self.address.as_str() }.into());
        }
        Ok(NewPassword::chosen(password).map_err(Mistake::PasswordUnfit)?)
    }

    /// Waits for the person's consent and stores the account. `None`: they gave up.
    pub(super) fn go(
        &self,
        password: NewPassword,
        replace_password: bool,
        pasted: mpsc::Receiver<String>,
        tell: &(dyn Fn(Progress<'_>) + Sync),
        given_up: impl Future<Output = ()>,
    ) -> Result<Option<Outcome>, Failure> {
        let keys = keys::for_login(&self.settings.config)?;
        let request = Request {
            address: self.address,
            password,
            replace_password,
            key_file: keys.key_file.as_ref(),
            back: None,
        };
        private_file::create_private_dir(self.home.data())
            .map_err(|error| home_failure(self.home, &error))?;
        let signed_in = block_on(async {
            let sign = Mutex::new(None::<UnderWay>);
            let tell = |progress: Progress<'_>| {
                let mut sign = sign.lock().unwrap_or_else(PoisonError::into_inner);
                match (&progress, &*sign) {
                    (Progress::CameBack, _) => *sign = Some(UnderWay::begin(PROVING)),
                    (_, Some(sign)) => sign.aside(|| tell(progress)),
                    (_, None) => tell(progress),
                }
            };
            tokio::select! {
                signed_in = sign_in(&self.settings, &self.store, request, pasted, &tell) => {
                    signed_in.map(Some).map_err(|error| told(&error, self.address))
                }
                () = given_up => Ok(None),
            }
        })?;
        let Some(signed_in) = signed_in else { return Ok(None) };
        self.keep_client()?;
        Ok(Some(Outcome { signed_in, running: tell_running(self.home), keys }))
    }

    /// Lets the keychain open a new account. It may ask for its own password and be given up, so
    /// that this comes after the local password was shown.
    pub(super) fn tie(&self, outcome: &Outcome) {
        let Some(password) = &outcome.signed_in.password else { return };
        if let Some(replaced) = &self.known {
            keys::untie(replaced, &self.settings.config);
        }
        let tied = keys::tie(self.home, &outcome.keys, self.address, password);
        if tied && outcome.running.is_some() {
            tell_running(self.home);
        }
    }

    fn keep_client(&self) -> Result<(), Failure> {
        let Some(file) = &self.client else { return Ok(()) };
        let path = self.home.client_file(&self.settings.provider.name);
        let kept = file.keep(&path);
        kept.map_err(|error| Mistake::ClientNotKept { file: &path, error: &error }.into())
    }
}

pub(super) fn told(error: &SignInError, address: &Address) -> Failure {
    Failure::failed(error.to_string(), error.remedy(address.as_str()))
}

fn home_failure(home: &Home, error: &std::io::Error) -> Failure {
    Mistake::FolderUnwritable { folder: home.data(), error }.into()
}

/// Lines that the person pastes. The end of stdin is no answer. The thread that reads goes on until
/// the process ends: whoever asks on the terminal afterwards reads the keyboard otherwise.
pub(super) fn pasted_lines() -> mpsc::Receiver<String> {
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
fn tell_running(home: &Home) -> Option<Status> {
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
