//! STORE and UID STORE (RFC 3501 §6.4.6, RFC 7162 §3.1.3).

use super::{
    Refusal,
    command::{Answer, push, success},
    parse::{Cursor, Malformed, format_set},
    selected::flags_line,
    session::Session,
};
use crate::demo::{mailbox::FlagChange, wire::Stream};

impl<S: Stream> Session<'_, S> {
    pub(super) fn store(
        &mut self,
        by_uid: bool,
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Answer {
        let set = cursor.sequence_set()?;
        cursor.space()?;
        let mut unchanged_since = None;
        if cursor.eat(b'(') {
            if cursor.keyword()? != "UNCHANGEDSINCE" {
                return Err(Malformed.into());
            }
            cursor.space()?;
            unchanged_since = Some(cursor.number::<u64>()?);
            cursor.expect(b')')?;
            cursor.space()?;
            self.condstore = true;
        }
        let item = cursor.keyword()?;
        let (item, silent) = match item.strip_suffix(".SILENT") {
            Some(item) => (item, true),
            None => (item.as_str(), false),
        };
        let (item, change) = match item.as_bytes().first() {
            Some(b'+') => (&item[1..], FlagChange::Add),
            Some(b'-') => (&item[1..], FlagChange::Remove),
            _ => (item, FlagChange::Replace),
        };
        cursor.space()?;
        let values = match cursor.peek() {
            Some(b'(') => cursor.list(Cursor::text)?,
            _ => {
                let mut values = vec![cursor.text()?];
                while cursor.eat(b' ') {
                    values.push(cursor.text()?);
                }
                values
            }
        };
        cursor.end()?;
        if item != "FLAGS" {
            // X-GM-LABELS can be read here, not stored: folders do the same.
            return Err(Refusal::No(
                "Only FLAGS can be stored here (Failure)".to_owned(),
            ));
        }

        let selected = self.writable()?;
        let (name, picked) = (selected.name.clone(), selected.pick(&set, by_uid));
        let condstore = self.condstore;
        let mut told = Vec::new();
        let mut modified = Vec::new();
        self.change(|account| {
            for &(number, uid) in &picked {
                let Some(entry) = account.folder(&name).and_then(|folder| folder.entry(uid)) else {
                    continue;
                };
                if unchanged_since.is_some_and(|since| entry.modseq > since) {
                    modified.push(if by_uid { uid } else { number });
                    continue;
                }
                let Some(modseq) = account.change_flags(&name, uid, change, &values) else {
                    continue;
                };
                told.push((uid, modseq));
                let entry = account.folder(&name).and_then(|folder| folder.entry(uid));
                if let Some(entry) = entry.filter(|_| !silent) {
                    let number = usize::try_from(number).unwrap_or(usize::MAX);
                    push(out, &flags_line(account, number, entry, by_uid, condstore));
                }
            }
        })?;
        if let Some(selected) = &mut self.selected {
            for (uid, modseq) in told {
                if let Some(at) = selected.number_of(uid) {
                    selected.view[at].modseq = modseq;
                }
            }
        }
        if modified.is_empty() {
            return success();
        }
        Ok(format!(
            "[MODIFIED {}] Conditional STORE failed (Success)",
            format_set(&modified)
        ))
    }
}
