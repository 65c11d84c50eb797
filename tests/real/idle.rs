//! IDLE through Gatepost: a mail client hears of new mail at once, as Outlook expects.

use std::time::{Duration, Instant};

use crate::support::{bed::ADDRESS, scene::Setting};

#[test]
fn new_mail_is_told_to_an_idle_client() {
    Setting::with_smtp().play(Duration::from_secs(120), |scene| {
        let mut idle = scene.signed_on();
        idle.command("a2", "SELECT INBOX");
        idle.send("a3 IDLE\r\n");
        idle.expect("+ ");
        for number in 1..=3 {
            let mut smtp = scene.smtp_signed_on();
            smtp.send(format!("MAIL FROM:<{ADDRESS}>\r\nRCPT TO:<{ADDRESS}>\r\nDATA\r\n"));
            for code in ["250", "250", "354"] {
                smtp.expect_smtp(code);
            }
            smtp.send("Subject: news\r\n\r\nnews\r\n.\r\n");
            smtp.expect_smtp("250");
            let start = Instant::now();
            let told = format!("* {number} EXISTS");
            while idle.line() != told {}
            // Dovecot itself takes half a second.
            assert!(start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
        }
        idle.send("DONE\r\n");
        idle.expect_ok("a3");
        // Outlook idles before it has selected anything, too.
        let mut early = scene.signed_on();
        early.send("a2 IDLE\r\n");
        early.expect("+ ");
        early.send("DONE\r\na3 NOOP\r\n");
        early.expect_ok("a2");
        early.expect_ok("a3");
    });
}
