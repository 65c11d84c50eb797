//! IMAP, as much of it as the rows need.

use std::io;
use std::sync::Arc;
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
    /// The answer to `UID FETCH 1:* (FLAGS)`.
    list: Vec<u8>,
}

impl Mail {
    pub(super) fn make() -> Self {
        let line =
            b"The quick brown fox jumps over the lazy dog, and the dog does not mind it.\r\n";
        let text = line.iter().copied().cycle().take(MIB).collect();
        let list = (1..=MESSAGES)
            .map(|n| format!("* {n} FETCH (UID {} FLAGS (\\Seen))\r\n", n + BEFORE_FIRST_UID))
            .collect::<String>()
            .into_bytes();
        Self { text, list }
    }
}

/// Serves one client. In the mailbox `Large` message n has n MiB; in `Busy` mail arrives.
pub(super) async fn serve(mut wire: Wire, mail: Arc<Mail>) -> io::Result<()> {
    wire.send(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready\r\n").await?;
    let (mut large, mut busy, mut messages) = (false, false, MESSAGES);
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
                let name = arguments.to_ascii_uppercase();
                (large, busy) = (name.contains("LARGE"), name.contains("BUSY"));
                let next = MESSAGES + BEFORE_FIRST_UID + 1;
                let answer = format!(
                    "* FLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen)\r\n\
                     * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen \\*)] kept\r\n\
                     * OK [UIDVALIDITY 7] valid\r\n* {MESSAGES} EXISTS\r\n* 0 RECENT\r\n\
                     * OK [UIDNEXT {next}] next\r\n* OK [HIGHESTMODSEQ 9] highest\r\n\
                     {tag} OK [READ-WRITE] selected\r\n"
                );
                wire.send(answer.as_bytes()).await?;
            }
            "FETCH" if large => {
                let number = arguments.split(' ').next().and_then(|n| n.parse::<usize>().ok());
                let count = number.unwrap_or(1);
                let front = format!("* {count} FETCH (BODY[] {{{}}}\r\n", count * MIB);
                wire.send(front.as_bytes()).await?;
                for _ in 0..count {
                    wire.send(&mail.text).await?;
                }
                wire.send(format!(")\r\n{ok}").as_bytes()).await?;
            }
            "FETCH" => {
                let number = arguments.split(' ').next().unwrap_or("1");
                let mut answer = format!("* {number} FETCH (BODY[] {{{SMALL}}}\r\n").into_bytes();
                answer.extend_from_slice(&mail.text[..SMALL]);
                answer.extend_from_slice(format!(")\r\n{ok}").as_bytes());
                wire.send(&answer).await?;
            }
            "UID" if arguments.to_ascii_uppercase().starts_with("SEARCH") => {
                // `UID n:*` names the last message even where it lies below n (RFC 9051 §6.4.9).
                let last = messages + BEFORE_FIRST_UID;
                let from = arguments.rsplit(' ').next().and_then(|set| set.strip_suffix(":*"));
                let first = from.and_then(|from| from.parse().ok()).unwrap_or(BEFORE_FIRST_UID + 1);
                let first = first.min(last);
                let found = format!("* ESEARCH (TAG \"{tag}\") UID ALL {first}:{last}\r\n{ok}");
                wire.send(found.as_bytes()).await?;
            }
            "UID" => {
                wire.send(&mail.list).await?;
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
                while busy && timeout(ARRIVALS, wire.wait()).await.is_err() {
                    messages += 1;
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
