//! Folders, and what can be done with them as a whole.

use super::Account;

pub(in crate::demo) const SEEN: &str = "\\Seen";
pub(in crate::demo) const DELETED: &str = "\\Deleted";
pub(in crate::demo) const FLAGGED: &str = "\\Flagged";
pub(in crate::demo) const INBOX: &str = "INBOX";
pub(in crate::demo) const DRAFTS: &str = "[Gmail]/Drafts";
pub(in crate::demo) const SENT_MAIL: &str = "[Gmail]/Sent Mail";
pub(in crate::demo) const SPAM: &str = "[Gmail]/Spam";

pub(super) const ALL_MAIL: &str = "[Gmail]/All Mail";
pub(super) const STARRED: &str = "[Gmail]/Starred";
pub(super) const TRASH: &str = "[Gmail]/Trash";

/// Gmail's own folders: name and attributes. The label that X-GM-LABELS gives for one is its
/// special use; INBOX has `\Inbox`.
pub(super) const FOLDERS: [(&str, &[&str]); 9] = [
    (INBOX, &[]),
    ("[Gmail]", &["\\Noselect"]),
    (ALL_MAIL, &["\\All"]),
    (DRAFTS, &["\\Drafts"]),
    ("[Gmail]/Important", &["\\Important"]),
    (SENT_MAIL, &["\\Sent"]),
    (SPAM, &["\\Junk"]),
    (STARRED, &["\\Flagged"]),
    (TRASH, &["\\Trash"]),
];

pub(in crate::demo) struct Folder {
    pub(in crate::demo) name: String,
    pub(in crate::demo) attributes: &'static [&'static str],
    pub(in crate::demo) subscribed: bool,
    pub(in crate::demo) uid_validity: u32,
    pub(in crate::demo) uid_next: u32,
    /// In the order of UIDs.
    pub(in crate::demo) entries: Vec<Entry>,
    pub(in crate::demo) highest_modseq: u64,
}

/// A message's place in a folder.
#[derive(Clone)]
pub(in crate::demo) struct Entry {
    pub(in crate::demo) uid: u32,
    pub(in crate::demo) message: u64,
    pub(in crate::demo) modseq: u64,
    /// The one flag that belongs to the place and not to the message: deleting takes a label off.
    pub(super) deleted: bool,
}

impl Folder {
    pub(in crate::demo) fn is_selectable(&self) -> bool {
        !self.attributes.contains(&"\\Noselect")
    }

    pub(in crate::demo) fn entry(&self, uid: u32) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&uid, |entry| entry.uid).ok()?;
        self.entries.get(at)
    }

    pub(super) fn place(&mut self, message: u64, deleted: bool, modseq: u64) -> u32 {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.highest_modseq = modseq;
        self.entries.push(Entry { uid, message, modseq, deleted });
        uid
    }
}

impl Account {
    pub(in crate::demo) fn create(&mut self, name: &str) -> bool {
        let name = name.trim_end_matches('/');
        if name.is_empty() || self.folder(name).is_some() {
            return false;
        }
        self.add_folder(name, &[]);
        true
    }

    /// Deletes a folder that the user made.
    pub(in crate::demo) fn delete(&mut self, name: &str) -> bool {
        let before = self.folders.len();
        self.folders.retain(|folder| !is_named(folder, name) || is_gmails_own(folder));
        self.forget_the_unplaced();
        self.folders.len() < before
    }

    /// Renames a folder that the user made, with those beneath it.
    pub(in crate::demo) fn rename(&mut self, from: &str, to: &str) -> bool {
        let theirs = self.folder(from).is_some_and(|folder| !is_gmails_own(folder));
        if !theirs || to.is_empty() || self.folder(to).is_some() {
            return false;
        }
        let beneath = format!("{from}/");
        for folder in &mut self.folders {
            if folder.name == from {
                to.clone_into(&mut folder.name);
            } else if let Some(rest) = folder.name.strip_prefix(&beneath) {
                folder.name = format!("{to}/{rest}");
            }
        }
        true
    }

    pub(in crate::demo) fn renew_uid_validity(&mut self, name: &str) -> bool {
        self.next_validity += 1;
        let validity = self.next_validity;
        let Some(folder) = self.folder_mut(name) else {
            return false;
        };
        folder.uid_validity = validity;
        for (entry, uid) in folder.entries.iter_mut().zip(1..) {
            entry.uid = uid;
        }
        folder.uid_next = folder.entries.last().map_or(1, |entry| entry.uid + 1);
        true
    }

    pub(in crate::demo) fn has_children(&self, name: &str) -> bool {
        let beneath = format!("{name}/");
        self.folders.iter().any(|folder| folder.name.starts_with(&beneath))
    }

    pub(super) fn add_folder(&mut self, name: &str, attributes: &'static [&'static str]) {
        self.next_validity += 1;
        self.folders.push(Folder {
            name: name.to_owned(),
            attributes,
            subscribed: true,
            uid_validity: self.next_validity,
            uid_next: 1,
            entries: Vec::new(),
            highest_modseq: self.modseq,
        });
    }
}

pub(super) fn is_named(folder: &Folder, name: &str) -> bool {
    folder.name == name || (folder.name == INBOX && name.eq_ignore_ascii_case(INBOX))
}

fn is_gmails_own(folder: &Folder) -> bool {
    FOLDERS.iter().any(|(name, _)| *name == folder.name)
}
