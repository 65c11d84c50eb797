//! What is hostile or broken, on either side of the proxy and at the authorization server.

// A test that can't go on says so and fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod authorization;
mod clients;
mod control;
mod crowds;
mod disk;
mod first_lines;
mod log;
mod oauth;
mod relay;
mod server;
mod told;
mod upstream;
mod upstream_certificates;
