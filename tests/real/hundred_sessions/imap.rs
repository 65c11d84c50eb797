//! A session that reads, writes and idles.

mod answers;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::{Deck, Session, Tally, account::Account};
use crate::support::{
    mail_client::Settings,
    messages::{Numbers, letter, subject},
    scene::{plain, quoted},
    wire::Wire,
};

type Round<'a> = fn(&mut ImapSession<'a>);

const FLAGS: [&str; 4] = ["\\Answered", "\\Flagged", "\\Seen", "\\Draft"];

/// How many letters it keeps when it has expunged some.
const KEPT: usize = 5;

pub(super) struct ImapSession<'a> {
    number: u64,
    account: &'a Account,
    numbers: Numbers,
    deck: Deck<Round<'a>>,
    wire: Wire,
    own: Mailbox,
    tags: u64,
    letters: u64,
    /// How many mails the inbox had when it last looked.
    arrived: u64,
    tally: Tally,
}

/// What must be in a mailbox that only one session changes.
struct Mailbox {
    name: String,
    uid_validity: String,
    uid_next: u32,
    letters: BTreeMap<u32, Letter>,
}

#[derive(Clone)]
struct Letter {
    number: u64,
    flags: BTreeSet<String>,
}

/// The mailbox that this session has to itself.
pub(super) fn own_mailbox(session: u64) -> String {
    format!("Session-{session}")
}

