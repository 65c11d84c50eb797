//! What comes to the local ports and isn't a good mail client: a clear answer, a close, and nobody else
//! notices.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::support::{World, YOU};

#[tokio::test]
async fn a_wrong_password_costs_a_second_and_nothing_else() {
    let world = World::new().await;
    drop(world.signed_on().await);
    let attempts = (0..20).map(|_| async {
        let mut client = world.imap().await;
        for _ in 0..3 {
            let began = Instant::now();
            let answer = client.log_in("not the password").await;
            assert!(answer.starts_with("in NO [AUTHENTICATIONFAILED]"), "{answer}");
            assert!(began.elapsed() >= Duration::from_millis(990));
        }
        assert!(client.log_in(world.password.expose()).await.starts_with("in OK"));
    });
    let refreshes = world.authorization().refreshes();
    let (_, ()) = tokio::join!(
        // Twelve connections are the account's budget; the clients leave as they are let in.
        futures_util::future::join_all(attempts),
        async {
            let mut other = world.smtp_signed_on().await;
            assert!(other.ask("NOOP").await.starts_with("250"));
        }
    );
    assert_eq!(world.authorization().refreshes(), refreshes, "no token was touched");
}

// email-oauth2-proxy#321: Outlook 2010 first tries an empty password.
#[tokio::test]
async fn an_empty_password_is_refused_at_once() {
    let world = World::new().await;
    let mut client = world.imap().await;
    let began = Instant::now();
    assert!(client.log_in("").await.starts_with("in NO [AUTHENTICATIONFAILED]"));
    assert!(began.elapsed() < Duration::from_millis(500));
    assert!(client.log_in(world.password.expose()).await.starts_with("in OK"));
}

#[tokio::test]
async fn an_unknown_account_is_refused_as_a_wrong_password_is() {
    let world = World::new().await;
    let mut client = world.imap().await;
    let began = Instant::now();
    client.send("a LOGIN nobody@gmail.com x\r\n").await;
    assert!(client.line().await.starts_with("a NO [AUTHENTICATIONFAILED]"));
    assert!(began.elapsed() >= Duration::from_millis(990));
    let mut client = world.smtp().await;
    assert!(client.ask("AUTH PLAIN AG5vYm9keUBnbWFpbC5jb20AeA==").await.starts_with("535 5.7.8"));
}

#[tokio::test]
async fn what_is_no_mail_client_is_turned_away_at_its_first_line() {
    let world = World::new().await;
    let mut web = world.imap().await;
    web.send("POST / HTTP/1.1\r\nHost: localhost:10143\r\n\r\na LOGIN you x\r\n").await;
    assert!(web.rest().await.starts_with("* BYE "));
    let mut web = world.smtp().await;
    web.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(web.rest().await.starts_with("421 "));
    for mut tls in [world.imap().await, world.smtp().await] {
        tls.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
        tls.rest().await;
    }
    drop(world.signed_on().await);
}

#[tokio::test]
async fn bombs_end_their_own_connection_only() {
    let world = World::new().await;
    let mut other = world.signed_on().await;
    let long = vec![b'a'; 200_000];
    let bombs: [(&str, &[u8]); 5] = [
        ("a line without end", &long),
        ("a literal bomb", b"a LOGIN {99999999999999999999}\r\n"),
        ("a large literal", b"a LOGIN {1000000+}\r\nxxxx"),
        ("commands without end", &b"x y z\r\n".repeat(200)),
        ("nulls", &b"\0\0\0\0\r\n".repeat(100)),
    ];
    for (name, bomb) in bombs {
        let mut client = world.imap().await;
        // The proxy may have closed before all of it was written.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, bomb).await;
        let heard = client.rest().await;
        assert!(heard.contains("* BYE ") || heard.is_empty(), "{name}: {heard}");
    }
    let mut client = world.smtp().await;
    let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, &long).await;
    let heard = client.rest().await;
    assert!(heard.starts_with("500 5.5.6") || heard.is_empty(), "{heard}");
    other.send("a NOOP\r\n").await;
    other.until("a OK").await;
}

/// Mail programs connect ahead of time, and scanners of ports do it for nothing.
#[tokio::test]
async fn who_connects_and_is_silent_costs_google_nothing() {
    let world = World::new().await;
    // The account is open and has a token, so that there would be something to begin with.
    drop(world.signed_on().await);
    let (imap, smtp) = (world.google.imap(), world.google.smtp());
    let cost = || {
        let refreshes = world.authorization().refreshes();
        (imap.connections_so_far(), smtp.connections_so_far(), refreshes)
    };
    let (imap_before, smtp_before, refreshes) = cost();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push((world.imap().await, world.smtp().await));
    }
    // What had been begun for them would have come before this.
    drop(world.signed_on().await);
    assert_eq!(cost(), (imap_before + 1, smtp_before, refreshes));
    for (imap, smtp) in &mut silent {
        imap.send("a NOOP\r\n").await;
        imap.until("a OK").await;
        assert!(smtp.ask("NOOP").await.starts_with("250"));
    }
}

#[tokio::test]
async fn control_characters_in_a_name_reach_nobody() {
    let world = World::new().await;
    let before = world.google.imap().connections_so_far();
    let mut client = world.imap().await;
    client.send(format!("a LOGIN {{{}+}}\r\n{YOU}\r\nX x\r\n", YOU.len() + 3)).await;
    assert!(client.line().await.starts_with("a BAD"));
    client.send("b AUTHENTICATE PLAIN AHlvdQ0KAHg=\r\n").await;
    assert!(client.line().await.starts_with("b BAD"));
    assert_eq!(world.google.imap().connections_so_far(), before);
}

