//! The test bed is what it claims to be. When one of these fails, look here first and not at
//! Gatepost: no Gatepost runs in them.

use std::{fs, net::TcpStream, time::Duration};

use crate::support::{
    bed::{ADDRESS, Bed},
    clients::{curl_with_token, mbsync, python},
    messages::mail,
    process::said,
    servers::PLAIN_PASSWORD,
    wire::Wire,
    within,
};

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn imap_takes_a_live_token_of_the_right_person_only() {
    within(LIMIT, || {
        let bed = Bed::new();
        bed.google.allow_user("other@gmail.com");
        let inbox = format!("imaps://localhost:{}/INBOX", bed.dovecot.address().port());
        let sign_on = |mechanism, token: &str| {
            curl_with_token(&bed, &[&inbox, "-X", "NOOP"], (ADDRESS, mechanism, token))
        };
        let token = bed.google.token_for(ADDRESS);
        for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
            let output = sign_on(mechanism, &token);
            assert!(output.status.success(), "{mechanism}: {}", said(&output));
        }
        let other = bed.google.token_for("other@gmail.com");
        bed.google.expire_access_tokens();
        for wrong in [&token, &other, "ya29.nonsense"] {
            let output = sign_on("XOAUTH2", wrong);
            assert_eq!(output.status.code(), Some(67), "login denied: {}", said(&output));
        }
    });
}

#[test]
fn smtp_takes_a_live_token_only_and_its_mail_arrives() {
    within(LIMIT, || {
        let bed = Bed::with_smtp();
        let postfix = bed.postfix.as_ref().expect("with_smtp");
        let sent = mail(ADDRESS, 1, 5000, 20_000);
        let file = bed.scratch("mail").join("sent");
        fs::write(&file, &sent).unwrap();
        let send = |url: &str, more: &[&str], token: &str| {
            let file = file.to_str().unwrap();
            let mut arguments = vec!["--url", url, "--mail-from", ADDRESS, "--mail-rcpt", ADDRESS];
            arguments.extend(["--upload-file", file]);
            arguments.extend(more);
            curl_with_token(&bed, &arguments, (ADDRESS, "XOAUTH2", token))
        };
        let token = bed.google.token_for(ADDRESS);
        let tls = format!("smtps://localhost:{}/client.test", postfix.tls().port());
        let starttls = format!("smtp://localhost:{}/client.test", postfix.starttls().port());
        for (url, more) in [(&tls, &[][..]), (&starttls, &["--ssl-reqd"][..])] {
            let output = send(url, more, &token);
            assert!(output.status.success(), "{url}: {}", said(&output));
        }
        let output = send(&tls, &[], "ya29.nonsense");
        assert_eq!(output.status.code(), Some(67), "login denied: {}", said(&output));

        let plain = bed.plain_dovecot();
        let mut imap = Wire::imap(plain.address());
        imap.command("a1", &format!("LOGIN {ADDRESS} {PLAIN_PASSWORD}"));
        for uid in 1..=2 {
            let arrived = crate::support::fetch_when_there(&mut imap, uid);
            assert!(arrived.ends_with(&sent), "bytes changed between Postfix and Dovecot");
        }
    });
}

#[test]
fn mbsync_fetches_what_was_put_into_the_store() {
    within(LIMIT, || {
        let bed = Bed::new();
        let mails: Vec<_> = (1..=50).map(|number| mail(ADDRESS, number, 3000, 30_000)).collect();
        bed.store.fill_inbox(ADDRESS, mails.iter().cloned());
        let plain = bed.plain_dovecot();
        let scratch = bed.scratch("mbsync");
        let synced = mbsync(&scratch, plain.address(), ADDRESS, PLAIN_PASSWORD);
        assert_eq!(synced.len(), mails.len());
        for (mail, (uid, synced)) in mails.iter().zip(&synced) {
            // A Maildir has bare LFs.
            let mail = String::from_utf8_lossy(mail).replace("\r\n", "\n");
            assert!(mail == String::from_utf8_lossy(synced), "UID {uid} differs");
        }
    });
}

#[test]
fn servers_go_down_and_come_back_on_their_ports_and_sessions_can_be_ended() {
    within(LIMIT, || {
        let mut bed = Bed::with_smtp();
        let mut plain = bed.plain_dovecot();
        let mut imap = Wire::imap(plain.address());
        imap.command("a1", &format!("LOGIN {ADDRESS} {PLAIN_PASSWORD}"));
        plain.kick(ADDRESS);
        imap.expect("* BYE");
        imap.expect_end();

        let address = bed.dovecot.address();
        bed.dovecot.end();
        plain.end();
        assert!(TcpStream::connect(address).is_err(), "Dovecot still listens");
        bed.dovecot.begin();
        plain.begin();
        drop(Wire::imap(plain.address()));

        let postfix = bed.postfix.as_mut().expect("with_smtp");
        postfix.end();
        assert!(TcpStream::connect(postfix.tls()).is_err(), "Postfix still listens");
        postfix.begin();

        let google = bed.google.address();
        bed.google.goes_down();
        assert!(TcpStream::connect(google).is_err(), "the authorization server still listens");
        bed.google.comes_back();
        TcpStream::connect(google).expect("it is back");
    });
}

/// Else the tests that SMTP smuggling is stopped would prove nothing: Postfix must be one that takes
/// a bare LF for the end of a line, as Debian's is.
#[test]
fn postfix_alone_would_let_a_mail_be_smuggled() {
    within(LIMIT, || {
        let bed = Bed::with_smtp();
        let postfix = bed.postfix.as_ref().expect("with_smtp");
        let bearer =
            format!("user={ADDRESS}\u{1}auth=Bearer {}\u{1}\u{1}", bed.google.token_for(ADDRESS));
        let data = format!(
            "Subject: outer\r\n\r\nouter\n.\r\nMAIL FROM:<{ADDRESS}>\r\nRCPT TO:<{ADDRESS}>\r\n\
             DATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\nQUIT\r\n"
        );
        let ask = serde_json::json!({
            "port": postfix.tls().port(), "ca": bed.authority(), "bearer": bearer,
            "address": ADDRESS, "data": data, "replies": 5,
        });
        let replies = python("smtp_with_token.py", &ask);
        assert_eq!(replies, serde_json::json!([250, 250, 250, 354, 250]));
    });
}
