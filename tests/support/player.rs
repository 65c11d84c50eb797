//! What plays a scene: a machine under test, driven as the proxy drives it.

use gatepost::protocol::intruder::Intruder;
use gatepost::protocol::sasl::Credentials;
use gatepost::protocol::smtp::Extensions;
use gatepost::protocol::{Dialogue, imap, smtp};

use crate::relay::Relay;
use crate::transcript::{Heard, Kind, Settings, Side};

pub(crate) trait Player {
    /// Gives it one piece of what a side says.
    fn hear(&mut self, speaker: Side, piece: &[u8]);
    /// What came out since the last call.
    fn heard(&mut self) -> Heard;
    /// In what state the dialogue is, in the words of an `IS:` line.
    fn state(&self) -> String;
    /// What is still held back and shouldn't be at the end of a scene.
    fn leftovers(&self) -> Option<String>;
}

pub(crate) fn player(settings: &Settings) -> Box<dyn Player> {
    match settings.kind {
        Kind::ImapSignOn => Box::new(ImapSignOn::new(settings)),
        Kind::SmtpSignOn => Box::new(SmtpSignOn::new(settings)),
        Kind::ImapRelay => Box::new(Relay::new(imap::Dialogue::of(settings.line_ends))),
        Kind::SmtpRelay => {
            let dialogue = smtp::Dialogue::new(settings.bare_newlines);
            Box::new(Relay::new(dialogue.with_line_ends(settings.line_ends)))
        }
    }
}

impl<D: Dialogue> Player for Relay<D> {
    fn hear(&mut self, speaker: Side, piece: &[u8]) {
        match speaker {
            Side::Client => self.client_sent(piece),
            Side::Server => self.server_sent(piece),
        }
    }

    fn heard(&mut self) -> Heard {
        Heard {
            by_client: std::mem::take(&mut self.to_client),
            by_server: std::mem::take(&mut self.to_server),
            asked: Vec::new(),
            end: self.stopped.map(|violation| violation.to_string()),
        }
    }

    fn state(&self) -> String {
        let quiet = self.dialogue.is_quiet();
        let state = match (quiet, self.dialogue.awaits_answer()) {
            (true, false) => "quiet",
            (false, true) => "awaiting an answer",
            (false, false) => "in the middle",
            (true, true) => "quiet and awaiting an answer, which is a contradiction",
        };
        match self.dialogue.server_farewell() {
            // Kept back, until it is known that the session can't go on.
            Some(words) if self.dialogue.farewell("").is_some() => {
                format!("{state}, farewell to tell: {}", words.text)
            }
            Some(words) => format!("{state}, farewell: {}", words.text),
            None => state.to_owned(),
        }
    }

    fn leftovers(&self) -> Option<String> {
        match self.held() {
            (0, 0, 0) => None,
            _ if self.stopped.is_some() => None,
            (client, server, answers) => Some(format!(
                "held back: {client} bytes of the client's, {server} of the server's, \
                 {answers} of the proxy's own"
            )),
        }
    }
}

fn is_right(credentials: &Credentials, settings: &Settings, heard: &mut Heard) -> bool {
    let password = credentials.password.expose();
    let shown = match password.get(..4) {
        Some(start) if password.len() > 40 => format!("{start}…"),
        _ => password.to_owned(),
    };
    heard.asked.push(format!("{} | {shown}", credentials.user));
    credentials.user.eq_ignore_ascii_case("you@gmail.com") && password == settings.password
}

fn closed(why: Option<String>) -> Option<String> {
    Some(why.map_or_else(|| "closed".into(), |why| format!("closed: {why}")))
}

fn intruder(intruder: Intruder) -> Option<String> {
    Some(format!("intruder: {intruder:?}"))
}

/// What is under TLS is another connection to a sign-on.
const TLS_BEGINS: &str = "TLS begins";

struct ImapSignOn {
    settings: Settings,
    /// `None` once it was let in.
    machine: Option<imap::SignOn>,
    heard: Heard,
}

impl ImapSignOn {
    fn new(settings: &Settings) -> Self {
        let machine = imap::SignOn::new(&settings.capabilities, settings.start_tls);
        let by_client = machine.greeting();
        Self {
            settings: settings.clone(),
            machine: Some(machine),
            heard: Heard { by_client, ..Heard::default() },
        }
    }
}

