//! A session that goes on over other connections, against a model of its mailbox. The server is an
//! honest one, so that all that it says is true of some moment; what the client is told must be so
//! too:
//!
//! - the client's count of messages is always the server's, and nothing that an honest server says
//!   keeps a session to its connection;
//! - where a takeover is said to fit, the client's list and the other connection's are the same once the
//!   difference is told: message by message, but for those of which the client heard only that they are
//!   there;
//! - it fits wherever every UID is known, and the other connection isn't behind, by a server that says
//!   its UIDNEXT;
//! - flags are said to be the same only where none has changed.
//!
//! An input's first byte says what server and client can do, and each two bytes are a step of their
//! story.

use std::collections::BTreeSet;

use gatepost::protocol::imap::{
    Capabilities, Dialogue, FlagsSince, Responses, Step, Takeover, Unlike,
};
use gatepost::protocol::{Dialogue as _, Verdict};

/// Longer stories only repeat themselves.
const MOST_STEPS: usize = 200;
/// Replicas are behind by so many changes at most.
const MOST_BEHIND: u8 = 3;

/// Plays a story.
pub(crate) fn check(input: &[u8]) {
    let Some((first, steps)) = input.split_first() else {
        return;
    };
    let mut story = Story::begin(*first);
    for step in steps.chunks_exact(2).take(MOST_STEPS) {
        story.step(step[0], step[1]);
        story.check();
    }
}

/// The mailbox at one moment.
#[derive(Debug, Clone, Default)]
struct Mailbox {
    uids: Vec<u32>,
    next: u32,
    validity: u32,
    /// Grows with every change …
    modseq: u64,
    /// … and this with those of flags.
    flags: u64,
}

struct Story {
    esearch: bool,
    qresync: bool,
    says_next: bool,
    says_modseq: bool,
    mailbox: Mailbox,
    /// What it was before the last changes.
    past: Vec<Mailbox>,
    dialogue: Dialogue,
    tags: u32,
    selected: bool,
    /// The tag of the open IDLE.
    idle: Option<String>,
    /// What the client was told of: the UID of each message, in the order of their numbers …
    told: Vec<u32>,
    /// … and those of which it heard more than that they are there.
    heard: BTreeSet<u32>,
    /// All below this that the client will ever hear of, it has.
    told_below: u32,
    /// The flags that the client knows are those of this moment, by the mailbox's two counts.
    modseq: u64,
    flags: u64,
}

impl Story {
    fn begin(can: u8) -> Self {
        let mut story = Self {
            esearch: can & 1 != 0,
            qresync: can & 2 != 0,
            says_next: can & 4 == 0,
            says_modseq: can & 8 != 0 || can & 2 != 0,
            mailbox: Mailbox { next: 1, validity: 7, modseq: 1, ..Mailbox::default() },
            past: Vec::new(),
            dialogue: Dialogue::default(),
            tags: 0,
            selected: false,
            idle: None,
            told: Vec::new(),
            heard: BTreeSet::new(),
            told_below: 1,
            modseq: 0,
            flags: 0,
        };
        for _ in 0..can >> 4 {
            story.arrive(1);
        }
        if can & 16 != 0 {
            story.command("ID (\"name\" \"model\")", |_| "* ID NIL\r\n".into());
        }
        if story.qresync {
            story.command("ENABLE QRESYNC", |_| "* ENABLED QRESYNC\r\n".into());
        }
        story
    }

    fn step(&mut self, what: u8, how: u8) {
        match what % 12 {
            0 => self.arrive(u32::from(how % 4)),
            1 => self.vanish(how),
            2 => self.select(how),
            3 => self.command("NOOP", |story| story.news(how)),
            4 => self.fetch(how),
            5 => self.begin_idle(),
            6 if self.idle.is_some() => {
                let news = self.news(how);
                self.server(news.as_bytes());
            }
            6 => self.move_away(how),
            7 => self.end_idle(),
            8 | 9 => self.take_over(how),
            10 => self.change_flags(how),
            _ => self.ask_by_number(how),
        }
    }

