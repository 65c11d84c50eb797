//! One schedule: what its seed makes of it, and what must be true at its end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use super::google::{Account, Counts, Google};
use super::imap_client::ImapClient;
use super::network::{Network, STARTTLS_PORT, Weather};
use super::smtp_client::{Mail, SmtpClient};
use super::world::{ACCOUNTS, World, once};
use super::{operator, panics};
use crate::accounts::Keys;
use crate::proxy::Server;
use crate::proxy::continuity::tests::client::Client;
use crate::proxy::continuity::tests::model::{self, Trace};
use crate::proxy::continuity::tests::property::{kind, some_mailbox};
use crate::proxy::continuity::tests::random::Random;
use crate::proxy::continuity::tests::wire::{Gauge, Plan, Wire};
use crate::proxy::continuity::tests::{compare, mailboxes};
use crate::proxy::trouble::Protocol;
use crate::tls::simulated;

/// No sign-on and no answer takes longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// No client lives longer.
const DAYS: Duration = Duration::from_secs(5 * 24 * 3600);
/// Everything that is left to itself has ended by then: the longest is a client that is silent before its
/// sign-on, and a provider that is away.
const AT_REST: Duration = Duration::from_secs(20 * 60);

/// What all that act share.
pub(super) struct Scene {
    pub(super) google: Arc<Google>,
    pub(super) world: World,
    pub(super) weather: Weather,
    pub(super) mails: Mutex<Vec<Mail>>,
    server: Mutex<Option<Arc<Server>>>,
    first_budget: usize,
}

impl Scene {
    pub(super) fn server(&self) -> Option<Arc<Server>> {
        self.server.lock().unwrap().clone()
    }

    pub(super) fn with_server(&self, act: impl FnOnce(&Server)) {
        if let Some(server) = self.server() {
            act(&server);
        }
    }

    /// A connection of a mail client's, which may break its own end; none while nobody listens.
    pub(super) fn connect(
        &self,
        protocol: Protocol,
        random: &mut Random,
    ) -> Option<(DuplexStream, Arc<Mutex<Gauge>>)> {
        let server = self.server()?;
        let piece = if random.chance(30) { 1 + random.below(20) as usize } else { usize::MAX };
        // A line fits in, as on any system: else a client that speaks and a proxy that says goodbye wait for
        // each other.
        let (near, far) = tokio::io::duplex(random.pick(&[1_000, 4_000, 65_536]));
        let (wire, gauge) = Wire::new(far, Plan { piece, ..Plan::default() });
        server.take_in(Box::new(wire), protocol);
        Some((near, gauge))
    }

    pub(super) fn start(&self) {
        let mut server = self.server.lock().unwrap();
        if server.is_none() {
            let budget = self.first_budget;
            let settings = self.world.settings(budget, false);
            self.google.set_budget(budget, true);
            self.google.reconsidered();
            *server =
                Some(Server::begin(self.world.home.clone(), settings, Keys::default()).unwrap());
        }
    }

    /// Stops the proxy, as the process does before it ends.
    pub(super) async fn stop(&self) {
        let Some(server) = self.server.lock().unwrap().take() else { return };
        self.google.count("stops");
        let began = Instant::now();
        server.stop().await;
        let took = began.elapsed().as_secs();
        if took > 16 {
            self.google.complain(format!("to stop took {took} s"));
        }
        server.end_of_process();
    }
}

/// Plays it; gives what happened in it.
pub(super) fn play(seed: u64, trace: Trace) -> Result<Counts, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let before = panics::count();
    let played = runtime.block_on(async {
        let began = Instant::now();
        let mut counts = acts(seed, trace).await?;
        counts.insert("virtual seconds", began.elapsed().as_secs());
        Ok(counts)
    });
    drop(runtime);
    if panics::count() > before {
        return Err(format!("a task panicked: {}", panics::last()));
    }
    played
}

