//! `/healthz`: 200 only if every account could really sign on, else 503 and why.
//!
//! Without a query it goes by what is known and cheap: a live token, which is got if there is none, and
//! no trouble that stands since a sign-on failed. Where one stands, it is looked whether it still does.
//! `?deep` signs on at the provider's mail servers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::condition::{Condition, Found};
use super::naming::Naming;
use crate::proxy::{Inside, ProbeTrouble, Server, Status, WarningKind};
use crate::sentence::count;

/// A plain answer comes within this: monitoring programs give up after ten seconds.
const PLAIN: Duration = Duration::from_secs(8);
/// How long a deep look at one account may take: a silent port is given up after ten seconds.
const DEEP: Duration = Duration::from_secs(20);
/// A deep answer comes within this, also if another look was under way: Docker gives up after thirty
/// seconds.
const DEEP_ANSWER: Duration = Duration::from_secs(28);
/// What a deep look has found is good for so long, so that whoever asks often costs the provider
/// nothing.
const KEPT: Duration = Duration::from_secs(30);
/// Accounts that are looked at deeply at a time: many of them are no stampede.
const AT_A_TIME: usize = 4;

/// Looks after the health of a running proxy.
pub(super) struct Health {
    server: Arc<Server>,
    kept: Mutex<BTreeMap<String, (Instant, Found)>>,
    /// One deep look at a time.
    looking: Arc<tokio::sync::Mutex<()>>,
}

/// The whole answer.
#[derive(Debug, Serialize)]
struct Report {
    /// `ok` or `failing`.
    status: &'static str,
    /// True if the mail servers were asked.
    deep: bool,
    /// What is wrong and is no account's.
    problems: Vec<Problem>,
    /// In the order of their addresses.
    accounts: Vec<Account>,
    /// The listeners that there are, with their addresses.
    listeners: BTreeMap<String, String>,
}

/// How one account is.
#[derive(Debug, Serialize)]
struct Account {
    /// Its address, or its number.
    account: String,
    #[serde(flatten)]
    condition: Condition,
}

/// What is wrong with the house.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// A word for programs: `no_account`, `damaged`, `no_listener`, `token_unstored`.
    pub(crate) state: &'static str,
    /// One sentence.
    pub(crate) sentence: String,
    /// One thing to do.
    pub(crate) remedy: String,
}

impl Health {
    /// Of this proxy; nothing is looked at yet.
    pub(super) fn new(server: Arc<Server>) -> Arc<Self> {
        Arc::new(Self { server, kept: Mutex::default(), looking: Arc::default() })
    }

