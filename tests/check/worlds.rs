//! The broken worlds, a row each.

use std::future::Future;
use std::pin::Pin;

use gatepost::check::Check;
use gatepost::demo::authorization::{TokenFault, UserinfoFault};
use gatepost::demo::faults::Times;
use gatepost::demo::smtp::Stage;
use gatepost::private_file;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::Broken;
use super::impostor;
use super::support::free_port;
use super::support::papers::{Flaw, Papers};

type Arranging = Pin<Box<dyn Future<Output = Broken> + Send>>;

/// One world: what is broken in it, what must be called wrong, the exit code, and how it is made.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) wrong: &'static [(Check, &'static str)],
    pub(crate) exit: i32,
    pub(crate) arrange: fn(Broken) -> Arranging,
}

macro_rules! row {
    ($name:literal, [$(($check:ident, $code:literal)),*], $exit:literal, |$world:ident| $arrange:block) => {
        Row {
            name: $name,
            wrong: &[$((Check::$check, $code)),*],
            exit: $exit,
            arrange: |#[allow(unused_mut)] mut $world: Broken| Box::pin(async move { $arrange; $world }),
        }
    };
}

/// All of them.
pub(crate) fn worlds() -> Vec<Row> {
    let mut worlds = vec![
        row!("all is well", [], 0, |world| { world.arguments.push("--send".into()) }),
        row!("a mistake in the configuration", [(Configuration, "config")], 2, |world| {
            world.runs = false;
            world.reconfigure("[listen]", "[listen]\nimap_port = 143");
        }),
        row!("a missing file of certificates", [(Configuration, "config")], 2, |world| {
            world.runs = false;
            world.reconfigure("ca.pem", "nowhere.pem");
        }),
        row!("a file without certificates", [(Configuration, "certificates")], 2, |world| {
            world.runs = false;
            world.reconfigure("ca.pem", "config.toml");
        }),
        row!("a client file of the wrong kind", [(Client, "client_file")], 2, |world| {
            world.runs = false;
            let file = world.world.home.client_file("gmail");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            private_file::write_atomically(&file, br#"{"web":{"client_id":"x"}}"#).unwrap();
        }),
        row!("no Google client", [(Client, "no_client")], 1, |world| {
            world.runs = false;
            world.reconfigure("client_id", "#");
            world.reconfigure("client_secret", "#");
            std::fs::remove_file(world.world.record_file()).unwrap();
        }),
        row!("nobody has signed in", [(Accounts, "no_account")], 3, |world| {
            std::fs::remove_file(world.world.record_file()).unwrap();
        }),
        row!("a damaged record", [(Accounts, "record_damaged")], 1, |world| {
            let other = world.world.home.accounts().join("other@gmail.com.json");
            private_file::write_atomically(&other, b"{\"format\":1,").unwrap();
        }),
        row!("no proxy runs", [(Running, "not_running")], 1, |world| { world.runs = false }),
        row!("a port is taken", [(Running, "not_running"), (Ports, "port_taken")], 1, |world| {
            world.runs = false;
            let port = free_port();
            let other = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
            world.reconfigure("imap = \"127.0.0.1:0\"", &format!("imap = \"127.0.0.1:{port}\""));
            tokio::spawn(async move { drop(other.accept().await) });
        }),
        row!("a locked account", [(Unlocked, "locked")], 1, |world| { world.arguments.clear() }),
        row!("a wrong local password", [(Unlocked, "wrong_password")], 1, |world| {
            world.stdin = "not it\n".to_owned();
        }),
        row!("DNS is dead", [(ImapServer, "dns")], 1, |world| {
            world.imap_at("imap.gatepost.invalid:993");
            world.smtp_at("smtp.gatepost.invalid:465");
        }),
        row!("nobody listens at the IMAP server", [(ImapServer, "unreachable")], 1, |world| {
            world.imap_at(&format!("localhost:{}", free_port()));
        }),
        row!("SMTP is blocked", [(SmtpServer, "unreachable")], 1, |world| {
            world.smtp_at(&format!("localhost:{}", free_port()));
        }),
        row!("an antivirus program reads along", [(ImapServer, "tls_intercepted")], 1, |world| {
            let papers = Papers::signed_by("Avast Web/Mail Shield", Flaw::Nothing);
            world.imap_at(&format!("localhost:{}", impostor::start(&papers).await));
        }),
        row!("somebody reads along", [(SmtpServer, "tls_intercepted")], 1, |world| {
            let papers = Papers::signed_by("Example Corp", Flaw::Nothing);
            world.smtp_at(&format!("localhost:{}", impostor::start(&papers).await));
        }),
        row!("a certificate of yesterday", [(ImapServer, "tls_date")], 1, |world| {
            let papers = Papers::with(Flaw::Expired);
            world.world.trust(&papers.authority);
            world.imap_at(&format!("localhost:{}", impostor::start(&papers).await));
        }),
        row!("another server's certificate", [(ImapServer, "tls_name")], 1, |world| {
            let papers = Papers::with(Flaw::OtherName);
            world.world.trust(&papers.authority);
            world.imap_at(&format!("localhost:{}", impostor::start(&papers).await));
        }),
        row!("a server without TLS", [(SmtpServer, "no_tls")], 1, |world| {
            let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
            world.smtp_at(&format!("localhost:{}", plain.local_addr().unwrap().port()));
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = plain.accept().await {
                    let _ = stream.write_all(b"220 a hotel's mail server\r\n").await;
                }
            });
        }),
    ];
    worlds.extend(worlds_of_google());
    #[cfg(unix)]
    worlds.extend(worlds_of_rights());
    worlds
}

