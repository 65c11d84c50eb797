//! What is found of an account, and how it is told: one word for programs, one sentence, one remedy.

use serde::Serialize;

use crate::check::{Ailment, Check};
use crate::config::{Host, Provider};
use crate::proxy::ProbeTrouble;
use crate::token;
use crate::upstream::{Refusal, UpstreamError};

/// The word for programs; stable between versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It could sign on now.
    Ok,
    /// Nothing has opened it since the start.
    Locked,
    /// A person must sign in again.
    NeedsSignIn,
    /// There is no OAuth client.
    NoClient,
    /// Its record can't be opened.
    Damaged,
    /// The provider is away: its authorization server, or both of its mail servers.
    Unreachable,
    /// IMAP can't be reached, and nothing else is known to be away.
    ImapUnreachable,
    /// SMTP can't be reached, and nothing else is known to be away.
    SmtpUnreachable,
    /// Somebody stands between this machine and IMAP.
    ImapUntrusted,
    /// Somebody stands between this machine and SMTP.
    SmtpUntrusted,
    /// IMAP refuses the account until a person acts.
    ImapRefused,
    /// SMTP refuses the account until a person acts.
    SmtpRefused,
    /// A limit, the provider's or Gatepost's own, is reached for now.
    Limited,
}

/// What was found of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A live token, and nothing stands against it.
    Known,
    /// It signed on at every server that it is served from.
    SignedOn,
    /// There is no token.
    NoToken(ProbeTrouble),
    /// There is none yet, and it is too early to say why.
    NoTokenInTime,
    /// A deep look has not come to its end.
    NoAnswerInTime,
    /// It was forgotten a moment ago.
    Forgotten,
    /// Its record can't be read.
    Unreadable(String),
    /// What the mail servers did; `None` of one that it signed on to, or that isn't served from.
    Servers { imap: Option<ProbeTrouble>, smtp: Option<ProbeTrouble> },
    /// What stands since a sign-on failed; no newer look has come to an end.
    Standing(String, String),
}

/// How an account is, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Condition {
    pub(crate) state: State,
    /// One sentence.
    pub(crate) sentence: String,
    /// One thing to do, where there is one.
    pub(crate) remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Imap,
    Smtp,
}

impl Condition {
    /// Tells what was found of the account that is called `address`.
    pub(crate) fn of(found: &Found, provider: &Provider, address: &str) -> Self {
        let told = Told { provider, address };
        match found {
            Found::Known => well("It has a live access token, and nothing stands against it."),
            Found::SignedOn => well("It signs on at Gmail's mail servers."),
            Found::NoToken(trouble) => told.trouble(trouble, Server::Imap),
            Found::NoTokenInTime => bad(
                State::Unreachable,
                "Google's sign-in server has not answered in time.",
                "Check the network; Gatepost tries again by itself.",
            ),
            Found::NoAnswerInTime => bad(
                State::Unreachable,
                "Gmail's mail servers have not answered in time.",
                "Check the network; the next look tries again.",
            ),
            Found::Forgotten => bad(
                State::Damaged,
                "The account is not there any more.",
                "Let Gatepost read the accounts again with `gatepost reload`.",
            ),
            Found::Unreadable(why) => {
                let finding = Ailment::Record { why }.found(Check::Unlocked);
                Self { state: State::Damaged, sentence: finding.sentence, remedy: finding.remedy }
            }
            Found::Servers { imap: None, smtp: None } => {
                Self::of(&Found::SignedOn, provider, address)
            }
            Found::Servers { imap: Some(imap), smtp: Some(smtp) }
                if is_away(imap) && is_away(smtp) =>
            {
                told.all_away(imap)
            }
            Found::Servers { imap: Some(imap), .. } => told.trouble(imap, Server::Imap),
            Found::Servers { smtp: Some(smtp), .. } => told.trouble(smtp, Server::Smtp),
            Found::Standing(sentence, remedy) => bad(State::Unreachable, sentence, remedy),
        }
    }

    pub(crate) fn is_well(&self) -> bool {
        self.state == State::Ok
    }
}

fn well(sentence: &str) -> Condition {
    Condition { state: State::Ok, sentence: sentence.to_owned(), remedy: None }
}

fn bad(state: State, sentence: impl Into<String>, remedy: impl Into<String>) -> Condition {
    Condition { state, sentence: sentence.into(), remedy: Some(remedy.into()) }
}

