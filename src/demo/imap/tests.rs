use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::demo::{
    StandIn,
    faults::Times,
    tests::{Dialogue, ME, stand_in, xoauth2},
};

type Client = Dialogue<TlsStream<TcpStream>>;

const CHALLENGE: &str = "+ eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczovL21\
    haWwuZ29vZ2xlLmNvbS8ifQ==\r\n";

const SIGNED_ON: &str = "* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN \
    X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED \
    LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584\r\nt OK someone@gmail.com authenticated \
    (Success)\r\n";

const MESSAGE: &str = "From: A <a@x.org>\r\nTo: b@x.org\r\nSubject: Hello\r\n\r\nThe body\r\n";

async fn connect(google: &StandIn) -> Client {
    let mut client = Dialogue::tls(google, google.imap_address(), "imap.gmail.com").await;
    assert!(
        client
            .line()
            .await
            .starts_with("* OK Gimap ready for requests from 127.0.0.1 ")
    );
    client
}

async fn sign_on(google: &StandIn) -> Client {
    let mut client = connect(google).await;
    let token = google.authorization().access_token(ME).unwrap();
    let command = format!("t AUTHENTICATE XOAUTH2 {}\r\n", xoauth2(ME, &token));
    client.exchange(&command, SIGNED_ON).await;
    client
}

/// With one message in INBOX, and INBOX selected.
async fn selected(google: &StandIn) -> Client {
    google
        .mailboxes()
        .deliver(ME, "INBOX", MESSAGE.as_bytes())
        .unwrap();
    let mut client = sign_on(google).await;
    client.send("s SELECT INBOX\r\n").await;
    while !client.line().await.starts_with("s OK") {}
    client
}

#[tokio::test]
async fn before_sign_on_it_speaks_as_gmail_does() {
    let google = stand_in().await;
    let mut client = connect(&google).await;
    client
        .exchange(
            "a CAPABILITY\r\n",
            "* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 \
             XYZZY SASL-IR AUTH=XOAUTH2 AUTH=PLAIN AUTH=PLAIN-CLIENTTOKEN AUTH=OAUTHBEARER\r\n\
             a OK Thats all she wrote! ",
        )
        .await;
    client.line().await;
    client
        .exchange("b SELECT INBOX\r\n", "b BAD Unknown command ")
        .await;
    client.line().await;
    client.exchange("c LOGIN {3}\r\n", "+ go ahead\r\n").await;
    let refused = "c NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n";
    client.exchange("a b \"c d\"\r\n", refused).await;
    client
        .exchange(
            "d ID NIL\r\n",
            "* ID (\"name\" \"GImap\" \"vendor\" \"Google, Inc.\" ",
        )
        .await;
    client.line().await;
    assert!(client.line().await.starts_with("d OK Success "));
    client
        .exchange(
            "e LOGOUT\r\n",
            "* BYE LOGOUT Requested\r\ne OK 73 good day (Success)\r\n",
        )
        .await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_bad_token_gets_the_challenge_and_then_the_refusal() {
    let google = stand_in().await;
    let mut client = connect(&google).await;
    let good = google.authorization().access_token(ME).unwrap();
    let no = "t NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n";
    for (user, token) in [(ME, "dead"), ("other@gmail.com", &good)] {
        let response = xoauth2(user, token);
        let command = format!("t AUTHENTICATE XOAUTH2 {response}\r\n");
        client.exchange(&command, CHALLENGE).await;
        client.exchange("\r\n", no).await;
        client
            .exchange("t AUTHENTICATE XOAUTH2\r\n", "+ \r\n")
            .await;
        client.exchange(&format!("{response}\r\n"), CHALLENGE).await;
        client.exchange("\r\n", no).await;
    }
    client
        .exchange("t AUTHENTICATE XOAUTH2\r\n", "+ \r\n")
        .await;
    client
        .exchange("*\r\n", "t BAD Authentication cancelled ")
        .await;
    client.line().await;
    client
        .exchange("t AUTHENTICATE XOAUTH2\r\n", "+ \r\n")
        .await;
    client
        .exchange(&format!("{}\r\n", xoauth2(ME, &good)), SIGNED_ON)
        .await;
    assert_eq!(
        (google.imap().sign_ons(), google.imap().live_sessions()),
        (1, 1)
    );

    let records = google.imap().last_client_lines();
    assert_eq!(records[0].user.as_deref(), Some(ME));
    assert!(
        records[0]
            .lines
            .contains(&format!("t AUTHENTICATE XOAUTH2 <SASL user={ME}>"))
    );
    assert!(!format!("{records:?}").contains(&xoauth2(ME, &good)[..20]));
}

#[tokio::test]
async fn oauthbearer_signs_on_too() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let google = stand_in().await;
    let token = google.authorization().access_token(ME).unwrap();
    let response = |token: &str| {
        STANDARD.encode(format!(
            "n,a={ME},\x01host=imap.gmail.com\x01port=993\x01auth=Bearer {token}\x01\x01"
        ))
    };
    let mut client = connect(&google).await;
    let command = format!("t AUTHENTICATE OAUTHBEARER {}\r\n", response("dead"));
    client.exchange(&command, CHALLENGE).await;
    let no = "t NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n";
    client.exchange("AQ==\r\n", no).await;
    let command = format!("t AUTHENTICATE OAUTHBEARER {}\r\n", response(&token));
    client.exchange(&command, SIGNED_ON).await;
}

