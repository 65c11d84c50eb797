//! Where a journey takes place: a person's Gatepost, with a line that can fail to each of its servers.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    is_long,
    kinds::{Kind, Point},
};
use crate::support::{
    bed::Bed,
    fault_proxy::{Fault, FaultyNetwork, Line, When},
    gatepost::{Home, Proxy, configuration},
    machine::Machine,
    mail_client::Settings,
    middle::{Authority, Behind, DAY, Middle},
    process,
    scene::{plain, quoted, sign_in},
    servers::{Dovecot, Ending},
    trial,
    wire::Wire,
};

/// How long a server is silent that comes round.
pub(super) const STALL: Duration = Duration::from_secs(3);
/// So many seconds an outage is sat out for a client here.
fn outage_hold() -> u64 {
    if is_long() { 6 } else { 1 }
}

/// A server of the provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upstream {
    Imap,
    Smtp,
    Authorization,
}

impl Upstream {
    const ALL: [Self; 3] = [Self::Imap, Self::Smtp, Self::Authorization];

    /// By which Gatepost knows it.
    fn host(self) -> &'static str {
        match self {
            Self::Imap => "imap.gmail.com",
            Self::Smtp => "smtp.gmail.com",
            Self::Authorization => "oauth2.googleapis.com",
        }
    }
}

/// The servers that several worlds share.
pub(super) struct Stage {
    /// Dropped first: it reads the log of what comes behind.
    _ending: Option<Ending>,
    plain: Dovecot,
    bed: Bed,
    pub(super) network: Arc<FaultyNetwork>,
    /// TLS before the authorization server.
    _middle: Middle,
    tls: u16,
    trusted: PathBuf,
    next: AtomicU64,
}

impl Stage {
    /// Tokens live as long as Google's, or so long, and sessions with them.
    pub(super) fn new(token_life: Option<Duration>) -> Arc<Self> {
        let bed = Bed::with_smtp();
        let ending = token_life.map(|life| {
            bed.google.set_token_life(life);
            bed.dovecot.end_sessions_with_tokens()
        });
        let middle = Middle::at([127, 0, 0, 1].into());
        let authority = Authority::called("Known to This Machine");
        let trusted = bed.scratch("trusted").join("trusted.pem");
        fs::copy(bed.authority(), &trusted).expect("a folder of ours");
        authority.is_trusted_in(&trusted);
        let config = authority.sign(&[Upstream::Authorization.host()], DAY, DAY);
        let tls = middle.open(0, config, Behind::Plain(bed.google.address()));
        let network = FaultyNetwork::new(Some(Arc::new(Machine::with_network())));
        let (plain, next) = (bed.plain_dovecot(), AtomicU64::new(1));
        Arc::new(Self { _ending: ending, plain, bed, network, _middle: middle, tls, trusted, next })
    }
}

/// One person's Gatepost.
pub(super) struct World {
    stage: Arc<Stage>,
    proxy: Option<Proxy>,
    pub(super) home: Arc<Home>,
    pub(super) address: String,
    pub(super) password: String,
    lines: [Arc<Line>; 3],
    hosts: PathBuf,
    _machine: Machine,
    /// What is to go wrong, where, and with which server.
    plan: Option<(Kind, Point, Upstream)>,
    /// Counts what is tried, so that no mail is like another.
    tries: u64,
}

impl World {
    pub(super) fn new(stage: &Arc<Stage>) -> Self {
        let number = stage.next.fetch_add(1, Ordering::Relaxed);
        let address = format!("anna.{number}@gmail.com");
        let bed = &stage.bed;
        bed.google.allow_user(&address);
        let postfix = bed.postfix.as_ref().expect("with_smtp").tls();
        let tls = ([127, 0, 0, 1], stage.tls).into();
        let lines =
            [bed.dovecot.address(), postfix, tls].map(|to| Arc::new(stage.network.line(to)));
        let [imap, smtp, tokens] = [0, 1, 2].map(|line: usize| lines[line].address().port());
        let google = format!("https://{}:{tokens}", Upstream::Authorization.host());
        let home = Home::new(bed, &format!("world-{number}"), "");
        home.configure(&configuration(
            bed,
            &format!(
                "imap = \"{}:{imap}\"\nsmtp = \"{}:{smtp}\"\ntoken_url = \"{google}/token\"\n\
                 userinfo_url = \"{google}/userinfo\"\nrevoke_url = \"{google}/revoke\"\n\
                 ca_file = {:?}\noutage_hold = \"{}s\"\n",
                Upstream::Imap.host(),
                Upstream::Smtp.host(),
                stage.trusted.display().to_string(),
                outage_hold(),
            ),
        ));
        let machine = Machine::new();
        let folder = bed.scratch(&format!("world-{number}-names"));
        let (hosts, servers) = (folder.join("hosts"), folder.join("resolv.conf"));
        // A name server that is not there is known at once.
        fs::write(&servers, "nameserver 127.0.0.1\n").expect("a folder of ours");
        fs::write(&hosts, "").expect("a folder of ours");
        machine.replace("/etc/hosts", &hosts);
        machine.replace("/etc/resolv.conf", &servers);
        let through = machine.through();
        home.start_through(&through.iter().map(String::as_str).collect::<Vec<_>>());
        let mut world = Self {
            stage: stage.clone(),
            proxy: None,
            home,
            address,
            password: String::new(),
            lines,
            hosts,
            _machine: machine,
            plan: None,
            tries: 0,
        };
        world.knows_all_but(None);
        world.password = sign_in(&world.home, &world.address, None);
        world.proxy = Some(world.home.run());
        world
    }

