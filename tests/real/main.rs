//! Gatepost between real mail clients and real servers: the real binary, driven by its contract
//! alone (the commands, `config.toml`, the wire), with Dovecot and Postfix in Gmail's place.
//!
//! One file a behaviour. `./test` runs all of it; `cargo test --test real sign_on`, as root, one part
//! of it on a machine that has the packages of `tests/packages.txt`.

// A test that can't go on says so and fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod support;

mod bed_itself;
mod broken_worlds;
mod client_passwords;
mod client_table;
mod continuity;
mod disk;
mod email_oauth2_proxy;
mod faults;
mod holding;
mod hundred_sessions;
mod idle;
mod intruders;
mod keychain;
mod kills;
mod local_tls;
mod logs;
mod mail_clients;
mod many_clients;
mod memory;
mod monitoring;
mod notices;
mod outages;
mod outlook;
mod page;
mod page_users;
mod round_trip;
mod running;
mod service;
mod sign_in;
mod sign_on_imap;
mod sign_on_smtp;
mod smuggling;
mod soak;
mod ten_clients;
mod thunderbird;
mod token_life;
mod upstream_floods;
mod upstream_tls;
mod windows;
mod wrong_password;
