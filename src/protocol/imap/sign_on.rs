//! The sign-on that Gatepost speaks with an IMAP client, from the greeting to a user name and a
//! password.

use super::command::{self, Body};
use crate::protocol::intruder::Intruder;
use crate::protocol::line::{self, Inbox, LineEnds};
use crate::protocol::sasl::{Credentials, Exchange, Mechanism, Progress};
use crate::protocol::start_tls::{NOTHING_BEHIND, StartTls};

/// A command line, literals not counted: RFC 9051 §4 asks for 8,192 at least; a SASL response may
/// be a little longer in base64.
const MAX_LINE: usize = 12 * 1024;
/// A user name or a password as a literal. RFC 7888 lets `LITERAL-` clients send 4,096 unasked.
const MAX_LITERAL: u64 = 4096;
/// User name and password, and a client's `ID` with a few fields.
const MAX_LITERALS: usize = 40;
/// A command with its literals: what [`MAX_LINE`] and a few literals add up to.
const MAX_COMMAND: usize = 64 * 1024;
/// What can't be understood, before the connection is closed: a client that talks another language
/// never ends otherwise.
const MAX_BAD_COMMANDS: u32 = 20;
/// Commands of any kind before sign-on. A client that only polls `NOOP` here is none.
const MAX_COMMANDS: u32 = 1000;

/// To a client that signs on in the clear where others can listen.
const TLS_FIRST: &str = "Begin TLS before signing on: set the encryption to STARTTLS";

/// What the driver of a [`SignOn`] must do next.
#[must_use = "an event that is dropped leaves the client without an answer"]
#[derive(Debug)]
pub enum Event {
    /// Send this.
    Reply(Vec<u8>),
    /// Check these, then call [`SignOn::accept`] or [`SignOn::refuse`].
    Credentials(Credentials),
    /// Send this and close.
    Close {
        /// The last words.
        reply: Vec<u8>,
        /// Why, for the log; `None` where the client itself said LOGOUT.
        why: Option<String>,
    },
    /// Close without a word: nobody here would understand it.
    Intruder(Intruder),
    /// Send this, then begin TLS; a new [`SignOn`] without a greeting goes on under it.
    StartTls {
        /// The tagged answer.
        reply: Vec<u8>,
    },
}

/// The state of one connection before it has signed on.
pub struct SignOn {
    inbox: Inbox,
    state: State,
    capabilities: String,
    start_tls: StartTls,
    commands: u32,
    bad_commands: u32,
    line_ends: LineEnds,
}

enum State {
    /// Gathering a command: `length` bytes of it are whole lines and literals.
    Command(Gathered),
    /// The client owes a SASL response.
    Sasl { tag: Vec<u8>, exchange: Exchange },
    /// The driver owes a verdict on the credentials that came under this tag.
    Checking { tag: Vec<u8> },
    /// Closed, or handed over.
    Over,
}

/// How much of the command at the front of the inbox is there.
#[derive(Default)]
struct Gathered {
    /// Bytes of whole lines and literals.
    length: usize,
    /// Bytes of a literal that was announced and let in, still counted in no line.
    literal: usize,
    literals: usize,
}

/// A sign-on that was let in.
pub struct Accepted {
    /// The tag that waits for its `OK`.
    pub tag: Vec<u8>,
    /// What the client sent behind its sign-on; it goes to the provider, in order.
    pub rest: Vec<u8>,
}

impl SignOn {
    /// A new connection. `capabilities` is what is true of the provider before sign-on; what is
    /// true of Gatepost itself (`SASL-IR`, `LITERAL-`, `AUTH=PLAIN`) is added.
    ///
    /// Only `AUTH=PLAIN` is named: Outlook would pick NTLM or DIGEST-MD5 where it sees them.
    /// `IDLE` must be in the list, or Outlook never idles.
    pub fn new(capabilities: &str, start_tls: StartTls) -> Self {
        let own = match start_tls {
            StartTls::NotOffered => "AUTH=PLAIN",
            StartTls::Offered => "STARTTLS AUTH=PLAIN",
            StartTls::Required => "STARTTLS LOGINDISABLED",
        };
        Self {
            inbox: Inbox::default(),
            state: State::Command(Gathered::default()),
            capabilities: format!("{capabilities} SASL-IR LITERAL- {own}"),
            start_tls,
            commands: 0,
            bad_commands: 0,
            line_ends: LineEnds::Crlf,
        }
    }