    fn check(&self) {
        assert_eq!(self.dialogue.stuck(), None, "by an honest server");
        if self.selected {
            assert_eq!(self.dialogue.exists() as usize, self.told.len());
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Mailbox)) {
        self.past.push(self.mailbox.clone());
        self.mailbox.modseq += 1;
        change(&mut self.mailbox);
    }

    /// A message comes; `gap` others came and went unseen.
    fn arrive(&mut self, gap: u32) {
        self.change(|mailbox| {
            mailbox.uids.push(mailbox.next + gap);
            mailbox.next += gap + 1;
        });
    }

    fn vanish(&mut self, which: u8) {
        if !self.mailbox.uids.is_empty() {
            let at = usize::from(which) % self.mailbox.uids.len();
            self.change(|mailbox| {
                mailbox.uids.remove(at);
            });
        }
    }

    fn change_flags(&mut self, how: u8) {
        self.change(|mailbox| mailbox.flags += 1);
        if self.idle.is_some() && how & 1 != 0 && !self.told.is_empty() {
            let at = usize::from(how) % self.told.len();
            self.heard.insert(self.told[at]);
            self.server(format!("* {} FETCH (FLAGS (\\Seen))\r\n", at + 1).as_bytes());
        }
    }

    fn select(&mut self, how: u8) {
        self.end_idle();
        let verb = if how & 1 != 0 { "EXAMINE" } else { "SELECT" };
        self.told = self.mailbox.uids.clone();
        self.heard.clear();
        self.told_below = self.mailbox.next;
        (self.modseq, self.flags) = (self.mailbox.modseq, self.mailbox.flags);
        self.selected = true;
        let tag = self.next_tag();
        self.client(&format!("{tag} {verb} INBOX\r\n"));
        let told = self.opening(&self.mailbox, how & 2 != 0);
        let access = if how & 1 != 0 { "READ-ONLY" } else { "READ-WRITE" };
        self.server(format!("{told}{tag} OK [{access}] done\r\n").as_bytes());
    }

    /// What the server says of a mailbox that is selected.
    fn opening(&self, mailbox: &Mailbox, exists_last: bool) -> String {
        let exists = format!("* {} EXISTS\r\n", mailbox.uids.len());
        let mut codes = format!("* OK [UIDVALIDITY {}] x\r\n", mailbox.validity);
        if self.says_next {
            codes += &format!("* OK [UIDNEXT {}] x\r\n", mailbox.next);
        }
        if self.says_modseq {
            codes += &format!("* OK [HIGHESTMODSEQ {}] x\r\n", mailbox.modseq);
        }
        if exists_last { codes + &exists } else { exists + &codes }
    }

    /// Gives UIDs of messages that the client knows by their numbers.
    fn fetch(&mut self, how: u8) {
        let (from, count) = (usize::from(how >> 4), usize::from(how % 16));
        let told: Vec<_> = self.told.iter().copied().enumerate().skip(from).take(count).collect();
        self.heard.extend(told.iter().map(|(_, uid)| *uid));
        let lines: String = told
            .into_iter()
            .map(|(at, uid)| match uid % 3 {
                0 => format!("* {} FETCH (UID {uid} FLAGS (\\Seen))\r\n", at + 1),
                1 => format!("* {} FETCH (FLAGS () UID {uid})\r\n", at + 1),
                _ => format!("* {} FETCH (UID {uid} BODY[] {{4}}\r\na\r\n))\r\n", at + 1),
            })
            .collect();
        self.command("UID FETCH 1:* (UID FLAGS)", |_| lines);
    }

    /// The client asks for what it names by number only, or finds nothing, and hears what came.
    fn ask_by_number(&mut self, how: u8) {
        let numbers = 1..=self.told.len();
        let (command, lines) = match how >> 6 {
            2 => {
                let lines = numbers.map(|number| format!("* {number} FETCH (FLAGS ())\r\n"));
                ("FETCH 1:* (FLAGS)", lines.collect())
            }
            3 => {
                let found: String = numbers.map(|number| format!(" {number}")).collect();
                ("SEARCH ALL", format!("* SEARCH{found}\r\n"))
            }
            _ => ("FETCH 9999:* (FLAGS)", String::new()),
        };
        if !lines.is_empty() {
            self.heard.extend(&self.told);
        }
        self.command(command, |story| lines + &story.arrivals(u32::from(how)));
    }

