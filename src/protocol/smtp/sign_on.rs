//! The sign-on that Gatepost speaks with an SMTP client, from the greeting to a user name and a
//! password.

use super::command::{self, Command};
use super::extensions::{Extensions, ehlo_reply};
use crate::protocol::intruder::Intruder;
use crate::protocol::line::{self, Inbox, LineEnds};
use crate::protocol::sasl::{Credentials, Exchange, Mechanism, Progress, SaslError};
use crate::protocol::start_tls::{NOTHING_BEHIND, StartTls};

/// RFC 4954 §4: a line of AUTH may have 12,288 bytes.
const MAX_LINE: usize = 12_288;
/// See the IMAP side: what can't be understood, before the connection is closed.
const MAX_BAD_COMMANDS: u32 = 20;
/// Commands of any kind before sign-on.
const MAX_COMMANDS: u32 = 1000;

/// What the driver of a [`SignOn`] must do next.
#[must_use = "an event that is dropped leaves the client without an answer"]
#[derive(Debug)]
pub enum Event {
    /// Send this.
    Reply(Vec<u8>),
    /// Find out the provider's service extensions, then send what [`SignOn::greet`] makes of them.
    Hello,
    /// Check these, then call [`SignOn::accept`] or [`SignOn::refuse`].
    Credentials(Credentials),
    /// Send this and close.
    Close {
        /// The last words.
        reply: Vec<u8>,
        /// Why, for the log; `None` where the client itself said QUIT.
        why: Option<String>,
    },
    /// Close without a word: nobody here would understand it.
    Intruder(Intruder),
    /// Send this, then begin TLS; a new [`SignOn`] without a greeting goes on under it.
    StartTls {
        /// The answer.
        reply: Vec<u8>,
    },
}

/// The state of one connection before it has signed on.
pub struct SignOn {
    inbox: Inbox,
    state: State,
    start_tls: StartTls,
    client_name: Option<String>,
    commands: u32,
    bad_commands: u32,
    line_ends: LineEnds,
}

enum State {
    Commands,
    /// The client owes a SASL response.
    Sasl(Exchange),
    /// The driver owes an answer to an EHLO, or a verdict on credentials.
    Waiting,
    Over,
}

impl SignOn {
    /// A new connection.
    pub fn new(start_tls: StartTls) -> Self {
        Self {
            inbox: Inbox::default(),
            state: State::Commands,
            start_tls,
            client_name: None,
            commands: 0,
            bad_commands: 0,
            line_ends: LineEnds::Crlf,
        }
    }

    /// The first line that a client sees.
    pub fn greeting(&self) -> Vec<u8> {
        b"220 localhost ESMTP Gatepost\r\n".to_vec()
    }

