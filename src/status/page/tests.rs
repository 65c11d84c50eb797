use std::time::{Duration, UNIX_EPOCH};

use super::samples::{
    ANNA, NOW, PASSWORD, address, csrf, empty, in_trouble, listen, needs_sign_in, troubled, well,
};
use super::*;
use crate::proxy::{Stands, Status};
use crate::secret::LocalPassword;

const IMAP_OFF: &str = "imap.gmail.com:993 refused the sign-on: The administrator has switched IMAP off for this organisation. Ask the administrator to enable IMAP (Admin console › Gmail › End user access).";
const OVER_QUOTA: &str = "imap.gmail.com:993 refused the sign-on: Gmail's limit of traffic for this account is used up for now. Wait, for a day at most; hiding “All Mail” from IMAP in Gmail's settings saves most of the traffic.";

/// Every page that there is, each with what it shows.
fn pages() -> Vec<(&'static str, String)> {
    let (anna, csrf, well, listen) = (address(ANNA), csrf(), well(), listen());
    let password = LocalPassword::new(PASSWORD);
    let testing = Some(Duration::from_secs(7 * 86_400));
    vec![
        ("well", overview(&view(well.clone(), true))),
        ("needs-sign-in", overview(&view(needs_sign_in(), true))),
        ("imap-off", overview(&view(in_trouble(Stands::NeedsPerson, IMAP_OFF), true))),
        ("limit", overview(&view(in_trouble(Stands::Limit, OVER_QUOTA), true))),
        ("troubled", overview(&view(troubled(), true))),
        ("empty", overview(&view(empty(), true))),
        ("no-client", overview(&view(empty(), false))),
        ("settings", settings(&anna, &listen, &well)),
        ("added", signed_in(&anna, Some(&password), testing, &listen, &well)),
        ("signed-in", signed_in(&anna, None, None, &listen, &well)),
        ("under-way", under_way(&anna)),
        ("forget", forget(&anna, &csrf)),
        ("no-visit", message(&Message::NoVisit)),
        ("link-used-up", message(&Message::LinkUsedUp)),
        ("refused", message(&Message::Refused)),
        ("wrong-host", message(&Message::WrongHost)),
        ("other-user", message(&Message::OtherUser)),
        ("opened", opened()),
        (
            "onward",
            onward(&anna, "https://accounts.google.com/o/oauth2/v2/auth?client_id=a&state=b"),
        ),
        ("not-found", message(&Message::NotFound)),
        (
            "failed",
            message(&Message::Failed {
                sentence: "Google can't be reached (no answer within 10 s).",
                remedy: "Check the network, and try again.",
            }),
        ),
        (
            "not-signed-in",
            message(&Message::NotSignedIn {
                address: &anna,
                sentence: "Google gave no access to the mail: the box for it was not ticked.",
                remedy: "Run `gatepost login anna.example@gmail.com` again and tick “Read, compose, send, and permanently delete all your email from Gmail”.",
                csrf: &csrf,
            }),
        ),
    ]
}

fn view(status: Status, has_client: bool) -> Overview {
    Overview::new(status, UNIX_EPOCH + Duration::from_secs(NOW), csrf(), has_client)
}

/// For a person who works on the pages:
/// `PAGES=FOLDER cargo test --lib status::page::tests::write_out -- --ignored`.
#[test]
#[ignore = "proves nothing: writes the pages to the folder PAGES, for a person to look at"]
fn write_out() {
    let folder = std::env::var_os("PAGES").expect("PAGES=FOLDER");
    let folder = std::path::Path::new(&folder);
    for (name, page) in pages() {
        std::fs::write(folder.join(format!("{name}.html")), page).unwrap();
    }
    let (frame, assets) = (frame::Frame::default(), folder.join("assets"));
    std::fs::create_dir_all(&assets).unwrap();
    for name in [frame.style, frame.script, frame.icon] {
        std::fs::write(assets.join(name), asset(name).unwrap().contents).unwrap();
    }
}

