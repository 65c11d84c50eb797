//! Outlook, as far as it is known what it says: a script of it, with every answer asserted. It tries
//! an empty password first, asks for the capabilities after signing on whatever it was told before,
//! idles with and without a mailbox, moves mail by APPEND, STORE and EXPUNGE on two connections in
//! any order, and leaves without a word.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::support::{
    bed::ADDRESS,
    fetch_when_there,
    messages::mail,
    process,
    scene::{Scene, Setting, quoted},
    wire::Wire,
};

const LIMIT: Duration = Duration::from_secs(120);

/// The test message of its account settings, as it is seen in the wild.
fn test_message() -> String {
    format!(
        "From: \"Microsoft Outlook\" <{ADDRESS}>\r\nTo: <{ADDRESS}>\r\n\
         Subject: Microsoft Outlook Test Message\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/html;\r\n\tcharset=\"utf-8\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         This is an email message sent automatically by Microsoft Outlook while testing the settings \
         for your account. \r\n"
    )
}

/// Its first connection: the empty password, then the real one as a literal, then CAPABILITY.
fn signed_on(scene: &Scene) -> Wire {
    let mut wire = Wire::connect(scene.proxy().imap);
    let greeting = wire.expect("* OK [CAPABILITY ");
    // It never idles with a server that doesn't offer it here, and picks what it knows of the rest.
    assert!(greeting.contains(" IDLE "), "{greeting}");
    let mechanisms: Vec<_> =
        greeting.split([' ', ']']).filter(|it| it.starts_with("AUTH=")).collect();
    assert_eq!(mechanisms, ["AUTH=PLAIN"], "{greeting}");

    let start = Instant::now();
    wire.send(format!("k1zq LOGIN {} \"\"\r\n", quoted(ADDRESS)));
    wire.expect("k1zq NO [AUTHENTICATIONFAILED] ");
    assert!(start.elapsed() < Duration::from_millis(900), "it waited {:?}", start.elapsed());

    wire.send(format!("y7m2 LOGIN {} {{{}}}\r\n", quoted(ADDRESS), scene.password.len()));
    wire.expect("+ ");
    wire.send(format!("{}\r\n", scene.password));
    let told = wire.expect_ok("y7m2");
    let asked = wire.command("u9xa", "CAPABILITY");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(told[0], asked[0]);
    assert!(told[0].starts_with("* CAPABILITY IMAP4rev1 "), "{told:?}");
    wire
}

/// The lines before the OK.
fn untagged(mut lines: Vec<String>) -> Vec<String> {
    lines.pop();
    lines
}

