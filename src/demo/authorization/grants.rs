//! Who consented to what, and the tokens that came of it. No I/O; the time is an argument.

use std::{collections::HashMap, io, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::demo::random;

/// What Google's answers say of a Desktop client's access token.
pub(super) const DEFAULT_TOKEN_LIFE: Duration = Duration::from_secs(3599);

/// Google doesn't say; ten minutes is the most that RFC 6749 §4.1.2 recommends.
const CODE_LIFE: Duration = Duration::from_secs(600);

/// 150 bytes make 200 characters; an observed token had 224, and Google allows 2048.
const ACCESS_TOKEN_BYTES: usize = 147;

/// A request for consent that has passed every check.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) email: String,
    pub(super) redirect_uri: String,
    pub(super) scope: String,
    pub(super) challenge: String,
    pub(super) state: Option<String>,
}

/// A live access token.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) email: String,
    pub(super) scope: String,
    pub(super) ends: Instant,
    grant: u64,
}

/// What a code or a refresh token is turned into.
pub(super) struct Issued {
    pub(super) access_token: String,
    pub(super) expires_in: u64,
    pub(super) refresh_token: Option<String>,
    pub(super) scope: String,
}

/// Why not. Each stands for one `error_description` of Google's `invalid_grant`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    MalformedCode,
    WrongRedirect,
    MissingVerifier,
    WrongVerifier,
    Dead,
}

pub(super) struct Grants {
    next: u64,
    codes: HashMap<String, (Request, Instant)>,
    grants: HashMap<u64, Grant>,
    refresh: HashMap<String, u64>,
    access: HashMap<String, Access>,
    pub(super) token_life: Duration,
    pub(super) rotation: bool,
    /// Whoever didn't get the answer to a rotation may ask again with the token that he has.
    pub(super) forgives: bool,
}

#[derive(Clone)]
struct Grant {
    email: String,
    scope: String,
}

impl Grants {
    pub(super) fn new(token_life: Duration) -> Self {
        Self {
            next: 0,
            codes: HashMap::new(),
            grants: HashMap::new(),
            refresh: HashMap::new(),
            access: HashMap::new(),
            token_life,
            rotation: false,
            forgives: false,
        }
    }

    pub(super) fn make_code(&mut self, request: Request, now: Instant) -> io::Result<String> {
        self.codes.retain(|_, (_, ends)| *ends > now);
        let code = format!("4/0A{}", random::text(48)?);
        self.codes.insert(code.clone(), (request, now + CODE_LIFE));
        Ok(code)
    }

    /// Turns a code into tokens, once: whatever comes of it, the code is gone (RFC 6749 §4.1.2).
    pub(super) fn exchange(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        now: Instant,
    ) -> io::Result<Result<Issued, Refused>> {
        let Some((request, ends)) = self.codes.remove(code) else {
            return Ok(Err(Refused::MalformedCode));
        };
        if ends <= now {
            return Ok(Err(Refused::MalformedCode));
        }
        if request.redirect_uri != redirect_uri {
            return Ok(Err(Refused::WrongRedirect));
        }
        let Some(verifier) = verifier else {
            return Ok(Err(Refused::MissingVerifier));
        };
        if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != request.challenge {
            return Ok(Err(Refused::WrongVerifier));
        }
        self.next += 1;
        let grant = Grant { email: request.email, scope: request.scope };
        self.grants.insert(self.next, grant.clone());
        let mut issued = self.issue(self.next, &grant, now)?;
        issued.refresh_token = Some(self.make_refresh_token(self.next)?);
        Ok(Ok(issued))
    }

    pub(super) fn refresh(
        &mut self,
        refresh_token: &str,
        now: Instant,
    ) -> io::Result<Result<Issued, Refused>> {
        let Some(&id) = self.refresh.get(refresh_token) else {
            return Ok(Err(Refused::Dead));
        };
        let Some(grant) = self.grants.get(&id).cloned() else {
            return Ok(Err(Refused::Dead));
        };
        let mut issued = self.issue(id, &grant, now)?;
        if self.rotation {
            let forgives = self.forgives;
            self.refresh.retain(|one, of| *of != id || (forgives && one == refresh_token));
            issued.refresh_token = Some(self.make_refresh_token(id)?);
        }
        Ok(Ok(issued))
    }

    pub(super) fn live(&self, access_token: &str, now: Instant) -> Option<&Access> {
        self.access.get(access_token).filter(|access| access.ends > now)
    }

    /// Ends the grant that a token of either kind belongs to; false if it belongs to none.
    pub(super) fn revoke(&mut self, token: &str, now: Instant) -> bool {
        let grant = match self.refresh.get(token) {
            Some(&grant) => Some(grant),
            None => self.live(token, now).map(|access| access.grant),
        };
        let Some(grant) = grant else {
            return false;
        };
        self.grants.remove(&grant);
        self.refresh.retain(|_, of| *of != grant);
        self.access.retain(|_, access| access.grant != grant);
        true
    }

    pub(super) fn revoke_all(&mut self) {
        self.grants.clear();
        self.refresh.clear();
        self.access.clear();
    }

    pub(super) fn expire_access_tokens(&mut self) {
        self.access.clear();
    }

    /// Takes a scope away from an access token and from the grant behind it; gives what is left.
    pub(super) fn narrow(&mut self, access_token: &str, scope: &str) -> Option<String> {
        let access = self.access.get_mut(access_token)?;
        let left: Vec<_> = access.scope.split(' ').filter(|one| *one != scope).collect();
        let left = left.join(" ");
        access.scope.clone_from(&left);
        if let Some(grant) = self.grants.get_mut(&access.grant) {
            grant.scope.clone_from(&left);
        }
        Some(left)
    }

    /// A grant that nobody had to consent to, for tests that begin after the sign-in.
    pub(super) fn grant(&mut self, email: &str, scope: &str) -> io::Result<String> {
        self.next += 1;
        self.grants.insert(self.next, Grant { email: email.to_owned(), scope: scope.to_owned() });
        self.make_refresh_token(self.next)
    }

    fn issue(&mut self, id: u64, grant: &Grant, now: Instant) -> io::Result<Issued> {
        self.access.retain(|_, access| access.ends > now);
        let access_token = format!("ya29.{}", random::text(ACCESS_TOKEN_BYTES)?);
        let access = Access {
            email: grant.email.clone(),
            scope: grant.scope.clone(),
            ends: now + self.token_life,
            grant: id,
        };
        self.access.insert(access_token.clone(), access);
        Ok(Issued {
            access_token,
            expires_in: whole_seconds(self.token_life),
            refresh_token: None,
            scope: grant.scope.clone(),
        })
    }

    fn make_refresh_token(&mut self, grant: u64) -> io::Result<String> {
        let token = format!("1//0{}", random::text(72)?);
        self.refresh.insert(token.clone(), grant);
        Ok(token)
    }
}

/// Rounded up, so that no live token is said to have 0 seconds.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
