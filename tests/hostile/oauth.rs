//! The attacks of RFC 9700 on the way from the browser to the grant. docs/security.md has the list.

use std::collections::HashSet;

use gatepost::accounts::NewPassword;
use gatepost::sign_in::SignedIn;
use tokio::sync::mpsc;
use url::Url;

use crate::support::{World, YOU, browser, browser_without_redirects};

/// Signs in with a person to whom only the address is given.
async fn sign_in(
    world: &World,
    person: impl AsyncFnOnce(Url),
) -> Result<SignedIn, gatepost::sign_in::SignInError> {
    let person = async |url, _: mpsc::Sender<String>| person(url).await;
    world.sign_in_as(YOU, NewPassword::generate().unwrap(), person).await
}

fn field(url: &Url, name: &str) -> String {
    let mut found = url.query_pairs().filter(|(key, _)| key == name);
    let (_, value) = found.next().unwrap_or_else(|| panic!("no {name} in {url}"));
    assert!(found.next().is_none(), "{name} stands twice in {url}");
    value.into_owned()
}

/// Where the authorization server sends the browser after the consent.
async fn sent_to(url: Url) -> Url {
    let answer = browser_without_redirects().get(url).send().await.unwrap();
    answer.headers()["location"].to_str().unwrap().parse().unwrap()
}

// Sections 2.1, 2.1.1, 2.3, 4.1 and 4.8.
#[tokio::test]
async fn each_request_for_consent_is_of_its_own_sign_in_and_asks_for_no_more_than_mail() {
    let world = World::signed_out("").await;
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let person = async |url: Url| {
            assert_eq!(field(&url, "response_type"), "code");
            assert_eq!(field(&url, "code_challenge_method"), "S256");
            for random in [field(&url, "code_challenge"), field(&url, "state")] {
                // 128 bits at least, in base64.
                assert!(random.len() >= 22, "{random}");
                assert!(seen.insert(random), "used before");
            }
            let scope = field(&url, "scope");
            let scopes: HashSet<_> = scope.split(' ').collect();
            assert_eq!(scopes, HashSet::from(["https://mail.google.com/", "openid", "email"]));
            let back: Url = field(&url, "redirect_uri").parse().unwrap();
            assert_eq!((back.scheme(), back.host_str()), ("http", Some("127.0.0.1")));
            assert!(!url.as_str().contains(world.authorization().client_secret()));
            assert!(!url.as_str().contains("verifier"));
            browser().get(url).send().await.unwrap();
        };
        sign_in(&world, person).await.unwrap();
    }
}

// Section 4.5: the attacker has another sign-in's code, and brings it to the person's.
#[tokio::test]
async fn a_code_of_another_sign_in_is_worth_nothing() {
    let world = World::signed_out("").await;
    let mut stolen = String::new();
    let robbed = async |url: Url| {
        let back = sent_to(url).await;
        stolen = field(&back, "code");
        // It never comes back with the code: this sign-in ends without one.
        let state = field(&back, "state");
        let refused =
            format!("{}?error=access_denied&state={state}", back.origin().ascii_serialization());
        browser().get(refused).send().await.unwrap();
    };
    sign_in(&world, robbed).await.unwrap_err();
    let injected = async |url: Url| {
        let mut back = sent_to(url).await;
        let state = field(&back, "state");
        back.query_pairs_mut().clear().append_pair("code", &stolen).append_pair("state", &state);
        browser().get(back).send().await.unwrap();
    };
    // It was given for another redirect address, as it was for another verifier.
    assert_eq!(sign_in(&world, injected).await.unwrap_err().code(), "not_a_desktop_client");
    assert!(!world.record_file().exists());
    assert_eq!(world.authorization().exchanges(), 1, "a refused code is not tried again");
}

// Section 4.2 and 4.3: the code stands in the address of the last page.
#[tokio::test]
async fn a_code_is_used_up_by_the_first_answer_and_the_page_tells_it_to_nobody() {
    let world = World::signed_out("").await;
    let person = async |url: Url| {
        let back = sent_to(url).await;
        let (first, again) =
            tokio::join!(browser().get(back.clone()).send(), browser().get(back.clone()).send());
        let pages = [first.unwrap(), again.unwrap()];
        for page in pages {
            let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(header("referrer-policy"), "no-referrer");
            assert_eq!(header("cache-control"), "no-store");
            let policy = header("content-security-policy");
            for held in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'none'"] {
                assert!(policy.contains(held), "{policy}");
            }
            let html = page.text().await.unwrap();
            assert!(!html.contains(&field(&back, "code")), "{html}");
            assert!(!html.contains(&field(&back, "state")), "{html}");
        }
    };
    sign_in(&world, person).await.unwrap();
    assert_eq!(world.authorization().exchanges(), 1);
}

// Section 4.11.1.
#[tokio::test]
async fn the_address_that_the_browser_comes_back_to_leads_nowhere_else() {
    let world = World::signed_out("").await;
    let person = async |url: Url| {
        let back = field(&url, "redirect_uri");
        for elsewhere in [
            "/?redirect_uri=http://evil.example/",
            "/?state=x&back=http://evil.example/&url=http://evil.example/",
            "//evil.example/",
            "/http://evil.example/",
            "/%0d%0aLocation:%20http://evil.example/",
        ] {
            let asked = browser_without_redirects().get(format!("{back}{elsewhere}"));
            let answer = asked.send().await.unwrap();
            assert!(answer.status().is_client_error(), "{elsewhere}: {}", answer.status());
            assert!(!answer.headers().contains_key("location"), "{elsewhere}");
            let html = answer.text().await.unwrap();
            assert!(!html.contains("evil"), "{elsewhere}: {html}");
        }
        browser().get(url).send().await.unwrap();
    };
    sign_in(&world, person).await.unwrap();
}
