//! Sessions from the sign-on to the end, against the stand-in: what passes untouched, what differs,
//! and how they end.

// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use gatepost::accounts::Address;
use gatepost::demo::faults::Times;
use gatepost::demo::smtp::Stage;
use gatepost::proxy::EventKind;
use support::{Client, World, YOU, free_port};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn the_list_after_sign_on_is_gmails_without_what_only_gatepost_may_see() {
    let world = World::new().await;
    let mut client = world.imap().await;
    client.send(format!("a LOGIN {YOU} {}\r\n", world.password.expose())).await;
    let told = client.until("* CAPABILITY ").await;
    assert!(told.contains(" IDLE ") && told.contains("X-GM-EXT-1"), "{told}");
    client.until("a OK").await;
    client.send("b CAPABILITY\r\n").await;
    let asked = client.until("* CAPABILITY ").await;
    for list in [&told, &asked] {
        assert!(!list.contains("AUTH=") && !list.contains("COMPRESS"), "{list}");
    }
    client.until("b OK").await;
    client.send("c COMPRESS DEFLATE\r\n").await;
    assert!(client.line().await.starts_with("c NO "));
    client.send("d NOOP\r\n").await;
    client.until("d OK").await;
    let lines = world.google.imap().last_client_lines();
    assert!(
        !lines.iter().any(|session| session.lines.iter().any(|line| line.contains("COMPRESS")))
    );
}

#[tokio::test]
async fn a_second_sign_on_never_carries_the_password_upstream() {
    let world = World::new().await;
    let mut client = world.signed_on().await;
    let password = world.password.expose();
    client
        .send(format!(
            "a LOGIN {YOU} {password}\r\nb LOGIN {{3+}}\r\nyou {{{}+}}\r\n{password}\r\nc NOOP\r\n",
            password.len()
        ))
        .await;
    assert!(client.line().await.starts_with("a BAD"));
    assert!(client.line().await.starts_with("b BAD"));
    client.until("c OK").await;
    let heard = format!("{:?}", world.google.imap().last_client_lines());
    assert!(!heard.contains(password), "{heard}");

    let mut client = world.smtp_signed_on().await;
    assert!(client.ask("AUTH PLAIN AGEAYg==").await.starts_with("503"));
    assert!(client.ask("NOOP").await.starts_with("250"));
    let heard = format!("{:?}", world.google.smtp().last_client_lines());
    assert!(!heard.contains("AGEAYg=="), "{heard}");
}

#[tokio::test]
async fn what_is_pipelined_behind_the_sign_on_is_kept_and_answered_in_order() {
    let world = World::new().await;
    let mut client = world.imap().await;
    client
        .send(format!("a LOGIN {YOU} {}\r\nb SELECT INBOX\r\nc NO", world.password.expose()))
        .await;
    client.until("a OK").await;
    client.until("b OK").await;
    client.send("OP\r\n").await;
    client.until("c OK").await;
}

#[tokio::test]
async fn a_message_comes_through_byte_for_byte_in_both_directions() {
    let world = World::new().await;
    let mut message = b"Subject: bytes\r\n\r\n".to_vec();
    // Every byte there is, tagged lines, literals and capability lists among them.
    message.extend((0..=255_u8).cycle().take(300_000));
    message.extend_from_slice(
        b"\r\na OK done\r\n* BYE {5}\r\n* CAPABILITY AUTH=PLAIN COMPRESS=DEFLATE\r\n",
    );
    let mut client = world.signed_on().await;
    client.send(format!("a APPEND INBOX {{{}}}\r\n", message.len())).await;
    assert!(client.line().await.starts_with("+"));
    client.send(&message).await;
    client.send("\r\n").await;
    client.until("a OK").await;
    client.send("b SELECT INBOX\r\n").await;
    client.until("b OK").await;
    client.send("c FETCH 1 BODY.PEEK[]\r\n").await;
    let announced = client.line().await;
    assert!(announced.ends_with(&format!("{{{}}}", message.len())), "{announced}");
    assert!(client.bytes(message.len()).await == message, "the bytes differ");
    client.until("c OK").await;
}

