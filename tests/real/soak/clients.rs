//! The mail clients: async-imap and lettre, as many do it in one program, and curl, msmtp and mbsync, as
//! others do it in many. Whatever fails is booked, and tried anew a moment later.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use async_imap::Session;
use futures_util::TryStreamExt;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    address::Envelope,
    transport::smtp::authentication::{Credentials, Mechanism},
};
use tokio::{
    net::TcpStream,
    runtime::Runtime,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::ledger::{Fate, Ledger, is_letter, number_of};
use crate::support::{
    mail_client::Settings,
    messages::{self, Numbers},
    process,
};

/// Of each person.
const READERS: u64 = 8;
const APPENDERS: u64 = 3;
const SENDERS: u64 = 3;
/// Between two things that a client does, at most, in milliseconds.
const REST: u64 = 3_000;
/// No client waits longer for anything; Gatepost may hold one for five minutes.
const PATIENCE: Duration = Duration::from_secs(330);
/// A program's whole run.
const A_RUN: Duration = Duration::from_secs(400);

/// All of them.
pub(super) struct Crowd {
    runtime: Runtime,
    at_work: JoinSet<()>,
    programs: Vec<thread::JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

/// What each client has.
#[derive(Clone)]
struct Client {
    settings: Settings,
    ledger: Arc<Ledger>,
    over: Arc<AtomicBool>,
    folder: PathBuf,
}

impl Crowd {
    pub(super) fn begin(
        people: &[Settings],
        ledger: &Arc<Ledger>,
        folder: &Path,
        seed: u64,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let over = Arc::new(AtomicBool::new(false));
        let (mut at_work, mut programs) = (JoinSet::new(), Vec::new());
        let mut numbers = Numbers(seed);
        for settings in people {
            let folder = folder.join(&settings.address);
            fs::create_dir_all(&folder).expect("a folder of ours");
            let client = Client {
                settings: settings.clone(),
                ledger: ledger.clone(),
                over: over.clone(),
                folder,
            };
            let own = |numbers: &mut Numbers| Numbers(numbers.next());
            for _ in 0..READERS {
                let reader = client.clone().keeps(own(&mut numbers), Work::Read);
                at_work.spawn_on(reader, runtime.handle());
            }
            for _ in 0..APPENDERS {
                let appender = client.clone().keeps(own(&mut numbers), Work::Append);
                at_work.spawn_on(appender, runtime.handle());
            }
            for _ in 0..SENDERS {
                at_work.spawn_on(client.clone().sends(own(&mut numbers)), runtime.handle());
            }
            for run in [Client::curl, Client::msmtp, Client::mbsync] {
                let (client, mut numbers) = (client.clone(), own(&mut numbers));
                programs.push(thread::spawn(move || {
                    while !client.is_over() {
                        run(&client);
                        thread::sleep(Duration::from_millis(numbers.below(REST) as u64));
                    }
                }));
            }
        }
        Self { runtime, at_work, programs, over }
    }

    /// Each finishes what it does.
    pub(super) fn leaves(self) {
        let Self { runtime, at_work, programs, over } = self;
        over.store(true, Ordering::Relaxed);
        runtime.block_on(at_work.join_all());
        programs.into_iter().for_each(|program| program.join().expect("a program's runs"));
    }
}

/// What an IMAP client is there for.
#[derive(Debug, Clone, Copy)]
enum Work {
    Read,
    Append,
}

/// Why a client begins anew.
enum Stop {
    /// It wanted to.
    Left,
    Failed(String),
}

impl<E: Display> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

type Imap = Session<TcpStream>;

impl Client {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// An IMAP client: session after session.
    async fn keeps(self, mut numbers: Numbers, work: Work) {
        while !self.is_over() {
            match timeout(PATIENCE * 4, self.session(&mut numbers, work)).await {
                Ok(Ok(()) | Err(Stop::Left)) => {}
                Ok(Err(Stop::Failed(words))) => self.ledger.error("IMAP", &words),
                Err(_) => self.ledger.error("IMAP", "HUNG"),
            }
            rest(&mut numbers).await;
        }
    }

    async fn session(&self, numbers: &mut Numbers, work: Work) -> Result<(), Stop> {
        let stream = TcpStream::connect(self.settings.imap).await?;
        let mut client = async_imap::Client::new(stream);
        if client.read_response().await?.is_none() {
            return Err(Stop::Failed("no greeting".to_owned()));
        }
        let Settings { address, password, .. } = &self.settings;
        let mut session = client.login(address, password).await.map_err(|(error, _)| error)?;
        self.ledger.done("IMAP sign-ons");
        session.select("INBOX").await?;
        while !self.is_over() {
            session = match work {
                Work::Append => self.append(session).await?,
                Work::Read => match numbers.below(12) {
                    0..5 => self.idle(session, numbers).await?,
                    5..10 => self.read(session).await?,
                    10 => {
                        session.logout().await?;
                        return Err(Stop::Left);
                    }
                    // The person closes the lid.
                    _ => return Err(Stop::Left),
                },
            };
            rest(numbers).await;
        }
        session.logout().await?;
        Ok(())
    }

    async fn idle(&self, session: Imap, numbers: &mut Numbers) -> Result<Imap, Stop> {
        let mut idle = session.idle();
        idle.init().await?;
        let (news, _stop) =
            idle.wait_with_timeout(Duration::from_millis(1_000 + numbers.below(9_000) as u64));
        news.await?;
        self.ledger.done("IDLEs");
        Ok(idle.done().await?)
    }

    /// The last mails, which must be what they were when they were written.
    async fn read(&self, mut session: Imap) -> Result<Imap, Stop> {
        let exists = session.select("INBOX").await?.exists;
        if exists > 0 {
            let range = format!("{}:{exists}", exists.saturating_sub(4).max(1));
            let mails: Vec<_> =
                session.fetch(range, "(UID BODY.PEEK[])").await?.try_collect().await?;
            for mail in &mails {
                let Some(body) = mail.body() else { continue };
                let number = number_of(body);
                let right = number.is_some_and(|it| is_letter(body, &self.settings.address, it));
                assert!(right, "a mail that is another: {}", body.escape_ascii());
                self.ledger.done("mails read");
            }
        }
        Ok(session)
    }

    async fn append(&self, mut session: Imap) -> Result<Imap, Stop> {
        let (number, letter) = self.letter();
        let answer = session.append("INBOX", None, None, letter).await;
        self.book(number, answer.is_ok(), "mails appended");
        answer?;
        Ok(session)
    }

    /// An SMTP client: several mails on a connection.
    async fn sends(self, mut numbers: Numbers) {
        let Settings { smtp, address, password, .. } = &self.settings;
        let sender = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.ip().to_string())
            .port(smtp.port())
            .credentials(Credentials::new(address.clone(), password.clone()))
            .authentication(vec![Mechanism::Plain])
            .timeout(Some(PATIENCE))
            .build();
        let person: lettre::Address = address.parse().expect("an address");
        let envelope = Envelope::new(Some(person.clone()), vec![person]).expect("somebody");
        while !self.is_over() {
            let (number, letter) = self.letter();
            let sent = sender.send_raw(&envelope, &letter).await;
            self.book(number, sent.is_ok(), "mails sent");
            if let Err(error) = sent {
                self.ledger.error("SMTP", &error.to_string());
            }
            rest(&mut numbers).await;
        }
    }

    /// The list of mailboxes, by a connection of its own.
    fn curl(&self) {
        let Settings { imap, address, password, .. } = &self.settings;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--config", "-"]);
        curl.arg(format!("imap://{imap}/"));
        let config = format!("user = \"{address}:{password}\"\n");
        self.ran("curl", &process::run(&mut curl, config.as_bytes(), A_RUN));
    }

    fn msmtp(&self) {
        let Settings { smtp, address, password, .. } = &self.settings;
        let config = self.folder.join("msmtprc");
        let text = format!(
            "defaults\nhost {}\nport {}\ntls off\nauth plain\nuser {address}\n\
             password {password}\nfrom {address}\naccount default\n",
            smtp.ip(),
            smtp.port()
        );
        write_privately(&config, &text);
        let (number, letter) = self.letter();
        let mut msmtp = Command::new("msmtp");
        msmtp.arg("--file").arg(&config).arg("--").arg(address);
        let output = process::run(&mut msmtp, &letter, A_RUN);
        self.book(number, output.status.success(), "mails sent");
        self.ran("msmtp", &output);
    }

    fn mbsync(&self) {
        let Settings { imap, address, password, .. } = &self.settings;
        let (config, mail) = (self.folder.join("mbsyncrc"), self.folder.join("mail"));
        fs::create_dir_all(&mail).expect("a folder of ours");
        let text = format!(
            "IMAPStore far\nHost {}\nPort {}\nUser {address}\nPass {password:?}\nSSLType None\n\
             AuthMechs LOGIN\nTimeout 330\n\nMaildirStore near\nPath {mail}/\nInbox {mail}/INBOX\n\n\
             Channel all\nFar :far:INBOX\nNear :near:INBOX\nSync Pull\nCreate Near\n\
             SyncState {mail}/state\n",
            imap.ip(),
            imap.port(),
            mail = mail.display(),
        );
        write_privately(&config, &text);
        let mut mbsync = Command::new("mbsync");
        mbsync.arg("-c").arg(&config).arg("all");
        self.ran("mbsync", &process::run(&mut mbsync, b"", A_RUN));
    }

    fn ran(&self, program: &'static str, output: &Output) {
        if output.status.success() {
            self.ledger.done(match program {
                "curl" => "runs of curl",
                "msmtp" => "runs of msmtp",
                _ => "runs of mbsync",
            });
        } else {
            self.ledger.error(program, &String::from_utf8_lossy(&output.stderr));
        }
    }

    fn letter(&self) -> (u64, Vec<u8>) {
        let number = self.ledger.letter();
        let letter = messages::letter(&self.settings.address, number);
        // Until an answer comes nobody knows.
        self.ledger.book(&self.settings.address, number, Fate::Unknown);
        (number, letter)
    }

    fn book(&self, number: u64, accepted: bool, what: &'static str) {
        if accepted {
            self.ledger.book(&self.settings.address, number, Fate::Accepted);
            self.ledger.done(what);
        }
    }
}

/// msmtp wants its file to be its owner's alone.
fn write_privately(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).expect("a folder of ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file of ours");
}

async fn rest(numbers: &mut Numbers) {
    sleep(Duration::from_millis(numbers.below(REST) as u64)).await;
}