fn worlds_of_google() -> Vec<Row> {
    vec![
        row!("the clock is two hours behind", [(Clock, "clock_off")], 1, |world| {
            world.world.authorization().set_clock(7200);
        }),
        row!("the clock is two hours ahead", [(Clock, "clock_off")], 1, |world| {
            world.world.authorization().set_clock(-7200);
        }),
        row!("the sign-in server is away", [(SignInServer, "unreachable")], 1, |world| {
            world.world.authorization().stop().await;
        }),
        row!(
            "the sign-in server leaves without a word",
            [(SignInServer, "unreachable")],
            1,
            |world| {
                let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let port = silent.local_addr().unwrap().port();
                world.sign_in_server_at(&format!("http://127.0.0.1:{port}/token"));
                tokio::spawn(async move {
                    while let Ok((mut stream, _)) = silent.accept().await {
                        // What is closed with bytes unread is reset, and told in other words.
                        let _ = stream.read(&mut [0; 4096]).await;
                    }
                });
            }
        ),
        row!("a proxy that is away", [(SignInServer, "unreachable")], 1, |world| {
            world.sign_in_server_at("https://sign-in.gatepost.invalid/token");
            let proxy = format!("http://127.0.0.1:{}", free_port());
            world.environment.push(("HTTPS_PROXY", proxy));
        }),
        row!("a wrong client secret", [(Token, "invalid_client")], 1, |world| {
            world.reconfigure("client_secret = \"GOCSPX-", "client_secret = \"GOCSPX-x");
        }),
        row!("a deleted client", [(Token, "deleted_client")], 1, |world| {
            world.fail_token(TokenFault::DeletedClient);
        }),
        row!("a revoked grant", [(Token, "grant_ended")], 3, |world| {
            world.world.authorization().revoke_grants();
        }),
        row!("an organisation's session policy", [(Token, "session_policy")], 3, |world| {
            let description = "reauth related error (invalid_rapt)".to_owned();
            let subtype = Some("invalid_rapt".to_owned());
            world.fail_token(TokenFault::InvalidGrant { subtype, description });
        }),
        row!("the box for mail was not ticked", [(Token, "scope_missing")], 3, |world| {
            world.fail_token(TokenFault::MissingScope);
        }),
        row!("a network's sign-in page", [(Token, "unreadable_answer")], 1, |world| {
            world.fail_token(TokenFault::Html);
        }),
        row!("Google has trouble", [(Token, "server_trouble")], 1, |world| {
            world.fail_token(TokenFault::Status(503));
        }),
        row!("another account's token", [(Identity, "other_account")], 3, |world| {
            let other = UserinfoFault::WrongAccount("other@gmail.com".to_owned());
            world.world.authorization().fail_userinfo(other, Times::UntilCleared);
        }),
        row!("IMAP is off for the account", [(ImapSignOn, "imap_off")], 1, |world| {
            world.refuse_imap("NO [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable your account for IMAP access. (Failure)");
        }),
        row!("IMAP is off for the domain", [(ImapSignOn, "imap_off_for_domain")], 1, |world| {
            world.refuse_imap("NO [ALERT] IMAP access is disabled for your domain. Please contact your domain administrator for questions about this feature. (Failure)");
        }),
        row!("too many connections at Gmail", [(ImapSignOn, "too_many_connections")], 1, |world| {
            world.refuse_imap("NO [ALERT] Too many simultaneous connections. (Failure)");
        }),
        row!("the day's limit of traffic", [(ImapSignOn, "over_quota")], 1, |world| {
            world.refuse_imap("* BYE [OVERQUOTA] Account exceeded command or bandwidth limits.");
        }),
        row!("Google wants a sign-in in the browser", [(ImapSignOn, "web_login")], 1, |world| {
            world.refuse_imap("* NO [WEBALERT https://accounts.google.com/signin/continue] Web login required.\nNO [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)");
        }),
        row!("IMAP refuses the token", [(ImapSignOn, "token_refused")], 3, |world| {
            world.refuse_imap("NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)");
        }),
        row!("SMTP refuses the token", [(SmtpSignOn, "token_refused")], 3, |world| {
            world.refuse_smtp("535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials x - gsmtp");
        }),
        row!("SMTP has trouble", [(SmtpSignOn, "temporary")], 1, |world| {
            world.refuse_smtp("454 4.7.0 Cannot authenticate due to temporary system problem, try again later. x - gsmtp");
        }),
        row!("every connection is in use", [(Reading, "connections_in_use")], 1, |world| {
            world.reconfigure("[provider.gmail]", "[provider.gmail]\nconnections = 1");
            world.start().await;
            let client = world.world.signed_on().await;
            world.client = Some(client);
        }),
        row!("a port that came since the start", [(Reading, "no_connection")], 1, |world| {
            world.arguments.push("--send".into());
            world.reconfigure("imap = \"127.0.0.1:0\"", "imap = \"\"");
            world.start().await;
            let port = free_port();
            world.reconfigure("imap = \"\"", &format!("imap = \"127.0.0.1:{port}\""));
        }),
        row!("a message to oneself, and SMTP is off", [(RoundTrip, "server_off")], 1, |world| {
            world.arguments.push("--send".into());
            world.reconfigure("smtp = \"127.0.0.1:0\"", "smtp = \"\"");
        }),
        row!("the day's limit of sent mail", [(RoundTrip, "sending_limit")], 1, |world| {
            world.arguments.push("--send".into());
            let words = "550 5.4.5 Daily user sending limit exceeded. x - gsmtp";
            world.world.google.smtp().refuse(Stage::Message, words, Times::UntilCleared);
        }),
        row!("a message that Gmail does not take", [(RoundTrip, "not_taken")], 1, |world| {
            world.arguments.push("--send".into());
            let words = "552 5.2.3 Your message exceeded Google's message size limits. x - gsmtp";
            world.world.google.smtp().refuse(Stage::Message, words, Times::UntilCleared);
        }),
    ]
}

/// Windows decides by access lists, which nothing here sets.
#[cfg(unix)]
fn worlds_of_rights() -> Vec<Row> {
    use std::os::unix::fs::{PermissionsExt, chown};

    vec![
        row!("a record that others can read", [(Home, "too_open")], 1, |world| {
            let open = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(world.world.record_file(), open).unwrap();
        }),
        row!("another user's folder", [(Home, "not_ours")], 1, |world| {
            // Root can give a file away; for anybody else a folder that can't be written does it.
            if chown(world.world.record_file(), Some(12_345), None).is_err() {
                world.start().await;
                let closed = std::fs::Permissions::from_mode(0o500);
                std::fs::set_permissions(world.folder(), closed).unwrap();
            }
        }),
    ]
}
