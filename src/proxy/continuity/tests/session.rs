//! One connection to the model.

use std::fmt::Write as _;
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::mailbox::{Flags, Mailbox, Message, appended, body};
use super::model::{Kick, Lines, Mailboxes, Server, within};

pub(super) struct Connection {
    server: Arc<Server>,
    lines: Lines,
    number: usize,
    kicks: usize,
    /// Until then it sees this, and then what is true.
    replica: Option<(Instant, Mailboxes)>,
    view: Option<View>,
    condstore: bool,
    qresync: bool,
    out: String,
    closed: bool,
}

/// A selected mailbox as this connection was told of it.
struct View {
    name: String,
    read_only: bool,
    uid_validity: u32,
    messages: Vec<Message>,
}

/// May messages be renumbered?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Renumber {
    May,
    MayNot,
}

impl Connection {
    pub(super) fn new(
        server: Arc<Server>,
        stream: DuplexStream,
        number: usize,
        kicks: usize,
        replica: Option<(Instant, Mailboxes)>,
    ) -> Self {
        Self {
            server,
            lines: Lines::new(stream),
            number,
            kicks,
            replica,
            view: None,
            condstore: false,
            qresync: false,
            out: String::new(),
            closed: false,
        }
    }

    pub(super) async fn serve(mut self) {
        let mut news = self.server.news();
        while !self.closed {
            tokio::select! {
                biased;
                line = self.lines.line() => {
                    let Some(line) = line else { return };
                    if self.command(line).await.is_none() {
                        return;
                    }
                }
                _ = news.changed() => {
                    if self.server.kind.talkative {
                        self.look(Renumber::MayNot);
                    }
                    self.obey_kick();
                    if self.flush().await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    fn obey_kick(&mut self) {
        if self.closed {
            return;
        }
        if let Some(kick) = self.server.kick_since(self.kicks) {
            self.closed = true;
            if kick == Kick::WithBye {
                self.out.push_str("* BYE Session expired\r\n");
            }
        }
    }

    async fn flush(&mut self) -> Option<()> {
        let out = std::mem::take(&mut self.out);
        if out.is_empty() {
            return Some(());
        }
        self.server.trace.note(&format!("    [{}] <", self.number), &out);
        self.lines.say(&out, self.server.kind.slow).await
    }

    async fn command(&mut self, mut line: String) -> Option<()> {
        self.server.trace.note(&format!("    [{}] >", self.number), &line);
        let tag = line.split(' ').next().unwrap_or_default().to_owned();
        // A literal's text stands in its place, in quotes; an APPEND's is the last one.
        let mut literal = String::new();
        while let Some((before, announced)) =
            line.strip_suffix('}').and_then(|l| l.rsplit_once('{'))
        {
            let at_once = announced.ends_with('+');
            let size = announced.trim_end_matches('+').parse().ok()?;
            if !at_once {
                self.lines.say("+ go on\r\n", self.server.kind.slow).await?;
            }
            literal = String::from_utf8_lossy(&self.lines.bytes(size).await?).into_owned();
            let behind = self.lines.line().await?;
            line = format!("{before}\"{literal}\"{behind}");
        }
        let command = line[tag.len()..].trim();
        let (verb, arguments) = command.split_once(' ').unwrap_or((command, ""));
        let answer = self.answer(&tag, &verb.to_ascii_uppercase(), arguments, &literal).await?;
        write!(self.out, "{tag} {answer}\r\n").unwrap();
        self.obey_kick();
        self.flush().await
    }

    /// Does a command; gives its tagged answer, without the tag.
    async fn answer(
        &mut self,
        tag: &str,
        verb: &str,
        arguments: &str,
        literal: &str,
    ) -> Option<String> {
        let kind = self.server.kind;
        let upper = arguments.to_ascii_uppercase();
        let ok = || "OK done".to_owned();
        match verb {
            "SELECT" | "EXAMINE" => return Some(self.select(verb, arguments)),
            "NOOP" | "CHECK" => {}
            "IDLE" if self.number > kind.idles_up_to => return Some("NO not now".into()),
            "IDLE" => self.idle().await?,
            "CAPABILITY" => writeln!(self.out, "* CAPABILITY IMAP4rev1 IDLE\r").unwrap(),
            "ID" => self.out.push_str("* ID NIL\r\n"),
            "LIST" => self.out.push_str("* LIST () \"/\" INBOX\r\n"),
            "ENABLE" => {
                let mut enabled = String::new();
                for name in upper.split(' ') {
                    if name == "CONDSTORE" && kind.modseq || name == "QRESYNC" && kind.qresync {
                        write!(enabled, " {name}").unwrap();
                        self.condstore = true;
                        self.qresync |= name == "QRESYNC";
                    }
                }
                write!(self.out, "* ENABLED{enabled}\r\n").unwrap();
                return Some(ok());
            }
            "STATUS" => {
                let (name, what) = arguments.split_once(' ').unwrap_or((arguments, ""));
                self.condstore |= what.contains("HIGHESTMODSEQ");
                let Some(mailbox) = self.mailbox(name) else { return Some("NO none".into()) };
                let count = mailbox.messages.len();
                write!(self.out, "* STATUS {name} (MESSAGES {count})\r\n").unwrap();
            }
            "LOGOUT" => {
                self.closed = true;
                self.out.push_str("* BYE Until later\r\n");
                return Some(ok());
            }
            "APPEND" => {
                let name = unquoted(arguments.split(' ').next().unwrap_or_default());
                let flags = within_brackets(arguments).map_or(Flags::default(), Flags::parse);
                // A replica may still show a mailbox that is gone.
                if literal.is_empty() || self.server.mailbox(name).is_none() {
                    return Some("NO [TRYCREATE] none".into());
                }
                if literal.starts_with("Subject: of ") && literal != appended(tag) {
                    self.server.complain(format!("{tag} brought another text: {literal:?}"));
                }
                self.server.done(tag, Vec::new());
                self.server.change(|all| all.get_mut(name).unwrap().arrive(flags));
            }
            "CLOSE" | "UNSELECT" => {
                let Some(view) = self.view.take() else { return Some("BAD none".into()) };
                if verb == "CLOSE" && !view.read_only {
                    self.server.done(tag, Vec::new());
                    self.server.change(|all| {
                        if let Some(mailbox) = all.get_mut(&view.name) {
                            mailbox.expunge_deleted(|uid| {
                                view.messages.iter().any(|message| message.uid == uid)
                            });
                        }
                    });
                }
                return Some(ok());
            }
            "UID" => {
                let (verb, arguments) = arguments.split_once(' ').unwrap_or_default();
                return Some(self.selected(tag, &verb.to_ascii_uppercase(), arguments, true));
            }
            _ => return Some(self.selected(tag, verb, arguments, false)),
        }
        // At the end of these, anything may be told (RFC 9051 §7.5.1).
        self.look(Renumber::May);
        Some(ok())
    }

    async fn idle(&mut self) -> Option<()> {
        let mut news = self.server.news();
        self.out.push_str("+ idling\r\n");
        loop {
            self.look(Renumber::May);
            self.obey_kick();
            self.flush().await?;
            if self.closed {
                return None;
            }
            tokio::select! {
                biased;
                line = self.lines.line() => {
                    let line = line?;
                    self.server.trace.note(&format!("    [{}] >", self.number), &line);
                    if !line.eq_ignore_ascii_case("DONE") {
                        self.server.complain(format!("in IDLE came {line:?}"));
                    }
                    return Some(());
                }
                _ = news.changed() => {}
            }
        }
    }

    fn select(&mut self, verb: &str, arguments: &str) -> String {
        self.view = None;
        let (name, parameters) = arguments.split_once(" (").unwrap_or((arguments, ""));
        let name = unquoted(name);
        self.condstore |= parameters.contains("CONDSTORE");
        let Some(mailbox) = self.mailbox(name) else { return "NO [NONEXISTENT] none".into() };
        let Mailbox { uid_validity, uid_next, modseq, ref messages, read_only } = mailbox;
        let modseq = match self.server.kind.modseq {
            true => format!("HIGHESTMODSEQ {modseq}"),
            false => "NOMODSEQ".into(),
        };
        let count = messages.len();
        write!(
            self.out,
            "* FLAGS (\\Seen \\Flagged \\Answered \\Deleted)\r\n* {count} EXISTS\r\n* 0 RECENT\r\n\
             * OK [UIDVALIDITY {uid_validity}] valid\r\n* OK [UIDNEXT {uid_next}] next\r\n\
             * OK [{modseq}]\r\n"
        )
        .unwrap();
        let read_only = read_only || verb == "EXAMINE";
        let messages = mailbox.messages;
        self.view = Some(View { name: name.to_owned(), read_only, uid_validity, messages });
        format!("OK [READ-{}] selected", if read_only { "ONLY" } else { "WRITE" })
    }

    /// Commands for a mailbox that is selected.
    fn selected(&mut self, tag: &str, verb: &str, arguments: &str, by_uid: bool) -> String {
        if self.view.is_none() {
            return "BAD no mailbox is selected".into();
        }
        let renumber = if by_uid { Renumber::May } else { Renumber::MayNot };
        let answer = match verb {
            "FETCH" => self.fetch(arguments, by_uid),
            "STORE" => self.store(tag, arguments, by_uid),
            "SEARCH" => self.search(tag, arguments, by_uid, renumber),
            "EXPUNGE" => {
                self.expunge(tag, by_uid.then_some(arguments));
                self.look(Renumber::May);
                return "OK done".into();
            }
            _ => {
                self.server.complain(format!("{verb} is not known"));
                return "BAD not known".into();
            }
        };
        self.look(renumber);
        answer.unwrap_or_else(|why| {
            self.server.complain(format!("{verb} {arguments}: {why}"));
            format!("BAD {why}")
        })
    }

    /// The places of the messages that a set names, by number or UID.
    fn places(&self, set: &str, by_uid: bool) -> Result<Vec<usize>, String> {
        let messages = &self.view.as_ref().unwrap().messages;
        let uids: Vec<u32> = messages.iter().map(|message| message.uid).collect();
        if by_uid {
            let named = within(set, &uids, uids.last().copied().unwrap_or(0));
            return Ok((0..uids.len()).filter(|at| named.contains(&uids[*at])).collect());
        }
        let last = u32::try_from(uids.len()).unwrap();
        let ranges = super::mailbox::numbers(set, last);
        match ranges.iter().all(|range| *range.start() >= 1 && *range.end() <= last) {
            true => Ok(ranges
                .into_iter()
                .flat_map(|range| range.map(|number| number as usize - 1))
                .collect()),
            false => Err(format!("there are only {last} messages")),
        }
    }

    fn fetch(&mut self, arguments: &str, by_uid: bool) -> Result<String, String> {
        let (set, items) = arguments.split_once(' ').ok_or("no items")?;
        let since = items.split_once("CHANGEDSINCE ").map(|(_, since)| since);
        let since: Option<u64> = since.and_then(|since| since.trim_end_matches(')').parse().ok());
        if (since.is_some() || items.contains("MODSEQ")) && !self.server.kind.modseq {
            return Err("CONDSTORE is not known".into());
        }
        self.condstore |= since.is_some() || items.contains("MODSEQ");
        for at in self.places(set, by_uid)? {
            let view = self.view.as_ref().unwrap();
            let message = view.messages[at];
            if since.is_some_and(|since| message.modseq <= since) {
                continue;
            }
            let mut told = Vec::new();
            if by_uid || items.contains("UID") {
                told.push(format!("UID {}", message.uid));
            }
            if items.contains("FLAGS") {
                told.push(format!("FLAGS ({})", message.flags));
            }
            if self.condstore {
                told.push(format!("MODSEQ ({})", message.modseq));
            }
            if items.contains("BODY.PEEK[]") {
                let body = body(message.uid);
                told.push(format!("BODY[] {{{}}}\r\n{body}", body.len()));
            }
            write!(self.out, "* {} FETCH ({})\r\n", at + 1, told.join(" ")).unwrap();
        }
        Ok("OK done".into())
    }

    fn store(&mut self, tag: &str, arguments: &str, by_uid: bool) -> Result<String, String> {
        let (set, what) = arguments.split_once(' ').ok_or("no flags")?;
        let flags = Flags::parse(within_brackets(what).ok_or("no brackets")?).0;
        let places = self.places(set, by_uid)?;
        let view = self.view.as_ref().unwrap();
        if view.read_only {
            return Ok("NO [READ-ONLY] not here".into());
        }
        let uids: Vec<u32> = places.iter().map(|at| view.messages[*at].uid).collect();
        self.server.done(tag, uids.clone());
        let name = view.name.clone();
        let mut now = Vec::new();
        self.server.change(|all| {
            let Some(mailbox) = all.get_mut(&name) else { return };
            for uid in uids {
                let had = mailbox.messages.iter().find(|message| message.uid == uid).copied();
                let has = mailbox.set_flags(uid, |has| match what.as_bytes()[0] {
                    b'+' => Flags(has.0 | flags),
                    b'-' => Flags(has.0 & !flags),
                    _ => Flags(flags),
                });
                now.push((had, has));
            }
        });
        for (at, (had, has)) in places.into_iter().zip(now) {
            let (Some(had), Some(has)) = (had, has) else { continue };
            let told = self.view.as_ref().unwrap().messages[at];
            // What somebody else has changed meanwhile is told, silent or not.
            if what.contains(".SILENT") && had.modseq <= told.modseq && !self.condstore {
                self.view.as_mut().unwrap().messages[at] = has;
            } else {
                self.tell_flags(at, has);
            }
        }
        Ok("OK done".into())
    }

    fn search(
        &mut self,
        tag: &str,
        arguments: &str,
        by_uid: bool,
        renumber: Renumber,
    ) -> Result<String, String> {
        let returns = arguments.contains("RETURN (ALL)");
        if returns && !self.server.kind.esearch {
            return Err("ESEARCH is not known".into());
        }
        if self.server.kind.search_looks_first {
            self.look(renumber);
        }
        let found = match arguments.rsplit_once("UID ") {
            Some((_, set)) => self.places(set, true)?,
            None => (0..self.view.as_ref().unwrap().messages.len()).collect(),
        };
        let name = |at: &usize| match by_uid {
            true => self.view.as_ref().unwrap().messages[*at].uid,
            false => u32::try_from(at + 1).unwrap(),
        };
        let names: Vec<u32> = found.iter().map(name).collect();
        if returns {
            let uid = if by_uid { " UID" } else { "" };
            let all =
                if names.is_empty() { String::new() } else { format!(" ALL {}", runs(&names)) };
            write!(self.out, "* ESEARCH (TAG \"{tag}\"){uid}{all}\r\n").unwrap();
        } else {
            let names: String = names.iter().map(|name| format!(" {name}")).collect();
            write!(self.out, "* SEARCH{names}\r\n").unwrap();
        }
        Ok("OK done".into())
    }

    fn expunge(&mut self, tag: &str, set: Option<&str>) {
        let view = self.view.as_ref().unwrap();
        if view.read_only {
            return;
        }
        let of: Vec<u32> = view.messages.iter().map(|message| message.uid).collect();
        let set = within(set.unwrap_or("1:*"), &of, of.last().copied().unwrap_or(0));
        let name = view.name.clone();
        self.server.done(tag, Vec::new());
        self.server.change(|all| {
            if let Some(mailbox) = all.get_mut(&name) {
                mailbox.expunge_deleted(|uid| set.contains(&uid));
            }
        });
    }

    /// Brings the view up to date, as far as is allowed now, and tells it.
    fn look(&mut self, renumber: Renumber) {
        let Some(view) = &self.view else { return };
        let now = self.mailbox(&view.name);
        let Some(now) = now.filter(|now| now.uid_validity == view.uid_validity) else {
            if !self.closed {
                self.closed = true;
                self.out.push_str("* BYE The mailbox is gone\r\n");
            }
            return;
        };
        let view = self.view.as_mut().unwrap();
        let kind = self.server.kind;
        let is_there = |uid: u32| now.messages.binary_search_by_key(&uid, |is| is.uid).is_ok();
        let gone: Vec<usize> = match renumber {
            Renumber::May => {
                (0..view.messages.len()).filter(|at| !is_there(view.messages[*at].uid)).collect()
            }
            Renumber::MayNot => Vec::new(),
        };
        let last = view.messages.last().map_or(0, |message| message.uid);
        let new = now.messages.iter().filter(|message| message.uid > last).copied();
        let old = view.messages.len();
        view.messages.extend(new);
        let mut exists = String::new();
        if view.messages.len() > old {
            let gone = if kind.exists_first { 0 } else { gone.len() };
            exists = format!("* {} EXISTS\r\n", view.messages.len() - gone);
        }
        if kind.exists_first {
            self.out.push_str(&std::mem::take(&mut exists));
        }
        for (before, at) in gone.iter().enumerate() {
            let at = if kind.expunges_down { gone[gone.len() - 1 - before] } else { at - before };
            let message = view.messages.remove(at);
            match self.qresync {
                true => write!(self.out, "* VANISHED {}\r\n", message.uid).unwrap(),
                false => write!(self.out, "* {} EXPUNGE\r\n", at + 1).unwrap(),
            }
        }
        self.out.push_str(&exists);
        for at in 0..self.view.as_ref().unwrap().messages.len() {
            let told = self.view.as_ref().unwrap().messages[at];
            let is = now.messages.binary_search_by_key(&told.uid, |is| is.uid);
            if let Ok(is) = is.map(|is| now.messages[is])
                && is.modseq > told.modseq
            {
                self.tell_flags(at, is);
            }
        }
    }

    fn tell_flags(&mut self, at: usize, message: Message) {
        let uid = if self.qresync { format!("UID {} ", message.uid) } else { String::new() };
        let modseq = match self.condstore {
            true => format!(" MODSEQ ({})", message.modseq),
            false => String::new(),
        };
        let flags = message.flags;
        write!(self.out, "* {} FETCH ({uid}FLAGS ({flags}){modseq})\r\n", at + 1).unwrap();
        self.view.as_mut().unwrap().messages[at] = message;
    }

    /// A mailbox as this connection sees it.
    fn mailbox(&self, name: &str) -> Option<Mailbox> {
        match &self.replica {
            Some((until, mailboxes)) if Instant::now() < *until => mailboxes.get(name).cloned(),
            _ => self.server.mailbox(name),
        }
    }
}

/// Numbers as a sequence set.
pub(super) fn runs(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|one, next| *next == one + 1);
    let text = |run: &[u32]| match run {
        [one] => one.to_string(),
        run => format!("{}:{}", run[0], run[run.len() - 1]),
    };
    runs.map(text).collect::<Vec<_>>().join(",")
}

fn unquoted(name: &str) -> &str {
    name.trim_matches('"')
}

fn within_brackets(text: &str) -> Option<&str> {
    let (_, behind) = text.split_once('(')?;
    behind.split_once(')').map(|(within, _)| within)
}
