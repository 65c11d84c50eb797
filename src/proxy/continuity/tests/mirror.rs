//! What a mail client makes of what it is told: a list of messages, in which nothing is corrected.

use super::mailbox::{Flags, Mailbox, numbers};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::proxy) struct Known {
    pub(in crate::proxy) uid: Option<u32>,
    pub(in crate::proxy) flags: Option<Flags>,
}

/// In the order of their numbers; and the mailbox's UIDVALIDITY.
#[derive(Debug, Clone, Default)]
pub(in crate::proxy) struct Mirror(
    pub(in crate::proxy) Vec<Known>,
    pub(in crate::proxy) Option<u32>,
);

impl Mirror {
    pub(in crate::proxy) fn exists(&mut self, count: usize) -> Result<(), String> {
        if count < self.0.len() {
            return Err(format!("{count} EXISTS, and there are {}", self.0.len()));
        }
        self.0.resize(count, Known::default());
        Ok(())
    }

    pub(in crate::proxy) fn expunge(&mut self, number: usize) -> Result<(), String> {
        if number == 0 || number > self.0.len() {
            return Err(format!("{number} EXPUNGE, and there are {}", self.0.len()));
        }
        self.0.remove(number - 1);
        Ok(())
    }

    /// Gives the number that the message had. It may be any of those whose UIDs are not known: the
    /// first that it can be, and of the others it isn't known any more which flags are whose.
    pub(in crate::proxy) fn vanished(&mut self, uid: u32) -> Option<usize> {
        if let Some(at) = self.0.iter().position(|known| known.uid == Some(uid)) {
            self.0.remove(at);
            return Some(at + 1);
        }
        let below = self.0.iter().rposition(|known| known.uid.is_some_and(|has| has < uid));
        let at = below.map_or(0, |below| below + 1);
        self.0.get(at).filter(|known| known.uid.is_none())?;
        self.0.remove(at);
        self.0.iter_mut().filter(|known| known.uid.is_none()).for_each(|known| known.flags = None);
        Some(at + 1)
    }

    pub(in crate::proxy) fn fetched(
        &mut self,
        number: usize,
        uid: Option<u32>,
        flags: Option<Flags>,
    ) -> Result<(), String> {
        if number == 0 || number > self.0.len() {
            return Err(format!("{number} FETCH, and there are {}", self.0.len()));
        }
        let (before, rest) = self.0.split_at_mut(number - 1);
        let (known, behind) = rest.split_first_mut().unwrap();
        if let Some(uid) = uid {
            if known.uid.is_some_and(|known| known != uid) {
                return Err(format!("{number} has UID {uid}, and had {:?}", known.uid));
            }
            let in_order =
                before.iter().rev().find_map(|known| known.uid).is_none_or(|has| has < uid)
                    && behind.iter().find_map(|known| known.uid).is_none_or(|has| has > uid);
            if !in_order {
                return Err(format!("{number} has UID {uid}, which is out of order or another's"));
            }
            known.uid = Some(uid);
        }
        known.flags = flags.or(known.flags);
        Ok(())
    }

    /// What the client has changed, it doesn't know until it is told.
    pub(in crate::proxy) fn forget_flags(&mut self, set: &str, by_uid: bool) {
        let named = numbers(set, u32::MAX);
        for (number, known) in (1..).zip(&mut self.0) {
            let name = if by_uid { known.uid } else { Some(number) };
            // It may be one whose UID isn't known.
            if name.is_none_or(|name| named.iter().any(|range| range.contains(&name))) {
                known.flags = None;
            }
        }
    }

    /// True to the mailbox, as far as anything is known.
    pub(in crate::proxy) fn compare(&self, mailbox: &Mailbox) -> Result<(), String> {
        if self.0.len() != mailbox.messages.len() {
            return Err(format!(
                "the client has {} messages, the server {}\nclient: {:?}\nserver: {:?}",
                self.0.len(),
                mailbox.messages.len(),
                self.0.iter().map(|known| known.uid.unwrap_or(0)).collect::<Vec<_>>(),
                mailbox.uids(),
            ));
        }
        for (number, (known, is)) in (1..).zip(self.0.iter().zip(&mailbox.messages)) {
            if known.uid.is_some_and(|uid| uid != is.uid) {
                return Err(format!("{number} is UID {} and not {:?}", is.uid, known.uid));
            }
            if known.flags.is_some_and(|flags| flags != is.flags) {
                let known = known.flags.unwrap();
                return Err(format!("{number} has flags ({}) and not ({known})", is.flags));
            }
        }
        Ok(())
    }
}
