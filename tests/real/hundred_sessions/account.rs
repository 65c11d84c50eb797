//! What one person's sessions have in common: mails that never change, and an inbox.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use super::{ACCOUNTS, IMAP, imap::own_mailbox, smtp::Sent};
use crate::support::{
    mail_client::Settings,
    messages::{letter, mail},
    process,
    servers::{Dovecot, PLAIN_PASSWORD},
    trial::{append, signed_on},
    wire::Wire,
};

/// How many mails each account has from the beginning.
const KNOWN: u64 = 20;
/// How long the last mail may be on its way.
const DELIVERY: Duration = Duration::from_secs(60);

/// How the lines begin that servers on the way put before a mail.
const TRACE: [&str; 5] = ["Return-Path: ", "Delivered-To: ", "Received: ", "\t", " "];

pub(super) struct Account {
    pub(super) settings: Settings,
    /// The mails in the mailbox `Known`, whose UIDs count from 1.
    pub(super) known: Vec<Vec<u8>>,
    /// The number of the first of them.
    pub(super) first: u64,
    /// Every mailbox there is.
    pub(super) mailboxes: BTreeSet<String>,
    /// Who brings mail past Gatepost.
    postman: Mutex<Wire>,
}

impl Account {
    /// The account that a session is of.
    pub(super) fn of(session: u64, accounts: &[Self]) -> &Self {
        &accounts[(session % ACCOUNTS) as usize]
    }

    /// The account of this number, with a mailbox for each of its IMAP sessions.
    pub(super) fn prepare(number: u64, settings: Settings, plain: &Dovecot) -> Self {
        let direct = Settings {
            imap: plain.address(),
            password: PLAIN_PASSWORD.to_owned(),
            ..settings.clone()
        };
        let mut postman = signed_on(&direct);
        let sessions = (0..IMAP).filter(|session| session % ACCOUNTS == number);
        let mut mailboxes: BTreeSet<_> = sessions.map(own_mailbox).collect();
        mailboxes.insert("Known".to_owned());
        for mailbox in &mailboxes {
            postman.command("c", &format!("CREATE {mailbox}"));
        }
        let first = 1000 * number + 1;
        let known = (first..first + KNOWN).map(|it| mail(&settings.address, it, 2000, 30_000));
        let known: Vec<_> = known.collect();
        for mail in &known {
            append(&mut postman, "Known", mail);
        }
        let gmail = ["All Mail", "Drafts", "Sent Mail", "Spam", "Trash"];
        mailboxes.extend(gmail.map(|name| format!("[Gmail]/{name}")));
        mailboxes.insert("INBOX".to_owned());
        Self { settings, known, first, mailboxes, postman: Mutex::new(postman) }
    }

    /// Lets a letter arrive in a mailbox.
    pub(super) fn deliver(&self, mailbox: &str, number: u64) {
        let mut postman = self.postman.lock().expect("deliveries succeed");
        append(&mut postman, mailbox, &letter(&self.settings.address, number));
    }

    /// The inbox has what was sent to this person, each mail once and byte for byte, and nothing else.
    pub(super) fn assert_arrived(&self, sent: &[Sent]) {
        let address = &self.settings.address;
        let to_them = sent.iter().filter(|sent| sent.to.contains(address));
        let mut expected: BTreeMap<_, _> = to_them.map(|sent| (sent.number, sent)).collect();
        let whole = format!("* STATUS INBOX (MESSAGES {})", expected.len());
        let mut wire = signed_on(&self.settings);
        let is_whole = process::until(DELIVERY, || {
            wire.command("s", "STATUS INBOX (MESSAGES)").contains(&whole)
        });
        assert!(is_whole, "{address}: expected {whole}\n{}", wire.dialogue());
        wire.command("e", "EXAMINE INBOX");
        for first in (1..=expected.len()).step_by(100) {
            wire.send(format!("f UID FETCH {first}:{} BODY.PEEK[]\r\n", first + 99));
            for (uid, arrived) in wire.answers(&["f".to_owned()]).1 {
                let text = arrived.escape_ascii();
                let sent = number_of(&arrived).and_then(|number| expected.remove(&number));
                let Some(sent) = sent else {
                    panic!("{address}, UID {uid}: not sent to them, or there twice: {text}");
                };
                let before = arrived.strip_suffix(sent.mail().as_slice());
                assert!(before.is_some_and(is_trace), "{address}, UID {uid}: was changed: {text}");
            }
        }
        assert!(expected.is_empty(), "{address}: lost {:?}", expected.keys());
    }
}

/// The number of a mail, which its Message-ID begins with.
fn number_of(mail: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(mail);
    text.split_once("Message-ID: <")?.1.split_once('.')?.0.parse().ok()
}

/// Whether these are nothing but what servers put before a mail.
fn is_trace(lines: &[u8]) -> bool {
    lines
        .split_inclusive(|byte| *byte == b'\n')
        .all(|line| TRACE.iter().any(|start| line.starts_with(start.as_bytes())))
}
