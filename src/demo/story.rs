//! The demo's story: Gatepost's whole way through, step by step, against the stand-in.
//!
//! Nothing here is played: the sign-in, the proxy and the files are the ones of real use. Only the
//! person at the consent page is, unless a real one asks to be there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;

use super::authorization::Consent;
use super::{StandIn, StandInOptions, samples};
use crate::accounts::{Address, Keys, NewPassword, Store};
use crate::config::Home;
use crate::mail_client::{Door, MailClient, MailError, send_to_oneself};
use crate::private_file;
use crate::proxy::{ListenError, ServeError, Server};
use crate::secret::LocalPassword;
use crate::settings::Settings;
use crate::sign_in::{Progress, Request, sign_in};
use crate::status::Site;

/// Whose mail the demo reads.
pub const YOU: &str = "you@gmail.com";
/// The stand-in's certificate, in the demo's home.
const CA_FILE: &str = "stand-in.pem";
/// A step that takes longer has failed.
const STEP: Duration = Duration::from_secs(20);

/// Who consents at the stand-in's page.
#[derive(Clone, Copy)]
pub enum Person<'p> {
    /// Somebody who does so at once: no page is shown, and nobody need do anything.
    Played,
    /// Whoever opens this address in a browser. They have ten minutes.
    AtTheBrowser(&'p (dyn Fn(&Url) + Sync)),
}

/// Where the demo listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// On any free ports.
    Any,
    /// On Gatepost's own, which the instructions for every mail client name; on any free ones if
    /// one of those is taken.
    Usual,
}

/// A step that did not hold.
#[derive(Debug, thiserror::Error)]
#[error("{step} ({problem})")]
pub struct Broken {
    step: &'static str,
    problem: String,
    remedy: &'static str,
}

impl Broken {
    /// One thing to do.
    pub fn remedy(&self) -> &'static str {
        self.remedy
    }
}

/// The demo, running: it can be connected to until it is dropped.
pub struct Story {
    google: StandIn,
    server: Arc<Server>,
    site: Site,
    password: LocalPassword,
    /// How many new mails have arrived.
    new_mails: AtomicUsize,
    _folder: TempDir,
}

type Outcome<T> = Result<T, String>;

