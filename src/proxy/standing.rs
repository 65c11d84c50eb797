//! What stands against an account: what went wrong with each of the provider's servers and has not gone
//! right since. One that works says nothing of the other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::trouble::{Protocol, Trouble};

/// What kind of trouble an account is in; the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// A limit is reached, of the provider's or of Gatepost's own.
    Limit,
    /// The provider can't be used for now; it is tried again.
    Away,
    /// Nothing gets better before a person acts.
    NeedsPerson,
}

/// By protocol, each with the grant that it went wrong with.
#[derive(Default)]
pub(super) struct Standing(Mutex<BTreeMap<Protocol, (String, Trouble)>>);

impl Standing {
    /// How the last sign-on with this grant went.
    pub(super) fn note(&self, protocol: Protocol, grant_id: &str, trouble: Option<&Trouble>) {
        match trouble {
            Some(trouble) => {
                self.lock().insert(protocol, (grant_id.to_owned(), trouble.clone()));
            }
            None => {
                self.lock().remove(&protocol);
            }
        }
    }

    /// A token came: whoever had none could have one now, on either protocol.
    pub(super) fn token_came(&self) {
        self.lock().retain(|_, (_, trouble)| !trouble.is_of_tokens());
    }

    /// The gravest trouble with this grant; what was wrong with an older one is mended by a new one.
    /// `has_room`: the account may have more connections, so that no limit of its own stands.
    pub(super) fn gravest(&self, grant_id: &str, has_room: bool) -> Option<Trouble> {
        let standing = self.lock();
        let present = standing.values().filter(|(grant, _)| grant == grant_id);
        let present = present.map(|(_, trouble)| trouble);
        let present = present.filter(|trouble| !(has_room && trouble.is_limit));
        present.max_by_key(|trouble| trouble.stands()).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Protocol, (String, Trouble)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{self, Cause};
    use crate::upstream::{Refusal, UpstreamError};

    fn blocked() -> Trouble {
        let (host, reason) = ("smtp.gmail.com:465".to_owned(), "no answer".to_owned());
        Trouble::upstream(&UpstreamError::Unreachable { host, reason })
    }

    #[test]
    fn what_works_says_nothing_of_the_other_and_the_gravest_is_told() {
        let standing = Standing::default();
        standing.note(Protocol::Smtp, "one", Some(&blocked()));
        standing.note(Protocol::Imap, "one", None);
        assert_eq!(standing.gravest("one", true), Some(blocked()));
        assert_eq!(standing.gravest("two", true), None, "a new grant");
        let kinds = [
            (Refusal::OverQuota, Stands::Limit, Stands::Away),
            (Refusal::ImapOffForDomain, Stands::NeedsPerson, Stands::NeedsPerson),
        ];
        for (refusal, kind, gravest) in kinds {
            let refused = Trouble::farewell(&refusal);
            assert_eq!(refused.stands(), kind);
            standing.note(Protocol::Imap, "one", Some(&refused));
            assert_eq!(standing.gravest("one", true).unwrap().stands(), gravest);
        }
        standing.note(Protocol::Imap, "one", None);
        standing.note(Protocol::Smtp, "one", None);
        assert_eq!(standing.gravest("one", true), None);
    }

    #[test]
    fn a_token_ends_the_trouble_of_those_that_had_none_and_no_other() {
        let standing = Standing::default();
        let cause = token::Trouble::Cause(Cause::Unreachable("no answer".to_owned()));
        let no_token = Trouble::token(&cause, "you@gmail.com");
        standing.note(Protocol::Imap, "one", Some(&no_token));
        standing.note(Protocol::Smtp, "one", Some(&blocked()));
        standing.token_came();
        assert_eq!(standing.gravest("one", true), Some(blocked()));
        standing.note(Protocol::Smtp, "one", Some(&no_token));
        standing.token_came();
        assert_eq!(standing.gravest("one", true), None);
    }

    #[test]
    fn a_limit_of_its_own_stands_until_there_is_room() {
        let standing = Standing::default();
        standing.note(Protocol::Imap, "one", Some(&Trouble::no_connection_left(2)));
        assert_eq!(standing.gravest("one", false).unwrap().stands(), Stands::Limit);
        assert_eq!(standing.gravest("one", true), None);
    }
}
