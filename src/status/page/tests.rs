use std::time::{Duration, UNIX_EPOCH};

use super::samples::{ANNA, NOW, PASSWORD, address, csrf, empty, listen, troubled, well};
use super::*;
use crate::proxy::Status;
use crate::secret::LocalPassword;

/// Every page that there is, each with what it shows.
fn pages() -> Vec<(&'static str, String)> {
    let (anna, csrf, well, listen) = (address(ANNA), csrf(), well(), listen());
    let password = LocalPassword::new(PASSWORD);
    let testing = Some(Duration::from_secs(7 * 86_400));
    vec![
        ("well", overview(&view(well.clone(), true))),
        ("troubled", overview(&view(troubled(), true))),
        ("empty", overview(&view(empty(), true))),
        ("no-client", overview(&view(empty(), false))),
        ("settings", settings(&anna, &listen, &well)),
        ("added", signed_in(&anna, Some(&password), testing, &listen, &well)),
        ("signed-in", signed_in(&anna, None, None, &listen, &well)),
        ("under-way", under_way(&anna)),
        ("forget", forget(&anna, &csrf)),
        ("no-visit", message(&Message::NoVisit)),
        ("link-used-up", message(&Message::LinkUsedUp)),
        ("refused", message(&Message::Refused)),
        ("wrong-host", message(&Message::WrongHost)),
        ("other-user", message(&Message::OtherUser)),
        ("opened", opened()),
        ("not-found", message(&Message::NotFound)),
        (
            "failed",
            message(&Message::Failed {
                sentence: "Google can't be reached (no answer within 10 s).",
                remedy: "Check the network, and try again.",
            }),
        ),
        (
            "not-signed-in",
            message(&Message::NotSignedIn {
                address: &anna,
                sentence: "Google gave no access to the mail: the box for it was not ticked.",
                remedy: "Run `gatepost login anna.example@gmail.com` again and tick “Read, compose, send, and permanently delete all your email from Gmail”.",
                csrf: &csrf,
            }),
        ),
    ]
}

fn view(status: Status, has_client: bool) -> Overview {
    Overview::new(status, UNIX_EPOCH + Duration::from_secs(NOW), csrf(), has_client)
}

/// For a person who works on the pages: `PAGES=FOLDER cargo test --lib status::page` writes them there.
#[test]
fn write_out() {
    let Some(folder) = std::env::var_os("PAGES") else { return };
    let folder = std::path::Path::new(&folder);
    for (name, page) in pages() {
        std::fs::write(folder.join(format!("{name}.html")), page).unwrap();
    }
    let (frame, assets) = (frame::Frame::default(), folder.join("assets"));
    std::fs::create_dir_all(&assets).unwrap();
    for name in [frame.style, frame.script, frame.icon] {
        std::fs::write(assets.join(name), asset(name).unwrap().contents).unwrap();
    }
}
