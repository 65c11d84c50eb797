//! The keychain: it opens accounts at the start, and whatever is the matter with it, no client waits
//! for it and no password is the worse.

// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use gatepost::accounts::{
    Address, Directory, Grant, GrantFacts, Keychain, NewPassword, Record, Store, StoreError,
};
use gatepost::proxy::EndGrantError;
use gatepost::secret::RefreshToken;
use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error, mock};
use support::{PATIENCE, World, YOU};

/// Looks until it is so.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn record(world: &World) -> Record {
    let store = Store::new(world.home.accounts());
    store.load(&Address::parse(YOU).unwrap()).unwrap().unwrap()
}

/// A signed-in account and a proxy that goes to this keychain.
async fn world(keychain: Arc<dyn CredentialStoreApi + Send + Sync>) -> World {
    let mut world = World::signed_out("").await;
    let signed_in = world.sign_in(YOU, NewPassword::generate().unwrap()).await.unwrap();
    world.password = signed_in.password.unwrap();
    world.keychain = Some(Keychain::of_store(keychain));
    world.start();
    world
}

/// A world whose account the keychain opens.
async fn adopted(keychain: &Arc<mock::Store>) -> World {
    let world = world(keychain.clone()).await;
    assert_eq!(world.account().state, "locked");
    drop(world.signed_on().await);
    until("it is adopted", || world.account().opens_with == ["password", "keychain"]).await;
    world
}

