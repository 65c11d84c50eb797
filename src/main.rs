//! The `gatepost` command: everything is in the library; this is its exit code, and what its memory
//! leaves behind.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped as it is given back. Gatepost's own types wipe what they hold; this is for the
/// copies that libraries make of it: the bodies of HTTP requests and answers, JSON while it is read,
/// TLS records, the parts of a URL.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    gatepost::cli::main()
}
