//! All accounts of a running proxy, found by what mail clients call them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use super::account::Account;
use super::{Address, KeyFile, Listed, Record, Store, StoreError};

/// The accounts in a folder, read once and again when a file changes.
pub struct Directory {
    store: Store,
    key_file: Option<Arc<KeyFile>>,
    accounts: RwLock<BTreeMap<String, Arc<Account>>>,
}

/// A file that is no usable record; it is left as it is.
#[derive(Debug)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: StoreError,
}

impl Directory {
    /// Nothing is read before [`scan`](Self::scan) or [`find`](Self::find).
    pub fn new(store: Store, key_file: Option<KeyFile>) -> Self {
        Self { store, key_file: key_file.map(Arc::new), accounts: RwLock::default() }
    }

    /// What opens accounts without a person, if there is one.
    pub fn key_file(&self) -> Option<&KeyFile> {
        self.key_file.as_deref()
    }

    /// Reads the folder: takes up what is new, drops what is gone, and gives what is damaged.
    pub fn scan(&self) -> Result<Vec<Damage>, StoreError> {
        let mut damaged = Vec::new();
        let mut there = Vec::new();
        for listed in self.store.list()? {
            match listed {
                Listed::Account(record) => {
                    there.push(record.address().canonical().to_owned());
                    self.take_up(*record)?;
                }
                Listed::Damaged { path, error } => damaged.push(Damage { path, error }),
            }
        }
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        // An account whose file was damaged while it was in use goes on with what was read before.
        accounts.retain(|name, account| there.contains(name) || account.refresh().is_err());
        Ok(damaged)
    }