    /// Takes in what the client sent; then call [`next_event`](Self::next_event) until it gives nothing.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.inbox.push(bytes);
    }

    /// The name in the client's EHLO or HELO, if it is one that may be sent on.
    pub fn client_name(&self) -> Option<&str> {
        self.client_name.as_deref()
    }

    /// What to do next; `None` when more bytes are needed, or an answer of the driver's.
    pub fn next_event(&mut self) -> Option<Event> {
        if matches!(self.state, State::Waiting | State::Over) {
            return None;
        }
        if matches!(self.state, State::Commands)
            && let Some(intruder) = Intruder::recognise(self.inbox.bytes())
        {
            self.state = State::Over;
            return Some(Event::Intruder(intruder));
        }
        let length = match self.inbox.line_length(0) {
            Some(length) if length <= MAX_LINE => length,
            None if self.inbox.bytes().len() <= MAX_LINE => return None,
            _ => {
                self.state = State::Over;
                let reply = b"500 5.5.6 The line is too long\r\n".to_vec();
                return Some(Event::Close { reply, why: Some("The line is too long".into()) });
            }
        };
        let bytes = self.inbox.take(length);
        self.line_ends = self.line_ends.and(&bytes);
        let line = line::trim_end(&bytes);
        self.commands += 1;
        if self.commands > MAX_COMMANDS {
            return Some(self.close("Too many commands before signing on"));
        }
        Some(match std::mem::replace(&mut self.state, State::Commands) {
            State::Sasl(_) if line == b"*" => self.bad("501 5.7.0 Cancelled"),
            State::Sasl(mut exchange) => {
                let progress = exchange.response(line);
                self.progress(exchange, progress)
            }
            _ => self.command(line),
        })
    }

    /// The answer to the EHLO that [`Event::Hello`] told of.
    #[must_use]
    pub fn greet(&mut self, extensions: &Extensions) -> Vec<u8> {
        self.state = State::Commands;
        ehlo_reply("localhost", extensions, self.start_tls)
    }

    /// How the client has ended its lines so far.
    pub fn line_ends(&self) -> LineEnds {
        self.line_ends
    }

    /// The driver's verdict: wrong. What it returns goes to the client, and the dialogue goes on.
    #[must_use]
    pub fn refuse(&mut self) -> Vec<u8> {
        self.state = State::Commands;
        b"535 5.7.8 Wrong user name or local password\r\n".to_vec()
    }

    /// The driver's verdict: right. Gives the reply, and what the client sent behind its sign-on;
    /// that goes to the provider, in order.
    #[must_use]
    pub fn accept(self) -> (&'static [u8], Vec<u8>) {
        (b"235 2.7.0 Accepted\r\n", self.inbox.bytes().to_vec())
    }

    fn command(&mut self, line: &[u8]) -> Event {
        match command::parse(line) {
            Command::Ehlo(name) => {
                self.take_name(name);
                self.state = State::Waiting;
                Event::Hello
            }
            Command::Helo(name) => {
                self.take_name(name);
                reply("250 localhost")
            }
            Command::StartTls if !self.start_tls.is_offered() => {
                self.bad("502 5.5.1 STARTTLS is not offered")
            }
            Command::StartTls if !self.inbox.bytes().is_empty() => self.close(NOTHING_BEHIND),
            Command::StartTls => {
                self.state = State::Over;
                Event::StartTls { reply: b"220 2.0.0 Begin TLS now\r\n".to_vec() }
            }
            // RFC 3207 §4.
            Command::Auth(..)
            | Command::Mail
            | Command::Rcpt
            | Command::Data
            | Command::Bdat(_)
                if self.start_tls == StartTls::Required =>
            {
                self.bad("530 5.7.0 Issue STARTTLS first: set the encryption to STARTTLS")
            }
            Command::Auth(mechanism, initial) => self.auth(mechanism, initial),
            Command::Rset | Command::Noop => reply("250 2.0.0 OK"),
            Command::Help => reply(
                "214 2.0.0 Sign on with AUTH PLAIN or AUTH LOGIN, see the documentation of Gatepost",
            ),
            Command::Quit => {
                self.state = State::Over;
                Event::Close { reply: b"221 2.0.0 Signing off\r\n".to_vec(), why: None }
            }
            Command::Mail | Command::Rcpt | Command::Data | Command::Bdat(_) => {
                self.bad("530 5.7.0 Authentication required")
            }
            Command::Unknown => self.bad("500 5.5.1 Command not known"),
        }
    }

    fn auth(&mut self, mechanism: &[u8], initial: Option<&[u8]>) -> Event {
        if mechanism.is_empty() {
            return self.bad("501 5.5.4 AUTH takes a mechanism and at most one response");
        }
        let Some(mechanism) = Mechanism::parse(mechanism) else {
            return self.bad("504 5.7.4 Only PLAIN and LOGIN are offered");
        };
        let mut exchange = Exchange::new(mechanism);
        match initial {
            None => self.challenge(exchange.first_challenge(), exchange),
            Some(response) => {
                let progress = exchange.initial_response(response);
                self.progress(exchange, progress)
            }
        }
    }

    fn progress(&mut self, exchange: Exchange, progress: Result<Progress, SaslError>) -> Event {
        match progress {
            Ok(Progress::Challenge(challenge)) => self.challenge(challenge, exchange),
            Ok(Progress::Done(credentials)) => {
                self.state = State::Waiting;
                Event::Credentials(credentials)
            }
            Err(error) => self.bad(&format!("501 5.5.2 Not accepted: {error}")),
        }
    }

    fn challenge(&mut self, challenge: &str, exchange: Exchange) -> Event {
        self.state = State::Sasl(exchange);
        // The space stays even before an empty challenge (RFC 4954 §4).
        reply(&format!("334 {challenge}"))
    }

    fn take_name(&mut self, name: &[u8]) {
        self.client_name =
            command::is_valid_name(name).then(|| String::from_utf8_lossy(name).into_owned());
    }

    /// A refusal, and the end of the connection when there were too many.
    fn bad(&mut self, words: &str) -> Event {
        self.bad_commands += 1;
        if self.bad_commands > MAX_BAD_COMMANDS {
            return self.close("Too many commands that are none");
        }
        reply(words)
    }

    fn close(&mut self, words: &str) -> Event {
        self.state = State::Over;
        let reply = format!("421 4.7.0 {words}\r\n").into_bytes();
        Event::Close { reply, why: Some(words.to_owned()) }
    }
}

