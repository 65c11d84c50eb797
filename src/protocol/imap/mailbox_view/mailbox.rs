//! A selected mailbox as the client knows it: how many messages, and which UIDs.

use std::cmp::Ordering;

use super::difference::{Difference, FlagsSince, Found, Unlike};
use super::text::split_word;
use crate::protocol::imap::uid_set::UidSet;

/// A list in more runs than this (12 bytes each) is given up for its count: then nothing that vanished
/// can be named, but it shows when nothing has.
const MAX_RUNS: usize = 64 * 1024;
/// Expunged messages that are told one by one; a client that lost more does better to begin anew.
const MAX_EXPUNGED: usize = 10_000;

/// A selected mailbox.
#[derive(Debug, Clone, Default)]
pub(in crate::protocol::imap) struct Mailbox {
    /// Its name as the client sent it, as an atom or a quoted string.
    pub(in crate::protocol::imap) name: Vec<u8>,
    /// Selected by EXAMINE.
    pub(super) examined: bool,
    /// As the server said, which can be so after a SELECT too.
    pub(in crate::protocol::imap) read_only: bool,
    pub(super) uid_validity: Option<u32>,
    pub(super) uid_next: Option<u32>,
    pub(in crate::protocol::imap) modseq: Option<u64>,
    /// How many messages the client was told of.
    pub(super) exists: u32,
    pub(super) known: Known,
    /// Every message with a lower UID was told …
    pub(super) floor: u32,
    /// … and so many have one: all the known ones, and those behind them up to here.
    pub(super) below: u32,
    /// The highest number of which the client heard more than that a message is there.
    pub(super) heard: u32,
    /// One of those below the floor was told as gone, and not all the others are known by their UIDs since.
    pub(super) thinned: bool,
    /// What keeps the session to its connection as long as this mailbox is selected.
    pub(super) stuck: Option<&'static str>,
}

#[derive(Debug, Clone)]
pub(super) enum Known {
    Uids(UidSet),
    /// Too many holes to keep them: only how many messages there are is known.
    Count,
}

impl Default for Known {
    fn default() -> Self {
        Self::Uids(UidSet::default())
    }
}

impl Mailbox {
    pub(in crate::protocol::imap) fn take_code(&mut self, code: &[u8]) {
        let (word, value) = split_word(code);
        let number = || std::str::from_utf8(value).ok()?.trim().parse::<u64>().ok();
        let small = || number().and_then(|number| u32::try_from(number).ok());
        match word.to_ascii_uppercase().as_slice() {
            b"UIDVALIDITY" => self.uid_validity = small(),
            b"UIDNEXT" => self.uid_next = small(),
            b"HIGHESTMODSEQ" => self.modseq = number(),
            b"NOMODSEQ" => self.modseq = None,
            _ => {}
        }
    }

    /// What these codes, with the number of messages and their UIDs, say of a mailbox.
    pub(in crate::protocol::imap) fn as_found(
        &self,
        exists: u32,
        uids: UidSet,
        flags_changed: bool,
    ) -> Found {
        let Self { uid_validity, uid_next, modseq, .. } = *self;
        Found { uid_validity, uid_next, modseq, exists, uids, flags_changed }
    }

    /// All that is there when it is selected is below its UIDNEXT.
    pub(super) fn opened(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        if let Some(next) = self.uid_next {
            (self.floor, self.below) = (next, self.exists);
        }
        self
    }

    /// None where it contradicts what was told before.
    pub(super) fn exists(&mut self, count: u32) -> Option<()> {
        if count < self.exists {
            return None;
        }
        self.exists = count;
        Some(())
    }

    pub(super) fn expunge(&mut self, number: u32) -> Option<()> {
        if number == 0 || number > self.exists {
            return None;
        }
        let was_below = number <= self.below;
        self.exists -= 1;
        self.below -= u32::from(was_below);
        self.heard -= u32::from(number <= self.heard);
        if let Known::Uids(uids) = &mut self.known
            && let Some(uid) = uids.uid(number)
        {
            uids.remove(uid);
        }
        self.thin(was_below);
        self.bound();
        Some(())
    }

    pub(super) fn vanished(&mut self, set: &str) -> Option<()> {
        let gone = UidSet::parse(set)?;
        let Known::Uids(uids) = &mut self.known else { return None };
        // A server may name UIDs that never were; one above the known ones is another's.
        let above = uids.last().map_or(Some(1), |last| last.checked_add(1));
        let behind = above.map_or(0, |above| gone.count_from(above));
        let below_floor = above.map_or(0, |above| behind - gone.count_from(self.floor.max(above)));
        let in_tail = self.heard > self.below;
        let known = uids.take_out(&gone);
        let left = uids.len();
        self.below = self.below.checked_sub(known)?.checked_sub(below_floor)?;
        self.exists = self.exists.checked_sub(known)?.checked_sub(behind)?;
        self.thin(known + below_floor > 0);
        // Which of the tail are gone isn't known: it may have been those behind what was heard of.
        self.heard = self.heard.min(if in_tail { self.exists } else { self.below });
        self.bound();
        (self.exists >= self.below && self.below >= left).then_some(())
    }

