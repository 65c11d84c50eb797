//! IMAP (RFC 9051), read along.

use zeroize::Zeroizing;

use super::Side;
use super::line::{Line, Secrets, without_strings, words};
use crate::protocol::imap::framer::{Frame, Framer};
use crate::protocol::imap::login_password;
use crate::protocol::line::{Literal, announced_literal, trim_end};
use crate::protocol::sasl::{Exchange, Mechanism};

/// A LOGIN with its literals is kept up to here, to know what must not be shown.
const MAX_LOGIN: usize = 16 * 1024;

/// Commands whose arguments are mailboxes, messages, flags and the like.
const PLAIN: &str = "CAPABILITY CHECK CLOSE COPY CREATE DELETE ENABLE EXAMINE EXPUNGE GETQUOTA \
    GETQUOTAROOT ID IDLE LIST LOGOUT LSUB MOVE NAMESPACE NOOP RENAME SELECT STARTTLS COMPRESS STATUS \
    SUBSCRIBE UNSELECT UNSUBSCRIBE XLIST";
/// Commands among whose arguments texts may be.
const WITHOUT_STRINGS: &str = "FETCH STORE NOTIFY";
/// Commands with search keys.
const SEARCHES: &str = "SEARCH SORT THREAD";
/// What of a search is shown: keys without their texts (RFC 9051 §6.4.4, RFC 5256, RFC 7162, Gmail's).
const SEARCH_WORDS: &str = "ALL ANSWERED ARRIVAL BCC BEFORE BODY CC CHARSET COUNT DATE DELETED DRAFT FLAGGED \
    FROM HEADER KEYWORD LARGER MAX MIN MODSEQ NEW NOT OLD ON OR ORDEREDSUBJECT RECENT REFERENCES RETURN \
    REVERSE SAVE SEEN SENTBEFORE SENTON SENTSINCE SINCE SIZE SMALLER SUBJECT TEXT TO UID UNANSWERED \
    UNDELETED UNDRAFT UNFLAGGED UNKEYWORD UNSEEN US-ASCII UTF-8 X-GM-LABELS X-GM-MSGID X-GM-RAW X-GM-THRID";
/// A server's data in which the strings are mailboxes.
const MAILBOX_DATA: &str = "LIST LSUB NAMESPACE STATUS XLIST";
/// Mechanisms that may be named.
const MECHANISMS: &str = "CRAM-MD5 DIGEST-MD5 EXTERNAL GSSAPI LOGIN NTLM OAUTHBEARER PLAIN \
    PLAIN-CLIENTTOKEN SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2";

/// What stands for a user name and a password.
const LEFT_OUT: &str = "<…>";

/// Both directions.
#[derive(Default)]
pub(super) struct Reader {
    client: FromClient,
    server: FromServer,
}

impl Reader {
    pub(super) fn said(
        &mut self,
        side: Side,
        bytes: &[u8],
        secrets: &mut Secrets,
        show: &mut dyn FnMut(Side, &str),
    ) {
        match side {
            Side::Client => {
                self.client.said(bytes, secrets, &mut |line| show(Side::Client, line));
            }
            Side::Server => self.server.said(bytes, secrets, &mut |heard, line| {
                match (&heard, line.split_once(' ')) {
                    // A line of a mail that was taken for a command: its first word is no tag.
                    (Answer::Tagged(_), Some((_, words))) if self.client.lost => {
                        show(Side::Server, &format!("… {words}"));
                    }
                    _ => show(Side::Server, line),
                }
                self.client.answered(heard);
            }),
        }
    }
}

/// What an answer tells of the client's direction.
enum Answer<'a> {
    /// A `+`.
    GoOn,
    /// The end of the command with this tag.
    Tagged(&'a [u8]),
    Other,
}

#[derive(Default)]
struct FromClient {
    line: Line,
    /// Bytes of a literal that are still to come, of so many.
    literal: Option<(u64, u64)>,
    /// A synchronizing literal of this size was announced, and its `+` hasn't come.
    announced: Option<u64>,
    /// The tag of the command that the next bytes belong to.
    tag: Vec<u8>,
    command: Command,
    /// A mail was longer than its literal. Its rest reads as commands, so only lengths are shown.
    lost: bool,
}

