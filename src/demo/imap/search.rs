//! SEARCH and UID SEARCH (RFC 3501 §6.4.4), ESEARCH (RFC 4731).

use super::{
    command::{Answer, push},
    mime::{Fields, Part},
    parse::{Cursor, Malformed, Parsed, SequenceSet, format_set},
    session::Session,
};
use crate::demo::{
    clock,
    mailbox::{Account, DELETED, Entry, Message, SEEN},
    wire::Stream,
};

/// Deeper than anyone nests.
const DEPTH_LIMIT: usize = 32;

#[derive(Debug)]
enum Key {
    All,
    Numbers(SequenceSet),
    Uids(SequenceSet),
    Flag(String, bool),
    /// A header field that contains a text; an empty text: that is there.
    Header(String, String),
    Body(String),
    Text(String),
    /// The day of arrival, or the `Date` field's, compared.
    Day {
        sent: bool,
        test: fn(&i64, &i64) -> bool,
        day: i64,
    },
    Larger(usize),
    Smaller(usize),
    ModSeq(u64),
    MessageId(u64),
    And(Vec<Key>),
    Or(Box<Key>, Box<Key>),
    Not(Box<Key>),
}

/// One message under examination.
struct Candidate<'a> {
    number: u32,
    count: u32,
    last_uid: u32,
    entry: &'a Entry,
    message: &'a Message,
    account: &'a Account,
}

impl<S: Stream> Session<'_, S> {
    pub(super) fn search(
        &mut self,
        by_uid: bool,
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Answer {
        let mut returns = None;
        if starts_with(cursor, "RETURN (") {
            cursor.word()?;
            cursor.space()?;
            returns = Some(cursor.list(Cursor::keyword)?);
            cursor.space()?;
        }
        if starts_with(cursor, "CHARSET ") {
            cursor.word()?;
            cursor.space()?;
            cursor.text()?;
            cursor.space()?;
        }
        let mut keys = vec![key(cursor, 0)?];
        while cursor.eat(b' ') {
            keys.push(key(cursor, 0)?);
        }
        cursor.end()?;
        let key = Key::And(keys);

        let selected = self.mailbox()?;
        let count = u32::try_from(selected.view.len()).unwrap_or(u32::MAX);
        let last_uid = selected.view.last().map_or(0, |known| known.uid);
        let found: Vec<u32> = self.read(|account| {
            let folder = account.folder(&selected.name);
            let candidates = (1..).zip(&selected.view).filter_map(|(number, known)| {
                let entry = folder?.entry(known.uid)?;
                let message = account.message(entry)?;
                Some(Candidate {
                    number,
                    count,
                    last_uid,
                    entry,
                    message,
                    account,
                })
            });
            let found = candidates.filter(|candidate| key.matches(candidate));
            found
                .map(|one| if by_uid { one.entry.uid } else { one.number })
                .collect()
        })?;
        match returns {
            Some(returns) => push(out, &esearch(&self.tag, by_uid, &returns, &found)),
            None => {
                let numbers: String = found.iter().map(|number| format!(" {number}")).collect();
                push(out, &format!("* SEARCH{numbers}"));
            }
        }
        Ok("SEARCH completed (Success)".to_owned())
    }
}

/// The tag goes in by RFC 4466 §2.6.2, and clients look for it.
fn esearch(tag: &str, by_uid: bool, returns: &[String], found: &[u32]) -> String {
    let mut line = format!("* ESEARCH (TAG \"{tag}\")");
    if by_uid {
        line.push_str(" UID");
    }
    let asked = |name: &str| returns.iter().any(|asked| asked == name);
    if asked("COUNT") {
        line.push_str(&format!(" COUNT {}", found.len()));
    }
    if let (Some(first), Some(last)) = (found.first(), found.last()) {
        if asked("MIN") {
            line.push_str(&format!(" MIN {first}"));
        }
        if asked("MAX") {
            line.push_str(&format!(" MAX {last}"));
        }
        // `RETURN ()` means ALL (RFC 4731 §3.1).
        if asked("ALL") || returns.is_empty() {
            line.push_str(&format!(" ALL {}", format_set(found)));
        }
    }
    line
}

fn starts_with(cursor: &Cursor<'_>, word: &str) -> bool {
    cursor
        .rest()
        .get(..word.len())
        .is_some_and(|rest| rest.eq_ignore_ascii_case(word.as_bytes()))
}