#[tokio::test]
async fn idle_is_told_of_new_mail() {
    let world = World::new().await;
    let mut client = world.signed_on().await;
    client.send("a SELECT INBOX\r\n").await;
    client.until("a OK").await;
    client.send("b IDLE\r\n").await;
    client.until("+").await;
    world.google.mailboxes().deliver(YOU, "INBOX", b"Subject: new\r\n\r\nx\r\n").unwrap();
    client.until("* 1 EXISTS").await;
    client.send("DONE\r\n").await;
    client.until("b OK").await;
}

// A defect of email-oauth2-proxy: replies are lost when a client shuts its writing side.
#[tokio::test]
async fn a_client_that_shuts_its_writing_side_still_gets_every_reply() {
    let world = World::new().await;
    let big = vec![b'x'; 500_000];
    let mut client = world.signed_on().await;
    world
        .google
        .mailboxes()
        .deliver(YOU, "INBOX", &[b"Subject: big\r\n\r\n", &big[..]].concat())
        .unwrap();
    client.send("a SELECT INBOX\r\nb FETCH 1 BODY.PEEK[TEXT]\r\nc NOOP\r\n").await;
    client.stream.shutdown().await.unwrap();
    let heard = client.rest().await;
    assert!(heard.contains("\r\nb OK") && heard.contains("\r\nc OK"), "{} bytes", heard.len());
    assert!(heard.len() > big.len());
}

#[tokio::test]
async fn a_slow_reader_is_held_back_and_loses_nothing() {
    let world = World::new().await;
    let body = vec![b'y'; 8_000_000];
    world.google.mailboxes().deliver(YOU, "INBOX", &[b"\r\n", &body[..]].concat()).unwrap();
    let mut slow = world.signed_on().await;
    slow.send("a SELECT INBOX\r\nb FETCH 1 BODY.PEEK[TEXT]\r\n").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    // What the proxy took for it is far from all of it: it doesn't buffer a mail.
    assert!(world.account().bytes_down < 7_000_000, "{}", world.account().bytes_down);
    let mut quick = world.signed_on().await;
    quick.send("q NOOP\r\n").await;
    quick.until("q OK").await;
    slow.until("* 1 FETCH").await;
    assert!(slow.bytes(body.len()).await == body);
    slow.until("b OK").await;
}

#[tokio::test]
async fn the_ends_of_sessions_are_told() {
    let mut world = World::new().await;
    // Where the session can't go on, Gmail's own goodbye comes through as it is, and only once.
    let mut client = world.signed_on().await;
    client.send("a NOTIFY NONE\r\n").await;
    client.until("a ").await;
    world.google.imap().expire_sessions();
    let heard = client.rest().await;
    assert!(heard.ends_with("* BYE Session expired, please login again.\r\n"), "{heard}");
    assert_eq!(heard.matches("* BYE").count(), 1);
    // A lost connection is told in words.
    let mut client = world.signed_on().await;
    client.send("a NOTIFY NONE\r\n").await;
    client.until("a ").await;
    world.google.imap().reset_connections();
    let heard = client.rest().await;
    assert!(heard.starts_with("* BYE The connection to the mail server was lost: "), "{heard}");
    assert!(heard.contains(" (Gatepost session "), "{heard}");
    // It is an event; another that follows soon is not.
    let mut events = world.server().events();
    events.retain(|event| event.kind == EventKind::Ended);
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].sentence.starts_with("An IMAP session had to be ended: "), "{events:?}");
    let told = "The mail server has closed the connection (Gatepost session ";
    let mut client = world.smtp_signed_on().await;
    world.google.smtp().reset_connections();
    let heard = client.rest().await;
    assert!(heard.starts_with(&format!("421 4.3.2 {told}")), "{heard}");
    // So is the end of the proxy, also to those that have not signed on.
    let (mut imap, mut smtp, mut idle) =
        (world.imap().await, world.smtp_signed_on().await, world.signed_on().await);
    idle.send("a SELECT INBOX\r\nb IDLE\r\n").await;
    idle.until("+").await;
    world.server().stop().await;
    assert_eq!(imap.rest().await, "* BYE Gatepost is stopping\r\n");
    assert_eq!(idle.rest().await, "* BYE Gatepost is stopping\r\n");
    assert_eq!(smtp.rest().await, "421 4.3.2 Gatepost is stopping\r\n");
    world.start();
    drop(world.signed_on().await);
}

