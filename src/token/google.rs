//! The authorization server's errors: what each means, said in one sentence, and what cures it.

use serde::{Deserialize, Serialize};

use crate::sentence;

/// What to do where a certificate isn't valid today: it is the clock, mostly.
const WRONG_DATE: &str = "Set the clock; if it is right, use another network.";

/// What was under way when an error came: the same code means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The person is at the consent page (RFC 6749 §4.1.2.1).
    Consent,
    /// The code is turned into a grant (RFC 6749 §4.1.3).
    Exchange,
    /// A token is refreshed (RFC 6749 §6).
    Refresh,
}

/// An error as the authorization server words it (RFC 6749 §5.2), with Google's `error_subtype`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: String,
    pub(super) error_description: Option<String>,
    pub(super) error_subtype: Option<String>,
}

impl oauth2::ErrorResponse for ErrorBody {}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&sentence::shown(&self.error))
    }
}

/// Why there is no token. Each variant names who has to act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Nobody signed in within the time.
    NobodySignedIn,
    /// The person pressed Cancel, or is no test user of an unpublished client.
    Declined,
    /// The grant is revoked or expired; `testing`: it was a seven-day grant of a client in Testing.
    GrantEnded {
        /// The grant was known to be a short one.
        testing: bool,
    },
    /// The organisation wants its people to sign in again from time to time.
    SessionPolicy,
    /// The organisation's administrator doesn't trust the client.
    AdminPolicy,
    /// The client is for the people of one organisation.
    WrongOrganisation,
    /// The sign-in page was opened in an embedded browser.
    EmbeddedBrowser,
    /// The code came too late, twice, or to another program.
    CodeRejected,
    /// The client's id or secret is wrong.
    ClientUnknown,
    /// The client was deleted on the console.
    ClientDeleted,
    /// The client has a secret that Gatepost wasn't given.
    SecretMissing,
    /// The client isn't of the type Desktop app.
    NotDesktopClient,
    /// The client may not use this flow or scope.
    ClientUnauthorized,
    /// A scope in the configuration isn't one.
    InvalidScope,
    /// The person left the box for mail unticked.
    ScopeMissing,
    /// There is a token, but no refresh token with it.
    NoRefreshToken,
    /// Another account consented than the one that was to sign in.
    OtherAccount {
        /// The account that consented.
        signed_in: String,
    },
    /// The provider didn't say which account consented.
    AccountUnknown,
    /// The authorization server has trouble of its own: an HTTP status of 500 and above.
    ServerTrouble(u16),
    /// Too many requests (HTTP 429).
    Busy,
    /// An answer that isn't one, or of no use: a captive portal, a proxy, half a page, a token of a
    /// type that nobody takes.
    Unreadable,
    /// No answer: DNS, TCP, TLS, or too slow. The text says which.
    Unreachable(String),
    /// Whoever answered has no certificate that proves them to be the authorization server. Nothing is
    /// sent before that.
    NotProven {
        /// What is wrong with the certificate.
        why: String,
        /// It isn't valid today, by this machine's clock.
        is_date: bool,
    },
    /// A code that nobody has described; the text is the server's.
    Other(String),
}

impl Cause {
    /// Reads the server's error.
    pub(super) fn of(step: Step, body: &ErrorBody) -> Self {
        let description = body.error_description.as_deref().unwrap_or_default();
        let subtype = body.error_subtype.as_deref().unwrap_or_default();
        let rapt = |text: &str| text == "invalid_rapt" || text == "rapt_required";
        match (step, body.error.as_str()) {
            (_, "invalid_grant") if rapt(subtype) || rapt(description) => Self::SessionPolicy,
            (Step::Refresh, "invalid_grant") => Self::GrantEnded { testing: false },
            (_, "invalid_grant") => Self::CodeRejected,
            (_, "invalid_rapt" | "rapt_required") => Self::SessionPolicy,
            (_, "invalid_client") => Self::ClientUnknown,
            (_, "deleted_client") => Self::ClientDeleted,
            (_, "invalid_request") if description.contains("client_secret") => Self::SecretMissing,
            (_, "invalid_request") if description.contains("redirect_uri") => {
                Self::NotDesktopClient
            }
            (_, "redirect_uri_mismatch") => Self::NotDesktopClient,
            (_, "unauthorized_client") => Self::ClientUnauthorized,
            (_, "access_denied") => Self::Declined,
            (_, "admin_policy_enforced") => Self::AdminPolicy,
            (_, "org_internal") => Self::WrongOrganisation,
            (_, "disallowed_useragent") => Self::EmbeddedBrowser,
            (_, "invalid_scope") => Self::InvalidScope,
            (_, "temporarily_unavailable" | "server_error" | "internal_failure") => {
                Self::ServerTrouble(503)
            }
            (_, code) => Self::Other(sentence::shown(code)),
        }
    }