#[tokio::test]
async fn select_sends_highestmodseq_against_the_grammar() {
    let google = stand_in().await;
    google
        .mailboxes()
        .deliver(ME, "INBOX", MESSAGE.as_bytes())
        .unwrap();
    let mut client = sign_on(&google).await;
    let flags = "\\Answered \\Flagged \\Draft \\Deleted \\Seen $NotPhishing $Phishing";
    let expected = format!(
        "* FLAGS ({flags})\r\n* OK [PERMANENTFLAGS ({flags} \\*)] Flags permitted.\r\n\
         * OK [UIDVALIDITY 2] UIDs valid.\r\n* 1 EXISTS\r\n* 0 RECENT\r\n\
         * OK [UIDNEXT 2] Predicted next UID.\r\n* OK [HIGHESTMODSEQ 1001]\r\n\
         a OK [READ-WRITE] INBOX selected. (Success)\r\n"
    );
    client.exchange("a SELECT inbox\r\n", &expected).await;
    let missing = "b NO [NONEXISTENT] Unknown Mailbox: Nope (Failure)\r\n";
    client.exchange("b SELECT Nope\r\n", missing).await;
}

#[tokio::test]
async fn folders_are_listed_as_gmail_lists_them() {
    let google = stand_in().await;
    let mut client = sign_on(&google).await;
    client
        .exchange(
            "a LIST (SPECIAL-USE) \"\" \"*\" RETURN (SUBSCRIBED CHILDREN)\r\n",
            "* LIST (\\All \\HasNoChildren \\Subscribed) \"/\" \"[Gmail]/All Mail\"\r\n\
             * LIST (\\Drafts \\HasNoChildren \\Subscribed) \"/\" \"[Gmail]/Drafts\"\r\n\
             * LIST (\\HasNoChildren \\Important \\Subscribed) \"/\" \"[Gmail]/Important\"\r\n\
             * LIST (\\HasNoChildren \\Sent \\Subscribed) \"/\" \"[Gmail]/Sent Mail\"\r\n\
             * LIST (\\HasNoChildren \\Junk \\Subscribed) \"/\" \"[Gmail]/Spam\"\r\n\
             * LIST (\\Flagged \\HasNoChildren \\Subscribed) \"/\" \"[Gmail]/Starred\"\r\n\
             * LIST (\\HasNoChildren \\Subscribed \\Trash) \"/\" \"[Gmail]/Trash\"\r\n\
             a OK Success\r\n",
        )
        .await;
    let top = "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n\
        * LIST (\\HasChildren \\Noselect) \"/\" \"[Gmail]\"\r\nb OK Success\r\n";
    client.exchange("b LIST \"\" %\r\n", top).await;
    client
        .exchange("c CREATE Work/Old\r\n", "c OK Success\r\n")
        .await;
    client
        .exchange("d RENAME Work/Old Older\r\n", "d OK Success\r\n")
        .await;
    let status = "* STATUS \"Older\" (MESSAGES 0 UIDNEXT 1)\r\ne OK Success\r\n";
    client
        .exchange("e STATUS Older (MESSAGES UIDNEXT)\r\n", status)
        .await;
    client
        .exchange("f DELETE Older\r\n", "f OK Success\r\n")
        .await;
    let one = "* XLIST (\\Noselect) \"/\" \"/\"\r\ng OK Success\r\n";
    client.exchange("g XLIST \"\" \"\"\r\n", one).await;
}