    /// The client moves a message away, and hears of that before all else that is gone.
    fn move_away(&mut self, how: u8) {
        let at = usize::from(how).checked_rem(self.told.len()).unwrap_or_default();
        let Some(uid) = self.told.get(at).copied().filter(|uid| self.mailbox.uids.contains(uid))
        else {
            return;
        };
        self.change(|mailbox| mailbox.uids.retain(|other| *other != uid));
        self.command(&format!("UID MOVE {uid} Trash"), |story| {
            story.told.remove(at);
            match story.qresync {
                true => format!("* VANISHED {uid}\r\n"),
                false => format!("* {} EXPUNGE\r\n", at + 1),
            }
        });
    }

    /// What the server tells where anything may be told; not all of it, if it likes.
    fn news(&mut self, how: u8) -> String {
        if !self.selected {
            return String::new();
        }
        let (mut lines, mut vanished) = (String::new(), Vec::new());
        let mut left = if how & 1 != 0 { usize::from(how >> 1) } else { usize::MAX };
        for at in (0..self.told.len()).rev() {
            if left > 0 && !self.mailbox.uids.contains(&self.told[at]) {
                left -= 1;
                let uid = self.told.remove(at);
                match self.qresync {
                    true => vanished.push(uid.to_string()),
                    false => lines += &format!("* {} EXPUNGE\r\n", at + 1),
                }
            }
        }
        if !vanished.is_empty() {
            lines = format!("* VANISHED {}\r\n", vanished.join(","));
        }
        lines + &self.arrivals(u32::from(how >> 1))
    }

    /// What the server tells at any time: that messages came.
    fn arrivals(&mut self, most: u32) -> String {
        if !self.selected {
            return String::new();
        }
        let below = self.told_below;
        let new = self.mailbox.uids.iter().filter(|uid| **uid >= below).copied();
        let new: Vec<u32> = new.take(most as usize).collect();
        let Some(last) = new.last() else {
            return String::new();
        };
        self.told_below = last + 1;
        self.told.extend(new);
        format!("* {} EXISTS\r\n", self.told.len())
    }

    fn begin_idle(&mut self) {
        if self.idle.is_none() {
            let tag = self.next_tag();
            self.client(&format!("{tag} IDLE\r\n"));
            self.server(b"+ idling\r\n");
            self.idle = Some(tag);
        }
    }

    fn end_idle(&mut self) {
        if let Some(tag) = self.idle.take() {
            self.client("DONE\r\n");
            self.server(format!("{tag} OK done\r\n").as_bytes());
        }
    }

    fn command(&mut self, command: &str, answer: impl FnOnce(&mut Self) -> String) {
        self.end_idle();
        let tag = self.next_tag();
        self.client(&format!("{tag} {command}\r\n"));
        let answer = answer(self);
        self.server(format!("{answer}{tag} OK done\r\n").as_bytes());
    }

    fn next_tag(&mut self) -> String {
        self.tags += 1;
        format!("t{}", self.tags)
    }