#[tokio::test]
async fn a_message_under_way_is_finished_before_the_proxy_stops() {
    let world = World::new().await;
    let mut client = world.smtp_signed_on().await;
    begin_message(&mut client).await;
    client.send("Subject: late\r\n\r\n").await;
    let server = world.server().clone();
    let stop = tokio::spawn(async move { server.stop().await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    client.send("text\r\n.\r\n").await;
    assert!(client.reply().await.starts_with("250"));
    assert!(client.reply().await.starts_with("421"));
    stop.await.unwrap();
    assert_eq!(world.google.smtp().transactions().len(), 1);
}

#[tokio::test]
async fn ehlo_tells_what_the_provider_can_do() {
    let world = World::new().await;
    let mut client = world.smtp().await;
    client.send("EHLO [10.0.0.9]\r\n").await;
    let mut lines = Vec::new();
    loop {
        let line = client.line().await;
        lines.push(line.clone());
        if line.starts_with("250 ") {
            break;
        }
    }
    let has = |what: &str| lines.iter().any(|line| line[4..].starts_with(what));
    assert!(
        has("SIZE 35882577") && has("8BITMIME") && has("SMTPUTF8") && has("PIPELINING"),
        "{lines:?}"
    );
    assert!(has("AUTH PLAIN LOGIN") && !has("CHUNKING") && !has("STARTTLS"), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("AUTH")).count(), 1);
}

#[tokio::test]
async fn a_mail_goes_through_untouched() {
    let world = World::new().await;
    let mut client = world.smtp_signed_on().await;
    client.send(format!("MAIL FROM: <{YOU}>\r\nRCPT TO: <{YOU}>\r\nDATA\r\n")).await;
    assert!(client.reply().await.starts_with("250"));
    assert!(client.reply().await.starts_with("250"));
    assert!(client.reply().await.starts_with("354"));
    client.send("Subject: dots\r\n\r\n..one\r\n.. two\r\n\u{e4}\r\n.\r\nQUIT\r\n").await;
    assert!(client.reply().await.starts_with("250"));
    assert!(client.reply().await.starts_with("221"));
    let sent = &world.google.smtp().transactions()[0];
    assert_eq!(sent.bytes, "Subject: dots\r\n\r\n.one\r\n. two\r\n\u{e4}\r\n".as_bytes());
    let lines = format!("{:?}", world.google.smtp().last_client_lines());
    assert!(lines.contains(&format!("MAIL FROM: <{YOU}>")), "{lines}");
}

#[tokio::test]
async fn smuggled_messages_are_refused_and_the_session_goes_on() {
    let world = World::new().await;
    let mut client = world.smtp_signed_on().await;
    for end in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r"] {
        begin_message(&mut client).await;
        client.send(format!("Subject: one\r\n\r\ntext{end}MAIL FROM:<evil@example.com>\r\nRCPT TO:<{YOU}>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\n")).await;
        let answer = client.reply().await;
        assert!(
            answer.starts_with("550 5.6.0") && answer.contains("bare_newlines"),
            "{end:?}: {answer}"
        );
    }
    begin_message(&mut client).await;
    assert!(client.ask("Subject: good\r\n\r\ntext\r\n.").await.starts_with("250"));
    assert_eq!(world.google.smtp().transactions().len(), 1);
}

#[tokio::test]
async fn a_client_whose_message_has_no_end_is_told_all_the_same() {
    let world = World::new().await;
    let mut client = world.smtp_signed_on().await;
    begin_message(&mut client).await;
    client.send("Subject: scan\n\nline\n.\nQUIT\n").await;
    let heard = client.rest().await;
    assert!(heard.starts_with("550 5.6.0") && heard.lines().count() == 1, "{heard}");
    assert!(world.google.smtp().transactions().is_empty());
}

/// The message is refused, and then the session ends in these words.
async fn assert_refused_and_told(client: &mut Client, goodbye: &str) {
    let heard = client.rest().await;
    let lines: Vec<&str> = heard.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("550 5.6.0"), "{heard}");
    assert!(lines[1].starts_with(goodbye), "{heard}");
}