#[tokio::test]
async fn messages_are_appended_fetched_flagged_moved_and_expunged() {
    let google = stand_in().await;
    let mut client = selected(&google).await;
    let size = MESSAGE.len();
    client
        .exchange(
            "a UID FETCH 1:* (FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Subject)] BODY[TEXT]<4.4>)\r\n",
            &format!(
                "* 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE {size} BODY[HEADER.FIELDS (Subject)] \
                 {{18}}\r\nSubject: Hello\r\n\r\n BODY[TEXT]<4> {{4}}\r\nbody)\r\n\
                 * 1 FETCH (UID 1 FLAGS (\\Seen))\r\na OK Success\r\n"
            ),
        )
        .await;
    let date = "b APPEND INBOX (\\Flagged) \"01-Feb-2020 10:00:00 +0100\"";
    client
        .exchange(&format!("{date} {{6}}\r\n"), "+ go ahead\r\n")
        .await;
    let appended = "* 2 EXISTS\r\nb OK [APPENDUID 2 2] (Success)\r\n";
    client.exchange("A: b\r\n\r\n", appended).await;
    client
        .exchange(&format!("{date} {{6+}}\r\nA: c\r\n\r\n"), "* 3 EXISTS\r\n")
        .await;
    client.expect("b OK [APPENDUID 2 3] (Success)\r\n").await;
    let fetched = "* 2 FETCH (FLAGS (\\Flagged) INTERNALDATE \"01-Feb-2020 09:00:00 +0000\")\r\n\
        c OK Success\r\n";
    client
        .exchange("c FETCH 2 (FLAGS INTERNALDATE)\r\n", fetched)
        .await;
    let search = "* SEARCH 2 3\r\nd OK SEARCH completed (Success)\r\n";
    client
        .exchange(
            "d UID SEARCH FLAGGED NOT SUBJECT hello BEFORE 2-Feb-2020\r\n",
            search,
        )
        .await;
    let esearch = "* ESEARCH (TAG \"e\") UID ALL 1:3\r\ne OK SEARCH completed (Success)\r\n";
    client
        .exchange("e UID SEARCH RETURN (ALL) 1:*\r\n", esearch)
        .await;
    let moved = "* OK [COPYUID 9 2 1]\r\n* 2 EXPUNGE\r\nf OK Success\r\n";
    client
        .exchange("f UID MOVE 2 [Gmail]/Starred\r\n", moved)
        .await;
    let copied = "g OK [COPYUID 10 1,3 1:2] (Success)\r\n";
    client
        .exchange("g COPY 1:2 \"[Gmail]/Trash\"\r\n", copied)
        .await;
    client
        .exchange(
            "h STORE 1 +FLAGS.SILENT (\\Deleted)\r\n",
            "h OK Success\r\n",
        )
        .await;
    let stored = "* 2 FETCH (UID 3 FLAGS (\\Answered \\Flagged))\r\ni OK Success\r\n";
    client
        .exchange("i UID STORE 3 +FLAGS \\answered\r\n", stored)
        .await;
    client
        .exchange("j EXPUNGE\r\n", "* 1 EXPUNGE\r\nj OK Success\r\n")
        .await;
    let closed = "k OK Returned to authenticated state. (Success)\r\n";
    client.exchange("k CLOSE\r\n", closed).await;
    client
        .exchange("l FETCH 1 FLAGS\r\n", "l BAD No mailbox selected ")
        .await;
}

#[tokio::test]
async fn idle_pushes_what_changes() {
    let google = stand_in().await;
    let mut client = selected(&google).await;
    client.exchange("a IDLE\r\n", "+ idling\r\n").await;
    let uid = google
        .mailboxes()
        .deliver(ME, "INBOX", b"A: b\r\n\r\n")
        .unwrap();
    client.expect("* 2 EXISTS\r\n").await;
    google.mailboxes().set_flags(ME, "INBOX", uid, &["\\Seen"]);
    client.expect("* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n").await;
    google.mailboxes().remove(ME, "INBOX", 1);
    client.expect("* 1 EXPUNGE\r\n").await;
    client
        .exchange("DONE\r\n", "a OK IDLE terminated (Success)\r\n")
        .await;
    client.exchange("b NOOP\r\n", "b OK Success\r\n").await;
}

