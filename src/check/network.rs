//! The way to the provider: its authorization server and the clock there, its mail servers.

use std::time::{Duration, SystemTime};

use super::{Ailment, Check, Finding};
use crate::config::{Host, Provider, Security};
use crate::sentence::count;
use crate::token::{AuthorizationServer, Cause};
use crate::upstream::{Reached, Stuck, reach};

/// A clock that is off by more than this is told. Certificates and grants count in hours; a few
/// minutes harm nobody.
const CLOCK_SLACK: Duration = Duration::from_secs(300);

/// Words in the issuers of certificates that programs on this machine or in its network make up on the
/// way, and what those programs are called.
const INTERCEPTORS: [(&str, &str); 16] = [
    ("avast", "Avast"),
    ("avg", "AVG"),
    ("kaspersky", "Kaspersky"),
    ("eset", "ESET"),
    ("bitdefender", "Bitdefender"),
    ("norton", "Norton"),
    ("symantec", "Symantec"),
    ("mcafee", "McAfee"),
    ("sophos", "Sophos"),
    ("fortinet", "Fortinet"),
    ("fortigate", "Fortinet"),
    ("zscaler", "Zscaler"),
    ("netskope", "Netskope"),
    ("palo alto", "Palo Alto"),
    ("cisco", "Cisco"),
    ("adguard", "AdGuard"),
];

/// Looks at the authorization server and the clock.
pub async fn sign_in_server(server: &AuthorizationServer, provider: &Provider) -> [Finding; 2] {
    let name = provider.token_url.host_str().unwrap_or_default();
    match server.clock().await {
        Ok(theirs) => {
            let reached = Finding::passed(Check::SignInServer, format!("{name} answers."));
            [reached, clock(theirs, SystemTime::now())]
        }
        Err(cause) => {
            let unreached = sign_in_unreached(provider, name, &cause).await;
            [unreached, Finding::left_out(Check::Clock, Check::SignInServer)]
        }
    }
}

/// Why the authorization server can't be reached, more exactly than HTTP's own error says it.
async fn sign_in_unreached(provider: &Provider, name: &str, cause: &Cause) -> Finding {
    let https = provider.token_url.scheme() == "https";
    let port = provider.token_url.port_or_known_default().unwrap_or(443);
    let security = if https { Security::Tls } else { Security::StartTls };
    let host = Host { name: name.to_owned(), port, security };
    match reach(&host, provider.ca_file.as_deref()).await {
        // By way of a proxy from the environment, say: HTTP's own words are all there is.
        Ok(_) => Ailment::HttpOnly { sentence: &cause.sentence() }.found(Check::SignInServer),
        Err(stuck) => told(Check::SignInServer, &host, &stuck),
    }
}

/// This machine's clock beside the authorization server's.
fn clock(theirs: Option<SystemTime>, ours: SystemTime) -> Finding {
    let Some(theirs) = theirs else {
        return Finding::passed(Check::Clock, "The sign-in server does not say what time it is.");
    };
    let (off, side) = match ours.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if off <= CLOCK_SLACK {
        let seconds = off.as_secs();
        return Finding::passed(
            Check::Clock,
            format!("Within {seconds} s of the sign-in server's."),
        );
    }
    Ailment::ClockOff { off: &length(off), side }.found(Check::Clock)
}

/// A length of time in its largest unit.
fn length(time: Duration) -> String {
    let minutes = (time.as_secs() + 30) / 60;
    match minutes {
        0..120 => count(minutes, "minute"),
        120..2880 => count((minutes + 30) / 60, "hour"),
        _ => count(minutes / 1440, "day"),
    }
}

/// Looks at the IMAP server.
pub async fn imap_server(provider: &Provider) -> Finding {
    let reached = reach(&provider.imap, provider.ca_file.as_deref()).await;
    mail_server(Check::ImapServer, &provider.imap, reached)
}

/// Looks at the submission server; where its port is blocked, at the other one as well.
pub async fn smtp_server(provider: &Provider) -> Finding {
    let (host, ca_file) = (&provider.smtp, provider.ca_file.as_deref());
    let reached = reach(host, ca_file).await;
    if let (Err(Stuck::Connection(why)), Some((other, written))) = (&reached, other_port(host))
        && reach(&other, ca_file).await.is_ok()
    {
        let other = Some((written.as_str(), provider.name.as_str()));
        return Ailment::NoConnection { host, why, other }.found(Check::SmtpServer);
    }
    mail_server(Check::SmtpServer, host, reached)
}

