//! The control channel: every program of the machine can come to its port, and gets nothing there without
//! the token in its file.

use std::time::Duration;

use gatepost::control::{Channel, Request};
use gatepost::status::Site;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, World, YOU};

/// Where the channel is, and its token: what its file says.
fn file(world: &World) -> (String, String) {
    let text = std::fs::read_to_string(world.home.control_file()).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    (format!("127.0.0.1:{}", file["port"]), file["token"].as_str().unwrap().to_owned())
}

/// All that is answered to this. The channel closes once it has done what it does.
async fn answer(address: &str, envelope: Value) -> String {
    let mut client = Client::connect(address).await;
    client.send(format!("{envelope}\n")).await;
    client.rest().await
}

#[tokio::test]
async fn without_its_token_nothing_is_answered_and_nothing_is_done() {
    let world = World::new().await;
    // It opens the account, so that its grant could be ended.
    drop(world.signed_on().await);
    let site = Site::open(world.server());
    let mut channel = Channel::open(site.desk().clone()).await.unwrap();
    let (address, token) = file(&world);
    let requests = [
        Request::Status,
        Request::Page,
        Request::Reload,
        Request::Revoke(YOU.to_owned()),
        Request::Stop,
    ];
    let guesses = [
        ("a wrong one", json!("0".repeat(64))),
        ("its beginning", json!(token[..63])),
        ("more than it", json!(format!("{token}0"))),
        ("an empty one", json!("")),
        ("null", Value::Null),
    ];
    for request in &requests {
        for (name, guess) in &guesses {
            let heard = answer(&address, json!({ "token": guess, "request": request })).await;
            assert_eq!(heard, "", "{name}: {request:?}");
        }
        assert_eq!(answer(&address, json!({ "request": request })).await, "", "none: {request:?}");
    }
    let stops = timeout(Duration::ZERO, channel.stop_asked()).await;
    assert!(stops.is_err(), "a stop was asked");
    assert_eq!(world.authorization().revocations(), 0);

    // The same requests, with it.
    for request in &requests {
        let heard = answer(&address, json!({ "token": token, "request": request })).await;
        assert!(heard.ends_with('\n'), "{request:?}: {heard}");
    }
    timeout(PATIENCE, channel.stop_asked()).await.expect("a stop was asked");
    assert_eq!(world.authorization().revocations(), 1);
}

#[tokio::test]
async fn its_file_is_its_owners_alone() {
    let mut world = World::signed_out("").await;
    world.start();
    let file = world.home.control_file();
    // Whatever the one before it was.
    std::fs::write(&file, "left behind").unwrap();
    let site = Site::open(world.server());
    let _channel = Channel::open(site.desk().clone()).await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{mode:04o}");
    }
    // The access list of the home keeps others out, and whatever is made in it inherits that.
    #[cfg(not(unix))]
    assert_eq!(file.parent(), Some(world.home.data()));
}
