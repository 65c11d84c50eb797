//! What was said in a session, line by line, for a person to read or to post: without its secrets
//! and without its mail.
//!
//! A [`WireLog`] reads along with both directions of a client's connection, from the greeting on,
//! and gives lines. It shows only what it knows to be harmless, never "all but":
//!
//! - a command's name, if it is one of IMAP's or SMTP's; its arguments, where they name mailboxes,
//!   messages or mail addresses, or are search keys; of any other line its length alone;
//! - a server's replies and words; its data with every string in it left out, but for lists of
//!   mailboxes;
//! - of literals and messages their size; and once a mail was longer than its literal, or a chunk
//!   came without a size that can be read, so that mail reads as commands, of every line of the
//!   client's.
//!
//! What a client signs on with is never shown, and is remembered, so that it is taken out of
//! whatever else is said: a server may repeat what it did not understand.

mod imap;
mod line;
mod smtp;

pub use line::Secrets;

/// The lines are events of this target, within the span of their session.
pub const TARGET: &str = "gatepost::wire";

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The mail client.
    Client,
    /// Gatepost, or the provider through it.
    Server,
}

/// Reads along with one client's connection.
pub struct WireLog {
    reader: Reader,
    secrets: Secrets,
}

enum Reader {
    Imap(imap::Reader),
    Smtp(smtp::Reader),
}

impl WireLog {
    /// For a connection that is to speak IMAP.
    pub fn imap() -> Self {
        Self { reader: Reader::Imap(imap::Reader::default()), secrets: Secrets::default() }
    }

    /// For a connection that is to speak SMTP.
    pub fn smtp() -> Self {
        Self { reader: Reader::Smtp(smtp::Reader::default()), secrets: Secrets::default() }
    }

    /// Takes in what `side` said; gives each line that it completes to `show`.
    pub fn said(&mut self, side: Side, bytes: &[u8], show: &mut dyn FnMut(Side, &str)) {
        let Self { reader, secrets } = self;
        match reader {
            Reader::Imap(reader) => reader.said(side, bytes, secrets, show),
            Reader::Smtp(reader) => reader.said(side, bytes, secrets, show),
        }
    }
}

/// A line of a dialogue that Gatepost itself has with a server, as text.
pub fn own_line(line: &[u8]) -> String {
    line::words(crate::protocol::line::trim_end(line))
}

#[cfg(test)]
mod tests;