/// The command that the next bytes belong to.
#[derive(Default)]
enum Command {
    /// None: a new one begins.
    #[default]
    None,
    /// One whose lines are shown like this.
    Shown(Policy),
    /// An APPEND, behind whose literal hardly anything may stand.
    Append,
    /// A LOGIN, as far as it came.
    Login(Zeroizing<Vec<u8>>),
    /// An AUTHENTICATE: what comes are responses, until it is answered.
    Sasl(Option<Exchange>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Plain,
    WithoutStrings,
    Search,
    /// Nothing but the length.
    Hidden,
}

impl FromClient {
    fn said(&mut self, mut bytes: &[u8], secrets: &mut Secrets, show: &mut dyn FnMut(&str)) {
        while !bytes.is_empty() {
            // Bytes that don't wait for their `+` are the literal's all the same.
            if let Some(size) = self.announced.take() {
                self.literal = Some((size, size));
            }
            match self.literal {
                Some((0, size)) => {
                    self.literal = None;
                    show(&format!("<literal of {size} bytes>"));
                }
                Some((left, size)) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    if let Command::Login(whole) = &mut self.command {
                        keep(whole, &bytes[..take]);
                    }
                    self.literal = Some((left - take as u64, size));
                    bytes = &bytes[take..];
                    if left == take as u64 {
                        self.literal = None;
                        let hidden = matches!(self.command, Command::Login(_));
                        show(&if hidden {
                            LEFT_OUT.into()
                        } else {
                            format!("<literal of {size} bytes>")
                        });
                    }
                }
                None => {
                    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
                    self.line.push(&bytes[..end]);
                    let ended = bytes[end - 1] == b'\n';
                    bytes = &bytes[end..];
                    if ended {
                        self.line_ended(secrets, show);
                    }
                }
            }
        }
    }

    fn line_ended(&mut self, secrets: &mut Secrets, show: &mut dyn FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        // A size that can't be right ends the session; nothing of it is a literal.
        let announced = announced_literal(line.end()).unwrap_or(None);
        let was_lost = self.lost;
        let shown = self.shown(&line, announced, secrets);
        if let Some(shown) = if was_lost { Some(Policy::Hidden.of(&line)) } else { shown } {
            show(&words(&secrets.left_out_of(&shown)));
        }
        match announced {
            Some(Literal { size, synchronizing: true }) => self.announced = Some(size),
            Some(Literal { size, synchronizing: false }) => self.literal = Some((size, size)),
            None if matches!(self.command, Command::Sasl(_)) => {}
            None => self.command = Command::None,
        }
    }

    /// What of a line is shown; nothing of an empty rest behind a literal.
    fn shown(
        &mut self,
        line: &Line,
        announced: Option<Literal>,
        secrets: &mut Secrets,
    ) -> Option<Vec<u8>> {
        let text = line.text();
        match &mut self.command {
            Command::None => Some(self.begun(line, announced, secrets)),
            Command::Append => match text {
                b"" => None,
                // It ends the literal of a mail in UTF-8 (RFC 6855 §4).
                b")" => Some(text.to_vec()),
                // One more mail (RFC 3502).
                _ if announced.is_some() => Some(Policy::Hidden.of(line)),
                _ => {
                    self.lost = true;
                    let length = line.length();
                    let words = "bytes too many for the literal; only lengths follow";
                    Some(format!("<{length} {words}>").into_bytes())
                }
            },
            Command::Shown(_) if text.is_empty() => None,
            Command::Shown(policy) => Some(policy.of(line)),
            Command::Login(whole) => {
                login_line(whole, text, announced, secrets);
                (!text.is_empty()).then(|| LEFT_OUT.as_bytes().to_vec())
            }
            Command::Sasl(exchange) => {
                secrets.add_response(exchange, text);
                Some(b"<SASL response>".to_vec())
            }
        }
    }

