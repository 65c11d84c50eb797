//! The provider's submission server. Each of its replies names what it is a reply to.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::time::sleep;

use super::imap_server::{challenge, read};
use super::network::Peer;
use super::talk::Talk;

const EHLO: &str = "250-smtp.gmail.com at your service\r\n250-SIZE 35882577\r\n250-8BITMIME\r\n\
                    250-AUTH LOGIN PLAIN XOAUTH2\r\n250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n\
                    250 SMTPUTF8\r\n";

/// The part in the clear (RFC 3207).
pub(super) async fn until_tls(peer: &Peer, stream: DuplexStream) -> Option<DuplexStream> {
    let mut talk = Talk::new(stream);
    talk.say("220 smtp.gmail.com ESMTP\r\n").await?;
    loop {
        let line = talk.line().await?;
        peer.google.overhear(&peer.host, false, line.as_bytes());
        match line.split(' ').next() {
            Some("EHLO") => talk.say("250-smtp.gmail.com\r\n250 STARTTLS\r\n").await?,
            Some("STARTTLS") => break,
            _ => {
                peer.google.complain(format!("in the clear, the proxy said {line}"));
                return None;
            }
        }
    }
    talk.say("220 2.0.0 Ready to start TLS\r\n").await?;
    talk.buffer.is_empty().then_some(talk.stream)
}

pub(super) async fn serve<S>(mut peer: Peer, mut talk: Talk<S>, greets: bool) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    peer.think().await;
    if greets {
        if peer.fails(peer.weather.mail / 4) {
            peer.google.count("mail: no welcome");
            talk.say("421 4.7.0 Temporary System Problem. Try again later\r\n").await?;
            talk.close().await;
            return None;
        }
        talk.say("220 smtp.gmail.com ESMTP\r\n").await?;
    }
    let mut signed_on = false;
    let mut mail = String::new();
    loop {
        let line = talk.line().await?;
        peer.overhear(line.as_bytes());
        peer.think().await;
        if signed_on && peer.fails(peer.weather.mail / 6) {
            peer.google.count("mail: 421 amid a session");
            talk.say("421 4.4.5 Server busy, closing connection\r\n").await?;
            talk.close().await;
            return None;
        }
        let upper = line.to_ascii_uppercase();
        let verb = upper.split([' ', ':']).next().unwrap_or_default();
        match (verb, signed_on) {
            ("EHLO", _) => talk.say(EHLO).await?,
            ("AUTH", false) => signed_on = sign_on(&mut peer, &mut talk).await?,
            ("MAIL", true) => {
                mail = named(&line);
                let fails = peer.fails(peer.weather.mail / 4);
                if fails {
                    talk.say(format!("451 4.3.0 not now, {mail}\r\n")).await?;
                    mail.clear();
                } else {
                    talk.say(format!("250 2.1.0 OK {mail}\r\n")).await?;
                }
            }
            ("RCPT", true) => {
                let named = named(&line);
                match mail.is_empty() {
                    true => talk.say(format!("503 5.5.1 MAIL first, {named}\r\n")).await?,
                    false => talk.say(format!("250 2.1.5 OK {named}\r\n")).await?,
                }
            }
            ("DATA", true) if mail.is_empty() => talk.say("503 5.5.1 MAIL first\r\n").await?,
            ("DATA", true) => data(&mut peer, &mut talk, &std::mem::take(&mut mail)).await?,
            ("RSET", true) => {
                mail.clear();
                talk.say("250 2.1.5 Flushed\r\n").await?;
            }
            ("NOOP", true) => talk.say("250 2.0.0 OK noop\r\n").await?,
            ("QUIT", _) => {
                talk.say("221 2.0.0 closing connection\r\n").await?;
                talk.close().await;
                return Some(());
            }
            _ => {
                peer.google.complain(format!("the submission server heard {line:?}"));
                return None;
            }
        }
    }
}

/// What stands between `<` and `@`.
fn named(line: &str) -> String {
    let path = line.split_once('<').map_or("", |(_, path)| path);
    path.split('@').next().unwrap_or_default().to_owned()
}

async fn sign_on<S>(peer: &mut Peer, talk: &mut Talk<S>) -> Option<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    talk.say("334 \r\n").await?;
    let message = talk.line().await?;
    peer.overhear(message.as_bytes());
    // Encoded, a token isn't seen.
    peer.overhear(b"XOAUTH2 ");
    let Some((address, token)) = read(&message) else {
        peer.google.complain(format!("no XOAUTH2 message: {message}"));
        return None;
    };
    let opened = peer.google.opens(&address, &token);
    if peer.fails(peer.weather.mail) {
        match peer.random.below(4) {
            0 => {
                peer.google.count("mail: trouble of its own");
                talk.say("454 4.7.0 Temporary authentication failure\r\n").await?;
            }
            1 => {
                peer.google.count("mail: says no");
                talk.say("550 5.7.1 Your organisation forbids it\r\n").await?;
            }
            2 => {
                peer.google.count("mail: 421 at the sign-on");
                talk.say("421 4.7.0 Too many login attempts, try again later\r\n").await?;
            }
            _ => {
                peer.google.count("mail: token refused early");
                if let Some(account) = opened {
                    peer.google.forget_token(account, &token);
                }
                return refuse(talk).await;
            }
        }
        talk.close().await;
        return None;
    }
    match opened {
        Some(_) => {
            peer.google.count("SMTP sign-ons at the server");
            talk.say("235 2.7.0 Accepted\r\n").await?;
            Some(true)
        }
        None => {
            peer.google.count("mail: token refused");
            refuse(talk).await
        }
    }
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(talk: &mut Talk<S>) -> Option<bool> {
    talk.say(format!("334 {}\r\n", challenge())).await?;
    talk.line().await?;
    talk.say("535-5.7.8 Username and Password not accepted.\r\n535 5.7.8 gsmtp\r\n").await?;
    talk.close().await;
    None
}

async fn data<S>(peer: &mut Peer, talk: &mut Talk<S>, mail: &str) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    talk.say(format!("354 go ahead {mail}\r\n")).await?;
    let mut text = Vec::new();
    loop {
        let line = talk.raw_line().await?;
        if line == b".\r\n" {
            break;
        }
        text.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
    peer.overhear(&text);
    if peer.fails(peer.weather.mail / 4) {
        peer.google.count("mail: message refused");
        return talk.say(format!("550 5.7.1 blocked {mail}\r\n")).await;
    }
    if peer.fails(10) {
        sleep(Duration::from_secs(peer.random.below(90))).await;
    }
    peer.google.state().mails.entry(mail.to_owned()).or_default().push(text);
    if peer.fails(peer.weather.breaks / 8) {
        peer.google.count("mail: taken in, and gone without a word");
        return None;
    }
    talk.say(format!("250 2.0.0 OK {mail}\r\n")).await
}
