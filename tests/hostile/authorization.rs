//! What an authorization server can answer, or whoever stands in its place: nothing of it is taken for more
//! than it is, nothing is lost by it, and nobody is sent on with a secret.

use std::time::Duration;

use gatepost::secret::{AccessToken, RefreshToken};
use gatepost::settings::Settings;

use crate::log::Log;
use crate::server::{Act, Server, hear, say};
use crate::support::World;
use crate::told;

/// What is in every request for a token, at its end.
const REQUEST: &str = "client_secret=";
/// More than any buffers between two sockets hold, and far less than what a flood would bring.
const TAKEN: u64 = 24 * 1024 * 1024;
const FLOOD: u64 = 512 * 1024 * 1024;

/// A world without a token yet, whose token endpoint is a server of this test's.
async fn world() -> (World, Server) {
    let world = World::new().await;
    let server = Server::start(None).await;
    world.provide("token_url", &format!("http://127.0.0.1:{}/token", server.port));
    world.server().reload().unwrap();
    (world, server)
}

fn answer(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    answer("200 OK", "application/json; charset=utf-8", body.as_ref())
}

/// A token answer with these members in place of what is right, or beside it.
fn token(members: &str) -> Vec<u8> {
    let right = [
        ("access_token", "\"ya29.hostile\""),
        ("expires_in", "3599"),
        ("token_type", "\"Bearer\""),
        ("scope", "\"https://mail.google.com/\""),
    ];
    let right = right.iter().filter(|(name, _)| !members.contains(&format!("\"{name}\"")));
    let right: Vec<_> = right.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    json(format!("{{{},{members}}}", right.join(",")))
}

const UNREADABLE: &str = "The answer did not come from Google's sign-in server";
const UNREACHABLE: &str = "Google's sign-in server can't be reached (";
const NO_MAIL: &str = "Google gave no access to the mail";

