//! The doors by which a mail program comes to one account, and what is seen behind them.

use crate::autoconfig::{Place, Places};
use crate::check::{self, Check, Examined, Finding};
use crate::cli::terminal::UnderWay;
use crate::mail_client::Door;

/// Shown meanwhile.
pub(in crate::cli) const READING: &str = "Reading mail as a mail program does";
pub(in crate::cli) const SENDING: &str = "Signing on for sending";
pub(in crate::cli) const MAILING: &str = "A message to yourself is on its way";

/// What lies before either door.
const ACCOUNT: [Check; 3] = [Check::Unlocked, Check::Token, Check::Identity];

/// The doors; one that need not be tried says because of what.
pub(super) struct Doors {
    imap: Result<Door, Check>,
    smtp: Result<Door, Check>,
}

/// How a mail program sees all doors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'s> {
    /// It finds them by their name.
    pub(super) are_found: bool,
    /// The name in a certificate of the person's own.
    pub(super) tls_name: Option<&'s str>,
}

impl Doors {
    /// The doors of `address`, after what was found out about it from within.
    pub(super) fn of(address: &str, places: &Places, seen: Seen<'_>, examined: &Examined) -> Self {
        let door = |place: &Option<Place>, own: &[Check]| {
            let is_before = |found: &&Finding| {
                found.is_stuck() && (ACCOUNT.contains(&found.check) || own.contains(&found.check))
            };
            if let Some(stuck) = examined.findings.iter().find(is_before) {
                return Err(stuck.check);
            }
            let place = place.clone().filter(|_| seen.are_found).ok_or(Check::Ports)?;
            let Place { host, port, tls } = place;
            let password = examined.pass.clone().ok_or(Check::Unlocked)?;
            let (user, tls_name) = (address.to_owned(), seen.tls_name.map(str::to_owned));
            Ok(Door { host, port, implicit_tls: tls, tls_name, user, password })
        };
        Self {
            imap: door(&places.imap, &[Check::ImapSignOn, Check::Reading]),
            smtp: door(&places.smtp, &[Check::SmtpSignOn]),
        }
    }

    /// Reads mail.
    pub(super) async fn read(&self) -> Finding {
        match &self.imap {
            Ok(door) => {
                let _under_way = UnderWay::begin(READING);
                check::read(door).await
            }
            Err(why) => Finding::left_out(Check::Reading, *why),
        }
    }

    /// Signs on for sending.
    pub(super) async fn send(&self) -> Finding {
        match &self.smtp {
            Ok(door) => {
                let _under_way = UnderWay::begin(SENDING);
                check::send(door).await
            }
            Err(why) => Finding::left_out(Check::Sending, *why),
        }
    }

    /// Sends a message to oneself and waits for it.
    pub(super) async fn round_trip(&self) -> Finding {
        match (&self.imap, &self.smtp) {
            (Ok(imap), Ok(smtp)) => {
                let _under_way = UnderWay::begin(MAILING);
                check::round_trip(imap, smtp).await
            }
            (Err(why), _) | (_, Err(why)) => Finding::left_out(Check::RoundTrip, *why),
        }
    }
}
