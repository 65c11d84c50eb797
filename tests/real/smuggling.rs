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
    begin(wire);
    wire.send(data);
    wire.line()
}

/// The same, byte by byte.
fn send_slowly(wire: &mut Wire, data: &str) -> String {
    begin(wire);
    wire.send_slowly(data);
    wire.line()
}

fn begin(wire: &mut Wire) {
    wire.send(format!("MAIL FROM:<{ADDRESS}>\r\n"));
    wire.expect_smtp("250");
    wire.send(format!("RCPT TO:<{ADDRESS}>\r\n"));
    wire.expect_smtp("250");
    wire.send("DATA\r\n");
    wire.expect_smtp("354");
}

/// One mail is refused; the next on the same connection is delivered, and nothing else is.
fn refused_then_good(scene: &mut Scene, bad: &[String]) {
    let mut wire = scene.smtp_signed_on();
    for data in bad {
        let reply = send(&mut wire, data);
        assert!(reply.starts_with("550 "), "{data:?}\n{}", wire.dialogue());
        wire.expect_silence(Duration::from_millis(100));
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

/// What some server has taken for an end of data, with a bare CR or LF in it: SEC Consult's list
/// (The-Login/SMTP-Smuggling-Tools), hannob/smtpsmug's, suuhm/smtp_smuggling_checker's, and their kin.
const BARE: [&str; 20] = [
    "\n.\n",
    "\n.\r\n",
    "\r.\r\n",
    "\r\n.\n",
    "\r\n.\r",
    "\r.\r",
    "\n.\r",
    "\r.\n",
    "\n\n.\r\n",
    "\n\n.\n\n",
    "\r\n\r.\r\n",
    "\r\n.\r\r\n",
    "\r\r\n.\r\r\n",
    "\r\n.\n\r\n",
    "\n\r\n.\n",
    "\n..\r\n",
    "\r\n\0.\r",
    "\r\n\0.\n",
    "\r\n.\0\n",
    "\n\0.\r\n",
];

/// The same without a bare CR or LF: a NUL, white space, or a dot where a server may cut a long line.
fn dotted() -> Vec<String> {
    let long =
        [997, 998, 999, 1000, 2047, 2048].map(|length| format!("{}.\r\n", "x".repeat(length)));
    let short = [
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\0\r\n.\0\r\n",
        "\r\n..\r\n",
        "\r\n .\r\n",
        "\r\n. \r\n",
        "\r\n.\t\r\n",
        "\r\n\t.\r\n",
        "\r\n.\u{b}\r\n",
        "\u{b}.\u{b}",
        "\u{85}.\u{85}",
        "\u{2028}.\u{2028}",
        "\r\n.\u{200b}\r\n",
        "=0D=0A.=0D=0A",
    ];
    long.into_iter().chain(short.map(str::to_owned)).collect()
}

/// A mail with another behind `end`.
fn with_another(end: &str) -> String {
    format!(
        "Subject: outer\r\n\r\nouter{end}MAIL FROM:<{ADDRESS}>\r\nRCPT TO:<{ADDRESS}>\r\n\
         DATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n"
    )
}

#[test]
fn a_second_mail_behind_a_false_end_of_data() {
    Setting::with_smtp().play(LIMIT, |scene| {
        refused_then_good(scene, &BARE.map(with_another));
    });
}

/// Each is taken as one mail, and what is behind its false end is its text.
fn each_is_one_mail(scene: &mut Scene, ends: &[String]) {
    let mut wire = scene.smtp_signed_on();
    for (number, end) in ends.iter().enumerate() {
        let data = with_another(end);
        // At each border that the network can cut at, too.
        let reply = match number % 4 {
            0 => send_slowly(&mut wire, &data),
            _ => send(&mut wire, &data),
        };
        assert!(reply.starts_with("250 "), "{end:?}\n{}", wire.dialogue());
    }
    // Nobody answers a command that was none.
    wire.send("QUIT\r\n");
    wire.expect_smtp("221");
    wire.expect_end();
    let mut imap = scene.signed_on();
    let last = u32::try_from(ends.len()).unwrap();
    fetch_when_there(&mut imap, last);
    for uid in 1..=last {
        let mail = fetch_when_there(&mut imap, uid);
        let mail = String::from_utf8_lossy(&mail);
        let (inner, outer) = (mail.find("Subject: smuggled"), mail.find("Subject: outer"));
        assert!(outer.is_some() && outer < inner, "{mail:?}");
    }
    thread::sleep(Duration::from_secs(1));
    imap.command("z1", "NOOP");
    assert!(imap.fetch(&(last + 1).to_string()).is_none(), "{}", imap.dialogue());
}

#[test]
fn a_second_mail_behind_a_dot_that_ends_nothing() {
    Setting::with_smtp().play(LIMIT, |scene| each_is_one_mail(scene, &dotted()));
}

#[test]
fn a_second_mail_behind_any_end_that_was_mended() {
    let provider = "bare_newlines = \"normalize\"";
    Setting { provider, ..Setting::with_smtp() }.play(LIMIT, |scene| {
        let ends: Vec<_> = BARE.map(str::to_owned).into_iter().chain(dotted()).collect();
        each_is_one_mail(scene, &ends);
    });
}

/// BDAT (RFC 3030) counts its bytes; it isn't offered, and its bytes are no commands all the same.
#[test]
fn a_second_mail_in_a_chunk() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let chunk = with_another("\r\n.\r\n");
        for last in ["", " LAST"] {
            let mut wire = scene.smtp_signed_on();
            wire.send(format!("MAIL FROM:<{ADDRESS}>\r\nRCPT TO:<{ADDRESS}>\r\n"));
            wire.expect_smtp("250");
            wire.expect_smtp("250");
            wire.send(format!("BDAT {}{last}\r\n{chunk}QUIT\r\n", chunk.len()));
            wire.expect_smtp("502");
            wire.expect_smtp("221");
            wire.expect_end();
        }
        thread::sleep(Duration::from_secs(1));
        let mut imap = scene.signed_on();
        imap.command("a2", "SELECT INBOX");
        assert!(imap.fetch("1").is_none(), "{}", imap.dialogue());
    });
}

