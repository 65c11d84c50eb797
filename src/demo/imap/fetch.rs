//! FETCH and UID FETCH (RFC 3501 §6.4.5), with Gmail's own items (X-GM-EXT-1).

use super::{
    command::{Answer, quoted, success},
    mime::{Fields, Part, is_named},
    parse::{Cursor, Malformed, Parsed},
    session::Session,
    structure,
};
use crate::demo::{
    clock,
    mailbox::{Account, Entry, FlagChange, SEEN},
    wire::Stream,
};

/// One thing to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Flags,
    Uid,
    InternalDate,
    Size,
    Envelope,
    Structure {
        extended: bool,
    },
    ModSeq,
    MessageId,
    ThreadId,
    Labels,
    Content {
        name: String,
        section: Section,
        partial: Option<(usize, usize)>,
        peek: bool,
    },
}

/// What stands between the brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    path: Vec<usize>,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    All,
    Header,
    Fields { names: Vec<String>, not: bool },
    Text,
    Mime,
}

impl<S: Stream> Session<'_, S> {
    pub(super) fn fetch(
        &mut self,
        by_uid: bool,
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Answer {
        let set = cursor.sequence_set()?;
        cursor.space()?;
        let mut items = items(cursor)?;
        let mut changed_since = None;
        if cursor.eat(b' ') {
            cursor.expect(b'(')?;
            if cursor.keyword()? != "CHANGEDSINCE" {
                return Err(Malformed.into());
            }
            cursor.space()?;
            changed_since = Some(cursor.number::<u64>()?);
            cursor.expect(b')')?;
            items.push(Item::ModSeq);
        }
        cursor.end()?;
        if by_uid && !items.contains(&Item::Uid) {
            items.insert(0, Item::Uid);
        }
        self.condstore |= items.contains(&Item::ModSeq);

        let selected = self.mailbox()?;
        let (name, picked) = (selected.name.clone(), selected.pick(&set, by_uid));
        let is_read = |item: &Item| matches!(item, Item::Content { peek: false, .. });
        if !selected.read_only && items.iter().any(is_read) {
            let seen = [SEEN.to_owned()];
            self.change(|account| {
                for (_, uid) in &picked {
                    account.change_flags(&name, *uid, FlagChange::Add, &seen);
                }
            })?;
        }
        self.read(|account| {
            for (number, uid) in picked {
                let entry = account.folder(&name).and_then(|folder| folder.entry(uid));
                let wanted =
                    |entry: &&Entry| changed_since.is_none_or(|since| entry.modseq > since);
                // A message that another session has expunged gives nothing (RFC 2180 §4.1.2).
                if let Some(entry) = entry.filter(wanted) {
                    write(account, &name, number, entry, &items, out);
                }
            }
        })?;
        success()
    }
}

fn write(
    account: &Account,
    folder: &str,
    number: u32,
    entry: &Entry,
    items: &[Item],
    out: &mut Vec<u8>,
) {
    let Some(message) = account.message(entry) else {
        return;
    };
    let bytes = &message.bytes;
    let is_parsed = |item: &Item| {
        matches!(
            item,
            Item::Content { .. } | Item::Structure { .. } | Item::Envelope
        )
    };
    let part = items.iter().any(is_parsed).then(|| Part::parse(bytes));
    out.extend_from_slice(format!("* {number} FETCH (").as_bytes());
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        let text = match (item, &part) {
            (Item::Flags, _) => format!("FLAGS ({})", account.flags(entry).join(" ")),
            (Item::Uid, _) => format!("UID {}", entry.uid),
            (Item::InternalDate, _) => {
                format!(
                    "INTERNALDATE \"{}\"",
                    clock::internal_date(message.internal_date)
                )
            }
            (Item::Size, _) => format!("RFC822.SIZE {}", bytes.len()),
            (Item::ModSeq, _) => format!("MODSEQ ({})", entry.modseq),
            (Item::MessageId, _) => format!("X-GM-MSGID {}", entry.message),
            // Each message is its own conversation here.
            (Item::ThreadId, _) => format!("X-GM-THRID {}", entry.message),
            (Item::Labels, _) => {
                let labels = account.labels(entry, folder);
                let labels: Vec<_> = labels.iter().map(|label| quoted(label)).collect();
                format!("X-GM-LABELS ({})", labels.join(" "))
            }
            (Item::Envelope, Some(part)) => {
                format!(
                    "ENVELOPE {}",
                    structure::envelope(&bytes[part.header.clone()])
                )
            }
            (Item::Structure { extended }, Some(part)) => {
                let name = if *extended { "BODYSTRUCTURE" } else { "BODY" };
                format!("{name} {}", structure::structure(bytes, part, *extended))
            }
            (
                Item::Content {
                    name,
                    section,
                    partial,
                    ..
                },
                Some(part),
            ) => {
                content(bytes, part, name, section, *partial, out);
                continue;
            }
            // Can't be: what needs the parts has them.
            (_, None) => continue,
        };
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(b")\r\n");
}