#[tokio::test]
async fn sessions_expire_by_order_and_with_their_token() {
    let google = stand_in().await;
    let bye = "* BYE Session expired, please login again.\r\n";
    let mut client = selected(&google).await;
    let mut idling = sign_on(&google).await;
    idling.exchange("a IDLE\r\n", "+ idling\r\n").await;
    google.imap().expire_sessions();
    for client in [&mut client, &mut idling] {
        client.expect(bye).await;
        client.expect_end().await;
    }
    google
        .authorization()
        .set_token_life(Duration::from_millis(200));
    let mut client = sign_on(&google).await;
    client.expect(bye).await;
    client.expect_end().await;
    google.imap().set_sessions_end_with_token(false);
    let mut client = sign_on(&google).await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    client.exchange("a NOOP\r\n", "a OK Success\r\n").await;
}

#[tokio::test]
async fn the_last_words_arrive_though_the_client_goes_on_talking() {
    let google = stand_in().await;
    google.imap().set_greeting(Some("* BYE Not now"));
    for _ in 0..20 {
        let mut client = Dialogue::tls(&google, google.imap_address(), "localhost").await;
        client.send("a CAPABILITY\r\nb NOOP\r\n").await;
        client.expect("* BYE Not now\r\n").await;
        client.expect_end().await;
    }
}

#[tokio::test]
async fn faults_come_as_ordered() {
    let google = stand_in().await;
    let imap = google.imap();
    let too_many = "NO [ALERT] Too many simultaneous connections. (Failure)";
    let web = "* NO [WEBALERT https://accounts.google.com/x] Web login required.";
    imap.refuse_sign_on(too_many, Times::Next(1));
    imap.refuse_sign_on(
        &format!("{web}\nNO [ALERT] Please log in (Failure)"),
        Times::Next(1),
    );
    imap.refuse_sign_on("* BYE Temporary System Error", Times::Next(1));
    let token = google.authorization().access_token(ME).unwrap();
    let command = format!("t AUTHENTICATE XOAUTH2 {}\r\n", xoauth2(ME, &token));
    let mut client = connect(&google).await;
    client
        .exchange(&command, &format!("t {too_many}\r\n"))
        .await;
    client
        .exchange(
            &command,
            &format!("{web}\r\nt NO [ALERT] Please log in (Failure)\r\n"),
        )
        .await;
    client
        .exchange(&command, "* BYE Temporary System Error\r\n")
        .await;
    client.expect_end().await;

    imap.set_connection_limit(Some(1));
    let mut first = sign_on(&google).await;
    let mut second = connect(&google).await;
    second
        .exchange(&command, &format!("t {too_many}\r\n"))
        .await;
    imap.reset_connections();
    for client in [&mut first, &mut second] {
        let error = tokio::io::AsyncReadExt::read_u8(&mut client.0)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    imap.hide_capability("IDLE");
    imap.set_greeting(Some("* BYE Not now"));
    let mut client = Dialogue::tls(&google, google.imap_address(), "localhost").await;
    client.expect("* BYE Not now\r\n").await;
    client.expect_end().await;
    imap.set_greeting(None);
    let mut client = connect(&google).await;
    client.send("a CAPABILITY\r\n").await;
    assert!(!client.line().await.contains(" IDLE"));
}

#[tokio::test]
async fn what_is_too_big_or_nonsense_is_refused() {
    let google = stand_in().await;
    let mut client = sign_on(&google).await;
    for (command, reply) in [
        ("a BLURDY\r\n", "a BAD Unknown command "),
        ("b\r\n", "b BAD Unknown command "),
        ("c LIST \"\"\r\n", "c BAD Could not parse command "),
    ] {
        client.exchange(command, reply).await;
        client.line().await;
    }
    let big = "d NO [TOOBIG] Literal too big (Failure)\r\n";
    client
        .exchange("d APPEND INBOX {99999999999999999999}\r\n", big)
        .await;
    client
        .exchange("e SELECT {100000}\r\n", &big.replacen('d', "e", 1))
        .await;
}
