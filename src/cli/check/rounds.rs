//! The rounds of the doctor, in the order of the way: this machine, the way to Google, each account, and
//! the way of a mail client.

use super::doors::{Doors, Seen};
use super::machine;
use super::proxy::Proxy;
use super::told::Told;
use crate::accounts::{Address, Record};
use crate::autoconfig::{Place, Places};
use crate::certificate;
use crate::check::{self, Ailment, Check, Finding};
use crate::cli::report::{Failure, say};
use crate::cli::terminal::UnderWay;
use crate::config::Home;
use crate::secret::LocalPassword;
use crate::settings::Settings;

/// Shown meanwhile.
pub(in crate::cli) const THE_WAY: &str = "Looking at the way to Google";

/// What is looked at, and how.
pub(super) struct Rounds<'r> {
    pub(super) home: &'r Home,
    /// One account; else all.
    pub(super) only: Option<&'r Address>,
    /// Opens an account that is locked.
    pub(super) password: Option<&'r LocalPassword>,
    /// A person is there who can be asked for it.
    pub(super) may_ask: bool,
    /// Mail a message to oneself.
    pub(super) send: bool,
    pub(super) stopped: Stopped,
}

/// What a Gatepost that doesn't run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    IsWrong,
    /// It is about to be started.
    IsFine,
}

/// The findings so far; each is told as it comes.
struct Notes<'t> {
    told: &'t Told,
    findings: Vec<Finding>,
}

impl Notes<'_> {
    fn take(&mut self, finding: Finding) {
        self.told.finding(&finding);
        self.findings.push(finding);
    }

    /// What failed, and what was left out because of that.
    fn stuck(&self) -> Vec<Check> {
        self.findings.iter().filter(|found| found.is_stuck()).map(|found| found.check).collect()
    }
}

