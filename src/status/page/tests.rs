use super::samples::{ANNA, PASSWORD, VISIT, address, empty, places, troubled, well};
use super::*;

/// Every page that there is, each with what it shows.
fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("well", overview(&well(), true, &VISIT)),
        ("troubled", overview(&troubled(), true, &VISIT)),
        ("empty", overview(&empty(), true, &VISIT)),
        ("no-client", overview(&empty(), false, &VISIT)),
        ("settings", settings(&address(ANNA), &places())),
        ("added", signed_in(&address(ANNA), &places(), Some(PASSWORD))),
        ("signed-in", signed_in(&address(ANNA), &places(), None)),
        ("forget", forget(&address(ANNA), VISIT.csrf)),
        (
            "failed",
            failed("Google can't be reached (no answer within 10 s).", "Check the network."),
        ),
        (
            "not-signed-in",
            sign_in_failed(
                &address(ANNA),
                "Google gave no access to the mail: the box for it was not ticked.",
                "Run `gatepost login anna.example@gmail.com` again and tick “Read, compose, send, and permanently delete all your email from Gmail”.",
                VISIT.csrf,
            ),
        ),
        ("no-visit", session_needed()),
        ("link-used-up", link_used()),
        ("refused", refused()),
        ("wrong-host", wrong_host()),
        ("other-user", other_user()),
        ("not-found", not_found()),
        ("opened", opened()),
        ("under-way", under_way()),
    ]
}

/// For a person who works on the pages: `PAGES=FOLDER cargo test --lib status::page` writes them there.
#[test]
fn write_out() {
    let Some(folder) = std::env::var_os("PAGES") else { return };
    let folder = std::path::Path::new(&folder);
    for (name, page) in pages() {
        std::fs::write(folder.join(format!("{name}.html")), page).unwrap();
    }
    let frame = frame::Frame::default();
    for path in [frame.style, frame.script, frame.icon] {
        let asset = asset(path).unwrap();
        let file = folder.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, asset.contents).unwrap();
    }
}