    /// What is to go wrong in the journey that comes next.
    pub(super) fn plans(&mut self, kind: Kind, point: Point, upstream: Upstream) {
        self.plan = Some((kind, point, upstream));
    }

    /// The moment of a journey is here, at which something may go wrong.
    pub(super) fn reaches(&mut self, moment: &str) {
        let Some((kind, point, upstream)) = self.plan else { return };
        if point.moment != moment {
            return;
        }
        let line = &self.lines[upstream as usize];
        match kind.fault(point.when) {
            Some(fault) if kind.is_of_new_connections() && point.cuts => {
                // The connection that is there ends first.
                let before = line.counts().failed;
                line.suffers(Fault::Reset(When::Now));
                process::until(Duration::from_secs(1), || line.counts().failed > before);
                line.suffers(fault);
            }
            Some(fault) => line.suffers(fault),
            None => {
                self.knows_all_but(Some(upstream));
                if point.cuts {
                    line.suffers(Fault::Reset(When::Now));
                }
            }
        }
        if kind == Kind::Stall {
            let line = line.clone();
            thread::spawn(move || {
                thread::sleep(STALL);
                line.heals();
            });
        }
    }

    /// All is well again.
    pub(super) fn heals(&mut self) {
        self.plan = None;
        self.lines.iter().for_each(|line| line.heals());
        self.knows_all_but(None);
    }

    /// Which names have an address.
    fn knows_all_but(&self, unknown: Option<Upstream>) {
        let known = Upstream::ALL.into_iter().filter(|upstream| Some(*upstream) != unknown);
        let there = self.stage.network.address();
        let lines: String = known.map(|name| format!("{there} {}\n", name.host())).collect();
        fs::write(&self.hosts, format!("127.0.0.1 localhost\n{lines}")).expect("ours");
    }

    /// The number of the last try.
    pub(super) fn tries(&self) -> u64 {
        self.tries
    }

    /// A number that no try before had.
    pub(super) fn next_try(&mut self) -> u64 {
        self.tries += 1;
        self.tries
    }

    pub(super) fn restart(&mut self) {
        self.proxy.take().expect("it runs").stop();
        self.proxy = Some(self.home.run());
    }

    fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("it runs")
    }

    /// A client that has been greeted.
    pub(super) fn imap(&self) -> Wire {
        Wire::imap(self.proxy().imap)
    }

    /// A client of SMTP's, likewise.
    pub(super) fn smtp(&self) -> Wire {
        let mut wire = Wire::connect(self.proxy().smtp);
        wire.expect("220 ");
        wire
    }

    pub(super) fn login(&self) -> String {
        format!("LOGIN {} {}", quoted(&self.address), quoted(&self.password))
    }

    pub(super) fn auth_plain(&self) -> String {
        format!("AUTH PLAIN {}", plain(&self.address, &self.password))
    }

    /// The person's mail, by a way that Gatepost has no part in.
    pub(super) fn direct(&self) -> Wire {
        trial::signed_on(&Settings::direct(&self.stage.plain, &self.address))
    }

    /// All mails of a mailbox, by that way.
    pub(super) fn mails(&self, mailbox: &str) -> Vec<Vec<u8>> {
        let mut direct = self.direct();
        direct.command("d1", &format!("SELECT {mailbox}"));
        direct.send("d2 UID FETCH 1:* (BODY.PEEK[])\r\nd3 NOOP\r\n");
        let (_, mails) = direct.answers(&["d2".to_owned(), "d3".to_owned()]);
        mails.into_iter().map(|(_, mail)| mail).collect()
    }

    /// What the proxy has said last, for a failure.
    pub(super) fn log(&self) -> String {
        let log = self.proxy.as_ref().map(Proxy::log).unwrap_or_default();
        let lines: Vec<_> = log.lines().filter(|line| !line.contains(" TRACE ")).collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}
