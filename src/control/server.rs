//! The running proxy's side of the channel.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::{Address, Answer, Envelope, MAX_LINE, Request};
use crate::check::{self, Examined};
use crate::config::Home;
use crate::private_file;
use crate::proxy::EndGrantError;
use crate::secret::BearerToken;
use crate::status::{Desk, Link};

/// How long a command may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// Commands at once; a person runs one.
const AT_ONCE: usize = 32;
/// The pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The open channel. Dropping it closes it, and removes its file.
pub struct Channel {
    home: Home,
    task: tokio::task::JoinHandle<()>,
    stops: mpsc::Receiver<()>,
}

/// The channel can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("the commands could not reach this Gatepost ({0})")]
pub struct ChannelError(#[from] io::Error);

impl Channel {
    /// Opens it, and writes the file by which commands find it.
    pub async fn open(desk: Arc<Desk>) -> Result<Self, ChannelError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let token = BearerToken::random().map_err(io::Error::other)?;
        let home = desk.server().home().clone();
        let address = Address {
            pid: std::process::id(),
            port: listener.local_addr()?.port(),
            token: token.clone(),
        };
        private_file::write_atomically(
            &home.control_file(),
            &serde_json::to_vec(&address).map_err(io::Error::from)?,
        )?;
        let (stop, stops) = mpsc::channel(1);
        let task = tokio::spawn(accept(listener, desk, token, stop));
        Ok(Self { home, task, stops })
    }

    /// Done once a command asks the proxy to stop.
    pub async fn stop_asked(&mut self) {
        // The sender lives in the task, which ends only with this.
        let _ = self.stops.recv().await;
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.task.abort();
        // A file that stays does no harm: the lock tells that nobody is there.
        let _ = private_file::remove(&self.home.control_file());
    }
}

async fn accept(
    listener: TcpListener,
    desk: Arc<Desk>,
    token: BearerToken,
    stop: mpsc::Sender<()>,
) {
    let token = Arc::new(token);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let (desk, token, stop) = (desk.clone(), token.clone(), stop.clone());
                tokio::spawn(async move {
                    let _place = place;
                    if let Err(error) = serve(stream, &desk, &token, &stop).await {
                        tracing::debug!("a command could not be answered ({error})");
                    }
                });
            }
            Err(error) => {
                tracing::warn!("a command can't be accepted ({error}); trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    desk: &Desk,
    token: &BearerToken,
    stop: &mpsc::Sender<()>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    let mut bounded = (&mut stream).take(MAX_LINE);
    timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await??;
    let envelope: Envelope = serde_json::from_slice(&line)?;
    if envelope.token != *token {
        tracing::warn!("a program without the right token asked something of the control channel");
        return Ok(());
    }
    tracing::debug!(request = ?envelope.request, "a command asks");
    let patience = envelope.request.patience();
    let answer = timeout(patience, answer(desk, envelope.request.clone())).await?;
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    timeout(PATIENCE, stream.get_mut().write_all(&line)).await??;
    if envelope.request == Request::Stop {
        // Full means that a stop is under way.
        let _ = stop.try_send(());
    }
    Ok(())
}

async fn answer(desk: &Desk, request: Request) -> Answer {
    let server = desk.server();
    match request {
        Request::Status => Answer::Status(server.status()),
        Request::Stop => Answer::Done,
        Request::Page => match desk.link() {
            Ok(Link { page, token }) => Answer::Page { page, token },
            Err(why) => Answer::NoPage(why),
        },
        Request::Reload => match server.reload() {
            Ok(_) => Answer::Done,
            Err(error) => {
                tracing::error!("the configuration was not taken up: {error}");
                Answer::Failed(error.to_string())
            }
        },
        Request::Examine { address, password, failed } => {
            let Examined { findings, pass } =
                check::account(server, &address, password, &failed).await;
            Answer::Examined { findings, pass }
        }
        Request::Revoke(address) => {
            match server.end_grant(&address).await {
                Ok(()) => Answer::Done,
                // The command opens the grant itself, and says what is missing.
                Err(EndGrantError::Locked | EndGrantError::NoClient) => Answer::Locked,
                Err(EndGrantError::Refused(cause)) => Answer::Failed(cause.sentence()),
            }
        }
    }
}
