use std::future::{Pending, pending};

use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex, split,
};

use super::*;
use crate::protocol::smtp::{BareNewlines, Dialogue as Smtp};
use crate::protocol::{imap, smtp};

struct NoMeter;

impl Meter for NoMeter {
    fn to_client(&self, _: usize) {}
    fn to_upstream(&self, _: usize) {}
}

/// Nothing ends the relay from without.
fn never() -> Until<Pending<String>, Never> {
    Until { leave: pending(), part: Never }
}

/// Answers every line with `250` and the line itself.
async fn parrot(stream: DuplexStream) -> Vec<String> {
    let (read, mut write) = split(stream);
    let mut lines = BufReader::new(read).lines();
    let mut heard = Vec::new();
    while let Ok(Some(line)) = lines.next_line().await {
        write.write_all(format!("250 {line}\r\n").as_bytes()).await.unwrap();
        heard.push(line);
    }
    heard
}

/// Runs an SMTP session through pipes of `size` bytes; gives what the client heard and what the
/// server heard.
async fn session(size: usize, sent: &'static str) -> (String, Vec<String>) {
    let (mut client, near) = duplex(size);
    let (far, server) = duplex(size);
    let relayed = tokio::spawn(async move {
        let (mut near, mut far) = (near, far);
        let mut dialogue = smtp::Dialogue::new(BareNewlines::Refuse);
        let ended =
            relay(&mut near, &mut far, &mut dialogue, Carry::default(), never(), &NoMeter).await;
        assert!(matches!(ended.why, End::ClientLeft), "{:?}", ended.why);
    });
    let server = tokio::spawn(parrot(server));
    let (mut read, mut write) = split(&mut client);
    let mut heard = String::new();
    let (written, read) = tokio::join!(
        async {
            write.write_all(sent.as_bytes()).await?;
            write.shutdown().await
        },
        read.read_to_string(&mut heard)
    );
    written.unwrap();
    read.unwrap();
    relayed.await.unwrap();
    (heard, server.await.unwrap())
}

#[tokio::test]
async fn replies_of_the_proxys_own_keep_their_place() {
    let sent = "NOOP one\r\nAUTH PLAIN AAAA\r\nNOOP two\r\nBDAT 4 LAST\r\nabcdNOOP three\r\n";
    for size in [1, 3, 16, 4096] {
        let (heard, server) = session(size, sent).await;
        assert_eq!(
            heard,
            "250 NOOP one\r\n503 5.5.1 Already signed on\r\n250 NOOP two\r\n\
             502 5.5.1 BDAT is not offered\r\n250 NOOP three\r\n",
            "pipes of {size}"
        );
        assert_eq!(server, ["NOOP one", "NOOP two", "NOOP three"]);
    }
}

#[tokio::test]
async fn what_was_read_before_is_carried_in_order() {
    let (mut client, mut near) = duplex(64);
    let (mut far, mut server) = duplex(64);
    let carry = Carry { from_client: b"a NO".to_vec(), from_upstream: b"* 1 EXI".to_vec() };
    let relayed = tokio::spawn(async move {
        let mut dialogue = imap::Dialogue::default();
        relay(&mut near, &mut far, &mut dialogue, carry, never(), &NoMeter).await.why
    });
    client.write_all(b"OP\r\n").await.unwrap();
    server.write_all(b"STS\r\na OK done\r\n* OK end\r\n").await.unwrap();
    let mut heard = vec![0; 8];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, b"a NOOP\r\n");
    drop(server);
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "* 1 EXISTS\r\na OK done\r\n* OK end\r\n");
    assert!(matches!(relayed.await.unwrap(), End::UpstreamLeft));
}