fn reply(words: &str) -> Event {
    Event::Reply(format!("{words}\r\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client hears that says this in pieces of so many bytes.
    fn heard(said: &[u8], piece: usize) -> Vec<String> {
        let mut dialogue = SignOn::new(StartTls::Offered);
        let mut heard = Vec::new();
        for bytes in said.chunks(piece) {
            dialogue.receive(bytes);
            while let Some(event) = dialogue.next_event() {
                heard.push(match event {
                    Event::Reply(reply)
                    | Event::Close { reply, .. }
                    | Event::StartTls { reply } => String::from_utf8(reply).unwrap(),
                    Event::Hello => "to be greeted".to_owned(),
                    Event::Credentials(_) => "to be checked".to_owned(),
                    Event::Intruder(intruder) => format!("{intruder:?}"),
                });
            }
        }
        heard
    }

    #[test]
    fn a_line_is_let_in_to_its_last_byte() {
        for (length, answer) in
            [(MAX_LINE, "to be greeted"), (MAX_LINE + 1, "500 5.5.6 The line is too long\r\n")]
        {
            let line = format!("EHLO {}\r\n", "x".repeat(length - 7));
            for piece in [1000, 2 * MAX_LINE] {
                assert_eq!(heard(line.as_bytes(), piece), [answer]);
            }
        }
        // Its end need not come to know.
        let line = "x".repeat(MAX_LINE);
        assert_eq!(heard(line.as_bytes(), MAX_LINE), [""; 0]);
        assert_eq!(heard((line + "x").as_bytes(), MAX_LINE).len(), 1);
    }

    #[test]
    fn nothing_may_stand_behind_starttls() {
        assert_eq!(heard(b"STARTTLS\r\n", 100), ["220 2.0.0 Begin TLS now\r\n"]);
        let answer = format!("421 4.7.0 {NOTHING_BEHIND}\r\n");
        assert_eq!(heard(b"STARTTLS\r\nE", 100), [answer]);
    }

    #[test]
    fn one_line_that_ends_in_lf_alone_tells_how_a_client_ends_them() {
        for (said, line_ends) in [
            (&b"NOOP\r\nNOOP\r\n"[..], LineEnds::Crlf),
            (b"NOOP\nNOOP\r\n", LineEnds::Any),
            (b"AUTH PLAIN\r\n=\n", LineEnds::Any),
        ] {
            let mut dialogue = SignOn::new(StartTls::Offered);
            dialogue.receive(said);
            while dialogue.next_event().is_some() {}
            assert_eq!(dialogue.line_ends(), line_ends);
        }
    }

    #[test]
    fn a_name_that_can_be_sent_on_is_kept() {
        for (said, name) in [
            ("NOOP\r\n", None),
            ("EHLO scanner.local\r\n", Some("scanner.local")),
            ("HELO [192.168.1.7]\r\n", Some("[192.168.1.7]")),
            ("EHLO my scanner\r\n", None),
        ] {
            let mut dialogue = SignOn::new(StartTls::Offered);
            dialogue.receive(said.as_bytes());
            while dialogue.next_event().is_some() {}
            assert_eq!(dialogue.client_name(), name, "{said}");
        }
    }
}