impl Story {
    /// Tells the story, with one call of `narrate` for each line of it.
    pub async fn tell(
        person: Person<'_>,
        ports: Ports,
        narrate: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, Broken> {
        narrate(
            "This is a demo. It plays Google on this machine, asks nothing of the internet, and",
        );
        narrate(
            "takes nothing from your real Gatepost: its files are in a folder that goes with it.\n",
        );
        let story = Self::begin(person, ports, narrate).await?;
        let before = story.google.authorization().refreshes();

        let read = step("Reading mail", story.read("Welcome")).await?;
        narrate("5. A mail program (async-imap) signs on with that password, as Outlook would:");
        narrate(&format!("   it lists the folders and reads “{read}”."));
        narrate("   Gatepost has signed on to “Gmail” for it with an OAuth 2.0 token (XOAUTH2).");

        step("Sending mail", story.send()).await?;
        let read = step("Reading what was sent", story.read("Sent through Gatepost")).await?;
        narrate(&format!("6. It sends a mail (lettre) and reads it back: “{read}”."));

        step("Refusing a wrong password", story.try_wrong_password()).await?;
        narrate("7. A wrong password is refused after a second; nothing is lost by it.");

        let heard = step("Outliving the token", story.outlive_the_token()).await?;
        let refreshes = story.google.authorization().refreshes() - before;
        if refreshes < 2 {
            return Err(broken("Outliving the token", "no new token was got"));
        }
        narrate(
            "8. An hour passes (at once, here): the token expires, and “Gmail” ends the session of a",
        );
        narrate(
            "   mail program that waits for mail. It notices nothing: over the same connection",
        );
        narrate(&format!("   it is told of a new one, “{heard}”. Gatepost has got a new token by"));
        narrate(&format!(
            "   itself ({refreshes} refreshes so far), and nobody was asked for anything.\n"
        ));
        narrate("Every step held.");
        Ok(story)
    }

    /// The proxy, for a real mail client to connect to.
    pub fn proxy(&self) -> &Server {
        &self.server
    }

    /// A link that opens the status page once, if it is served.
    pub fn page(&self) -> Option<Url> {
        self.site.desk().link().ok().map(|link| link.expose())
    }

    /// The local password of [`YOU`].
    pub fn password(&self) -> &LocalPassword {
        &self.password
    }

    /// Lets a new mail arrive; gives its subject.
    pub fn new_mail(&self) -> Result<String, Broken> {
        let number = self.new_mails.fetch_add(1, Ordering::Relaxed) + 1;
        samples::deliver(self.google.mailboxes(), number)
            .map_err(|problem| broken("Delivering a mail", problem))
    }

    /// Ends the demo in order.
    pub async fn stop(self) {
        self.server.stop().await;
        self.google.stop().await;
    }

    async fn begin(
        person: Person<'_>,
        ports: Ports,
        narrate: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, Broken> {
        let options = StandInOptions { users: vec![YOU.to_owned()], ..StandInOptions::default() };
        let google =
            step("Starting the stand-in", async { StandIn::start(options).await.map_err(text) })
                .await?;
        samples::fill(google.mailboxes())
            .map_err(|problem| broken("Filling the mailbox", problem))?;
        google.mailboxes().set_catch_all(YOU);
        narrate(
            "1. A stand-in for Google is up: an authorization server, IMAP and SMTP, with TLS.",
        );

        let folder = tempfile::tempdir().map_err(|error| broken("Making a folder", text(error)))?;
        let home = make_home(folder.path(), &google)
            .map_err(|problem| broken("Making a home", problem))?;
        let settings = configure(&home, &google, ports)?;

        let password = match person {
            Person::Played => step("Signing in", played_consent(&settings, &home)).await?,
            Person::AtTheBrowser(show) => {
                google.authorization().set_consent(Consent::Page);
                consent(&settings, &home, show).await.map_err(|problem| Broken {
                    remedy: "Start the demo again and allow it, or leave --browser out.",
                    ..broken("Signing in", problem)
                })?
            }
        };
        narrate(&format!(
            "2. `gatepost login {YOU}`: the browser opened, {YOU} consented, and came back"
        ));
        narrate(
            "   with a code. Gatepost checked whose it is, that it opens the mailbox, and sealed it.",
        );
        narrate("3. The terminal showed a local password for the mail program, this once.");

        let server = serve(home, settings, &google)?;
        let site = Site::open(&server);
        let new_mails = AtomicUsize::new(0);
        let story = Self { google, server, site, password, new_mails, _folder: folder };
        narrate(&format!(
            "4. `gatepost run` serves IMAP on localhost:{} and SMTP on localhost:{}.",
            story.port("imap"),
            story.port("smtp")
        ));
        Ok(story)
    }

    fn address(&self, service: &str) -> String {
        self.server.address_of(service).map(text).unwrap_or_default()
    }

    fn port(&self, service: &str) -> String {
        self.address(service).rsplit(':').next().unwrap_or_default().to_owned()
    }

    fn door(&self, service: &str, password: &LocalPassword) -> Outcome<Door> {
        let address = self.address(service);
        let (host, port) = address.rsplit_once(':').ok_or("it is not served")?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let (port, user) = (port.parse().map_err(text)?, YOU.to_owned());
        let password = password.clone();
        Ok(Door { host, port, implicit_tls: false, tls_name: None, user, password })
    }

    async fn sign_on(&self) -> Outcome<MailClient> {
        MailClient::sign_on(&self.door("imap", &self.password)?).await.map_err(text)
    }

    /// Signs on, lists, and waits for a message with this subject; gives its subject line.
    async fn read(&self, subject: &str) -> Outcome<String> {
        let mut client = self.sign_on().await?;
        let folders = client.folders().await.map_err(text)?;
        if !folders.iter().any(|folder| folder == "INBOX") {
            return Err("there is no INBOX".into());
        }
        loop {
            client.open("INBOX").await.map_err(text)?;
            let Some(number) = client.find(subject).await.map_err(text)? else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let read = client.subject(&number.to_string()).await.map_err(text)?;
            client.sign_off().await.map_err(text)?;
            return Ok(read);
        }
    }

    /// Waits for mail while the token ends, and the session with it; gives the subject of the mail
    /// that comes then.
    async fn outlive_the_token(&self) -> Outcome<String> {
        let mut client = self.sign_on().await?;
        client.open("INBOX").await.map_err(text)?;
        let mut waiting = client.idle().await.map_err(text)?;
        self.google.authorization().expire_access_tokens();
        self.google.imap().expire_sessions();
        let delivered = self.new_mail().map_err(text)?;
        if !waiting.news(STEP).await.map_err(text)? {
            return Err("the wait for mail ended".into());
        }
        let mut client = waiting.done().await.map_err(text)?;
        let heard = client.subject("*").await.map_err(text)?;
        client.sign_off().await.map_err(text)?;
        match heard == delivered {
            true => Ok(heard),
            false => Err(format!("it was told of “{heard}” and not of “{delivered}”")),
        }
    }

    async fn send(&self) -> Outcome<()> {
        let door = self.door("smtp", &self.password)?;
        let words = "Hello from a mail client that only knows a password.\r\n.\r\n";
        send_to_oneself(&door, "Sent through Gatepost", words).await.map_err(text)
    }

    async fn try_wrong_password(&self) -> Outcome<()> {
        let door = self.door("imap", &LocalPassword::new("a wrong password"))?;
        match MailClient::sign_on(&door).await {
            Err(MailError::WrongPassword(_)) => Ok(()),
            Err(other) => Err(other.to_string()),
            Ok(_) => Err("a wrong password was let in".into()),
        }
    }
}

/// Signs in with a person who consents at once.
async fn played_consent(settings: &Settings, home: &Home) -> Outcome<LocalPassword> {
    let (urls, mut opened) = mpsc::unbounded_channel();
    let show = move |url: &Url| drop(urls.send(url.clone()));
    let browser = tokio::spawn(async move {
        let url = opened.recv().await.ok_or("no address was shown")?;
        // The stand-in speaks plain HTTP on loopback, and redirects to the address that waits.
        let browser = reqwest::Client::builder()
            .tls_backend_preconfigured(tokio_rustls::rustls::ClientConfig::clone(
                &*crate::tls::client_config(None).map_err(text)?,
            ))
            .no_proxy()
            .build()
            .map_err(text)?;
        let page = browser.get(url).send().await.map_err(text)?.text().await.map_err(text)?;
        if page.contains("You are signed in") {
            Ok(())
        } else {
            Err("the last page does not say so".to_owned())
        }
    });
    let password = consent(settings, home, &show).await?;
    browser.await.map_err(text)??;
    Ok(password)
}

/// Signs in with whoever is shown the address.
async fn consent(
    settings: &Settings,
    home: &Home,
    show: &(dyn Fn(&Url) + Sync),
) -> Outcome<LocalPassword> {
    let address = Address::parse(YOU).map_err(text)?;
    let request = Request {
        address: &address,
        password: NewPassword::generate().map_err(text)?,
        replace_password: false,
        key_file: None,
        back: None,
    };
    let tell = |progress: Progress<'_>| {
        if let Progress::Authorize(url) = progress {
            show(url);
        }
    };
    let (_no_lines, pasted) = mpsc::channel(1);
    let store = Store::new(home.accounts());
    let signed_in = sign_in(settings, &store, request, pasted, &tell).await;
    // Its sentences end in a full stop, and so does what is said of a step.
    let signed_in = signed_in.map_err(|error| text(error).trim_end_matches('.').to_owned())?;
    signed_in.password.ok_or_else(|| "there was an account already".to_owned())
}

/// A home with the stand-in's certificate and its OAuth client.
fn make_home(folder: &Path, google: &StandIn) -> Outcome<Home> {
    let home = Home::locate(Some(folder), None).map_err(text)?;
    std::fs::write(folder.join(CA_FILE), google.ca_pem()).map_err(text)?;
    let client = home.client_file("gmail");
    private_file::create_private_dir(&home.accounts()).map_err(text)?;
    client.parent().map_or(Ok(()), private_file::create_private_dir).map_err(text)?;
    private_file::write_atomically(&client, google.authorization().client_json().as_bytes())
        .map_err(text)?;
    Ok(home)
}

/// Writes the configuration for which the stand-in is Google, and reads it.
fn configure(home: &Home, google: &StandIn, ports: Ports) -> Result<Settings, Broken> {
    // What is not said of `imap` and `smtp` is Gatepost's default.
    let listen = match ports {
        Ports::Any => {
            "[listen]\nimap = \"localhost:0\"\nsmtp = \"localhost:0\"\nstatus = \"localhost:0\"\n"
        }
        Ports::Usual => "",
    };
    let config = [listen, &google.provider_section(CA_FILE)].concat();
    std::fs::write(home.config_file(), config)
        .map_err(|error| broken("Writing the configuration", text(error)))?;
    Settings::load(home, None).map_err(|error| broken("Reading the configuration", text(error)))
}

/// Starts the proxy; on any free ports if one of those in the settings is taken.
fn serve(home: Home, settings: Settings, google: &StandIn) -> Result<Arc<Server>, Broken> {
    let served = match Server::start(home.clone(), settings, Keys::default()) {
        Err(ServeError::Listen(ListenError::Taken { .. })) => {
            let settings = configure(&home, google, Ports::Any)?;
            Server::start(home, settings, Keys::default())
        }
        served => served,
    };
    served.map_err(|error| broken("Starting the proxy", text(error)))
}

async fn step<T>(name: &'static str, work: impl Future<Output = Outcome<T>>) -> Result<T, Broken> {
    match timeout(STEP, work).await {
        Ok(outcome) => outcome.map_err(|problem| broken(name, problem)),
        Err(_) => Err(broken(name, "it took too long")),
    }
}

fn broken(step: &'static str, problem: impl Into<String>) -> Broken {
    let remedy = "Run it again with GATEPOST_LOG=debug to see what happened.";
    Broken { step, problem: problem.into(), remedy }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
