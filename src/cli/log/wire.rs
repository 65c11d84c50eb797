//! The wire log: what the mail clients of one account say and hear, and what Gatepost says to the
//! provider to sign them on. Secrets and mail were left out by `protocol::wire_log` already.
//!
//! Whose a session is shows only when its client signs on; until then its lines wait.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::files::LogFile;
use crate::accounts::Address;
use crate::protocol::wire_log;

/// The name of a session's span.
const SESSION: &str = "session";
/// So much waits, in bytes, of a session that has not signed on; what it says beyond is not kept.
const MAX_WAITING: usize = 64 * 1024;

/// True for the wire log's events and for the spans of the sessions that they are in.
pub(super) fn is_wanted(metadata: &Metadata<'_>) -> bool {
    let is_session = metadata.is_span() && metadata.name() == SESSION;
    is_session || metadata.target() == wire_log::TARGET
}

/// Takes the wire log's events.
pub(super) struct Lines {
    account: Address,
    file: Mutex<LogFile>,
}

/// One session, kept with its span.
struct Session {
    /// `session 7 imap`.
    name: String,
    whose: Whose,
}

enum Whose {
    /// Nobody's yet; its lines.
    Unknown(String),
    Wanted,
    Other,
}

impl Lines {
    pub(super) fn new(account: Address, file: LogFile) -> Self {
        Self { account, file: Mutex::new(file) }
    }

    fn heard(&self, session: &mut Session, fields: Fields) {
        if let Some(account) = fields.account {
            let wanted = Address::parse(&account).is_ok_and(|account| account == self.account);
            let whose = if wanted { Whose::Wanted } else { Whose::Other };
            let before = std::mem::replace(&mut session.whose, whose);
            if let (true, Whose::Unknown(lines)) = (wanted, before) {
                self.write(&lines);
            }
            return;
        }
        if matches!(session.whose, Whose::Other) {
            return;
        }
        let mut line = String::new();
        // Neither can fail: it is a string.
        let _ = SystemTime.format_time(&mut Writer::new(&mut line));
        let _ = writeln!(line, " {} {} {}", session.name, fields.side, fields.message);
        match &mut session.whose {
            Whose::Wanted => self.write(&line),
            Whose::Unknown(lines) if lines.len() + line.len() <= MAX_WAITING => {
                lines.push_str(&line)
            }
            Whose::Unknown(_) | Whose::Other => {}
        }
    }

    fn write(&self, lines: &str) {
        // A full disk stops the log and not the mail.
        let _ =
            self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines.as_bytes());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let name = format!("session {} {}", fields.id, fields.kind);
        let session = Session { name, whose: Whose::Unknown(String::new()) };
        span.extensions_mut().insert(session);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(span) = context.event_span(event) else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(session) = span.extensions_mut().get_mut::<Session>() {
            self.heard(session, fields);
        }
    }
}

/// The fields of the session's span and of the wire log's events.
#[derive(Default)]
struct Fields {
    id: u64,
    kind: String,
    account: Option<String>,
    side: String,
    message: String,
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "id" {
            self.id = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "kind" => self.kind = value.to_owned(),
            "side" => self.side = value.to_owned(),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "account" => self.account = Some(format!("{value:?}")),
            _ => {}
        }
    }
}
