//! The disk takes nothing, while refresh tokens rotate and the old ones end at once.

use std::{fs, process::Command, sync::Arc, time::Duration};

use serde_json::Value;

use crate::support::{
    gatepost::PROMPT,
    machine::{Machine, or_left_out},
    process,
    scene::{Scene, Setting},
    tracing::{Inject, Trace},
};

const LIMIT: Duration = Duration::from_secs(180);
/// It is tried again every quarter of a minute.
const TRIED_AGAIN: Duration = Duration::from_secs(40);

fn health(scene: &Scene) -> Value {
    let status = scene.home.status();
    let page = status["listeners"]["status"].as_str().expect("its address");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--noproxy", "*", &format!("http://{page}/healthz")]);
    serde_json::from_slice(&process::run_well(&mut curl, b"", PROMPT)).expect("JSON")
}

fn warnings(scene: &Scene) -> Vec<String> {
    let status = scene.home.status();
    let warnings = status["warnings"].as_array().expect("a list");
    let of_it = warnings.iter().filter(|it| it["kind"] == "token_unstored");
    of_it.map(|it| format!("{} {}", it["sentence"], it["remedy"])).collect()
}

#[test]
fn a_token_that_can_t_be_stored_is_used_told_once_and_stored_when_there_is_room() {
    Setting::default().play(LIMIT, |scene| {
        scene.bed.google.set_rotation(true);
        let file = scene.home.folder().join("accounts/annaexample@gmail.com.json");
        let before = fs::read(&file).unwrap();
        let faults = [
            ("fsync", "error=ENOSPC", "No space left on device", "Make room on the disk."),
            ("fsync", "error=EDQUOT", "quota exceeded", "Make room on the disk."),
            ("fsync", "error=EIO", "Input/output error", "read and write there."),
            ("renameat", "error=EROFS", "Read-only file system", "read and write there."),
        ];
        for (name, what, words, remedy) in faults {
            let trace = Trace::into_file(scene.home.said().join("strace"));
            let inject = Inject { name, what, when: "1+" };
            let strace = trace.attach(scene.proxy().pid(), Some(inject));
            scene.bed.google.expire_access_tokens();
            // The server takes none but the newest, which is in memory only.
            drop(scene.signed_on());
            let warnings = warnings(scene);
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            let told = warnings[0].to_lowercase();
            assert!(told.contains(&words.to_lowercase()), "{told}");
            assert!(told.contains(&remedy.to_lowercase()), "{told}");
            assert_eq!(fs::read(&file).unwrap(), before, "as it was");
            drop(strace);
        }
        let told = scene.log().matches("the new refresh token can't be stored").count();
        assert_eq!(told, 1, "told once");
        let health_then = health(scene);
        if health_then["problems"] != Value::Array(Vec::new()) {
            assert_eq!(health_then["problems"][0]["state"], "token_unstored", "{health_then}");
            assert_eq!(health_then["status"], "failing");
        }

        let stored = || fs::read(&file).unwrap() != before;
        assert!(process::until(TRIED_AGAIN, stored), "not stored\n{}", scene.log());
        assert!(process::until(PROMPT, || warnings(scene).is_empty()));
        assert_eq!(health(scene)["status"], "ok");
        assert!(scene.log().contains("the new refresh token is stored now"));
        // The newest is on disk: an older one would not be taken.
        scene.restart();
        drop(scene.signed_on());
        let unfinished = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(unfinished, 2, "the record and the lock");
    });
}

#[test]
fn a_disk_that_is_full_to_its_last_byte_costs_no_token() {
    or_left_out("a disk that is full", || {
        Setting::default().play(LIMIT, |scene| {
            scene.bed.google.set_rotation(true);
            let home = scene.home.folder().to_owned();
            let machine = Arc::new(Machine::new());
            let file = machine.path(&home.join("accounts/annaexample@gmail.com.json"));
            scene.while_stopped(|scene| {
                machine.small_disk(&home);
                scene.move_to(&machine);
            });
            drop(scene.signed_on());
            machine.fill(&home);
            let before = fs::read(&file).unwrap();
            scene.bed.google.expire_access_tokens();
            // The server takes none but the newest, which is in memory only.
            drop(scene.signed_on());
            let is_told = || scene.log().contains("the new refresh token can't be stored");
            assert!(process::until(PROMPT, is_told), "{}", scene.log());
            assert_eq!(fs::read(&file).unwrap(), before, "as it was, and whole");

            machine.make_room(&home);
            let stored = || fs::read(&file).unwrap() != before;
            assert!(process::until(TRIED_AGAIN, stored), "not stored\n{}", scene.log());
            // The newest is on disk: an older one would not be taken.
            scene.restart();
            drop(scene.signed_on());
        });
    });
}