#[test]
fn outlook_sets_up_an_account_and_reads() {
    Setting::default().play(LIMIT, |scene| {
        let mails: Vec<_> = (1..=3).map(|number| mail(ADDRESS, number, 900, 20_000)).collect();
        scene.bed.store.fill_inbox(ADDRESS, mails.iter().cloned());
        let mut wire = signed_on(scene);

        let folders = [
            r#"(\HasNoChildren \All) "/" "[Gmail]/All Mail""#,
            r#"(\HasNoChildren \Drafts) "/" [Gmail]/Drafts"#,
            r#"(\HasNoChildren \Sent) "/" "[Gmail]/Sent Mail""#,
            r#"(\HasNoChildren \Junk) "/" [Gmail]/Spam"#,
            r#"(\HasNoChildren \Trash) "/" [Gmail]/Trash"#,
        ];
        let mut listed = folders.map(|folder| format!("* LIST {folder}")).to_vec();
        listed.push(r#"* LIST (\HasNoChildren) "/" INBOX"#.to_owned());
        assert_eq!(untagged(wire.command("l1st", "LIST \"\" \"*\"")), listed);
        let subscribed =
            folders.map(|folder| format!("* LSUB {}", folder.replace("\\HasNoChildren ", "")));
        assert_eq!(untagged(wire.command("l5ub", "LSUB \"\" \"*\"")), subscribed);
        // Gmail offers it; Dovecot takes it for a LIST.
        assert_eq!(untagged(wire.command("xl1s", "XLIST \"\" \"*\"")), listed);
        let root = untagged(wire.command("xl1e", "XLIST \"\" \"\""));
        assert_eq!(root, [r#"* LIST (\Noselect) "/" """#]);

        wire.send("id1e IDLE\r\n");
        wire.expect("+ ");
        wire.send("DONE\r\n");
        assert_eq!(wire.expect_ok("id1e").len(), 1, "nothing is selected");

        let selected = wire.command("s3l1", "SELECT \"INBOX\"");
        assert!(selected.contains(&"* 3 EXISTS".to_owned()), "{selected:?}");
        assert!(selected.iter().any(|line| line.starts_with("* OK [UIDVALIDITY ")), "{selected:?}");
        let flags = wire.command("f1ag", "UID FETCH 1:* (UID FLAGS)");
        assert_eq!(
            flags[..3],
            [1, 2, 3].map(|number| format!("* {number} FETCH (UID {number} FLAGS (\\Recent))"))
        );
        assert_eq!(flags.len(), 4, "{flags:?}");
        for (uid, mail) in (1..).zip(&mails) {
            let end = mail.windows(4).position(|four| four == b"\r\n\r\n").expect("a header") + 4;
            let header = format!("* {uid} FETCH (UID {uid} BODY[HEADER] {{{end}}}");
            wire.send(format!("h3ad UID FETCH {uid} (UID BODY.PEEK[HEADER])\r\n"));
            wire.expect(&header);
            assert_eq!(wire.bytes(end), mail[..end]);
            wire.expect(")");
            wire.expect("h3ad OK");
            wire.send(format!("b0dy UID FETCH {uid} (UID BODY.PEEK[])\r\n"));
            wire.expect(&format!("* {uid} FETCH (UID {uid} BODY[] {{{}}}", mail.len()));
            assert!(wire.bytes(mail.len()) == *mail, "UID {uid} changed");
            wire.expect(")");
            wire.expect("b0dy OK");
        }
    });
}

#[test]
fn outlook_idles_and_is_told_of_its_test_message() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let mut idle = signed_on(scene);
        idle.command("s3l1", "SELECT \"INBOX\"");
        idle.send("id1e IDLE\r\n");
        idle.expect("+ ");
        let user = STANDARD.encode(ADDRESS);
        for (number, initial) in [(1, false), (2, true)] {
            let mut smtp = Wire::connect(scene.proxy().smtp);
            smtp.expect("220 ");
            smtp.send("EHLO DESKTOP-4F2K1\r\n");
            let list = smtp.expect_smtp("250");
            assert!(list.contains("AUTH PLAIN LOGIN"), "{list}");
            if initial {
                smtp.send(format!("AUTH LOGIN {user}\r\n"));
            } else {
                smtp.send("AUTH LOGIN\r\n");
                assert_eq!(smtp.line(), "334 VXNlcm5hbWU6");
                smtp.send(format!("{user}\r\n"));
            }
            assert_eq!(smtp.line(), "334 UGFzc3dvcmQ6");
            smtp.send(format!("{}\r\n", STANDARD.encode(&scene.password)));
            smtp.expect_smtp("235 2.7.0 ");
            smtp.send(format!("MAIL FROM: <{ADDRESS}>\r\n"));
            smtp.expect_smtp("250 2.1.0 ");
            smtp.send(format!("RCPT TO: <{ADDRESS}>\r\n"));
            smtp.expect_smtp("250 2.1.5 ");
            smtp.send("DATA\r\n");
            smtp.expect_smtp("354 ");
            smtp.send(format!("{}.\r\n", test_message()));
            smtp.expect_smtp("250 2.0.0 ");
            smtp.send("QUIT\r\n");
            smtp.expect_smtp("221 2.0.0 ");
            smtp.expect_end();

            // Servers say that they are still there (`* OK`), and others tell of RECENT too.
            let told = format!("* {number} EXISTS");
            while idle.line() != told {}
            let arrived = fetch_when_there(&mut scene.signed_on(), number);
            assert!(arrived.ends_with(test_message().as_bytes()), "the test message changed");
        }
        idle.send("DONE\r\n");
        idle.expect_ok("id1e");
    });
}

/// A mail is appended where it goes to and deleted where it was, either first.
#[test]
fn outlook_moves_mail_by_two_connections_and_leaves_without_a_word() {
    Setting::default().play(LIMIT, |scene| {
        let mails: Vec<_> = (1..=2).map(|number| mail(ADDRESS, number, 900, 20_000)).collect();
        scene.bed.store.fill_inbox(ADDRESS, mails.iter().cloned());
        let (mut from, mut to) = (signed_on(scene), signed_on(scene));
        from.command("s3l1", "SELECT \"INBOX\"");

        append(&mut to, &mails[0]);
        delete(&mut from, 1);
        delete(&mut from, 2);
        append(&mut to, &mails[1]);

        let status = to.command("st4t", "STATUS \"INBOX\" (MESSAGES UNSEEN)");
        assert_eq!(status[0], "* STATUS INBOX (MESSAGES 0 UNSEEN 0)");
        to.command("s3l2", "SELECT \"[Gmail]/Trash\"");
        for (uid, mail) in ["1", "2"].into_iter().zip(&mails) {
            assert!(to.fetch(uid).as_ref() == Some(mail), "UID {uid} changed");
        }

        let sessions = || scene.home.status()["accounts"][0]["sessions"]["imap"].clone();
        assert_eq!(sessions(), 2);
        drop((from, to));
        assert!(process::until(Duration::from_secs(10), || sessions() == 0), "{} stay", sessions());
    });
}

fn append(wire: &mut Wire, mail: &[u8]) {
    let size = mail.len();
    wire.send(format!(
        "app1 APPEND \"[Gmail]/Trash\" (\\Seen) \"23-Nov-2026 04:05:06 +0000\" {{{size}}}\r\n"
    ));
    wire.expect("+ ");
    wire.send(mail);
    wire.send("\r\n");
    assert_eq!(wire.expect_ok("app1").len(), 1);
}

fn delete(wire: &mut Wire, uid: u32) {
    let stored = wire.command("de1e", &format!("UID STORE {uid} +FLAGS (\\Deleted)"));
    let flags = format!("* 1 FETCH (UID {uid} FLAGS (\\Deleted \\Recent))");
    assert_eq!(stored[..stored.len() - 1], [flags]);
    let expunged = wire.command("exp1", "EXPUNGE");
    assert_eq!(expunged[0], "* 1 EXPUNGE");
}