#[tokio::test]
async fn a_session_leaves_when_it_is_quiet_and_not_before() {
    let (mut client, mut near) = duplex(4096);
    let (mut far, mut server) = duplex(4096);
    let (leave, left) = tokio::sync::oneshot::channel::<String>();
    let relayed = tokio::spawn(async move {
        let mut dialogue = Smtp::new(BareNewlines::Refuse);
        let leave = async { left.await.unwrap() };
        let until = Until { leave, part: Never };
        relay(&mut near, &mut far, &mut dialogue, Carry::default(), until, &NoMeter).await.why
    });
    client.write_all(b"NOOP\r\n").await.unwrap();
    let mut heard = vec![0; 6];
    server.read_exact(&mut heard).await.unwrap();
    leave.send("bye".into()).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!relayed.is_finished());
    server.write_all(b"250 OK\r\n").await.unwrap();
    assert!(matches!(relayed.await.unwrap(), End::Leaving(words) if words == "bye"));
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "250 OK\r\n");
}

#[tokio::test]
async fn what_was_let_through_is_written_before_a_stop() {
    let (mut client, mut near) = duplex(4096);
    // A client that reads slowly: the pipe to it holds a few bytes only.
    let (mut reading, writing) = duplex(4);
    let (mut far, mut server) = duplex(4096);
    let relayed = tokio::spawn(async move {
        let mut near = tokio::io::join(&mut near, writing);
        let mut dialogue = Smtp::new(BareNewlines::Refuse);
        relay(&mut near, &mut far, &mut dialogue, Carry::default(), never(), &NoMeter).await.why
    });
    client.write_all(b"DATA\r\ntext\nmore").await.unwrap();
    server.write_all(b"354 Go ahead, and take your time\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut heard = vec![0; 34];
    reading.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, b"354 Go ahead, and take your time\r\n");
    assert!(matches!(relayed.await.unwrap(), End::Stopped(Violation::BareNewline)));
}

