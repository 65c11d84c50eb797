//! Many clients that say nothing, or next to nothing: whoever speaks gets in at once.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::support::{Client, World};

/// More than there are places for clients of this machine that have not signed on (512).
const CROWD: usize = 600;
/// Those who must have left.
const TOO_MANY: usize = CROWD - 512;

/// A crowd of both protocols; each has heard its greeting.
async fn crowd(world: &World) -> Vec<Client> {
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        crowd.push(if number % 2 == 0 { world.imap().await } else { world.smtp().await });
    }
    crowd
}

/// One byte of each, the first who came last: as if they were the least silent.
async fn dribble(crowd: &mut [Client]) {
    for client in crowd.iter_mut().rev() {
        client.stream.write_all(b"E").await.unwrap();
    }
}

#[tokio::test]
async fn who_dribbles_on_every_place_keeps_nobody_out() {
    let world = World::new().await;
    let mut crowd = crowd(&world).await;
    for _ in 0..3 {
        // The first of those who are left makes room for whoever signs on.
        dribble(&mut crowd[TOO_MANY + 1..]).await;
        let mut imap = world.signed_on().await;
        let mut smtp = world.smtp_signed_on().await;
        imap.send("a NOOP\r\n").await;
        imap.until("a OK").await;
        assert!(smtp.ask("NOOP").await.starts_with("250"));
    }
    // The oldest had to go, and were told.
    for (number, client) in crowd.iter_mut().enumerate().take(TOO_MANY) {
        let words = "Too many clients at once, try again later\r\n";
        let told = if number % 2 == 0 { "* BYE " } else { "421 4.7.0 " };
        assert_eq!(client.rest().await, format!("{told}{words}"), "number {number}");
    }
    // The others are still there.
    for (number, client) in crowd.iter_mut().enumerate().skip(TOO_MANY + 1) {
        if number % 2 == 0 {
            client.send(" NOOP\r\n").await;
            assert!(client.line().await.starts_with("EEE OK"), "number {number}");
        }
    }
}

#[tokio::test]
async fn whose_password_is_right_keeps_its_place_while_it_waits_for_google() {
    let world = World::with("connections = 1\nconnection_wait = \"30s\"\n").await;
    let first = world.signed_on().await;
    let mut waits = world.imap().await;
    waits
        .send(format!("in LOGIN {} \"{}\"\r\n", crate::support::YOU, world.password.expose()))
        .await;
    let crowd = crowd(&world).await;
    drop(first);
    assert!(waits.until("in ").await.starts_with("in OK"));
    drop(crowd);
}

/// How long it took until the proxy ended the connection, and its last words. Nobody waits for it: the
/// clock is paused, and jumps.
async fn time_until_end(
    mut client: Client,
    dribbles: Option<(&[u8], Duration)>,
) -> (Duration, String) {
    let began = Instant::now();
    let (mut reads, mut writes) = client.stream.split();
    let mut said = Vec::new();
    let dribbling = async {
        let Some((bytes, pause)) = dribbles else { return std::future::pending().await };
        for byte in bytes.iter().cycle() {
            tokio::time::sleep(pause).await;
            if writes.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = reads.read_to_end(&mut said) => {}
        () = dribbling => {}
    }
    (began.elapsed(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn silence_and_dribbling_have_their_time() {
    let mut world = World::new().await;
    let config = std::fs::read_to_string(world.home.config_file()).unwrap();
    let listen = "[listen]\nimaps = \"127.0.0.1:0\"\nsmtps = \"127.0.0.1:0\"\n";
    std::fs::write(world.home.config_file(), config.replace("[listen]\n", listen)).unwrap();
    world.restart().await;
    let listeners = world.server().status().listeners;
    // The proxy's own clock ticks every five seconds; what is asked here is not how exact it is.
    let within = |took: Duration, seconds: u64| {
        (Duration::from_secs(seconds)..Duration::from_secs(seconds + 20)).contains(&took)
    };
    let pause = Duration::from_secs(20);
    tokio::time::pause();
    for key in ["imap", "smtp"] {
        let words = "Too long without a sign-on\r\n";
        let client = Client::connect(&listeners[key]).await;
        let (took, said) = time_until_end(client, None).await;
        assert!(within(took, 180) && said.ends_with(words), "{key}: {took:?}, {said}");
        // Bytes without end, and commands without end.
        for dribble in ["x", "a NOOP\r\n"] {
            let client = Client::connect(&listeners[key]).await;
            let (took, said) = time_until_end(client, Some((dribble.as_bytes(), pause))).await;
            assert!(within(took, 300) && said.ends_with(words), "{key}: {took:?}, {said}");
        }
    }
    for key in ["imaps", "smtps"] {
        let client = Client::connect(&listeners[key]).await;
        let (took, said) = time_until_end(client, None).await;
        assert!(
            within(took, 5) && said.contains("TLS from the first byte"),
            "{key}: {took:?}, {said}"
        );
        // The beginning of a handshake, and then a byte of it now and then.
        let mut client = Client::connect(&listeners[key]).await;
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
        let (took, said) = time_until_end(client, Some((b"\0", Duration::from_secs(2)))).await;
        assert!(within(took, 30) && said.is_empty(), "{key}: {took:?}, {said}");
    }
}
