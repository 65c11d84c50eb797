//! A mail client that keeps a mirror of its inbox, message by message, from nothing but what it is
//! told: EXISTS, EXPUNGE and FETCH. As clients do, it asks only about messages that are new to it.
//! So a message that is told twice, not at all or under another's number leaves its mirror wrong for
//! good.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{mail_client::Settings, process, wire::Wire};

/// What is in a mailbox: the flags by the UIDs. (`\Recent` is each session's own affair.)
pub(crate) type Messages = BTreeMap<u32, BTreeSet<String>>;

/// How long one that was told goodbye may have to try until it is let in.
const LET_IN: Duration = Duration::from_secs(60);
/// How often a client that waits looks whether it is to do something else.
const GLANCE: Duration = Duration::from_millis(100);
/// How often one that doesn't idle asks for news.
const NEWS: Duration = Duration::from_millis(700);

/// How a client hears of new mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// In IDLE, which it leaves for each new message to ask about it.
    Idle,
    /// In IDLE, which it leaves only now and then: meanwhile it has messages whose UIDs it doesn't know.
    Lazy,
    /// As the first, with CONDSTORE (RFC 7162).
    Condstore,
    /// As the first, but asks by UID.
    Uid,
    /// By NOOP; in between it is connected and does nothing.
    Noop,
}

/// What the client knows of one message.
#[derive(Default)]
struct Known {
    uid: Option<u32>,
    flags: Option<BTreeSet<String>>,
}

/// The words with which the server has said goodbye.
#[derive(Debug)]
pub(crate) struct Bye(pub(crate) String);

pub(crate) struct Mirror {
    settings: Settings,
    wire: Wire,
    habit: Habit,
    /// By their numbers, from 1.
    known: Vec<Known>,
    commands: u64,
    /// What it was told.
    pub(crate) told: Told,
}

/// Counts what clients were told.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    /// Messages that are new.
    pub(crate) new: u64,
    /// Messages that are gone.
    pub(crate) gone: u64,
    /// Lines while it listened to nobody: between two commands, or after IDLE and before its `+`. They
    /// may be there, but Thunderbird takes the latter for the end of an IDLE that hasn't begun, and
    /// the former for the same at its next one; Dovecot tells nothing then.
    pub(crate) unheard: u64,
}

impl std::ops::AddAssign for Told {
    fn add_assign(&mut self, other: Self) {
        self.new += other.new;
        self.gone += other.gone;
        self.unheard += other.unheard;
    }
}

impl Mirror {
    /// Signs on and opens the inbox.
    pub(crate) fn open(settings: &Settings, habit: Habit) -> Self {
        Self::try_open(settings, habit).expect("it is served")
    }

    /// Begins anew after a goodbye, as soon as it is let in.
    pub(crate) fn open_again(mut self) -> Self {
        self.wire.expect_end();
        let mut opened = None;
        let is_open = process::until(LET_IN, || {
            opened = Self::try_open(&self.settings, self.habit).ok();
            opened.is_some()
        });
        match opened {
            Some(opened) if is_open => Self { told: self.told, ..opened },
            _ => self.fail("it is not let in again"),
        }
    }

    fn try_open(settings: &Settings, habit: Habit) -> Result<Self, Bye> {
        let wire = Wire::imap(settings.imap);
        let settings = settings.clone();
        let login = format!("LOGIN {} {}", settings.address, settings.password);
        let mut mirror =
            Self { settings, wire, habit, known: Vec::new(), commands: 0, told: Told::default() };
        mirror.command(&login, false)?;
        let condstore = if habit == Habit::Condstore { " (CONDSTORE)" } else { "" };
        mirror.command(&format!("SELECT INBOX{condstore}"), false)?;
        mirror.ask()?;
        Ok(mirror)
    }

    /// What it takes for the inbox; `None` if it doesn't know all of it.
    pub(crate) fn messages(&self) -> Option<Messages> {
        self.known.iter().map(|known| Some((known.uid?, known.flags.clone()?))).collect()
    }

    /// Lives by its habit for so long, or until it is `called`; that is asked again and again, and told
    /// whether the client is at rest: in IDLE, or between two commands.
    pub(crate) fn live(
        &mut self,
        time: Duration,
        called: &impl Fn(bool) -> bool,
    ) -> Result<(), Bye> {
        let until = Instant::now() + time;
        while Instant::now() < until && !called(false) {
            match self.habit {
                Habit::Noop => {
                    self.hear(NEWS, called)?;
                    self.command("NOOP", true)?;
                }
                _ => self.idle(until, called)?,
            }
            self.ask()?;
        }
        Ok(())
    }

    /// Lives until its mirror is this, for up to `limit`.
    pub(crate) fn agree(&mut self, truth: &Messages, limit: Duration) -> Result<(), Bye> {
        let until = Instant::now() + limit;
        while self.messages().as_ref() != Some(truth) {
            if Instant::now() > until {
                self.fail(&format!("its mirror is wrong: {}", self.difference(truth)));
            }
            self.live(Duration::from_millis(300), &|_| false)?;
        }
        // Nor are the server's numbers any others than its own.
        if !self.known.is_empty() {
            let (before, lines) = (self.known.len(), self.command("FETCH 1:* (UID FLAGS)", false)?);
            let fetched = lines.iter().filter(|line| line.contains(" FETCH (")).count();
            if fetched < before {
                self.fail(&format!("{fetched} of {before} messages are there"));
            }
        }
        Ok(())
    }