fn entries(store: &mock::Store) -> Vec<(String, Vec<u8>)> {
    let found = store.search(&HashMap::new()).unwrap();
    let secret = |entry: &Entry| Some((entry.get_specifiers()?.1, entry.get_secret().ok()?));
    found.iter().filter_map(secret).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sign_on_ties_an_account_to_it_and_the_next_start_needs_nobody() {
    let keychain = mock::Store::new().unwrap();
    let mut world = adopted(&keychain).await;
    let [(name, key)] = &entries(&keychain)[..] else { panic!("one entry") };
    assert_eq!(*name, record(&world).keychain_name());
    assert!(name.starts_with("you@gmail.com ") && name.len() == YOU.len() + 17, "{name}");
    assert_eq!(key.len(), 64, "32 bytes in hexadecimal");
    let json = std::fs::read(world.record_file()).unwrap();
    assert!(!json.windows(64).any(|window| window == key));

    world.restart().await;
    until("it opens the account", || world.account().state == "ready").await;
    assert!(world.server().grant(YOU).is_some());
    // A sign-on and a reload find everything in its place.
    let before = (std::fs::read(world.record_file()).unwrap(), entries(&keychain));
    drop(world.signed_on().await);
    world.server().reload().unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((std::fs::read(world.record_file()).unwrap(), entries(&keychain)), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_forgotten_is_forgotten_by_the_keychain_too() {
    let keychain = mock::Store::new().unwrap();
    let world = adopted(&keychain).await;
    let address = Address::parse(YOU).unwrap();
    let mut client = world.signed_on().await;
    world.server().end_grant(YOU).await.unwrap();
    assert_eq!(world.authorization().revocations(), 1);
    assert!(world.server().forget(&address).unwrap());
    assert!(!world.record_file().exists());
    assert!(world.server().status().accounts.is_empty());
    until("its entry goes", || entries(&keychain).is_empty()).await;
    let goodbye = client.line().await;
    assert!(goodbye.starts_with("* BYE "), "{goodbye}");
    assert!(!world.server().forget(&address).unwrap(), "nobody is there any more");
    let none = world.server().end_grant(YOU).await.unwrap_err();
    assert!(matches!(none, EndGrantError::Locked), "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grant_of_a_locked_account_can_t_be_ended_and_the_account_stays() {
    let world = world(mock::Store::new().unwrap()).await;
    let locked = world.server().end_grant(YOU).await.unwrap_err();
    assert!(matches!(locked, EndGrantError::Locked), "{locked}");
    assert_eq!(world.authorization().revocations(), 0);
    drop(world.signed_on().await);
    world.server().end_grant(YOU).await.unwrap();
    assert!(world.record_file().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_made_anew_has_another_entry() {
    let keychain = mock::Store::new().unwrap();
    let mut world = adopted(&keychain).await;
    std::fs::remove_file(world.record_file()).unwrap();
    let again = world.sign_in(YOU, NewPassword::generate().unwrap()).await.unwrap();
    world.password = again.password.unwrap();
    world.restart().await;
    assert_eq!(world.account().opens_with, ["password"]);
    drop(world.signed_on().await);
    until("it is adopted", || world.account().opens_with.len() == 2).await;
    let [(one, _), (two, _)] = &entries(&keychain)[..] else { panic!("two entries") };
    assert_ne!(one, two);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_on_another_machine_is_tied_to_the_keychain_there() {
    let mut world = adopted(&mock::Store::new().unwrap()).await;
    let there = mock::Store::new().unwrap();
    world.keychain = Some(Keychain::of_store(there.clone()));
    world.restart().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.account().state, "locked");
    drop(world.signed_on().await);
    until("it is adopted", || entries(&there).len() == 1).await;
    world.restart().await;
    until("it opens the account", || world.account().state == "ready").await;
    assert_eq!(world.account().opens_with, ["password", "keychain"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_home_shares_the_key_and_takes_it_from_nobody() {
    let keychain = mock::Store::new().unwrap();
    let mut world = adopted(&keychain).await;
    let (with_slot, before) = (std::fs::read(world.record_file()).unwrap(), entries(&keychain));
    // The copy has lost its slot: it takes up the key that is there.
    let mut without: serde_json::Value = serde_json::from_slice(&with_slot).unwrap();
    without["slots"].as_array_mut().unwrap().pop();
    std::fs::write(world.record_file(), serde_json::to_vec(&without).unwrap()).unwrap();
    world.restart().await;
    drop(world.signed_on().await);
    until("it is adopted", || world.account().opens_with.len() == 2).await;
    assert_eq!(entries(&keychain), before);
    std::fs::write(world.record_file(), with_slot).unwrap();
    world.restart().await;
    until("it opens the account", || world.account().state == "ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_has_under_the_name_is_kept_if_it_is_no_key() {
    let keychain = mock::Store::new().unwrap();
    let mut world = adopted(&keychain).await;
    let name = record(&world).keychain_name();
    let entry = keychain.build("gatepost", &name, None).unwrap();
    entry.set_password("somebody else's").unwrap();
    let before = std::fs::read(world.record_file()).unwrap();
    world.restart().await;
    drop(world.signed_on().await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(entry.get_password().unwrap(), "somebody else's");
    assert_eq!(std::fs::read(world.record_file()).unwrap(), before);
}

/// A keychain in trouble; it counts the questions.
struct Trouble {
    questions: AtomicUsize,
    answer: Box<dyn Fn() -> Error + Send + Sync>,
}

impl Trouble {
    fn of(answer: impl Fn() -> Error + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { questions: AtomicUsize::new(0), answer: Box::new(answer) })
    }
}

impl CredentialStoreApi for Trouble {
    fn vendor(&self) -> String {
        "trouble".to_owned()
    }

    fn id(&self) -> String {
        "trouble".to_owned()
    }

    fn build(
        &self,
        _service: &str,
        _user: &str,
        _modifiers: Option<&HashMap<&str, &str>>,
    ) -> keyring_core::Result<Entry> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        Err((self.answer)())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_one_is_asked_once_and_again_after_a_reload() {
    let locked = Trouble::of(|| Error::NoStorageAccess("prompt dismissed".into()));
    let world = world(locked.clone()).await;
    let questions = || locked.questions.load(Ordering::SeqCst);
    for _ in 0..3 {
        drop(world.signed_on().await);
    }
    until("it is asked", || questions() == 1).await;
    drop(world.signed_on().await);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(questions(), 1);
    world.server().reload().unwrap();
    until("it is asked again", || questions() == 2).await;
    assert_eq!(world.account().opens_with, ["password"]);
}

/// One question tells for all accounts that a keychain is locked: the person isn't asked by each.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_one_is_asked_for_one_account_of_three() {
    let mut world = World::signed_out("").await;
    let once = Keychain::of_store(mock::Store::new().unwrap());
    for address in [YOU, "two@gmail.com", "three@gmail.com"] {
        let address = Address::parse(address).unwrap();
        let facts = GrantFacts { sign_in_name: YOU.into(), granted: 1, grant_expires: None };
        let grant = Grant { refresh_token: RefreshToken::new("1//token") };
        let password = NewPassword::generate().unwrap();
        let record = Record::create(&address, "gmail", facts, &grant, &password, None).unwrap();
        let store = Store::new(world.home.accounts());
        store.update(&address, |_| Ok::<_, StoreError>(Some(record))).unwrap();
        let account = Directory::new(store, None).find(address.as_str()).unwrap().unwrap();
        account.sign_on(password.password()).unwrap();
        assert!(account.adopt_keychain(&once).unwrap());
        assert!(!account.adopt_keychain(&once).unwrap());
    }
    let locked = Trouble::of(|| Error::NoStorageAccess("prompt dismissed".into()));
    world.keychain = Some(Keychain::of_store(locked.clone()));
    world.start();
    until("it is asked", || locked.questions.load(Ordering::SeqCst) > 0).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(locked.questions.load(Ordering::SeqCst), 1);
    let accounts = world.server().status().accounts;
    assert!(accounts.len() == 3 && accounts.iter().all(|account| account.state == "locked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_one_that_never_answers() {
    let mut world = adopted(&mock::Store::new().unwrap()).await;
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let silent = Trouble::of(move || {
        let _ = held.lock().unwrap().recv();
        Error::NoEntry
    });
    world.keychain = Some(Keychain::of_store(silent.clone()));
    world.server().stop().await;
    let start = Instant::now();
    world.start();
    until("it is asked", || silent.questions.load(Ordering::SeqCst) == 1).await;
    assert_eq!(world.account().state, "locked");
    for _ in 0..3 {
        drop(world.signed_on().await);
    }
    world.server().reload().unwrap();
    drop(world.smtp_signed_on().await);
    world.server().stop().await;
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    drop(release);
}
