//! `gatepost setup`, as a newcomer goes through it on a terminal, and as a script does without one.

// What opens a browser and the folder of downloads are the system's own elsewhere, not a test's.
#![cfg(target_os = "linux")]
// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod desk;
mod screens;
mod scripts;
mod terminal;
mod troubles;
mod whole_way;