#[tokio::test]
async fn a_stop_amid_a_refused_message_is_told() {
    let world = World::new().await;
    let mut client = world.smtp_signed_on().await;
    begin_message(&mut client).await;
    client.send("Subject: scan\n\r\nand the end is yet to come\r\n").await;
    world.server().stop().await;
    assert_refused_and_told(&mut client, "421 4.3.2").await;
    assert!(world.google.smtp().transactions().is_empty());
}

#[tokio::test]
async fn an_account_that_is_forgotten_amid_a_refused_message_is_told() {
    let world = World::new().await;
    let mut client = world.smtp_signed_on().await;
    begin_message(&mut client).await;
    client.send("Subject: scan\n\r\nand the end is yet to come\r\n").await;
    assert!(world.server().forget(&Address::parse(YOU).unwrap()).unwrap());
    assert_refused_and_told(&mut client, "421 4.3.2 This account was signed out").await;
}

#[tokio::test]
async fn a_stop_is_told_while_a_refused_messages_connection_is_replaced() {
    let world = World::new().await;
    let mut client = world.smtp_signed_on().await;
    begin_message(&mut client).await;
    // Its last line never comes.
    world.google.smtp().set_greeting(Some("220-smtp.gmail.com"));
    assert!(client.ask("Subject: scan\n\r\n.").await.starts_with("550 5.6.0"));
    let another = async {
        while world.google.smtp().connections_so_far() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), another)
        .await
        .expect("another connection is made");
    world.server().stop().await;
    let heard = client.rest().await;
    assert!(
        heard.starts_with("421 4.3.2 Gatepost is stopping") && heard.lines().count() == 1,
        "{heard}"
    );
}

#[tokio::test]
async fn bare_newlines_may_be_made_good() {
    let world = World::with("bare_newlines = \"normalize\"").await;
    let mut client = world.smtp_signed_on().await;
    begin_message(&mut client).await;
    assert!(client.ask("Subject: scan\n\nline\n.\nMAIL\r\n.").await.starts_with("250"));
    let sent = &world.google.smtp().transactions()[0];
    assert_eq!(sent.bytes, b"Subject: scan\r\n\r\nline\r\n.\r\nMAIL\r\n");
}

#[tokio::test]
async fn the_providers_refusals_reach_the_sender() {
    let world = World::new().await;
    let mut client = world.smtp_signed_on().await;
    world.google.smtp().refuse(
        Stage::Mail,
        "550 5.4.5 Daily user sending limit exceeded.",
        Times::Next(1),
    );
    assert!(client.ask(&format!("MAIL FROM:<{YOU}>")).await.starts_with("550 5.4.5"));
    world.google.smtp().refuse(Stage::Data, "451 4.4.2 later", Times::Next(1));
    client.ask(&format!("MAIL FROM:<{YOU}>")).await;
    client.ask(&format!("RCPT TO:<{YOU}>")).await;
    assert!(client.ask("DATA").await.starts_with("451"));
    assert!(client.ask("NOOP").await.starts_with("250"));
}

#[tokio::test]
async fn the_connection_budget_is_kept_and_told() {
    let world = World::with("connections = 2\nconnection_wait = \"1s\"").await;
    let (first, _second) = (world.signed_on().await, world.signed_on().await);
    let mut third = world.imap().await;
    let heard = third.log_in(world.password.expose()).await;
    assert!(heard.starts_with("* BYE All 2 connections of this account are in use"), "{heard}");
    assert_eq!(world.account().state, "ready", "a limit of its own says nothing of Google");
    drop(first);
    drop(world.signed_on().await);
}

