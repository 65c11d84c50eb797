//! A command's side of the channel.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Address, Answer, Envelope, InstanceLock, MAX_ANSWER, Request};
use crate::config::Home;
use crate::private_file;

/// How long a proxy may take to drain and end.
const ENDING: Duration = Duration::from_secs(20);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(50);

/// Its file has a number, a port and a token.
const MAX_FILE: u64 = 4096;

/// A proxy that runs for a home.
pub struct Running {
    home: Home,
    address: Address,
}

/// Why a running proxy didn't answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// None runs.
    #[error("Gatepost is not running here.")]
    NotRunning,
    /// It runs and doesn't answer.
    #[error("The running Gatepost (process {pid}) does not answer ({error}).")]
    Silent {
        /// Its process.
        pid: u32,
        /// What happened.
        error: io::Error,
    },
    /// It did not end in time.
    #[error("The running Gatepost (process {pid}) has not ended yet.")]
    StillThere {
        /// Its process.
        pid: u32,
    },
}

impl Running {
    /// Finds the proxy that runs for `home`.
    pub fn find(home: &Home) -> Result<Self, ControlError> {
        // The file of one that was killed stays; the lock does not.
        if !InstanceLock::is_held(home) {
            return Err(ControlError::NotRunning);
        }
        let address = read(home).ok_or(ControlError::NotRunning)?;
        Ok(Self { home: home.clone(), address })
    }

    /// The process that the file names.
    pub(super) fn pid(home: &Home) -> Option<u32> {
        read(home).map(|address| address.pid)
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.address.pid
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&self, request: Request) -> Result<Answer, ControlError> {
        let asked = timeout(request.patience(), self.exchange(request)).await;
        let asked = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        asked.map_err(|error| ControlError::Silent { pid: self.address.pid, error })
    }

    /// Asks it to stop, and waits until it has ended.
    pub async fn stop(&self) -> Result<(), ControlError> {
        self.ask(Request::Stop).await?;
        let ended = timeout(ENDING, async {
            while InstanceLock::is_held(&self.home) {
                tokio::time::sleep(LOOK).await;
            }
        });
        ended.await.map_err(|_| ControlError::StillThere { pid: self.address.pid })
    }

    async fn exchange(&self, request: Request) -> io::Result<Answer> {
        let envelope = Envelope { token: self.address.token.clone(), request };
        let mut line = serde_json::to_vec(&envelope)?;
        line.push(b'\n');
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.address.port)).await?;
        stream.write_all(&line).await?;
        let mut answer = String::new();
        BufReader::new(stream.take(MAX_ANSWER)).read_line(&mut answer).await?;
        Ok(serde_json::from_str(&answer)?)
    }
}

fn read(home: &Home) -> Option<Address> {
    serde_json::from_slice(&private_file::read_bounded(&home.control_file(), MAX_FILE).ok()?).ok()
}