    /// Every account that is known, in the order of their addresses.
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.read(|accounts| accounts.values().cloned().collect())
    }

    /// The account that a mail client means by `user`: an address in any letter case and with or
    /// without quotes, or the part before the `@` where only one account has it (some scanners
    /// can't send more).
    pub fn find(&self, user: &str) -> Result<Option<Arc<Account>>, StoreError> {
        let Ok(address) = Address::parse(user) else {
            return Ok(self.find_by_local_part(user));
        };
        let known = self.read(|accounts| accounts.get(address.canonical()).cloned());
        match known {
            Some(account) if account.refresh()? => Ok(Some(account)),
            Some(_) => {
                let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
                accounts.remove(address.canonical());
                Ok(None)
            }
            None => self.store.load(&address)?.map(|record| self.take_up(record)).transpose(),
        }
    }

    /// Removes an account's record, which the next [`scan`](Self::scan) finds gone. False if there
    /// was none.
    pub fn remove(&self, address: &Address) -> Result<bool, StoreError> {
        self.store.remove(address)
    }

    fn find_by_local_part(&self, user: &str) -> Option<Arc<Account>> {
        let user = user.trim().trim_matches('"').to_lowercase();
        self.read(|accounts| {
            let mut same = accounts.values().filter(|account| {
                let local = account.address().as_str().split('@').next().unwrap_or_default();
                local.to_lowercase() == user
            });
            same.next().filter(|_| same.next().is_none()).cloned()
        })
        .filter(|account| account.refresh().unwrap_or(false))
    }

    fn take_up(&self, record: Record) -> Result<Arc<Account>, StoreError> {
        let name = record.address().canonical().to_owned();
        if let Some(known) = self.read(|accounts| accounts.get(&name).cloned()) {
            known.refresh()?;
            return Ok(known);
        }
        let (store, key_file) = (self.store.clone(), self.key_file.clone());
        let account = Arc::new(Account::new(record, store, key_file));
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        Ok(accounts.entry(name).or_insert(account).clone())
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<String, Arc<Account>>) -> T) -> T {
        look(&self.accounts.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{CheckError, Grant, GrantError, GrantFacts, NewPassword};
    use crate::secret::{LocalPassword, RefreshToken};

    fn grant(token: &str) -> Grant {
        Grant { refresh_token: RefreshToken::new(token) }
    }

    fn facts(address: &str) -> GrantFacts {
        GrantFacts { sign_in_name: address.into(), granted: 1, grant_expires: None }
    }

    fn save(store: &Store, address: &str, password: &NewPassword) {
        let address = Address::parse(address).unwrap();
        let facts = facts(address.as_str());
        let record =
            Record::create(&address, "gmail", facts, &grant("old"), password, None).unwrap();
        store.update(&address, |_| Ok::<_, StoreError>(Some(record))).unwrap();
    }

    #[test]
    fn an_account_is_found_by_what_clients_call_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let password = NewPassword::generate().unwrap();
        save(&store, "You@gmail.com", &password);
        save(&store, "scan@one.example", &password);
        let directory = Directory::new(store.clone(), None);
        assert!(directory.scan().unwrap().is_empty());
        for user in
            ["you@gmail.com", "YOU@GMAIL.COM", "\"you@gmail.com\"", "y.o.u@googlemail.com", "you"]
        {
            let found = directory.find(user).unwrap().unwrap();
            assert_eq!(found.address().as_str(), "You@gmail.com", "{user}");
        }
        assert!(directory.find("nobody@gmail.com").unwrap().is_none());
        assert!(directory.find("").unwrap().is_none());
        // One that comes later is found without a scan; a bare name that two have is nobody's.
        save(&store, "scan@two.example", &password);
        assert!(directory.find("scan@two.example").unwrap().is_some());
        assert!(directory.find("scan").unwrap().is_none());
        store.remove(&Address::parse("you@gmail.com").unwrap()).unwrap();
        assert!(directory.find("you@gmail.com").unwrap().is_none());
    }

    #[test]
    fn the_password_unlocks_and_a_new_grant_needs_no_unlocking() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let password = NewPassword::generate().unwrap();
        save(&store, "you@gmail.com", &password);
        let directory = Directory::new(store.clone(), None);
        let account = directory.find("you@gmail.com").unwrap().unwrap();
        assert!(matches!(account.grant(), Err(GrantError::Locked)));
        for wrong in ["", "x"] {
            let refused = account.sign_on(&LocalPassword::new(wrong));
            assert!(matches!(refused, Err(CheckError::Wrong)));
        }
        account.sign_on(password.password()).unwrap();
        let (old_id, old) = account.grant().unwrap();
        assert_eq!(old.refresh_token.expose(), "old");
        // Another process signs in again …
        let other = Store::new(folder.path());
        other
            .update(account.address(), |record| {
                let mut record = record.unwrap();
                record.renew("gmail", facts("you@gmail.com"), &grant("new"))?;
                Ok::<_, StoreError>(Some(record))
            })
            .unwrap();
        // … and a rotation of the old grant that comes too late changes nothing.
        assert!(!account.rotate(&old_id, &grant("late")).unwrap());
        let account = directory.find("you@gmail.com").unwrap().unwrap();
        assert_eq!(account.grant().unwrap().1.refresh_token.expose(), "new");
        account.sign_on(password.password()).unwrap();
        let (id, _) = account.grant().unwrap();
        assert!(account.rotate(&id, &grant("rotated")).unwrap());
        assert_eq!(account.grant().unwrap().1.refresh_token.expose(), "rotated");
        // Where the record is away, nobody is told that something was stored.
        store.remove(account.address()).unwrap();
        let away = account.rotate(&id, &grant("newer")).unwrap_err();
        assert!(matches!(away, StoreError::Io { action: "read", .. }), "{away}");
    }

    #[test]
    fn a_chosen_password_is_derived_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let password = NewPassword::chosen(LocalPassword::new("short")).unwrap();
        save(&store, "scan@gmail.com", &password);
        let directory = Directory::new(store, None);
        let account = directory.find("scan@gmail.com").unwrap().unwrap();
        assert!(account.is_slow());
        account.sign_on(&LocalPassword::new("short")).unwrap();
        assert!(!account.is_slow());
        account.sign_on(&LocalPassword::new("short")).unwrap();
        assert!(account.sign_on(&LocalPassword::new("shorter")).is_err());
    }

    #[test]
    fn a_key_file_opens_what_it_was_adopted_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("accounts"));
        let password = NewPassword::generate().unwrap();
        save(&store, "you@gmail.com", &password);
        let key_path = folder.path().join("key");
        let key_file = KeyFile::create(&key_path).unwrap();
        let directory = Directory::new(store.clone(), Some(key_file));
        let account = directory.find("you@gmail.com").unwrap().unwrap();
        assert!(account.is_locked());
        account.sign_on(password.password()).unwrap();
        assert!(account.adopt_key_file().unwrap());
        assert!(!account.adopt_key_file().unwrap());
        let restarted = Directory::new(store, Some(KeyFile::read(&key_path).unwrap()));
        restarted.scan().unwrap();
        assert!(!restarted.all()[0].is_locked());
    }

    #[test]
    fn what_was_removed_is_gone_at_the_next_scan() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("accounts"));
        save(&store, "you@gmail.com", &NewPassword::generate().unwrap());
        let key_file = KeyFile::create(&folder.path().join("key")).unwrap();
        let directory = Directory::new(store, Some(key_file));
        assert!(directory.key_file().is_some());
        directory.scan().unwrap();
        let address = Address::parse("you@gmail.com").unwrap();
        assert!(directory.remove(&address).unwrap() && directory.all().len() == 1);
        directory.scan().unwrap();
        assert!(directory.all().is_empty() && !directory.remove(&address).unwrap());
    }
}