    /// Sends a command, and takes in what is told up to its OK; EXPUNGE only if it `may` be.
    fn command(&mut self, command: &str, may: bool) -> Result<Vec<String>, Bye> {
        let tag = self.begin(command);
        let mut lines = Vec::new();
        loop {
            let line = self.wire.line();
            if line.starts_with(&format!("{tag} OK")) {
                return Ok(lines);
            }
            self.take(&line, may)?;
            lines.push(line);
        }
    }

    fn begin(&mut self, command: &str) -> String {
        self.commands += 1;
        let tag = format!("m{}", self.commands);
        self.wire.send(format!("{tag} {command}\r\n"));
        tag
    }

    fn idle(&mut self, until: Instant, called: &impl Fn(bool) -> bool) -> Result<(), Bye> {
        let tag = self.begin("IDLE");
        loop {
            let line = self.wire.line();
            if line.starts_with('+') {
                break;
            }
            self.told.unheard += 1;
            self.take(&line, true)?;
        }
        let wants_out = |mirror: &Self| mirror.habit != Habit::Lazy && mirror.has_new();
        while Instant::now() < until && !called(true) && !wants_out(self) {
            if let Some(line) = self.wire.line_within(GLANCE) {
                self.take(&line, true)?;
            }
        }
        self.wire.send("DONE\r\n");
        loop {
            let line = self.wire.line();
            if line.starts_with(&format!("{tag} OK")) {
                return Ok(());
            }
            self.take(&line, true)?;
        }
    }

    /// Hears what a server says between two commands.
    fn hear(&mut self, time: Duration, called: &impl Fn(bool) -> bool) -> Result<(), Bye> {
        let until = Instant::now() + time;
        while Instant::now() < until && !called(true) {
            if let Some(line) = self.wire.line_within(GLANCE) {
                self.told.unheard += 1;
                self.take(&line, false)?;
            }
        }
        Ok(())
    }

    fn has_new(&self) -> bool {
        self.known.iter().any(|known| known.uid.is_none())
    }

    /// Asks about what is new.
    fn ask(&mut self) -> Result<(), Bye> {
        let Some(first) = self.known.iter().position(|known| known.uid.is_none()) else {
            return Ok(());
        };
        if self.habit == Habit::Uid {
            let last = self.known[..first].last().and_then(|known| known.uid).unwrap_or_default();
            self.command(&format!("UID FETCH {}:* (FLAGS)", last + 1), true)?;
        } else {
            self.command(&format!("FETCH {}:* (UID FLAGS)", first + 1), false)?;
        }
        Ok(())
    }

    fn take(&mut self, line: &str, may_expunge: bool) -> Result<(), Bye> {
        let mut words = line.splitn(4, ' ');
        if words.next() != Some("*") {
            self.fail("a line that is no answer");
        }
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        let Ok(number) = first.parse::<usize>() else {
            return if first == "BYE" { Err(Bye(line.to_owned())) } else { Ok(()) };
        };
        match second {
            Some("EXISTS") => {
                let before = self.known.len();
                if number < before {
                    self.fail("messages vanish without an EXPUNGE");
                }
                self.known.resize_with(number, Known::default);
                self.told.new += (number - before) as u64;
            }
            Some("EXPUNGE") if !may_expunge => self.fail("an EXPUNGE where none may be"),
            Some("EXPUNGE") if !(1..=self.known.len()).contains(&number) => {
                self.fail("an EXPUNGE of a message that isn't there");
            }
            Some("EXPUNGE") => {
                self.known.remove(number - 1);
                self.told.gone += 1;
            }
            Some("FETCH") => self.fetched(number, words.next().unwrap_or_default()),
            _ => {}
        }
        Ok(())
    }

    fn fetched(&mut self, number: usize, data: &str) {
        if !(1..=self.known.len()).contains(&number) {
            self.fail("a FETCH of a message that isn't there");
        }
        let uid = behind(data, "UID ").map(|rest| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            digits.and_then(|digits| digits.parse().ok()).expect("a UID is a number")
        });
        let flags = behind(data, "FLAGS (").map(|rest| {
            let flags = rest.split(')').next().unwrap_or_default().split_ascii_whitespace();
            flags.filter(|flag| *flag != "\\Recent").map(str::to_owned).collect()
        });
        if let Some(uid) = uid {
            let before = self.known[..number - 1].iter().rev().find_map(|known| known.uid);
            let after = self.known[number..].iter().find_map(|known| known.uid);
            let own = self.known[number - 1].uid.unwrap_or(uid);
            if own != uid || before.is_some_and(|b| b >= uid) || after.is_some_and(|a| a <= uid) {
                self.fail(&format!("message {number} is another one (UID {own} before)"));
            }
            self.known[number - 1].uid = Some(uid);
        }
        if flags.is_some() {
            self.known[number - 1].flags = flags;
        }
    }

    fn difference(&self, truth: &Messages) -> String {
        let Some(own) = self.messages() else {
            return "it lacks the UIDs of messages".to_owned();
        };
        let missed: Vec<_> = truth.keys().filter(|uid| !own.contains_key(uid)).collect();
        let extra: Vec<_> = own.keys().filter(|uid| !truth.contains_key(uid)).collect();
        let flags: Vec<_> = own
            .iter()
            .filter_map(|(uid, flags)| Some((uid, flags, truth.get(uid)?)))
            .filter(|(_, own, true_ones)| own != true_ones)
            .collect();
        format!("not told of {missed:?}, nor that {extra:?} are gone; flags (own, true): {flags:?}")
    }

    /// Fails the test with the dialogue.
    pub(crate) fn fail(&self, what: &str) -> ! {
        panic!("{:?}: {what}\nThe dialogue was:\n{}", self.habit, self.wire.dialogue())
    }
}

fn behind<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, rest)| rest)
}
