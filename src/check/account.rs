//! One account, looked at by the proxy that serves it: whether it is open, its token, and whether Gmail
//! takes that.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::{Ailment, Check, Finding};
use crate::accounts::Address;
use crate::proxy::{Connections, Inside, Server, UnlockTrouble};
use crate::secret::{AccessToken, LocalPassword};
use crate::settings::Settings;
use crate::sign_in::SignInError;
use crate::token::{AuthorizationServer, Cause, TokenUse, Trouble};
use crate::upstream::{Upstream, UpstreamError};

/// How long the keychain may take to open an account that has just been read.
const KEYCHAIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// What was found, and what lets the program's own mail client in.
#[derive(Debug)]
pub struct Examined {
    /// In the order of the way.
    pub findings: Vec<Finding>,
    /// A local password for five minutes; `None` if the account is locked.
    pub pass: Option<LocalPassword>,
}

/// A token that the authorization server vouches for.
struct Vouched {
    name: String,
    token: AccessToken,
}

/// Looks at an account of `server`. `password` opens it if nothing else has. What `failed` before, on the
/// way to the provider, isn't tried again.
pub async fn account(
    server: &Server,
    address: &str,
    password: Option<LocalPassword>,
    failed: &[Check],
) -> Examined {
    let mut findings = Vec::new();
    let pass = match server.account(address) {
        Ok(Some(inside)) => {
            let settings = server.settings();
            findings.push(unlocked(&inside, address, password, settings.config.keychain).await);
            if !inside.is_locked() {
                findings.extend(signed_on(&inside, &settings, address, failed).await);
                findings.extend(no_connection_left(&inside));
            }
            inside.pass().ok().flatten()
        }
        Ok(None) => {
            findings.push(Ailment::NotTakenUp { address }.found(Check::Unlocked));
            None
        }
        Err(error) => {
            findings.push(Ailment::Record { why: &error.to_string() }.found(Check::Unlocked));
            None
        }
    };
    leave_out_the_rest(&mut findings);
    let findings = findings.into_iter().map(|finding| finding.of(address)).collect();
    Examined { findings, pass }
}

/// What was not come to is left out, because of what failed first.
fn leave_out_the_rest(findings: &mut Vec<Finding>) {
    const ALL: [Check; 5] =
        [Check::Unlocked, Check::Token, Check::Identity, Check::ImapSignOn, Check::SmtpSignOn];
    let Some(why) = findings.iter().find(|finding| finding.has_failed()) else { return };
    let why = why.check;
    for check in ALL {
        if !findings.iter().any(|finding| finding.check == check) {
            findings.push(Finding::left_out(check, why));
        }
    }
}

/// Waits until the keychain, which is asked in the background after a start, has opened the account
/// that it can open. Not for long.
pub async fn keychain_asked(inside: &Inside<'_>, keychain: bool) {
    let by = Instant::now() + KEYCHAIN;
    let can_open = keychain && inside.record().has_keychain_slot();
    while can_open && inside.is_locked() && Instant::now() < by {
        tokio::time::sleep(LOOK).await;
    }
}

async fn unlocked(
    inside: &Inside<'_>,
    address: &str,
    password: Option<LocalPassword>,
    keychain: bool,
) -> Finding {
    let record = inside.record();
    keychain_asked(inside, keychain).await;
    if let (true, Some(password)) = (inside.is_locked(), password) {
        match inside.unlock(password).await {
            Ok(()) => {}
            Err(UnlockTrouble::Wrong) => {
                return Ailment::WrongPassword { address }.found(Check::Unlocked);
            }
            Err(UnlockTrouble::Trouble(sentence, remedy)) => {
                return Finding::failed(Check::Unlocked, "record", sentence, remedy);
            }
        }
    }
    if inside.is_locked() {
        return Ailment::Locked { address }.found(Check::Unlocked);
    }
    let opens_with = record.opens_with().join(", ");
    Finding::passed(Check::Unlocked, format!("It is open. What opens it: {opens_with}."))
}

