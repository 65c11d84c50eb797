//! The status page as programs come to it: who is let in, who is not, and what its forms do. What a
//! browser makes of it is in `tests/real/page.rs`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use gatepost::accounts::{Keys, NewPassword};
use gatepost::config::{Endpoint, EndpointHost};
use gatepost::proxy::{Server, WarningKind};
use gatepost::settings::Settings;
use gatepost::status::{NoLink, Site};
use reqwest::header::{HOST, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Response, StatusCode};
use support::{World, YOU, browser_without_redirects};

const OTHER: &str = "other@gmail.com";

/// A page, and what a browser has of it.
struct Page {
    world: World,
    site: Site,
    http: Client,
    cookie: String,
    csrf: String,
}

impl Page {
    /// A world with a page, before anybody came by a link.
    async fn shut(mut world: World) -> Self {
        let config = std::fs::read_to_string(world.home.config_file()).unwrap();
        let config = config.replace("status = \"\"", "status = \"127.0.0.1:0\"");
        std::fs::write(world.home.config_file(), config).unwrap();
        if let Some(server) = world.server.take() {
            server.stop().await;
        }
        world.start();
        let site = Site::open(world.server());
        let http = browser_without_redirects();
        Self { world, site, http, cookie: String::new(), csrf: String::new() }
    }

    /// One that a browser has come to by a link.
    async fn open(world: World) -> Self {
        let mut page = Self::shut(world).await;
        let opened = page.http.get(page.link()).send().await.unwrap();
        let cookie = opened.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
        page.cookie = cookie.split(';').next().unwrap().to_owned();
        let html = page.text("/").await;
        let (_, behind) = html.split_once("name=\"csrf\" value=\"").expect("a form");
        page.csrf = behind.split('"').next().unwrap().to_owned();
        page
    }