    /// The first line that a client sees.
    pub fn greeting(&self) -> Vec<u8> {
        format!("* OK [CAPABILITY {}] Gatepost ready\r\n", self.capabilities).into_bytes()
    }

    /// Takes in what the client sent; then call [`next_event`](Self::next_event) until it gives nothing.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.inbox.push(bytes);
    }

    /// What to do next; `None` when more bytes are needed, or a verdict.
    pub fn next_event(&mut self) -> Option<Event> {
        if matches!(self.state, State::Over) {
            return None;
        }
        if self.at_command_start()
            && let Some(intruder) = Intruder::recognise(self.inbox.bytes())
        {
            self.state = State::Over;
            return Some(Event::Intruder(intruder));
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Command(gathered) => self.gather(gathered),
            State::Sasl { tag, exchange } => self.sasl(tag, exchange),
            state @ State::Checking { .. } => {
                self.state = state;
                None
            }
            State::Over => None,
        }
    }

    /// How the client has ended its lines so far.
    pub fn line_ends(&self) -> LineEnds {
        self.line_ends
    }

    /// The driver's verdict: wrong. What it returns goes to the client, and the dialogue goes on.
    #[must_use]
    pub fn refuse(&mut self) -> Vec<u8> {
        let State::Checking { tag } =
            std::mem::replace(&mut self.state, State::Command(Gathered::default()))
        else {
            return Vec::new();
        };
        let words = b"NO [AUTHENTICATIONFAILED] Wrong user name or local password\r\n";
        [tag.as_slice(), b" ", words].concat()
    }

    /// The driver's verdict: right. The client's tag is still to be answered.
    pub fn accept(self) -> Option<Accepted> {
        let State::Checking { tag } = self.state else {
            return None;
        };
        Some(Accepted { tag, rest: self.inbox.bytes().to_vec() })
    }

    fn at_command_start(&self) -> bool {
        matches!(&self.state, State::Command(gathered) if gathered.length == 0)
    }

    fn gather(&mut self, mut gathered: Gathered) -> Option<Event> {
        loop {
            // Bytes of a literal first: they are no lines.
            let available = self.inbox.bytes().len();
            if available < gathered.length + gathered.literal {
                self.state = State::Command(gathered);
                return None;
            }
            let line_start = gathered.length + gathered.literal;
            let Some(line_length) = self.inbox.line_length(line_start) else {
                if available - line_start > MAX_LINE {
                    return Some(self.close("The line is too long"));
                }
                self.state = State::Command(gathered);
                return None;
            };
            if line_length > MAX_LINE || line_start + line_length > MAX_COMMAND {
                return Some(self.close("The line is too long"));
            }
            gathered.length = line_start + line_length;
            gathered.literal = 0;
            let line_end = &self.inbox.bytes()[line_start..gathered.length];
            self.line_ends = self.line_ends.and(line_end);
            match line::announced_literal(line_end) {
                Ok(None) => return self.command(gathered.length),
                // It may be a user name, which nobody has asked for in the clear.
                Ok(Some(_)) if self.start_tls == StartTls::Required => {
                    return Some(self.close(TLS_FIRST));
                }
                Ok(Some(literal))
                    if literal.size <= MAX_LITERAL && gathered.literals < MAX_LITERALS =>
                {
                    gathered.literals += 1;
                    gathered.literal = usize::try_from(literal.size).unwrap_or(usize::MAX);
                    if literal.synchronizing {
                        self.state = State::Command(gathered);
                        return Some(Event::Reply(b"+ Go on\r\n".to_vec()));
                    }
                }
                Ok(Some(_)) | Err(line::ImpossibleSize) => {
                    return Some(self.close("The literal is too long"));
                }
            }
        }
    }

    /// Answers the command in the first `length` bytes.
    fn command(&mut self, length: usize) -> Option<Event> {
        let bytes = self.inbox.take(length);
        self.state = State::Command(Gathered::default());
        self.commands += 1;
        if self.commands > MAX_COMMANDS {
            return Some(self.close("Too many commands before signing on"));
        }
        let command = match command::parse(line::trim_end(&bytes)) {
            Ok(command) => command,
            Err(tag) => return Some(self.bad(tag.unwrap_or(b"*"), "This is no IMAP command")),
        };
        let tag = command.tag;
        Some(match command.body {
            Body::Capability => {
                let list = format!("* CAPABILITY {}\r\n", self.capabilities);
                reply(tag, "OK Completed", list.as_bytes())
            }
            Body::Noop => reply(tag, "OK Completed", b""),
            Body::Id => reply(tag, "OK Completed", b"* ID (\"name\" \"Gatepost\")\r\n"),
            Body::Logout => {
                self.state = State::Over;
                let Event::Reply(reply) = reply(tag, "OK Completed", b"* BYE Signing off\r\n")
                else {
                    return None;
                };
                Event::Close { reply, why: None }
            }
            Body::StartTls if !self.start_tls.is_offered() => {
                self.bad(tag, "STARTTLS is not offered")
            }
            Body::StartTls if !self.inbox.bytes().is_empty() => self.close(NOTHING_BEHIND),
            Body::StartTls => {
                self.state = State::Over;
                let reply = [tag, b" OK Begin TLS now\r\n"].concat();
                Event::StartTls { reply }
            }
            // A `NO` would have the client ask its person for a password, and send that in the clear.
            Body::Login { .. } | Body::Authenticate { .. }
                if self.start_tls == StartTls::Required =>
            {
                self.close(TLS_FIRST)
            }
            Body::Login { user, password } => match Credentials::new(&user, &password) {
                Ok(credentials) => self.check(tag, credentials),
                Err(error) => self.bad(tag, &error.to_string()),
            },
            Body::Authenticate { mechanism, initial } => {
                let Some(mechanism) = Mechanism::parse(mechanism) else {
                    return Some(reply(tag, "NO [CANNOT] Only PLAIN is offered", b""));
                };
                let mut exchange = Exchange::new(mechanism);
                match initial {
                    None => self.challenge(tag, exchange.first_challenge(), exchange),
                    Some(response) => {
                        let progress = exchange.initial_response(response);
                        self.progress(tag.to_vec(), exchange, progress)
                    }
                }
            }
            Body::BadArguments(words) => self.bad(tag, words),
            Body::Unknown => self.bad(tag, "Not a command that is known before signing on"),
        })
    }

    fn sasl(&mut self, tag: Vec<u8>, mut exchange: Exchange) -> Option<Event> {
        let Some(length) = self.inbox.line_length(0) else {
            if self.inbox.bytes().len() > MAX_LINE {
                return Some(self.close("The line is too long"));
            }
            self.state = State::Sasl { tag, exchange };
            return None;
        };
        if length > MAX_LINE {
            return Some(self.close("The line is too long"));
        }
        let bytes = self.inbox.take(length);
        self.state = State::Command(Gathered::default());
        self.line_ends = self.line_ends.and(&bytes);
        let response = line::trim_end(&bytes);
        if response == b"*" {
            return Some(self.bad(&tag, "Cancelled"));
        }
        let progress = exchange.response(response);
        Some(self.progress(tag, exchange, progress))
    }

    fn progress(
        &mut self,
        tag: Vec<u8>,
        exchange: Exchange,
        progress: Result<Progress, crate::protocol::sasl::SaslError>,
    ) -> Event {
        match progress {
            Ok(Progress::Challenge(challenge)) => self.challenge(&tag, challenge, exchange),
            Ok(Progress::Done(credentials)) => self.check(&tag, credentials),
            Err(error) => self.bad(&tag, &error.to_string()),
        }
    }

    fn challenge(&mut self, tag: &[u8], challenge: &str, exchange: Exchange) -> Event {
        self.state = State::Sasl { tag: tag.to_vec(), exchange };
        Event::Reply(format!("+ {challenge}\r\n").into_bytes())
    }

    fn check(&mut self, tag: &[u8], credentials: Credentials) -> Event {
        self.state = State::Checking { tag: tag.to_vec() };
        Event::Credentials(credentials)
    }

    /// `BAD`, and the end of the connection when there were too many.
    fn bad(&mut self, tag: &[u8], words: &str) -> Event {
        self.bad_commands += 1;
        if self.bad_commands > MAX_BAD_COMMANDS {
            return self.close("Too many commands that are none");
        }
        reply(tag, &format!("BAD {words}"), b"")
    }

    fn close(&mut self, words: &str) -> Event {
        self.state = State::Over;
        Event::Close {
            reply: format!("* BYE {words}\r\n").into_bytes(),
            why: Some(words.to_owned()),
        }
    }
}

