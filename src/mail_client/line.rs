//! The mail client's connection: how it begins, and what was heard on it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Door, MailError};
use crate::tls::{self, Channel};

/// What is kept of a server's words, in bytes.
const KEPT: usize = 2048;
/// More than Gatepost's greeting or its list of extensions is.
const MOST: usize = 16 * 1024;

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Imap,
    Smtp,
}

/// A connection whose server's last words are kept.
#[derive(Debug)]
pub(super) struct Line {
    channel: Channel,
    /// What was read before, and is to be read again.
    again: Vec<u8>,
    heard: Heard,
}

impl Line {
    /// Connects, and begins TLS where the door has it from the first byte, or the server offers it. The
    /// greeting is still to be read.
    pub(super) async fn open(door: &Door, spoken: Spoken) -> Result<Self, MailError> {
        let none = |error: io::Error| MailError::NoConnection(door.place(), error.to_string());
        let mut stream = TcpStream::connect((door.host.as_str(), door.port)).await.map_err(none)?;
        let heard = Heard::default();
        if door.implicit_tls {
            let channel = begin_tls(door, stream).await?;
            return Ok(Self { channel, again: Vec::new(), heard });
        }
        let again = until(&mut stream, |said| said.ends_with(b"\n")).await.map_err(none)?;
        let channel = match start_tls(&mut stream, spoken, &again).await.map_err(none)? {
            true => begin_tls(door, stream).await?,
            false => Channel::Plain(stream),
        };
        Ok(Self { channel, again, heard })
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard.clone()
    }
}

/// Issues STARTTLS where it is offered; true if TLS begins now.
async fn start_tls(stream: &mut TcpStream, spoken: Spoken, greeting: &[u8]) -> io::Result<bool> {
    let names = |said: &[u8], word: &str| {
        let said = String::from_utf8_lossy(said).into_owned();
        said.split(|c: char| !c.is_ascii_alphanumeric()).any(|it| it == word)
    };
    let is_ours = names(greeting, "Gatepost");
    let answer = match spoken {
        Spoken::Imap if is_ours && names(greeting, "STARTTLS") => {
            stream.write_all(b"tls STARTTLS\r\n").await?;
            until(stream, |said| said.ends_with(b"\n")).await?.starts_with(b"tls OK")
        }
        Spoken::Smtp if is_ours => {
            stream.write_all(b"EHLO localhost\r\n").await?;
            let is_last = |line: &[u8]| line.get(3) == Some(&b' ');
            let whole = |said: &[u8]| {
                said.ends_with(b"\n") && said.split_inclusive(|b| *b == b'\n').any(is_last)
            };
            if !names(&until(stream, whole).await?, "STARTTLS") {
                return Ok(false);
            }
            stream.write_all(b"STARTTLS\r\n").await?;
            until(stream, |said| said.ends_with(b"\n")).await?.starts_with(b"220")
        }
        _ => false,
    };
    Ok(answer)
}

/// Reads until it is enough, or the server has no more to say.
async fn until(stream: &mut TcpStream, enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    while !enough(&said) && said.len() < MOST {
        if stream.read_buf(&mut said).await? == 0 {
            break;
        }
    }
    Ok(said)
}

/// As a mail program does that trusts whom the system trusts.
async fn begin_tls(door: &Door, stream: TcpStream) -> Result<Channel, MailError> {
    let refused = |why: String| MailError::NoTls(door.place(), why);
    let name = door.tls_name.as_ref().unwrap_or(&door.host);
    let config = tls::client_config(None).map_err(|error| refused(error.to_string()))?;
    let name = ServerName::try_from(name.clone()).map_err(|error| refused(error.to_string()))?;
    let begun = TlsConnector::from(config).connect(name, stream).await;
    let stream = begun.map_err(|error| refused(error.to_string()))?;
    Ok(Channel::tls(stream))
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if this.again.is_empty() {
            ready!(Pin::new(&mut this.channel).poll_read(cx, buffer))?;
        } else {
            let length = this.again.len().min(buffer.remaining());
            buffer.put_slice(&this.again[..length]);
            this.again.drain(..length);
        }
        this.heard.more(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().channel).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().channel).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().channel).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.channel.peer_addr()
    }
}

/// The end of what a server said, since async-imap keeps a BYE's words to itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn more(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).lines().map(str::to_owned).collect()
    }
}