/// Each answer, and the beginning of what is told of it.
fn answers() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    // A token, for whoever unpacks it.
    const PACKED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabVJLNN-.\x8e/\xc9\xcf\x4e\xcdS\xb2R\xaaL4\xb2\xd4\xab\x50\xd2QJ\xad(\xc8,J-\x8e\xcf\x04\x8a\x1a\x9bZZ\xea(\x81\x95\xc4\x97T\x16\xa4\x02\xd59\xa5&\x16\xa5\x16)\xd5\x02\x00\xec\x84\xe5\x41\x41\x00\x00\x00";
    let head = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n").into_bytes();
    let chunked = |chunks: &[u8]| {
        [&head("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n")[..], chunks]
            .concat()
    };
    let deep = "[".repeat(25_000);
    let long = "x".repeat(1_000_000);
    let nearly = "x".repeat(40_000);
    let whole = token("\"x\":1");
    vec![
        ("a page", answer("200 OK", "text/html", b"<p>Sign in to this network"), UNREADABLE),
        ("a page that calls itself JSON", json("<p>Sign in"), UNREADABLE),
        ("a page of an error", answer("400 Bad Request", "text/html", b"<p>No"), UNREADABLE),
        ("nothing", json(""), UNREADABLE),
        ("no content", head("Content-Length: 0\r\n"), UNREADABLE),
        ("a token of a megabyte", token(&format!("\"access_token\":\"{long}\"")), UNREADABLE),
        ("a token too long to be one", token(&format!("\"access_token\":\"{nearly}\"")), UNREADABLE),
        ("nesting", json(&deep), UNREADABLE),
        ("nesting beside a token", token(&format!("\"x\":{deep}")), UNREADABLE),
        ("nested whole", token(&format!("\"x\":{deep}{}", "]".repeat(25_000))), UNREADABLE),
        ("packed", [&head(&format!("Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n", PACKED.len()))[..], PACKED].concat(), UNREADABLE),
        ("a chunk that is shorter than it says", chunked(b"50\r\n{\"access_token\":\"ya29.x\""), UNREADABLE),
        ("a chunk that is longer than it says", chunked(b"5\r\n{\"access_token\":\"ya29.x\"}\r\n0\r\n\r\n"), UNREADABLE),
        ("a chunk of all there is", chunked(b"FFFFFFFFFFFFFFFF\r\n{}"), UNREADABLE),
        ("a chunk of more than that", chunked(b"FFFFFFFFFFFFFFFFF\r\n{}"), UNREADABLE),
        ("a chunk without a size", chunked(b"zz\r\n{}\r\n0\r\n\r\n"), UNREADABLE),
        ("a length that is too large", head("Content-Length: 99999999999999999999\r\n"), UNREACHABLE),
        ("a length below nothing", head("Content-Length: -1\r\n"), UNREACHABLE),
        ("two lengths", head("Content-Length: 1\r\nContent-Length: 2\r\n"), UNREACHABLE),
        ("half of what was announced", whole[..whole.len() - 20].to_vec(), UNREADABLE),
        ("another protocol", b"* OK Gimap ready\r\n".to_vec(), UNREACHABLE),
        ("a status that is none", b"HTTP/1.1 999999 x\r\n\r\n".to_vec(), UNREACHABLE),
        ("NUL in a header", head("X: a\0b\r\nContent-Length: 0\r\n"), UNREACHABLE),
        ("a close", Vec::new(), UNREACHABLE),
        ("invalid UTF-8", json(b"{\"access_token\":\"ya29.\xff\xfe\",\"token_type\":\"Bearer\"}"), UNREADABLE),
        ("two tokens", token("\"access_token\":\"ya29.x\",\"access_token\":\"ya29.y\""), UNREADABLE),
        ("no token", json("{\"token_type\":\"Bearer\"}"), UNREADABLE),
        ("an empty token", token("\"access_token\":\"\""), UNREADABLE),
        ("a number for a token", token("\"access_token\":5"), UNREADABLE),
        ("null for a token", token("\"access_token\":null"), UNREADABLE),
        ("a list for a token", token("\"access_token\":[\"ya29.x\"]"), UNREADABLE),
        ("a line's end in the token", token("\"access_token\":\"ya29.x\\r\\ng2 LOGOUT\""), UNREADABLE),
        ("XOAUTH2's own mark in the token", token("\"access_token\":\"x\\u0001auth=Bearer y\""), UNREADABLE),
        ("NUL in the token", token("\"access_token\":\"ya29.x\\u0000\""), UNREADABLE),
        ("a blank in the token", token("\"access_token\":\"ya29.x y\""), UNREADABLE),
        ("a letter that is no ASCII", token("\"access_token\":\"ya29.\u{e9}\""), UNREADABLE),
        ("a time in words", token("\"expires_in\":\"3599\""), UNREADABLE),
        ("a time below nothing", token("\"expires_in\":-1"), UNREADABLE),
        ("half a second", token("\"expires_in\":1.5"), UNREADABLE),
        ("a time past all numbers", token("\"expires_in\":18446744073709551616"), UNREADABLE),
        ("no time at all", token("\"expires_in\":0"), UNREADABLE),
        ("another type of token", token("\"token_type\":\"mac\""), UNREADABLE),
        ("a type that nobody knows", token("\"token_type\":\"Bearer \""), UNREADABLE),
        ("no type", json("{\"access_token\":\"ya29.x\",\"expires_in\":3599}"), UNREADABLE),
        ("another scope", token("\"scope\":\"openid email\""), NO_MAIL),
        ("a scope that begins like it", token("\"scope\":\"https://mail.google.com/x\""), NO_MAIL),
        ("a list for a scope", token("\"scope\":[\"https://mail.google.com/\"]"), UNREADABLE),
        ("a number for a refresh token", token("\"refresh_token\":5"), UNREADABLE),
        (
            "letters that move the cursor",
            answer("400 Bad Request", "application/json", "{\"error\":\"\\u001b[2Jno\\u009b31m\\r\\n* OK [ALERT] x\\u202e\",\"error_description\":\"\\u001b]0;hostile\\u0007\\nerror_description\"}".as_bytes()),
            "Google's sign-in server answered \"[2Jno31m* OK [ALERT] x\".",
        ),
        (
            "an error without end",
            answer("401 Unauthorized", "application/json", format!("{{\"error\":\"{nearly}\"}}").as_bytes()),
            "Google's sign-in server answered \"xxx",
        ),
        ("a number for an error", answer("400 Bad Request", "application/json", b"{\"error\":5}"), UNREADABLE),
        ("an error that is no error", json("{\"error\":\"invalid_grant\"}"), UNREADABLE),
    ]
}

