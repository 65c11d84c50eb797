//! Every client of [`CLIENTS`], doing all that it can by its nature: through Gatepost, and without
//! it, straight to a Dovecot and a Postfix with a plain password on the same mail store. What it
//! fetched, stored and sent is compared byte for byte.
//!
//! `cargo test --test real client_table -- --nocapture` prints the table. `CLIENTS="curl mbsync"`
//! before it keeps to these.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::support::{
    bed::ADDRESS,
    clients::CLIENTS,
    fetch_from_when_there,
    mail_client::{Client, Push, Session, Settings, Task, files},
    messages::{letter, odd_mails},
    scene::Setting,
    servers::PLAIN_PASSWORD,
    wire::Wire,
};

const LIMIT: Duration = Duration::from_secs(900);

/// Within which a client must hear of new mail. Dovecot itself takes half a second to tell; the rest
/// is for a busy machine. The table shows the time it took.
const PUSHED: Duration = Duration::from_secs(5);

/// A mailbox whose name needs modified UTF-7 (RFC 3501 §5.1.3), as it is and as it is on the wire.
const AWKWARD: (&str, &str) = ("Entwürfe & mehr", "Entw&APw-rfe &- mehr");

/// What servers on the way put before a mail that was sent.
const TRACE: [&str; 3] = ["Return-Path:", "Delivered-To:", "Received:"];

#[test]
fn client_table() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let postfix = scene.bed.postfix.as_ref().expect("with_smtp");
        let direct = Settings {
            imap: plain.address(),
            smtp: postfix.plain(),
            address: ADDRESS.to_owned(),
            password: PLAIN_PASSWORD.to_owned(),
        };
        let through = scene.settings();
        let mut store = Store::fill(&direct);
        let wanted = std::env::var("CLIENTS").ok();
        let wanted = |client: &&Client| {
            wanted
                .as_ref()
                .is_none_or(|names| names.split(' ').any(|name| client.name.starts_with(name)))
        };
        let (mut table, mut failures) = (head(), String::new());
        for client in CLIENTS.iter().filter(wanted) {
            let folders = ["direct", "through"]
                .map(|way| scene.bed.scratch(&format!("{}-{way}", client.name)));
            let mut sessions = [(&direct, &folders[0]), (&through, &folders[1])]
                .map(|(settings, folder)| client.program.open(settings, folder));
            write!(table, "| {} | {} |", client.name, client.program.version()).unwrap();
            for task in Task::ALL {
                if !client.tasks.contains(&task) {
                    table.push_str(" – |");
                    continue;
                }
                let mut cell = |way: usize| {
                    let tried = store.try_out(client, &mut *sessions[way], &folders[way], task);
                    tried.map_or_else(
                        |words| {
                            let way = ["without Gatepost", "through Gatepost"][way];
                            let task = task.word();
                            writeln!(failures, "{}, {task}, {way}: {words}", client.name).unwrap();
                            "FAILED".to_owned()
                        },
                        |took| format!("{:.2}", took.as_secs_f64()),
                    )
                };
                let without = cell(0);
                write!(table, " {} ({without}) |", cell(1)).unwrap();
            }
            table.push('\n');
        }
        println!("{table}");
        assert!(failures.is_empty(), "{failures}");
    });
}

fn head() -> String {
    let words: Vec<_> = Task::ALL.map(Task::word).into();
    format!(
        "Seconds through Gatepost (and without it); – is beyond the client by its nature.\n\n\
         | client | version | {} |\n|---|---|{}\n",
        words.join(" | "),
        "---|".repeat(words.len()),
    )
}

/// The mail that all see, by a connection that no client has a part in.
struct Store {
    wire: Wire,
    settings: Settings,
    one: Vec<u8>,
    many: Vec<Vec<u8>>,
    letters: u64,
}

impl Store {
    fn fill(settings: &Settings) -> Self {
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
    fn try_out(
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
                same(client, &[self.one.clone()], files(&folder.join("fetched")))?;
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

fn signed_on(settings: &Settings) -> Wire {
    let mut wire = Wire::imap(settings.imap);
    wire.command("a1", &format!("LOGIN {} {}", settings.address, settings.password));
    wire
}

fn append(wire: &mut Wire, mailbox: &str, mail: &[u8]) {
    wire.send(format!("a2 APPEND {mailbox} {{{}+}}\r\n", mail.len()));
    wire.send(mail);
    wire.send("\r\n");
    wire.expect_ok("a2");
}

fn check_list(folder: &Path) -> Result<(), String> {
    let list = fs::read_to_string(folder.join("list")).map_err(|error| error.to_string())?;
    let listed: BTreeSet<_> =
        list.lines().map(|name| if name == AWKWARD.1 { AWKWARD.0 } else { name }).collect();
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
