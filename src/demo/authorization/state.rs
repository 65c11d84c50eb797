//! What the endpoints share.

use std::{collections::VecDeque, io, sync::Mutex};

use super::{
    AuthorizationOptions, Consent, MAIL_SCOPE, TokenFault, UserinfoFault,
    grants::{Grants, Request},
    random,
};
use crate::demo::faults::Faults;

/// What Google makes of the scope `email`.
pub(super) const SCOPE_EMAIL: &str = "https://www.googleapis.com/auth/userinfo.email";

pub(super) const SCOPE_PROFILE: &str = "https://www.googleapis.com/auth/userinfo.profile";

pub(super) struct State {
    pub(super) base: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) settings: Mutex<Settings>,
    pub(super) grants: Mutex<Grants>,
}

pub(super) struct Settings {
    pub(super) users: Vec<String>,
    pub(super) consenting_user: Option<String>,
    pub(super) consent: Consent,
    pub(super) testing: bool,
    /// How far its clock is from this machine's, in seconds; minus is behind.
    pub(super) clock_off: i64,
    pub(super) token_faults: Faults<TokenFault>,
    pub(super) userinfo_faults: Faults<UserinfoFault>,
    /// Requests whose page is being looked at, the oldest first.
    pub(super) pending: VecDeque<(String, Request)>,
    pub(super) refreshes: usize,
    pub(super) exchanges: usize,
    pub(super) userinfo_requests: usize,
    pub(super) revocations: usize,
}

impl State {
    pub(super) fn new(options: AuthorizationOptions, base: String) -> io::Result<Self> {
        Ok(Self {
            base,
            client_id: format!("123456789012-{}.apps.googleusercontent.com", random::hex(16)?),
            client_secret: format!("GOCSPX-{}", random::text(21)?),
            settings: Mutex::new(Settings {
                users: options.users,
                consenting_user: None,
                consent: Consent::AtOnce,
                testing: false,
                clock_off: 0,
                token_faults: Faults::default(),
                userinfo_faults: Faults::default(),
                pending: VecDeque::new(),
                refreshes: 0,
                exchanges: 0,
                userinfo_requests: 0,
                revocations: 0,
            }),
            grants: Mutex::new(Grants::new(options.token_life)),
        })
    }
}

impl Settings {
    /// Who sits at the browser: a `login_hint` finds its user as Google would, without regard to
    /// letter case and, at gmail.com, to dots and a `+tag`.
    pub(super) fn person(&self, login_hint: Option<&str>) -> Option<String> {
        if let Some(email) = &self.consenting_user {
            return Some(email.clone());
        }
        let Some(hint) = login_hint else {
            return self.users.first().cloned();
        };
        self.users.iter().find(|user| canonical(user) == canonical(hint)).cloned()
    }
}

fn canonical(email: &str) -> String {
    let email = email.trim().to_ascii_lowercase();
    match email.split_once('@') {
        Some((local, "gmail.com" | "googlemail.com")) => {
            let name = local.split('+').next().unwrap_or(local);
            format!("{}@gmail.com", name.replace('.', ""))
        }
        _ => email,
    }
}

/// The scopes asked for, in the words Google answers with; `None` if one of them is unknown or
/// there is none.
pub(super) fn granted_scope(asked: &str) -> Option<String> {
    let mut granted: Vec<&str> = Vec::new();
    for scope in asked.split_ascii_whitespace() {
        let scope = match scope {
            "email" => SCOPE_EMAIL,
            "profile" => SCOPE_PROFILE,
            MAIL_SCOPE | "openid" | SCOPE_EMAIL | SCOPE_PROFILE => scope,
            _ => return None,
        };
        if !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    (!granted.is_empty()).then(|| granted.join(" "))
}
