//! A client for byte dialogues, and tests of the whole.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

use super::*;

pub(super) const ME: &str = "someone@gmail.com";

pub(super) async fn stand_in() -> StandIn {
    StandIn::start(StandInOptions::default()).await.unwrap()
}

pub(super) fn connector(
    google: &StandIn,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(google.ca_pem().as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

pub(super) fn xoauth2(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"))
}

/// One side of a dialogue.
pub(super) struct Dialogue<S>(pub(super) BufReader<S>);

impl Dialogue<TlsStream<TcpStream>> {
    pub(super) async fn tls(google: &StandIn, address: SocketAddr, name: &str) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = name.to_owned().try_into().unwrap();
        let tls = connector(google, &[&TLS13])
            .connect(name, tcp)
            .await
            .unwrap();
        Self(BufReader::new(tls))
    }
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Dialogue<S> {
    pub(super) async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// The next line with its CRLF; "" at the end.
    pub(super) async fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).await.unwrap();
        String::from_utf8(line).unwrap()
    }

    /// Sends, and expects exactly these bytes.
    pub(super) async fn exchange(&mut self, sent: &str, expected: &str) {
        self.send(sent).await;
        self.expect(expected).await;
    }

    pub(super) async fn expect(&mut self, expected: &str) {
        let mut received = vec![0; expected.len()];
        let mut at = 0;
        while at < received.len() {
            let count = self.0.read(&mut received[at..]).await.unwrap();
            if count == 0 {
                break;
            }
            at += count;
            if received[..at] != expected.as_bytes()[..at] {
                break;
            }
        }
        let received = String::from_utf8_lossy(&received[..at]);
        assert_eq!(received, expected);
    }

    pub(super) async fn expect_end(&mut self) {
        assert_eq!(self.line().await, "");
    }
}

#[tokio::test]
async fn tls_resumes_in_both_versions_under_every_name() {
    let google = stand_in().await;
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let connector = connector(&google, &[version]);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let tcp = TcpStream::connect(google.imap_address()).await.unwrap();
            let name = "imap.gmail.com".try_into().unwrap();
            let mut tls = connector.connect(name, tcp).await.unwrap();
            // Tickets come behind the handshake in TLS 1.3: reading the greeting takes them in.
            tls.read_u8().await.unwrap();
            assert_eq!(tls.get_ref().1.protocol_version(), Some(expected));
            kinds.push(tls.get_ref().1.handshake_kind());
        }
        assert_eq!(
            kinds,
            [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]
        );
    }
    for name in ["smtp.gmail.com", "localhost", "127.0.0.1", "::1"] {
        Dialogue::tls(&google, google.smtp_address(), name).await;
    }
}

#[tokio::test]
async fn it_goes_down_comes_back_and_ends_when_dropped() {
    let google = stand_in().await;
    let addresses = [
        google.authorization().address(),
        google.imap_address(),
        google.smtp_address(),
        google.submission_address(),
    ];
    let mut open = Dialogue::tls(&google, google.imap_address(), "localhost").await;
    open.line().await;
    google.stop().await;
    // With or without a goodbye in TLS, the connection is over.
    assert_eq!(open.0.read(&mut [0; 1]).await.unwrap_or(0), 0);
    for address in addresses {
        assert!(TcpStream::connect(address).await.is_err());
    }
    google.restart().await.unwrap();
    for address in addresses {
        TcpStream::connect(address).await.unwrap();
    }
    drop(google);
    for address in addresses {
        let mut is_open = true;
        for _ in 0..100 {
            is_open = TcpStream::connect(address).await.is_ok();
            if !is_open {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!is_open, "{address} still listens");
    }
}

#[tokio::test]
async fn what_is_sent_by_smtp_is_read_by_imap() {
    let google = stand_in().await;
    let token = google.authorization().access_token(ME).unwrap();
    let mut smtp = Dialogue::tls(&google, google.smtp_address(), "smtp.gmail.com").await;
    smtp.line().await;
    smtp.send("EHLO me\r\n").await;
    while !smtp.line().await.starts_with("250 ") {}
    smtp.exchange("AUTH XOAUTH2\r\n", "334 \r\n").await;
    smtp.exchange(
        &format!("{}\r\n", xoauth2(ME, &token)),
        "235 2.7.0 Accepted\r\n",
    )
    .await;
    smtp.send(&format!("MAIL FROM: <{ME}>\r\nRCPT TO: <{ME}>\r\nDATA\r\n"))
        .await;
    for expected in ["250 2.1.0 OK ", "250 2.1.5 OK ", "354  Go ahead "] {
        assert!(smtp.line().await.starts_with(expected));
    }
    smtp.send("Subject: hi\r\n\r\n..dot\r\n.\r\n").await;
    assert!(smtp.line().await.starts_with("250 2.0.0 OK "));
    for folder in ["INBOX", "[Gmail]/Sent Mail"] {
        let messages = google.mailboxes().messages(ME, folder);
        assert_eq!(
            &*messages[0].bytes, b"Subject: hi\r\n\r\n.dot\r\n",
            "{folder}"
        );
    }
    assert_eq!(google.smtp().transactions()[0].recipients, [ME]);
}
