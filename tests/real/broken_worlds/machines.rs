//! What can be wrong with the machine: its disk, its users, its clock, its files.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    process::Command,
    time::Duration,
};

use super::frame::{Row, World, row};
use crate::support::{bed::ADDRESS, machine::Machine, process::run_well};

const PATIENCE: Duration = Duration::from_secs(20);

/// Users that every Debian has.
const GAMES: u32 = 5;
const DAEMON: u32 = 1;

/// What is told of a folder, and what to do.
const UNWRITABLE: [&str; 2] =
    ["/home can't be written to (", "Make the folder writable, or name another with --home."];
const ANOTHERS: [&str; 2] = [
    "/home is not yours to write to (",
    "Run Gatepost as the user whose folder it is, or name another with --home.",
];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        row("all is well", &[], 0, |world| world.arguments.push("--send".into())).then(arrived),
        row("all is well, and nothing runs", &[("running", "not_running")], 1, |world| {
            world.arguments.push("--send".into());
            world.runs = false;
        })
        .then(arrived),
    ];
    rows.extend(of_the_disk());
    rows.extend(of_the_user());
    rows
}

/// The message lies where Dovecot keeps the mail.
fn arrived(world: &mut World) {
    assert!(world.bed.store.count(ADDRESS, "Subject: Gatepost check ") > 0);
}

fn of_the_disk() -> [Row; 4] {
    [
        row("a full disk", &[("disk", "disk_full"), ("running", "not_running")], 1, |world| {
            world.runs = false;
            on_small_disk(world);
            fill(world);
        }),
        row("a disk that is full since", &[("disk", "disk_full")], 1, |world| {
            on_small_disk(world);
            world.start();
            fill(world);
        }),
        row("a folder that can't be written to", &[("home", "not_writable")], 1, |world| {
            world.runs = false;
            on_small_disk(world);
            read_only(world);
        })
        .saying(&UNWRITABLE),
        row("a folder that can't be written to since", &[("home", "not_writable")], 1, |world| {
            on_small_disk(world);
            world.start();
            read_only(world);
        })
        .saying(&UNWRITABLE),
    ]
}

/// A disk of its own under the home.
fn on_small_disk(world: &mut World) {
    let home = world.folder().to_owned();
    world.enter(Machine::new()).small_disk(&home);
}

fn fill(world: &World) {
    world.machine().fill(world.folder());
}

fn read_only(world: &World) {
    let home = world.folder().display();
    // A second mount of the same, since the first may have files that are open.
    world.machine().run(&format!(
        "mount --bind {home} {home}
         mount -o remount,bind,ro {home}"
    ));
}

fn of_the_user() -> [Row; 3] {
    [
        row("somebody else's folder", &[("home", "not_ours")], 1, |world| {
            world.runs = false;
            give(world, DAEMON);
            run_as_games(world);
        })
        .saying(&ANOTHERS),
        row("a folder that can't be passed through", &[("home", "not_ours")], 1, |world| {
            world.runs = false;
            give(world, GAMES);
            run_as_games(world);
            // The one above it is root's.
            let above = world.folder().parent().expect("a folder of its own");
            fs::set_permissions(above, fs::Permissions::from_mode(0o700)).expect("root");
        })
        .saying(&ANOTHERS),
        row("somebody else's record", &[("home", "not_ours")], 1, |world| {
            world.runs = false;
            give(world, GAMES);
            run_as_games(world);
            chown(world.record(), Some(DAEMON), Some(DAEMON)).expect("root");
        })
        .saying(&[
            ".json belongs to another user of this computer.",
            "Run Gatepost as the user whose files they are.",
        ]),
    ]
}

/// Gives the home to somebody.
fn give(world: &World, user: u32) {
    let owner = format!("{user}:{user}");
    run_well(Command::new("chown").args(["-R", &owner]).arg(world.folder()), b"", PATIENCE);
}

fn run_as_games(world: &World) {
    let copy = world.open.join("gatepost");
    // By another program: a process that another world starts would inherit the file while it is still
    // written here, and nobody could execute it (ETXTBSY).
    let binary = env!("CARGO_BIN_EXE_gatepost");
    run_well(Command::new("cp").arg(binary).arg(&copy), b"", PATIENCE);
    let id = GAMES.to_string();
    world.home.start_through(&["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"]);
    world.home.start_copy(&copy);
}
