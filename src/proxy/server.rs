//! The running proxy as a whole.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc, watch};

use super::awake;
use super::capacity::{Capacity, Limits};
use super::clock;
use super::entrance::Entrance;
use super::events::{Event, EventKind, Journal};
use super::happening::Happening;
use super::household::Household;
use super::inside::Inside;
use super::listener::{Bound, ListenError, Listener, Welcome, mail};
use super::member::AccountStatus;
use super::service::Service;
use super::session::Context;
use super::upkeep::{self, CertificateStatus, Warning};
use super::versions;
#[cfg(test)]
use super::{
    client_stream::ClientStream, listener::serve, service::MailService, trouble::Protocol,
};
use crate::accounts::{KeyFile, Keys, StoreError};
use crate::certificate::{Acceptor, CertificateError, CertificateFolder};
use crate::config::{Allowances, Config, Endpoint, Home};
use crate::service_manager::Reloading;
use crate::settings::{Settings, SettingsError};
use crate::token::Unstored;

/// How long sessions have to come to rest when the proxy stops.
const DRAIN: Duration = Duration::from_secs(10);

/// How long a refresh that is under way may take then: its answer may hold a new refresh token.
const REFRESH: Duration = Duration::from_secs(5);

/// The running proxy.
pub struct Server {
    home: Home,
    settings: watch::Sender<Arc<Settings>>,
    /// What TLS with mail clients is accepted with.
    tls: watch::Sender<Option<Arc<Acceptor>>>,
    pub(super) entrance: Arc<Entrance>,
    capacity: Arc<Capacity>,
    listeners: Mutex<Listeners>,
    stopping: watch::Sender<bool>,
    /// Counts the machine's awakenings.
    woke: watch::Sender<u64>,
    /// The original of what every session holds; gone once the drain has begun.
    alive: Mutex<Option<mpsc::Sender<()>>>,
    ended: Mutex<Option<mpsc::Receiver<()>>>,
    sessions: Arc<AtomicU64>,
    /// Takes those who come to the status page to whoever serves it.
    visits: mpsc::Sender<TcpStream>,
    visitors: Mutex<Option<mpsc::Receiver<TcpStream>>>,
    /// Unix seconds.
    started_at: u64,
    journal: Arc<Journal>,
    newer_version: watch::Sender<Option<String>>,
}

/// Those who may wait at once to be served by the status page: a browser opens six connections.
const VISITS: usize = 32;

type Listeners = BTreeMap<&'static str, Listener>;

/// Why the proxy can't begin to serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A listening address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The certificate for mail clients.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The accounts.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What `gatepost status` shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Gatepost's.
    pub version: String,
    /// `imap`, `smtp`, `imaps`, `smtps`, `status`: the address and the port in use.
    pub listeners: BTreeMap<String, String>,
    /// The accounts in the order of their addresses.
    pub accounts: Vec<AccountStatus>,
    /// Files that are no usable accounts, each with what to do.
    pub damaged: Vec<String>,
    /// Unix seconds.
    #[serde(default)]
    pub started_at: u64,
    /// What the process has in hand: sessions, listeners, timers.
    #[serde(default)]
    pub tasks: u64,
    /// What happened lately, newest last.
    #[serde(default)]
    pub events: Vec<Event>,
    /// What had better be done ahead.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// The certificate for mail clients, where there is one.
    #[serde(default)]
    pub certificate: Option<CertificateStatus>,
    /// A version of Gatepost that is newer than this one, where one was found.
    #[serde(default)]
    pub newer_version: Option<String>,
    /// What the provider allows an account a day, where it says so.
    #[serde(default)]
    pub allowances: Option<Allowances>,
}

/// What a reload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reloaded {
    /// Accounts that are served now.
    pub accounts: usize,
}

impl Server {
    /// Listens and serves. When this returns, every listener accepts. `keys` open accounts without a
    /// person: the key file already has then, the keychain may take its time.
    pub fn start(home: Home, settings: Settings, keys: Keys) -> Result<Arc<Self>, ServeError> {
        let server = Self::begin(home, settings, keys)?;
        tokio::spawn(awake::watch(server.woke.clone()));
        Ok(server)
    }