fn reply(tag: &[u8], words: &str, before: &[u8]) -> Event {
    Event::Reply([before, tag, b" ", words.as_bytes(), b"\r\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client hears that says this in pieces of so many bytes.
    fn heard(start_tls: StartTls, said: &[u8], piece: usize) -> Vec<String> {
        let mut dialogue = SignOn::new("IMAP4rev1", start_tls);
        let mut heard = Vec::new();
        for bytes in said.chunks(piece) {
            dialogue.receive(bytes);
            while let Some(event) = dialogue.next_event() {
                heard.push(match event {
                    Event::Reply(reply)
                    | Event::Close { reply, .. }
                    | Event::StartTls { reply } => String::from_utf8(reply).unwrap(),
                    Event::Credentials(_) => "to be checked".to_owned(),
                    Event::Intruder(intruder) => format!("{intruder:?}"),
                });
            }
        }
        heard
    }

    /// An ID with literals of the greatest length, of so many bytes in all.
    fn command(length: usize) -> Vec<u8> {
        let literal = [b" \"x\" {4096+}\r\n", "x".repeat(4096).as_bytes()].concat();
        let mut command = [b"a ID (", literal.repeat(15).as_slice()].concat();
        command.resize(length - 3, b' ');
        [command.as_slice(), b")\r\n"].concat()
    }

    #[test]
    fn a_command_is_let_in_to_its_last_byte() {
        for piece in [1000, MAX_COMMAND + 1] {
            let answers = heard(StartTls::Offered, &command(MAX_COMMAND), piece);
            assert!(
                answers.len() == 1 && answers[0].ends_with("\r\na OK Completed\r\n"),
                "{answers:?}"
            );
            let answers = heard(StartTls::Offered, &command(MAX_COMMAND + 1), piece);
            assert_eq!(answers, ["* BYE The line is too long\r\n"]);
        }
    }

    #[test]
    fn a_sasl_response_is_let_in_to_its_last_byte() {
        for (length, answer) in [(MAX_LINE, "a BAD "), (MAX_LINE + 1, "* BYE The line is too long")]
        {
            let said = format!("a AUTHENTICATE PLAIN\r\n{}\r\n", "=".repeat(length - 2));
            for piece in [1000, 2 * MAX_LINE] {
                let answers = heard(StartTls::Offered, said.as_bytes(), piece);
                assert_eq!(answers[0], "+ \r\n");
                assert!(answers.len() == 2 && answers[1].starts_with(answer), "{answers:?}");
            }
        }
    }

    #[test]
    fn nothing_may_stand_behind_starttls() {
        let answers = heard(StartTls::Offered, b"a STARTTLS\r\n", 100);
        assert_eq!(answers, ["a OK Begin TLS now\r\n"]);
        let answers = heard(StartTls::Offered, b"a STARTTLS\r\nb", 100);
        assert_eq!(answers, [format!("* BYE {NOTHING_BEHIND}\r\n")]);
    }

    #[test]
    fn one_line_that_ends_in_lf_alone_tells_how_a_client_ends_them() {
        for (said, line_ends) in [
            (&b"a NOOP\r\nb NOOP\r\n"[..], LineEnds::Crlf),
            (b"a NOOP\nb NOOP\r\n", LineEnds::Any),
            (b"a AUTHENTICATE PLAIN\r\n=\n", LineEnds::Any),
        ] {
            let mut dialogue = SignOn::new("IMAP4rev1", StartTls::Offered);
            dialogue.receive(said);
            while dialogue.next_event().is_some() {}
            assert_eq!(dialogue.line_ends(), line_ends);
        }
    }
}