    /// Answers `GET /healthz`, and `GET /healthz?deep`.
    pub(super) async fn answer(self: &Arc<Self>, query: Option<&str>) -> Response {
        let report = self.report(is_deep(query)).await;
        let code = match report.status {
            "ok" => StatusCode::OK,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        (code, no_store, Json(report)).into_response()
    }

    async fn report(self: &Arc<Self>, deep: bool) -> Report {
        let settings = self.server.settings();
        let status = self.server.status();
        let addresses: Vec<&str> =
            status.accounts.iter().map(|account| account.address.as_str()).collect();
        let by = Instant::now() + if deep { DEEP_ANSWER } else { PLAIN };
        if deep {
            let all = addresses.iter().map(|address| (*address).to_owned()).collect();
            // What doesn't come in time is told as such.
            let _ = timeout_at(by, self.look_deeply(all)).await;
        }
        let found = addresses.iter().map(async |address| match deep {
            true => self.known(address).unwrap_or(Found::NoAnswerInTime),
            false => self.look(address, by).await,
        });
        let found = join_all(found).await;
        let naming = Naming::new(addresses.iter().copied(), settings.config.monitoring.addresses);
        let told = |(address, found): (&&str, Found)| {
            let condition = Condition::of(&found, &settings.provider, naming.address(address));
            let condition = Condition {
                sentence: naming.told(&condition.sentence),
                remedy: condition.remedy.map(|remedy| naming.told(&remedy)),
                ..condition
            };
            Account { account: naming.label(address), condition }
        };
        let accounts: Vec<Account> = addresses.iter().zip(found).map(told).collect();
        let wanted: Vec<&str> = settings.config.listen.mail().map(|(key, _)| key).collect();
        let problems = problems(&status, &wanted);
        let is_well =
            problems.is_empty() && accounts.iter().all(|account| account.condition.is_well());
        let status_word = if is_well { "ok" } else { "failing" };
        let listeners = status.listeners;
        Report { status: status_word, deep, problems, accounts, listeners }
    }

    /// What is known of an account, and cheap.
    async fn look(self: &Arc<Self>, address: &str, by: Instant) -> Found {
        let inside = match self.with_token(address, by).await {
            Ok(inside) => inside,
            Err(found) => return found,
        };
        let Some((sentence, remedy)) = inside.trouble() else { return Found::Known };
        let _ = timeout_at(by, self.look_deeply(vec![address.to_owned()])).await;
        // The look may have taken longer than this answer may.
        self.known(address).unwrap_or(Found::Standing(sentence, remedy))
    }

    /// Looks deeply at those of the accounts that nobody has looked at lately. It goes on, and is kept,
    /// when whoever asked has left.
    async fn look_deeply(self: &Arc<Self>, addresses: Vec<String>) {
        let looking = self.looking.clone().lock_owned().await;
        self.kept().retain(|_, (at, _)| at.elapsed() < KEPT);
        let due: Vec<String> =
            addresses.into_iter().filter(|address| self.known(address).is_none()).collect();
        if due.is_empty() {
            return;
        }
        let this = self.clone();
        let all = async move {
            let _looking = looking;
            let mut looks = JoinSet::new();
            for address in due {
                if looks.len() >= AT_A_TIME {
                    let _ = looks.join_next().await;
                }
                let this = this.clone();
                looks.spawn(async move {
                    let found = this.deep_look(&address).await;
                    this.kept().insert(address, (Instant::now(), found));
                });
            }
            while looks.join_next().await.is_some() {}
        };
        let _ = tokio::spawn(all).await;
    }

    /// Signs on at each of the provider's servers that the account is served from.
    async fn deep_look(&self, address: &str) -> Found {
        let by = Instant::now() + DEEP;
        let inside = match self.with_token(address, by).await {
            Ok(inside) => inside,
            Err(found) => return found,
        };
        let listen = &self.server.settings().config.listen;
        let (has_imap, has_smtp) = (
            listen.imap.is_some() || listen.imaps.is_some(),
            listen.smtp.is_some() || listen.smtps.is_some(),
        );
        let (imap, smtp) = tokio::join!(
            async { if has_imap { in_time(by, inside.try_imap()).await } else { None } },
            async { if has_smtp { in_time(by, inside.try_smtp()).await } else { None } },
        );
        if imap.is_none() && smtp.is_none() {
            inside.mended();
            return Found::SignedOn;
        }
        Found::Servers { imap, smtp }
    }

    /// The account, if it has a live token or gets one.
    async fn with_token(&self, address: &str, by: Instant) -> Result<Inside<'_>, Found> {
        let inside = match self.server.account(address) {
            Ok(Some(inside)) => inside,
            Ok(None) => return Err(Found::Forgotten),
            Err(error) => return Err(Found::Unreadable(error.to_string())),
        };
        match timeout_at(by, inside.live_token()).await {
            Ok(Ok(_)) => Ok(inside),
            Ok(Err(trouble)) => Err(Found::NoToken(trouble)),
            Err(_) => Err(Found::NoTokenInTime),
        }
    }

    /// What a deep look has found lately.
    fn known(&self, address: &str) -> Option<Found> {
        let kept = self.kept();
        kept.get(address).filter(|(at, _)| at.elapsed() < KEPT).map(|(_, found)| found.clone())
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, Found)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True if the query asks for a deep look: `deep`, `deep=1`, `deep=true`; other words are let pass, as
/// monitoring programs add some of their own.
fn is_deep(query: Option<&str>) -> bool {
    let words = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    words.into_iter().any(|(key, value)| {
        key == "deep" && !["0", "false", "no"].contains(&value.to_lowercase().as_str())
    })
}

/// Why a server of the provider's doesn't let the account in; `None` if it does.
async fn in_time(
    by: Instant,
    trying: impl Future<Output = Result<(), ProbeTrouble>>,
) -> Option<ProbeTrouble> {
    timeout_at(by, trying).await.unwrap_or(Err(ProbeTrouble::NoAnswer)).err()
}

/// What is wrong with the house as a whole. `wanted`: the listeners that the configuration names.
fn problems(status: &Status, wanted: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !status.damaged.is_empty() {
        problems.push(Problem::damaged(status.damaged.len() as u64));
    } else if status.accounts.is_empty() {
        problems.push(Problem::no_account());
    }
    let unstored = status.warnings.iter().filter(|it| it.kind == WarningKind::TokenUnstored);
    let unstored = unstored.count() as u64;
    problems.extend((unstored > 0).then(|| Problem::token_unstored(unstored)));
    let missing = wanted.iter().filter(|key| !status.listeners.contains_key(**key));
    problems.extend(missing.map(|key| Problem::no_listener(key)));
    problems
}

impl Problem {
    /// Whoever asks expects that mail can be read and sent; without an account it can't. It is also
    /// what a folder looks like that was not mounted.
    pub(crate) fn no_account() -> Self {
        Self {
            state: "no_account",
            sentence: "There is no account yet.".to_owned(),
            remedy: "Run `gatepost login` with your address.".to_owned(),
        }
    }

