//! What Gatepost does for itself and for its person: tokens, sign-ins, looks.

use std::{process::Command, thread, time::Duration};

use serde_json::Value;

use super::{
    mail::{TOKEN_LIFE, sign_on_imap},
    outcome::{Outcome, told},
    world::World,
};
use crate::support::process::{self, said};

/// `gatepost check` is done within this: it looks at one thing after the other, and none waits for longer
/// than a sign-on may.
const CHECK: Duration = Duration::from_secs(110);

/// A sign-on whose token has ended.
pub(super) fn refresh(world: &mut World) -> Outcome {
    world.reaches("before the refresh");
    thread::sleep(TOKEN_LIFE + Duration::from_secs(1));
    sign_on_imap(world)
}

/// The proxy starts anew and has no token yet.
pub(super) fn restart(world: &mut World) -> Outcome {
    world.reaches("before the restart");
    world.restart();
    sign_on_imap(world)
}

/// The person signs in again; what was there is served before and after.
pub(super) fn login(world: &mut World) -> Outcome {
    world.reaches("before login");
    let login = world.home.login(&world.address, &[], b"");
    let event = &login.outcome;
    match (login.code, event["event"].as_str()) {
        (Some(0), Some("signed_in")) => sign_on_imap(world),
        (Some(code), Some("failed")) if code != 0 => sentence(event),
        _ => Outcome::Defect(format!("{:?}: {event}", login.code)),
    }
}

/// A sentence and its remedy.
fn sentence(of: &Value) -> Outcome {
    let text = |key: &str| of[key].as_str().unwrap_or_default();
    let first = ["sentence", "reason"].map(text);
    let words = first.into_iter().find(|words| !words.is_empty()).unwrap_or_default();
    match words.is_empty() {
        true => Outcome::Defect(format!("no sentence in {of}")),
        false => told(format!("{words} {}", text("remedy")).trim()),
    }
}

pub(super) fn check(world: &mut World) -> Outcome {
    world.reaches("before connecting");
    let password = format!("{}\n", world.password);
    let mut check = world.home.command(&["check", "--json", "--password-stdin"]);
    let output = process::run(&mut check, password.as_bytes(), CHECK);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let findings: Vec<Value> =
        stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let failed = findings.iter().find(|finding| finding["outcome"] == "failed");
    match (output.status.code(), failed) {
        (Some(0), None) if !findings.is_empty() => Outcome::CarriedOn,
        (Some(1), Some(finding)) => sentence(finding),
        _ => Outcome::Defect(said(&output)),
    }
}

/// A monitoring program's look, deep and plain.
pub(super) fn healthz(world: &mut World) -> Outcome {
    // A sign-on opens the account. What was found is good for half a minute.
    let signed_on = sign_on_imap(world);
    if signed_on != Outcome::CarriedOn {
        return signed_on;
    }
    thread::sleep(Duration::from_secs(31));
    world.reaches("before the look");
    let place = world.home.status()["listeners"]["status"].clone();
    let place = place.as_str().expect("it listens").to_owned();
    let ask = |what: &str, seconds: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", seconds]);
        curl.args(["--write-out", "\n%{http_code}", &format!("http://{place}/{what}")]);
        process::run(&mut curl, b"", Duration::from_secs(40))
    };
    let (deep, plain) = (ask("healthz?deep", "30"), ask("healthz", "10"));
    if !(deep.status.success() && plain.status.success()) {
        return Outcome::Defect(format!("{}\n{}", said(&deep), said(&plain)));
    }
    let text = String::from_utf8_lossy(&deep.stdout);
    let (body, code) = text.rsplit_once('\n').unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    match (code, body["status"].as_str()) {
        ("200", Some("ok")) => Outcome::CarriedOn,
        ("503", Some("failing")) => sentence(&body["accounts"][0]),
        _ => Outcome::Defect(said(&deep)),
    }
}