/// What a person reads, a line an element; what only a screen reader says stands in it too.
fn text(page: &str) -> String {
    // Hour by hour would be long.
    let hours = [("<svg class=\"chart\"", "</svg>"), ("<tbody>", "</tbody>")];
    let body = page.split_once("<body>").unwrap().1;
    let body = hours.iter().fold(body.to_owned(), |body, (begin, end)| {
        let mut parts = body.split(begin);
        let first = parts.next().unwrap().to_owned();
        first + &parts.map(|part| part.split_once(end).unwrap().1).collect::<String>()
    });
    let mut text = String::new();
    for part in body.split('<').skip(1) {
        let (tag, words) = part.split_once('>').unwrap();
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        // Within a line.
        if !["a", "code", "span", "strong", "small", "time"].contains(&name) {
            text.push('\n');
        }
        text.push_str(words);
    }
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn all_words() {
    let pages = pages();
    let words = pages.iter().map(|(name, page)| format!("=== {name}\n{}\n", text(page)));
    insta::assert_snapshot!(words.collect::<String>());
}

#[test]
fn nothing_in_a_page_needs_more_than_the_strictest_policy() {
    for (name, page) in pages() {
        for inline in [" style=", " onclick=", " onload=", "<style", "<script>", "javascript:"] {
            assert!(!page.contains(inline), "{inline} in {name}");
        }
        assert_eq!(page.matches("<script").count(), 1, "{name}");
        let leads_away = page.contains("http:") || page.contains("https:");
        // Only the page whose purpose that is.
        assert_eq!(leads_away, name == "onward", "{name}");
    }
}

#[test]
fn every_form_brings_the_visits_token_back() {
    for (name, page) in pages() {
        for form in page.split("<form ").skip(1) {
            let form = form.split("</form>").next().unwrap();
            assert!(
                form.starts_with("method=\"post\"") || form.contains("method=\"post\""),
                "{name}"
            );
            assert!(form.contains("name=\"csrf\" value=\"c5rf\""), "{name}: {form}");
        }
    }
}

#[test]
fn what_comes_from_outside_is_escaped() {
    let evil = "<script>alert(1)</script>\"'&";
    let anna = "\"><b>@example.com";
    let mut status = troubled();
    let account = &mut status.accounts[0];
    (account.address, account.trouble) = (anna.to_owned(), Some(evil.to_owned()));
    account.state = evil.to_owned();
    status.damaged = vec![evil.to_owned()];
    status.version = evil.to_owned();
    status.newer_version = Some(evil.to_owned());
    status.listeners.insert(evil.to_owned(), evil.to_owned());
    for event in &mut status.events {
        (event.account, event.remedy) = (Some(anna.to_owned()), Some(format!("`{evil}`")));
        event.sentence = evil.to_owned();
    }
    for warning in &mut status.warnings {
        (warning.account, warning.remedy) = (Some(anna.to_owned()), evil.to_owned());
        warning.sentence = evil.to_owned();
    }
    let view = view(status, true);
    let failed = Message::Failed { sentence: evil, remedy: evil };
    let not_signed_in = Message::NotSignedIn {
        address: &address("<b>@example.com"),
        sentence: evil,
        remedy: evil,
        csrf: &csrf(),
    };
    let pages = [
        overview(&view),
        fragment(&view),
        message(&failed),
        message(&not_signed_in),
        settings(&address("<b>@example.com"), &listen(), &well()),
        forget(&address("<b>@example.com"), &csrf()),
    ];
    for page in pages {
        assert!(!page.contains("<script>") && !page.contains("<b>"), "{page}");
    }
}

#[test]
fn who_needs_a_person_comes_first_and_keeps_its_ids() {
    let mut status = troubled();
    status.accounts.rotate_left(1);
    let page = overview(&view(status, true));
    let headings: Vec<_> = page.split("<h3 id=\"account-").skip(1).map(|it| &it[..1]).collect();
    assert_eq!(headings, ["3", "1", "2"]);
    let first = page.find("class=\"first\"").unwrap();
    assert!(first < page.find("<h3 id=\"account-1").unwrap(), "its button comes first");
}

#[test]
fn a_remedy_that_the_button_is_never_has_one_type_the_command() {
    use crate::token::Cause;
    let causes = [
        Cause::GrantEnded { testing: false },
        Cause::GrantEnded { testing: true },
        Cause::SessionPolicy,
    ];
    for cause in causes {
        let mut status = well();
        let account = &mut status.accounts[0];
        account.state = "needs_sign_in".to_owned();
        account.trouble = Some(format!("{} {}", cause.sentence(), cause.remedy(ANNA)));
        let page = overview(&view(status, true));
        let why = page.split("class=\"why").nth(1).unwrap().split("</div>").next().unwrap();
        assert!(why.contains("ress “Sign in again”"), "{why}");
        assert!(!why.contains("gatepost login"), "{why}");
    }
}

#[test]
fn all_is_well_only_where_nothing_stands_and_no_refusal_is_an_outage() {
    let text_of = |status| text(&overview(&view(status, true))).replace("&#39;", "'");
    assert!(text_of(well()).contains("All is well"));
    for state in ["ready", "unreachable", "refreshing", "locked"] {
        for (stands, trouble, headline) in [
            (Stands::NeedsPerson, IMAP_OFF, "needs you to do something"),
            (Stands::Limit, OVER_QUOTA, "has reached a limit"),
            (Stands::Away, "Nobody answers. Check it.", "Google can’t be reached"),
        ] {
            let mut status = in_trouble(stands, trouble);
            status.accounts[0].state = state.to_owned();
            let text = text_of(status);
            assert!(!text.contains("All is well") && text.contains(headline), "{text}");
            let is_away = stands == Stands::Away;
            assert_eq!(text.contains("Google can’t be reached"), is_away, "{text}");
            let remedy = trouble.split_inclusive(". ").last().unwrap();
            assert!(text.contains(remedy), "{remedy}: {text}");
        }
    }
}
