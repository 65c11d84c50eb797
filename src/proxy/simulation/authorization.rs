//! The authorization server: refresh and revoke, by HTTP.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::network::Peer;
use super::talk::Talk;

/// No request is longer.
const MAX_BODY: usize = 8192;

pub(super) async fn serve<S>(mut peer: Peer, mut talk: Talk<S>) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let first = talk.line().await?;
    peer.overhear(first.as_bytes());
    let mut length = 0;
    loop {
        let header = talk.line().await?;
        peer.overhear(header.as_bytes());
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok().filter(|length| *length <= MAX_BODY)?;
        }
    }
    let body = talk.bytes(length).await?;
    peer.overhear(&body);
    if !peer.verified {
        return None;
    }
    let fields = || url::form_urlencoded::parse(&body);
    let field = |name: &str| {
        fields().find(|(is, _)| is == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    match first.as_str() {
        "POST /token HTTP/1.1" => refresh(&mut peer, &mut talk, &field("refresh_token")).await,
        "POST /revoke HTTP/1.1" => {
            let account = peer.google.owner(&field("token"));
            if let Some(account) = account {
                peer.google.end_grant(account, true);
            }
            peer.google.count("revocations");
            answer(&mut talk, if account.is_some() { 200 } else { 400 }, "{}").await
        }
        other => {
            peer.google.complain(format!("the authorization server heard {other}"));
            None
        }
    }
}

async fn refresh<S>(peer: &mut Peer, talk: &mut Talk<S>, token: &str) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    peer.google.count("refreshes asked");
    peer.google.refreshing(token, &peer.line);
    peer.think().await;
    if peer.fails(peer.weather.token) {
        match peer.random.below(8) {
            0 => {
                peer.google.count("token: HTTP 500");
                return answer(talk, 500, "<h1>trouble</h1>").await;
            }
            1 => {
                peer.google.count("token: HTTP 429");
                return answer(talk, 429, "{}").await;
            }
            2 => {
                peer.google.count("token: a page");
                return answer(talk, 200, "<html>Welcome to our hotel</html>").await;
            }
            3 => {
                peer.google.count("token: a redirect");
                return answer(talk, 307, "{}").await;
            }
            4 => {
                peer.google.count("token: closed");
                return None;
            }
            5 => {
                peer.google.count("token: slow");
                sleep(Duration::from_secs(peer.random.below(25))).await;
            }
            6 => {
                peer.google.count("token: no answer");
                while talk.raw_line().await.is_some() {}
                return None;
            }
            _ if peer.random.chance(30) => {
                peer.google.count("token: the grant ends");
                if let Some(account) = peer.google.owner(token) {
                    let with_tokens = peer.random.chance(50);
                    peer.google.end_grant(account, with_tokens);
                }
            }
            _ => {}
        }
    }
    let Some(account) = peer.google.owner(token) else {
        let body =
            r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
        peer.google.count("token: invalid_grant");
        answer(talk, 400, body).await?;
        // Whether it was read is not known where the connection broke.
        let has_read = talk.line().await.is_none() && !peer.line.is_broken();
        if has_read {
            peer.google.told_ended(token);
        }
        return Some(());
    };
    let life = match peer.random.below(20) {
        0 => 20,
        1 => 300,
        _ => 3600,
    };
    let life = if peer.google.is_calm() { 3600 } else { life };
    let rotate = peer.random.chance(20);
    let (access, rotated) = peer.google.issue(account, Duration::from_secs(life), rotate);
    peer.google.count(if rotate { "refreshes answered, rotated" } else { "refreshes answered" });
    let rotated = rotated.map_or(String::new(), |token| format!(r#","refresh_token":"{token}""#));
    let body = format!(
        r#"{{"access_token":"{access}","expires_in":{life},"token_type":"Bearer"{rotated}}}"#
    );
    answer(talk, 200, &body).await
}

async fn answer<S>(talk: &mut Talk<S>, status: u16, body: &str) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let length = body.len();
    let kind = if body.starts_with('<') { "text/html" } else { "application/json" };
    talk.say(format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nLocation: https://elsewhere.example/\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))
    .await
}
