//! A mail client that believes what it is told, and fails on what no server may tell.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout_at};

use super::mailbox::{Flags, body, numbers};
use super::mirror::Mirror;
use super::model::Server;

/// No answer takes longer than the longest outage is waited out.
const PATIENCE: Duration = Duration::from_secs(600);

pub(in crate::proxy) struct Client {
    stream: DuplexStream,
    buffer: Vec<u8>,
    /// The model, asked which messages a command has changed.
    server: Arc<Server>,
    /// What its tags begin with.
    pub(in crate::proxy) name: String,
    tags: u32,
    sent: VecDeque<Sent>,
    continuation: bool,
    /// The selected mailbox.
    pub(in crate::proxy) mailbox: Option<(String, Mirror)>,
    pub(in crate::proxy) condstore: bool,
    pub(in crate::proxy) over: Option<Over>,
    /// Its LOGOUT was answered by BYE.
    leaving: bool,
    pub(in crate::proxy) answered: usize,
}

/// How its session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::proxy) enum Over {
    Bye(String),
    /// In the middle of a response.
    Cut,
    /// As it wished.
    LoggedOut,
}

/// A command that awaits its answer.
struct Sent {
    tag: String,
    /// Its verb, with `UID` before it.
    verb: String,
    mailbox: Option<String>,
    /// Numbers of messages whose data must come before it is answered.
    awaited: BTreeSet<usize>,
    asks_uid: bool,
    /// So many of the messages must have UIDs once it is answered.
    told_uids: usize,
    /// What the client means by the numbers it has sent.
    means: Option<Vec<u32>>,
    /// Sequence set of a STORE that isn't answered with what it has changed.
    silent: Option<String>,
    searched: bool,
}

