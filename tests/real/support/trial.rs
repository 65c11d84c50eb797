//! Lets a mail client do what it says it can, and looks at what came of it: what it has fetched, stored
//! and sent is compared byte for byte.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use super::{
    fetch_from_when_there,
    mail_client::{Client, Push, Session, Settings, Task, files},
    messages::{letter, odd_mails},
    wire::Wire,
};

/// Within which a client must hear of new mail. Dovecot itself takes half a second to tell; the rest
/// is for a busy machine. The table shows the time it took.
const PUSHED: Duration = Duration::from_secs(5);

/// A mailbox whose name needs modified UTF-7 (RFC 3501 §5.1.3), as it is and as it is on the wire.
const AWKWARD: (&str, &str) = ("Entwürfe & mehr", "Entw&APw-rfe &- mehr");

/// What servers on the way put before a mail that was sent.
const TRACE: [&str; 3] = ["Return-Path:", "Delivered-To:", "Received:"];

/// The mail of one person, looked at by a connection that no client has a part in.
pub(crate) struct Trial {
    wire: Wire,
    settings: Settings,
    one: Vec<u8>,
    many: Vec<Vec<u8>>,
    letters: u64,
}

impl Trial {
    pub(crate) fn prepare(settings: &Settings) -> Self {
        let many = odd_mails(&settings.address);
        let mut wire = signed_on(settings);
        wire.command("c", "SUBSCRIBE INBOX");
        for mailbox in ["One", "Many", "Kept", AWKWARD.1] {
            wire.command("c", &format!("CREATE \"{mailbox}\""));
            wire.command("c", &format!("SUBSCRIBE \"{mailbox}\""));
        }
        for mail in &many {
            append(&mut wire, "Many", mail);
        }
        let one = many[0].clone();
        append(&mut wire, "One", &one);
        Self { wire, settings: settings.clone(), one, many, letters: 0 }
    }

    /// Lets a client do something, and looks at what came of it. How long it took, or what is wrong.
    pub(crate) fn try_out(
        &mut self,
        client: &Client,
        session: &mut dyn Session,
        folder: &Path,
        task: Task,
    ) -> Result<Duration, String> {
        self.letters += 1;
        let letter = letter(&self.settings.address, self.letters);
        fs::write(folder.join("mail"), &letter).expect("a folder of ours");
        match task {
            Task::Append => self.empty("Kept"),
            Task::Send | Task::Idle => self.empty("INBOX"),
            _ => {}
        }
        let deliver = || append(&mut signed_on(&self.settings), "INBOX", &letter);
        let mut push = Push::new(&deliver);
        let start = Instant::now();
        session.perform(task, &mut push)?;
        let took = start.elapsed();
        let pushed = push.took();
        match task {
            Task::SignOn => {}
            Task::List => check_list(folder)?,
            Task::Fetch => {
                same(client, std::slice::from_ref(&self.one), files(&folder.join("fetched")))?;
            }
            Task::Sync => same(client, &self.many, files(&folder.join("synced")))?,
            Task::Append => same(client, &[letter], vec![self.last("Kept")])?,
            Task::Send => same(client, &[letter], vec![self.last("INBOX")])?,
            Task::Idle => {
                let pushed = pushed.ok_or("it was told nothing")?;
                return match pushed < PUSHED {
                    true => Ok(pushed),
                    false => Err(format!("told after {pushed:?}")),
                };
            }
        }
        Ok(took)
    }

    fn empty(&mut self, mailbox: &str) {
        self.wire.command("e", &format!("SELECT {mailbox}"));
        self.wire.command("e", "UID STORE 1:* +FLAGS.SILENT (\\Deleted)");
        self.wire.command("e", "EXPUNGE");
    }

    /// The only mail of a mailbox, once it is there.
    fn last(&mut self, mailbox: &str) -> Vec<u8> {
        fetch_from_when_there(&mut self.wire, mailbox, "*")
    }
}

pub(crate) fn signed_on(settings: &Settings) -> Wire {
    let mut wire = Wire::imap(settings.imap);
    wire.command("a1", &format!("LOGIN {} {}", settings.address, settings.password));
    wire
}

pub(crate) fn append(wire: &mut Wire, mailbox: &str, mail: &[u8]) {
    wire.send(format!("a2 APPEND {mailbox} {{{}+}}\r\n", mail.len()));
    wire.send(mail);
    wire.send("\r\n");
    wire.expect_ok("a2");
}

fn check_list(folder: &Path) -> Result<(), String> {
    let list = fs::read_to_string(folder.join("list")).map_err(|error| error.to_string())?;
    let names = list.lines().map(|name| if name == AWKWARD.1 { AWKWARD.0 } else { name });
    // A name that only others are under.
    let listed: BTreeSet<_> = names.filter(|name| *name != "[Gmail]").collect();
    let there = ["INBOX", "One", "Many", "Kept", AWKWARD.0];
    let gmail =
        ["All Mail", "Drafts", "Sent Mail", "Spam", "Trash"].map(|n| format!("[Gmail]/{n}"));
    let there: BTreeSet<_> = there.into_iter().chain(gmail.iter().map(String::as_str)).collect();
    match listed == there {
        true => Ok(()),
        false => Err(format!("it listed {listed:?}")),
    }
}

/// Whether these are the same mails, but for what the client and the servers add.
fn same(client: &Client, expected: &[Vec<u8>], found: Vec<Vec<u8>>) -> Result<(), String> {
    let essence = |mail: &Vec<u8>| essence(mail, client.adds);
    let mut expected: Vec<_> = expected.iter().map(essence).collect();
    let mut found: Vec<_> = found.iter().map(essence).collect();
    expected.sort();
    found.sort();
    if expected.len() != found.len() {
        return Err(format!("{} mails instead of {}", found.len(), expected.len()));
    }
    match expected.iter().zip(&found).find(|(expected, found)| expected != found) {
        None => Ok(()),
        Some((expected, found)) => Err(difference(expected, found)),
    }
}

/// A mail with LF for its line ends and without what was added to its header.
fn essence(mail: &[u8], added: &[&str]) -> Vec<u8> {
    let (mut essence, mut in_header, mut skipping) = (Vec::new(), true, false);
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")).unwrap_or(line);
        in_header &= !line.is_empty();
        let continued = line.starts_with(b" ") || line.starts_with(b"\t");
        let begins = |added: &&str| line.starts_with(added.as_bytes());
        skipping = in_header && (added.iter().chain(&TRACE).any(begins) || (skipping && continued));
        if !skipping {
            essence.extend(line);
            essence.push(b'\n');
        }
    }
    essence
}

fn difference(expected: &[u8], found: &[u8]) -> String {
    let at = expected.iter().zip(found).take_while(|(one, other)| one == other).count();
    let around = |mail: &[u8]| {
        let from = at.saturating_sub(60).min(mail.len());
        mail[from..(at + 60).min(mail.len())].escape_ascii().to_string()
    };
    format!("changed at {at}:\n  {}\n  {}", around(expected), around(found))
}
