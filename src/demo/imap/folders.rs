//! The commands on folders: LIST and its kin, STATUS, CREATE and its kin.

use super::{
    Refusal,
    command::{Answer, push, quoted, success},
    parse::{Cursor, Parsed},
    session::Session,
};
use crate::demo::{
    mailbox::{Account, SEEN},
    wire::Stream,
};

/// What LIST was asked for (RFC 5258, RFC 6154, RFC 5819).
#[derive(Default)]
struct ListOptions {
    special_use: bool,
    subscribed: bool,
    show_subscribed: bool,
    status: Vec<String>,
}

impl<S: Stream> Session<'_, S> {
    pub(super) fn list(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Answer {
        cursor.space()?;
        let mut options = ListOptions::default();
        if cursor.peek() == Some(b'(') {
            for option in cursor.list(Cursor::keyword)? {
                options.special_use |= option == "SPECIAL-USE";
                options.subscribed |= option == "SUBSCRIBED";
            }
            options.show_subscribed = options.subscribed;
            cursor.space()?;
        }
        let (reference, patterns) = patterns(cursor)?;
        if cursor.eat(b' ') {
            if cursor.keyword()? != "RETURN" {
                return Err(super::parse::Malformed.into());
            }
            cursor.space()?;
            return_options(cursor, &mut options)?;
        }
        cursor.end()?;
        if patterns.iter().all(String::is_empty) {
            push(out, "* LIST (\\Noselect) \"/\" \"/\"");
            return success();
        }
        self.read(|account| {
            for folder in &account.folders {
                let special = folder.attributes.iter().any(|name| *name != "\\Noselect");
                if !patterns
                    .iter()
                    .any(|pattern| matches(&reference, pattern, &folder.name))
                    || (options.special_use && !special)
                    || (options.subscribed && !folder.subscribed)
                {
                    continue;
                }
                let subscribed = options.show_subscribed && folder.subscribed;
                let attributes = attributes(account, &folder.name, subscribed);
                push(
                    out,
                    &format!("* LIST ({attributes}) \"/\" {}", quoted(&folder.name)),
                );
                if !options.status.is_empty() && folder.is_selectable() {
                    push(out, &status_line(account, &folder.name, &options.status));
                }
            }
        })?;
        success()
    }

    /// XLIST, Gmail's older way to say which folder is for what.
    pub(super) fn xlist(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Answer {
        cursor.space()?;
        let (reference, patterns) = patterns(cursor)?;
        cursor.end()?;
        if patterns.iter().all(String::is_empty) {
            push(out, "* XLIST (\\Noselect) \"/\" \"/\"");
            return success();
        }
        self.read(|account| {
            for folder in &account.folders {
                if !patterns
                    .iter()
                    .any(|pattern| matches(&reference, pattern, &folder.name))
                {
                    continue;
                }
                let mut attributes = attributes(account, &folder.name, false)
                    .replace("\\All", "\\AllMail")
                    .replace("\\Junk", "\\Spam")
                    .replace("\\Flagged", "\\Starred");
                if folder.name == "INBOX" {
                    attributes.push_str(" \\Inbox");
                }
                push(
                    out,
                    &format!("* XLIST ({attributes}) \"/\" {}", quoted(&folder.name)),
                );
            }
        })?;
        success()
    }

    pub(super) fn lsub(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Answer {
        cursor.space()?;
        let (reference, patterns) = patterns(cursor)?;
        cursor.end()?;
        self.read(|account| {
            for folder in account.folders.iter().filter(|folder| folder.subscribed) {
                if patterns
                    .iter()
                    .any(|pattern| matches(&reference, pattern, &folder.name))
                {
                    let attributes = attributes(account, &folder.name, false);
                    push(
                        out,
                        &format!("* LSUB ({attributes}) \"/\" {}", quoted(&folder.name)),
                    );
                }
            }
        })?;
        success()
    }

    pub(super) fn status(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Answer {
        cursor.space()?;
        let name = cursor.text()?;
        cursor.space()?;
        let items = cursor.list(Cursor::keyword)?;
        cursor.end()?;
        let line = self.read(|account| {
            let selectable = account
                .folder(&name)
                .is_some_and(|folder| folder.is_selectable());
            selectable.then(|| status_line(account, &name, &items))
        })?;
        push(out, &line.ok_or_else(|| unknown_mailbox(&name))?);
        success()
    }

    pub(super) fn create(&self, cursor: &mut Cursor<'_>) -> Answer {
        let name = last_name(cursor)?;
        let created = self.change(|account| account.create(&name))?;
        let words = format!("[ALREADYEXISTS] Duplicate folder name {name} (Failure)");
        if created {
            success()
        } else {
            Err(Refusal::No(words))
        }
    }

    pub(super) fn delete(&self, cursor: &mut Cursor<'_>) -> Answer {
        let name = last_name(cursor)?;
        let deleted = self.change(|account| account.delete(&name))?;
        if deleted {
            success()
        } else {
            Err(unknown_mailbox(&name))
        }
    }

    pub(super) fn rename(&self, cursor: &mut Cursor<'_>) -> Answer {
        cursor.space()?;
        let from = cursor.text()?;
        let to = last_name(cursor)?;
        let renamed = self.change(|account| account.rename(&from, &to))?;
        if renamed {
            success()
        } else {
            Err(unknown_mailbox(&from))
        }
    }

    pub(super) fn subscribe(&self, cursor: &mut Cursor<'_>, on: bool) -> Answer {
        let name = last_name(cursor)?;
        let known = self.change(|account| match account.folder_mut(&name) {
            Some(folder) => {
                folder.subscribed = on;
                true
            }
            None => false,
        })?;
        if known {
            success()
        } else {
            Err(unknown_mailbox(&name))
        }
    }

    /// GETQUOTA and GETQUOTAROOT (RFC 2087): 15 GiB, all of it free.
    pub(super) fn quota(&self, name: &str, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Answer {
        let mailbox = last_name(cursor)?;
        if name == "GETQUOTAROOT" {
            push(out, &format!("* QUOTAROOT {} \"\"", quoted(&mailbox)));
        }
        push(out, "* QUOTA \"\" (STORAGE 0 15728640)");
        success()
    }

    /// Looks at the user's account.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Account) -> T) -> Result<T, Refusal> {
        let email = self
            .user
            .as_ref()
            .map(|user| user.email.as_str())
            .unwrap_or_default();
        self.shared
            .mailboxes
            .read(email, look)
            .ok_or_else(no_account)
    }

    /// Changes the user's account.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Account) -> T) -> Result<T, Refusal> {
        let email = self
            .user
            .as_ref()
            .map(|user| user.email.as_str())
            .unwrap_or_default();
        self.shared
            .mailboxes
            .change(email, change)
            .ok_or_else(no_account)
    }
}

pub(super) fn unknown_mailbox(name: &str) -> Refusal {
    Refusal::No(format!("[NONEXISTENT] Unknown Mailbox: {name} (Failure)"))
}

fn no_account() -> Refusal {
    Refusal::No("[UNAVAILABLE] Temporary System Problem (Failure)".to_owned())
}

fn last_name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.space()?;
    let name = cursor.text()?;
    cursor.end()?;
    Ok(name)
}

/// The reference and one pattern, or several in parentheses (RFC 5258 §3).
fn patterns(cursor: &mut Cursor<'_>) -> Parsed<(String, Vec<String>)> {
    let reference = cursor.text()?;
    cursor.space()?;
    let patterns = match cursor.peek() {
        Some(b'(') => cursor.list(Cursor::text)?,
        _ => vec![cursor.text()?],
    };
    Ok((reference, patterns))
}

fn return_options(cursor: &mut Cursor<'_>, options: &mut ListOptions) -> Parsed<()> {
    cursor.expect(b'(')?;
    while !cursor.eat(b')') {
        cursor.eat(b' ');
        match cursor.keyword()?.as_str() {
            "SUBSCRIBED" => options.show_subscribed = true,
            "STATUS" => {
                cursor.space()?;
                options.status = cursor.list(Cursor::keyword)?;
            }
            // SPECIAL-USE and CHILDREN: those attributes are given always.
            _ => {}
        }
    }
    Ok(())
}

fn attributes(account: &Account, name: &str, subscribed: bool) -> String {
    let children = if account.has_children(name) {
        "\\HasChildren"
    } else {
        "\\HasNoChildren"
    };
    let own = account
        .folder(name)
        .map(|folder| folder.attributes)
        .unwrap_or_default();
    let mut all = own.to_vec();
    all.push(children);
    all.extend(subscribed.then_some("\\Subscribed"));
    // Gmail's order is the alphabet's.
    all.sort_unstable();
    all.join(" ")
}

fn status_line(account: &Account, name: &str, items: &[String]) -> String {
    let Some(folder) = account.folder(name) else {
        return String::new();
    };
    let unseen = || {
        folder
            .entries
            .iter()
            .filter(|entry| !account.has_flag(entry, SEEN))
            .count()
            .to_string()
    };
    let value = |item: &String| {
        let value = match item.as_str() {
            "MESSAGES" => folder.entries.len().to_string(),
            "RECENT" => "0".to_owned(),
            "UIDNEXT" => folder.uid_next.to_string(),
            "UIDVALIDITY" => folder.uid_validity.to_string(),
            "UNSEEN" => unseen(),
            "HIGHESTMODSEQ" => folder.highest_modseq.to_string(),
            _ => return None,
        };
        Some(format!("{item} {value}"))
    };
    let values: Vec<_> = items.iter().filter_map(value).collect();
    format!("* STATUS {} ({})", quoted(&folder.name), values.join(" "))
}

/// `*` stands for anything, `%` for anything without a `/` (RFC 3501 §6.3.8).
fn matches(reference: &str, pattern: &str, name: &str) -> bool {
    fn from(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|skip| from(rest, &name[skip..])),
            Some((b'%', rest)) => {
                let level = name
                    .iter()
                    .position(|byte| *byte == b'/')
                    .unwrap_or(name.len());
                (0..=level).any(|skip| from(rest, &name[skip..]))
            }
            Some((byte, rest)) => name
                .split_first()
                .is_some_and(|(first, left)| first == byte && from(rest, left)),
        }
    }
    let mut pattern = format!("{reference}{pattern}");
    // Each run of stars does what one does, and costs what one costs.
    while pattern.contains("**") {
        pattern = pattern.replace("**", "*");
    }
    if pattern.eq_ignore_ascii_case("INBOX") {
        return name == "INBOX";
    }
    pattern.matches(['*', '%']).count() <= MOST_WILDCARDS
        && from(pattern.as_bytes(), name.as_bytes())
}

/// Each further wildcard multiplies the ways to match.
const MOST_WILDCARDS: usize = 6;