async fn signed_on(
    inside: &Inside<'_>,
    settings: &Settings,
    address: &str,
    failed: &[Check],
) -> Vec<Finding> {
    if failed.contains(&Check::SignInServer) {
        let rest = [Check::Token, Check::Identity, Check::ImapSignOn, Check::SmtpSignOn];
        return rest.map(|check| Finding::left_out(check, Check::SignInServer)).into();
    }
    let Some(server) = &settings.server else {
        let error = SignInError::NoClient;
        let remedy = error.remedy(address);
        return vec![Finding::failed(Check::Token, error.code(), error.to_string(), remedy)];
    };
    let (mut findings, vouched) = token(inside, server, address).await;
    let Some(Vouched { name, token }) = vouched else { return findings };
    let (imap, smtp) = tokio::join!(
        async {
            match failed.contains(&Check::ImapServer) {
                true => Finding::left_out(Check::ImapSignOn, Check::ImapServer),
                false => imap_sign_on(&settings.upstream, &name, &token).await,
            }
        },
        async {
            match failed.contains(&Check::SmtpServer) {
                true => Finding::left_out(Check::SmtpSignOn, Check::SmtpServer),
                false => smtp_sign_on(&settings.upstream, &name, &token).await,
            }
        }
    );
    findings.extend([imap, smtp]);
    findings
}

/// Told where a mail program would wait for a connection in vain.
fn no_connection_left(inside: &Inside<'_>) -> Option<Finding> {
    let Connections { in_use, limit, .. } = inside.status().connections;
    let limit = limit.filter(|limit| in_use >= *limit)?;
    Some(Ailment::ConnectionsInUse { limit }.found(Check::Reading))
}

/// A token, and whose it is.
async fn token(
    inside: &Inside<'_>,
    server: &Arc<AuthorizationServer>,
    address: &str,
) -> (Vec<Finding>, Option<Vouched>) {
    let mut refused = None;
    loop {
        let TokenUse { token, version, left, .. } = match inside.token(server, refused).await {
            Ok(token) => token,
            Err(trouble) => return (vec![no_token(&trouble, address)], None),
        };
        let got = got(inside, address, left);
        match server.identity(&token).await {
            Ok(identity) => {
                let is_right = is_same(&identity.email, inside.record().sign_in_name());
                if is_right {
                    let whose = Finding::passed(
                        Check::Identity,
                        format!("The token is that of {}.", identity.email),
                    );
                    let name = inside.record().sign_in_name().to_owned();
                    return (vec![got, whose], Some(Vouched { name, token }));
                }
                let other = Cause::OtherAccount { signed_in: identity.email };
                return (vec![got, caused(Check::Identity, &other, address)], None);
            }
            // A token that looks alive and isn't: the next request says what became of the grant.
            Err(Cause::AccountUnknown) if refused.is_none() => refused = Some(version),
            Err(cause) => return (vec![got, caused(Check::Identity, &cause, address)], None),
        }
    }
}

fn caused(check: Check, cause: &Cause, address: &str) -> Finding {
    Finding::failed(check, cause.code(), cause.sentence(), cause.remedy(address))
}

fn is_same(one: &str, other: &str) -> bool {
    match (Address::parse(one), Address::parse(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// A token that was got; a grant that ends soon whatever is done is told with it.
fn got(inside: &Inside<'_>, address: &str, left: Duration) -> Finding {
    let minutes = left.as_secs().div_ceil(60);
    let sentence =
        format!("Google gives access to the mail; this token is good for {minutes} min.");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match inside.record().grant_expires() {
        Some(ends) => {
            let days = ends.saturating_sub(now) / 86_400;
            Ailment::Testing { address, days }.found(Check::Token)
        }
        None => Finding::passed(Check::Token, sentence),
    }
}

fn no_token(trouble: &Trouble, address: &str) -> Finding {
    match trouble {
        Trouble::Cause(cause) => caused(Check::Token, cause, address),
        Trouble::Locked | Trouble::Record(_) => {
            Ailment::Record { why: &trouble.to_string() }.found(Check::Token)
        }
    }
}

async fn imap_sign_on(upstream: &Upstream, name: &str, token: &AccessToken) -> Finding {
    match upstream.imap(name, token).await {
        Ok(_) => Finding::passed(Check::ImapSignOn, "It takes the token."),
        Err(error) => refused(Check::ImapSignOn, &error),
    }
}

async fn smtp_sign_on(upstream: &Upstream, name: &str, token: &AccessToken) -> Finding {
    let signed_on = async { upstream.smtp("localhost").await?.sign_on(name, token).await };
    match signed_on.await {
        Ok(_) => Finding::passed(Check::SmtpSignOn, "It takes the token."),
        Err(error) => refused(Check::SmtpSignOn, &error),
    }
}

fn refused(check: Check, error: &UpstreamError) -> Finding {
    Finding::failed(check, error.code(), format!("{error}."), error.remedy())
}
