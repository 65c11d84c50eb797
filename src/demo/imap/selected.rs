//! The selected mailbox as the client knows it, and how it learns of changes.

use super::{
    Refusal,
    command::{Answer, push, success},
    folders::unknown_mailbox,
    parse::{Cursor, SequenceSet, format_set},
    session::Session,
};
use crate::demo::{
    mailbox::{Account, Entry, Folder},
    wire::Stream,
};

const FLAGS: &str = "\\Answered \\Flagged \\Draft \\Deleted \\Seen $NotPhishing $Phishing";

/// What the client has been told.
pub(super) struct Selected {
    pub(super) name: String,
    pub(super) read_only: bool,
    uid_validity: u32,
    /// The messages by number: the first has number 1.
    pub(super) view: Vec<Known>,
}

/// A message that the client knows of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) uid: u32,
    /// The mod-sequence up to which it knows the flags.
    pub(super) modseq: u64,
}

impl Selected {
    /// The messages of a set: number and UID, in order.
    pub(super) fn pick(&self, set: &SequenceSet, by_uid: bool) -> Vec<(u32, u32)> {
        let last_uid = self.view.last().map_or(0, |known| known.uid);
        let count = u32::try_from(self.view.len()).unwrap_or(u32::MAX);
        let numbered = (1..)
            .zip(&self.view)
            .map(|(number, known)| (number, known.uid));
        numbered
            .filter(|(number, uid)| {
                if by_uid {
                    set.contains(*uid, last_uid)
                } else {
                    set.contains(*number, count)
                }
            })
            .collect()
    }

    pub(super) fn number_of(&self, uid: u32) -> Option<usize> {
        self.view.binary_search_by_key(&uid, |known| known.uid).ok()
    }
}

impl<S: Stream> Session<'_, S> {
    pub(super) fn select(
        &mut self,
        cursor: &mut Cursor<'_>,
        read_only: bool,
        out: &mut Vec<u8>,
    ) -> Answer {
        cursor.space()?;
        let name = cursor.text()?;
        if cursor.eat(b' ') {
            let options = cursor.list(Cursor::keyword)?;
            self.condstore |= options.iter().any(|option| option == "CONDSTORE");
        }
        cursor.end()?;
        self.selected = None;
        let opened = self.read(|account| {
            let folder = account
                .folder(&name)
                .filter(|folder| folder.is_selectable())?;
            let known = |entry: &Entry| Known {
                uid: entry.uid,
                modseq: entry.modseq,
            };
            let permanent = if read_only {
                String::new()
            } else {
                format!("{FLAGS} \\*")
            };
            push(out, &format!("* FLAGS ({FLAGS})"));
            push(
                out,
                &format!("* OK [PERMANENTFLAGS ({permanent})] Flags permitted."),
            );
            push(
                out,
                &format!("* OK [UIDVALIDITY {}] UIDs valid.", folder.uid_validity),
            );
            push(out, &format!("* {} EXISTS", folder.entries.len()));
            push(out, "* 0 RECENT");
            push(
                out,
                &format!("* OK [UIDNEXT {}] Predicted next UID.", folder.uid_next),
            );
            // No text, and not even a blank: against RFC 3501's grammar, and so at Gmail.
            push(
                out,
                &format!("* OK [HIGHESTMODSEQ {}]", folder.highest_modseq),
            );
            Some(Selected {
                name: folder.name.clone(),
                read_only,
                uid_validity: folder.uid_validity,
                view: folder.entries.iter().map(known).collect(),
            })
        })?;
        let selected = opened.ok_or_else(|| unknown_mailbox(&name))?;
        let access = if read_only { "READ-ONLY" } else { "READ-WRITE" };
        let answer = format!("[{access}] {} selected. (Success)", selected.name);
        self.selected = Some(selected);
        Ok(answer)
    }

    /// CLOSE takes the deleted messages out without a word; UNSELECT leaves them.
    pub(super) fn close(&mut self, expunge: bool) -> Answer {
        if let Some(selected) = self.selected.take()
            && expunge
            && !selected.read_only
        {
            self.change(|account| account.remove(&selected.name, &mut |_, deleted| deleted))?;
        }
        Ok("Returned to authenticated state. (Success)".to_owned())
    }

    /// EXPUNGE, or UID EXPUNGE with a set. What went is told by the synchronization afterwards.
    pub(super) fn expunge(&mut self, set: Option<&SequenceSet>, out: &mut Vec<u8>) -> Answer {
        let selected = self.writable()?;
        let picked: Option<Vec<_>> = set.map(|set| {
            selected
                .pick(set, true)
                .into_iter()
                .map(|(_, uid)| uid)
                .collect()
        });
        let name = selected.name.clone();
        self.change(|account| {
            account.remove(&name, &mut |uid, deleted| {
                deleted && picked.as_ref().is_none_or(|picked| picked.contains(&uid))
            })
        })?;
        self.synchronize(true, out);
        success()
    }

    pub(super) fn copy(&mut self, by_uid: bool, cursor: &mut Cursor<'_>) -> Answer {
        match self.copy_set(by_uid, cursor)?.code {
            Some(code) => Ok(format!("{code} (Success)")),
            None => success(),
        }
    }

    /// MOVE (RFC 6851): COPYUID comes untagged, before the EXPUNGEs.
    pub(super) fn move_(
        &mut self,
        by_uid: bool,
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Answer {
        let name = self.writable()?.name.clone();
        let copied = self.copy_set(by_uid, cursor)?;
        if let Some(code) = &copied.code {
            push(out, &format!("* OK {code}"));
        }
        // A message that moves to where it is stays.
        if copied.target != name {
            self.change(|account| account.remove(&name, &mut |uid, _| copied.uids.contains(&uid)))?;
        }
        self.synchronize(true, out);
        success()
    }

    /// Tells the client what has changed since it last heard, as far as it may hear it now.
    pub(super) fn synchronize(&mut self, allow_expunge: bool, out: &mut Vec<u8>) {
        let Some(mut selected) = self.selected.take() else {
            return;
        };
        let condstore = self.condstore;
        // An account never goes away; if it did, there would be nothing to tell.
        let _ = self.read(|account| compare(account, &mut selected, allow_expunge, condstore, out));
        self.selected = Some(selected);
    }

    /// The selected mailbox.
    pub(super) fn mailbox(&self) -> Result<&Selected, Refusal> {
        let none = || Refusal::Bad("No mailbox selected".to_owned());
        self.selected.as_ref().ok_or_else(none)
    }

    /// The selected mailbox, if it may be changed.
    pub(super) fn writable(&self) -> Result<&Selected, Refusal> {
        let selected = self.mailbox()?;
        if selected.read_only {
            let words = "[READ-ONLY] Mailbox is selected READ-ONLY (Failure)";
            return Err(Refusal::No(words.to_owned()));
        }
        Ok(selected)
    }

    fn copy_set(&mut self, by_uid: bool, cursor: &mut Cursor<'_>) -> Result<Copied, Refusal> {
        let set = cursor.sequence_set()?;
        cursor.space()?;
        let target = cursor.text()?;
        cursor.end()?;
        let selected = self.mailbox()?;
        let uids: Vec<_> = selected
            .pick(&set, by_uid)
            .into_iter()
            .map(|(_, uid)| uid)
            .collect();
        let name = selected.name.clone();
        let copied = self.change(|account| {
            let pairs = account.copy(&name, &uids, &target)?;
            let folder = account.folder(&target)?;
            Some((folder.uid_validity, folder.name.clone(), pairs))
        })?;
        let missing = || Refusal::No(format!("[TRYCREATE] No folder {target} (Failure)"));
        let (validity, target, pairs) = copied.ok_or_else(missing)?;
        let (from, to): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let code = (!from.is_empty()).then(|| {
            format!(
                "[COPYUID {validity} {} {}]",
                format_set(&from),
                format_set(&to)
            )
        });
        Ok(Copied {
            code,
            target,
            uids: from,
        })
    }
}