    /// The same, without a look at whether the machine has slept.
    pub(super) fn begin(
        home: Home,
        settings: Settings,
        keys: Keys,
    ) -> Result<Arc<Self>, ServeError> {
        let settings = Arc::new(settings);
        let bound = bind(&home, &settings.config, &Listeners::new())?;
        let tls = watch::Sender::new(tls(&home, &settings.config)?);
        let (settings, current) = watch::channel(settings);
        let journal = Arc::<Journal>::default();
        let household = Household::new(&home, keys, current.clone(), journal.clone());
        let entrance = Arc::new(Entrance::new(household, current));
        entrance.household.rescan()?;
        let (alive, ended) = mpsc::channel(1);
        let (visits, visitors) = mpsc::channel(VISITS);
        let server = Arc::new(Self {
            home,
            settings,
            tls,
            entrance,
            capacity: Arc::new(Capacity::raise()),
            listeners: Mutex::default(),
            stopping: watch::Sender::new(false),
            woke: watch::Sender::new(0),
            alive: Mutex::new(Some(alive)),
            ended: Mutex::new(Some(ended)),
            sessions: Arc::default(),
            visits,
            visitors: Mutex::new(Some(visitors)),
            started_at: clock::now(),
            journal,
            newer_version: watch::Sender::new(None),
        });
        server.serve(bound);
        server.journal.tell(None, Happening::Started);
        Ok(server)
    }

    /// The home that is served.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// How many sessions there can be, where the system sets a limit.
    pub fn limits(&self) -> Option<Limits> {
        self.capacity.limits()
    }

    /// The settings in use.
    pub fn settings(&self) -> Arc<Settings> {
        self.entrance.settings()
    }

    /// The settings, as each reload replaces them.
    pub fn changes(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    /// Those who come to the status page, for whoever serves it: the first that asks.
    pub fn visitors(&self) -> Option<mpsc::Receiver<TcpStream>> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Reads the configuration and the accounts again. Sessions go on. If anything is wrong, the
    /// old configuration stays in use as a whole.
    pub fn reload(&self) -> Result<Reloaded, ServeError> {
        let _told = Reloading::begin();
        let settings = Settings::load(&self.home, None).map_err(ServeError::from);
        let read = settings.and_then(|settings| self.take_up(settings));
        match &read {
            Ok(reloaded) => self.journal.tell(None, Happening::Reloaded(reloaded.accounts)),
            Err(error) => self.journal.tell(None, Happening::NotReloaded(&error.to_string())),
        }
        read
    }

    /// Takes up other settings, and the accounts again.
    pub(super) fn take_up(&self, settings: Settings) -> Result<Reloaded, ServeError> {
        let settings = Arc::new(settings);
        let bound = bind(&self.home, &settings.config, &self.lock())?;
        let tls = tls(&self.home, &settings.config)?;
        self.entrance.household.rescan()?;
        self.tls.send_replace(tls);
        let wanted = wanted(&settings.config);
        self.settings.send_replace(settings);
        self.entrance.household.take_up_settings();
        self.entrance.forget();
        self.serve(bound);
        self.lock().retain(|key, _| wanted.iter().any(|(service, _)| service.key() == *key));
        Ok(Reloaded { accounts: self.entrance.household.all().len() })
    }

    /// Takes up accounts that were added, changed or forgotten; nothing else is read again.
    pub fn take_up_accounts(&self) -> Result<(), StoreError> {
        self.entrance.household.take_up()
    }

    /// The key file that opens new accounts too, if there is one.
    pub fn key_file(&self) -> Option<&KeyFile> {
        self.entrance.household.key_file()
    }

    /// Where the service of this key (`imap`, `status`, …) listens.
    pub fn address_of(&self, service: &str) -> Option<SocketAddr> {
        self.lock().get(service).map(|listener| listener.address)
    }

    /// What `status` shows.
    pub fn status(&self) -> Status {
        let listeners = self
            .lock()
            .iter()
            .map(|(key, listener)| ((*key).to_owned(), listener.address.to_string()))
            .collect();
        let certificate = self.certificate();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listeners,
            accounts: self.entrance.household.all().iter().map(|member| member.status()).collect(),
            damaged: self.entrance.household.damaged(),
            started_at: self.started_at,
            // Outside of the runtime that serves nothing is in hand.
            tasks: Handle::try_current()
                .map_or(0, |runtime| runtime.metrics().num_alive_tasks() as u64),
            events: self.journal.events(),
            warnings: self.warnings(certificate),
            certificate,
            newer_version: self.newer_version.borrow().clone(),
            allowances: self.settings().provider.allowances,
        }
    }

