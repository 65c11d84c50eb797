//! A mail with bare LF or CR in it is refused whole, before anything of it is delivered.
//! (`bed_itself` shows that the server behind would let a mail be smuggled.)

use std::{thread, time::Duration};

use crate::support::{
    bed::ADDRESS,
    fetch_when_there,
    scene::{Scene, Setting},
    wire::Wire,
};

const LIMIT: Duration = Duration::from_secs(180);

/// Sends `data` as one mail, and gives the code of the reply to it.
fn send(wire: &mut Wire, data: &str) -> String {
    wire.send(format!("MAIL FROM:<{ADDRESS}>\r\n"));
    wire.expect_smtp("250");
    wire.send(format!("RCPT TO:<{ADDRESS}>\r\n"));
    wire.expect_smtp("250");
    wire.send("DATA\r\n");
    wire.expect_smtp("354");
    wire.send(data);
    wire.line()
}

/// One mail is refused; the next on the same connection is delivered, and nothing else is.
fn refused_then_good(scene: &mut Scene, bad: &[String]) {
    let mut wire = scene.smtp_signed_on();
    for data in bad {
        let reply = send(&mut wire, data);
        assert!(reply.starts_with("550 "), "{data:?}\n{}", wire.dialogue());
        wire.expect_silence(Duration::from_millis(300));
        let good = "Subject: good\r\n\r\nwith CRLF\r\n";
        let reply = send(&mut wire, &format!("{good}.\r\n"));
        assert!(reply.starts_with("250 "), "{}", wire.dialogue());
    }
    wire.send("QUIT\r\n");
    wire.expect_smtp("221");
    let mut imap = scene.signed_on();
    let last = u32::try_from(bad.len()).unwrap();
    for uid in 1..=last {
        let mail = fetch_when_there(&mut imap, uid);
        assert!(mail.ends_with(b"Subject: good\r\n\r\nwith CRLF\r\n"), "{}", imap.dialogue());
    }
    // Nor does anything arrive later.
    thread::sleep(Duration::from_secs(1));
    imap.command("z1", "NOOP");
    assert!(imap.fetch(&(last + 1).to_string()).is_none(), "{}", imap.dialogue());
}

#[test]
fn a_second_mail_behind_a_false_end_of_data() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let ends = ["\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r", "\n.\r", "\r.\n"];
        let bad = ends.map(|end| {
            format!(
                "Subject: outer\r\n\r\nouter{end}MAIL FROM:<{ADDRESS}>\r\nRCPT TO:<{ADDRESS}>\r\n\
                 DATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n"
            )
        });
        refused_then_good(scene, &bad);
    });
}

#[test]
fn a_bare_newline_anywhere() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let bad = [
            "Subject: bare LF\n\nall of it\n\r\n.\r\n".to_owned(),
            "Subject: in the header\nX: y\r\n\r\nbody\r\n.\r\n".to_owned(),
            "Subject: bare CR\r\n\r\nbo\rdy\r\n.\r\n".to_owned(),
            "Subject: two CRs\r\n\r\nbody\r\r\n.\r\n".to_owned(),
        ];
        refused_then_good(scene, &bad);
    });
}

/// For scanners that can't do better; mending must not make an end of data where there was none.
#[test]
fn a_mended_mail_is_one_mail() {
    let provider = "bare_newlines = \"normalize\"";
    Setting { provider, ..Setting::with_smtp() }.play(LIMIT, |scene| {
        let mut wire = scene.smtp_signed_on();
        let behind = format!("MAIL FROM:<{ADDRESS}>\nRCPT TO:<{ADDRESS}>\nDATA\nsmuggled");
        let ends = ["\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\n"];
        for end in ends {
            let data = format!("Subject: scan\n\nscanned{end}{behind}\r\n.\r\n");
            let reply = send(&mut wire, &data);
            assert!(reply.starts_with("250 "), "{}", wire.dialogue());
        }
        let mut imap = scene.signed_on();
        for uid in 1..=u32::try_from(ends.len()).unwrap() {
            let mail = fetch_when_there(&mut imap, uid);
            let whole = format!(
                "Subject: scan\r\n\r\nscanned\r\n.\r\n{}\r\n",
                behind.replace('\n', "\r\n")
            );
            let mail = String::from_utf8_lossy(&mail).into_owned();
            assert!(mail.ends_with(&whole), "{mail:?}");
        }
        thread::sleep(Duration::from_secs(1));
        imap.command("z1", "NOOP");
        assert!(imap.fetch("5").is_none(), "{}", imap.dialogue());
    });
}

#[test]
fn nothing_arrives_when_the_client_leaves_amid_data() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut wire = scene.smtp_signed_on();
        wire.send(format!("MAIL FROM:<{ADDRESS}>\r\nRCPT TO:<{ADDRESS}>\r\nDATA\r\n"));
        for code in ["250", "250", "354"] {
            wire.expect_smtp(code);
        }
        wire.send("Subject: half\r\n\r\nhalf of a mail\r\n");
        drop(wire);
        thread::sleep(Duration::from_secs(2));
        let mut imap = scene.signed_on();
        imap.command("a2", "SELECT INBOX");
        assert!(imap.fetch("1").is_none(), "{}", imap.dialogue());
    });
}