    /// Reads the error code that the browser brought back.
    pub fn of_redirect(code: &str) -> Self {
        let body =
            ErrorBody { error: code.to_owned(), error_description: None, error_subtype: None };
        Self::of(Step::Consent, &body)
    }

    /// True if the same request may succeed later without anybody acting: the token and the grant
    /// are kept, and it is tried again.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::ServerTrouble(_)
                | Self::Busy
                | Self::Unreadable
                | Self::Unreachable(_)
                | Self::NotProven { .. }
        )
    }

    /// One sentence that says what happened.
    pub fn sentence(&self) -> String {
        match self {
            Self::NobodySignedIn => "Nobody signed in within ten minutes.".into(),
            Self::Declined => "Google says that access was declined.".into(),
            Self::GrantEnded { testing: false } => "Google has ended the grant: it was taken back, the Google password was changed, or it was not used for six months.".into(),
            Self::GrantEnded { testing: true } => "Google has ended the grant, because your Google client is in “Testing”, where a grant lives seven days.".into(),
            Self::SessionPolicy => "Your organisation wants you to sign in again from time to time.".into(),
            Self::AdminPolicy => "Your organisation's administrator does not allow this Google client.".into(),
            Self::WrongOrganisation => "This Google client is only for the people of its own organisation.".into(),
            Self::EmbeddedBrowser => "Google refuses to sign anybody in inside an embedded browser.".into(),
            Self::CodeRejected => "Google did not accept the sign-in code; it was too late or already used.".into(),
            Self::ClientUnknown => "Google does not know this client id, or the client secret is wrong.".into(),
            Self::ClientDeleted => "This Google client was deleted.".into(),
            Self::SecretMissing => "Google wants the client secret, and Gatepost has none.".into(),
            Self::NotDesktopClient => "This Google client is not of the type “Desktop app”.".into(),
            Self::ClientUnauthorized => "This Google client may not ask for access to Gmail.".into(),
            Self::InvalidScope => "Google does not know one of the scopes in the configuration.".into(),
            Self::ScopeMissing => "Google gave no access to the mail: the box for it was not ticked.".into(),
            Self::NoRefreshToken => "Google gave access for an hour only.".into(),
            Self::OtherAccount { signed_in } => format!("You signed in as {}, which is another account.", sentence::shown(signed_in)),
            Self::AccountUnknown => "Google did not say which account signed in.".into(),
            Self::ServerTrouble(status) => format!("Google's sign-in server has trouble of its own (HTTP {status})."),
            Self::Busy => "Google's sign-in server asks for a pause (too many requests).".into(),
            Self::Unreadable => "The answer did not come from Google's sign-in server, or is of no use to Gatepost.".into(),
            Self::Unreachable(why) => format!("Google's sign-in server can't be reached ({why})."),
            Self::NotProven { why, .. } => format!("Google's sign-in server did not prove who it is ({why}); nothing was sent to it."),
            Self::Other(code) => format!("Google's sign-in server answered “{code}”."),
        }
    }

    /// One thing to do about it. `address` is the account's.
    pub fn remedy(&self, address: &str) -> String {
        match self {
            Self::NobodySignedIn | Self::CodeRejected => format!("Run `gatepost login {address}` again and sign in in the browser."),
            Self::Declined => format!("Run `gatepost login {address}` again and allow it; a Google client in “Testing” has to be published first (docs/google-client.md)."),
            Self::GrantEnded { testing: false } | Self::SessionPolicy => format!("Run `gatepost login {address}` to sign in again; the local password stays as it is."),
            Self::GrantEnded { testing: true } => format!("Publish the client (Google Auth Platform › Audience › Publish app), then run `gatepost login {address}`; the local password stays as it is."),
            Self::AdminPolicy => "Ask the administrator to trust the client's id (Admin console › Security › API controls).".into(),
            Self::WrongOrganisation => "Make a client of your own whose audience is “External” (docs/google-client.md).".into(),
            Self::EmbeddedBrowser => "Open the address in Firefox, Chrome, Edge or Safari.".into(),
            Self::ClientUnknown => format!("Download the client's JSON file again and run `gatepost login {address} --client FILE`."),
            Self::ClientDeleted => "Make a new one (docs/google-client.md); for 30 days Google's console can restore the old one.".into(),
            Self::SecretMissing => format!("Run `gatepost login {address} --client FILE` with the JSON file of the client."),
            Self::NotDesktopClient => "Make a client of the type “Desktop app” (docs/google-client.md).".into(),
            Self::ClientUnauthorized => "Make a client of your own, of the type “Desktop app” (docs/google-client.md).".into(),
            Self::InvalidScope => "Take `scopes` out of the configuration; the built-in ones are right for Gmail.".into(),
            Self::ScopeMissing => format!("Run `gatepost login {address}` again and tick “Read, compose, send, and permanently delete all your email from Gmail”."),
            Self::NoRefreshToken => format!("Remove Gatepost's access at https://myaccount.google.com/connections, then run `gatepost login {address}` again."),
            Self::OtherAccount { .. } => format!("Run `gatepost login {address}` again and choose {address} on Google's page."),
            Self::AccountUnknown => format!("Put `openid` and `email` among the `scopes` in the configuration and run `gatepost login {address}` again."),
            Self::ServerTrouble(_) | Self::Busy => "Nothing to do: Gatepost tries again by itself.".into(),
            Self::Unreadable => "Open a web page in the browser, since the sign-in page of a hotel or a company may stand in between; Gatepost tries again by itself.".into(),
            Self::Unreachable(_) => "Check the network; Gatepost tries again by itself.".into(),
            Self::NotProven { is_date: true, .. } => WRONG_DATE.into(),
            Self::NotProven { is_date: false, .. } => "Name the certificate of your antivirus or your company's proxy in `ca_file` in the configuration; if you have neither, use another network.".into(),
            Self::Other(_) => format!("Run `gatepost login {address}` again; Google's documentation of OAuth 2.0 explains the word."),
        }
    }

    /// A word for programs, stable between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NobodySignedIn => "timed_out",
            Self::Declined => "access_denied",
            Self::GrantEnded { testing: false } => "grant_ended",
            Self::GrantEnded { testing: true } => "grant_ended_testing",
            Self::SessionPolicy => "session_policy",
            Self::AdminPolicy => "admin_policy",
            Self::WrongOrganisation => "org_internal",
            Self::EmbeddedBrowser => "embedded_browser",
            Self::CodeRejected => "code_rejected",
            Self::ClientUnknown => "invalid_client",
            Self::ClientDeleted => "deleted_client",
            Self::SecretMissing => "client_secret_missing",
            Self::NotDesktopClient => "not_a_desktop_client",
            Self::ClientUnauthorized => "unauthorized_client",
            Self::InvalidScope => "invalid_scope",
            Self::ScopeMissing => "scope_missing",
            Self::NoRefreshToken => "no_refresh_token",
            Self::OtherAccount { .. } => "other_account",
            Self::AccountUnknown => "account_unknown",
            Self::ServerTrouble(_) => "server_trouble",
            Self::Busy => "busy",
            Self::Unreadable => "unreadable_answer",
            Self::Unreachable(_) => "unreachable",
            Self::NotProven { is_date: false, .. } => "tls",
            Self::NotProven { is_date: true, .. } => "tls_date",
            Self::Other(_) => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(error: &str, description: &str, subtype: &str) -> ErrorBody {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        ErrorBody {
            error: error.into(),
            error_description: some(description),
            error_subtype: some(subtype),
        }
    }

    #[test]
    fn every_documented_error_has_its_cause() {
        let of =
            |step, error, description, subtype| Cause::of(step, &body(error, description, subtype));
        let expired = "Token has been expired or revoked.";
        assert_eq!(
            of(Step::Refresh, "invalid_grant", expired, ""),
            Cause::GrantEnded { testing: false }
        );
        assert_eq!(
            of(Step::Refresh, "invalid_grant", "reauth", "invalid_rapt"),
            Cause::SessionPolicy
        );
        assert_eq!(of(Step::Refresh, "invalid_grant", "", "rapt_required"), Cause::SessionPolicy);
        assert_eq!(
            of(Step::Exchange, "invalid_grant", "Malformed auth code.", ""),
            Cause::CodeRejected
        );
        assert_eq!(of(Step::Refresh, "invalid_client", "", ""), Cause::ClientUnknown);
        assert_eq!(of(Step::Refresh, "deleted_client", "", ""), Cause::ClientDeleted);
        assert_eq!(
            of(Step::Exchange, "invalid_request", "client_secret is missing.", ""),
            Cause::SecretMissing
        );
        for (code, cause) in [
            ("unauthorized_client", Cause::ClientUnauthorized),
            ("access_denied", Cause::Declined),
            ("admin_policy_enforced", Cause::AdminPolicy),
            ("org_internal", Cause::WrongOrganisation),
            ("disallowed_useragent", Cause::EmbeddedBrowser),
            ("redirect_uri_mismatch", Cause::NotDesktopClient),
            ("invalid_scope", Cause::InvalidScope),
            ("what\r\never", Cause::Other("whatever".into())),
        ] {
            assert_eq!(Cause::of_redirect(code), cause);
        }
    }
}