    /// What happened lately, newest last.
    pub fn events(&self) -> Vec<Event> {
        self.journal.events()
    }

    /// How many events there were of each kind since the start.
    pub fn event_counts(&self) -> BTreeMap<EventKind, u64> {
        self.journal.counts()
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.journal.subscribe()
    }

    /// Looks for newer versions from now on, where the configuration says whom to ask; until it stops.
    pub fn look_for_newer_versions(&self) {
        let (changes, newer) = (self.settings.subscribe(), self.newer_version.clone());
        tokio::spawn(versions::watch(changes, newer, self.stopping.subscribe()));
    }

    fn certificate(&self) -> Option<CertificateStatus> {
        let acceptor = self.tls.borrow().clone()?;
        Some(CertificateStatus {
            ends_at: clock::unix(acceptor.ends()?),
            is_own: acceptor.is_own(),
        })
    }

    /// What had better be done ahead: what is about accounts first, in their order.
    fn warnings(&self, certificate: Option<CertificateStatus>) -> Vec<Warning> {
        let now = clock::now();
        let members = self.entrance.household.all();
        let mut warnings: Vec<_> = members.iter().flat_map(|it| it.warnings(now)).collect();
        let settings = self.settings();
        let own = settings.config.certificate.own.as_ref().map(|own| own.file.as_path());
        warnings.extend(certificate.and_then(|it| upkeep::certificate(now, it, own)));
        warnings.extend(self.newer_version.borrow().as_deref().map(upkeep::newer_version));
        let page = settings.config.listen.status.filter(|_| !self.lock().contains_key("status"));
        let file = self.home.config_file();
        warnings.extend(page.map(|page| upkeep::status_port_taken(page.port, file)));
        warnings
    }

    /// The refresh token of an account, where this proxy has it unlocked.
    pub fn grant(&self, address: &str) -> Option<crate::accounts::Grant> {
        let member = self.entrance.household.find(address).ok()??;
        member.account.grant().ok().map(|(_, grant)| grant)
    }

