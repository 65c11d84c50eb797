//! The authorization server's errors: what tells one from another.

use super::google::{Cause, ErrorBody, Step};
use crate::sentence;

fn body(error: &str, description: Option<&str>) -> ErrorBody {
    let error_description = description.map(str::to_owned);
    ErrorBody { error: error.to_owned(), error_description, error_subtype: None }
}

#[test]
fn an_invalid_request_is_told_apart_by_what_it_lacks() {
    let of = |description| Cause::of(Step::Exchange, &body("invalid_request", description));
    assert_eq!(of(Some("client_secret is missing.")), Cause::SecretMissing);
    assert_eq!(of(Some("Missing parameter: redirect_uri")), Cause::NotDesktopClient);
    let other = Cause::Other("invalid_request".into());
    assert_eq!(of(Some("Missing parameter: code")), other);
    assert_eq!(of(None), other);
}

#[test]
fn a_servers_word_is_shown_without_what_a_terminal_obeys() {
    assert_eq!(body("no\r\n\x1b[31mway", None).to_string(), "no[31mway");
    let long = "x".repeat(500);
    assert_eq!(body(&long, None).to_string(), sentence::shown(&long));
    assert!(sentence::shown(&long).len() < long.len());
}

/// Programs know a cause by its code, people by its sentence.
#[test]
fn no_two_causes_are_told_the_same() {
    let causes = [
        Cause::NobodySignedIn,
        Cause::Declined,
        Cause::GrantEnded { testing: false },
        Cause::GrantEnded { testing: true },
        Cause::SessionPolicy,
        Cause::AdminPolicy,
        Cause::WrongOrganisation,
        Cause::EmbeddedBrowser,
        Cause::CodeRejected,
        Cause::ClientUnknown,
        Cause::ClientDeleted,
        Cause::SecretMissing,
        Cause::NotDesktopClient,
        Cause::ClientUnauthorized,
        Cause::InvalidScope,
        Cause::ScopeMissing,
        Cause::NoRefreshToken,
        Cause::OtherAccount { signed_in: "another@gmail.com".into() },
        Cause::AccountUnknown,
        Cause::ServerTrouble(503),
        Cause::Busy,
        Cause::Unreadable,
        Cause::Unreachable("refused".into()),
        Cause::NotProven { why: "unknown issuer".into(), is_date: false },
        Cause::NotProven { why: "expired".into(), is_date: true },
        Cause::Other("what".into()),
    ];
    for (at, cause) in causes.iter().enumerate() {
        for other in &causes[..at] {
            assert_ne!(cause.code(), other.code());
            assert_ne!(cause.sentence(), other.sentence());
        }
        assert!(cause.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        assert!(cause.sentence().ends_with('.') && cause.remedy("you@gmail.com").ends_with('.'));
    }
}