async fn acts(seed: u64, trace: Trace) -> Result<Counts, String> {
    let mut random = Random::new(seed);
    let scene = scene(&mut random, trace);
    let google = Arc::clone(&scene.google);
    let network = Network::new(&google, scene.weather, random.next());
    let _playing = simulated::play(Arc::new(network));
    scene.start();
    let span = Duration::from_secs(random.pick(&[300, 1800, 7200, 4 * 3600]));
    let people = operator::people(Arc::clone(&scene), Instant::now() + span, random.fork());
    let people = tokio::spawn(people);
    let mail = tokio::spawn(operator::mail(Arc::clone(&scene), random.fork()));
    let accounts = google.state().accounts.len() as u64;
    let (mut imap, mut smtp) = (Vec::new(), Vec::new());
    for number in 0..1 + random.below(7) {
        let account = random.below(accounts) as usize;
        let (scene, name) = (Arc::clone(&scene), format!("n{number}"));
        if random.chance(65) {
            let client = ImapClient { scene, account, name, random: random.fork() };
            imap.push((account, tokio::spawn(client.live())));
        } else {
            let client = SmtpClient { scene, account, name, random: random.fork() };
            smtp.push(tokio::spawn(client.live()));
        }
    }
    let mut survivors = Vec::new();
    for (account, client) in imap {
        let lived = timeout(DAYS, client).await.map_err(|_| "an IMAP client waits for days")?;
        let survivor = lived.map_err(|_| format!("an IMAP client: {}", panics::last()))??;
        survivors.extend(survivor.map(|client| (account, client)));
    }
    for client in smtp {
        let lived = timeout(DAYS, client).await.map_err(|_| "an SMTP client waits for days")?;
        lived.map_err(|_| format!("an SMTP client: {}", panics::last()))??;
    }
    timeout(DAYS, people).await.map_err(|_| "an operator waits for days")?.map_err(stop_words)?;
    mail.abort();
    google.state().calm = true;
    for (account, client) in survivors {
        farewell(&scene, account, client).await?;
    }
    at_the_end(&scene).await?;
    let mut counts = std::mem::take(&mut google.state().counts);
    counts.insert("schedules", 1);
    Ok(counts)
}

fn stop_words(error: tokio::task::JoinError) -> String {
    format!("an operator: {error}: {}", panics::last())
}

fn scene(random: &mut Random, trace: Trace) -> Arc<Scene> {
    let google = Arc::new(Google::new(trace.clone()));
    let smtp_port = if random.chance(30) { STARTTLS_PORT } else { 465 };
    let world = World::new(smtp_port);
    for account in 0..1 + random.below(ACCOUNTS as u64) as usize {
        let mailboxes = mailboxes(some_mailbox(random));
        let server = model::Server::new(kind(random), mailboxes, trace.clone());
        let password = once().passwords[account].password().expose().to_owned();
        let address = format!("person{account}@gmail.com");
        google.state().accounts.push(Account::new(address, password, server));
        world.sign_in(&google, account);
    }
    Arc::new(Scene {
        google,
        world,
        weather: Weather::any(random),
        mails: Mutex::default(),
        server: Mutex::default(),
        first_budget: 1 + random.below(4) as usize,
    })
}

/// A session that goes on: its client knows what is true, and leaves.
async fn farewell(scene: &Scene, account: usize, mut client: Client) -> Result<(), String> {
    let name = client.name.clone();
    let mail = Arc::clone(&scene.google.state().accounts[account].mail);
    let parted = async {
        client.listen(Duration::from_secs(20)).await?;
        compare(&mut client, &mail).await?;
        if !client.is_over() {
            scene.google.count("IMAP clients that knew what was true at the end");
            client.say("LOGOUT").await?;
            client.settle().await?;
        }
        Ok(())
    };
    parted.await.map_err(|why: String| format!("{name}, at the end: {why}"))
}

async fn at_the_end(scene: &Scene) -> Result<(), String> {
    let google = &scene.google;
    sleep(AT_REST).await;
    if let Some(server) = scene.server() {
        for account in server.status().accounts {
            let (connections, sessions) = (account.connections, account.sessions);
            if (connections.in_use, connections.waiting) != (0, 0)
                || (sessions.imap, sessions.smtp) != (0, 0)
            {
                return Err(format!("left behind: {connections:?}, {sessions:?}"));
            }
        }
        server.entrance.is_at_rest()?;
    }
    scene.stop().await;
    sleep(AT_REST).await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    if tasks > 0 {
        return Err(format!("{tasks} tasks are alive after the end"));
    }
    let mails = scene.mails.lock().unwrap();
    let mut arrived = google.state().mails.clone();
    for mail in mails.iter() {
        mail.judge(&arrived.remove(&mail.name).unwrap_or_default())?;
    }
    if let Some(name) = arrived.keys().next() {
        return Err(format!("{name} arrived, and nobody sent it"));
    }
    google.complaint().map_or(Ok(()), Err)
}