    /// The client's words go on, behind what the proxy does of its own.
    fn client(&mut self, line: &str) {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match self.dialogue.client_sent(rest) {
                Verdict::Pass(length) => rest = &rest[length..],
                Verdict::Hold => {
                    self.learn();
                    self.dialogue.release();
                }
                verdict => panic!("{verdict:?} for {line}"),
            }
        }
    }

    fn server(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.dialogue.server_sent(rest) {
                Verdict::Pass(length) => rest = &rest[length..],
                verdict => panic!("{verdict:?} for {}", bytes.escape_ascii()),
            }
        }
    }

    fn capabilities(&self) -> Capabilities {
        let list = if self.esearch { "IMAP4rev1 IDLE ESEARCH" } else { "IMAP4rev1 IDLE" };
        Capabilities::parse(list.as_bytes())
    }

    /// The proxy's own search on the client's connection.
    fn learn(&mut self) {
        let (mut listing, command) =
            self.dialogue.list(&self.capabilities()).expect("a mailbox is open");
        // A server tells what came before it answers, or later.
        let arrivals =
            if self.tags.is_multiple_of(2) { self.arrivals(u32::MAX) } else { String::new() };
        let answer = arrivals + &answer_search(&command, &self.told);
        for response in responses(answer.as_bytes(), 7) {
            match self.dialogue.listing_response(&mut listing, &response) {
                Step::Own => {}
                Step::Both => self.server(&response),
                Step::Done => {
                    assert!(!self.dialogue.wants_list(), "all is listed");
                    return;
                }
                step => panic!("{step:?}"),
            }
        }
        panic!("the listing has no end");
    }

    fn take_over(&mut self, how: u8) {
        let behind = usize::from(how % (MOST_BEHIND + 1));
        let made_anew = how & 0x80 != 0;
        let restless = how & 0x10 != 0 && behind == 0 && !made_anew && self.selected;
        let lacks = self.qresync && how & 0x40 != 0;
        let known = !self.dialogue.wants_list();
        assert!(self.dialogue.moment(false).is_some(), "nothing is under way");
        let mut found = match self.past.len().checked_sub(behind) {
            Some(at) if behind > 0 => self.past[at].clone(),
            _ => self.mailbox.clone(),
        };
        found.validity += u32::from(made_anew);
        let (mut takeover, commands) = self.dialogue.take_over(&self.capabilities());
        if takeover.is_done() {
            assert!(!self.selected && commands.is_empty());
            return;
        }
        self.speak(&mut takeover, commands, &mut found, (how >> 2) & 3, restless, lacks);
        match self.dialogue.difference(&takeover) {
            Ok(None) => assert!(!self.selected && !lacks),
            Ok(Some(difference)) => {
                assert!(self.selected && !made_anew && !lacks);
                let lines = self.dialogue.told(&difference);
                self.hear(std::str::from_utf8(&lines).expect("text"), &found);
                match difference.flags_since {
                    FlagsSince::Same => assert_eq!(found.flags, self.flags),
                    FlagsSince::Modseq(since) => assert!(since <= self.modseq),
                    FlagsSince::Unknown => {}
                }
                self.dialogue.go_on_with(&takeover);
                self.dialogue.flags_told(&difference);
                (self.modseq, self.flags) = (found.modseq, found.flags);
                self.told_below = found.next;
                assert!(!self.dialogue.wants_list(), "what was found is known");
            }
            Err(Unlike::Lacking) => assert!(lacks),
            Err(Unlike::OtherMailbox) => assert!(made_anew),
            // Without UIDNEXT a server whose last message went looks like one that is behind.
            Err(Unlike::Behind) if !self.says_next => {}
            Err(unlike) => assert!(behind > 0 || made_anew || !known, "{unlike}"),
        }
    }

    /// Another connection's side of a takeover.
    fn speak(
        &mut self,
        takeover: &mut Takeover,
        commands: Vec<u8>,
        found: &mut Mailbox,
        cut: u8,
        mut restless: bool,
        lacks: bool,
    ) {
        let mut unsaid = String::from_utf8(commands).expect("text");
        loop {
            let mut answer = String::new();
            for line in std::mem::take(&mut unsaid).lines() {
                let (tag, command) = line.split_once(' ').expect("a tag");
                if command.starts_with("ID ") {
                    answer += &format!("* ID NIL\r\n{tag} OK done\r\n");
                } else if command.starts_with("ENABLE ") {
                    let enabled = if lacks { "* ENABLED" } else { "* ENABLED QRESYNC" };
                    answer += &format!("{enabled}\r\n{tag} OK done\r\n");
                } else if command.contains("UID SEARCH") {
                    if std::mem::take(&mut restless) {
                        // Between the list and its tag the mailbox changes: it is asked again.
                        let list = answer_search(format!("{line}\r\n").as_bytes(), &found.uids);
                        let (list, end) = list.split_once("\r\n").expect("two lines");
                        self.arrive(1);
                        *found = self.mailbox.clone();
                        answer += &format!("{list}\r\n* {} EXISTS\r\n{end}", found.uids.len());
                    } else {
                        answer += &answer_search(format!("{line}\r\n").as_bytes(), &found.uids);
                    }
                } else {
                    let access = if command.starts_with("SELECT") { "WRITE" } else { "ONLY" };
                    answer += &self.opening(found, cut & 1 != 0);
                    answer += &format!("{tag} OK [READ-{access}] done\r\n");
                }
            }
            let mut is_done = false;
            for response in responses(answer.as_bytes(), usize::from(cut) * 5 + 1) {
                match takeover.response(&response) {
                    Step::Own => {}
                    Step::Send(command) => {
                        unsaid += std::str::from_utf8(&command).expect("text");
                    }
                    Step::Done => is_done = true,
                    step => panic!("{step:?}"),
                }
            }
            if is_done {
                return;
            }
            assert!(!unsaid.is_empty(), "the takeover has no end");
        }
    }

    /// The client hears what is different; what it knew is then in its place in the list that was found.
    fn hear(&mut self, lines: &str, found: &Mailbox) {
        let mut count = None;
        for line in lines.lines() {
            assert_eq!(count, None, "nothing is told behind the EXISTS");
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["*", number, "EXPUNGE"] => {
                    let number: usize = number.parse().expect("a number");
                    self.told.remove(number - 1);
                }
                ["*", "VANISHED", uid] => {
                    let uid: u32 = uid.parse().expect("a UID");
                    let at = self.told.iter().position(|told| *told == uid);
                    self.told.remove(at.expect("it was told"));
                }
                ["*", number, "EXISTS"] => count = Some(number.parse().expect("a number")),
                _ => panic!("{line}"),
            }
        }
        let count = count.unwrap_or(self.told.len());
        assert_eq!(count, found.uids.len());
        for (told, found) in self.told.iter().zip(&found.uids) {
            assert!(told == found || !self.heard.contains(told), "{told} became {found}: {lines}");
        }
        self.told.clone_from(&found.uids);
    }
}

