//! A grant ends while a mail client waits: one notice on the desktop says why, one click leads to the
//! sign-in, and the client goes on.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::{
    bed::ADDRESS,
    leaks::{self, Secret},
    mail_client::{Held, Push, Script, Settings},
    process,
    scene::{Scene, Setting},
    servers::Desktop,
    thunderbird::Running,
    trial::{append, signed_on},
};

const LIMIT: Duration = Duration::from_secs(240);
/// A step that waits for a token's end, or for a client's next try.
const A_STEP: Duration = Duration::from_secs(60);
/// What the person is told, wherever.
const ENDED: &str = "Google has ended the grant";
/// Tries of the client, a second or more apart, any of which could have brought another notice.
const TRIES: usize = 5;

fn on_a_desktop() -> Setting {
    Setting { desktop: true, token_life: Some(Duration::from_secs(8)), ..Setting::default() }
}

fn desktop(scene: &Scene) -> &Desktop {
    scene.desktop.as_ref().expect("on a desktop")
}

/// A client that waits in the inbox for new mail, and has seen what is there.
fn waiting(scene: &Scene) -> Held {
    let folder = scene.bed.scratch("waiting");
    let mut client = Held::waiting(Script("python-imaplib.py"), &scene.settings(), &folder);
    assert!(new_mail_reaches(scene, &mut client));
    client
}

/// A mail arrives, and the client learns of it.
fn new_mail_reaches(scene: &Scene, client: &mut Held) -> bool {
    let before = client.uids().len();
    let plain = scene.bed.plain_dovecot();
    let mut direct = signed_on(&Settings::direct(&plain, ADDRESS));
    append(&mut direct, "INBOX", b"Subject: news\r\n\r\nnews\r\n");
    process::until(A_STEP, || client.uids().len() > before)
}

/// The client loses its connection, and each of its next tries; waits for several of them.
fn tries_in_vain(scene: &Scene, client: &Held) {
    let tries = || client.said().matches(ENDED).count();
    let before = tries();
    scene.bed.dovecot.kick(ADDRESS);
    let has_tried = || tries() >= before + TRIES;
    assert!(process::until(A_STEP * 2, has_tried), "{}", client.said());
}

/// Google's page says that the grant is gone; tokens end, and with them the client's connection.
fn revoke(scene: &Scene) {
    scene.bed.google.revoke_grants();
}

#[test]
fn a_waiting_client_goes_on_after_one_click() {
    on_a_desktop().play(LIMIT, |scene| {
        let mut client = waiting(scene);
        assert!(desktop(scene).notices().is_empty());

        let start = Instant::now();
        revoke(scene);
        let is_told = || desktop(scene).shown() == 1;
        assert!(process::until(A_STEP, is_told), "no notice\n{}", scene.log());
        println!("revoked, and its notice is there: {:?}", start.elapsed());
        let notices = desktop(scene).notices();
        let notice = &notices[0];
        let title = format!("summary: 'Gatepost: sign in again as {ADDRESS}'");
        assert!(notice.contains(&title), "{notice}");
        assert!(notice.contains("body: 'Google has ended the grant"), "{notice}");
        assert!(notice.contains("\"sign-in\": \"Sign in again\""), "{notice}");
        assert!(!notice.contains("gatepost login"), "a click does it: {notice}");

        // Nothing of that is told again.
        tries_in_vain(scene, &client);
        assert_eq!(desktop(scene).notices().len(), 1, "{:#?}", desktop(scene).notices());

        let start = Instant::now();
        desktop(scene).click();
        assert!(process::until(A_STEP, || desktop(scene).opened().len() == 1), "{}", scene.log());
        println!("clicked, and the browser is asked for the page: {:?}", start.elapsed());
        assert_eq!(desktop(scene).shown(), 0, "the notice stays");
        let link = desktop(scene).opened().remove(0);
        sign_in_on_the_page(scene, &link);
        println!("clicked, and signed in: {:?}", start.elapsed());
        assert!(new_mail_reaches(scene, &mut client), "{}", client.said());
        println!("clicked, and the client has new mail: {:?}", start.elapsed());
        assert_eq!(desktop(scene).notices().len(), 1, "{:#?}", desktop(scene).notices());

        let token = link.rsplit('/').next().expect("a token").to_owned();
        let secret = [Secret::new("the link's token", &token)];
        let found = leaks::inside(scene.log().as_bytes(), &secret);
        assert!(found.is_empty(), "{found:?} in the log");
    });
}