#[tokio::test]
async fn a_reload_takes_up_listeners_and_keeps_sessions() {
    let world = World::new().await;
    let mut client = world.signed_on().await;
    let file = world.home.config_file();
    let config = std::fs::read_to_string(file).unwrap();
    let listen_at = |endpoint: &str| {
        let named = format!("imap = \"{endpoint}\"");
        std::fs::write(file, config.replacen("imap = \"127.0.0.1:0\"", &named, 1)).unwrap();
        world.server().reload().unwrap();
        world.server().status().listeners["imap"].clone()
    };
    let before = listen_at(&format!("127.0.0.1:{}", free_port()));
    let after = listen_at("[::1]:0");
    assert!(after.starts_with("[::1]:"), "{after}");
    assert!(tokio::net::TcpStream::connect(&before).await.is_err());
    drop(Client::connect(&after).await);
    client.send("a NOOP\r\n").await;
    client.until("a OK").await;
    // The same port under another of its names is kept, not fought over.
    let port = free_port();
    for name in ["[::1]", "localhost", "127.0.0.1", "localhost"] {
        let address = listen_at(&format!("{name}:{port}"));
        Client::connect(&address).await.line().await;
    }
    let after = world.server().status().listeners["imap"].clone();
    // A wrong configuration changes nothing.
    std::fs::write(file, config.replacen("imap =", "impa =", 1)).unwrap();
    assert!(world.server().reload().is_err());
    assert_eq!(world.server().status().listeners["imap"], after);
    client.send("b NOOP\r\n").await;
    client.until("b OK").await;
}

#[tokio::test]
async fn an_account_that_goes_takes_its_sessions_with_it() {
    let world = World::new().await;
    let mut client = world.signed_on().await;
    std::fs::remove_file(world.record_file()).unwrap();
    world.server().reload().unwrap();
    assert_eq!(client.rest().await, "* BYE This account was signed out\r\n");
    let mut client = world.imap().await;
    assert!(client.log_in(world.password.expose()).await.starts_with("in NO"));
}

#[tokio::test]
async fn a_connection_too_many_is_waited_for_and_not_asked_for_again_and_again() {
    let world = World::with("connection_wait = \"6s\"").await;
    let first = world.signed_on().await;
    world.google.imap().set_connection_limit(Some(1));
    let asked = world.google.imap().connections_so_far();
    // The pause is five seconds; the first client leaves before.
    let leaves = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(first);
    };
    let (second, ()) = tokio::join!(world.signed_on(), leaves);
    assert_eq!(world.google.imap().connections_so_far() - asked, 2);
    // Now nobody leaves: told after one pause, and then at once, without a word to the provider.
    let asked = world.google.imap().connections_so_far();
    let mut tries = Vec::new();
    for _ in 0..3 {
        let began = Instant::now();
        let told = world.imap().await.log_in(world.password.expose()).await;
        assert!(told.starts_with("* BYE ") && told.contains("too many connections"), "{told}");
        tries.push(began.elapsed().as_secs());
    }
    assert!(matches!(tries[..], [5, 0, 0]), "{tries:?}");
    assert_eq!(world.google.imap().connections_so_far() - asked, 2);
    let account = world.account();
    assert_eq!((account.connections.in_use, account.connections.limit), (1, Some(12)));
    assert!(account.trouble.unwrap().contains("too many connections"));
    drop(second);
}

#[tokio::test]
async fn a_used_up_quota_told_amid_a_session_holds_for_the_next_sign_on() {
    let world = World::new().await;
    let mut client = world.signed_on().await;
    let bye = "* BYE [OVERQUOTA] Account exceeded command or bandwidth limits.";
    world.google.imap().end_sessions(bye);
    assert!(client.rest().await.ends_with(&format!("{bye}\r\n")));
    let asked = world.google.imap().connections_so_far();
    let told = world.imap().await.log_in(world.password.expose()).await;
    assert!(told.starts_with("* BYE Gmail's limit of traffic"), "{told}");
    assert_eq!(world.google.imap().connections_so_far(), asked);
    // Sending is another matter.
    drop(world.smtp_signed_on().await);
}