    /// Files in the folder of the accounts are none; their names are addresses.
    pub(crate) fn damaged(files: u64) -> Self {
        let files = count(files, "file");
        Self {
            state: "damaged",
            sentence: format!("The folder of the accounts has {files} that can't be used."),
            remedy: "Run `gatepost status`, which names each and says what to do.".to_owned(),
        }
    }

    /// A refresh token that is in memory only would be lost by a restart. The file's name has an address.
    pub(crate) fn token_unstored(accounts: u64) -> Self {
        let accounts = count(accounts, "account");
        Self {
            state: "token_unstored",
            sentence: format!("The new refresh token of {accounts} can't be stored."),
            remedy: "Run `gatepost status`, which says why, before you stop Gatepost.".to_owned(),
        }
    }

    /// The configuration names a listener, and it is not there: the proxy is stopping.
    pub(crate) fn no_listener(key: &str) -> Self {
        Self {
            state: "no_listener",
            sentence: format!("Gatepost does not listen for `{key}` any more."),
            remedy: "Start it anew with `gatepost run`.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::accounts::Keys;
    use crate::config::{Config, Home};
    use crate::proxy::Warning;
    use crate::settings::Settings;
    use crate::tls;
    use crate::upstream::Upstream;

    #[test]
    fn a_token_that_is_only_in_memory_is_told_without_its_accounts_name() {
        let warnings = vec![Warning {
            kind: WarningKind::TokenUnstored,
            account: Some("you@gmail.com".to_owned()),
            sentence: "/home/you/accounts/you@gmail.com.json could not be written.".to_owned(),
            remedy: "Make room on the disk.".to_owned(),
        }];
        let accounts = vec![crate::proxy::AccountStatus::default()];
        let status = Status { accounts, warnings, ..Status::default() };
        assert_eq!(problems(&status, &[]), [Problem::token_unstored(1)]);
        assert!(!format!("{:?}", problems(&status, &[])).contains("you@"), "by number only");
    }

    #[test]
    fn a_listener_that_is_gone_is_told() {
        let account = crate::proxy::AccountStatus::default();
        let listeners = BTreeMap::from([("imap".to_owned(), "127.0.0.1:10143".to_owned())]);
        let status = Status { accounts: vec![account], listeners, ..Status::default() };
        assert_eq!(problems(&status, &["imap"]), []);
        assert_eq!(problems(&status, &["imap", "smtps"]), [Problem::no_listener("smtps")]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_is_looked_at_deeply_once_in_thirty_seconds() {
        // Nothing is there, and nothing listens.
        let home = Home::locate(Some(Path::new("no such home")), None).unwrap();
        let listen = "[listen]\nimap = \"\"\nsmtp = \"\"\nstatus = \"\"\n";
        let config = Config::parse(home.config_file(), listen).unwrap();
        let provider = Arc::new(config.provider.clone());
        let trust = tls::client_config(None).unwrap();
        let upstream = Arc::new(Upstream::new(provider.clone(), trust));
        let settings = Settings { config, provider, upstream, server: None };
        let keys = Keys { key_file: None, keychain: None };
        let health = Health::new(Server::start(home, settings, keys).unwrap());
        // Whoever looks finds that there is no such account, which is not what was found before.
        let address = "you@gmail.com";
        health.kept().insert(address.to_owned(), (Instant::now(), Found::SignedOn));
        let found = async || {
            health.look_deeply(vec![address.to_owned()]).await;
            health.known(address)
        };
        tokio::time::advance(Duration::from_millis(29_999)).await;
        assert_eq!(found().await, Some(Found::SignedOn));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(found().await, Some(Found::Forgotten));
    }

    #[test]
    fn a_deep_look_is_asked_for_by_its_word() {
        for query in ["deep", "deep=1", "deep=true", "_=17&deep", "deep="] {
            assert!(is_deep(Some(query)), "{query}");
        }
        for query in ["", "deeper", "deep=0", "deep=false", "x=deep"] {
            assert!(!is_deep(Some(query)), "{query}");
        }
        assert!(!is_deep(None));
    }
}
