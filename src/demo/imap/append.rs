//! APPEND (RFC 3501 §6.3.11).

use super::{
    Refusal,
    command::Answer,
    parse::{Cursor, Malformed},
    session::Session,
};
use crate::demo::{clock, wire::Stream};

impl<S: Stream> Session<'_, S> {
    pub(super) fn append(&mut self, cursor: &mut Cursor<'_>) -> Answer {
        cursor.space()?;
        let name = cursor.text()?;
        cursor.space()?;
        let mut flags = Vec::new();
        if cursor.peek() == Some(b'(') {
            flags = cursor.list(|cursor| cursor.word().map(str::to_owned))?;
            cursor.space()?;
        }
        let mut date = clock::now();
        if cursor.peek() == Some(b'"') {
            date = clock::parse_internal_date(&cursor.text()?).ok_or(Malformed)?;
            cursor.space()?;
        }
        // UTF8 (~{n} …) is RFC 6855's form for messages with UTF-8 header fields.
        let is_wrapped = cursor.rest().starts_with(b"UTF8 (");
        if is_wrapped {
            cursor.word()?;
            cursor.space()?;
            cursor.expect(b'(')?;
        }
        let bytes = cursor.literal()?;
        if is_wrapped {
            cursor.expect(b')')?;
        }
        cursor.end()?;
        let stored = self.change(|account| {
            let uid = account.append(&name, &bytes, flags, date)?;
            Some((account.folder(&name)?.uid_validity, uid))
        })?;
        let missing = || Refusal::No(format!("[TRYCREATE] No folder {name} (Failure)"));
        let (validity, uid) = stored.ok_or_else(missing)?;
        Ok(format!("[APPENDUID {validity} {uid}] (Success)"))
    }
}
