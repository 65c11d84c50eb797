//! The accounts in use: who comes, who stays, who goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::events::Journal;
use super::happening::Happening;
use super::last_used::LastUsed;
use super::member::{Member, keep_fresh};
use super::porter::Porter;
use crate::accounts::{Account, Address, Directory, KeyFile, Keys, Store, StoreError};
use crate::config::Home;
use crate::settings::Settings;

/// All accounts in use.
pub(super) struct Household {
    directory: Directory,
    /// Goes to the keychain, if that may be used.
    porter: Option<Porter>,
    settings: watch::Receiver<Arc<Settings>>,
    members: Mutex<BTreeMap<String, Arc<Member>>>,
    damaged: Mutex<Vec<String>>,
    journal: Arc<Journal>,
    last_used: Arc<LastUsed>,
    /// Those that were there at the start are no news.
    has_begun: AtomicBool,
}

impl Household {
    pub(super) fn new(
        home: &Home,
        keys: Keys,
        settings: watch::Receiver<Arc<Settings>>,
        journal: Arc<Journal>,
    ) -> Self {
        Self {
            directory: Directory::new(Store::new(home.accounts()), keys.key_file),
            porter: keys.keychain.map(Porter::new),
            settings,
            members: Mutex::default(),
            damaged: Mutex::default(),
            journal,
            last_used: Arc::new(LastUsed::load(home.last_used_file())),
            has_begun: AtomicBool::new(false),
        }
    }

    /// The member that a mail client means by `user`.
    pub(super) fn find(&self, user: &str) -> Result<Option<Arc<Member>>, StoreError> {
        Ok(self.directory.find(user)?.map(|account| self.member(account)))
    }

    /// What opens accounts without a person, if there is one.
    pub(super) fn key_file(&self) -> Option<&KeyFile> {
        self.directory.key_file()
    }

    /// Reads the folder of the accounts again, and reconsiders them all: what failed may be tried at
    /// once, and the keychain be asked.
    pub(super) fn rescan(&self) -> Result<(), StoreError> {
        let members = self.scan()?;
        if let Some(porter) = &self.porter {
            porter.begin_anew();
            members.iter().for_each(|member| porter.see_to(&member.account));
        }
        for member in members {
            member.has_new_grant();
            member.reconsider();
        }
        Ok(())
    }

    /// Reads the folder of the accounts again, and reconsiders those that are new or have another
    /// grant. What is known of the others is as true as before: their pauses go on, and the keychain is
    /// not asked for them again.
    pub(super) fn take_up(&self) -> Result<(), StoreError> {
        let (new, others): (Vec<_>, Vec<_>) =
            self.scan()?.into_iter().partition(|member| member.has_new_grant());
        if let Some(porter) = &self.porter {
            others.iter().for_each(|member| porter.see_to(&member.account));
            new.iter().for_each(|member| porter.see_to_anew(&member.account));
        }
        new.iter().for_each(|member| member.reconsider());
        Ok(())
    }

    /// Who is there by the folder. Members whose record is gone are told to leave.
    fn scan(&self) -> Result<Vec<Arc<Member>>, StoreError> {
        let damaged: Vec<String> =
            self.directory.scan()?.iter().map(|damage| damage.error.in_full()).collect();
        damaged.iter().for_each(|damage| tracing::error!("{damage}"));
        *self.damaged.lock().unwrap_or_else(PoisonError::into_inner) = damaged;
        let all = self.directory.all();
        let there = |name: &String| all.iter().any(|account| account.address().canonical() == name);
        self.lock().retain(|name, member| {
            let stays = there(name);
            if !stays {
                member.leave();
                member.news.tell(Happening::Forgotten);
            }
            stays
        });
        let names: Vec<&str> = all.iter().map(|account| account.address().canonical()).collect();
        self.last_used.keep_only(&names);
        let members = all.into_iter().map(|account| self.member(account)).collect();
        self.has_begun.store(true, Ordering::Relaxed);
        Ok(members)
    }

    /// Forgets an account, here and in the keychain; see [`Server::forget`](super::Server::forget).
    pub(super) fn forget(&self, address: &Address) -> Result<bool, StoreError> {
        let member = self.find(address.as_str())?;
        let was_there = self.directory.remove(address)?;
        if let (Some(porter), Some(member)) = (&self.porter, member) {
            porter.untie(&member.account);
        }
        self.take_up()?;
        Ok(was_there)
    }

    /// Takes up what the settings say of the accounts; see [`Member::set_limit`].
    pub(super) fn take_up_settings(&self) {
        let limit = self.settings.borrow().provider.connections;
        self.all().iter().for_each(|member| member.set_limit(limit));
    }

    /// A mail client has signed on: the keychain may open the account from now on.
    pub(super) fn signed_on(&self, member: &Member) {
        if let Some(porter) = &self.porter {
            porter.see_to(&member.account);
        }
    }

    /// What was wrong with files in the folder of the accounts when it was read last.
    pub(super) fn damaged(&self) -> Vec<String> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn all(&self) -> Vec<Arc<Member>> {
        self.lock().values().cloned().collect()
    }

    fn member(&self, account: Arc<Account>) -> Arc<Member> {
        let name = account.address().canonical().to_owned();
        let mut members = self.lock();
        if let Some(member) = members.get(&name)
            && Arc::ptr_eq(&member.account, &account)
        {
            member.news.look_at_grant();
            return member.clone();
        }
        let connections = self.settings.borrow().provider.connections;
        let (journal, last_used) = (self.journal.clone(), self.last_used.clone());
        let member = Arc::new(Member::new(account, connections, journal, last_used));
        if self.has_begun.load(Ordering::Relaxed) {
            member.news.tell(Happening::SignedIn);
        }
        tokio::spawn(keep_fresh(Arc::downgrade(&member), self.settings.clone()));
        if let Some(old) = members.insert(name, member.clone()) {
            old.leave();
        }
        member
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