    /// A command's first line.
    fn begun(&mut self, line: &Line, announced: Option<Literal>, secrets: &mut Secrets) -> Vec<u8> {
        let text = line.text();
        if text.eq_ignore_ascii_case(b"DONE") {
            return text.to_vec();
        }
        let hidden = format!("<{} bytes>", line.length()).into_bytes();
        let (tag, rest) = split_word(text);
        let (name, arguments) = split_word(rest);
        let is_tag = !tag.is_empty() && tag.len() <= 32 && tag.is_ascii();
        let upper = name.to_ascii_uppercase();
        let with_name = |shown: &[u8]| [tag, b" ", name, b" ", shown].concat();
        self.tag = tag.to_vec();
        match &*upper {
            _ if !is_tag => {
                self.command = Command::Shown(Policy::Hidden);
                hidden
            }
            b"APPEND" => {
                self.command = Command::Append;
                if announced.is_some() { Policy::Plain.of(line) } else { hidden }
            }
            b"LOGIN" => {
                let mut whole = Zeroizing::new(Vec::with_capacity(MAX_LOGIN));
                login_line(&mut whole, text, announced, secrets);
                self.command = Command::Login(whole);
                with_name(LEFT_OUT.as_bytes())
            }
            b"AUTHENTICATE" => {
                let (mechanism, response) = split_word(arguments);
                let mut exchange = Mechanism::parse(mechanism).map(Exchange::new);
                let known = is_among(&mechanism.to_ascii_uppercase(), MECHANISMS);
                let mut shown = with_name(if known { mechanism } else { b"<another mechanism>" });
                if !response.is_empty() {
                    secrets.add_response(&mut exchange, response);
                    shown.extend_from_slice(b" <initial response>");
                }
                self.command = Command::Sasl(exchange);
                shown
            }
            b"UID" => {
                let (name, _) = split_word(arguments);
                let policy = policy(&name.to_ascii_uppercase());
                self.command = Command::Shown(policy);
                if policy == Policy::Hidden {
                    [tag, b" UID ", &hidden].concat()
                } else {
                    policy.of(line)
                }
            }
            _ => {
                let policy = policy(&upper);
                self.command = Command::Shown(policy);
                policy.of(line)
            }
        }
    }

    /// The server has answered something.
    fn answered(&mut self, answer: Answer<'_>) {
        match answer {
            Answer::GoOn => {
                if let Some(size) = self.announced.take() {
                    self.literal = Some((size, size)).filter(|_| size > 0);
                }
            }
            Answer::Tagged(answered) => {
                // A refused literal never comes; a sign-on that was answered has no more responses.
                let waits = self.announced.is_some() || matches!(self.command, Command::Sasl(_));
                if self.tag == answered && waits {
                    self.announced = None;
                    self.command = Command::None;
                }
            }
            Answer::Other => {}
        }
    }
}

impl Policy {
    /// A line's text, as far as it may be shown.
    fn of(self, line: &Line) -> Vec<u8> {
        let mut shown = match self {
            Self::Plain => line.text().to_vec(),
            Self::WithoutStrings => without_strings(line.text()),
            Self::Search => search(line.text()),
            Self::Hidden => return format!("<{} bytes>", line.length()).into_bytes(),
        };
        if line.is_cut() {
            shown.extend_from_slice(format!("… <{} bytes in all>", line.length()).as_bytes());
        }
        shown
    }
}

fn policy(upper: &[u8]) -> Policy {
    match upper {
        upper if is_among(upper, PLAIN) => Policy::Plain,
        upper if is_among(upper, WITHOUT_STRINGS) => Policy::WithoutStrings,
        upper if is_among(upper, SEARCHES) => Policy::Search,
        _ => Policy::Hidden,
    }
}

/// A search's tag, name and keys; the first words are the command's own.
fn search(text: &[u8]) -> Vec<u8> {
    let text = without_strings(text);
    let words = text.split(|byte| *byte == b' ').enumerate().map(|(at, word)| {
        let inner = word.trim_ascii();
        let key: Vec<u8> =
            inner.iter().copied().filter(|byte| !matches!(byte, b'(' | b')')).collect();
        let harmless = key.is_empty()
            || key.iter().all(|byte| byte.is_ascii_digit() || b":*,".contains(byte))
            || is_date(&key)
            || key == "\"…\"".as_bytes()
            || (key.first() == Some(&b'{') && announced_literal(&key).is_ok_and(|it| it.is_some()))
            || is_among(&key.to_ascii_uppercase(), SEARCH_WORDS)
            || is_among(&key.to_ascii_uppercase(), SEARCHES);
        if at == 0 || harmless { word.to_vec() } else { "…".as_bytes().to_vec() }
    });
    words.collect::<Vec<_>>().join(&b' ')
}

