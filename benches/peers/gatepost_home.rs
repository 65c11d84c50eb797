//! A Gatepost with an account in it that somebody has signed in to, made without a browser.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use gatepost::accounts::{Address, NewPassword, Store};
use gatepost::config::Home;
use gatepost::demo::authorization::{Authorization, AuthorizationOptions};
use gatepost::settings::Settings;
use gatepost::sign_in::{Progress, Request, sign_in};
use tokio::sync::mpsc;

use crate::client::{Door, SignOn};
use crate::process;
use crate::relays::Setting;
use crate::target::{Another, Launch};

pub(crate) const YOU: &str = "you@gmail.com";

/// The home that all instances begin with.
pub(crate) struct Prepared {
    home: PathBuf,
    configuration: String,
    password: String,
    /// Answers for the grant, where nobody else does; it ends with this.
    _authorization: Option<Authorization>,
}

impl Prepared {
    /// Signs in, with a person who consents at once.
    pub(crate) async fn new(setting: &Setting) -> io::Result<Self> {
        let users = vec![YOU.to_owned()];
        let authorization =
            Authorization::start(AuthorizationOptions { users, ..Default::default() }).await?;
        let prepared = Self::at(setting, &authorization).await?;
        Ok(Self { _authorization: Some(authorization), ..prepared })
    }

    /// The same at an authorization server that is there already.
    pub(crate) async fn at(setting: &Setting, authorization: &Authorization) -> io::Result<Self> {
        let folder = setting.folder.join("gatepost");
        fs::create_dir(&folder)?;
        let configuration = configuration(setting, authorization);
        fs::write(
            folder.join("config.toml"),
            listen("127.0.0.1:0", "127.0.0.1:0") + &configuration,
        )?;
        let home = Home::locate(Some(&folder), None).map_err(io::Error::other)?;
        let settings = Settings::load(&home, None).map_err(io::Error::other)?;
        let address = Address::parse(YOU).map_err(io::Error::other)?;
        let request = Request {
            address: &address,
            password: NewPassword::generate().map_err(io::Error::other)?,
            replace_password: false,
            key_file: None,
            back: None,
        };
        let (urls, mut opened) = mpsc::unbounded_channel::<url::Url>();
        let tell = move |progress: Progress<'_>| {
            if let Progress::Authorize(url) = progress {
                let _ = urls.send(url.clone());
            }
        };
        let browser = browser()?;
        let consents = async {
            if let Some(url) = opened.recv().await {
                let _ = browser.get(url).send().await;
            }
        };
        let (_lines, pasted) = mpsc::channel(1);
        let store = Store::new(home.accounts());
        let (signed_in, ()) =
            tokio::join!(sign_in(&settings, &store, request, pasted, &tell), consents);
        let password = signed_in
            .map_err(io::Error::other)?
            .password
            .ok_or_else(|| io::Error::other("no local password was made"))?;
        let password = password.expose().to_owned();
        Ok(Self { home: folder, configuration, password, _authorization: None })
    }

    /// Prepares instances of this binary.
    pub(crate) fn instances(self: &Rc<Self>, binary: &Path) -> Another {
        let (this, binary) = (Rc::clone(self), binary.to_owned());
        Box::new(move || this.prepare(&binary))
    }

    fn prepare(&self, binary: &Path) -> io::Result<Launch> {
        let beside = self.home.parent().unwrap_or(&self.home);
        let home = tempfile::Builder::new().prefix("gatepost").tempdir_in(beside)?.keep();
        let accounts = home.join("accounts");
        gatepost::private_file::create_private_dir(&accounts)?;
        for entry in fs::read_dir(self.home.join("accounts"))? {
            let entry = entry?;
            fs::copy(entry.path(), accounts.join(entry.file_name()))?;
        }
        let door = Door {
            imap: process::free_port()?,
            smtp: process::free_port()?,
            tls: None,
            sign_on: SignOn::Password { user: YOU.to_owned(), password: self.password.clone() },
        };
        let listen = listen(&door.imap.to_string(), &door.smtp.to_string());
        fs::write(home.join("config.toml"), listen + &self.configuration)?;
        let command = vec![
            binary.display().to_string(),
            "run".to_owned(),
            "--home".to_owned(),
            home.display().to_string(),
        ];
        Ok(Launch { command, log: home.join("said"), door, says_ready: true })
    }
}

fn listen(imap: &str, smtp: &str) -> String {
    format!("[listen]\nimap = \"{imap}\"\nsmtp = \"{smtp}\"\nstatus = \"\"\n")
}

/// As a person has it, but for the servers, and for the number of connections, which Gmail limits.
fn configuration(setting: &Setting, authorization: &Authorization) -> String {
    let urls = authorization.urls();
    format!(
        "[secrets]\nkeychain = \"off\"\n[provider.gmail]\nimap = \"{}\"\nsmtp = \"{}\"\n\
         authorize_url = \"{}\"\ntoken_url = \"{}\"\nrevoke_url = \"{}\"\nuserinfo_url = \"{}\"\n\
         ca_file = \"{}\"\nclient_id = \"{}\"\nclient_secret = \"{}\"\nconnections = 0\n",
        setting.behind.imap,
        setting.behind.smtp,
        urls.authorize_url,
        urls.token_url,
        urls.revoke_url,
        urls.userinfo_url,
        setting.ca_file.display(),
        authorization.client_id(),
        authorization.client_secret(),
    )
}

fn browser() -> io::Result<reqwest::Client> {
    let tls = gatepost::tls::client_config(None).map_err(io::Error::other)?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tokio_rustls::rustls::ClientConfig::clone(&tls))
        .no_proxy()
        .build()
        .map_err(io::Error::other)
}