impl Rounds<'_> {
    /// Goes them all; gives every finding.
    pub(super) async fn walk(&self, told: &Told) -> Result<Vec<Finding>, Failure> {
        let mut notes = Notes { told, findings: Vec::new() };
        let [folder, disk] = machine::home(self.home);
        let (found, settings) = machine::configuration(self.home, &folder);
        found.into_iter().for_each(|found| notes.take(found));
        let unusable = notes.stuck().first().copied();
        [folder.clone(), disk].into_iter().for_each(|found| notes.take(found));
        let Some(settings) = settings else {
            let why = unusable.unwrap_or(Check::Configuration);
            notes.take(Finding::left_out(Check::Running, why));
            return Ok(notes.findings);
        };
        let client = machine::client(self.home, &settings, self.only);
        let has_client = !client.has_failed();
        notes.take(client);
        let (found, records) = machine::accounts(self.home, self.only, has_client, &folder);
        found.into_iter().for_each(|found| notes.take(found));

        // Without an account there is nothing to serve.
        let stopped = if records.is_empty() { Stopped::IsFine } else { self.stopped };
        let (found, proxy) = Proxy::find_or_serve(self.home, stopped);
        // Where the folder is closed, none can start.
        match proxy.is_none() && machine::is_closed(&folder) {
            true => notes.take(Finding::left_out(Check::Running, Check::Home)),
            false => found.into_iter().for_each(|found| notes.take(found)),
        }
        self.network(&settings, &mut notes).await;
        if let Some(proxy) = proxy {
            if let Err(failure) = self.accounts(&records, &proxy, &settings, &mut notes).await {
                let Failure { sentence, remedy, .. } = failure;
                notes.take(Finding::failed(Check::Running, "no_answer", sentence, remedy));
            }
            proxy.leave().await;
        }
        Ok(notes.findings)
    }

    async fn network(&self, settings: &Settings, notes: &mut Notes<'_>) {
        let under_way = UnderWay::begin(THE_WAY);
        let found = check::network(settings.server.as_deref(), &settings.provider).await;
        drop(under_way);
        found.into_iter().for_each(|found| notes.take(found));
    }

    async fn accounts(
        &self,
        records: &[Record],
        proxy: &Proxy,
        settings: &Settings,
        notes: &mut Notes<'_>,
    ) -> Result<(), Failure> {
        let places = Places::of(&settings.config.listen, Some(&proxy.status().await?));
        let name = places.imap.as_ref().or(places.smtp.as_ref()).map(|place| &place.host);
        let nameless = match name {
            Some(name) => check::own_name(name).await,
            None => None,
        };
        let own = settings.config.certificate.own.as_ref();
        let tls_name = own.and_then(certificate::name_of);
        let seen = Seen { are_found: nameless.is_none(), tls_name: tls_name.as_deref() };
        match (nameless, proxy) {
            (Some(nameless), _) => notes.take(nameless),
            (None, Proxy::Running(_)) => notes.take(ports(&places)),
            (None, Proxy::Own { .. }) => {}
        }
        for record in records {
            notes.told.heading(record.address().as_str());
            self.account(record, proxy, &places, seen, notes).await?;
        }
        Ok(())
    }

    async fn account(
        &self,
        record: &Record,
        proxy: &Proxy,
        places: &Places,
        seen: Seen<'_>,
        notes: &mut Notes<'_>,
    ) -> Result<(), Failure> {
        let address = record.address().as_str();
        let password = match self.password {
            Some(password) => Some(password.clone()),
            None => self.ask_password(proxy, record).await?,
        };
        let under_way = UnderWay::begin(format!("Looking at {address}"));
        let examined = proxy.examine(address, password, notes.stuck()).await?;
        drop(under_way);
        let doors = Doors::of(address, places, seen, &examined);
        let was_read = examined.findings.iter().any(|found| found.check == Check::Reading);
        examined.findings.into_iter().for_each(|found| notes.take(found));
        let mut stuck = None;
        if places.imap.is_some() && !was_read {
            let found = doors.read().await;
            stuck = found.is_stuck().then_some(found.check);
            notes.take(found.of(address));
        }
        if places.smtp.is_some() {
            let found = doors.send().await;
            stuck = stuck.or(found.is_stuck().then_some(found.check));
            notes.take(found.of(address));
        }
        if self.send {
            let found = match (places.off(), stuck) {
                (Some(service), _) => Ailment::ServerOff { service }.found(Check::RoundTrip),
                (None, Some(why)) => Finding::left_out(Check::RoundTrip, why),
                (None, None) => doors.round_trip().await,
            };
            notes.take(found.of(address));
        }
        Ok(())
    }

    /// Asks the person for the local password of an account that is locked.
    async fn ask_password(
        &self,
        proxy: &Proxy,
        record: &Record,
    ) -> Result<Option<LocalPassword>, Failure> {
        if !self.may_ask || !proxy.is_locked(record).await? {
            return Ok(None);
        }
        let address = record.address();
        say(&format!(
            "{address} is locked until its local password opens it. (Enter passes it over.)"
        ));
        let asked = tokio::task::spawn_blocking(|| rpassword::prompt_password("Local password: "));
        let typed = asked.await.ok().and_then(Result::ok);
        Ok(typed.map(LocalPassword::new).filter(|password| !password.is_empty()))
    }
}

/// Where mail programs connect to the Gatepost that runs.
fn ports(places: &Places) -> Finding {
    let at = |(service, place): (&str, &Option<Place>)| {
        Some(format!("{service} at {}", place.as_ref()?))
    };
    match places.check() {
        Ok(()) => {
            let servers = [("IMAP", &places.imap), ("SMTP", &places.smtp)];
            let at: Vec<_> = servers.into_iter().filter_map(at).collect();
            Finding::passed(Check::Ports, format!("For mail programs: {}.", at.join(", ")))
        }
        Err(error) => Finding::failed(Check::Ports, "no_ports", error.to_string(), error.remedy()),
    }
}
