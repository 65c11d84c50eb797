//! What the in-process tests share: a whole world on loopback – the stand-in for Google, a home, a
//! signed-in account and a proxy – and a mail client that speaks by the line.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod papers;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use gatepost::accounts::{Address, Keychain, Keys, NewPassword, Store};
use gatepost::config::Home;
use gatepost::demo::authorization::Authorization;
use gatepost::demo::{StandIn, StandInOptions};
use gatepost::proxy::{AccountStatus, Server};
use gatepost::secret::LocalPassword;
use gatepost::settings::Settings;
use gatepost::sign_in::{Progress, Request, SignInError, SignedIn, sign_in};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The account of every world.
pub const YOU: &str = "you@gmail.com";
/// Nothing in a test takes longer than this.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Everything that a session needs, on loopback.
pub struct World {
    pub google: StandIn,
    pub home: Home,
    pub folder: tempfile::TempDir,
    pub server: Option<Arc<Server>>,
    pub password: LocalPassword,
    /// A keychain of the test's own. The developer's is never touched.
    pub keychain: Option<Keychain>,
}

impl World {
    /// A signed-in account and a running proxy.
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// The same, with more lines under `[provider.gmail]`.
    pub async fn with(provider: &str) -> Self {
        let mut world = Self::signed_out(provider).await;
        let signed_in = world.sign_in(YOU, NewPassword::generate().unwrap()).await.unwrap();
        world.password = signed_in.password.unwrap();
        world.start();
        world
    }