/// An address with an LF in it, as a web form may hand one to the program that sends for it: to Postfix,
/// and to many servers, the LF ends the line.
#[test]
fn a_recipient_behind_an_address() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut wire = scene.smtp_signed_on();
        wire.send(format!("MAIL FROM:<{ADDRESS}>\r\n"));
        wire.expect_smtp("250");
        wire.send(format!("RCPT TO:<nobody@nowhere.test>\nRCPT TO:<{ADDRESS}>\r\n"));
        let told = wire.expect_smtp("421");
        assert!(told.contains("bare CR, LF or NUL within a command"), "{told}");
        wire.expect_end();

        // A script that ends all its lines so is served.
        let mut script = Wire::connect(scene.proxy().smtp);
        script.expect_smtp("220");
        script.send("EHLO script\n");
        script.expect_smtp("250");
        script.send(scene.auth_plain().replace('\r', ""));
        script.expect_smtp("235");
        script.send(format!("MAIL FROM:<{ADDRESS}>\nRCPT TO:<{ADDRESS}>\nRSET\n"));
        (0..3).for_each(|_| drop(script.expect_smtp("250")));

        let mut script = Wire::connect(scene.proxy().imap);
        script.expect("* OK");
        script.send(format!("a1 {}\n", scene.login()));
        script.expect_ok("a1");
        script.send("a2 NOOP\na3 SELECT INBOX\n");
        script.expect_ok("a2");
        script.expect_ok("a3");

        let mut imap = scene.signed_on();
        imap.send("a2 SELECT \"x\na3 CREATE smuggled\"\r\n");
        let told = imap.lines_to_end().join("\n");
        assert!(told.contains("* BYE") && told.contains("bare CR, LF or NUL"), "{told}");
        let listed = scene.signed_on().command("a2", "LIST \"\" *").join("\n");
        assert!(!listed.contains("smuggled"), "{listed}");
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
