//! The way to the provider: its authorization server and the clock there, its mail servers.

use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::{Ailment, Check, Finding};
use crate::config::{Host, Provider, Security};
use crate::sentence::count;
use crate::token::AuthorizationServer;
use crate::upstream::{Reached, Stuck, hour, reach, reach_port};

/// A clock that is off by more than this is told. Certificates and grants count in hours; a few
/// minutes harm nobody.
const CLOCK_SLACK: Duration = Duration::from_secs(300);
/// HTTP tells whole seconds, and its answers are under way for some.
const AGREES: Duration = Duration::from_secs(10);

/// How long the way to another port than the one that is blocked may take.
const OTHER_PORT: Duration = Duration::from_secs(10);

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

/// Looks at the authorization server and the clock there (not without a client), the IMAP server and
/// the submission server. What has one cause is told once.
pub async fn network(server: Option<&AuthorizationServer>, provider: &Provider) -> [Finding; 4] {
    let sign_in = async {
        match server {
            Some(server) => sign_in_server(server, provider).await,
            None => [Check::SignInServer, Check::Clock]
                .map(|check| Finding::left_out(check, Check::Client)),
        }
    };
    let ([sign_in, clock], imap, smtp) =
        tokio::join!(sign_in, imap_server(provider), smtp_server(provider));
    told_once([sign_in, clock, imap, smtp])
}

/// Leaves out what another finding is the cause of, or tells already.
fn told_once(found: [Finding; 4]) -> [Finding; 4] {
    /// What one thing on the way to all servers does to each of them. (A port may be blocked by itself.)
    const COMMON: [&str; 6] = ["dns", "tls_intercepted", "tls_date", "tls_name", "tls", "no_tls"];
    let so_many = |code| found.iter().filter(|found| found.code.as_deref() == Some(code)).count();
    let clock_is_off = so_many("clock_off") > 0;
    let nothing_is_reached = so_many("unreachable") == 3;
    // The sign-in page of a network answers for web servers, and lets nothing else through.
    let [sign_in, ..] = &found;
    let is_held = so_many("unreachable") == 2
        && ["tls_intercepted", "tls_name", "no_tls"].map(Some).contains(&sign_in.code.as_deref());
    let mut told: Vec<(String, Check)> = Vec::new();
    found.map(|found| {
        let Some(code) = found.code.clone() else { return found };
        let before = told.iter().find(|(told, _)| *told == code).map(|(_, check)| *check);
        told.push((code.clone(), found.check));
        match (code.as_str(), before) {
            ("tls_date", _) if clock_is_off => Finding::left_out(found.check, Check::Clock),
            ("unreachable", _) if is_held => Finding::left_out(found.check, Check::SignInServer),
            ("unreachable", None) if nothing_is_reached => Ailment::NoNetwork.found(found.check),
            ("unreachable", Some(first)) if nothing_is_reached => {
                Finding::left_out(found.check, first)
            }
            ("tls_watched", Some(_)) => {
                Finding::passed(found.check, "It answers, by way of the same program.")
            }
            (code, Some(first)) if COMMON.contains(&code) => Finding::left_out(found.check, first),
            _ => found,
        }
    })
}