    /// A stand-in and a home, and nobody signed in.
    pub async fn signed_out(provider: &str) -> Self {
        let options = StandInOptions { users: vec![YOU.to_owned()], ..StandInOptions::default() };
        let google = StandIn::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(folder.path()), None).unwrap();
        std::fs::write(folder.path().join("ca.pem"), google.ca_pem()).unwrap();
        let client = google.authorization();
        let config = format!(
            "[listen]\nimap = \"127.0.0.1:0\"\nsmtp = \"127.0.0.1:0\"\nstatus = \"\"\n\
             [secrets]\nkeychain = \"off\"\n\
             {}client_id = \"{}\"\nclient_secret = \"{}\"\n{provider}\n",
            google.provider_section("ca.pem"),
            client.client_id(),
            client.client_secret(),
        );
        std::fs::write(home.config_file(), config).unwrap();
        let password = LocalPassword::new("");
        Self { google, home, folder, server: None, password, keychain: None }
    }

    pub fn authorization(&self) -> &Authorization {
        self.google.authorization()
    }

    /// Gives a key of `[provider.gmail]` another text; a proxy that runs reads it at its next reload.
    pub fn provide(&self, key: &str, text: &str) {
        let file = self.home.config_file();
        let config = std::fs::read_to_string(file).unwrap();
        let (before, section) = config.split_once("[provider.gmail]\n").unwrap();
        let line = section.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        let section = section.replacen(line, &format!("{key} = \"{text}\""), 1);
        std::fs::write(file, format!("{before}[provider.gmail]\n{section}")).unwrap();
    }

    /// Trusts one more authority (PEM) for the provider's servers.
    pub fn trust(&self, authority: &str) {
        let file = self.folder.path().join("ca.pem");
        let all = std::fs::read_to_string(&file).unwrap() + authority;
        std::fs::write(file, all).unwrap();
    }

    pub fn start(&mut self) {
        let settings = Settings::load(&self.home, None).unwrap();
        let keys = Keys { key_file: None, keychain: self.keychain.clone() };
        self.server = Some(Server::start(self.home.clone(), settings, keys).unwrap());
    }

    /// As after a reboot: what was in memory is gone.
    pub async fn restart(&mut self) {
        self.server().stop().await;
        self.start();
    }

    pub fn server(&self) -> &Arc<Server> {
        self.server.as_ref().expect("the proxy runs")
    }

    pub fn account(&self) -> AccountStatus {
        self.server().status().accounts.remove(0)
    }

    pub fn record_file(&self) -> PathBuf {
        self.home.accounts().join(format!("{YOU}.json"))
    }

    /// Signs in with a person who opens the address at once.
    pub async fn sign_in(
        &self,
        address: &str,
        password: NewPassword,
    ) -> Result<SignedIn, SignInError> {
        let person = async |url: url::Url, _: mpsc::Sender<String>| {
            let _ = browser().get(url).send().await;
        };
        self.sign_in_as(address, password, person).await
    }

    /// Signs in; `person` is given the address, and where to paste.
    pub async fn sign_in_as(
        &self,
        address: &str,
        password: NewPassword,
        person: impl AsyncFnOnce(url::Url, mpsc::Sender<String>),
    ) -> Result<SignedIn, SignInError> {
        self.sign_in_telling(address, password, person, &|_| ()).await
    }

    /// Signs in, and passes on what the person is told.
    pub async fn sign_in_telling(
        &self,
        address: &str,
        password: NewPassword,
        person: impl AsyncFnOnce(url::Url, mpsc::Sender<String>),
        told: &(dyn Fn(&Progress<'_>) + Sync),
    ) -> Result<SignedIn, SignInError> {
        let settings = Settings::load(&self.home, None).unwrap();
        let address = Address::parse(address).unwrap();
        let request = new_account(&address, password);
        let (urls, mut opened) = mpsc::unbounded_channel::<url::Url>();
        let tell = move |progress: Progress<'_>| {
            told(&progress);
            if let Progress::Authorize(url) = progress {
                let _ = urls.send(url.clone());
            }
        };
        let (lines, pasted) = mpsc::channel(1);
        let store = Store::new(self.home.accounts());
        let person = async {
            if let Some(url) = opened.recv().await {
                person(url, lines).await;
            }
        };
        let signing_in = sign_in(&settings, &store, request, pasted, &tell);
        let both = async { tokio::join!(signing_in, person).0 };
        timeout(PATIENCE, both).await.expect("in time")
    }

    /// An IMAP client before its sign-on; the greeting is read.
    pub async fn imap(&self) -> Client {
        let mut client = Client::connect(&self.server().status().listeners["imap"]).await;
        assert!(client.line().await.starts_with("* OK [CAPABILITY "));
        client
    }

    /// An IMAP client that has signed on.
    pub async fn signed_on(&self) -> Client {
        let mut client = self.imap().await;
        let answer = client.log_in(self.password.expose()).await;
        assert!(answer.starts_with("in OK"), "{answer}");
        client
    }

    /// An SMTP client before its sign-on; the greeting is read.
    pub async fn smtp(&self) -> Client {
        let mut client = Client::connect(&self.server().status().listeners["smtp"]).await;
        assert!(client.line().await.starts_with("220 "));
        client
    }

    /// An SMTP client that has signed on.
    pub async fn smtp_signed_on(&self) -> Client {
        let mut client = self.smtp().await;
        client.ask("EHLO test").await;
        let answer = client.sign_on(self.password.expose()).await;
        assert!(answer.starts_with("235 "), "{answer}");
        client
    }
}

/// A port that nobody has at 127.0.0.1 or at ::1; the next call gives another. It is below those that
/// systems give to whoever asks for any, as every other test does: none of them takes it meanwhile.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another run of the tests on this machine begins elsewhere.
    let offset = std::process::id().wrapping_mul(97) as u16;
    let is_free = |port: &u16| {
        ["127.0.0.1", "::1"].iter().all(|host| TcpListener::bind((*host, *port)).is_ok())
    };
    std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset))
        .map(|number| 20_000 + number % 10_000)
        .find(is_free)
        .unwrap()
}

/// A place at `localhost` where nobody answers: as long as this lives, nobody else can have the port.
pub struct Deserted {
    pub port: u16,
    /// Bound, and never listening: whoever connects is refused.
    _held: Vec<TcpSocket>,
}

