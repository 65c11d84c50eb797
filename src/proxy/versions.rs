//! Whether there is a newer version of Gatepost: asked once a day, where the configuration says whom.
//! Nothing is sent but the question, and nothing is downloaded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use semver::Version;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_rustls::rustls::ClientConfig;
use url::Url;

use crate::config::is_loopback;
use crate::settings::Settings;
use crate::tls;

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Where that failed, when it is asked again: the network may not be up yet after a start.
const AFTER_FAILURE: Duration = Duration::from_secs(60 * 60);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// GitHub's description of a release is long where it has many files.
const MAX_ANSWER: usize = 512 * 1024;

/// A release as it is described: by `version`, or as GitHub does it.
#[derive(Deserialize)]
struct Release {
    version: Option<String>,
    tag_name: Option<String>,
}

/// Asks, for as long as the proxy runs; `newer` has the answer.
pub(super) async fn watch(
    mut settings: watch::Receiver<Arc<Settings>>,
    newer: watch::Sender<Option<String>>,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let current = settings.borrow_and_update().clone();
        let pause = match &current.config.upkeep.versions_url {
            None => {
                newer.send_replace(None);
                Duration::MAX
            }
            Some(url) => match ask(url, current.provider.ca_file.as_deref()).await {
                Ok(latest) => {
                    newer.send_replace(newer_than(env!("CARGO_PKG_VERSION"), &latest));
                    EVERY
                }
                Err(why) => {
                    // Without its query, which may hold a token of the person's.
                    let host = url.host_str().unwrap_or_default();
                    tracing::debug!("{host} does not say which version is the latest ({why})");
                    AFTER_FAILURE
                }
            },
        };
        let asked = current.config.upkeep.versions_url.clone();
        let is_other = |now: &Arc<Settings>| now.config.upkeep.versions_url != asked;
        tokio::select! {
            () = sleep(pause) => {}
            changed = settings.wait_for(is_other) => if changed.is_err() { return },
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}

/// Where nothing is to be asked, nothing wakes up.
async fn sleep(pause: Duration) {
    match pause {
        Duration::MAX => std::future::pending().await,
        pause => tokio::time::sleep(pause).await,
    }
}

/// The latest version, as the server at `url` says.
async fn ask(url: &Url, ca_file: Option<&Path>) -> Result<Version, String> {
    let words = |error: reqwest::Error| error.without_url().to_string();
    let tls = tls::client_config(ca_file).map_err(|error| error.to_string())?;
    let mut client = reqwest::Client::builder()
        .tls_backend_preconfigured(ClientConfig::clone(&tls))
        // What was configured is asked, and nobody else.
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .pool_max_idle_per_host(0)
        // GitHub wants one; it says nothing of whoever asks.
        .user_agent("gatepost");
    if is_loopback(url) {
        client = client.no_proxy();
    }
    let mut answer = client.build().map_err(words)?.get(url.clone()).send().await.map_err(words)?;
    if !answer.status().is_success() {
        return Err(format!("HTTP {}", answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(words)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err("the answer is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    read(&body)
}

fn read(body: &[u8]) -> Result<Version, String> {
    let release: Release = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let version = release.version.or(release.tag_name).ok_or("there is no version in it")?;
    Version::parse(version.trim().trim_start_matches('v')).map_err(|error| error.to_string())
}

/// `latest`, if it is newer than `this` and meant for everybody.
fn newer_than(this: &str, latest: &Version) -> Option<String> {
    let this = Version::parse(this).ok()?;
    let is_newer = latest.pre.is_empty() && latest.cmp_precedence(&this).is_gt();
    // Without what a build is called, which may be of any length.
    is_newer.then(|| format!("{}.{}.{}", latest.major, latest.minor, latest.patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        let version = |body: &str| read(body.as_bytes()).map(|version| version.to_string());
        assert_eq!(version(r#"{"version": "1.2.3"}"#).unwrap(), "1.2.3");
        assert_eq!(version(r#"{"tag_name": "v1.2.3", "assets": []}"#).unwrap(), "1.2.3");
        assert_eq!(version(r#"{"version": "1.2.3", "tag_name": "v9.9.9"}"#).unwrap(), "1.2.3");
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"version": "latest"}"#,
            r#"{"version": "1.2"}"#,
            r#"{"version": 1}"#,
        ] {
            assert!(version(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let newer = |this: &str, latest: &str| newer_than(this, &Version::parse(latest).unwrap());
        assert_eq!(newer("0.9.0", "0.10.0").as_deref(), Some("0.10.0"));
        assert_eq!(newer("1.0.0-rc.1", "1.0.0").as_deref(), Some("1.0.0"));
        assert_eq!(newer("0.1.0", "0.2.0+build.7").as_deref(), Some("0.2.0"));
        for (this, latest) in [
            ("0.1.0", "0.1.0"),
            ("0.2.0", "0.1.9"),
            ("0.1.0", "0.2.0-rc.1"),
            ("0.1.0", "0.1.0+build"),
        ] {
            assert_eq!(newer(this, latest), None, "{this} {latest}");
        }
    }

    /// Answers one request after the other with each of these, and gives what was asked.
    async fn server(answers: Vec<String>) -> (Url, tokio::task::JoinHandle<Vec<String>>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/latest", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    assert!(stream.read_buf(&mut request).await.unwrap() > 0);
                }
                asked.push(String::from_utf8(request).unwrap());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            asked
        });
        (Url::parse(&url).unwrap(), task)
    }

    #[tokio::test]
    async fn an_answer_is_bounded_a_redirect_not_followed_and_nothing_of_this_machine_told() {
        let ok =
            |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let (url, asked) = server(vec![
            ok(r#"{"tag_name": "v7.0.0"}"#),
            "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_owned(),
            ok(&" ".repeat(MAX_ANSWER + 1)),
            "HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n{".to_owned(),
        ])
        .await;
        assert_eq!(ask(&url, None).await.unwrap(), Version::new(7, 0, 0));
        for why in ["HTTP 302", "HTTP 500", "too long", ""] {
            let error = ask(&url, None).await.unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let asked = asked.await.unwrap();
        let mut lines: Vec<&str> = asked[0].trim_end().split("\r\n").collect();
        lines.retain(|line| !line.starts_with("host: "));
        lines.sort_unstable();
        assert_eq!(lines, ["GET /latest HTTP/1.1", "accept: */*", "user-agent: gatepost"]);
    }
}
