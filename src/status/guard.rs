//! What every request must be, before anything is done for it; and what every answer says to the
//! browser.
//!
//! The page is on a port that each program, user and web page of this machine can reach. A name that
//! an attacker's DNS has pointed here (DNS rebinding) is told by its `Host`; a form of another site by
//! its `Origin` and `Sec-Fetch-Site`; both also by the visit's cookie (SameSite=Strict) and by what
//! its own forms send along.

use std::io;
use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use tokio::net::TcpStream;

use super::neighbour::{self, Neighbour};

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// Where it arrived: the page's own address.
    pub(super) here: SocketAddr,
    /// Whose program it came from.
    pub(super) neighbour: Neighbour,
}

impl Ends {
    pub(super) fn of(stream: &TcpStream) -> io::Result<Self> {
        let here = stream.local_addr()?;
        Ok(Self { here, neighbour: neighbour::look(stream.peer_addr()?, here) })
    }
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
    /// From another user of this machine.
    OtherUser,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The address that this page has for browsers.
pub(super) fn origin(here: SocketAddr) -> String {
    format!("http://{here}")
}

/// Judges by the headers alone. `is_for_programs`: a program may use any of this machine's names.
pub(super) fn judge(request: &Request, ends: Ends, is_for_programs: bool) -> Verdict {
    let here = ends.here;
    let headers = request.headers();
    let Some(host) = host(headers) else { return Verdict::WrongHost };
    let is_this_port = host.port_u16().unwrap_or(80) == here.port();
    let is_literal = host.host().trim_matches(['[', ']']) == here.ip().to_string();
    let is_localhost = host.host().eq_ignore_ascii_case("localhost");
    if !is_this_port || !(is_literal || is_localhost) {
        return Verdict::WrongHost;
    }
    if is_for_programs {
        return Verdict::Good;
    }
    if ends.neighbour == Neighbour::Other {
        return Verdict::OtherUser;
    }
    if changes_something(request.method()) {
        let is_same = |name: HeaderName, same: &str| {
            headers.get(name).is_none_or(|value| value.as_bytes() == same.as_bytes())
        };
        let here = format!("http://{host}");
        if !is_same(header::ORIGIN, &here) || !is_same(SEC_FETCH_SITE, "same-origin") {
            return Verdict::OtherSite;
        }
    }
    if is_localhost && !changes_something(request.method()) {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        return Verdict::Elsewhere(format!("{}{path}", origin(here)));
    }
    Verdict::Good
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

/// The browser's own defences, on each answer. `authorize`: where a sign-in's form leads; a provider that
/// asks nothing sends it on, within the same step, to the port on which the sign-in waits.
pub(super) fn harden(headers: &mut HeaderMap, authorize: Option<&str>) {
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self' {} http://127.0.0.1:*; base-uri 'none'; frame-ancestors 'none'",
        authorize.unwrap_or_default()
    );
    let policy = HeaderValue::from_str(&policy)
        .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
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
        let mut request = Request::builder().method(method).uri("/forget?address=a%40b");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        judge(&request, ends(Neighbour::Same), false)
    }

    fn ends(neighbour: Neighbour) -> Ends {
        Ends { here: HERE.parse().unwrap(), neighbour }
    }

    #[test]
    fn another_user_of_the_machine_is_refused_but_for_what_is_for_programs() {
        let request = || {
            let request = Request::builder().uri("/").header("host", HERE);
            request.body(axum::body::Body::empty()).unwrap()
        };
        assert_eq!(judge(&request(), ends(Neighbour::Other), false), Verdict::OtherUser);
        assert_eq!(judge(&request(), ends(Neighbour::Other), true), Verdict::Good);
        assert_eq!(judge(&request(), ends(Neighbour::Unknown), false), Verdict::Good);
    }

    #[test]
    fn only_this_machines_own_names_are_answered() {
        assert_eq!(asked("GET", &[("host", HERE)]), Verdict::Good);
        let elsewhere = "http://127.0.0.1:10180/forget?address=a%40b".to_owned();
        assert_eq!(asked("GET", &[("host", "LOCALHOST:10180")]), Verdict::Elsewhere(elsewhere));
        assert_eq!(asked("POST", &[("host", "localhost:10180")]), Verdict::Good);
        for host in [
            "evil.example",
            "evil.example:10180",
            "127.0.0.1",
            "127.0.0.1:10181",
            "127.0.0.1.evil.example:10180",
            "localhost.evil.example:10180",
            "x@127.0.0.1:10180",
            "0.0.0.0:10180",
            "[::1]:10180",
            "",
        ] {
            assert_eq!(asked("GET", &[("host", host)]), Verdict::WrongHost, "{host}");
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
    fn a_page_on_ipv6_has_its_own_name() {
        let request = Request::builder().header("host", "[::1]:10180");
        let request = request.body(axum::body::Body::empty()).unwrap();
        let here: SocketAddr = "[::1]:10180".parse().unwrap();
        let ends = Ends { here, neighbour: Neighbour::Same };
        assert_eq!(judge(&request, ends, false), Verdict::Good);
        assert_eq!(origin(here), "http://[::1]:10180");
    }
}