/// True if the network, or the server itself, is away.
fn is_away(trouble: &ProbeTrouble) -> bool {
    match trouble {
        ProbeTrouble::NoAnswer => true,
        ProbeTrouble::Upstream(error) => matches!(
            error,
            UpstreamError::Unreachable { .. }
                | UpstreamError::Closed { .. }
                | UpstreamError::NotTheProtocol { .. }
        ),
        _ => false,
    }
}

/// For whom it is told.
struct Told<'a> {
    provider: &'a Provider,
    address: &'a str,
}

impl Told<'_> {
    fn trouble(&self, trouble: &ProbeTrouble, server: Server) -> Condition {
        match trouble {
            ProbeTrouble::NoClient => bad(
                State::NoClient,
                "Gatepost has no Google client.",
                format!(
                    "Run `gatepost login {} --client FILE` (docs/google-client.md).",
                    self.address
                ),
            ),
            ProbeTrouble::Token(trouble) => self.no_token(trouble),
            ProbeTrouble::Upstream(error) => self.mail_server(error, server),
            ProbeTrouble::NoConnectionLeft(limit) => {
                let sentence = match limit {
                    1 => "The only connection of this account is in use.".to_owned(),
                    limit => format!("All {limit} connections of this account are in use."),
                };
                bad(State::Limited, sentence, "Close a mail program of this account.")
            }
            ProbeTrouble::NoAnswer => self.unreachable("no answer in time", server),
        }
    }

    fn no_token(&self, trouble: &token::Trouble) -> Condition {
        match trouble {
            token::Trouble::Cause(cause) => {
                let state = match cause.is_transient() {
                    true => State::Unreachable,
                    false => State::NeedsSignIn,
                };
                bad(state, cause.sentence(), cause.remedy(self.address))
            }
            token::Trouble::Locked => bad(
                State::Locked,
                trouble.to_string(),
                "Let its mail program sign on; a `key_file` under [secrets] in the configuration opens it at each start.",
            ),
            token::Trouble::Record(_) => bad(
                State::Damaged,
                trouble.to_string(),
                format!("Run `gatepost login {}` to sign in again.", self.address),
            ),
        }
    }

    fn mail_server(&self, error: &UpstreamError, server: Server) -> Condition {
        let by = |imap, smtp| match server {
            Server::Imap => imap,
            Server::Smtp => smtp,
        };
        let state = match error {
            UpstreamError::Unreachable { reason, .. } => return self.unreachable(reason, server),
            UpstreamError::TokenRefused { .. } => {
                let remedy = format!("Run `gatepost login {}` to sign in again.", self.address);
                return bad(State::NeedsSignIn, format!("{error}."), remedy);
            }
            UpstreamError::Closed { .. }
            | UpstreamError::NotTheProtocol { .. }
            | UpstreamError::Refused { refusal: Refusal::Temporary(_), .. } => {
                by(State::ImapUnreachable, State::SmtpUnreachable)
            }
            UpstreamError::Tls { .. } => by(State::ImapUntrusted, State::SmtpUntrusted),
            UpstreamError::Refused { refusal, .. } if refusal.is_transient() => State::Limited,
            UpstreamError::Refused { .. } => by(State::ImapRefused, State::SmtpRefused),
        };
        bad(state, format!("{error}."), error.remedy())
    }

    /// One server's port, and not the other's: a firewall does that.
    fn unreachable(&self, why: &str, server: Server) -> Condition {
        let (host, state): (&Host, _) = match server {
            Server::Imap => (&self.provider.imap, State::ImapUnreachable),
            Server::Smtp => (&self.provider.smtp, State::SmtpUnreachable),
        };
        // Of which server doesn't matter to the words.
        let finding = Ailment::NoConnection { host, why, other: None }.found(Check::SmtpServer);
        Condition { state, sentence: finding.sentence, remedy: finding.remedy }
    }

    fn all_away(&self, imap: &ProbeTrouble) -> Condition {
        let Provider { imap: host, smtp, .. } = self.provider;
        let why = match imap {
            ProbeTrouble::Upstream(UpstreamError::Unreachable { reason, .. }) => reason,
            _ => "no answer",
        };
        bad(
            State::Unreachable,
            format!("Neither {host} nor {smtp} can be reached ({why})."),
            "Check that this computer is on the network, and that its firewall lets Gatepost out.",
        )
    }
}