#[tokio::test]
async fn no_answer_is_taken_for_more_than_it_is() {
    let log = Log::begin();
    let (world, server) = world().await;
    let record = std::fs::read(world.record_file()).unwrap();
    let at_imap = world.google.imap().connections_so_far();
    for (name, bytes, sentence) in answers() {
        server.play([vec![hear(REQUEST), say(bytes)]]);
        world.server().reload().unwrap();
        let heard = told::imap(&world).await;
        told::assert_goodbye(name, &heard);
        let said = heard.contains(&format!("* BYE {sentence}"))
            || heard.contains(&format!("Gatepost: {sentence}"));
        assert!(said, "{name}: {heard}");
        assert!(server.heard().contains("grant_type=refresh_token"), "{name}: nobody came");
        assert_eq!(std::fs::read(world.record_file()).unwrap(), record, "{name}");
        let status = serde_json::to_string(&world.server().status()).unwrap();
        told::assert_shows_nothing_odd(name, &status);
    }
    assert!(!server.heard().to_ascii_lowercase().contains("accept-encoding"));
    assert_eq!(world.google.imap().connections_so_far(), at_imap, "no token was tried");
    let log = log.text();
    assert!(log.contains("answered “[2Jno31m"), "{log}");
    for wrong in ["is of another type than Bearer", "is empty", "is too long", "has characters"] {
        assert!(
            log.contains(&format!("the access token that the sign-in server gave {wrong}")),
            "{wrong}"
        );
    }
    told::assert_shows_nothing_odd("the log", &log);
    assert!(!log.contains("error_description") && !log.contains("ya29."), "{log}");
    // And nothing was lost by any of it.
    world.provide("token_url", &world.authorization().urls().token_url);
    world.server().reload().unwrap();
    drop(world.signed_on().await);
}