impl Player for ImapSignOn {
    fn hear(&mut self, _: Side, piece: &[u8]) {
        let heard = &mut self.heard;
        let Some(machine) = &mut self.machine else {
            // The relay has the connection now.
            heard.by_server.extend_from_slice(piece);
            return;
        };
        if heard.end.is_some() {
            return;
        }
        machine.receive(piece);
        while let Some(event) = machine.next_event() {
            match event {
                imap::Event::Reply(reply) => heard.by_client.extend(reply),
                imap::Event::Close { reply, why } => {
                    heard.by_client.extend(reply);
                    heard.end = closed(why);
                    return;
                }
                imap::Event::Intruder(who) => {
                    heard.end = intruder(who);
                    return;
                }
                imap::Event::StartTls { reply } => {
                    heard.by_client.extend(reply);
                    heard.end = Some(TLS_BEGINS.into());
                    return;
                }
                imap::Event::Credentials(credentials) => {
                    if !is_right(&credentials, &self.settings, heard) {
                        heard.by_client.extend(machine.refuse());
                        continue;
                    }
                    let accepted = self.machine.take().and_then(imap::SignOn::accept);
                    let accepted = accepted.expect("credentials were asked for");
                    heard.by_client.extend(accepted.tag);
                    heard.by_client.extend(b" OK Signed on\r\n");
                    heard.by_server.extend(accepted.rest);
                    heard.end = Some("signed on".into());
                    return;
                }
            }
        }
    }

    fn heard(&mut self) -> Heard {
        let end = self.heard.end.clone();
        let heard = std::mem::take(&mut self.heard);
        self.heard.end = end;
        heard
    }

    fn state(&self) -> String {
        "a sign-on has no state to tell".into()
    }

    fn leftovers(&self) -> Option<String> {
        None
    }
}

struct SmtpSignOn {
    settings: Settings,
    machine: Option<smtp::SignOn>,
    heard: Heard,
}

impl SmtpSignOn {
    fn new(settings: &Settings) -> Self {
        let machine = smtp::SignOn::new(settings.start_tls);
        let by_client = machine.greeting();
        Self {
            settings: settings.clone(),
            machine: Some(machine),
            heard: Heard { by_client, ..Heard::default() },
        }
    }
}

impl Player for SmtpSignOn {
    fn hear(&mut self, _: Side, piece: &[u8]) {
        let heard = &mut self.heard;
        let Some(machine) = &mut self.machine else {
            heard.by_server.extend_from_slice(piece);
            return;
        };
        if heard.end.is_some() {
            return;
        }
        machine.receive(piece);
        while let Some(event) = machine.next_event() {
            match event {
                smtp::Event::Reply(reply) => heard.by_client.extend(reply),
                smtp::Event::Hello => {
                    let extensions = Extensions::new(self.settings.extensions.clone());
                    heard.by_client.extend(machine.greet(&extensions));
                }
                smtp::Event::Close { reply, why } => {
                    heard.by_client.extend(reply);
                    heard.end = closed(why);
                    return;
                }
                smtp::Event::Intruder(who) => {
                    heard.end = intruder(who);
                    return;
                }
                smtp::Event::StartTls { reply } => {
                    heard.by_client.extend(reply);
                    heard.end = Some(TLS_BEGINS.into());
                    return;
                }
                smtp::Event::Credentials(credentials) => {
                    if !is_right(&credentials, &self.settings, heard) {
                        heard.by_client.extend(machine.refuse());
                        continue;
                    }
                    if let Some(machine) = self.machine.take() {
                        let (reply, rest) = machine.accept();
                        heard.by_client.extend_from_slice(reply);
                        heard.by_server.extend(rest);
                    }
                    heard.end = Some("signed on".into());
                    return;
                }
            }
        }
    }

    fn heard(&mut self) -> Heard {
        let end = self.heard.end.clone();
        let heard = std::mem::take(&mut self.heard);
        self.heard.end = end;
        heard
    }

    fn state(&self) -> String {
        "a sign-on has no state to tell".into()
    }

    fn leftovers(&self) -> Option<String> {
        None
    }
}
