//! Private Dovecots, a private Postfix, a private keyring and a private desktop: each an instance of its own with its own
//! folder, on free ports of 127.0.0.1 or a bus of its own, ended with the test. Their configuration
//! lies in `tests/servers/`.

mod bus;
mod desktop;
mod dovecot;
mod ending;
mod keyring;
mod postfix;
mod prometheus;

use std::{
    fs,
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use bus::SessionBus;
pub(crate) use desktop::Desktop;
pub(crate) use dovecot::{Dovecot, MailStore, PLAIN_PASSWORD};
pub(crate) use ending::Ending;
pub(crate) use keyring::{Hold, Keyring, Login};
pub(crate) use postfix::Postfix;
pub(crate) use prometheus::Prometheus;

use super::process;

/// How long a server may take to answer after its start, and to end. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// The templates, and the script that ends a server with its test.
pub(crate) fn templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers")
}

/// Leaves with a plain word where these servers can't run, before they fail in a less plain way.
pub(crate) fn assert_can_run() {
    let id = process::run_well(Command::new("id").arg("-u"), b"", PATIENCE);
    assert_eq!(
        String::from_utf8_lossy(&id).trim(),
        "0",
        "the tests against real servers need root: Dovecot and Postfix start as root and give it up \
         themselves. Run ./test (which uses sudo), or ./test --fast for the rest"
    );
    for server in [dovecot::PROGRAM, postfix::PROGRAM] {
        assert!(Path::new(server).exists(), "{server} is missing: run ./test, which installs it");
    }
}

/// A port that nobody listens on. The next call gives another, also from another thread.
///
/// Below the range that the system picks from for port 0, so that no test's socket takes it between
/// this check and the server's start. The check is needed: Postfix would share the port of another
/// Postfix (SO_REUSEPORT) without an error.
fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const SPAN: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another run of the tests on this machine begins elsewhere.
    let offset = std::process::id().wrapping_mul(97) as u16;
    (0..SPAN)
        .map(|_| FIRST + NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset) % SPAN)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// A server that runs as long as this value lives.
struct Guarded {
    guard: Child,
    stands_still: bool,
}

impl Guarded {
    /// Starts it, in a process group of its own so that Ctrl-C reaches the test first.
    fn start(program: &str, arguments: &[&str], output: &Path) -> Self {
        let output = fs::File::create(output).expect("a folder of ours");
        let guard = Command::new(templates().join("guard.sh"))
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .process_group(0)
            .spawn()
            .expect("guard.sh is executable");
        Self { guard, stands_still: false }
    }

    /// Lets it do nothing more until its end; its connections stay open.
    fn stand_still(&mut self) {
        self.signal("-STOP");
        self.stands_still = true;
    }

    /// To all its processes, and the guard.
    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.guard.id());
        process::run_well(Command::new("kill").args([signal, "--", &group]), b"", PATIENCE);
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.stands_still {
            self.signal("-KILL");
        }
        // The end of its standard input is what the guard waits for.
        drop(self.guard.stdin.take());
        if process::wait(&mut self.guard, PATIENCE).is_none() {
            eprintln!("a server did not end within {PATIENCE:?}");
            drop(self.guard.kill());
            drop(self.guard.wait());
        }
    }
}

/// Writes a template's text with each `@KEY@` replaced.
fn render(template: &str, to: &Path, values: &[(&str, &str)]) {
    let mut text = fs::read_to_string(templates().join(template)).expect(template);
    for (key, value) in values {
        text = text.replace(&format!("@{key}@"), value);
    }
    fs::write(to, text).expect("a folder of ours");
}

/// Makes a folder that every user can pass through, as the servers run as users of their own.
fn folder(path: &Path) -> PathBuf {
    fs::create_dir_all(path).expect("a folder of ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a folder of ours");
    path.to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our folders have plain names")
}

/// Waits until a server takes connections and, if `greeting` isn't empty, says it (a port with TLS
/// from its first byte says nothing).
fn wait_for(address: SocketAddr, greeting: &str, logs: &[&Path]) {
    let answers = process::until(PATIENCE, || {
        let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else {
            return false;
        };
        let mut said = vec![0; greeting.len()];
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream.read_exact(&mut said).is_ok() && said == greeting.as_bytes()
    });
    let logs: Vec<_> = logs.iter().map(|log| process::tail(log)).collect();
    assert!(answers, "no server answers on {address}\n{}", logs.join("\n"));
}

/// Waits until nobody takes connections any more: what is killed is gone a moment later.
fn wait_until_gone(address: SocketAddr) {
    let gone = process::until(PATIENCE, || TcpStream::connect(address).is_err());
    assert!(gone, "the server on {address} goes on");
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