    /// The account that mail clients call `address`, with what is true of it here.
    pub fn account(&self, address: &str) -> Result<Option<Inside<'_>>, StoreError> {
        let member = self.entrance.household.find(address)?;
        Ok(member.map(|member| Inside { member, entrance: &self.entrance }))
    }

    /// Stops: no new clients; those that are there are told once nothing of theirs is under way,
    /// and after ten seconds in any case.
    pub async fn stop(&self) {
        self.lock().clear();
        self.stopping.send_replace(true);
        drop(self.alive.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut ended) = ended else { return };
        if tokio::time::timeout(DRAIN, ended.recv()).await.is_err() {
            tracing::warn!("some sessions were still busy and were cut off");
        }
        let refreshes = self.entrance.household.all();
        let at_rest = join_all(refreshes.iter().map(|member| member.at_rest()));
        if tokio::time::timeout(REFRESH, at_rest).await.is_err() {
            tracing::warn!("a refresh was still under way and was cut off");
        }
        for member in &refreshes {
            if let Some(Unstored { reason, remedy, .. }) = member.unstored() {
                let account = member.account.address();
                tracing::error!(
                    %account,
                    "the new refresh token could not be stored before the stop and is lost ({reason}); a new sign-in is needed if the one before has ended. {remedy}"
                );
            }
        }
    }

    fn serve(&self, bound: Vec<Bound>) {
        let Some(alive) = self.alive.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return;
        };
        let alive = alive.downgrade();
        for bound in bound {
            let welcome = self.welcome(bound.service(), &alive);
            let mut listeners = self.lock();
            let key = bound.service().key();
            let before = listeners.remove(key);
            listeners.insert(key, bound.serve(before, &welcome));
        }
    }

    /// What is done with those who come for `service`.
    fn welcome(&self, service: Service, alive: &mpsc::WeakSender<()>) -> Welcome {
        let Service::Mail(service) = service else {
            let visits = self.visits.clone();
            return Arc::new(move |stream, _| {
                // One too many finds the door shut; a browser comes again.
                let _ = visits.try_send(stream);
            });
        };
        mail(service, self.contexts(alive))
    }

    /// Makes what each session needs, for those who may come from where they are.
    fn contexts(
        &self,
        alive: &mpsc::WeakSender<()>,
    ) -> impl Fn(IpAddr) -> Option<Context> + Send + Sync + use<> {
        let (entrance, stopping) = (self.entrance.clone(), self.stopping.subscribe());
        let (woke, tls) = (self.woke.subscribe(), self.tls.subscribe());
        let (alive, sessions) = (alive.clone(), self.sessions.clone());
        let capacity = self.capacity.clone();
        move |peer: IpAddr| {
            let is_admitted = entrance.settings().config.listen.admits(peer);
            is_admitted.then(|| Context {
                id: sessions.fetch_add(1, Ordering::Relaxed) + 1,
                capacity: capacity.clone(),
                entrance: entrance.clone(),
                stopping: stopping.clone(),
                woke: woke.clone(),
                peer,
                tls: tls.borrow().clone(),
                _alive: alive.upgrade(),
            })
        }
    }

    /// Serves a client of a simulation, of this machine's, as a listener would.
    #[cfg(test)]
    pub(super) fn take_in(&self, line: crate::tls::simulated::Line, protocol: Protocol) {
        let Some(alive) = self.alive.lock().unwrap().as_ref().map(mpsc::Sender::downgrade) else {
            return;
        };
        let Some(context) = self.contexts(&alive)(std::net::Ipv4Addr::LOCALHOST.into()) else {
            return;
        };
        let stream = ClientStream::simulated(line);
        let service = MailService { protocol, implicit_tls: false };
        tokio::spawn(serve(stream, service, context));
    }

    /// What goes with the process goes here without it.
    #[cfg(test)]
    pub(super) fn end_of_process(&self) {
        self.entrance.household.all().iter().for_each(|member| member.leave());
    }

    /// As where the machine wakes up.
    #[cfg(test)]
    pub(super) fn wake(&self) {
        self.woke.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wanted(config: &Config) -> Vec<(Service, Endpoint)> {
    let all = config.listen.all();
    all.filter_map(|(key, endpoint)| Some((Service::of(key)?, endpoint))).collect()
}

/// What TLS with mail clients is accepted with; a certificate is made if a listener can't do without.
fn tls(home: &Home, config: &Config) -> Result<Option<Arc<Acceptor>>, CertificateError> {
    let needs = |(service, endpoint): (Service, Endpoint)| match service {
        Service::Mail(mail) => mail.implicit_tls || !endpoint.is_loopback(),
        Service::Page => false,
    };
    let is_needed = wanted(config).into_iter().any(needs);
    let folder = CertificateFolder::new(home.certificates());
    Ok(Acceptor::load(&folder, &config.certificate, is_needed)?.map(Arc::new))
}

/// Listens on what is wanted and not there yet. The status page goes without its usual port where
/// that is taken: mail matters more.
fn bind(home: &Home, config: &Config, there: &Listeners) -> Result<Vec<Bound>, ListenError> {
    let file = home.config_file().display().to_string();
    let mut bound = Vec::new();
    for (service, endpoint) in wanted(config) {
        let before = there.get(service.key());
        if before.is_some_and(|listener| listener.endpoint == endpoint) {
            continue;
        }
        match Bound::bind(service, endpoint, before, &file) {
            Ok(new) => bound.push(new),
            Err(ListenError::Taken { port, .. })
                if service == Service::Page && !config.listen.status_is_named =>
            {
                let Warning { sentence, remedy, .. } =
                    upkeep::status_port_taken(port, home.config_file());
                tracing::warn!("{sentence} {remedy}");
            }
            Err(ListenError::Taken { port, service, .. })
                if there.values().any(|it| it.address.port() == port) =>
            {
                let endpoint = endpoint.to_string();
                return Err(ListenError::Ours { port, endpoint, service });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bound)
}
