//! The mail store, in memory, with Gmail's ideas: a message is one thing with one set of flags, and
//! folders are labels on it; All Mail holds every message but those in Spam and Trash.

mod account;
mod folder;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

pub(super) use self::{
    account::{Account, FlagChange, Message},
    folder::{DELETED, DRAFTS, Entry, FLAGGED, Folder, INBOX, SEEN, SENT_MAIL, SPAM},
};
use super::{clock, sync::lock};

/// The store. Clones are handles on the same one.
#[derive(Clone)]
pub struct Mailboxes(Arc<Store>);

struct Store {
    /// By address in lower case.
    accounts: Mutex<HashMap<String, Account>>,
    /// Who gets the mail for those who aren't here.
    catch_all: Mutex<Option<String>>,
    changed: watch::Sender<u64>,
}

/// A message as it lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its UID in the folder.
    pub uid: u32,
    /// Its flags, `\Deleted` among them.
    pub flags: Vec<String>,
    /// Its mod-sequence (RFC 7162).
    pub modseq: u64,
    /// When it came, in seconds since 1970.
    pub internal_date: i64,
    /// Its bytes, as they were given.
    pub bytes: Arc<[u8]>,
}

impl Default for Mailboxes {
    fn default() -> Self {
        let store = Store {
            accounts: Mutex::default(),
            catch_all: Mutex::default(),
            changed: watch::Sender::new(0),
        };
        Self(Arc::new(store))
    }
}

impl Mailboxes {
    /// A user with Gmail's folders, all empty; one who is there already stays as is.
    pub fn add_user(&self, email: &str) {
        lock(&self.0.accounts).entry(email.to_ascii_lowercase()).or_default();
    }

    /// True if there is such a user.
    pub fn has_user(&self, email: &str) -> bool {
        self.read(email, |_| ()).is_some()
    }

    /// Puts an unread message into a folder, with the time of now; gives its UID. `None` if there
    /// is no such user or folder.
    pub fn deliver(&self, email: &str, folder: &str, bytes: &[u8]) -> Option<u32> {
        self.append(email, folder, bytes, &[], clock::now())
    }

    /// Mail sent to somebody who isn't here arrives in this user's inbox from now on; at first it is
    /// somebody else's to keep.
    pub fn set_catch_all(&self, email: &str) {
        *lock(&self.0.catch_all) = Some(email.to_owned());
    }

    /// Puts a message that was sent into the inboxes of whoever is here, one copy in each.
    pub(super) fn deliver_to_all(&self, recipients: &[String], bytes: &[u8]) {
        let catch_all = lock(&self.0.catch_all).clone();
        let here = |recipient: &String| match self.has_user(recipient) {
            true => Some(recipient.to_ascii_lowercase()),
            false => catch_all.clone(),
        };
        let inboxes: BTreeSet<_> = recipients.iter().filter_map(here).collect();
        for inbox in inboxes {
            let _ = self.deliver(&inbox, INBOX, bytes);
        }
    }

    /// Puts a message into a folder; gives its UID. `None` if there is no such user or folder.
    pub fn append(
        &self,
        email: &str,
        folder: &str,
        bytes: &[u8],
        flags: &[&str],
        internal_date: i64,
    ) -> Option<u32> {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self.change(email, |account| account.append(folder, bytes, flags, internal_date))?
    }

    /// What lies in a folder, in the order of UIDs; nothing if there is no such folder.
    pub fn messages(&self, email: &str, folder: &str) -> Vec<StoredMessage> {
        self.read(email, |account| account.messages(folder)).unwrap_or_default()
    }

    /// Sets a message's flags to these, as another client would. False if there is no such message.
    pub fn set_flags(&self, email: &str, folder: &str, uid: u32, flags: &[&str]) -> bool {
        let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let set = |account: &mut Account| {
            account.change_flags(folder, uid, FlagChange::Replace, &flags).is_some()
        };
        self.change(email, set).unwrap_or(false)
    }

    /// Takes a message out of a folder, as another client would. False if there is no such message.
    pub fn remove(&self, email: &str, folder: &str, uid: u32) -> bool {
        let removed =
            self.change(email, |account| account.remove(folder, &mut |other, _| other == uid));
        removed.is_some_and(|removed| !removed.is_empty())
    }

    /// Makes a folder. False if there is one of that name, or no such user.
    pub fn create_folder(&self, email: &str, folder: &str) -> bool {
        self.change(email, |account| account.create(folder)).unwrap_or(false)
    }

    /// The names of a user's folders.
    pub fn folders(&self, email: &str) -> Vec<String> {
        self.read(email, |account| {
            account.folders.iter().map(|folder| folder.name.clone()).collect()
        })
        .unwrap_or_default()
    }

    /// A folder's UIDVALIDITY.
    pub fn uid_validity(&self, email: &str, folder: &str) -> Option<u32> {
        self.read(email, |account| account.folder(folder).map(|folder| folder.uid_validity))?
    }

    /// Gives a folder a new UIDVALIDITY and its messages new UIDs, as a server does that has lost
    /// count. Sessions that have it selected keep their view. False if there is no such folder.
    pub fn renew_uid_validity(&self, email: &str, folder: &str) -> bool {
        self.change(email, |account| account.renew_uid_validity(folder)).unwrap_or(false)
    }

    /// Looks at an account; `None` if there is no such user.
    pub(super) fn read<T>(&self, email: &str, look: impl FnOnce(&Account) -> T) -> Option<T> {
        lock(&self.0.accounts).get(&email.to_ascii_lowercase()).map(look)
    }

    /// Changes an account, and wakes every session that idles.
    pub(super) fn change<T>(
        &self,
        email: &str,
        change: impl FnOnce(&mut Account) -> T,
    ) -> Option<T> {
        let result = lock(&self.0.accounts).get_mut(&email.to_ascii_lowercase()).map(change);
        self.0.changed.send_modify(|count| *count += 1);
        result
    }

    /// Sees every change from now on.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }
}
