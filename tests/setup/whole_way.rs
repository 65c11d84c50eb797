//! From an empty home to mail read and sent; the recording of it is in docs/setup.cast.

use std::path::Path;

use super::desk::{Desk, is_recording};
use super::screens::{levelled, password_on};
use super::support::{Client, YOU};
use super::terminal::{Cast, Terminal};

const CAST: &str = "docs/setup.cast";

/// From an empty home to mail read and sent. The recording is made anew each time, and its screens
/// are those of the one that is kept.
#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_home_to_mail_read_and_sent() {
    let desk = Desk::new().await;
    let mut person = desk.setup(&[]);
    person.until("Which address is it?");
    person.types("you.at.gmail.com");
    person.enter();
    person.until("This is no address");
    (0.."you.at.gmail.com".len()).for_each(|_| person.press(b"\x7f"));
    person.types(YOU);
    person.enter();

    person.until("Which Google client?");
    person.enter();
    for step in 1..=6 {
        person.until(&format!("Google's console, {step} of 7"));
        person.enter();
        person.until("The page opens in your browser.");
        if step == 4 {
            person.choose(1);
            person.until("index.html and privacy.html are in");
        }
        person.enter();
    }
    person.until("Google's console, 7 of 7");
    desk.download_client();
    person.enter();
    person.until("Take client_secret_");
    person.enter();

    person.until("Ready?");
    person.enter();
    person.until("Waiting for you");
    desk.consent(1).await;
    let screen = person.until("Enter goes on:");
    let password = password_on(&screen);
    person.enter();

    person.until("What shall it try?");
    person.enter();
    person.until("Which program?");
    person.enter();
    person.until("Open that page of Gmail");
    person.enter();
    person.until("The page opens in your browser.");
    person.enter();
    person.until("How?");
    person.enter();
    person.until("Enter goes on:");
    person.enter();
    person.until("Let Gatepost start by itself");
    person.enter();
    let last = person.until("your mail program can connect");
    for wanted in [&password, YOU, &desk.imap.to_string(), "POP or IMAP", "and serves now"] {
        assert!(last.contains(wanted), "{wanted} is not on the last screen:\n{last}");
    }
    assert!(desk.path(".config/systemd/user/gatepost.service").is_file());

    read_and_send(&desk, &mut person, &password).await;
    let (code, cast) = person.end();
    assert_eq!(code, 0);

    let console = "https://console.cloud.google.com";
    let pages = [
        "projectcreate",
        "auth/overview",
        "auth/scopes",
        "auth/branding",
        "auth/audience",
        "auth/clients",
    ];
    let mut pages: Vec<_> = pages.iter().map(|page| format!("{console}/{page}")).collect();
    pages.push("https://mail.google.com/mail/#settings/labels".to_owned());
    assert_eq!(desk.pages(), pages);
    assert!(desk.path("Downloads/gatepost-pages/privacy.html").is_file());

    compare(&desk, cast);
}

/// What a mail program does while Gatepost serves, line by line, beside what the terminal shows.
async fn read_and_send(desk: &Desk, person: &mut Terminal, password: &str) {
    person.look_elsewhere();
    let mut say = |line: &str| person.aside(&line.replace(password, "(the local password)"));
    say("── meanwhile, a mail program on the same computer, line by line ──────────────────────");
    let mut imap = Client::connect(&format!("localhost:{}", desk.imap)).await;
    imap.line().await;
    let commands = [
        format!("a1 LOGIN {YOU} {password}"),
        "a2 SELECT INBOX".to_owned(),
        "a3 FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]".to_owned(),
    ];
    for command in commands {
        say(&format!("  IMAP C: {command}"));
        imap.send(format!("{command}\r\n")).await;
        let tag = format!("{} ", &command[..2]);
        loop {
            let line = imap.line().await;
            assert!(!line.is_empty() || command.contains("FETCH"), "{command}");
            if line.contains("EXISTS") || line.starts_with("Subject:") || line.starts_with(&tag) {
                say(&format!("       S: {line}"));
            }
            if line.starts_with(&tag) {
                assert!(line.starts_with(&format!("{tag}OK")), "{line}");
                break;
            }
        }
    }
    let mut smtp = Client::connect(&format!("localhost:{}", desk.smtp)).await;
    smtp.reply().await;
    smtp.ask("EHLO laptop").await;
    say("  SMTP C: AUTH PLAIN (the local password)");
    let answer = smtp.sign_on(password).await;
    say(&format!("       S: {answer}"));
    let mail = "Subject: Friday it is\r\n\r\nSee you there.\r\n.";
    for command in [&format!("MAIL FROM:<{YOU}>"), &format!("RCPT TO:<{YOU}>"), "DATA", mail] {
        let answer = smtp.ask(command).await;
        assert!(answer.starts_with(['2', '3']), "{command}: {answer}");
        say(&format!("  SMTP C: {}", command.lines().next().unwrap()));
        say(&format!("       S: {answer}"));
    }
    let before = desk.google.mailboxes().messages(YOU, "INBOX").len();
    say("  IMAP C: a4 NOOP");
    imap.send("a4 NOOP\r\n").await;
    let exists = format!("* {before} EXISTS");
    for awaited in [&exists, "a4 "] {
        let told = imap.until(awaited).await;
        say(&format!("       S: {told}"));
    }
    person.until("a4 OK");
}

/// Holds the recording against the kept one, or takes its place.
fn compare(desk: &Desk, cast: Cast) {
    let home = desk.folder.path().display().to_string();
    let someone =
        "/home/your-name-is-long-enough-for-every-folder-of-temporary-files-that-there-is";
    let cast = cast
        .with(&home, &someone[..home.len()])
        .with(&desk.imap.to_string(), "10143")
        .with(&desk.smtp.to_string(), "10587");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(CAST);
    if is_recording() {
        std::fs::write(&kept, cast.written("gatepost setup")).unwrap();
    }
    let kept = Cast::read(&std::fs::read_to_string(kept).unwrap());
    let (mut made, mut kept) = (levelled(&cast), levelled(&kept));
    // What the log says at the end pushes lines off the screen as it happens to come.
    made.pop();
    kept.pop();
    for ((at, made), (_, kept)) in made.iter().zip(&kept) {
        assert!(
            made == kept,
            "the screen at “{at}” is another than in {CAST}; if it is meant to be, make that anew \
             with GATEPOST_RECORD=1 cargo test --test setup\n\nkept:\n{kept}\n\nnow:\n{made}"
        );
    }
    assert_eq!(made.len(), kept.len());
}
