//! What the provider knows, and what it holds against the proxy.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::proxy::continuity::tests::model::{Server, Trace};
use crate::proxy::continuity::tests::wire::Gauge;

/// No grant that has ended is asked for again before: see `token/state`.
const PERMANENT_PAUSE: Duration = Duration::from_secs(300);
/// An account's session that changes its connection has two.
const ABOVE_BUDGET: usize = 1;

pub(super) type Counts = BTreeMap<&'static str, u64>;

/// The provider.
pub(super) struct Google {
    pub(super) trace: Trace,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) accounts: Vec<Account>,
    /// Nothing breaks any more.
    pub(super) calm: bool,
    complaints: Vec<String>,
    pub(super) counts: Counts,
    lines: Vec<(Role, Arc<Line>)>,
    /// The mails that were taken in, by what the client calls them.
    pub(super) mails: BTreeMap<String, Vec<Vec<u8>>>,
    serial: u64,
}

/// One account, at the provider and here.
pub(super) struct Account {
    pub(super) address: String,
    /// Its local password, which no other peer must hear.
    pub(super) password: String,
    pub(super) mail: Arc<Server>,
    /// The refresh token of the day, once there is a grant.
    pub(super) refresh: Option<String>,
    /// The access tokens that are good, and their ends.
    tokens: BTreeMap<String, Instant>,
    /// A refresh token whose end the proxy was told of, and when.
    told_ended: Option<(String, Instant)>,
    /// It is signed in here.
    pub(super) is_here: bool,
    /// Counts what becomes of that.
    pub(super) changes: u64,
    /// The most IMAP connections, by the settings now, and by those before in the same process.
    budget: usize,
    leftover: usize,
}

/// What a connection serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Imap(usize),
    Refresh(usize),
}

/// One connection, as both of its ends see it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) left_by_proxy: AtomicBool,
    pub(super) left_by_server: AtomicBool,
    pub(super) gauge: Arc<Mutex<Gauge>>,
}

impl Line {
    fn is_open(&self) -> bool {
        let left = [&self.left_by_proxy, &self.left_by_server];
        !left.iter().any(|left| left.load(Ordering::Relaxed)) && !self.is_broken()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.gauge.lock().unwrap().broken
    }
}

impl Account {
    pub(super) fn new(address: String, password: String, mail: Arc<Server>) -> Self {
        Self {
            address,
            password,
            mail,
            refresh: None,
            tokens: BTreeMap::new(),
            told_ended: None,
            is_here: false,
            changes: 0,
            budget: 0,
            leftover: 0,
        }
    }
}