#[tokio::test]
async fn nobody_is_sent_on_with_a_secret() {
    let (world, server) = world().await;
    let elsewhere = Server::start(None).await;
    let settings = || Settings::load(&world.home, None).unwrap().server.unwrap();
    let place = format!("http://127.0.0.1:{}", server.port);
    world.provide("userinfo_url", &format!("{place}/userinfo"));
    world.provide("revoke_url", &format!("{place}/revoke"));
    world.server().reload().unwrap();
    for status in [300, 301, 302, 303, 307, 308] {
        let name = status.to_string();
        let to = format!("http://127.0.0.1:{}/token", elsewhere.port);
        let on = format!("HTTP/1.1 {status} Go on\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        server.play([vec![hear(REQUEST), say(&on)]]);
        world.server().reload().unwrap();
        let heard = told::imap(&world).await;
        told::assert_goodbye(&name, &heard);
        assert!(heard.contains(UNREADABLE), "{name}: {heard}");
        server.play([vec![hear("\r\n\r\n"), say(&on)]]);
        let identity = settings().identity(&AccessToken::new("ya29.secret")).await;
        assert_eq!(identity.unwrap_err().code(), "unreadable_answer", "{name}");
        assert!(server.was_sent(&["ya29.secret"]));
        server.play([vec![hear("secret"), say(&on)]]);
        let revoked = settings().revoke(&RefreshToken::new("1//secret")).await;
        assert_eq!(revoked.unwrap_err().code(), "unreadable_answer", "{name}");
    }
    assert_eq!(elsewhere.connections(), 0, "{}", elsewhere.heard());
}

#[tokio::test]
async fn an_answer_without_end_is_not_waited_for_or_kept() {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let floods = [
        ("a body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk.as_str()),
        (
            "a gigabyte",
            "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n",
            "{\"access_token\":",
        ),
        ("a body up to the close", "HTTP/1.1 200 OK\r\n\r\n", " "),
        ("headers", "HTTP/1.1 200 OK\r\n", "X-A: b\r\n"),
        ("one header", "HTTP/1.1 200 OK\r\nX-A: ", "b"),
        ("an error's body", "HTTP/1.1 400 Bad Request\r\n\r\n", "x"),
    ];
    let (world, server) = world().await;
    for (name, head, endless) in floods {
        server.play([vec![hear(REQUEST), say(head), Act::Flood(endless.into(), FLOOD)]]);
        world.server().reload().unwrap();
        let heard = told::imap(&world).await;
        told::assert_goodbye(name, &heard);
        assert!(server.flooded() < TAKEN, "{name}: {} bytes were taken", server.flooded());
    }
}

#[tokio::test]
async fn an_answer_that_trickles_in_is_given_up() {
    let floods: [(&str, Vec<Act>); 3] = [
        ("nothing at all", vec![Act::Stay]),
        ("a byte a second", vec![Act::Drip(token("\"x\":1"), 1, Duration::from_secs(1))]),
        (
            "leave to go on, again and again",
            vec![Act::Drip(
                b"HTTP/1.1 100 Continue\r\n\r\n".repeat(4000),
                25,
                Duration::from_millis(5),
            )],
        ),
    ];
    let worlds = floods.into_iter().map(|(name, acts)| async move {
        let (world, server) = world().await;
        server.play([[vec![hear(REQUEST)], acts].concat()]);
        let heard = told::imap(&world).await;
        told::assert_goodbye(name, &heard);
        assert!(heard.contains(UNREACHABLE), "{name}: {heard}");
    });
    futures_util::future::join_all(worlds).await;
}

#[tokio::test]
async fn what_stands_beside_a_good_token_changes_nothing() {
    let log = Log::begin();
    let (world, server) = world().await;
    let record = std::fs::read(world.record_file()).unwrap();
    let long = format!("\"refresh_token\":\"{}\"", "x".repeat(40_000));
    for beside in [
        "\"expires_in\":18446744073709551615",
        "\"expires_in\":9223372036854775807,\"refresh_token_expires_in\":18446744073709551615",
        "\"refresh_token\":\"\"",
        "\"refresh_token\":\"1//a\\r\\nb\\u0000\"",
        "\"refresh_token\":\"1//\u{e9}\"",
        &long,
        "\"id_token\":5",
        "\"id_token\":\"\\u0000\\u001b[2J.x.y\"",
        "\"token_type\":\"bEARER\"",
        "\"error\":\"invalid_grant\"",
    ] {
        // The one before is not taken any more, so that another is asked for.
        world.authorization().expire_access_tokens();
        let good = world.authorization().access_token(crate::support::YOU).unwrap();
        let members = format!("\"access_token\":\"{good}\",{beside}");
        server.play([vec![hear(REQUEST), say(token(&members))]]);
        let mut client = world.signed_on().await;
        client.send("a NOOP\r\n").await;
        client.until("a OK").await;
        assert_eq!(server.connections(), 1, "{beside}");
        let left = world.account().token_expires_in.unwrap();
        let life = if beside.contains("\"expires_in\"") { 86_400 } else { 3_599 };
        assert!((life - 60..=life).contains(&left), "{beside}: {left}");
        assert_eq!(std::fs::read(world.record_file()).unwrap(), record, "{beside}");
    }
    let log = log.text();
    for wrong in ["is empty", "is too long", "has characters that no token has"] {
        let told =
            format!("the refresh token that the sign-in server gave {wrong}; it is not used");
        assert!(log.contains(&told), "{wrong}: {log}");
    }
    assert!(!log.contains("1//") && !log.contains("xxx"), "{log}");
}

#[tokio::test]
async fn who_consented_and_what_was_revoked_is_believed_of_nothing_but_an_answer() {
    let (world, server) = world().await;
    let place = format!("http://127.0.0.1:{}", server.port);
    world.provide("userinfo_url", &format!("{place}/userinfo"));
    world.provide("revoke_url", &format!("{place}/revoke"));
    let ours = Settings::load(&world.home, None).unwrap().server.unwrap();
    let page = answer("200 OK", "text/html", b"<p>Sign in");
    let of_size = |size| {
        let mut body = b"{\"email\":\"you@gmail.com\"}".to_vec();
        body.resize(size, b' ');
        json(body)
    };
    let rows: [(&str, Vec<u8>, Result<(), &str>); 7] = [
        ("a page", page.clone(), Err("account_unknown")),
        ("a number", json("{\"email\":5}"), Err("account_unknown")),
        ("nobody", json("{}"), Err("account_unknown")),
        ("nesting", json("[".repeat(50_000)), Err("account_unknown")),
        ("as long as one may be", of_size(64 * 1024), Ok(())),
        ("too long", of_size(64 * 1024 + 1), Err("unreadable_answer")),
        (
            "trouble",
            answer("500 No", "application/json", b"{\"email\":\"you@gmail.com\"}"),
            Err("server_trouble"),
        ),
    ];
    for (name, bytes, wanted) in rows {
        server.play([vec![hear("\r\n\r\n"), say(bytes)]]);
        let identity = ours.identity(&AccessToken::new("ya29.x")).await;
        let code = identity.as_ref().map(|_| ()).map_err(gatepost::token::Cause::code);
        assert_eq!(code, wanted, "{name}");
    }
    let endless = Act::Flood(b"x".to_vec(), FLOOD);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n";
    server.play([vec![hear("token="), say(head), endless]]);
    let revoked = ours.revoke(&RefreshToken::new("1//x")).await;
    assert_eq!(revoked.unwrap_err().code(), "unreadable_answer");
    assert!(server.flooded() < TAKEN, "{}", server.flooded());
    for (status, wanted) in [
        ("200 OK", Ok(())),
        // There is no such token any more.
        ("400 Bad Request", Ok(())),
        ("401 Unauthorized", Err("other")),
        ("503 No", Err("server_trouble")),
    ] {
        server.play([vec![hear("token="), say(answer(status, "text/html", b""))]]);
        let revoked = ours.revoke(&RefreshToken::new("1//x")).await;
        assert_eq!(revoked.map_err(|cause| cause.code()), wanted, "{status}");
    }
}

/// The address that userinfo gives becomes the name of the sign-on: it must not carry more than that.
#[tokio::test]
async fn a_name_that_is_more_than_a_name_signs_nobody_in() {
    use gatepost::accounts::NewPassword;
    use gatepost::demo::authorization::UserinfoFault;
    use gatepost::demo::faults::Times;

    let world = World::signed_out("").await;
    for (email, code) in [
        ("you+\u{1}auth=Bearer x\u{1}\u{1}@gmail.com", "account_unknown"),
        ("you\r\n@gmail.com", "account_unknown"),
        ("you@gmail.com\0", "account_unknown"),
        ("\u{1b}[2Jyou@gmail.com", "account_unknown"),
        ("you@gmail.com you@gmail.com", "account_unknown"),
        ("\u{202e}you@gmail.com", "other_account"),
    ] {
        let fault = UserinfoFault::WrongAccount(email.to_owned());
        world.authorization().fail_userinfo(fault, Times::Next(1));
        let error = world.sign_in(crate::support::YOU, NewPassword::generate().unwrap()).await;
        let error = error.unwrap_err();
        assert_eq!(error.code(), code, "{email:?}");
        told::assert_shows_nothing_odd(email, &error.to_string());
    }
    assert!(!world.record_file().exists());
    assert_eq!(world.google.imap().connections_so_far(), 0);
}