// ---- review ----
#[tokio::test]
async fn a_waiting_reply_does_not_outlive_the_provider() {
    let (mut client, mut near) = duplex(4096);
    let (mut far, mut server) = duplex(4096);
    let relayed = tokio::spawn(async move {
        let mut dialogue = imap::Dialogue::default();
        relay(&mut near, &mut far, &mut dialogue, Carry::default(), never(), &NoMeter).await.why
    });
    client.write_all(b"a FETCH 1 BODY[]\r\n").await.unwrap();
    server.write_all(b"* 1 FETCH (BODY[] {1000}\r\nhalf").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.write_all(b"b COMPRESS DEFLATE\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(server);
    drop(client);
    let ended = timeout(Duration::from_secs(5), relayed).await;
    assert!(ended.is_ok(), "both sides are gone and the relay waits for ever");
}

#[tokio::test]
async fn replies_of_the_proxys_own_are_bounded() {
    let (mut client, mut near) = duplex(4096);
    let (mut far, _server) = duplex(4096);
    tokio::spawn(async move {
        let mut dialogue = imap::Dialogue::default();
        relay(&mut near, &mut far, &mut dialogue, Carry::default(), never(), &NoMeter).await.why
    });
    // A client that never reads.
    let line = [&[b't'; 1000][..], b" LOGIN a b\r\n"].concat();
    let mut taken = 0;
    while taken < 64 << 20 {
        match timeout(Duration::from_secs(2), client.write_all(&line)).await {
            Ok(done) => done.unwrap(),
            Err(_) => break,
        }
        taken += line.len();
    }
    assert!(
        taken < 1 << 20,
        "{taken} bytes of refused commands were taken and answered into memory"
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_outlives_the_linger() {
    let (mut client, mut near) = duplex(4096);
    let (mut far, mut server) = duplex(4096);
    tokio::spawn(async move {
        let mut dialogue = imap::Dialogue::default();
        relay(&mut near, &mut far, &mut dialogue, Carry::default(), never(), &NoMeter).await.why
    });
    client.write_all(b"a FETCH 1:90 FLAGS\r\nb LOGOUT\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    tokio::spawn(async move {
        for n in 1..=90 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if server.write_all(format!("* {n} FETCH (FLAGS ())\r\n").as_bytes()).await.is_err() {
                return;
            }
        }
        let _ = server.write_all(b"a OK done\r\n* BYE x\r\nb OK bye\r\n").await;
    });
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    assert!(heard.contains("a OK done"), "cut off after {} lines", heard.lines().count());
}

#[tokio::test]
async fn the_answer_to_done_is_a_reply_too() {
    let (mut client, mut near) = duplex(4096);
    let (mut far, mut server) = duplex(4096);
    tokio::spawn(async move {
        let mut dialogue = imap::Dialogue::default();
        relay(&mut near, &mut far, &mut dialogue, Carry::default(), never(), &NoMeter).await.why
    });
    client.write_all(b"a IDLE\r\n").await.unwrap();
    server.write_all(b"+ idling\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.write_all(b"DONE\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _ = server.write_all(b"a OK IDLE terminated\r\n").await;
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    assert!(heard.contains("a OK"), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_is_held_only_between_two_responses() {
    let (mut client, mut near) = duplex(4096);
    let (mut far, mut server) = duplex(4096);
    let mut dialogue = imap::Dialogue::default();
    let relayed = relay(&mut near, &mut far, &mut dialogue, Carry::default(), never(), &NoMeter);
    let spoken = async {
        let mut heard = [0; 64];
        client.write_all(b"a SELECT INBOX\r\n").await.unwrap();
        server.read_exact(&mut heard[..16]).await.unwrap();
        let beginning = b"* 5 EXISTS\r\na OK done\r\n* 2 FETCH (FLAGS (\\Se";
        server.write_all(beginning).await.unwrap();
        client.read_exact(&mut heard[..beginning.len()]).await.unwrap();
        // It is to be held, since the UIDs of the messages aren't known.
        client.write_all(b"b NOOP\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.write_all(b"en))\r\n").await.unwrap();
        client.read_exact(&mut heard[..6]).await.unwrap();
        assert_eq!(&heard[..6], b"en))\r\n");
    };
    let (ended, ()) = tokio::join!(relayed, async {
        tokio::time::timeout(Duration::from_secs(9), spoken).await.expect("the line goes on");
    });
    assert!(matches!(ended.why, End::Held), "{:?}", ended.why);
    assert_eq!(ended.from_client, b"b NOOP\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_goodbye_is_left_even_if_it_does_not_close() {
    let (_client, mut near) = duplex(64);
    let (mut far, mut server) = duplex(64);
    let mut dialogue = imap::Dialogue::default();
    server.write_all(b"* BYE Session expired\r\n").await.unwrap();
    let relayed = relay(&mut near, &mut far, &mut dialogue, Carry::default(), never(), &NoMeter);
    let ended = tokio::time::timeout(Duration::from_secs(9), relayed).await.expect("it ends");
    assert!(matches!(ended.why, End::UpstreamLeft), "{:?}", ended.why);
}

/// A direction's buffer, and the two pipes of these tests at its ends.
const HELD: usize = LARGEST_BUFFER + 2 * 4096;

#[tokio::test(start_paused = true)]
async fn a_direction_takes_no_more_than_its_buffer_for_a_peer_that_does_not_read() {
    for down in [true, false] {
        let (mut client, mut near) = duplex(4096);
        let (mut far, mut server) = duplex(4096);
        tokio::spawn(async move {
            let mut dialogue = imap::Dialogue::default();
            relay(&mut near, &mut far, &mut dialogue, Carry::default(), never(), &NoMeter).await.why
        });
        let (speaker, begins) = match down {
            true => (&mut server, "* 1 FETCH (BODY[] {1000000000}\r\n"),
            false => (&mut client, "a APPEND INBOX {1000000000+}\r\n"),
        };
        speaker.write_all(begins.as_bytes()).await.unwrap();
        let mut taken = begins.len();
        while let Ok(written) = timeout(Duration::from_secs(2), speaker.write(&[b'x'; 1000])).await
        {
            taken += written.unwrap();
            assert!(taken <= HELD, "down: {down}");
        }
        assert!(taken > 2 * 4096, "down: {down}: it takes what comes");
    }
}