/// What COPY has done.
struct Copied {
    /// COPYUID (RFC 4315 §3), if there was anything to copy.
    code: Option<String>,
    target: String,
    uids: Vec<u32>,
}

fn compare(
    account: &Account,
    selected: &mut Selected,
    allow_expunge: bool,
    condstore: bool,
    out: &mut Vec<u8>,
) {
    let same = |folder: &&Folder| folder.uid_validity == selected.uid_validity;
    let Some(folder) = account.folder(&selected.name).filter(same) else {
        return;
    };
    if allow_expunge {
        for at in (0..selected.view.len()).rev() {
            if folder.entry(selected.view[at].uid).is_none() {
                selected.view.remove(at);
                push(out, &format!("* {} EXPUNGE", at + 1));
            }
        }
    }
    for (number, known) in (1..).zip(&mut selected.view) {
        let Some(entry) = folder
            .entry(known.uid)
            .filter(|entry| entry.modseq > known.modseq)
        else {
            continue;
        };
        known.modseq = entry.modseq;
        let line = flags_line(account, number, entry, true, condstore);
        push(out, &line);
    }
    let last = selected.view.last().map_or(0, |known| known.uid);
    let new = folder.entries.iter().filter(|entry| entry.uid > last);
    let before = selected.view.len();
    selected.view.extend(new.map(|entry| Known {
        uid: entry.uid,
        modseq: entry.modseq,
    }));
    if selected.view.len() > before {
        push(out, &format!("* {} EXISTS", selected.view.len()));
    }
}

/// An untagged FETCH with a message's flags.
pub(super) fn flags_line(
    account: &Account,
    number: usize,
    entry: &Entry,
    with_uid: bool,
    with_modseq: bool,
) -> String {
    let uid = if with_uid {
        format!("UID {} ", entry.uid)
    } else {
        String::new()
    };
    let modseq = if with_modseq {
        format!(" MODSEQ ({})", entry.modseq)
    } else {
        String::new()
    };
    format!(
        "* {number} FETCH ({uid}FLAGS ({}){modseq})",
        account.flags(entry).join(" ")
    )
}
