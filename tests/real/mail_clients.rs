//! Real mail clients, as Debian ships them.

use std::{fs, time::Duration};

use serde_json::json;

use crate::support::{
    bed::ADDRESS,
    clients::{curl, mbsync, msmtp, python, swaks},
    fetch_when_there,
    messages::{mail, subject},
    scene::Setting,
    servers::PLAIN_PASSWORD,
};

const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn imaplib_reads_writes_and_deletes() {
    let setting = Setting { password: Some(r#"with "quotes" and \"#), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        for how in ["login", "plain"] {
            let imap = scene.proxy().imap;
            let answer = python(
                "imaplib_client.py",
                &json!({
                    "host": imap.ip().to_string(), "port": imap.port(), "user": ADDRESS,
                    "password": scene.password, "how": how, "subject": format!("mail for {how}"),
                }),
            );
            let text = answer.to_string();
            assert_eq!(answer["same"], true, "{text}");
            assert_eq!((&answer["found"], &answer["left"]), (&json!(1), &json!(0)), "{text}");
            assert_eq!(answer["goodbye"], "BYE", "{text}");
            assert!(answer["before"].as_array().unwrap().contains(&json!("AUTH=PLAIN")), "{text}");
            assert!(answer["after"].as_array().unwrap().contains(&json!("UIDPLUS")), "{text}");
        }
    });
}

#[test]
fn smtplib_msmtp_and_swaks_send_with_each_kind_of_auth() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let (smtp, who) = (scene.proxy().smtp, (ADDRESS, &*scene.password));
        let mut subjects = Vec::new();
        for (mechanism, initial) in
            [("PLAIN", true), ("PLAIN", false), ("LOGIN", true), ("LOGIN", false)]
        {
            let subject = format!("smtplib {mechanism} {initial}");
            let answer = python(
                "smtplib_client.py",
                &json!({
                    "host": smtp.ip().to_string(), "port": smtp.port(), "user": who.0,
                    "password": who.1, "mechanism": mechanism, "initial": initial,
                    "subject": subject,
                }),
            );
            assert_eq!((&answer["code"], &answer["refused"]), (&json!(235), &json!({})));
            subjects.push(subject);
        }
        for mechanism in ["plain", "login"] {
            let subject = format!("msmtp {mechanism}");
            let mail = format!("From: {ADDRESS}\nTo: {ADDRESS}\nSubject: {subject}\n\n.x\n");
            msmtp(&scene.bed.scratch("msmtp"), smtp, mechanism, who, mail.as_bytes());
            subjects.push(subject);
            let subject = format!("swaks {mechanism}");
            swaks(smtp, mechanism, who, &subject);
            subjects.push(subject);
        }
        let mut imap = scene.signed_on();
        let mut arrived = String::new();
        for uid in 1..=subjects.len() {
            let uid = u32::try_from(uid).unwrap();
            arrived.push_str(&String::from_utf8_lossy(&fetch_when_there(&mut imap, uid)));
        }
        for subject in subjects {
            assert!(arrived.contains(&format!("Subject: {subject}\r\n")), "{subject} is not there");
        }
    });
}

#[test]
fn curl_sends_and_reads() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let sent = mail(ADDRESS, 7, 900, 100_000);
        let file = scene.bed.scratch("curl").join("mail");
        fs::write(&file, &sent).unwrap();
        let smtp = format!("smtp://{}/client.test", scene.proxy().smtp);
        let mut arguments = vec!["--mail-from", ADDRESS, "--mail-rcpt", ADDRESS];
        arguments.extend(["--upload-file", file.to_str().unwrap(), &smtp]);
        curl(&arguments, ADDRESS, &scene.password);
        fetch_when_there(&mut scene.signed_on(), 1);

        let imap = scene.proxy().imap;
        let one = format!("imap://{imap}/INBOX/;UID=1");
        for how in ["--no-sasl-ir", "--sasl-ir"] {
            let read = curl(&[how, &one], ADDRESS, &scene.password);
            assert!(read.ends_with(&sent), "{how}: the mail changed on its way");
        }
        let search = format!("SEARCH SUBJECT \"{}\"", subject(7));
        let inbox = format!("imap://{imap}/INBOX");
        let found = curl(&[&inbox, "-X", &search], ADDRESS, &scene.password);
        assert_eq!(String::from_utf8_lossy(&found).trim(), "* SEARCH 1");
    });
}

#[test]
fn mbsync_fetches_two_thousand_mails_as_it_does_without_the_proxy() {
    Setting::default().play(Duration::from_secs(400), |scene| {
        const MAILS: u64 = 2000;
        let mails = (1..=MAILS).map(|number| mail(ADDRESS, number, 3000, 20_000));
        scene.bed.store.fill_inbox(ADDRESS, mails);
        let (through, direct) = (scene.bed.scratch("through"), scene.bed.scratch("direct"));
        let through = mbsync(&through, scene.proxy().imap, ADDRESS, &scene.password);
        let plain = scene.bed.plain_dovecot();
        let direct = mbsync(&direct, plain.address(), ADDRESS, PLAIN_PASSWORD);
        assert_eq!(through.len(), usize::try_from(MAILS).unwrap());
        assert!(through.keys().eq(direct.keys()), "not the same UIDs");
        let different: Vec<_> =
            through.iter().filter(|(uid, mail)| direct[*uid] != **mail).collect();
        assert!(different.is_empty(), "{} mails differ", different.len());
    });
}
