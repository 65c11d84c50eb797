//! What is sent through Gatepost is read back through Gatepost, byte for byte.

use std::time::Duration;

use crate::support::{
    bed::ADDRESS,
    fetch_when_there,
    messages::mail,
    scene::{Scene, Setting},
};

const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn send_three_and_read_them_back(scene: &mut Scene) {
    // The last is big enough for several buffers to fill up.
    let mails = [(1, 900, 1), (2, 5000, 200_000), (3, 5000, 4_000_000)]
        .map(|(number, longest, attachment)| mail(ADDRESS, number, longest, attachment));
    let mut smtp = scene.smtp_signed_on();
    let mut imap = scene.signed_on();
    for (uid, mail) in (1..).zip(&mails) {
        smtp.send_mail(ADDRESS, mail);
        let read = fetch_when_there(&mut imap, uid);
        let before = read.len().checked_sub(mail.len()).expect("nothing is lost");
        assert!(read[before..] == **mail, "mail {uid} of {} bytes changed", mail.len());
        let added = String::from_utf8_lossy(&read[..before]);
        assert!(added.starts_with("Return-Path: ") && added.ends_with("\r\n"), "{added}");
    }
    smtp.send("QUIT\r\n");
    smtp.expect_smtp("221");
    smtp.expect_end();
}

#[test]
fn mail_sent_is_the_mail_read() {
    Setting::with_smtp().play(LIMIT, send_three_and_read_them_back);
}

#[test]
fn mail_sent_by_starttls_is_the_mail_read() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let starttls = scene.bed.postfix.as_ref().expect("with_smtp").starttls();
        scene.restart_with(&format!("smtp = \"starttls://localhost:{}\"", starttls.port()));
        send_three_and_read_them_back(scene);
    });
}

#[test]
fn mail_appended_is_the_mail_read() {
    Setting::default().play(LIMIT, |scene| {
        let mut imap = scene.signed_on();
        imap.command("a2", "SELECT INBOX");
        for (uid, synchronizing) in [("1", true), ("2", false)] {
            let mail = mail(ADDRESS, 4, 900, if synchronizing { 2_000_000 } else { 500 });
            let size = mail.len();
            if synchronizing {
                imap.send(format!("a3 APPEND INBOX (\\Seen) {{{size}}}\r\n"));
                imap.expect("+ ");
            } else {
                assert!(size <= 4096, "more than LITERAL- allows");
                imap.send(format!("a3 APPEND INBOX (\\Seen) {{{size}+}}\r\n"));
            }
            imap.send(&mail);
            imap.send("\r\n");
            imap.expect_ok("a3");
            assert!(imap.fetch(uid).as_ref() == Some(&mail), "UID {uid} changed");
        }
    });
}