    fn link(&self) -> String {
        self.site.desk().link().unwrap().expose().to_string()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.world.server().status().listeners["status"])
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).header("cookie", &self.cookie).send().await.unwrap()
    }

    async fn text(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.unwrap()
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut form = vec![("csrf", self.csrf.as_str())];
        form.extend(fields);
        let request = self.http.post(self.url(path)).header("cookie", &self.cookie).form(&form);
        request.send().await.unwrap()
    }

    /// Begins a sign-in and consents; gives the page that the browser ends at.
    async fn sign_in(&self, address: &str) -> String {
        let onward = self.post("/sign-in", &[("address", address)]).await.text().await.unwrap();
        let (_, behind) = onward.split_once("content=\"0; url=").expect("a page that goes on");
        let consent = behind.split('"').next().unwrap().replace("&#38;", "&");
        // The consent page's own redirects lead to the loopback address that waits.
        let last = support::browser().get(consent).send().await.unwrap().text().await.unwrap();
        let (_, behind) = last.split_once("<a href=\"").expect("the way back");
        let back = behind.split('"').next().unwrap().to_owned();
        assert!(back.starts_with(&self.url("/signed-in/")), "{back}");
        let path = back.strip_prefix(&self.url("")).unwrap();
        for _ in 0..100 {
            let html = self.text(path).await;
            if !html.contains("http-equiv=\"refresh\"") {
                return html;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the sign-in does not end");
    }
}

fn to(response: &Response) -> String {
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn nobody_is_let_in_without_a_link_or_by_a_used_one() {
    let mut page = Page::shut(World::new().await).await;
    let personal = async |page: &Page| {
        for path in
            ["/", "/fragment", "/settings?address=you@gmail.com", "/forget?address=you@gmail.com"]
        {
            let refused = page.get(path).await;
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert!(!refused.text().await.unwrap().contains(YOU), "{path}");
        }
    };
    personal(&page).await;
    let port = page.url("").rsplit(':').next().unwrap().to_owned();
    page.cookie = format!("gatepost-visit-{port}={}", "0".repeat(64));
    personal(&page).await;
    let link = page.link();
    assert_eq!(page.http.get(&link).send().await.unwrap().status(), StatusCode::OK);
    let replayed = page.http.get(&link).send().await.unwrap();
    assert_eq!(replayed.status(), StatusCode::FORBIDDEN);
    assert!(replayed.headers().get(SET_COOKIE).is_none());
    let guessed =
        page.http.get(page.url(&format!("/open/{}", "0".repeat(64)))).send().await.unwrap();
    assert_eq!(guessed.status(), StatusCode::FORBIDDEN);
    // After a new start, what opened the old page opens nothing.
    let open = Page::open(page.world).await;
    let (cookie, world) = (open.cookie.clone(), open.world);
    let mut page = Page::shut(world).await;
    page.cookie = cookie;
    personal(&page).await;
}

#[tokio::test]
async fn another_name_or_another_site_is_refused() {
    let page = Page::open(World::new().await).await;
    let port = page.url("").rsplit(':').next().unwrap().to_owned();
    for host in [
        format!("evil.example:{port}"),
        "127.0.0.1".into(),
        format!("127.0.0.1.evil.example:{port}"),
    ] {
        let rebinding =
            page.http.get(page.url("/")).header("cookie", &page.cookie).header(HOST, &host);
        let refused = rebinding.send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(!refused.text().await.unwrap().contains(YOU), "{host}");
    }
    let named = page.http.get(page.url("/")).header(HOST, format!("localhost:{port}"));
    assert_eq!(to(&named.send().await.unwrap()), page.url("/"));
    let forget = [("csrf", page.csrf.as_str()), ("address", YOU), ("keep_grant", "true")];
    for (origin, site) in [
        ("https://evil.example", "cross-site"),
        ("null", "cross-site"),
        ("http://127.0.0.1:1", "same-site"),
        (&*page.url(""), "same-site"),
    ] {
        let request =
            page.http.post(page.url("/forget")).header("cookie", &page.cookie).form(&forget);
        let sent =
            request.header(ORIGIN, origin).header("sec-fetch-site", site).send().await.unwrap();
        assert_eq!(sent.status(), StatusCode::FORBIDDEN, "{origin}");
        assert!(sent.headers().get("access-control-allow-origin").is_none());
    }
    // Another visit's token, none, and somebody without a cookie.
    let (other, own) = (page.link(), &page.http);
    let opened = own.get(other).send().await.unwrap();
    let other =
        opened.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    for (cookie, csrf, status) in [
        (&*other, &*page.csrf, StatusCode::FORBIDDEN),
        (&*page.cookie, "", StatusCode::FORBIDDEN),
        ("", &*page.csrf, StatusCode::UNAUTHORIZED),
    ] {
        let form = [("csrf", csrf), ("address", YOU), ("keep_grant", "true")];
        let request = own.post(page.url("/forget")).header("cookie", cookie).form(&form);
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    assert_eq!(page.world.server().status().accounts.len(), 1, "nothing was forgotten");
    // A preflight of another site is told nothing.
    let preflight = own.request(reqwest::Method::OPTIONS, page.url("/forget"));
    let preflight = preflight.header(ORIGIN, "https://evil.example").send().await.unwrap();
    assert_eq!(preflight.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn every_answer_tells_the_browser_what_to_hold_to() {
    let page = Page::open(World::new().await).await;
    for path in ["/", "/nowhere", "/healthz", "/settings?address=you@gmail.com"] {
        let response = page.get(path).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; ")
                && policy.ends_with("frame-ancestors 'none'")
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
    }
    let html = page.text("/").await;
    assert!(!html.contains(" style=") && !html.contains("<style") && !html.contains(" onclick"));
    for name in ["style", "script", "icon"] {
        let place = html.split('"').find(|it| it.starts_with("/assets/") && it.contains(name));
        let asset = page.get(place.unwrap()).await;
        assert!(asset.headers()["cache-control"].to_str().unwrap().contains("immutable"), "{name}");
    }
}

#[tokio::test]
async fn an_account_is_added_on_the_page_and_serves_at_once() {
    let page = Page::open(World::new().await).await;
    page.world.authorization().allow_user(OTHER);
    page.world.authorization().set_consenting_user(Some(OTHER));
    let html = page.sign_in(OTHER).await;
    let status = page.world.server().status();
    let added = status.accounts.iter().find(|account| account.address == OTHER).unwrap();
    assert_eq!(added.state, "ready", "it is open at once");
    // The password is on the page, and opens the account.
    let words = html.split(['<', '>', '"', ' ', '\n']);
    let password = words
        .filter(|word| word.len() == NewPassword::generate().unwrap().password().expose().len());
    let mut opened = false;
    for password in password {
        let mut client = page.world.imap().await;
        client.send(format!("in LOGIN {OTHER} {password}\r\n")).await;
        let answer = client.until("in ").await;
        opened |= answer.contains("in OK");
    }
    assert!(opened, "{html}");
}

#[tokio::test]
async fn signing_in_again_keeps_the_password_and_cures_the_account() {
    let page = Page::open(World::new().await).await;
    page.world.authorization().revoke_grants();
    let mut client = page.world.imap().await;
    let told = client.log_in(page.world.password.expose()).await;
    assert!(told.contains("BYE"), "{told}");
    assert_eq!(page.world.account().state, "needs_sign_in");
    assert!(page.text("/").await.contains("Sign in again"));
    let html = page.sign_in(YOU).await;
    assert!(!html.contains(page.world.password.expose()), "it is not shown again");
    drop(page.world.signed_on().await);
    assert_eq!(page.world.account().state, "ready");
    // Somebody else consents: nothing changes, and the page says why.
    page.world.authorization().allow_user(OTHER);
    page.world.authorization().set_consenting_user(Some(OTHER));
    let html = page.sign_in(YOU).await;
    assert!(html.contains(OTHER) && html.contains("Sign in"), "{html}");
    drop(page.world.signed_on().await);
    let wrong = page.post("/sign-in", &[("address", "nobody")]).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_account_is_forgotten_with_its_grant_or_without() {
    for (keep_grant, revocations) in [(true, 0), (false, 1)] {
        let page = Page::open(World::new().await).await;
        drop(page.world.signed_on().await);
        let asked = page.text("/forget?address=you@gmail.com").await;
        assert!(asked.contains(YOU) && asked.contains("/forget"));
        let fields = [("address", YOU), ("keep_grant", "yes")];
        let done = page.post("/forget", &fields[..1 + usize::from(keep_grant)]).await;
        assert_eq!(to(&done), "/");
        assert_eq!(page.world.authorization().revocations(), revocations, "{keep_grant}");
        assert!(page.world.server().status().accounts.is_empty());
        assert!(!page.world.record_file().exists());
        let gone = page.post("/forget", &[("address", YOU)]).await;
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn the_page_goes_without_its_usual_port_and_mail_goes_on() {
    let mut world = World::new().await;
    world.server.take().unwrap().stop().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut settings = Settings::load(&world.home, None).unwrap();
    settings.config.listen.status = Some(Endpoint { host: EndpointHost::Localhost, port });
    settings.config.listen.status_is_named = false;
    let server = Server::start(world.home.clone(), settings, Keys::default()).unwrap();
    let site = Site::open(&server);
    assert_eq!(site.desk().link(), Err(NoLink::PortTaken));
    let warned: Vec<_> = server.status().warnings.into_iter().map(|it| it.kind).collect();
    assert_eq!(warned, [WarningKind::StatusPortTaken]);
    world.server = Some(server);
    drop(world.signed_on().await);
    // Where a person has named the port, they are told at the start.
    world.server.take().unwrap().stop().await;
    let mut settings = Settings::load(&world.home, None).unwrap();
    settings.config.listen.status = Some(Endpoint { host: EndpointHost::Localhost, port });
    settings.config.listen.status_is_named = true;
    let error =
        Server::start(world.home.clone(), settings, Keys::default()).err().expect("it is taken");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    world.start();
    assert_eq!(Site::open(world.server()).desk().link(), Err(NoLink::Off));
}
