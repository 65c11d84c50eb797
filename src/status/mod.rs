//! The status page: for people in a browser on this machine, and for programs that watch over them.
//!
//! | file | its job |
//! |---|---|
//! | `guard` | what every request must be, what every answer says to the browser |
//! | `visits` | one-time links, and what a browser holds after one; pure |
//! | `routes` | what is under which path |
//! | `sign_ins` | sign-ins that began on the page |
//! | `neighbour` | whose program is at the other end |
//! | `health`, `condition` | `/healthz`: whether every account could really sign on; in words |
//! | `metrics` | `/metrics`: what is counted, for Prometheus |
//! | `naming` | what accounts are called in these two |
//! | `page` | the page itself: templates, style, script |

pub(crate) mod condition;
mod guard;
pub(crate) mod health;
mod metrics;
mod naming;
mod neighbour;
mod page;
mod routes;
pub(crate) mod sign_ins;
mod visits;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

use crate::proxy::Server;
use crate::secret::BearerToken;
use health::Health;
use neighbour::Neighbour;
use sign_ins::SignIns;
use visits::Visits;

/// How long a browser may take for a request's head, and may be silent between two: it connects again.
const HEAD: Duration = Duration::from_secs(15);
/// The longest life of a connection, however it is used: whoever doesn't read what was asked for would hold
/// its place for good. A browser connects again.
const LIFE: Duration = Duration::from_secs(120);
/// How long what is under way then may take: a look at the accounts (`/healthz?deep`) ends by itself before.
const ENDING: Duration = Duration::from_secs(40);
/// Connections at a time: a browser opens six, a monitor one.
const CONNECTIONS: usize = 64;

/// The page of a running proxy. Dropping it closes its connections; its port is the proxy's.
pub struct Site {
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

/// What the page's answers are made from, and what hands out its links.
pub struct Desk {
    server: Arc<Server>,
    visits: Mutex<Visits>,
    sign_ins: SignIns,
    health: Arc<Health>,
}

/// Why there is no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NoLink {
    /// The page is off.
    #[error("the status page is off")]
    Off,
    /// The usual port was taken when the proxy started.
    #[error("there is no status page, because its port was taken")]
    PortTaken,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// A link that opens the page once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The page.
    pub page: Url,
    /// What lets a browser in.
    pub token: BearerToken,
}

impl NoLink {
    /// One thing to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Off => {
                "Set `status` under [listen] in the configuration to \"localhost:10180\", and run `gatepost reload`."
            }
            Self::PortTaken => {
                "Set `status` under [listen] in the configuration to another port, and run `gatepost reload`."
            }
            Self::NoRandomness => "Start the computer anew.",
        }
    }
}

impl Link {
    /// What a browser is to open. It holds the secret.
    pub fn expose(&self) -> Url {
        let mut url = self.page.clone();
        url.set_path(&format!("/open/{}", self.token.expose()));
        url
    }
}

impl Site {
    /// Serves whoever comes to the status port of `server`.
    pub fn open(server: &Arc<Server>) -> Self {
        let desk = Arc::new(Desk {
            server: server.clone(),
            visits: Mutex::default(),
            sign_ins: SignIns::default(),
            health: Health::new(server.clone()),
        });
        let visitors = server.visitors();
        let task = tokio::spawn(serve(desk.clone(), visitors));
        Self { desk, task }
    }

    /// What hands out its links.
    pub fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Desk {
    /// The proxy that the page is of.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// A link that lets one browser in, once, within two minutes.
    pub fn link(&self) -> Result<Link, NoLink> {
        let address = self.address().ok_or_else(|| {
            let listen = &self.server.settings().config.listen;
            listen.status.map_or(NoLink::Off, |_| NoLink::PortTaken)
        })?;
        let page = Url::parse(&guard::origin(address)).map_err(|_| NoLink::PortTaken)?;
        let token = self.visits().link(Instant::now()).map_err(|_| NoLink::NoRandomness)?;
        Ok(Link { page, token })
    }

    /// Where the page is.
    fn address(&self) -> Option<SocketAddr> {
        self.server.address_of("status")
    }

    fn visits(&self) -> MutexGuard<'_, Visits> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both ends of a connection.
#[derive(Clone)]
struct Ends {
    peer: SocketAddr,
    /// Where it arrived.
    here: SocketAddr,
    /// Looked up once it matters.
    neighbour: Arc<OnceCell<Neighbour>>,
}

impl Ends {
    fn of(stream: &TcpStream) -> io::Result<Self> {
        let (peer, here) = (stream.peer_addr()?, stream.local_addr()?);
        Ok(Self { peer, here, neighbour: Arc::default() })
    }

    /// Whose program is at the other end.
    async fn neighbour(&self) -> Neighbour {
        let (peer, here) = (self.peer, self.here);
        let look = async || {
            let looked = tokio::task::spawn_blocking(move || neighbour::look(peer, here)).await;
            looked.unwrap_or(Neighbour::Other)
        };
        *self.neighbour.get_or_init(look).await
    }
}

async fn serve(desk: Arc<Desk>, visitors: Option<mpsc::Receiver<TcpStream>>) {
    let Some(mut visitors) = visitors else { return };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropped with this task, and the connections with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Some(stream) = visitors.recv().await {
        while connections.try_join_next().is_some() {}
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let Ok(ends) = Ends::of(&stream) else { continue };
        let router = routes::router(desk.clone(), ends);
        connections.spawn(async move {
            let _place = place;
            if let Err(error) = attend(stream, router).await {
                tracing::debug!("a browser's connection ended ({error})");
            }
        });
    }
}

async fn attend(stream: TcpStream, router: Router) -> hyper::Result<()> {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = pin!(served);
    if let Ok(ended) = timeout(LIFE, &mut served).await {
        return ended;
    }
    served.as_mut().graceful_shutdown();
    timeout(ENDING, served).await.unwrap_or(Ok(()))
}
