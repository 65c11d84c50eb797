//! The provider's IMAP server: Gmail's sign-on, and behind it the model that continuity is played with.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::network::Peer;
use super::talk::Talk;
use crate::proxy::continuity::tests::model::Kind;

/// What a server that refuses says, and what it is counted as.
const REFUSALS: [(&str, &str); 7] = [
    ("mail: too many connections", "NO [ALERT] Too many simultaneous connections. (Failure)"),
    ("mail: trouble of its own", "NO [UNAVAILABLE] Temporary System Problem (Failure)"),
    ("mail: over quota", "NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)"),
    ("mail: web login", "NO [ALERT] Please log in via your web browser (Failure)"),
    ("mail: says no", "NO Lookup failed abcdef"),
    ("mail: says BAD", "BAD Could not parse command"),
    ("mail: BYE at the sign-on", ""),
];

pub(super) async fn serve<S>(mut peer: Peer, mut talk: Talk<S>) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    peer.think().await;
    if peer.fails(peer.weather.mail / 3) {
        let google = Arc::clone(&peer.google);
        google.count("mail: no welcome");
        match peer.random.below(3) {
            0 => talk.say("* BYE Temporary System Problem\r\n").await?,
            1 => talk.say("* PREAUTH you are in\r\n").await?,
            _ => return listen_only(&peer, talk).await,
        }
        talk.close().await;
        return None;
    }
    talk.say("* OK Gimap ready for requests from 203.0.113.1 abcdef\r\n").await?;
    let line = talk.line().await?;
    peer.overhear(line.as_bytes());
    let Some(message) = line.strip_prefix("g1 AUTHENTICATE XOAUTH2 ") else {
        peer.google.complain(format!("to sign on, the proxy said {line}"));
        return None;
    };
    peer.think().await;
    let Some((address, token)) = read(message) else {
        peer.google.complain(format!("no XOAUTH2 message: {message}"));
        return None;
    };
    if peer.fails(peer.weather.mail) {
        return refuse(&mut peer, talk, &address, &token).await;
    }
    let Some(account) = peer.google.opens(&address, &token) else {
        peer.google.count("mail: token refused");
        return refuse_token(&mut talk).await;
    };
    peer.google.trace.note("in", &format!("account {account}"));
    peer.google.enters(account, &peer.line);
    peer.google.count("IMAP sign-ons at the server");
    let mail = Arc::clone(&peer.google.state().accounts[account].mail);
    let Kind { esearch, modseq, qresync, .. } = mail.kind;
    let mut capabilities = "IMAP4rev1 IDLE ENABLE UNSELECT UIDPLUS ID".to_owned();
    for (has, name) in [(esearch, " ESEARCH"), (modseq, " CONDSTORE"), (qresync, " QRESYNC")] {
        capabilities.push_str(if has { name } else { "" });
    }
    talk.say(format!("* CAPABILITY {capabilities}\r\ng1 OK {address} authenticated (Success)\r\n"))
        .await?;
    // From here on both ways go by themselves, as between two processes of the server's.
    let Talk { stream, buffer } = talk;
    let (mut from_proxy, mut to_proxy) = tokio::io::split(stream);
    let (mut from_model, mut to_model) = tokio::io::split(mail.connect(None));
    let up = async {
        let mut bytes = buffer;
        while to_model.write_all(&bytes).await.is_ok() {
            bytes.resize(4096, 0);
            let length = from_proxy.read(&mut bytes).await.unwrap_or(0);
            if length == 0 {
                return;
            }
            bytes.truncate(length);
            peer.overhear(&bytes);
        }
    };
    let down = async {
        let _ = tokio::io::copy(&mut from_model, &mut to_proxy).await;
        let _ = to_proxy.shutdown().await;
    };
    // When the server has closed, what the proxy still says is lost.
    tokio::select! {
        () = up => {}
        () = down => {}
    }
    Some(())
}

/// The user and the token in a message (Google's page on XOAUTH2).
pub(super) fn read(message: &str) -> Option<(String, String)> {
    let message = String::from_utf8(STANDARD.decode(message).ok()?).ok()?;
    let (user, token) =
        message.strip_prefix("user=")?.strip_suffix("\x01\x01")?.split_once("\x01auth=Bearer ")?;
    Some((user.to_owned(), token.to_owned()))
}

/// The challenge with which Gmail refuses a token.
pub(super) fn challenge() -> String {
    STANDARD.encode(r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#)
}

async fn refuse_token<S>(talk: &mut Talk<S>) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    talk.say(format!("+ {}\r\n", challenge())).await?;
    talk.line().await?;
    talk.say("g1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n").await?;
    talk.close().await;
    None
}

async fn refuse<S>(peer: &mut Peer, mut talk: Talk<S>, address: &str, token: &str) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match peer.random.below(10) {
        0..3 => {
            peer.google.count("mail: token refused early");
            if let Some(account) = peer.google.opens(address, token) {
                peer.google.forget_token(account, token);
            }
            return refuse_token(&mut talk).await;
        }
        3 => {
            peer.google.count("mail: no answer to the sign-on");
            return listen_only(peer, talk).await;
        }
        _ => {}
    }
    let (what, words) = peer.random.pick(&REFUSALS);
    peer.google.count(what);
    match words {
        "" => talk.say("* BYE Session expired\r\n").await?,
        words => talk.say(format!("g1 {words}\r\n")).await?,
    }
    talk.close().await;
    None
}

/// Says nothing, for as long as somebody waits.
async fn listen_only<S>(peer: &Peer, mut talk: Talk<S>) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(line) = talk.raw_line().await {
        peer.overhear(&line);
    }
    None
}
