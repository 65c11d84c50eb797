//! Programs run by the tests: each has a time limit, so that one that hangs is named.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How often something is looked at again while waiting for it.
const GLANCE: Duration = Duration::from_millis(20);

/// Runs a program to its end with `stdin` as its standard input.
///
/// # Panics
/// If it can't be started, or isn't done within `limit` (then it is killed).
pub(crate) fn run(command: &mut Command, stdin: &[u8], limit: Duration) -> Output {
    let name = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut input = child.stdin.take().expect("piped");
    let stdin = stdin.to_owned();
    // A program that doesn't read its input closes it; that is no failure of the test.
    thread::spawn(move || drop(input.write_all(&stdin)));
    let stdout = gather(child.stdout.take().expect("piped"));
    let stderr = gather(child.stderr.take().expect("piped"));
    let ended = wait(&mut child, limit);
    if ended.is_none() {
        drop(child.kill());
    }
    let status = child.wait().expect("a child of ours");
    let output = Output {
        status,
        stdout: stdout.join().expect("reads only"),
        stderr: stderr.join().expect("reads only"),
    };
    assert!(ended.is_some(), "{name}: not done after {limit:?}\n{}", said(&output));
    output
}

/// As [`run`], for a program that must succeed; gives what it wrote to standard output.
pub(crate) fn run_well(command: &mut Command, stdin: &[u8], limit: Duration) -> Vec<u8> {
    let output = run(command, stdin, limit);
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    output.stdout
}

/// Both outputs, for a failure's message.
pub(crate) fn said(output: &Output) -> String {
    let lossy = String::from_utf8_lossy;
    format!("stdout: {}\nstderr: {}", lossy(&output.stdout), lossy(&output.stderr))
}

/// Waits for a child's end; `None` if it still runs after `limit`.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Option<std::process::ExitStatus> {
    let mut status = None;
    until(limit, || {
        status = child.try_wait().expect("a child of ours");
        status.is_some()
    });
    status
}

/// Looks at `condition` until it holds; false if it still doesn't after `limit`.
pub(crate) fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > limit {
            return false;
        }
        thread::sleep(GLANCE);
    }
    true
}

/// The memory that a process has in use, in bytes.
pub(crate) fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    line.split_whitespace().nth(1).expect("kB").parse::<u64>().expect("a number") * 1024
}

/// The end of a log, for a failure's message.
pub(crate) fn tail(log: &Path) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(log) {
        drop(file.read_to_end(&mut text));
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn gather(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        bytes
    })
}
