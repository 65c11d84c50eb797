//! A rotated refresh token that can't be written: how long it counts as that, and who tries again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;

use super::*;
use crate::accounts::{Address, Directory, GrantFacts, NewPassword, Record, Store};
use crate::secret::RefreshToken;

struct Nobody;

impl Observer for Nobody {
    fn refreshed(&self, _: &str) {}
    fn failed(&self, _: &str, _: &Cause) {}
}

fn grant(token: &str) -> Grant {
    Grant { refresh_token: RefreshToken::new(token) }
}

/// An account that is open, in a folder of its own, with a grant that ends then, in seconds since 1970.
fn open_account(folder: &Path, grant_expires: Option<u64>) -> Arc<Account> {
    let address = Address::parse("you@gmail.com").unwrap();
    let facts = GrantFacts { sign_in_name: "you@gmail.com".into(), granted: 1, grant_expires };
    let password = NewPassword::generate().unwrap();
    let record = Record::create(&address, "gmail", facts, &grant("old"), &password, None).unwrap();
    let store = Store::new(folder);
    store.update(&address, |_| Ok::<_, StoreError>(Some(record))).unwrap();
    let account = Directory::new(store, None).find("you@gmail.com").unwrap().unwrap();
    account.sign_on(password.password()).unwrap();
    account
}

fn lifecycle(folder: &Path) -> (Arc<Lifecycle>, String) {
    let account = open_account(folder, None);
    let grant_id = account.record().grant_id().to_owned();
    (Arc::new(Lifecycle::new(account, Arc::new(Nobody))), grant_id)
}

/// The record's file and where a test puts it meanwhile.
fn files(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("you@gmail.com.json"), folder.join("away"))
}

fn kept(lifecycle: &Lifecycle) -> String {
    lifecycle.account.refresh().unwrap();
    lifecycle.account.grant().unwrap().1.refresh_token.expose().to_owned()
}

#[tokio::test]
async fn a_record_that_is_away_for_a_moment_costs_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let (lifecycle, grant_id) = lifecycle(folder.path());
    let (here, away) = files(folder.path());
    std::fs::rename(&here, &away).unwrap();
    lifecycle.save(&grant_id, Some(grant("new")));
    let why = lifecycle.unstored().unwrap();
    assert!(why.reason.contains("could not be read") && why.passes, "{why:?}");
    assert!(why.remedy.starts_with("Put the account's file back"), "{why:?}");
    lifecycle.at_rest().await;
    assert_eq!(lifecycle.unstored(), Some(why), "it is tried again, and kept");
    std::fs::rename(&away, &here).unwrap();
    lifecycle.at_rest().await;
    assert_eq!(lifecycle.unstored(), None);
    assert_eq!(kept(&lifecycle), "new");
}

#[tokio::test]
async fn only_what_the_system_refused_is_stored_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (lifecycle, grant_id) = lifecycle(folder.path());
    let (here, _) = files(folder.path());
    std::fs::write(&here, "{}").unwrap();
    lifecycle.save(&grant_id, Some(grant("new")));
    let why = lifecycle.unstored().unwrap();
    assert!(why.reason.contains("is damaged") && !why.passes, "{why:?}");
}

/// `/healthz` asks at any time, also while a slow disk is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_counts_as_unstored_while_it_is_being_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (lifecycle, grant_id) = lifecycle(folder.path());
    let (here, away) = files(folder.path());
    std::fs::rename(&here, &away).unwrap();
    lifecycle.save(&grant_id, Some(grant("new")));
    std::fs::rename(&away, &here).unwrap();
    // The store waits for whoever holds this.
    let lock = File::options().write(true).open(folder.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    let trying = tokio::spawn({
        let lifecycle = lifecycle.clone();
        async move { lifecycle.at_rest().await }
    });
    while !lifecycle.is_refreshing() {
        thread::yield_now();
    }
    thread::sleep(Duration::from_millis(100));
    assert!(lifecycle.unstored().is_some() && lifecycle.is_refreshing());
    drop(lock);
    trying.await.unwrap();
    assert_eq!(lifecycle.unstored(), None);
    assert_eq!(kept(&lifecycle), "new");
}

#[tokio::test(start_paused = true)]
async fn one_alone_tries_again_however_often_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (lifecycle, grant_id) = lifecycle(folder.path());
    let (here, away) = files(folder.path());
    for token in ["second", "third", "fourth"] {
        std::fs::rename(&here, &away).unwrap();
        lifecycle.save(&grant_id, Some(grant(token)));
        std::fs::rename(&away, &here).unwrap();
        // The next refresh comes before the next try, and its token is written.
        if token != "fourth" {
            lifecycle.save(&grant_id, Some(grant(&format!("{token} again"))));
            assert_eq!(lifecycle.unstored(), None);
        }
    }
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 1);
    tokio::time::sleep(STORE_AGAIN * 2).await;
    assert_eq!(kept(&lifecycle), "fourth");
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "it has ended");
    // And the next one has somebody again.
    std::fs::rename(&here, &away).unwrap();
    lifecycle.save(&grant_id, Some(grant("fifth")));
    std::fs::rename(&away, &here).unwrap();
    tokio::time::sleep(STORE_AGAIN * 2).await;
    assert_eq!(kept(&lifecycle), "fifth");
}

/// Google ends the grants of a client in testing after a week, by its own clock.
#[test]
fn a_grant_that_ended_at_about_its_time_was_ended_by_nobody() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let slack = CLOCK_SLACK.as_secs();
    for (ends, by_time) in [
        (None, false),
        (Some(now.as_secs() - 3600), true),
        (Some(now.as_secs() + slack - 30), true),
        (Some(now.as_secs() + slack + 30), false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let lifecycle = Lifecycle::new(open_account(folder.path(), ends), Arc::new(Nobody));
        let cause = lifecycle.with_what_is_known(Cause::GrantEnded { testing: false });
        assert_eq!(matches!(cause, Cause::GrantEnded { testing: true }), by_time, "{ends:?}");
    }
}
