//! One user's mail.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    StoredMessage,
    folder::{
        ALL_MAIL, DELETED, Entry, FLAGGED, FOLDERS, Folder, INBOX, SEEN, SPAM, STARRED, TRASH,
        is_named,
    },
};

/// Gmail's message numbers have 19 digits; they begin somewhere.
const FIRST_MESSAGE: u64 = 1_700_000_000_000_000_001;

pub(in crate::demo) struct Account {
    pub(in crate::demo) folders: Vec<Folder>,
    messages: HashMap<u64, Message>,
    next_message: u64,
    pub(super) next_validity: u32,
    pub(super) modseq: u64,
}

pub(in crate::demo) struct Message {
    pub(in crate::demo) bytes: Arc<[u8]>,
    pub(in crate::demo) internal_date: i64,
    flags: BTreeSet<String>,
}

/// What STORE does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::demo) enum FlagChange {
    Replace,
    Add,
    Remove,
}

impl Default for Account {
    fn default() -> Self {
        let mut account = Self {
            folders: Vec::new(),
            messages: HashMap::new(),
            next_message: FIRST_MESSAGE,
            next_validity: 1,
            modseq: 1000,
        };
        for (name, attributes) in FOLDERS {
            account.add_folder(name, attributes);
        }
        account
    }
}

impl Account {
    pub(in crate::demo) fn folder(&self, name: &str) -> Option<&Folder> {
        self.folders.iter().find(|folder| is_named(folder, name))
    }

    pub(in crate::demo) fn folder_mut(&mut self, name: &str) -> Option<&mut Folder> {
        self.folders.iter_mut().find(|folder| is_named(folder, name))
    }

    pub(in crate::demo) fn message(&self, entry: &Entry) -> Option<&Message> {
        self.messages.get(&entry.message)
    }

    pub(in crate::demo) fn flags(&self, entry: &Entry) -> Vec<String> {
        let own = self.message(entry).into_iter().flat_map(|message| message.flags.iter().cloned());
        own.chain(entry.deleted.then(|| DELETED.to_owned())).collect()
    }

    pub(in crate::demo) fn has_flag(&self, entry: &Entry, flag: &str) -> bool {
        if flag.eq_ignore_ascii_case(DELETED) {
            return entry.deleted;
        }
        let mut own = self.message(entry).into_iter().flat_map(|message| &message.flags);
        own.any(|own| own.eq_ignore_ascii_case(flag))
    }

    /// The labels of a message, as X-GM-LABELS shows them from within a folder: the folder itself
    /// and All Mail are left out.
    pub(in crate::demo) fn labels(&self, entry: &Entry, within: &str) -> Vec<String> {
        let others = self.folders.iter().filter(|folder| {
            folder.name != ALL_MAIL
                && !is_named(folder, within)
                && folder.entries.iter().any(|other| other.message == entry.message)
        });
        let label = |folder: &Folder| match folder.attributes.first() {
            _ if folder.name == INBOX => "\\Inbox".to_owned(),
            Some(&"\\Drafts") => "\\Draft".to_owned(),
            Some(&"\\Flagged") => "\\Starred".to_owned(),
            Some(use_) => (*use_).to_owned(),
            None => folder.name.clone(),
        };
        others.map(label).collect()
    }

    pub(in crate::demo) fn messages(&self, folder: &str) -> Vec<StoredMessage> {
        let entries = self.folder(folder).map(|folder| folder.entries.as_slice());
        let stored = |entry: &Entry| {
            let message = self.message(entry)?;
            Some(StoredMessage {
                uid: entry.uid,
                flags: self.flags(entry),
                modseq: entry.modseq,
                internal_date: message.internal_date,
                bytes: Arc::clone(&message.bytes),
            })
        };
        entries.unwrap_or_default().iter().filter_map(stored).collect()
    }

    pub(in crate::demo) fn append(
        &mut self,
        folder: &str,
        bytes: &[u8],
        flags: Vec<String>,
        internal_date: i64,
    ) -> Option<u32> {
        let modseq = self.next_modseq();
        let number = self.next_message;
        let (deleted, flags): (Vec<_>, Vec<_>) =
            flags.into_iter().partition(|flag| flag.eq_ignore_ascii_case(DELETED));
        let folder = self.folder_mut(folder).filter(|folder| folder.is_selectable())?;
        let uid = folder.place(number, !deleted.is_empty(), modseq);
        let name = folder.name.clone();
        self.next_message += 1;
        let flags: BTreeSet<_> = flags.into_iter().map(canonical_flag).collect();
        let is_flagged = flags.contains(FLAGGED);
        self.messages.insert(number, Message { bytes: bytes.into(), internal_date, flags });
        self.archive(number, &name, modseq);
        if is_flagged {
            self.star(number, modseq);
        }
        Some(uid)
    }

