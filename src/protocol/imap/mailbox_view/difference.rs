//! What another connection finds of a mailbox, and how that differs from what the client knows.

use crate::protocol::imap::uid_set::UidSet;

/// A mailbox as another connection finds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::protocol::imap) struct Found {
    pub(in crate::protocol::imap) uid_validity: Option<u32>,
    pub(in crate::protocol::imap) uid_next: Option<u32>,
    pub(in crate::protocol::imap) modseq: Option<u64>,
    pub(in crate::protocol::imap) exists: u32,
    pub(in crate::protocol::imap) uids: UidSet,
    /// Flags have changed since it was selected, and `modseq` told.
    pub(in crate::protocol::imap) flags_changed: bool,
}

/// What the client must be told to know the mailbox as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// Numbers and UIDs of what is gone, from the highest to the lowest.
    pub expunged: Vec<(u32, u32)>,
    /// How many messages there are, if the client can't count them up from what it knows.
    pub exists: Option<u32>,
    /// Whether flags may have changed.
    pub flags_since: FlagsSince,
    /// The mailbox's mod-sequence (RFC 7162), once the flags are told.
    pub(in crate::protocol::imap) modseq: Option<u64>,
}

/// Whether flags may differ from what the client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagsSince {
    /// They are the same.
    Same,
    /// They may have changed since this mod-sequence.
    Modseq(u64),
    /// They may have changed.
    Unknown,
}

/// Why what the client knows and what was found can't be brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unlike {
    /// It is gone, or may not be written to any more, or now may.
    #[error("the mailbox can't be opened as before")]
    Closed,
    /// Its UIDs mean other messages now.
    #[error("the mailbox was made anew")]
    OtherMailbox,
    /// An extension that the client enabled is missing.
    #[error("the mail server lacks what the mail program enabled")]
    Lacking,
    /// The server hasn't caught up yet with what the client was told; a later look may do.
    #[error("the server is behind what it said before")]
    Behind,
    /// Which of the messages vanished can't be told.
    #[error("it can't be told which messages are gone")]
    Ambiguous,
    /// There is something to tell, and the client is between two commands.
    #[error("there is something to tell, and no command to tell it at")]
    NotNow,
    /// Messages vanished, and the client is in the middle of counting on their numbers.
    #[error("messages are gone, which can't be told at a command that counts them")]
    Renumbered,
    /// More messages vanished than are told one by one.
    #[error("too many messages are gone")]
    TooMany,
}

impl Unlike {
    /// True if a later look may find it otherwise: replicas lag, and mailboxes are renamed.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Behind | Self::OtherMailbox | Self::Closed)
    }
}

impl Difference {
    /// True if there is something to tell.
    pub fn tells(&self) -> bool {
        self.renumbers() || self.exists.is_some() || self.flags_since != FlagsSince::Same
    }

    /// True if telling it renumbers messages.
    pub fn renumbers(&self) -> bool {
        !self.expunged.is_empty()
    }

    /// The lines that tell it; with QRESYNC, VANISHED tells what is gone.
    pub(in crate::protocol::imap) fn lines(&self, qresync: bool) -> Vec<u8> {
        let mut lines = String::new();
        for (number, uid) in &self.expunged {
            lines.push_str(&if qresync {
                format!("* VANISHED {uid}\r\n")
            } else {
                format!("* {number} EXPUNGE\r\n")
            });
        }
        if let Some(exists) = self.exists {
            lines.push_str(&format!("* {exists} EXISTS\r\n"));
        }
        lines.into_bytes()
    }
}