impl Client {
    pub(in crate::proxy) fn new(stream: DuplexStream, server: Arc<Server>) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            server,
            name: "a".into(),
            tags: 0,
            sent: VecDeque::new(),
            continuation: false,
            mailbox: None,
            condstore: false,
            over: None,
            leaving: false,
            answered: 0,
        }
    }

    pub(in crate::proxy) fn count(&self) -> usize {
        self.mailbox.as_ref().map_or(0, |(_, mirror)| mirror.0.len())
    }

    pub(in crate::proxy) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    pub(in crate::proxy) fn is_idling(&self) -> bool {
        self.sent.front().is_some_and(|sent| sent.verb == "IDLE")
    }

    /// Sends a command with a tag before it; `DONE` as it is.
    pub(in crate::proxy) async fn say(&mut self, command: &str) -> Result<(), String> {
        if self.is_over() {
            return Ok(());
        }
        self.write(&self.line(command)).await?;
        self.begun(command);
        Ok(())
    }

    /// Sends several at once.
    pub(in crate::proxy) async fn say_all(&mut self, commands: &[&str]) -> Result<(), String> {
        if self.is_over() {
            return Ok(());
        }
        let mut lines = String::new();
        for command in commands {
            lines.push_str(&self.line(command));
            self.begun(command);
        }
        self.write(&lines).await
    }

    fn line(&self, command: &str) -> String {
        match command {
            "DONE" => "DONE\r\n".to_owned(),
            _ => format!("{}{} {command}\r\n", self.name, self.tags + 1),
        }
    }

    /// The tag of the next command.
    pub(in crate::proxy) fn next_tag(&self) -> String {
        format!("{}{}", self.name, self.tags + 1)
    }

    /// Takes note of a command that goes out.
    pub(in crate::proxy) fn begun(&mut self, command: &str) {
        if command == "DONE" {
            return;
        }
        self.tags += 1;
        let mut words = command.split(' ');
        let mut verb = words.next().unwrap().to_ascii_uppercase();
        if verb == "UID" {
            verb.push(' ');
            verb.push_str(&words.next().unwrap().to_ascii_uppercase());
        }
        let set = words.next().unwrap_or_default();
        let upper = command.to_ascii_uppercase();
        self.condstore |=
            ["CONDSTORE", "QRESYNC", "MODSEQ", "CHANGEDSINCE"].iter().any(|on| upper.contains(on));
        let mut sent = Sent {
            tag: format!("{}{}", self.name, self.tags),
            mailbox: None,
            awaited: BTreeSet::new(),
            asks_uid: upper.contains("UID"),
            told_uids: 0,
            means: None,
            silent: upper.contains(".SILENT").then(|| set.to_owned()),
            searched: false,
            verb,
        };
        match sent.verb.as_str() {
            "SELECT" | "EXAMINE" => {
                let name = set.rsplit("\r\n").next().unwrap_or(set);
                sent.mailbox = Some(name.trim_matches('"').to_owned());
            }
            "FETCH" | "STORE" => {
                let last = u32::try_from(self.count()).unwrap();
                let named = numbers(set, last).into_iter().flatten().map(|number| number as usize);
                let named: BTreeSet<usize> = named.collect();
                let (_, mirror) = self.mailbox.as_ref().unwrap();
                if sent.verb == "STORE" {
                    sent.means = named.iter().map(|number| mirror.0[number - 1].uid).collect();
                } else {
                    sent.awaited = named;
                }
            }
            "UID FETCH" if set == "1:*" => sent.told_uids = self.count(),
            _ => {}
        }
        self.sent.push_back(sent);
    }

    /// Sends the beginning of a command.
    pub(in crate::proxy) async fn write_tag(&mut self, beginning: &str) -> Result<(), String> {
        self.write(&format!("{} {beginning}", self.next_tag())).await
    }

    /// Sends bytes as they are.
    pub(in crate::proxy) async fn write(&mut self, bytes: &str) -> Result<(), String> {
        self.server.trace.note("C:", bytes);
        // A session that is over is seen when it is read.
        let _ = self.stream.write_all(bytes.as_bytes()).await;
        Ok(())
    }

    /// Reads until all but an open IDLE is answered.
    pub(in crate::proxy) async fn settle(&mut self) -> Result<(), String> {
        self.read_until(|client| client.sent.is_empty()).await
    }

    /// Reads until the server wants the rest of a command, or has answered it.
    pub(in crate::proxy) async fn await_leave(&mut self) -> Result<bool, String> {
        let Some(tag) = self.sent.back().map(|sent| sent.tag.clone()) else { return Ok(false) };
        self.read_until(|client| {
            client.continuation || client.sent.back().is_none_or(|sent| sent.tag != tag)
        })
        .await?;
        Ok(std::mem::take(&mut self.continuation))
    }

    async fn read_until(&mut self, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) && !self.is_over() {
            if !self.read(deadline).await? {
                let tags: Vec<_> = self.sent.iter().map(|sent| sent.tag.clone()).collect();
                return Err(format!("{tags:?} had no answer"));
            }
        }
        Ok(())
    }

    /// Reads for so long.
    pub(in crate::proxy) async fn listen(&mut self, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        while !self.is_over() && self.read(until).await? {}
        Ok(())
    }

    /// Reads some responses; false once it is time.
    async fn read(&mut self, until: Instant) -> Result<bool, String> {
        let mut bytes = [0; 4096];
        let Ok(read) = timeout_at(until, self.stream.read(&mut bytes)).await else {
            return Ok(false);
        };
        match read.unwrap_or(0) {
            0 => self.ended()?,
            length => self.buffer.extend_from_slice(&bytes[..length]),
        }
        while let Some((response, literal)) = self.response() {
            if let Some(Over::Bye(_)) = self.over {
                return Err(format!("after BYE came {response:?}"));
            }
            self.server.trace.note("S:", &response);
            let told = self.told(&response, &literal);
            told.map_err(|why| format!("{why} ({response})"))?;
        }
        Ok(true)
    }

    fn ended(&mut self) -> Result<(), String> {
        self.server.trace.note("S:", "(closed)");
        if self.leaving {
            self.over = Some(Over::LoggedOut);
        }
        if self.over.is_none() {
            if self.buffer.is_empty() {
                return Err("closed without a word".into());
            }
            self.over = Some(Over::Cut);
        }
        Ok(())
    }

    /// Takes a whole response from the front of the buffer, and its last literal's text apart.
    fn response(&mut self) -> Option<(String, Vec<u8>)> {
        let (mut at, mut text, mut literal) = (0, String::new(), 0..0);
        loop {
            let end = at + self.buffer[at..].iter().position(|byte| *byte == b'\n')?;
            let line = String::from_utf8_lossy(&self.buffer[at..end]).trim_end().to_owned();
            at = end + 1;
            text.push_str(&line);
            let size = line.strip_suffix('}').and_then(|line| line.rsplit_once('{'));
            match size.and_then(|(_, size)| size.parse::<usize>().ok()) {
                Some(size) if line.contains(" FETCH (") => {
                    literal = at..at + size;
                    at += size;
                    if at > self.buffer.len() {
                        return None;
                    }
                }
                _ => break,
            }
        }
        let literal = self.buffer[literal].to_vec();
        self.buffer.drain(..at);
        Some((text, literal))
    }

    fn told(&mut self, response: &str, literal: &[u8]) -> Result<(), String> {
        if response.starts_with('+') {
            self.continuation = true;
            return Ok(());
        }
        let (first, rest) = response.split_once(' ').ok_or("this is no response")?;
        if first != "*" {
            return self.answered(first, rest);
        }
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        if let Ok(number) = word.parse::<usize>() {
            return self.told_of_message(number, rest, literal);
        }
        match word {
            "BYE" => {
                let by_wish = self.sent.iter().any(|sent| sent.verb == "LOGOUT");
                // Its own LOGOUT is answered with this.
                self.leaving |= by_wish;
                if !by_wish {
                    self.over = Some(Over::Bye(rest.to_owned()));
                }
            }
            "FLAGS" => {
                let sent = self.sent.iter().find(|sent| sent.mailbox.is_some());
                let name =
                    sent.and_then(|sent| sent.mailbox.clone()).ok_or("nothing is selected")?;
                self.mailbox = Some((name, Mirror::default()));
            }
            "VANISHED" => {
                self.may_renumber()?;
                let (_, mirror) = self.mailbox.as_mut().ok_or("nothing is selected")?;
                let uids = numbers(rest, 0).into_iter().flatten();
                let gone: Vec<usize> = uids.filter_map(|uid| mirror.vanished(uid)).collect();
                gone.into_iter().for_each(|number| self.renumbered(number));
            }
            "SEARCH" | "ESEARCH" => self.found(word, rest)?,
            "OK" if rest.starts_with("[UIDVALIDITY ") => {
                let value = rest["[UIDVALIDITY ".len()..].split(']').next();
                let (_, mirror) = self.mailbox.as_mut().ok_or("nothing is selected")?;
                mirror.1 = value.and_then(|value| value.parse().ok());
            }
            "OK" | "NO" | "CAPABILITY" | "ID" | "LIST" | "ENABLED" | "STATUS" => {}
            _ => return Err("this is no response".into()),
        }
        Ok(())
    }

    fn told_of_message(&mut self, number: usize, what: &str, literal: &[u8]) -> Result<(), String> {
        if what == "EXPUNGE" {
            self.may_renumber()?;
        }
        let Some((_, mirror)) = &mut self.mailbox else {
            return Err("nothing is selected".into());
        };
        match what {
            "EXISTS" => return mirror.exists(number),
            "RECENT" => return Ok(()),
            "EXPUNGE" => {
                mirror.expunge(number)?;
                self.renumbered(number);
                return Ok(());
            }
            _ => {}
        }
        let items = what.strip_prefix("FETCH ").ok_or("this is no response")?;
        if items.contains("MODSEQ (") && !self.condstore {
            return Err("MODSEQ was never asked for".into());
        }
        let uid = items.split_once("UID ").map(|(_, behind)| behind);
        let uid = uid.map(|uid| uid.split([' ', ')']).next().unwrap().parse().unwrap());
        let flags = items.split_once("FLAGS (").and_then(|(_, behind)| behind.split_once(')'));
        mirror.fetched(number, uid, flags.map(|(flags, _)| Flags::parse(flags)))?;
        if let Some(uid) = uid
            && items.contains("BODY[] {")
            && literal != body(uid).as_bytes()
        {
            return Err(format!("the text is not that of UID {uid}"));
        }
        // Without a UID it may be news and no answer to whoever asks for one.
        for sent in self.sent.iter_mut().filter(|sent| uid.is_some() || !sent.asks_uid) {
            sent.awaited.remove(&number);
        }
        Ok(())
    }

    fn renumbered(&mut self, gone: usize) {
        for sent in &mut self.sent {
            sent.told_uids -= usize::from(gone <= sent.told_uids);
        }
    }

    /// EXPUNGE may come only while a command is under way, and none that counts messages (RFC 9051
    /// §7.5.1).
    fn may_renumber(&self) -> Result<(), String> {
        match self.sent.front().map(|sent| sent.verb.as_str()) {
            None => Err("no command is under way".into()),
            Some(verb @ ("FETCH" | "STORE" | "SEARCH")) => Err(format!("{verb} is under way")),
            Some(_) => Ok(()),
        }
    }

    fn found(&mut self, word: &str, rest: &str) -> Result<(), String> {
        let Some((_, mirror)) = &mut self.mailbox else {
            return Err("nothing is selected".into());
        };
        let is_search = |sent: &&mut Sent| sent.verb.ends_with("SEARCH") && !sent.searched;
        let sent = self.sent.iter_mut().find(is_search).ok_or("no search is under way")?;
        let mut set = rest.replace(' ', ",");
        if word == "ESEARCH" {
            if !rest.starts_with(&format!("(TAG \"{}\")", sent.tag)) {
                return Err("the search is another's".into());
            }
            set = rest.split_once("ALL ").map(|(_, set)| set.to_owned()).unwrap_or_default();
        }
        sent.searched = true;
        let of = if set.is_empty() { Vec::new() } else { numbers(&set, 0) };
        let found: Vec<u32> = of.into_iter().flatten().collect();
        if found.len() != mirror.0.len() {
            return Err(format!("the search found not all of {}", mirror.0.len()));
        }
        if sent.verb.starts_with("UID") {
            for (number, uid) in (1..).zip(found) {
                mirror.fetched(number, Some(uid), None)?;
            }
        } else if !(1..).zip(&found).all(|(number, found)| number == *found) {
            return Err("the numbers are wrong".into());
        }
        Ok(())
    }

    fn answered(&mut self, tag: &str, rest: &str) -> Result<(), String> {
        let at = self.sent.iter().position(|sent| sent.tag == tag);
        let sent = at.and_then(|at| self.sent.remove(at)).ok_or("nobody asked")?;
        self.answered += 1;
        let is_ok = rest.starts_with("OK");
        if rest.starts_with("BAD") {
            return Err("the client is right".into());
        }
        if sent.mailbox.is_some() && !is_ok {
            self.mailbox = None;
        }
        match sent.verb.as_str() {
            "CLOSE" | "UNSELECT" if is_ok => self.mailbox = None,
            "LOGOUT" => self.over = Some(Over::LoggedOut),
            _ => {}
        }
        if !is_ok {
            return Ok(());
        }
        if !sent.awaited.is_empty() {
            return Err(format!("{:?} were not told", sent.awaited));
        }
        if sent.verb.ends_with("SEARCH") && !sent.searched {
            return Err("the search has no answer".into());
        }
        if let Some((_, mirror)) = &self.mailbox
            && mirror.0.iter().take(sent.told_uids).any(|known| known.uid.is_none())
        {
            return Err("not all UIDs were told".into());
        }
        if let (Some(set), Some((_, mirror))) = (&sent.silent, &mut self.mailbox) {
            mirror.forget_flags(set, sent.verb.starts_with("UID"));
        }
        let changes = ["STORE", "UID STORE", "APPEND", "EXPUNGE", "UID EXPUNGE"];
        if changes.contains(&sent.verb.as_str()) {
            let changed = self.server.changed_by(tag);
            match (&sent.means, changed) {
                (Some(means), Some(changed)) if *means != changed => {
                    return Err(format!("{changed:?} were changed and not {means:?}"));
                }
                (_, None) if !sent.verb.ends_with("EXPUNGE") => {
                    return Err("it was not done".into());
                }
                _ => {}
            }
        }
        Ok(())
    }
}