impl Session for ImapSession<'_> {
    fn round(&mut self) {
        self.deck.draw(&mut self.numbers)(self);
    }

    fn has_done_all(&self) -> bool {
        self.deck.is_through
    }

    fn leave(&mut self) {
        self.check_own();
        self.log_out();
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

impl<'a> ImapSession<'a> {
    /// What it does, over and over.
    const ROUNDS: [Round<'a>; 14] = [
        Self::fetch_some,
        Self::fetch_all,
        Self::fetch_a_part,
        Self::search,
        Self::change_flags,
        Self::append,
        Self::copy_and_expunge,
        Self::ask_for_status,
        Self::list,
        Self::do_nothing,
        Self::idle,
        Self::pipeline,
        Self::say_what_is_wrong,
        Self::sign_on_anew,
    ];

    pub(super) fn begin(number: u64, accounts: &'a [Account], numbers: Numbers) -> Self {
        let account = Account::of(number, accounts);
        let own = Mailbox {
            name: own_mailbox(number),
            uid_validity: String::new(),
            uid_next: 1,
            letters: BTreeMap::new(),
        };
        let mut session = Self {
            number,
            account,
            numbers,
            deck: Deck::new(&Self::ROUNDS),
            wire: Wire::imap(account.settings.imap),
            own,
            tags: 0,
            letters: 0,
            arrived: 0,
            tally: Tally::default(),
        };
        session.sign_on();
        let lines = session.ask(&format!("STATUS {} (UIDVALIDITY)", session.own.name));
        session.own.uid_validity = between(&lines, "(UIDVALIDITY ", ")");
        session
    }

    // What doesn't change.

    fn fetch_some(&mut self) {
        self.examine_known();
        let [one, other] = [self.known_uid(), self.known_uid()];
        let fetched = self.fetch(&format!("{one},{other}"), "BODY.PEEK[]");
        self.check_known(fetched, &BTreeSet::from([one, other]));
    }

    fn fetch_all(&mut self) {
        self.examine_known();
        let fetched = self.fetch("1:*", "BODY.PEEK[]");
        self.check_known(fetched, &(1..=self.account.known.len() as u32).collect());
    }

    fn fetch_a_part(&mut self) {
        self.examine_known();
        let uid = self.known_uid();
        let mail = self.known(uid);
        let start = self.numbers.below(mail.len() as u64);
        let size = 1 + self.numbers.below(5000);
        let part = mail[start..mail.len().min(start + size)].to_vec();
        let fetched = self.fetch(&uid.to_string(), &format!("BODY.PEEK[]<{start}.{size}>"));
        self.check_mails(fetched, [(uid, part)].into());
        let lines = self.ask(&format!("UID FETCH {uid} RFC822.SIZE"));
        let told = format!("* {uid} FETCH (UID {uid} RFC822.SIZE {})", mail.len());
        self.check(&lines, &[told]);
    }

    fn search(&mut self) {
        self.examine_known();
        let uid = self.known_uid();
        let subject = self.subject(uid);
        let lines = self.ask(&format!("UID SEARCH SUBJECT \"{subject}\""));
        self.check(&lines, &[format!("* SEARCH {uid}")]);
    }

    /// Several commands in one packet; the server may end them in another order.
    fn pipeline(&mut self) {
        self.examine_known();
        let uid = self.known_uid();
        let next = 1 + uid % self.account.known.len() as u32;
        let Mailbox { name, letters, .. } = &self.own;
        let told =
            [format!("* SEARCH {uid}"), format!("* STATUS {name} (MESSAGES {})", letters.len())];
        let commands = [
            format!("UID FETCH {uid} BODY.PEEK[]"),
            format!("UID SEARCH SUBJECT \"{}\"", self.subject(uid)),
            "NOOP".to_owned(),
            format!("UID FETCH {next} BODY.PEEK[]"),
            format!("STATUS {name} (MESSAGES)"),
        ];
        let tags = commands.each_ref().map(|_| self.tag());
        let lines = tags.iter().zip(commands).map(|(tag, command)| format!("{tag} {command}\r\n"));
        let asked = Instant::now();
        self.wire.send(lines.collect::<String>());
        let (mut lines, messages) = self.wire.answers(&tags);
        tags.iter().for_each(|_| self.tally.answered(asked));
        lines.retain(|line| line.starts_with("* "));
        self.require(lines == told, &format!("only {told:?}"));
        self.check_known(messages, &BTreeSet::from([uid, next]));
    }

    fn list(&mut self) {
        let lines = self.ask("LIST \"\" *");
        let name = |line: &String| {
            let (_, name) = line.strip_prefix("* LIST (")?.split_once(") \"/\" ")?;
            Some(name.trim_matches('"').to_owned())
        };
        let names: BTreeSet<_> = lines.iter().filter_map(name).collect();
        self.require(names == self.account.mailboxes, "the mailboxes of this account");
    }

    fn do_nothing(&mut self) {
        self.ask("NOOP");
        let lines = self.ask("CAPABILITY");
        let list = &lines[0];
        let is_right = list.starts_with("* CAPABILITY ")
            && list.contains(" IDLE ")
            && !list.contains("AUTH=")
            && !list.contains("COMPRESS");
        self.require(is_right, "the capabilities that a client may use");
    }

    /// The server's own NO and BAD are under the right tag too.
    fn say_what_is_wrong(&mut self) {
        for (command, answer) in [
            ("STATUS Nowhere (MESSAGES)", "NO "),
            ("BLURDYBLOOP", "BAD "),
            ("COMPRESS DEFLATE", "NO "),
            ("LOGIN anna wrong", "BAD "),
        ] {
            let (tag, asked) = (self.tag(), Instant::now());
            self.wire.send(format!("{tag} {command}\r\n"));
            let lines = self.wire.reply(&tag);
            self.tally.answered(asked);
            let is_right = lines.len() == 1 && lines[0].starts_with(&format!("{tag} {answer}"));
            self.require(is_right, &format!("{answer} to {command}"));
        }
    }

    // What this session changes.

    fn append(&mut self) {
        let number = self.next_letter();
        let flags = self.some_flags();
        let letter = letter(&self.account.settings.address, number);
        let (tag, asked) = (self.tag(), Instant::now());
        // RFC 7888: with `+` nobody waits for the server's word.
        let sign = ["", "+"][self.numbers.below(2)];
        let list = joined(&flags);
        self.wire.send(format!(
            "{tag} APPEND {} ({list}) {{{}{sign}}}\r\n",
            self.own.name,
            letter.len()
        ));
        if sign.is_empty() {
            self.wire.expect("+");
        }
        self.wire.send([&letter, &b"\r\n"[..]].concat());
        let lines = self.wire.expect_ok(&tag);
        self.tally.answered(asked);
        let uid = self.own.add(Letter { number, flags });
        let told = format!("[APPENDUID {} {uid}]", self.own.uid_validity);
        self.require(lines.iter().any(|line| line.contains(&told)), &told);
        self.select_own();
        let lines =
            self.ask(&format!("UID SEARCH HEADER Message-ID \"<{number}.letter@example.com>\""));
        self.check(&lines, &[format!("* SEARCH {uid}")]);
        self.check_letters(&uid.to_string(), &[uid]);
    }

    /// A mail that arrives is told to the one that waits for it.
    fn idle(&mut self) {
        // A quarter of them: the system gives a user a limited number of watches on folders (inotify).
        if !self.number.is_multiple_of(4) {
            return self.do_nothing();
        }
        self.select_own();
        let (tag, asked) = (self.tag(), Instant::now());
        self.wire.send(format!("{tag} IDLE\r\n"));
        self.wire.expect("+");
        self.tally.answered(asked);
        let number = self.next_letter();
        self.account.deliver(&self.own.name, number);
        let delivered = Instant::now();
        let uid = self.own.add(Letter { number, flags: BTreeSet::new() });
        self.wire.expect(&format!("* {} EXISTS", self.own.letters.len()));
        self.tally.longest_push = self.tally.longest_push.max(delivered.elapsed());
        let asked = Instant::now();
        self.wire.send("DONE\r\n");
        self.wire.expect_ok(&tag);
        self.tally.answered(asked);
        self.check_letters("*", &[uid]);
    }

    fn change_flags(&mut self) {
        let uid = self.some_letter();
        let flags = self.some_flags();
        let list = joined(&flags);
        let item = ["FLAGS", "+FLAGS", "-FLAGS"][self.numbers.below(3)];
        let letter = self.own.letters.get_mut(&uid).expect("it is there");
        let before = letter.flags.clone();
        match item {
            "FLAGS" => letter.flags = flags,
            "+FLAGS" => letter.flags.extend(flags),
            _ => letter.flags.retain(|flag| !flags.contains(flag)),
        }
        let is_changed = letter.flags != before;
        let lines = self.ask(&format!("UID STORE {uid} {item} ({list})"));
        // Dovecot doesn't tell what stays as it is.
        self.check_flags(&lines, &[uid][..usize::from(is_changed)]);
        let lines = self.ask(&format!("UID FETCH {uid} FLAGS"));
        self.check_flags(&lines, &[uid]);
    }

    fn copy_and_expunge(&mut self) {
        let uid = self.some_letter();
        let lines = self.ask(&format!("UID COPY {uid} {}", self.own.name));
        let copy = self.own.add(self.own.letters[&uid].clone());
        let told = format!("[COPYUID {} {uid} {copy}]", self.own.uid_validity);
        self.require(lines.iter().any(|line| line.contains(&told)), &told);
        self.check_letters(&copy.to_string(), &[copy]);
        let mut goes = vec![uid];
        while self.own.letters.len() - goes.len() > KEPT {
            let uids: Vec<_> = self.own.letters.keys().filter(|uid| !goes.contains(uid)).collect();
            goes.push(*uids[self.numbers.below(uids.len() as u64)]);
        }
        let set = goes.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let lines = self.ask(&format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"));
        self.check(&lines, &[]);
        let command = ["EXPUNGE", &format!("UID EXPUNGE {set}")][self.numbers.below(2)].to_owned();
        let lines = self.ask(&command);
        let mut left: Vec<u32> = self.own.letters.keys().copied().collect();
        for line in &lines[..lines.len() - 1] {
            let number = line.strip_prefix("* ").and_then(|line| line.strip_suffix(" EXPUNGE"));
            let at = number.and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
            self.require(at.is_some_and(|at| at < left.len()), "messages that are expunged");
            left.remove(at.expect("checked"));
        }
        self.own.letters.retain(|uid, _| !goes.contains(uid));
        self.require(left.iter().eq(self.own.letters.keys()), "exactly these to be expunged");
        let told: String = left.iter().map(|uid| format!(" {uid}")).collect();
        let lines = self.ask("UID SEARCH ALL");
        self.check(&lines, &[format!("* SEARCH{told}")]);
    }

    fn ask_for_status(&mut self) {
        let Mailbox { name, uid_next, letters, .. } = &self.own;
        let unseen = letters.values().filter(|letter| !letter.flags.contains("\\Seen")).count();
        let (told, command) = (
            format!(
                "* STATUS {name} (MESSAGES {} UIDNEXT {uid_next} UNSEEN {unseen})",
                letters.len()
            ),
            format!("STATUS {name} (MESSAGES UIDNEXT UNSEEN)"),
        );
        let lines = self.ask(&command);
        self.check(&lines, &[told]);
        let lines = self.ask("STATUS INBOX (MESSAGES)");
        let arrived = between(&lines, "* STATUS INBOX (MESSAGES ", ")").parse().unwrap_or(0);
        self.require(arrived >= self.arrived, "an inbox that only grows");
        self.arrived = arrived;
    }

    fn sign_on_anew(&mut self) {
        self.log_out();
        self.wire = Wire::imap(self.account.settings.imap);
        self.sign_on();
        self.check_own();
    }

    fn sign_on(&mut self) {
        let Settings { address, password, .. } = &self.account.settings;
        let command = match self.numbers.below(3) {
            0 => format!("LOGIN {} {}", quoted(address), quoted(password)),
            1 => format!(
                "LOGIN {{{}+}}\r\n{address} {{{}+}}\r\n{password}",
                address.len(),
                password.len()
            ),
            _ => format!("AUTHENTICATE PLAIN {}", plain(address, password)),
        };
        self.ask(&command);
        self.tally.sign_ons += 1;
    }

    fn log_out(&mut self) {
        let lines = self.ask("LOGOUT");
        self.require(lines[0].starts_with("* BYE"), "a BYE");
        self.wire.expect_end();
    }

    // What it picks.

    fn known_uid(&mut self) -> u32 {
        1 + self.numbers.below(self.account.known.len() as u64) as u32
    }

    fn known(&self, uid: u32) -> &'a Vec<u8> {
        &self.account.known[uid as usize - 1]
    }

    fn subject(&self, uid: u32) -> String {
        subject(self.account.first + u64::from(uid) - 1)
    }

    fn next_letter(&mut self) -> u64 {
        self.letters += 1;
        self.number * 1_000_000 + self.letters
    }

    /// One of its letters, in its own mailbox, which is selected.
    fn some_letter(&mut self) -> u32 {
        if self.own.letters.is_empty() {
            self.append();
        }
        self.select_own();
        let uids: Vec<_> = self.own.letters.keys().copied().collect();
        uids[self.numbers.below(uids.len() as u64)]
    }

    fn some_flags(&mut self) -> BTreeSet<String> {
        FLAGS.into_iter().filter(|_| self.numbers.below(2) == 0).map(str::to_owned).collect()
    }
}

impl Mailbox {
    /// What has been added has the next UID.
    fn add(&mut self, letter: Letter) -> u32 {
        let uid = self.uid_next;
        self.letters.insert(uid, letter);
        self.uid_next += 1;
        uid
    }
}

/// What stands between these two in the first line that has both.
fn between(lines: &[String], before: &str, after: &str) -> String {
    let found = lines.iter().find_map(|line| line.split_once(before)?.1.split_once(after));
    found.map(|(text, _)| text.to_owned()).unwrap_or_default()
}

fn joined(flags: &BTreeSet<String>) -> String {
    flags.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}