#[tokio::test]
async fn a_client_in_many_small_writes_is_understood() {
    let world = World::new().await;
    let mut client = world.imap().await;
    let line = format!("a LOGIN \"{YOU}\" {{{}}}\r\n", world.password.expose().len());
    for byte in line.bytes() {
        client.send([byte]).await;
    }
    assert!(client.line().await.starts_with("+"));
    for byte in format!("{}\r\n", world.password.expose()).bytes() {
        client.send([byte]).await;
    }
    client.until("a OK").await;
}

/// Gatepost signs on to Google in its own words: whatever a client has put into its own sign-on, with line
/// ends or without, stays here.
#[tokio::test]
async fn nothing_that_was_said_before_the_sign_on_reaches_google() {
    let world = World::new().await;
    let name = "x\r\nb CREATE forged\r\n";
    let forged_name = STANDARD.encode("\0you\r\nforged\0x");
    let mut client = world.imap().await;
    for command in [
        format!("a ID (\"name\" {{{}+}}\r\n{name} \"version\" \"forged\")\r\n", name.len()),
        "a LOGIN \"forged\rb CREATE forged\" x\r\n".to_owned(),
        "a LOGIN \"forged\0\" x\r\n".to_owned(),
        format!("a LOGIN {{{}+}}\r\n{name} x\r\n", name.len()),
        format!("a AUTHENTICATE PLAIN {forged_name}\r\n"),
        format!("a AUTHENTICATE LOGIN {}\r\n", STANDARD.encode(name)),
        format!("{}\r\n", STANDARD.encode("forged\r\n")),
        "a NOOP forged\r\n".to_owned(),
        "a SELECT forged\r\n".to_owned(),
    ] {
        client.send(command).await;
    }
    assert!(client.log_in(world.password.expose()).await.starts_with("in OK"));
    client.send("c NOOP\r\n").await;
    client.until("c OK").await;

    let mut client = world.smtp().await;
    for command in [
        "EHLO forged\0.test",
        "EHLO forged.test\rMAIL FROM:<forged@gmail.com>",
        "HELO forged test",
        "EHLO for\u{e4}ged",
        &format!("AUTH PLAIN {forged_name}"),
        "AUTH LOGIN",
        &STANDARD.encode("forged\r\nMAIL FROM:<forged@gmail.com>"),
        &STANDARD.encode("forged\r\n"),
        "NOOP forged",
        "MAIL FROM:<forged@gmail.com>",
    ] {
        client.ask(command).await;
    }
    assert!(client.sign_on(world.password.expose()).await.starts_with("235"));
    assert!(client.ask("NOOP").await.starts_with("250"));

    let imap = format!("{:?}", world.google.imap().last_client_lines());
    let smtp = format!("{:?}", world.google.smtp().last_client_lines());
    assert!(imap.contains("NOOP") && !imap.contains("forged"), "{imap}");
    assert!(smtp.contains("NOOP") && !smtp.contains("forged"), "{smtp}");
}

/// A mail program is handed an address or a mailbox's name with a line end in it, and sends it as it is.
#[tokio::test]
async fn a_forged_line_after_the_sign_on_ends_the_session() {
    let world = World::new().await;
    for forged in ["x\na CREATE forged", "x\ra CREATE forged", "x\0y"] {
        let mut client = world.signed_on().await;
        client.send(format!("a SELECT \"{forged}\"\r\n")).await;
        let told = client.rest().await;
        assert!(told.contains("* BYE") && told.contains("a bare CR, LF or NUL"), "{told}");
    }
    // Behind a command that Gatepost answers itself too.
    let mut client = world.signed_on().await;
    client.send("a LOGIN x\nb CREATE forged\r\n").await;
    let told = client.rest().await;
    assert!(told.contains("a BAD") && told.contains("* BYE"), "{told}");
    let mut client = world.smtp_signed_on().await;
    assert!(client.ask("MAIL FROM:<you@gmail.com>").await.starts_with("250"));
    client.send("RCPT TO:<a@b>\nRCPT TO:<forged@gmail.com>\r\n").await;
    let told = client.rest().await;
    assert!(told.starts_with("421") && told.contains("a bare CR, LF or NUL"), "{told}");
    let heard = |lines| format!("{lines:?}");
    let imap = heard(world.google.imap().last_client_lines());
    let smtp = heard(world.google.smtp().last_client_lines());
    assert!(!imap.contains("forged") && !smtp.contains("RCPT"), "{imap}, {smtp}");
}

/// Scripts end their lines in LF alone, all of them, and are served as ever.
#[tokio::test]
async fn who_ends_every_line_in_lf_alone_is_served() {
    let world = World::new().await;
    let mut client = world.imap().await;
    client.send(format!("in LOGIN {YOU} \"{}\"\n", world.password.expose())).await;
    client.until("in OK").await;
    // The stand-in takes CRLF for the end of a line and nothing else, as Gatepost sends it what it got.
    client.send("a NOOP\r\n").await;
    client.until("a OK").await;

    let mut client = world.smtp().await;
    client.send("EHLO script\n").await;
    client.reply().await;
    let plain = STANDARD.encode(format!("\0{YOU}\0{}", world.password.expose()));
    client.send(format!("AUTH PLAIN {plain}\n")).await;
    assert!(client.reply().await.starts_with("235"));
    client.send(format!("MAIL FROM:<{YOU}>\nRCPT TO:<{YOU}>\nRSET\n")).await;
    for _ in 0..3 {
        assert!(client.reply().await.starts_with("250"));
    }
}