fn key(cursor: &mut Cursor<'_>, depth: usize) -> Parsed<Key> {
    if depth > DEPTH_LIMIT {
        return Err(Malformed);
    }
    match cursor.peek() {
        Some(b'(') => return Ok(Key::And(cursor.list(|cursor| key(cursor, depth + 1))?)),
        Some(b'0'..=b'9' | b'*') => return Ok(Key::Numbers(cursor.sequence_set()?)),
        _ => {}
    }
    let word = cursor.keyword()?;
    let flag = |name: &str, wanted| Ok(Key::Flag(name.to_owned(), wanted));
    match word.as_str() {
        "ALL" | "OLD" => return Ok(Key::All),
        "ANSWERED" => return flag("\\Answered", true),
        "DELETED" => return flag(DELETED, true),
        "DRAFT" => return flag("\\Draft", true),
        "FLAGGED" => return flag("\\Flagged", true),
        "SEEN" => return flag(SEEN, true),
        "UNANSWERED" => return flag("\\Answered", false),
        "UNDELETED" => return flag(DELETED, false),
        "UNDRAFT" => return flag("\\Draft", false),
        "UNFLAGGED" => return flag("\\Flagged", false),
        "UNSEEN" => return flag(SEEN, false),
        // Nothing is ever recent here.
        "NEW" | "RECENT" => return Ok(Key::Not(Box::new(Key::All))),
        _ => {}
    }
    cursor.space()?;
    let header = |cursor: &mut Cursor<'_>| {
        Ok(Key::Header(
            word.to_ascii_lowercase(),
            cursor.text()?.to_lowercase(),
        ))
    };
    let day = |cursor: &mut Cursor<'_>, sent, test| {
        let day = clock::parse_date(&cursor.text()?).ok_or(Malformed)?;
        Ok(Key::Day { sent, test, day })
    };
    match word.as_str() {
        "FROM" | "TO" | "CC" | "BCC" | "SUBJECT" => header(cursor),
        "HEADER" => {
            let name = cursor.text()?.to_ascii_lowercase();
            cursor.space()?;
            Ok(Key::Header(name, cursor.text()?.to_lowercase()))
        }
        "BODY" => Ok(Key::Body(cursor.text()?.to_lowercase())),
        "TEXT" | "X-GM-RAW" => Ok(Key::Text(cursor.text()?.to_lowercase())),
        "KEYWORD" => Ok(Key::Flag(cursor.text()?, true)),
        "UNKEYWORD" => Ok(Key::Flag(cursor.text()?, false)),
        "UID" => Ok(Key::Uids(cursor.sequence_set()?)),
        "LARGER" => Ok(Key::Larger(cursor.number()?)),
        "SMALLER" => Ok(Key::Smaller(cursor.number()?)),
        "MODSEQ" => Ok(Key::ModSeq(cursor.number()?)),
        "X-GM-MSGID" | "X-GM-THRID" => Ok(Key::MessageId(cursor.number()?)),
        "BEFORE" => day(cursor, false, i64::lt),
        "ON" => day(cursor, false, i64::eq),
        "SINCE" => day(cursor, false, i64::ge),
        "SENTBEFORE" => day(cursor, true, i64::lt),
        "SENTON" => day(cursor, true, i64::eq),
        "SENTSINCE" => day(cursor, true, i64::ge),
        "NOT" => Ok(Key::Not(Box::new(key(cursor, depth + 1)?))),
        "OR" => {
            let first = key(cursor, depth + 1)?;
            cursor.space()?;
            Ok(Key::Or(Box::new(first), Box::new(key(cursor, depth + 1)?)))
        }
        _ => Err(Malformed),
    }
}

impl Key {
    fn matches(&self, one: &Candidate<'_>) -> bool {
        let bytes = &one.message.bytes;
        match self {
            Self::All => true,
            Self::Numbers(set) => set.contains(one.number, one.count),
            Self::Uids(set) => set.contains(one.entry.uid, one.last_uid),
            Self::Flag(flag, wanted) => one.account.has_flag(one.entry, flag) == *wanted,
            Self::Header(name, text) => {
                let part = Part::parse(bytes);
                let fields = Fields(&bytes[part.header]);
                fields
                    .all(name)
                    .any(|value| value.to_lowercase().contains(text))
            }
            Self::Body(text) => {
                let part = Part::parse(bytes);
                String::from_utf8_lossy(&bytes[part.body])
                    .to_lowercase()
                    .contains(text)
            }
            Self::Text(text) => String::from_utf8_lossy(bytes).to_lowercase().contains(text),
            Self::Day {
                sent: false,
                test,
                day,
            } => test(&clock::day_number(one.message.internal_date), day),
            Self::Day {
                sent: true,
                test,
                day,
            } => {
                let part = Part::parse(bytes);
                let date = Fields(&bytes[part.header]).first("date");
                date.and_then(|date| clock::parse_header_date(&date))
                    .is_some_and(|sent| test(&sent, day))
            }
            Self::Larger(size) => bytes.len() > *size,
            Self::Smaller(size) => bytes.len() < *size,
            Self::ModSeq(modseq) => one.entry.modseq >= *modseq,
            Self::MessageId(number) => one.entry.message == *number,
            Self::And(keys) => keys.iter().all(|key| key.matches(one)),
            Self::Or(first, second) => first.matches(one) || second.matches(one),
            Self::Not(key) => !key.matches(one),
        }
    }
}