    /// Labels messages with another folder; gives the pairs of UIDs. `None` if there is no such
    /// folder. A message that bears the label already keeps its place, as at Gmail.
    pub(in crate::demo) fn copy(
        &mut self,
        from: &str,
        uids: &[u32],
        to: &str,
    ) -> Option<Vec<(u32, u32)>> {
        let source = self.folder(from)?;
        let entries: Vec<_> = uids.iter().filter_map(|uid| source.entry(*uid).cloned()).collect();
        let modseq = self.next_modseq();
        let target = self.folder_mut(to).filter(|folder| folder.is_selectable())?;
        let name = target.name.clone();
        let mut pairs = Vec::new();
        let there: HashMap<u64, u32> =
            target.entries.iter().map(|entry| (entry.message, entry.uid)).collect();
        for entry in &entries {
            let uid = match there.get(&entry.message) {
                Some(uid) => *uid,
                None => target.place(entry.message, false, modseq),
            };
            pairs.push((entry.uid, uid));
        }
        for entry in &entries {
            self.archive(entry.message, &name, modseq);
        }
        Some(pairs)
    }

    /// Takes the entries out that `which` picks by UID and `\Deleted`; gives their UIDs.
    pub(in crate::demo) fn remove(
        &mut self,
        folder: &str,
        which: &mut dyn FnMut(u32, bool) -> bool,
    ) -> Vec<u32> {
        let modseq = self.next_modseq();
        let Some(folder) = self.folder_mut(folder) else {
            return Vec::new();
        };
        let (gone, kept): (Vec<_>, Vec<_>) =
            folder.entries.drain(..).partition(|entry| which(entry.uid, entry.deleted));
        folder.entries = kept;
        if !gone.is_empty() {
            folder.highest_modseq = modseq;
        }
        self.forget_the_unplaced();
        gone.iter().map(|entry| entry.uid).collect()
    }

    /// Changes the flags of one message, wherever it lies; gives its mod-sequence in this folder.
    pub(in crate::demo) fn change_flags(
        &mut self,
        folder: &str,
        uid: u32,
        change: FlagChange,
        flags: &[String],
    ) -> Option<u64> {
        let entry = self.folder(folder)?.entry(uid)?.clone();
        let named = flags.iter().any(|flag| flag.eq_ignore_ascii_case(DELETED));
        let deleted = match change {
            FlagChange::Replace => named,
            FlagChange::Add => entry.deleted || named,
            FlagChange::Remove => entry.deleted && !named,
        };
        let message = self.messages.get_mut(&entry.message)?;
        let own = flags.iter().filter(|flag| !flag.eq_ignore_ascii_case(DELETED)).cloned();
        let own: BTreeSet<_> = own.map(canonical_flag).collect();
        let changed: BTreeSet<_> = match change {
            FlagChange::Replace => own,
            FlagChange::Add => message.flags.union(&own).cloned().collect(),
            FlagChange::Remove => message.flags.difference(&own).cloned().collect(),
        };
        let everywhere = changed != message.flags;
        let star_changed = changed.contains(FLAGGED) != message.flags.contains(FLAGGED);
        message.flags = changed;
        if !everywhere && deleted == entry.deleted {
            return Some(entry.modseq);
        }
        let modseq = self.next_modseq();
        for other in &mut self.folders {
            let here = is_named(other, folder);
            let mut touched = false;
            for place in other.entries.iter_mut().filter(|place| place.message == entry.message) {
                if here && place.uid == uid {
                    place.deleted = deleted;
                } else if !everywhere {
                    continue;
                }
                place.modseq = modseq;
                touched = true;
            }
            if touched {
                other.highest_modseq = modseq;
            }
        }
        if star_changed {
            self.star(entry.message, modseq);
        }
        Some(modseq)
    }

    /// Into Starred, or out of it: at Gmail the flag is that label.
    fn star(&mut self, message: u64, modseq: u64) {
        let flags = self.messages.get(&message).map(|message| &message.flags);
        let is_flagged = flags.is_some_and(|flags| flags.contains(FLAGGED));
        let Some(starred) = self.folder_mut(STARRED) else {
            return;
        };
        let at = starred.entries.iter().position(|entry| entry.message == message);
        match (at, is_flagged) {
            (Some(at), false) => {
                starred.entries.remove(at);
                starred.highest_modseq = modseq;
            }
            (None, true) => {
                starred.place(message, false, modseq);
            }
            _ => {}
        }
    }

    /// Into All Mail, or out of it when the message is in Spam or Trash now.
    fn archive(&mut self, message: u64, folder: &str, modseq: u64) {
        let Some(all) = self.folder_mut(ALL_MAIL) else {
            return;
        };
        let at = all.entries.iter().position(|entry| entry.message == message);
        match (at, matches!(folder, SPAM | TRASH)) {
            (Some(at), true) => {
                all.entries.remove(at);
                all.highest_modseq = modseq;
            }
            (None, false) => {
                all.place(message, false, modseq);
            }
            _ => {}
        }
    }

    pub(super) fn forget_the_unplaced(&mut self) {
        let places = self.folders.iter().flat_map(|folder| &folder.entries);
        let placed: HashSet<u64> = places.map(|entry| entry.message).collect();
        self.messages.retain(|number, _| placed.contains(number));
    }

    fn next_modseq(&mut self) -> u64 {
        self.modseq += 1;
        self.modseq
    }
}

/// System flags differ by letter case only (RFC 3501 §2.3.2).
fn canonical_flag(flag: String) -> String {
    const SYSTEM: [&str; 5] = ["\\Answered", FLAGGED, DELETED, SEEN, "\\Draft"];
    match SYSTEM.iter().find(|system| system.eq_ignore_ascii_case(&flag)) {
        Some(system) => (*system).to_owned(),
        None => flag,
    }
}
