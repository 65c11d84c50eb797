//! What a person had better do before it becomes trouble. Pure: the time is an argument.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::sentence;
use crate::token::Unstored;

const DAY: u64 = 24 * 60 * 60;
/// How long before its end a grant of a client in Testing is named.
const GRANT_AHEAD: u64 = 2 * DAY;
/// The same for Gatepost's own certificate, which has to be trusted anew wherever it is; each
/// year's follows by itself before.
const LOCAL_AHEAD: u64 = 60 * DAY;
/// The same for one of the person's own: most are renewed a month before their end, by a program
/// that should have done it by now.
const OWN_AHEAD: u64 = 21 * DAY;
/// Five months. Google ends a grant that was not used for six:
/// <https://developers.google.com/identity/protocols/oauth2#expiration>.
const UNUSED: u64 = 152 * DAY;

/// Something to do ahead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What kind of thing.
    pub kind: WarningKind,
    /// The address of the account that it is about, as typed at login.
    pub account: Option<String>,
    /// One sentence.
    pub sentence: String,
    /// One thing to do.
    pub remedy: String,
}

/// The kinds of warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// A grant of a Google client in Testing ends within two days.
    GrantEnds,
    /// The certificate for mail clients ends.
    CertificateEnds,
    /// A grant was not used for five months; Google ends it after six.
    Unused,
    /// There is a newer version of Gatepost.
    NewerVersion,
    /// There is no status page: its port is taken.
    StatusPortTaken,
    /// A new refresh token could not be stored, and is in memory only.
    TokenUnstored,
}

/// The certificate for mail clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Unix seconds: when there is no further one to follow it by itself.
    pub ends_at: u64,
    /// The person's own, and not one of Gatepost's making.
    pub is_own: bool,
}

/// What is known of an account's grant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GrantFacts<'a> {
    /// The account's address.
    pub(crate) address: &'a str,
    /// When it was given, in Unix seconds.
    pub(crate) granted: u64,
    /// When it ends by itself, where it is a short one.
    pub(crate) ends_at: Option<u64>,
    /// When a token was last obtained with it or with the one before.
    pub(crate) last_used: Option<u64>,
    /// It is known to have ended: that is more than a warning.
    pub(crate) has_ended: bool,
}

/// What had better be done about an account's grant.
pub(crate) fn grant(now: u64, facts: GrantFacts<'_>) -> Vec<Warning> {
    let GrantFacts { address, granted, ends_at, last_used, has_ended } = facts;
    if has_ended {
        return Vec::new();
    }
    let of = |kind, sentence, remedy| Warning {
        kind,
        account: Some(address.to_owned()),
        sentence,
        remedy,
    };
    let mut warnings = Vec::new();
    if let Some(left) = ends_at.and_then(|ends_at| ends_at.checked_sub(now))
        && (1..=GRANT_AHEAD).contains(&left)
    {
        warnings.push(of(
            WarningKind::GrantEnds,
            format!(
                "The grant of {address} ends {}, because your Google client is in “Testing”, where a grant lives seven days.",
                within(left)
            ),
            format!(
                "Publish the client (Google Auth Platform › Audience › Publish app), then run `gatepost login {address}`; the local password stays as it is."
            ),
        ));
    }
    let unused = now.saturating_sub(last_used.unwrap_or_default().max(granted));
    if unused >= UNUSED {
        warnings.push(of(
            WarningKind::Unused,
            format!(
                "The grant of {address} was not used for {}, and Google ends one that was not used for six months.",
                sentence::count(unused / DAY, "day")
            ),
            "Let a mail program fetch the mail of this account once.".to_owned(),
        ));
    }
    warnings
}

/// What had better be done about the certificate; `file` is where the person's own is.
pub(crate) fn certificate(
    now: u64,
    status: CertificateStatus,
    file: Option<&Path>,
) -> Option<Warning> {
    let CertificateStatus { ends_at, is_own } = status;
    let ahead = if is_own { OWN_AHEAD } else { LOCAL_AHEAD };
    let left = ends_at.saturating_sub(now);
    if left > ahead {
        return None;
    }
    let ends = match left {
        0 => "has ended".to_owned(),
        left => format!("ends {}", within(left)),
    };
    let (sentence, remedy) = match file {
        Some(file) if is_own => (
            format!("Your certificate in {} {ends}.", file.display()),
            "Put a newer one in its place; it is taken up at once.",
        ),
        _ => (
            format!("The local certificate {ends}."),
            "Run `gatepost certificate renew`, and then `gatepost certificate trust`.",
        ),
    };
    let kind = WarningKind::CertificateEnds;
    Some(Warning { kind, account: None, sentence, remedy: remedy.to_owned() })
}

/// The status page goes without its usual port where another program has it.
pub(crate) fn status_port_taken(port: u16, config: &Path) -> Warning {
    Warning {
        kind: WarningKind::StatusPortTaken,
        account: None,
        sentence: format!(
            "There is no status page, because its port {port} is taken by another program."
        ),
        remedy: format!(
            "Set `status` under [listen] in {} to another port, or to \"\" if you want none.",
            config.display()
        ),
    }
}

