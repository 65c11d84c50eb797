//! A listener on loopback that can be stopped and started again on the same port.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use super::sync::lock;

/// After a failed accept (no descriptors left, say), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What serves one connection.
pub(super) type Serve =
    Arc<dyn Fn(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A port and whoever serves it. Dropping it ends the listener and every connection.
pub(super) struct Listening {
    address: SocketAddr,
    serve: Serve,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listening {
    pub(super) async fn start(port: u16, serve: Serve) -> io::Result<Self> {
        let tcp = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = tcp.local_addr()?;
        let running = Mutex::new(Some(Running::start(tcp, Arc::clone(&serve))));
        Ok(Self {
            address,
            serve,
            running,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns once the port refuses connections and every open one is closed.
    pub(super) async fn stop(&self) {
        let running = lock(&self.running).take();
        if let Some(mut running) = running {
            drop(running.stop.take());
            // An error means that the task was ended from without, which is the same.
            let _ = (&mut running.task).await;
        }
    }

    pub(super) async fn restart(&self) -> io::Result<()> {
        self.stop().await;
        let tcp = TcpListener::bind(self.address).await?;
        *lock(&self.running) = Some(Running::start(tcp, Arc::clone(&self.serve)));
        Ok(())
    }
}

impl Running {
    fn start(tcp: TcpListener, serve: Serve) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut sessions = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = tcp.accept() => match accepted {
                        Ok((stream, _)) => {
                            // Answers are small and awaited: Nagle's algorithm only delays them.
                            let _ = stream.set_nodelay(true);
                            sessions.spawn(serve(stream));
                        }
                        Err(_) => sleep(ACCEPT_PAUSE).await,
                    },
                    Some(_) = sessions.join_next() => {}
                    _ = &mut stopped => break,
                }
            }
            drop(tcp);
            sessions.shutdown().await;
        });
        Self {
            stop: Some(stop),
            task,
        }
    }
}
