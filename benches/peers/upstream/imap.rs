//! IMAP, as much of it as the rows need.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::wire::Wire;

/// Messages in the inbox.
const MESSAGES: usize = 5_000;
/// Message n has the UID n and so many more.
const BEFORE_FIRST_UID: usize = 1_000;
/// How often a mail arrives in the mailbox `Busy`, while a client idles there.
const ARRIVALS: Duration = Duration::from_millis(10);
/// Bytes of a message in the inbox.
const SMALL: usize = 2 * 1024;

const MIB: usize = 1024 * 1024;
const CAPABILITIES: &str = "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN UIDPLUS \
     COMPRESS=DEFLATE ENABLE MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL-";

/// What every session serves.
pub(super) struct Mail {
    text: Vec<u8>,
    /// The answers to `UID FETCH 1:* (FLAGS)`, by the number of messages.
    lists: Mutex<HashMap<usize, Arc<Vec<u8>>>>,
}

impl Mail {
    pub(super) fn make() -> Self {
        let line =
            b"The quick brown fox jumps over the lazy dog, and the dog does not mind it.\r\n";
        let text = line.iter().copied().cycle().take(MIB).collect();
        Self { text, lists: Mutex::default() }
    }

    fn list(&self, messages: usize) -> Arc<Vec<u8>> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let line = |n| format!("* {n} FETCH (UID {} FLAGS (\\Seen))\r\n", n + BEFORE_FIRST_UID);
            Arc::new((1..=messages).map(line).collect::<String>().into_bytes())
        };
        lists.entry(messages).or_insert_with(make).clone()
    }
}

/// What a mailbox has, by its name.
struct Mailbox {
    messages: usize,
    size: Size,
    /// Mail arrives in it.
    busy: bool,
}

enum Size {
    Bytes(usize),
    /// Message n has n MiB.
    Mebibytes,
}

impl Mailbox {
    /// `Large`, whose message n has n MiB, `Count-N` with N messages, `Size-N` with messages of N bytes,
    /// `Busy`, in which mail arrives; every other is an inbox.
    fn named(name: &str) -> Self {
        let name = name.trim_matches('"').to_ascii_uppercase();
        let number = |of: &str| name.strip_prefix(of).and_then(|number| number.parse().ok());
        Self {
            messages: number("COUNT-").unwrap_or(MESSAGES),
            size: match name.as_str() {
                "LARGE" => Size::Mebibytes,
                _ => Size::Bytes(number("SIZE-").unwrap_or(SMALL)),
            },
            busy: name == "BUSY",
        }
    }
}

/// Serves one client.
pub(super) async fn serve(mut wire: Wire, mail: Arc<Mail>) -> io::Result<()> {
    wire.send(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready\r\n").await?;
    let mut mailbox = Mailbox::named("INBOX");
    loop {
        let line = wire.line().await?;
        let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
        let ok = format!("{tag} OK done\r\n");
        let (verb, arguments) = command.split_once(' ').unwrap_or((command, ""));
        match verb.to_ascii_uppercase().as_str() {
            "CAPABILITY" => {
                wire.send(format!("* CAPABILITY {CAPABILITIES}\r\n{ok}").as_bytes()).await?;
            }
            "AUTHENTICATE" => {
                let done = format!("* CAPABILITY {CAPABILITIES}\r\n{tag} OK signed on\r\n");
                wire.send(done.as_bytes()).await?;
            }
            "SELECT" => {
                mailbox = Mailbox::named(arguments);
                let (messages, next) = (mailbox.messages, mailbox.messages + BEFORE_FIRST_UID + 1);
                let answer = format!(
                    "* FLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen)\r\n\
                     * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen \\*)] kept\r\n\
                     * OK [UIDVALIDITY 7] valid\r\n* {messages} EXISTS\r\n* 0 RECENT\r\n\
                     * OK [UIDNEXT {next}] next\r\n* OK [HIGHESTMODSEQ 9] highest\r\n\
                     {tag} OK [READ-WRITE] selected\r\n"
                );
                wire.send(answer.as_bytes()).await?;
            }
            "FETCH" => {
                let number = arguments.split(' ').next().and_then(|n| n.parse::<usize>().ok());
                let number = number.unwrap_or(1);
                let mut left = match mailbox.size {
                    Size::Bytes(bytes) => bytes,
                    Size::Mebibytes => number * MIB,
                };
                let mut answer = format!("* {number} FETCH (BODY[] {{{left}}}\r\n").into_bytes();
                while left >= MIB {
                    if !answer.is_empty() {
                        wire.send(&std::mem::take(&mut answer)).await?;
                    }
                    wire.send(&mail.text).await?;
                    left -= MIB;
                }
                answer.extend_from_slice(&mail.text[..left]);
                answer.extend_from_slice(format!(")\r\n{ok}").as_bytes());
                wire.send(&answer).await?;
            }
            "UID" if arguments.to_ascii_uppercase().starts_with("SEARCH") => {
                // `UID n:*` names the last message even where it lies below n (RFC 9051 §6.4.9).
                let last = mailbox.messages + BEFORE_FIRST_UID;
                let from = arguments.rsplit(' ').next().and_then(|set| set.strip_suffix(":*"));
                let first = from.and_then(|from| from.parse().ok()).unwrap_or(BEFORE_FIRST_UID + 1);
                let first = first.min(last);
                let found = format!("* ESEARCH (TAG \"{tag}\") UID ALL {first}:{last}\r\n{ok}");
                wire.send(found.as_bytes()).await?;
            }
            "UID" => {
                wire.send(&mail.list(mailbox.messages)).await?;
                wire.send(ok.as_bytes()).await?;
            }
            "APPEND" => {
                let size = arguments.rsplit_once('{').map_or("", |(_, size)| size);
                let at_once = size.contains('+');
                let digits = size.trim_end_matches(['}', '+', '-']);
                let size = digits.parse().map_err(io::Error::other)?;
                if !at_once {
                    wire.send(b"+ go on\r\n").await?;
                }
                wire.skip(size).await?;
                wire.line().await?;
                wire.send(ok.as_bytes()).await?;
            }
            "IDLE" => {
                wire.send(b"+ idling\r\n").await?;
                while mailbox.busy && timeout(ARRIVALS, wire.wait()).await.is_err() {
                    mailbox.messages += 1;
                    let messages = mailbox.messages;
                    wire.send(format!("* {messages} EXISTS\r\n").as_bytes()).await?;
                }
                wire.line().await?;
                wire.send(ok.as_bytes()).await?;
            }
            "LOGOUT" => {
                wire.send(format!("* BYE\r\n{ok}").as_bytes()).await?;
                return Ok(());
            }
            _ => wire.send(ok.as_bytes()).await?,
        }
    }
}