/// What is in memory only is lost where Gatepost ends, and with it, perhaps, the grant.
pub(crate) fn token_unstored(address: &str, why: &Unstored) -> Warning {
    Warning {
        kind: WarningKind::TokenUnstored,
        account: Some(address.to_owned()),
        sentence: format!(
            "The new refresh token of {address} is only in memory, because {}.",
            why.reason
        ),
        remedy: match why.passes {
            true => format!("{} It is stored within seconds then.", why.remedy),
            false => why.remedy.to_owned(),
        },
    }
}

/// There is a newer version.
pub(crate) fn newer_version(version: &str) -> Warning {
    Warning {
        kind: WarningKind::NewerVersion,
        account: None,
        sentence: format!(
            "There is a newer Gatepost, {version}; this is {}.",
            env!("CARGO_PKG_VERSION")
        ),
        remedy: "Install it in the way that you installed this one.".to_owned(),
    }
}

/// Some time from now, in words.
fn within(seconds: u64) -> String {
    match seconds.div_ceil(60 * 60) {
        0 | 1 => "within the hour".to_owned(),
        hours if hours < 48 => format!("in {hours} hours"),
        _ => format!("in {}", sentence::count(seconds.div_ceil(DAY), "day")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const YOU: &str = "you@gmail.com";
    const NOW: u64 = 1_800_000_000;

    fn facts(ends_at: Option<u64>, granted: u64) -> GrantFacts<'static> {
        GrantFacts { address: YOU, granted, ends_at, last_used: None, has_ended: false }
    }

    fn kinds(facts: GrantFacts<'_>) -> Vec<WarningKind> {
        grant(NOW, facts).into_iter().map(|warning| warning.kind).collect()
    }

    #[test]
    fn a_testing_grant_is_named_in_its_last_two_days_and_not_once_it_has_ended() {
        let ends = |at: u64| kinds(facts(Some(at), NOW - DAY));
        assert!(ends(NOW + 2 * DAY + 1).is_empty());
        assert_eq!(ends(NOW + 2 * DAY), [WarningKind::GrantEnds]);
        assert_eq!(ends(NOW + 1), [WarningKind::GrantEnds]);
        assert!(ends(NOW).is_empty() && ends(1).is_empty());
        let ended = GrantFacts { has_ended: true, ..facts(Some(NOW + 1), 0) };
        assert!(kinds(ended).is_empty());
        let told = grant(NOW, facts(Some(NOW + 26 * 3600), NOW)).remove(0);
        assert!(told.sentence.contains("ends in 26 hours") && told.sentence.contains("seven days"));
        assert!(told.remedy.contains("Publish"), "{told:?}");
    }

    #[test]
    fn a_grant_is_unused_by_its_last_use_or_by_its_birth() {
        assert!(kinds(facts(None, NOW - UNUSED + 1)).is_empty());
        assert_eq!(kinds(facts(None, NOW - UNUSED)), [WarningKind::Unused]);
        let used = |at| kinds(GrantFacts { last_used: Some(at), ..facts(None, 1) });
        assert!(used(NOW - DAY).is_empty());
        assert_eq!(used(NOW - UNUSED), [WarningKind::Unused]);
        // A new sign-in begins anew, and a clock that was set back is no reason.
        let renewed = GrantFacts { last_used: Some(1), ..facts(None, NOW - DAY) };
        assert!(kinds(renewed).is_empty());
        assert!(used(NOW + DAY).is_empty());
    }

    #[test]
    fn a_certificate_is_named_by_whose_it_is() {
        let told = |left: u64, is_own: bool, now| {
            let status = CertificateStatus { ends_at: now + left, is_own };
            certificate(now, status, is_own.then(|| Path::new("mail.pem")))
        };
        assert_eq!(told(60 * DAY + 1, false, NOW), None);
        assert_eq!(told(21 * DAY + 1, true, NOW), None);
        let local = told(60 * DAY, false, NOW).unwrap();
        assert_eq!(local.sentence, "The local certificate ends in 60 days.");
        let own = told(3600, true, NOW).unwrap();
        assert_eq!(own.sentence, "Your certificate in mail.pem ends within the hour.");
        assert!(told(0, true, NOW).unwrap().sentence.ends_with("has ended."));
    }

    proptest! {
        /// At any time and of anything: one sentence and one remedy, each in one line, once for each kind.
        #[test]
        fn any_facts_at_any_time(
            now: u64, granted: u64, ends_at: Option<u64>, last_used: Option<u64>, has_ended: bool
        ) {
            let facts = GrantFacts { address: YOU, granted, ends_at, last_used, has_ended };
            let warnings = grant(now, facts);
            prop_assert!(!has_ended || warnings.is_empty());
            let count = |kind| warnings.iter().filter(|warning| warning.kind == kind).count();
            prop_assert!(count(WarningKind::GrantEnds) <= 1 && count(WarningKind::Unused) <= 1);
            prop_assert!(warnings.iter().all(|it| it.sentence.ends_with('.') && it.remedy.ends_with('.')));
            let status = CertificateStatus { ends_at: granted, is_own: has_ended };
            let told = certificate(now, status, None).is_some();
            prop_assert_eq!(told, granted.saturating_sub(now) <= if has_ended { OWN_AHEAD } else { LOCAL_AHEAD });
        }
    }
}