/// The answer to a search of the proxy's own (RFC 9051 §6.4.4, RFC 3501 §6.4.4).
fn answer_search(command: &[u8], uids: &[u32]) -> String {
    let command = std::str::from_utf8(command).expect("text").trim_end();
    let tag = command.split(' ').next().expect("a tag");
    let found: Vec<u32> = match command.split_once(" UID SEARCH ").expect("a search").1 {
        what if what.ends_with("ALL") => uids.to_vec(),
        what => {
            let (_, from) = what.rsplit_once(' ').expect("a set");
            let from = from.strip_suffix(":*").expect("an open set").parse().expect("a UID");
            match uids.iter().filter(|uid| **uid >= from).copied().collect::<Vec<_>>() {
                // `*` is the last message, wherever it lies.
                none if none.is_empty() => uids.last().copied().into_iter().collect(),
                found => found,
            }
        }
    };
    let list = |with: &str| found.iter().map(u32::to_string).collect::<Vec<_>>().join(with);
    let line = match (command.contains("RETURN (ALL)"), found.is_empty()) {
        (true, true) => format!("* ESEARCH (TAG \"{tag}\") UID"),
        (true, false) => format!("* ESEARCH (TAG \"{tag}\") UID ALL {}", list(",")),
        (false, true) => "* SEARCH".to_owned(),
        (false, false) => format!("* SEARCH {}", list(" ")),
    };
    format!("{line}\r\n{tag} OK done\r\n")
}

/// What arrives in pieces of so many bytes, response by response.
fn responses(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut responses = Responses::default();
    let mut whole = Vec::new();
    for piece in bytes.chunks(size) {
        responses.receive(piece);
        while let Some(response) = responses.next_response().expect("responses") {
            whole.push(response);
        }
    }
    assert_eq!(responses.into_rest(), b"", "all are whole");
    assert_eq!(whole.concat(), bytes);
    whole
}
