//! The `gatepost` command: everything is in the library; this is its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatepost::cli::main()
}