/// A desktop's mail program that has alerted its person meanwhile goes on as well.
#[test]
fn thunderbird_goes_on_once_the_person_has_signed_in_beside_the_proxy() {
    Setting::default().play(LIMIT, |scene| {
        let folder = scene.bed.scratch("thunderbird");
        let mut thunderbird = Running::start(&scene.settings(), &folder);
        thunderbird.ask("hold", &mut Push::new(&|| ())).unwrap();
        revoke(scene);
        scene.bed.google.expire_access_tokens();
        scene.bed.dovecot.kick(ADDRESS);
        let mut told = String::new();
        let mut is_told = || {
            let alert = thunderbird.ask("hold", &mut Push::new(&|| ())).err();
            told.push_str(&alert.unwrap_or_default());
            told.contains(ENDED)
        };
        assert!(process::until(A_STEP, &mut is_told), "{told}\n{}", scene.log());

        let start = Instant::now();
        scene.home.login(ADDRESS, &[], b"").signed_in();
        let plain = scene.bed.plain_dovecot();
        let mut direct = signed_on(&Settings::direct(&plain, ADDRESS));
        append(&mut direct, "INBOX", b"Subject: news\r\n\r\nnews\r\n");
        let mut goes_on = || {
            let looked = thunderbird.ask("hold", &mut Push::new(&|| ()));
            let listed = looked.and_then(|()| thunderbird.ask("uids", &mut Push::new(&|| ())));
            listed.is_ok() && !fs::read_to_string(folder.join("uids")).unwrap().is_empty()
        };
        assert!(process::until(A_STEP, &mut goes_on), "{}", scene.log());
        println!("signed in over SSH, and Thunderbird has new mail: {:?}", start.elapsed());
    });
}

/// What the person does in the browser: the page, its button, Google's consent.
fn sign_in_on_the_page(scene: &Scene, link: &str) {
    let desktop = desktop(scene);
    desktop.browse(&[link]);
    let (origin, _) = link.split_once("/open/").expect("a one-time link");
    let page = desktop.browse(&[&format!("{origin}/")]);
    assert!(page.contains(ENDED), "{page}");
    let (_, behind) = page.split_once("name=\"csrf\" value=\"").expect("a form");
    let (csrf, _) = behind.split_once('"').expect("its end");
    let (csrf, address) = (format!("csrf={csrf}"), format!("address={ADDRESS}"));
    let headers = [format!("Origin: {origin}"), "Sec-Fetch-Site: same-origin".to_owned()];
    let mut post = vec!["--header", headers[0].as_str(), "--header", headers[1].as_str()];
    post.extend(["--data-urlencode", csrf.as_str(), "--data-urlencode", address.as_str()]);
    let url = format!("{origin}/sign-in");
    post.push(&url);
    let onward = desktop.browse(&post);
    let (_, behind) = onward.split_once("content=\"0; url=").expect("a page that goes on");
    let consent = behind.split('"').next().expect("an address").replace("&#38;", "&");
    desktop.browse(&[&consent]);
    let is_ready = || scene.accounts()[0]["state"] == "ready";
    assert!(process::until(A_STEP, is_ready), "{:#?}", scene.accounts());
}