impl Deserted {
    pub fn find() -> Self {
        let hold = |socket: TcpSocket, address: SocketAddr| socket.bind(address).map(|()| socket);
        let v4 = hold(TcpSocket::new_v4().unwrap(), ([127, 0, 0, 1], 0).into()).unwrap();
        let port = v4.local_addr().unwrap().port();
        // Not every machine has this address as well.
        let v6 = TcpSocket::new_v6()
            .and_then(|socket| hold(socket, (std::net::Ipv6Addr::LOCALHOST, port).into()));
        Self { port, _held: std::iter::once(v4).chain(v6).collect() }
    }
}

/// What is signed in for the first time, by a person at a terminal.
pub fn new_account(address: &Address, password: NewPassword) -> Request<'_> {
    Request { address, password, replace_password: false, key_file: None, back: None }
}

/// A browser: it follows redirects, and trusts nobody in particular.
pub fn browser() -> reqwest::Client {
    http().build().unwrap()
}

/// One that shows where it is sent.
pub fn browser_without_redirects() -> reqwest::Client {
    http().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

fn http() -> reqwest::ClientBuilder {
    let tls = gatepost::tls::client_config(None).unwrap();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tokio_rustls::rustls::ClientConfig::clone(&tls))
        .no_proxy()
}

/// A mail client that speaks by the line.
pub struct Client<S = TcpStream> {
    pub stream: S,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Begins TLS with a server of this name, which `authority` (PEM) must have signed for.
    pub async fn secure(self, authority: &str, name: &str) -> io::Result<TlsClient> {
        self.secure_offering(&[], authority, name).await
    }

    /// The same for a client that names these protocols (RFC 7301).
    pub async fn secure_offering(
        self,
        protocols: &[&str],
        authority: &str,
        name: &str,
    ) -> io::Result<TlsClient> {
        assert!(self.buffer.is_empty(), "said before TLS");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(gatepost::tls::crypto())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let begun = TlsConnector::from(Arc::new(config)).connect(name, self.stream);
        let stream = timeout(PATIENCE, begun).await.expect("in time")?;
        Ok(Client { stream, buffer: Vec::new() })
    }
}

/// The same under TLS.
pub type TlsClient = Client<TlsStream<TcpStream>>;

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next line without its CRLF; empty at the end of the connection.
    pub async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return String::from_utf8_lossy(&line).trim_end().to_owned();
            }
            if self.read().await == 0 {
                return String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned();
            }
        }
    }

    /// Exactly so many bytes.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(
                self.read().await > 0,
                "the connection ended after {} bytes",
                self.buffer.len()
            );
        }
        self.buffer.drain(..count).collect()
    }

    /// Lines up to and with the one that begins with `start`; the last of them.
    pub async fn until(&mut self, start: &str) -> String {
        loop {
            let line = self.line().await;
            if line.starts_with(start) {
                return line;
            }
            assert!(!line.is_empty(), "the connection ended before “{start}”");
        }
    }

    /// Everything that still comes.
    pub async fn rest(&mut self) -> String {
        while self.read().await > 0 {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// An SMTP reply, whole; its last line.
    pub async fn reply(&mut self) -> String {
        loop {
            let line = self.line().await;
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    /// An SMTP command and its reply.
    pub async fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n")).await;
        self.reply().await
    }

    /// `AUTH PLAIN`, and its reply.
    pub async fn sign_on(&mut self, password: &str) -> String {
        use base64::Engine as _;
        let plain = format!("\0{YOU}\0{password}");
        let plain = base64::engine::general_purpose::STANDARD.encode(plain);
        self.ask(&format!("AUTH PLAIN {plain}")).await
    }

    /// `in LOGIN`, and its tagged answer, or the first `* BYE`.
    pub async fn log_in(&mut self, password: &str) -> String {
        self.send(format!("in LOGIN {YOU} \"{password}\"\r\n")).await;
        loop {
            let line = self.line().await;
            if line.is_empty() || line.starts_with("in ") || line.starts_with("* BYE") {
                return line;
            }
        }
    }

    async fn read(&mut self) -> usize {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        // A reset is an end as well.
        read.expect("something comes in time").unwrap_or(0)
    }
}