/// Looks at the authorization server and the clock.
async fn sign_in_server(server: &AuthorizationServer, provider: &Provider) -> [Finding; 2] {
    let name = provider.token_url.host_str().unwrap_or_default();
    let cause = match server.clock().await {
        Ok(theirs) => {
            let reached = Finding::passed(Check::SignInServer, format!("{name} answers."));
            return [reached, clock(theirs, SystemTime::now())];
        }
        Err(cause) => cause,
    };
    let no_clock = || Finding::left_out(Check::Clock, Check::SignInServer);
    if let Some(variable) = server.proxy_variable() {
        // A name or a port that can't be reached from here would be no cause.
        let sentence = &cause.sentence();
        return [Ailment::ByProxy { sentence, variable }.found(Check::SignInServer), no_clock()];
    }
    let port = provider.token_url.port_or_known_default().unwrap_or(443);
    let host = Host { name: name.to_owned(), port, security: Security::Tls };
    let ca_file = provider.ca_file.as_deref();
    let reached = match provider.token_url.scheme() {
        "https" => reach(&host, ca_file).await.map(drop),
        _ => reach_port(&host).await,
    };
    let unreached = match reached {
        // HTTP's own words are all there is.
        Ok(()) => {
            let (sentence, remedy) = (cause.sentence(), cause.remedy(""));
            Finding::failed(Check::SignInServer, cause.code(), sentence, remedy)
        }
        Err(stuck) => {
            if stuck == Stuck::WrongDate {
                let clock = clock(hour(&host, ca_file).await, SystemTime::now());
                if clock.has_failed() {
                    return [Finding::left_out(Check::SignInServer, Check::Clock), clock];
                }
            }
            told(Check::SignInServer, &host, &stuck)
        }
    };
    [unreached, no_clock()]
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
    if off <= AGREES {
        return Finding::passed(Check::Clock, "It agrees with the sign-in server's.");
    }
    if off <= CLOCK_SLACK {
        let seconds = off.as_secs();
        let sentence = format!("It is {seconds} s {side} the sign-in server's.");
        return Finding::passed(Check::Clock, sentence);
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
async fn imap_server(provider: &Provider) -> Finding {
    let reached = reach(&provider.imap, provider.ca_file.as_deref()).await;
    mail_server(Check::ImapServer, &provider.imap, reached)
}

/// Looks at the submission server; where its port is blocked, at the other one as well.
async fn smtp_server(provider: &Provider) -> Finding {
    let (host, ca_file) = (&provider.smtp, provider.ca_file.as_deref());
    let reached = reach(host, ca_file).await;
    if let (Err(Stuck::Connection(why)), Some((other, written))) = (&reached, other_port(host))
        && let Ok(Ok(_)) = timeout(OTHER_PORT, reach(&other, ca_file)).await
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
        Ok(Reached { issuer }) => issuer,
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
    fn what_has_one_cause_is_told_once() {
        use Check::{Clock, ImapServer, SignInServer, SmtpServer};
        let host = Host { name: "example.com".into(), port: 993, security: Security::Tls };
        let fine = |check| Finding::passed(check, "It answers.");
        let no_name = |check| Ailment::NoName { host: &host, why: "no answer" }.found(check);
        let lost = |check| {
            Ailment::NoConnection { host: &host, why: "no answer", other: None }.found(check)
        };
        let old = |check| Ailment::WrongDate { host: &host }.found(check);
        let off = || Ailment::ClockOff { off: "2 hours", side: "behind" }.found(Clock);
        let no_clock = || Finding::left_out(Clock, SignInServer);
        let wrong = |found: [Finding; 4]| -> Vec<(Check, String)> {
            let failed = told_once(found).into_iter().filter(Finding::has_failed);
            failed.map(|found| (found.check, found.sentence)).collect()
        };
        let checks = |found| wrong(found).into_iter().map(|(check, _)| check).collect::<Vec<_>>();
        let all = |of: &dyn Fn(Check) -> Finding| {
            [of(SignInServer), no_clock(), of(ImapServer), of(SmtpServer)]
        };
        assert_eq!(checks(all(&no_name)), [SignInServer]);
        assert_eq!(checks(all(&old)), [SignInServer]);
        let nothing = wrong(all(&lost));
        assert_eq!(nothing.len(), 1);
        assert_eq!(nothing[0].1, "None of Google's servers can be reached.");
        let ports = [fine(SignInServer), fine(Clock), lost(ImapServer), lost(SmtpServer)];
        assert_eq!(checks(ports), [ImapServer, SmtpServer], "each has a port of its own");
        let clock = [fine(SignInServer), off(), old(ImapServer), old(SmtpServer)];
        assert_eq!(checks(clock), [Clock]);
        let two = [fine(SignInServer), fine(Clock), no_name(ImapServer), old(SmtpServer)];
        assert_eq!(checks(two), [ImapServer, SmtpServer]);
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