#[test]
fn a_notice_goes_when_the_person_signs_in_elsewhere_and_each_grant_has_its_own() {
    on_a_desktop().play(LIMIT, |scene| {
        let mut client = waiting(scene);
        for grants in 1..=2 {
            revoke(scene);
            let is_told = || desktop(scene).shown() == 1;
            assert!(process::until(A_STEP, is_told), "no notice\n{}", scene.log());
            // Over SSH, beside the running proxy.
            scene.home.login(ADDRESS, &[], b"").signed_in();
            let is_gone = || desktop(scene).shown() == 0;
            assert!(process::until(A_STEP, is_gone), "the notice stays\n{}", scene.log());
            assert_eq!(desktop(scene).notices().len(), grants);
            assert!(new_mail_reaches(scene, &mut client), "{}", client.said());
        }
        assert_eq!(desktop(scene).opened(), [""; 0], "nobody asked for the page");
        revoke(scene);
        assert!(process::until(A_STEP, || desktop(scene).shown() == 1), "{}", scene.log());
        scene.while_stopped(|scene| {
            assert_eq!(desktop(scene).shown(), 0, "a notice that leads nowhere");
        });
    });
}

/// As a service that the system starts at log-in often is.
#[test]
fn a_proxy_that_knows_no_screen_has_the_desktop_open_the_page() {
    on_a_desktop().play(LIMIT, |scene| {
        let portal = desktop(scene).open_for_others();
        scene.while_stopped(|scene| scene.home.start_through(&["env", "-u", "DISPLAY"]));
        drop(scene.signed_on());
        revoke(scene);
        assert!(process::until(A_STEP, || desktop(scene).shown() == 1), "{}", scene.log());
        desktop(scene).click();
        assert!(process::until(A_STEP, || portal.opened().len() == 1), "{}", scene.log());
        assert_eq!(desktop(scene).opened(), [""; 0], "and from here as well");
        sign_in_on_the_page(scene, &portal.opened()[0]);
    });
}

#[test]
fn without_anybody_to_show_it_nothing_is_said_and_later_it_is_shown() {
    on_a_desktop().play(LIMIT, |scene| {
        scene.desktop.as_mut().expect("on a desktop").stop_notifications();
        let mut client = waiting(scene);
        revoke(scene);
        assert!(process::until(A_STEP, || has_ended(scene)), "{:#?}", scene.accounts());
        let is_tried = || scene.log().contains("no notice can be shown");
        assert!(process::until(A_STEP, is_tried), "{}", scene.log());
        tries_in_vain(scene, &client);
        let log = scene.log();
        let of_notices = log.lines().filter(|line| line.contains("no notice can be shown"));
        let loud: Vec<_> = of_notices.filter(|line| !line.contains(" DEBUG ")).collect();
        assert!(loud.is_empty(), "{loud:#?}\n{log}");
        // The desktop comes up behind the proxy, as after a log-in.
        scene.desktop.as_mut().expect("on a desktop").start_notifications();
        assert!(process::until(A_STEP, || desktop(scene).shown() == 1), "{}", scene.log());

        // Whoever wants none has none, from the next reload on.
        let file = scene.home.folder().join("config.toml");
        let configured = fs::read_to_string(file).expect("ours");
        scene.home.configure(&format!("{configured}\n[notices]\ndesktop = false\n"));
        scene.home.succeeds(&["reload"]);
        assert!(process::until(A_STEP, || desktop(scene).shown() == 0), "{}", scene.log());
        scene.home.login(ADDRESS, &[], b"").signed_in();
        assert!(new_mail_reaches(scene, &mut client), "{}", client.said());
        revoke(scene);
        assert!(process::until(A_STEP, || has_ended(scene)), "{:#?}", scene.accounts());
        tries_in_vain(scene, &client);
        assert_eq!(desktop(scene).shown(), 0);
        assert_eq!(desktop(scene).notices().len(), 1, "{:#?}", desktop(scene).notices());
    });
}

fn has_ended(scene: &Scene) -> bool {
    scene.accounts()[0]["state"] == "needs_sign_in"
}