fn content(
    bytes: &[u8],
    message: &Part,
    name: &str,
    section: &Section,
    partial: Option<(usize, usize)>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(name.as_bytes());
    let found = section.find(bytes, message);
    let part = match (&found, partial) {
        (Some(found), Some((from, count))) => {
            out.extend_from_slice(format!("<{from}>").as_bytes());
            let from = from.min(found.len());
            Some(&found[from..from.saturating_add(count).min(found.len())])
        }
        (Some(found), None) => Some(found.as_slice()),
        (None, _) => None,
    };
    match part {
        Some(part) => {
            out.extend_from_slice(format!(" {{{}}}\r\n", part.len()).as_bytes());
            out.extend_from_slice(part);
        }
        None => out.extend_from_slice(b" NIL"),
    }
}

impl Section {
    fn find(&self, bytes: &[u8], message: &Part) -> Option<Vec<u8>> {
        let part = message.part(&self.path)?;
        // HEADER and TEXT are a message's: the whole one, or one within a part (RFC 3501 §6.4.5).
        let inner = if self.path.is_empty() {
            Some(part)
        } else {
            part.children.first()
        };
        let inner = inner.filter(|_| self.path.is_empty() || part.is_message());
        let range = match &self.what {
            What::All if self.path.is_empty() => 0..bytes.len(),
            What::All => part.body.clone(),
            What::Mime => part.header.clone(),
            What::Header => inner?.header.clone(),
            What::Text => inner?.body.clone(),
            What::Fields { names, not } => {
                let fields = Fields(&bytes[inner?.header.clone()]);
                let wanted = |field: &&[u8]| names.iter().any(|name| is_named(field, name)) != *not;
                let mut found = fields.iter().filter(wanted).collect::<Vec<_>>().concat();
                found.extend_from_slice(b"\r\n");
                return Some(found);
            }
        };
        Some(bytes[range].to_vec())
    }
}

fn items(cursor: &mut Cursor<'_>) -> Parsed<Vec<Item>> {
    if cursor.peek() == Some(b'(') {
        return Ok(cursor.list(item)?.concat());
    }
    item(cursor)
}

/// One item, or the several that a macro stands for.
fn item(cursor: &mut Cursor<'_>) -> Parsed<Vec<Item>> {
    let name = cursor
        .until(|byte| matches!(byte, b' ' | b'(' | b')' | b'[' | b'<'))?
        .to_ascii_uppercase();
    let old = |what| {
        let section = Section {
            path: Vec::new(),
            what,
        };
        let peek = name == "RFC822.HEADER";
        vec![Item::Content {
            name: name.clone(),
            section,
            partial: None,
            peek,
        }]
    };
    let fast = [Item::Flags, Item::InternalDate, Item::Size];
    Ok(match name.as_str() {
        "FAST" => fast.to_vec(),
        "ALL" => [fast.as_slice(), &[Item::Envelope]].concat(),
        "FULL" => [
            fast.as_slice(),
            &[Item::Envelope, Item::Structure { extended: false }],
        ]
        .concat(),
        "FLAGS" => vec![Item::Flags],
        "UID" => vec![Item::Uid],
        "INTERNALDATE" => vec![Item::InternalDate],
        "RFC822.SIZE" => vec![Item::Size],
        "ENVELOPE" => vec![Item::Envelope],
        "BODYSTRUCTURE" => vec![Item::Structure { extended: true }],
        "MODSEQ" => vec![Item::ModSeq],
        "X-GM-MSGID" => vec![Item::MessageId],
        "X-GM-THRID" => vec![Item::ThreadId],
        "X-GM-LABELS" => vec![Item::Labels],
        "RFC822" => old(What::All),
        "RFC822.HEADER" => old(What::Header),
        "RFC822.TEXT" => old(What::Text),
        "BODY" if cursor.peek() != Some(b'[') => vec![Item::Structure { extended: false }],
        "BODY" | "BODY.PEEK" => vec![body(cursor, name == "BODY.PEEK")?],
        _ => return Err(Malformed),
    })
}

/// `[section]<from.count>`.
fn body(cursor: &mut Cursor<'_>, peek: bool) -> Parsed<Item> {
    cursor.expect(b'[')?;
    let mut path = Vec::new();
    while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        path.push(cursor.number()?);
        if !cursor.eat(b'.') {
            break;
        }
    }
    let mut label: Vec<String> = path.iter().map(usize::to_string).collect();
    let what = if cursor.peek() == Some(b']') {
        What::All
    } else {
        let word = cursor
            .until(|byte| matches!(byte, b' ' | b']'))?
            .to_ascii_uppercase();
        let mut shown = word.clone();
        let what = match word.as_str() {
            "HEADER" => What::Header,
            "TEXT" => What::Text,
            "MIME" if !path.is_empty() => What::Mime,
            "HEADER.FIELDS" | "HEADER.FIELDS.NOT" => {
                cursor.space()?;
                let names = cursor.list(Cursor::text)?;
                shown = format!("{word} ({})", names.join(" "));
                What::Fields {
                    names,
                    not: word == "HEADER.FIELDS.NOT",
                }
            }
            _ => return Err(Malformed),
        };
        label.push(shown);
        what
    };
    cursor.expect(b']')?;
    let mut partial = None;
    if cursor.eat(b'<') {
        let from = cursor.number()?;
        cursor.expect(b'.')?;
        partial = Some((from, cursor.number()?));
        cursor.expect(b'>')?;
    }
    let name = format!("BODY[{}]", label.join("."));
    Ok(Item::Content {
        name,
        section: Section { path, what },
        partial,
        peek,
    })
}
