//! Each plausible mistake, and whoever leaves and comes back.

use gatepost::demo::authorization::TokenFault;
use gatepost::demo::faults::Times;

use super::desk::Desk;
use super::screens::{last_screen, password_on};
use super::support::{PATIENCE, YOU};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_client_is_named_and_asked_for_again() {
    let desk = Desk::new().await;
    desk.download("client_secret_web.json", r#"{"web":{"client_id":"x"}}"#);
    let service = desk.download("key.json", r#"{"type":"service_account"}"#);
    let right = desk.download("my client.json", &desk.google.authorization().client_json());
    let mut person = desk.setup(&[YOU]);
    person.until("Take client_secret_web.json");
    person.enter();
    person.until("“Web application”");
    person.choose(2);
    person.until("Where is the file?");
    person.types("~/nowhere.json");
    person.enter();
    person.until("There is no file");
    (0.."~/nowhere.json".len()).for_each(|_| person.press(b"\x7f"));
    person.pastes(&format!("'{service}'"));
    person.enter();
    person.until("a service account");
    person.choose(2);
    person.until("Where is the file?");
    person.pastes(&right.replace(' ', "\\ "));
    person.enter();
    person.until("Google knows the client");
    person.press(b"\x1b");
    let (code, cast) = person.end();
    assert_eq!(code, 1);
    assert!(desk.path(".local/share/gatepost/clients/gmail.json").is_file(), "it is kept");
    insta::assert_snapshot!(last_screen(cast, &desk));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_google_does_not_know_is_not_taken_unasked() {
    let desk = Desk::new().await;
    let file = desk.download(
        "client_secret_other.json",
        r#"{"installed":{"client_id":"1-other.apps.googleusercontent.com","client_secret":"x"}}"#,
    );
    let mut person = desk.setup(&[YOU]);
    person.until("Take client_secret_other.json");
    person.enter();
    person.until("Ask Google again");
    // The right one has come meanwhile.
    std::fs::write(&file, desk.google.authorization().client_json()).unwrap();
    person.choose(1);
    person.until("Take client_secret_other.json");
    person.enter();
    person.until("Open Google's page and sign in");
    person.press(b"\x03");
    let (code, cast) = person.end();
    assert_eq!(code, 1);
    insta::assert_snapshot!(last_screen(cast, &desk));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_goes_on_where_they_were() {
    let desk = Desk::new().await;
    // On Google's console.
    let mut person = desk.setup(&[]);
    person.until("Which address is it?");
    person.types("you@gmial.com");
    person.enter();
    person.until("Is it spelt right?");
    person.enter();
    person.until("Which Google client?");
    person.enter();
    person.until("1 of 7");
    person.press(b"\x1b");
    let (code, cast) = person.end();
    assert_eq!(code, 1);
    insta::assert_snapshot!("left_at_the_console", last_screen(cast, &desk));

    // While the browser is waited for: the client is kept already.
    desk.download_client();
    let mut person = desk.setup(&[YOU]);
    person.until("Take client_secret_");
    person.enter();
    person.until("Ready?");
    person.enter();
    person.until("Waiting for you");
    person.press(b"\x03");
    let (code, cast) = person.end();
    assert_eq!(code, 1);
    let left = format!("You have left. What is done is kept; `gatepost setup {YOU}` goes on");
    assert!(last_screen(cast, &desk).contains(&left));

    // With the account signed in.
    let mut person = desk.setup(&[YOU]);
    person.until("Go on with the one that is here");
    person.enter();
    person.until("Ready?");
    person.enter();
    person.until("Waiting for you");
    desk.consent(2).await;
    let password = password_on(&person.until("Enter goes on:"));
    person.enter();
    person.until("What shall it try?");
    person.press(b"\x1b");
    assert_eq!(person.end().0, 1);

    // What is done isn't asked again.
    let mut person = desk.setup(&[]);
    person.until("Which account is it about?");
    person.enter();
    let screen = person.until("What shall it try?");
    assert!(screen.contains("is signed in already"), "{screen}");
    person.choose(1);
    person.until("Your local password:");
    person.types(&password);
    person.enter();
    person.until("Which program?");
    person.choose(1);
    person.until("Enter goes on:");
    person.enter();
    // The new Outlook can't; whoever has no other yet may come back.
    person.until("Which program?");
    person.choose(7);
    person.until("Let Gatepost start by itself");
    person.types("n");
    person.enter();
    let last = person.until("Start it right here, now?");
    assert!(!last.contains(&password) && last.contains("as before"), "{last}");
    person.types("n");
    person.enter();
    let (code, cast) = person.end();
    assert_eq!(code, 0);
    insta::assert_snapshot!("gone_on", last_screen(cast, &desk));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_color_is_heeded() {
    let desk = Desk::new().await;
    for (no_color, is_coloured) in [(None, true), (Some("1"), false)] {
        let mut person = desk.setup_with(&[], no_color.map(|value| ("NO_COLOR", value)));
        person.until("Which address is it?");
        person.press(b"\x1b");
        let (_, cast) = person.end();
        assert_eq!(cast.written("").contains("\\u001b[3"), is_coloured, "{no_color:?}");
        assert_eq!(cast.written("").contains("\\u001b[1m"), is_coloured, "{no_color:?}");
    }
}

/// Ctrl-C between two questions is a signal, not a key.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_while_something_is_under_way_loses_nothing() {
    let desk = Desk::new().await;
    let slow = TokenFault::Slow(PATIENCE);
    desk.google.authorization().fail_token(slow, Times::Next(1));
    desk.download_client();
    let mut person = desk.setup(&[YOU]);
    person.until("Take client_secret_");
    person.enter();
    person.until_amid("Google is asked whether it knows the client");
    person.press(b"\x03");
    person.until("You have left.");
    assert_eq!(person.end().0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_lost_the_local_password_gets_another() {
    let desk = Desk::new().await;
    let client = desk.download_client();
    let first = ["--client", &client, "--for", "other", "--no-proof"];
    let said = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let setup = scope.spawn(|| desk.output(&[&[YOU][..], &first].concat()));
            tokio::runtime::Handle::current().block_on(desk.consent(1));
            setup.join().unwrap()
        })
    });
    assert_eq!(said.status.code(), Some(0));
    let mut person = desk.setup(&[YOU]);
    person.until("What shall it try?");
    person.choose(1);
    person.until("Your local password:");
    person.types("guessed");
    person.enter();
    person.until("This is not the local password");
    (0.."guessed".len()).for_each(|_| person.press(b"\x7f"));
    person.enter();
    person.until("It is lost");
    person.enter();
    person.until("Waiting for you");
    desk.consent(2).await;
    let password = password_on(&person.until("Enter goes on:"));
    person.enter();
    person.until("Which program?");
    person.enter();
    person.until("In Gmail, first?");
    person.choose(1);
    let screen = person.until("How?");
    assert!(screen.contains(&password), "{screen}");
    // What is there already is never overwritten.
    desk.download("gatepost.prf", "theirs");
    person.choose(1);
    person.until("Where to?");
    person.enter();
    person.until("Another place?");
    person.enter();
    person.until("Where to?");
    (0..".prf".len()).for_each(|_| person.press(b"\x7f"));
    person.types("-2.prf");
    person.enter();
    let screen = person.until("/importprf");
    assert!(screen.contains("gatepost-2.prf"), "{screen}");
    assert!(desk.path("Downloads/gatepost-2.prf").is_file());
    person.press(b"\x1b");
    assert_eq!(person.end().0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_of_testing_is_named_and_signed_in_for_again() {
    let desk = Desk::new().await;
    desk.google.authorization().set_testing(true);
    desk.download_client();
    let mut person = desk.setup(&[YOU]);
    person.until("Take client_secret_");
    person.enter();
    person.until("Ready?");
    person.enter();
    person.until("Waiting for you");
    desk.consent(1).await;
    person.until("Enter goes on:");
    person.enter();
    let screen = person.until("It is published");
    assert!(screen.contains("ends in 7 days"), "{screen}");
    person.enter();
    person.until("The page opens");
    desk.google.authorization().set_testing(false);
    person.enter();
    person.until("Ready?");
    person.enter();
    person.until("Waiting for you");
    desk.consent(2).await;
    person.until("What shall it try?");
    person.press(b"\x1b");
    let (_, cast) = person.end();
    assert_eq!(desk.pages(), ["https://console.cloud.google.com/auth/audience"]);
    insta::assert_snapshot!(last_screen(cast, &desk));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_told_and_an_address_may_be_pasted() {
    let desk = Desk::new().await;
    desk.google.add_user("other@gmail.com");
    desk.google.authorization().set_consenting_user(Some("other@gmail.com"));
    desk.download_client();
    let mut person = desk.setup(&[YOU]);
    person.until("Take client_secret_");
    person.enter();
    person.until("Ready?");
    person.enter();
    person.until("Waiting for you");
    desk.consent(1).await;
    person.until("Try again");
    desk.google.authorization().set_consenting_user(None);
    person.enter();
    person.until("Waiting for you");
    person.pastes("hello");
    person.enter();
    person.until("Still waiting");
    // As on another machine, where nothing answers at the last page's address.
    let opened = std::fs::read_to_string(desk.path("opened")).unwrap();
    let tls = gatepost::tls::client_config(None).unwrap();
    let stays = reqwest::Client::builder()
        .tls_backend_preconfigured(tokio_rustls::rustls::ClientConfig::clone(&tls))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let answer = stays.get(opened.lines().last().unwrap()).send().await.unwrap();
    let (start, rest) = answer.headers()["location"].to_str().unwrap().split_once("code=").unwrap();
    person.pastes(&format!("{start}code="));
    // What pastes elsewhere is no letter here.
    person.press(b"\x16");
    person.pastes(rest);
    person.enter();
    person.until("Enter goes on:");
    person.press(b"\x1b");
    let (_, cast) = person.end();
    insta::assert_snapshot!(last_screen(cast, &desk));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_local_password_survives_a_sign_in_that_fails_and_one_in_testing() {
    let desk = Desk::new().await;
    let client = desk.download_client();
    let first = [YOU, "--client", &client, "--for", "other", "--no-proof"];
    let said = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let setup = scope.spawn(|| desk.output(&first));
            tokio::runtime::Handle::current().block_on(desk.consent(1));
            setup.join().unwrap()
        })
    });
    assert_eq!(said.status.code(), Some(0));
    desk.google.add_user("other@gmail.com");
    desk.google.authorization().set_consenting_user(Some("other@gmail.com"));
    desk.google.authorization().set_testing(true);
    let mut person = desk.setup(&[YOU]);
    person.until("What shall it try?");
    person.choose(1);
    person.until("Your local password:");
    person.enter();
    person.until("It is lost");
    person.enter();
    person.until("Waiting for you");
    desk.consent(2).await;
    let screen = person.until("What next?");
    assert!(!screen.contains("Gatepost 0."), "there is nothing to prove yet:\n{screen}");
    desk.google.authorization().set_consenting_user(None);
    person.choose(1);
    person.until("Waiting for you");
    desk.consent(3).await;
    person.until("Enter goes on:");
    person.enter();
    person.until("It is published");
    desk.google.authorization().set_testing(false);
    person.choose(1);
    person.until("Waiting for you");
    desk.consent(4).await;
    let screen = person.until("Which program?");
    assert!(screen.contains("All is well"), "{screen}");
    person.press(b"\x1b");
    assert_eq!(person.end().0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_folder_of_downloads_the_pages_go_where_they_are_said_to() {
    let desk = Desk::new().await;
    std::fs::remove_dir(desk.path("Downloads")).unwrap();
    let mut person = desk.setup(&[YOU, "--no-browser"]);
    person.until("Which Google client?");
    person.enter();
    for step in 1..=3 {
        person.until(&format!("Google's console, {step} of 7"));
        person.enter();
    }
    person.until("Write both files, into my home folder");
    person.choose(1);
    let screen = person.until("index.html and privacy.html are in");
    let folder = desk.path("gatepost-pages");
    // A long path goes over several lines.
    let named = screen.replace('\n', "").contains(&folder.display().to_string());
    assert!(named, "{screen}");
    assert!(folder.join("index.html").is_file() && folder.join("privacy.html").is_file());
    person.press(b"\x1b");
    assert_eq!(person.end().0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_systemd_it_may_be_started_by_hand() {
    let desk = Desk::new().await;
    std::fs::remove_file(desk.path(".cargo/bin/systemctl")).unwrap();
    let mut person = desk.setup(&[YOU, "--no-sign-in", "--for", "new-outlook"]);
    person.until("Enter goes on:");
    person.enter();
    person.until("Let Gatepost start by itself");
    person.enter();
    let screen = person.until("Start it right here, now?");
    for wanted in ["There is no systemd here", "The start at log-in: `gatepost service install`"] {
        assert!(screen.contains(wanted), "{wanted}:\n{screen}");
    }
    assert!(!desk.path(".config/systemd").exists());
    person.enter();
    person.until("ready");
    person.press(b"\x03");
    assert_eq!(person.end().0, 0);
    // A script is told by the exit code.
    let told = desk.told(&[YOU, "--no-sign-in", "--for", "new-outlook", "--at-login"]);
    assert!(told.contains("There is no systemd here") && told.ends_with("[exit 1]\n\n"), "{told}");
}