#[tokio::test]
async fn a_lower_limit_holds_once_the_connections_above_it_have_ended() {
    let world = World::with("connections = 3\nconnection_wait = \"1s\"").await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(world.signed_on().await);
    }
    let file = world.home.config_file();
    let config = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, config.replacen("connections = 3", "connections = 2", 1)).unwrap();
    world.server().reload().unwrap();
    for left in [2, 1] {
        let told = world.imap().await.log_in(world.password.expose()).await;
        assert!(told.starts_with("* BYE All 2 connections"), "{told}");
        drop(clients.pop());
        while world.account().connections.in_use > left {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    clients.push(world.signed_on().await);
    clients[0].send("a NOOP\r\n").await;
    clients[0].until("a OK").await;
}

async fn begin_message(client: &mut Client) {
    client.ask(&format!("MAIL FROM:<{YOU}>")).await;
    client.ask(&format!("RCPT TO:<{YOU}>")).await;
    assert!(client.ask("DATA").await.starts_with("354 "));
}

#[tokio::test]
async fn a_reload_disturbs_neither_an_idle_nor_a_message_under_way() {
    let world = World::with("connections = 5\nbare_newlines = \"refuse\"").await;
    let file = world.home.config_file();
    let mut config = std::fs::read_to_string(file).unwrap();
    for key in ["imap", "smtp"] {
        let named = |port| format!("{key} = \"127.0.0.1:{port}\"");
        config = config.replacen(&named(0), &named(free_port()), 1);
    }
    std::fs::write(file, &config).unwrap();
    world.server().reload().unwrap();
    let mut idle = world.signed_on().await;
    idle.send("a SELECT INBOX\r\nb IDLE\r\n").await;
    idle.until("+").await;
    let mut sender = world.smtp_signed_on().await;
    begin_message(&mut sender).await;
    sender.send("Subject: half\r\n\r\none half, ").await;

    let before = world.server().status().listeners;
    let other = config
        .replace(&before["imap"], "[::1]:0")
        .replace(&before["smtp"], "[::1]:0")
        .replace("connections = 5", "connections = 1\nconnection_wait = \"1s\"")
        .replace("\"refuse\"", "\"normalize\"");

    // One thing wrong among them, in each way a file can be wrong, and none of the rest is taken up.
    let broken = [
        (other.replace("connections = 1", "connektions = 1"), "did you mean “connections”?"),
        (other.replace("\"normalize\"", "\"mend\""), "\"refuse\" or \"normalize\" is wanted"),
        (format!("{other}connections = 1\n"), "a second time"),
        (format!("[listen\n{other}"), "is missing"),
    ];
    for (text, words) in broken {
        std::fs::write(file, text).unwrap();
        let error = world.server().reload().unwrap_err().to_string();
        assert!(error.contains("config.toml, line ") && error.contains(words), "{error}");
        assert_eq!(world.server().status().listeners, before);
        assert_eq!(world.account().connections.limit, Some(5));
    }
    std::fs::write(file, b"[listen]\nimap = \"\"\n# \xe9\n").unwrap();
    let error = world.server().reload().unwrap_err().to_string();
    assert!(error.contains("line 3: ") && error.contains("UTF-8"), "{error}");
    assert_eq!(world.server().status().listeners, before);
    drop(world.signed_on().await);

    std::fs::write(file, other).unwrap();
    world.server().reload().unwrap();
    let after = world.server().status().listeners;
    for key in ["imap", "smtp"] {
        assert!(after[key].starts_with("[::1]:"), "{after:?}");
        assert!(tokio::net::TcpStream::connect(&before[key]).await.is_err(), "{key}");
    }
    assert_eq!(world.account().connections.limit, Some(1));

    // The message goes on, by the rules under which its session began.
    sender.send("the other\r\n.\r\n").await;
    assert!(sender.line().await.starts_with("250 "));
    idle.until("* 1 EXISTS").await;
    begin_message(&mut sender).await;
    sender.send("Subject: bare\r\n\r\na\nb\r\n.\r\n").await;
    assert!(sender.line().await.starts_with("550 5.6.0"));

    // New sessions are the new configuration's.
    let told = world.imap().await.log_in(world.password.expose()).await;
    assert!(told.starts_with("* BYE The only connection of this account is in use"), "{told}");
    let mut sender = world.smtp_signed_on().await;
    begin_message(&mut sender).await;
    sender.send("Subject: bare\r\n\r\na\nb\r\n.\r\n").await;
    assert!(sender.line().await.starts_with("250 "));
    idle.until("* 2 EXISTS").await;
    idle.send("DONE\r\n").await;
    idle.until("b OK").await;
}
