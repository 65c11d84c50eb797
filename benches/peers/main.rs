//! Gatepost beside its peers: `cargo bench --bench peers`.
//!
//! A mail server that answers from memory, and in front of it, one after another: nothing, Gatepost's
//! release binary, and each peer that is installed. Every row of figures is taken from each of them
//! in turn, and that some times over, so that what the machine does meanwhile falls upon all alike.
//! Only ratios within one run mean something. Everything listens on 127.0.0.1 and ends with the bench.
//!
//! `cargo bench --bench peers -- --instructions` counts the instructions that Gatepost executes instead.
//!
//! It reads `/proc`, so it measures on Linux only.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that tells its figures on the terminal"
)]

#[cfg(target_os = "linux")]
mod bars;
#[cfg(target_os = "linux")]
mod bench;
#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod colleagues;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
mod gatepost_home;
#[cfg(target_os = "linux")]
mod growth;
#[cfg(target_os = "linux")]
mod instructions;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod plot;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod real;
#[cfg(target_os = "linux")]
mod relays;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod rows;
#[cfg(target_os = "linux")]
mod stage;
/// The servers of the tests against real ones.
#[cfg(target_os = "linux")]
#[path = "../../tests/real/support"]
#[allow(
    dead_code,
    unused_imports,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "made for tests, and more than is used here"
)]
mod support {
    pub(crate) mod bed;
    pub(crate) mod process;
    pub(crate) mod servers;
}
#[cfg(target_os = "linux")]
mod target;
#[cfg(target_os = "linux")]
mod upstream;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use clap::Parser as _;
    let options = options::Options::parse();
    let done = match &options.upstream {
        Some(folder) => upstream::run(folder),
        None if options.instructions => instructions::run(&options),
        None => bench::run(&options),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the bench: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("This bench reads /proc and measures on Linux only.");
}
