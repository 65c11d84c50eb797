use tokio::{io::BufReader, net::TcpStream};
use tokio_rustls::{client::TlsStream, rustls::version::TLS13};

use super::*;
use crate::demo::{
    StandIn,
    tests::{Dialogue, ME, connector, stand_in, xoauth2},
};

type Client = Dialogue<TlsStream<TcpStream>>;

const TLS_EHLO: &str = "250-smtp.gmail.com at your service, [127.0.0.1]\r\n250-SIZE 35882577\r\n\
    250-8BITMIME\r\n250-AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH\r\n\
    250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SMTPUTF8\r\n";

async fn connect(google: &StandIn) -> Client {
    let mut client = Dialogue::tls(google, google.smtp_address(), "smtp.gmail.com").await;
    let greeting = client.line().await;
    assert!(
        greeting.starts_with("220 smtp.gmail.com ESMTP ") && greeting.ends_with(" - gsmtp\r\n")
    );
    client.exchange("EHLO me\r\n", TLS_EHLO).await;
    client
}

async fn sign_on(google: &StandIn) -> Client {
    let mut client = connect(google).await;
    let token = google.authorization().access_token(ME).unwrap();
    let command = format!("AUTH XOAUTH2 {}\r\n", xoauth2(ME, &token));
    client.exchange(&command, "235 2.7.0 Accepted\r\n").await;
    client
}

/// Sends, and expects one line that begins so.
async fn reply(client: &mut Client, sent: &str, expected: &str) {
    client.exchange(sent, expected).await;
    let rest = client.line().await;
    assert!(rest.ends_with(" - gsmtp\r\n"), "{rest}");
}

#[tokio::test]
async fn sign_on_fails_and_succeeds_as_at_gmail() {
    let google = stand_in().await;
    let mut client = connect(&google).await;
    let refused = "535-5.7.8 Username and Password not accepted. For more information, go to\r\n\
        535 5.7.8  https://support.google.com/mail/?p=BadCredentials ";
    let challenge = "334 eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczovL21ha\
        WwuZ29vZ2xlLmNvbS8ifQ==\r\n";
    let bad = xoauth2(ME, "dead");
    client.exchange("AUTH XOAUTH2\r\n", "334 \r\n").await;
    client.exchange(&format!("{bad}\r\n"), challenge).await;
    reply(&mut client, "\r\n", refused).await;
    client
        .exchange(&format!("AUTH XOAUTH2 {bad}\r\n"), challenge)
        .await;
    reply(&mut client, "\r\n", refused).await;
    client
        .exchange("AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n")
        .await;
    client.exchange("YQ==\r\n", "334 UGFzc3dvcmQ6\r\n").await;
    reply(&mut client, "YQ==\r\n", refused).await;
    reply(&mut client, "AUTH PLAIN AGEAYg==\r\n", refused).await;
    reply(
        &mut client,
        "AUTH NTLM\r\n",
        "504 5.7.4 Unrecognized Authentication Type ",
    )
    .await;
    client.exchange("AUTH XOAUTH2\r\n", "334 \r\n").await;
    reply(&mut client, "*\r\n", "501 ").await;
    reply(
        &mut client,
        "AUTH XOAUTH2 ???\r\n",
        "501 5.5.2 Cannot Decode response. ",
    )
    .await;
    let first = "530-5.5.1 Authentication Required. For more information, go to\r\n530 5.5.1  ";
    reply(&mut client, "MAIL FROM:<a@b>\r\n", first).await;

    let mut client = sign_on(&google).await;
    let again = "503 5.7.0 No identity changes permitted. ";
    reply(&mut client, "AUTH XOAUTH2\r\n", again).await;
    let lines = google.smtp().last_client_lines();
    assert!(lines[0].lines.contains(&format!("<SASL user={ME}>")));
    let shown = format!("{lines:?}");
    assert!(
        !shown.contains(&bad) && !shown.contains("AGEAYg"),
        "{shown}"
    );
}

#[tokio::test]
async fn starttls_comes_before_auth_and_nothing_may_follow_it() {
    let google = stand_in().await;
    let tcp = TcpStream::connect(google.submission_address())
        .await
        .unwrap();
    let mut plain = Dialogue(BufReader::new(tcp));
    plain.line().await;
    plain
        .exchange(
            "EHLO me\r\n",
            "250-smtp.gmail.com at your service, [127.0.0.1]\r\n250-SIZE 35882577\r\n\
             250-8BITMIME\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n\
             250-CHUNKING\r\n250 SMTPUTF8\r\n",
        )
        .await;
    plain
        .exchange(
            "AUTH XOAUTH2\r\n",
            "530 5.7.0 Must issue a STARTTLS command first. ",
        )
        .await;
    plain.line().await;
    plain
        .exchange("STARTTLS\r\n", "220 2.0.0 Ready to start TLS ")
        .await;
    plain.line().await;
    let tls = connector(&google, &[&TLS13]);
    let name = "localhost".try_into().unwrap();
    let tls = tls.connect(name, plain.0.into_inner()).await.unwrap();
    Dialogue(BufReader::new(tls))
        .exchange("EHLO me\r\n", TLS_EHLO)
        .await;

    let tcp = TcpStream::connect(google.submission_address())
        .await
        .unwrap();
    let mut plain = Dialogue(BufReader::new(tcp));
    plain.line().await;
    plain
        .exchange(
            "STARTTLS\r\nEHLO evil\r\n",
            "454 4.5.0 SMTP protocol violation",
        )
        .await;
    plain.line().await;
    plain.expect_end().await;
}