impl Google {
    pub(super) fn new(trace: Trace) -> Self {
        Self { trace, state: Mutex::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The proxy did what it must not do.
    pub(super) fn complain(&self, words: String) {
        self.trace.note("!!", &words);
        self.state().complaints.push(words);
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let state = self.state();
        let of_mail = state.accounts.iter().flat_map(|account| account.mail.complaints());
        state.complaints.iter().cloned().chain(of_mail).next()
    }

    pub(super) fn count(&self, what: &'static str) {
        *self.state().counts.entry(what).or_default() += 1;
    }

    pub(super) fn is_calm(&self) -> bool {
        self.state().calm
    }

    /// A person signs in: a new grant. The one before lives on at Google, unused.
    pub(super) fn consent(&self, account: usize) -> String {
        let mut state = self.state();
        state.serial += 1;
        let token = format!("1//refresh-{account}-{}-{}", state.serial, "r".repeat(80));
        state.accounts[account].refresh = Some(token.clone());
        state.accounts[account].told_ended = None;
        token
    }

    /// The grant ends; its tokens die with it, or live on until their end.
    pub(super) fn end_grant(&self, account: usize, with_tokens: bool) {
        let mut state = self.state();
        state.accounts[account].refresh = None;
        if with_tokens {
            state.accounts[account].tokens.clear();
        }
    }

    /// The account to which a refresh token belongs.
    pub(super) fn owner(&self, refresh: &str) -> Option<usize> {
        let state = self.state();
        state.accounts.iter().position(|account| account.refresh.as_deref() == Some(refresh))
    }

    /// A new access token; with another refresh token in the place of the last one, if wanted.
    pub(super) fn issue(
        &self,
        account: usize,
        life: Duration,
        rotate: bool,
    ) -> (String, Option<String>) {
        let rotated = rotate.then(|| self.consent(account));
        let mut state = self.state();
        state.serial += 1;
        let token = format!("ya29.access-{account}-{}-{}", state.serial, "a".repeat(120));
        state.accounts[account].tokens.insert(token.clone(), Instant::now() + life);
        (token, rotated)
    }

    /// The account that a token opens now.
    pub(super) fn opens(&self, address: &str, token: &str) -> Option<usize> {
        let state = self.state();
        let at = state.accounts.iter().position(|account| account.address == address)?;
        let end = state.accounts[at].tokens.get(token)?;
        (*end > Instant::now()).then_some(at)
    }

    /// The provider forgets a token before its time.
    pub(super) fn forget_token(&self, account: usize, token: &str) {
        self.state().accounts[account].tokens.remove(token);
    }

    /// A person did something, so that what failed may be asked at once.
    pub(super) fn reconsidered(&self) {
        self.state().accounts.iter_mut().for_each(|account| account.told_ended = None);
    }

    /// The proxy has heard that this refresh token is good no more.
    pub(super) fn told_ended(&self, refresh: &str) {
        let Some(account) = account_in(refresh) else { return };
        let mut state = self.state();
        if let Some(account) = state.accounts.get_mut(account) {
            account.told_ended = Some((refresh.to_owned(), Instant::now()));
        }
    }

    /// A refresh is asked for; it is the only one, and not for what has ended.
    pub(super) fn refreshing(&self, refresh: &str, line: &Arc<Line>) {
        let Some(at) = account_in(refresh) else {
            return self.complain(format!("{refresh} is no refresh token"));
        };
        let under_way = self.open(Role::Refresh(at));
        let ended = self.state().accounts[at].told_ended.clone();
        self.state().lines.push((Role::Refresh(at), Arc::clone(line)));
        if under_way > 0 {
            self.complain(format!("{under_way} refreshes of account {at} are under way already"));
        }
        if let Some((token, when)) = ended
            && token == refresh
            && when.elapsed() < PERMANENT_PAUSE
        {
            let after = when.elapsed().as_secs();
            self.complain(format!("an ended grant was asked for again after {after} s"));
        }
    }

    /// The connections of this kind that are open.
    pub(super) fn open(&self, role: Role) -> usize {
        let mut state = self.state();
        state.lines.retain(|(_, line)| line.is_open());
        state.lines.iter().filter(|(of, _)| *of == role).count()
    }

    /// Another IMAP connection is let in.
    pub(super) fn enters(&self, account: usize, line: &Arc<Line>) {
        let others = self.open(Role::Imap(account));
        let mut state = self.state();
        state.lines.push((Role::Imap(account), Arc::clone(line)));
        let most = state.counts.entry("most connections of an account").or_default();
        *most = (*most).max(others as u64 + 1);
        let of = &mut state.accounts[account];
        let allowed = of.budget.max(of.leftover) + ABOVE_BUDGET;
        drop(state);
        if others + 1 > allowed {
            self.complain(format!("account {account} has {} connections of {allowed}", others + 1));
        }
    }

    /// Every account may have so many from now on. A running proxy keeps what is open, and the places of
    /// sessions whose connection is being made anew.
    pub(super) fn set_budget(&self, budget: usize, is_new: bool) {
        for account in &mut self.state().accounts {
            account.leftover = if is_new { 0 } else { account.leftover.max(account.budget) };
            account.budget = budget;
        }
    }

    /// Looks through what came to a peer for what must not come to it.
    pub(super) fn overhear(&self, peer: &str, verified: bool, bytes: &[u8]) {
        let heard = |what: &[u8]| memchr::memmem::find(bytes, what).is_some();
        let mut found = Vec::new();
        let is_token_server = peer == super::network::TOKEN_HOST;
        if (!verified || !is_token_server) && (heard(b"1//refresh") || heard(b"1%2F%2Frefresh")) {
            found.push("a refresh token");
        }
        if (!verified || is_token_server) && (heard(b"ya29.access") || heard(b"XOAUTH2 ")) {
            found.push("an access token");
        }
        let passwords: Vec<String> =
            self.state().accounts.iter().map(|account| account.password.clone()).collect();
        if passwords.iter().any(|password| heard(password.as_bytes())) {
            found.push("a local password");
        }
        for what in found {
            let whose = if verified { "the true" } else { "an untrue" };
            self.complain(format!("{what} came to {whose} {peer}"));
        }
    }
}

fn account_in(refresh: &str) -> Option<usize> {
    refresh.strip_prefix("1//refresh-")?.split('-').next()?.parse().ok()
}