/// `1-Feb-2026`.
fn is_date(word: &[u8]) -> bool {
    let parts: Vec<_> = word.split(|byte| *byte == b'-').collect();
    let [day, month, year] = parts[..] else { return false };
    day.len() <= 2
        && day.iter().chain(year).all(u8::is_ascii_digit)
        && month.len() == 3
        && month.iter().all(u8::is_ascii_alphabetic)
        && year.len() == 4
}

#[derive(Default)]
struct FromServer {
    framer: Framer,
    /// The beginning of a line that the framer wants whole, which it bounds.
    pending: Vec<u8>,
    line: Line,
    /// The framing is lost: nothing more is shown.
    lost: bool,
}

impl FromServer {
    fn said(&mut self, bytes: &[u8], secrets: &Secrets, show: &mut dyn FnMut(Answer<'_>, &str)) {
        if self.lost {
            return;
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let mut at = 0;
        while let Ok(frame) = self.framer.next(&pending[at..]).inspect_err(|_| self.lost = true) {
            match frame {
                None => break,
                Some(Frame::Words(text)) => {
                    at += text.len();
                    let shown = words(&secrets.left_out_of(trim_end(text)));
                    let (first, rest) = split_word(trim_end(text));
                    let answer = match first {
                        b"+" => Answer::GoOn,
                        b"*" => Answer::Other,
                        tag if !rest.is_empty() => Answer::Tagged(tag),
                        _ => Answer::Other,
                    };
                    show(answer, &shown);
                }
                Some(Frame::Literal(bytes)) => at += bytes.len(),
                Some(Frame::Line(piece) | Frame::Piece(piece)) => {
                    at += piece.len();
                    self.line.push(piece);
                    if piece.ends_with(b"\n") && self.framer.at_line_start() {
                        let shown = data(&self.line);
                        show(Answer::Other, &words(&secrets.left_out_of(&shown)));
                        self.line.clear();
                    }
                }
            }
        }
        if self.lost {
            show(Answer::Other, "<what follows can't be read>");
            return;
        }
        pending.drain(..at);
        self.pending = pending;
    }
}

/// Untagged data. A literal's bytes are no part of the line.
fn data(line: &Line) -> Vec<u8> {
    let text: Vec<u8> =
        line.text().iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let (_, rest) = split_word(&text);
    let (name, _) = split_word(rest);
    let mut shown = if is_among(&name.to_ascii_uppercase(), MAILBOX_DATA) {
        text
    } else {
        without_strings(&text)
    };
    if line.is_cut() {
        shown.extend_from_slice(format!("… <{} bytes in all>", line.length()).as_bytes());
    }
    shown
}

/// The first word, and what is behind its spaces.
fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii_start();
    let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    (&text[..end], text[end..].trim_ascii_start())
}

fn is_among(word: &[u8], list: &str) -> bool {
    !word.is_empty() && list.split_ascii_whitespace().any(|known| known.as_bytes() == word)
}

fn keep(whole: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    let room = MAX_LOGIN.saturating_sub(whole.len());
    whole.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// Keeps a line of a LOGIN; with the last one its password is known.
fn login_line(
    whole: &mut Zeroizing<Vec<u8>>,
    text: &[u8],
    announced: Option<Literal>,
    secrets: &mut Secrets,
) {
    keep(whole, text);
    keep(whole, b"\r\n");
    if announced.is_none() {
        remember_login(whole, secrets);
    }
}

fn remember_login(whole: &[u8], secrets: &mut Secrets) {
    let Some(password) = login_password(trim_end(whole)) else { return };
    secrets.add(&password);
    // As it stands in a quoted string (RFC 9051 §4.3), should the server repeat the command.
    let mut quoted = Zeroizing::new(Vec::with_capacity(2 * password.len()));
    for byte in password.iter() {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    secrets.add(&quoted);
}