#[tokio::test]
async fn only_a_dot_between_crlfs_ends_the_message() {
    let google = stand_in().await;
    let mut client = sign_on(&google).await;
    client
        .send("MAIL FROM:<a@b> SIZE=30 BODY=8BITMIME\r\nRCPT TO:<c@d>\r\nDATA\r\n")
        .await;
    for _ in 0..3 {
        client.line().await;
    }
    let body = "A: b\r\n\r\nx\n.\ny\n.\r\nz\r.\r\nQUIT\r\n..\r\n";
    reply(&mut client, &format!("{body}.\r\n"), "250 2.0.0 OK ").await;
    let transaction = &google.smtp().transactions()[0];
    assert_eq!(
        String::from_utf8_lossy(&transaction.bytes),
        body.replace("..", ".")
    );
    assert_eq!(transaction.parameters, ["SIZE=30", "BODY=8BITMIME"]);
    assert_eq!(transaction.user, ME);
    reply(&mut client, "NOOP\r\n", "250 2.0.0 OK ").await;
}

#[tokio::test]
async fn commands_out_of_order_and_limits_are_refused() {
    let google = stand_in().await;
    let mut client = sign_on(&google).await;
    google.smtp().set_size_limit(100);
    for (command, expected) in [
        ("RCPT TO:<a@b>\r\n", "503 5.5.1 MAIL first. "),
        ("DATA\r\n", "503 5.5.1 MAIL first. "),
        ("MAIL FROM:a@b\r\n", "555 5.5.2 Syntax error. "),
        ("MAIL FROM: <a@b>\r\n", "250 2.1.0 OK "),
        ("MAIL FROM:<a@b>\r\n", "503 5.5.1 "),
        ("DATA\r\n", "503 5.5.1 RCPT first. "),
        ("RSET\r\n", "250 2.1.5 Flushed "),
        ("HELP\r\n", "214 2.0.0  https://"),
        ("BLURDY\r\n", "502 5.5.1 Unrecognized command. "),
    ] {
        reply(&mut client, command, expected).await;
    }
    let large = "552-5.2.3 Your message exceeded Google's message size limits. For more\r\n\
        552-5.2.3 information, go to\r\n552 5.2.3  ";
    reply(&mut client, "MAIL FROM:<a@b> SIZE=101\r\n", large).await;
    for command in ["MAIL FROM:<a@b>\r\n", "RCPT TO:<a@b>\r\n", "DATA\r\n"] {
        client.send(command).await;
        client.line().await;
    }
    reply(
        &mut client,
        &format!("{}.\r\n", "0123456789\r\n".repeat(10)),
        large,
    )
    .await;
    reply(&mut client, "QUIT\r\n", "221 2.0.0 closing connection ").await;
    client.expect_end().await;
}

#[tokio::test]
async fn chunks_are_counted() {
    let google = stand_in().await;
    let mut client = sign_on(&google).await;
    client
        .send(&format!("MAIL FROM:<{ME}>\r\nRCPT TO:<{ME}>\r\n"))
        .await;
    client.line().await;
    client.line().await;
    reply(&mut client, "BDAT 8\r\nA: b\r\n\r\n", "250 2.0.0 OK ").await;
    reply(&mut client, "BDAT 3 LAST\r\n.\r\n", "250 2.0.0 OK ").await;
    assert_eq!(google.smtp().transactions()[0].bytes, b"A: b\r\n\r\n.\r\n");
}

#[tokio::test]
async fn faults_come_as_ordered() {
    let google = stand_in().await;
    let smtp = google.smtp();
    let later = "454 4.7.0 Too many login attempts, please try again later.";
    smtp.refuse_sign_on(later, Times::Next(1));
    smtp.refuse(
        Stage::Message,
        "550 5.4.5 Daily user sending limit exceeded",
        Times::Next(1),
    );
    smtp.refuse(
        Stage::Mail,
        "421 4.7.0 Try again later, closing connection.",
        Times::Next(1),
    );
    let token = google.authorization().access_token(ME).unwrap();
    let command = format!("AUTH XOAUTH2 {}\r\n", xoauth2(ME, &token));
    let mut client = connect(&google).await;
    client.exchange(&command, &format!("{later}\r\n")).await;
    client.exchange(&command, "235 2.7.0 Accepted\r\n").await;
    client
        .exchange(
            "MAIL FROM:<a@b>\r\n",
            "421 4.7.0 Try again later, closing connection.\r\n",
        )
        .await;
    client.expect_end().await;

    let mut client = sign_on(&google).await;
    for command in ["MAIL FROM:<a@b>\r\n", "RCPT TO:<a@b>\r\n", "DATA\r\n"] {
        client.send(command).await;
        client.line().await;
    }
    client
        .exchange(
            "x\r\n.\r\n",
            "550 5.4.5 Daily user sending limit exceeded\r\n",
        )
        .await;
    assert!(smtp.transactions().is_empty());
    smtp.expire_sessions();
    client
        .expect("451 4.4.2 Timeout - closing connection. ")
        .await;
    client.line().await;
    client.expect_end().await;
    let mut client = sign_on(&google).await;
    assert_eq!(smtp.sign_ons(), 3);
    smtp.reset_connections();
    let error = tokio::io::AsyncReadExt::read_u8(&mut client.0)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