/// The other port that a submission server usually has (RFC 8314 §3.3, RFC 6409 §3.1), and how the
/// configuration names it.
fn other_port(host: &Host) -> Option<(Host, String)> {
    let name = host.name.clone();
    match host.port {
        465 => {
            let written = format!("starttls://{name}:587");
            Some((Host { name, port: 587, security: Security::StartTls }, written))
        }
        587 => {
            let written = format!("{name}:465");
            Some((Host { name, port: 465, security: Security::Tls }, written))
        }
        _ => None,
    }
}

fn mail_server(check: Check, host: &Host, reached: Result<Reached, Stuck>) -> Finding {
    let issuer = match reached {
        Ok(Reached::Secured { issuer }) => issuer,
        Ok(Reached::Connected) => return Finding::passed(check, format!("{host} answers.")),
        Err(stuck) => return told(check, host, &stuck),
    };
    match issuer.as_deref().and_then(interceptor) {
        Some(program) => Ailment::Watched { host, program }.found(check),
        None => Finding::passed(check, format!("{host} answers, and proves who it is.")),
    }
}

/// The program behind an issuer's name, if it is one that intercepts.
fn interceptor(issuer: &str) -> Option<&'static str> {
    let issuer = issuer.to_lowercase();
    let words: Vec<&str> = issuer.split(|c: char| !c.is_alphanumeric()).collect();
    let is_in =
        |known: &str| words.contains(&known) || known.contains(' ') && issuer.contains(known);
    INTERCEPTORS.iter().find(|(known, _)| is_in(known)).map(|(_, program)| *program)
}

/// Where the way ended.
fn told(check: Check, host: &Host, stuck: &Stuck) -> Finding {
    let ailment = match stuck {
        Stuck::Name(why) => Ailment::NoName { host, why },
        Stuck::Connection(why) => Ailment::NoConnection { host, why, other: None },
        Stuck::NoTls(why) => Ailment::NoTls { host, why },
        Stuck::UnknownIssuer { issuer } => match issuer.as_deref().and_then(interceptor) {
            Some(program) => Ailment::Interceptor { host, program },
            None => Ailment::Stranger { host, issuer: issuer.as_deref() },
        },
        Stuck::WrongDate => Ailment::WrongDate { host },
        Stuck::OtherName => Ailment::OtherName { host },
        Stuck::Tls(why) => Ailment::Tls { host, why },
    };
    ailment.found(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_told_by_how_much_and_to_which_side() {
        let theirs = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let told = |seconds: i64| {
            let ours = match u64::try_from(seconds) {
                Ok(ahead) => theirs + Duration::from_secs(ahead),
                Err(_) => theirs - Duration::from_secs(seconds.unsigned_abs()),
            };
            clock(Some(theirs), ours)
        };
        assert!(!told(300).has_failed() && !told(-300).has_failed());
        let ahead = |seconds, words: &str| {
            let found = told(seconds);
            assert!(found.has_failed() && found.sentence.contains(words), "{}", found.sentence);
        };
        ahead(301, "is 5 minutes ahead of");
        ahead(-7200, "is 2 hours behind");
        ahead(7200, "is 2 hours ahead of");
        ahead(86_400 * 400, "is 400 days ahead of");
        assert!(!clock(None, theirs).has_failed());
    }

    #[test]
    fn programs_that_intercept_are_known_by_whole_words() {
        assert_eq!(interceptor("Avast Web/Mail Shield"), Some("Avast"));
        assert_eq!(interceptor("ESET, spol. s r. o."), Some("ESET"));
        assert_eq!(interceptor("Palo Alto Networks"), Some("Palo Alto"));
        assert_eq!(interceptor("Google Trust Services"), None);
        assert_eq!(interceptor("Preset Authority"), None, "“eset” is a part of it only");
    }

    #[test]
    fn the_other_port_is_written_as_the_configuration_wants_it() {
        let host = |port, security| Host { name: "smtp.gmail.com".into(), port, security };
        let other = |host| other_port(&host).map(|(_, written)| written);
        assert_eq!(
            other(host(465, Security::Tls)).as_deref(),
            Some("starttls://smtp.gmail.com:587")
        );
        assert_eq!(other(host(587, Security::StartTls)).as_deref(), Some("smtp.gmail.com:465"));
        assert_eq!(other(host(2525, Security::Tls)), None);
    }
}