    /// A FETCH told of a message, and its UID if it named that.
    pub(super) fn fetched(&mut self, number: u32, uid: Option<u32>) -> Option<()> {
        self.heard = self.heard.max(number);
        let Some(uid) = uid else { return Some(()) };
        if number == 0 || number > self.exists {
            return None;
        }
        // Where no UID was passed over from the floor on, all of them are the client's.
        let mut is_next = number > self.below
            && uid.checked_sub(self.floor).is_some_and(|over| over == number - self.below - 1);
        if let Known::Uids(uids) = &mut self.known {
            match uids.uid(number) {
                Some(known) if known != uid => return None,
                None if number == uids.len() + 1 => {
                    uids.push(uid)?;
                    is_next |= uid >= self.floor;
                    self.below = self.below.max(number);
                    self.thin(false);
                    self.bound();
                }
                _ => {}
            }
        }
        if is_next {
            (self.floor, self.below) = (uid.saturating_add(1), number);
        }
        Some(())
    }

    /// A search told of messages, whichever.
    pub(super) fn searched(&mut self) {
        self.heard = self.exists;
    }

    pub(super) fn has_tail(&self) -> bool {
        match &self.known {
            Known::Uids(uids) => uids.len() < self.exists,
            // A list that could not be kept isn't asked for again.
            Known::Count => false,
        }
    }

    /// The lowest UID that is not among the known ones.
    pub(super) fn floor_of_known(&self) -> u32 {
        match &self.known {
            Known::Uids(uids) => uids.last().map_or(1, |last| last.saturating_add(1)),
            Known::Count => self.floor,
        }
    }

    /// All UIDs above the known ones, as a search on this very connection found them. One that doesn't
    /// fit what was told is no answer: the server was amid a change.
    pub(super) fn listed(&mut self, uids: &UidSet) {
        let Known::Uids(known) = &mut self.known else { return };
        if known.len().checked_add(uids.len()) != Some(self.exists) || !known.append(uids) {
            return;
        }
        // What the client was told at the selection is all known now.
        self.below = self.exists;
        self.thinned = false;
        self.floor = self.floor_of_known().max(self.floor).max(self.uid_next.unwrap_or(1));
        self.bound();
    }

    /// Messages below the floor came to be known by their UIDs, or were told as gone. Where each of them is
    /// known, so is which are gone.
    fn thin(&mut self, gone: bool) {
        let listed = matches!(&self.known, Known::Uids(uids) if uids.len() == self.below);
        self.thinned = (self.thinned || gone) && !listed;
    }

    /// Gives a list of too many holes up for its count.
    fn bound(&mut self) {
        if let Known::Uids(uids) = &self.known
            && uids.runs() > MAX_RUNS
        {
            self.known = Known::Count;
        }
    }

    pub(super) fn compare(&self, found: &Found) -> Result<Difference, Unlike> {
        if self.uid_validity.is_none() || self.uid_validity != found.uid_validity {
            return Err(Unlike::OtherMailbox);
        }
        let above = found.uids.last().map_or(1, |last| last.saturating_add(1));
        let uid_next = found.uid_next.unwrap_or(above).max(above);
        if found.uids.len() != found.exists || uid_next < self.floor {
            return Err(Unlike::Behind);
        }
        let new = found.uids.count_from(self.floor);
        let old = found.exists - new;
        let expunged = match &self.known {
            Known::Uids(uids) => {
                uids.missing_in(&found.uids, MAX_EXPUNGED).ok_or(Unlike::TooMany)?
            }
            Known::Count => Vec::new(),
        };
        let gone = u32::try_from(expunged.len()).map_err(|_| Unlike::TooMany)?;
        let tail = self.exists - self.below;
        // Below the floor nothing can appear: what is there is what is left.
        match (self.below - gone).cmp(&old) {
            // It still has what the client was told is gone.
            Ordering::Less => return Err(Unlike::Behind),
            // One that is behind may still have what is gone, and lack another that the client has.
            Ordering::Equal if self.thinned && self.heard > 0 => return Err(Unlike::Ambiguous),
            Ordering::Equal => {}
            Ordering::Greater => return Err(Unlike::Ambiguous),
        }
        if tail > 0 {
            let since_floor = uid_next - self.floor;
            if since_floor < tail {
                return Err(Unlike::Behind);
            }
            // With every UID since the floor still there, the tail's are the first of them – by a server
            // that isn't behind. One that is may have as many others there, gone since; that matters
            // where the client knows of those more than their number.
            if new != since_floor || self.heard > self.below {
                return Err(Unlike::Ambiguous);
            }
        }
        let told = self.exists - gone;
        let flags_since = match (self.modseq, found.modseq) {
            (Some(before), Some(now)) if before == now && !found.flags_changed => FlagsSince::Same,
            (Some(before), Some(_)) => FlagsSince::Modseq(before),
            _ => FlagsSince::Unknown,
        };
        Ok(Difference {
            expunged,
            exists: (found.exists > told).then_some(found.exists),
            flags_since,
            modseq: found.modseq,
        })
    }
}

impl Known {
    pub(super) fn of(uids: UidSet) -> Self {
        if uids.runs() > MAX_RUNS { Self::Count } else { Self::Uids(uids) }
    }
}
