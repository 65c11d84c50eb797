use std::any::Any;
use std::collections::HashMap;

use keyring_core::api::CredentialStoreApi;
use keyring_core::{CredentialStore, Entry, mock};

use super::*;
use crate::accounts::{GrantFacts, NewPassword};
use crate::secret::RefreshToken;

/// An account on disk, as each start of Gatepost finds it.
struct Home {
    folder: tempfile::TempDir,
    address: Address,
    store: Store,
    password: NewPassword,
}

impl Home {
    fn new(key_file: Option<&KeyFile>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Self {
            address: Address::parse("you@gmail.com").unwrap(),
            store: Store::new(folder.path().join("accounts")),
            password: NewPassword::generate().unwrap(),
            folder,
        };
        let facts = GrantFacts {
            sign_in_name: home.address.canonical().to_owned(),
            granted: 1_700_000_000,
            grant_expires: None,
        };
        let grant = Grant { refresh_token: RefreshToken::new("1//token") };
        home.write(|_| {
            Record::create(&home.address, "gmail", facts, &grant, &home.password, key_file).unwrap()
        });
        home
    }

    /// As another process writes it.
    fn write(&self, change: impl FnOnce(Option<Record>) -> Record) {
        self.store.update::<StoreError>(&self.address, |record| Ok(Some(change(record)))).unwrap();
    }

    fn starts(&self, key_file: Option<&Arc<KeyFile>>) -> Account {
        let record = self.store.load(&self.address).unwrap().unwrap();
        Account::new(record, self.store.clone(), key_file.cloned())
    }

    fn key_file(&self, name: &str) -> Arc<KeyFile> {
        Arc::new(KeyFile::create(&self.folder.path().join(name)).unwrap())
    }
}

fn keychain() -> Keychain {
    Keychain::of_store(mock::Store::new().unwrap())
}

fn opens(account: &Account) -> bool {
    !account.is_locked() && account.grant().unwrap().1.refresh_token.expose() == "1//token"
}

#[test]
fn a_keychain_opens_what_it_was_given_at_the_next_start() {
    let (home, keychain) = (Home::new(None), keychain());
    let first = home.starts(None);
    assert!(!first.unlock_with_keychain(&keychain).unwrap(), "it has nothing yet");
    assert!(
        !first.adopt_keychain(&keychain).unwrap(),
        "nothing can be given away while it is locked"
    );
    first.sign_on(home.password.password()).unwrap();
    assert!(first.adopt_keychain(&keychain).unwrap());
    assert!(!first.adopt_keychain(&keychain).unwrap(), "it is taken up, and not replaced");
    assert!(!first.unlock_with_keychain(&keychain).unwrap(), "it is open");

    let next = home.starts(None);
    assert!(next.unlock_with_keychain(&keychain).unwrap() && opens(&next));
    let elsewhere = home.starts(None);
    assert!(!elsewhere.unlock_with_keychain(&self::keychain()).unwrap() && elsewhere.is_locked());
}

/// A keychain that takes long, so that something happens meanwhile.
struct Slow {
    store: Arc<mock::Store>,
    meanwhile: Box<dyn Fn() + Send + Sync>,
}

impl CredentialStoreApi for Slow {
    fn vendor(&self) -> String {
        self.store.vendor()
    }

    fn id(&self) -> String {
        self.store.id()
    }

    fn build(
        &self,
        service: &str,
        user: &str,
        modifiers: Option<&HashMap<&str, &str>>,
    ) -> keyring_core::Result<Entry> {
        (self.meanwhile)();
        self.store.build(service, user, modifiers)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[test]
fn a_keychain_that_answers_late_opens_nothing_that_has_changed_meanwhile() {
    let home = Arc::new(Home::new(None));
    let store = mock::Store::new().unwrap();
    let of = |store: Arc<CredentialStore>| Keychain::of_store(store);
    let first = home.starts(None);
    first.sign_on(home.password.password()).unwrap();
    assert!(first.adopt_keychain(&of(store.clone())).unwrap());

    let account = Arc::new(home.starts(None));
    let meanwhile = {
        let (account, home) = (account.clone(), home.clone());
        Box::new(move || account.sign_on(home.password.password()).unwrap())
    };
    let slow = of(Arc::new(Slow { store: store.clone(), meanwhile }));
    assert!(
        !account.unlock_with_keychain(&slow).unwrap() && opens(&account),
        "a client was quicker"
    );

    let account = Arc::new(home.starts(None));
    let meanwhile = {
        let (account, other) = (account.clone(), Arc::new(Home::new(None)));
        Box::new(move || {
            let record = other.store.load(&other.address).unwrap().unwrap();
            home.write(|_| record);
            assert!(account.refresh().unwrap());
        })
    };
    let slow = of(Arc::new(Slow { store, meanwhile }));
    assert!(!account.unlock_with_keychain(&slow).unwrap(), "it was made anew");
    assert!(account.is_locked(), "with a key of its own");
}

#[test]
fn a_key_file_opens_what_it_was_made_for() {
    let home = Home::new(None);
    let (ours, another) = (home.key_file("ours"), home.key_file("another"));
    let home = Home::new(Some(&ours));
    for (key_file, does) in [(None, false), (Some(&another), false), (Some(&ours), true)] {
        let account = home.starts(key_file);
        assert_eq!((opens(&account), account.opens_with_key_file()), (does, does));
    }
    let account = home.starts(Some(&another));
    assert!(!account.adopt_key_file().unwrap(), "nothing can be given away while it is locked");
    account.sign_on(home.password.password()).unwrap();
    assert!(account.adopt_key_file().unwrap() && account.opens_with_key_file());
    assert!(!account.adopt_key_file().unwrap(), "it opens by it already");
    assert!(opens(&home.starts(Some(&another))));
}

#[test]
fn a_file_is_read_again_only_if_it_has_changed() {
    let home = Home::new(None);
    let account = home.starts(None);
    assert!(account.refresh().unwrap());
    let read = account.record();
    assert!(account.refresh().unwrap() && Arc::ptr_eq(&account.record(), &read));
    home.write(|record| record.unwrap());
    assert!(account.refresh().unwrap() && !Arc::ptr_eq(&account.record(), &read));
    assert!(home.store.remove(&home.address).unwrap());
    assert!(!account.refresh().unwrap(), "it is gone");
}
