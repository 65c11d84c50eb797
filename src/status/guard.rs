//! What every request must be, before anything is done for it; and what every answer says to the
//! browser.
//!
//! The page is on a port that each program, user and web page of this machine can reach. A name that
//! an attacker's DNS has pointed here (DNS rebinding) is told by its `Host`; a form of another site by
//! its `Origin` and `Sec-Fetch-Site`; both also by the visit's cookie (SameSite=Strict) and by what
//! its own forms send along.

use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Redirect, Response};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The page, for its person's browser.
    Page,
    /// What programs ask for.
    Programs,
    /// Style, script and icon, which say nothing of anybody, and which the pages that refuse need too.
    Asset,
}

/// What a request may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on.
    Good,
    /// By another of this machine's own names: the browser is to come by this one, to which the
    /// cookie belongs.
    Elsewhere(String),
    /// Not a name of this page's.
    WrongHost,
    /// From another site.
    OtherSite,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origin that this page has for browsers (RFC 6454).
pub(super) fn origin(page: SocketAddr) -> String {
    format!("http://{page}")
}

/// Judges by the headers alone. `page` is where browsers find the page, to which its cookie belongs.
pub(super) fn judge(request: &Request, page: SocketAddr, purpose: Purpose) -> Verdict {
    if purpose == Purpose::Asset {
        return Verdict::Good;
    }
    let headers = request.headers();
    let Some(host) = host(headers).filter(|host| is_own(host, page)) else {
        return Verdict::WrongHost;
    };
    let is = |name: HeaderName, wanted: &[&str]| {
        let fits = |value: &HeaderValue| wanted.iter().any(|it| value.as_bytes() == it.as_bytes());
        headers.get(name).is_none_or(fits)
    };
    if purpose == Purpose::Programs {
        // A person may type the address; a page of another site has nothing to make Gatepost do.
        return match is(SEC_FETCH_SITE, &["none", "same-origin"]) {
            true => Verdict::Good,
            false => Verdict::OtherSite,
        };
    }
    let own = format!("http://{host}");
    if changes_something(request.method()) {
        return match is(header::ORIGIN, &[&own]) && is(SEC_FETCH_SITE, &["same-origin"]) {
            true => Verdict::Good,
            false => Verdict::OtherSite,
        };
    }
    if own != origin(page) {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        return Verdict::Elsewhere(format!("{}{path}", origin(page)));
    }
    Verdict::Good
}

/// True for each name of this machine itself. Under whichever of its addresses a connection arrived:
/// one that is forwarded may have another.
fn is_own(host: &Authority, page: SocketAddr) -> bool {
    let name = host.host();
    let is_literal = name.trim_matches(['[', ']']) == page.ip().to_string();
    let is_known = name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]");
    host.port_u16().unwrap_or(80) == page.port() && (is_literal || is_known)
}

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// The one `Host` (RFC 9112 §3.2 wants exactly one).
fn host(headers: &HeaderMap) -> Option<Authority> {
    let mut all = headers.get_all(header::HOST).into_iter();
    let host = all.next()?.to_str().ok()?.parse::<Authority>().ok()?;
    // A name and a port, and nobody's user name before them.
    (all.next().is_none() && !host.as_str().contains('@')).then_some(host)
}

/// No style and no script but the page's own files; a form goes nowhere else. (A sign-in's ends at a page
/// that goes on by itself: browsers hold a form to this through every redirect, and who knows where a
/// provider's lead.)
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The browser's own defences, on each answer.
pub(super) fn harden(headers: &mut HeaderMap) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // Not no-referrer, under which a browser's form has no Origin.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Sends the browser on to `url`, by GET.
pub(super) fn see_other(url: &str) -> Response {
    Redirect::to(url).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:10180";

    fn asked(method: &str, headers: &[(&str, &str)]) -> Verdict {
        asked_for(Purpose::Page, method, headers)
    }

    fn asked_for(purpose: Purpose, method: &str, headers: &[(&str, &str)]) -> Verdict {
        judge(&request(method, headers), HERE.parse().unwrap(), purpose)
    }

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method(method).uri("/forget?address=a%40b");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(axum::body::Body::empty()).unwrap()
    }

    #[test]
    fn only_this_machines_own_names_are_answered() {
        assert_eq!(asked("GET", &[("host", HERE)]), Verdict::Good);
        let elsewhere = "http://127.0.0.1:10180/forget?address=a%40b".to_owned();
        for own in ["LOCALHOST:10180", "[::1]:10180"] {
            assert_eq!(asked("GET", &[("host", own)]), Verdict::Elsewhere(elsewhere.clone()));
            assert_eq!(asked("POST", &[("host", own)]), Verdict::Good);
            assert_eq!(asked_for(Purpose::Programs, "GET", &[("host", own)]), Verdict::Good);
        }
        for host in [
            "evil.example",
            "evil.example:10180",
            "127.0.0.1",
            "127.0.0.1:10181",
            "127.0.0.1.evil.example:10180",
            "localhost.evil.example:10180",
            "x@127.0.0.1:10180",
            "0.0.0.0:10180",
            "",
        ] {
            for purpose in [Purpose::Page, Purpose::Programs] {
                assert_eq!(
                    asked_for(purpose, "GET", &[("host", host)]),
                    Verdict::WrongHost,
                    "{host}"
                );
            }
        }
        assert_eq!(asked("GET", &[]), Verdict::WrongHost);
        assert_eq!(asked("GET", &[("host", HERE), ("host", HERE)]), Verdict::WrongHost);
    }

    #[test]
    fn another_sites_form_is_refused() {
        let from = |origin, site| {
            asked("POST", &[("host", HERE), ("origin", origin), ("sec-fetch-site", site)])
        };
        assert_eq!(from("http://127.0.0.1:10180", "same-origin"), Verdict::Good);
        for (origin, site) in [
            ("null", "same-origin"),
            ("https://evil.example", "cross-site"),
            ("http://127.0.0.1:8000", "same-site"),
            ("http://127.0.0.1:10180", "same-site"),
            ("http://localhost:10180", "same-origin"),
        ] {
            assert_eq!(from(origin, site), Verdict::OtherSite, "{origin} {site}");
        }
        // Programs send neither; the visit and its token are asked of them all the same.
        assert_eq!(asked("POST", &[("host", HERE)]), Verdict::Good);
    }

    #[test]
    fn another_site_makes_nobody_look_at_the_accounts() {
        let from =
            |site| asked_for(Purpose::Programs, "GET", &[("host", HERE), ("sec-fetch-site", site)]);
        assert_eq!(from("none"), Verdict::Good);
        assert_eq!(from("same-origin"), Verdict::Good);
        assert_eq!(from("cross-site"), Verdict::OtherSite);
        assert_eq!(from("same-site"), Verdict::OtherSite);
    }

    #[test]
    fn a_page_on_ipv6_has_its_own_name() {
        let here: SocketAddr = "[::1]:10180".parse().unwrap();
        let by = |host| judge(&request("GET", &[("host", host)]), here, Purpose::Page);
        assert_eq!(by("[::1]:10180"), Verdict::Good);
        assert!(matches!(by("127.0.0.1:10180"), Verdict::Elsewhere(_)));
        assert_eq!(origin(here), "http://[::1]:10180");
    }
}
