//! strace(1): sees the system calls of a Gatepost that runs or that is started by it, and has one of
//! them kill it, or fail.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::process;

/// What a write consists of.
const WRITES: &str = "mkdir,openat,flock,fchmod,write,fsync,fdatasync,ftruncate,rename,renameat,renameat2,link,linkat,unlink,unlinkat";

/// How long strace may take to be there.
const ATTACHED: Duration = Duration::from_secs(20);

/// A system call, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Which of its name it is in its thread, from 1: strace counts the same way.
    pub(crate) nth: usize,
    /// All that was written of it, with the paths that its descriptors stand for.
    pub(crate) text: String,
}

/// What becomes of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inject<'a> {
    pub(crate) name: &'a str,
    /// `signal=KILL`, `error=ENOSPC`.
    pub(crate) what: &'a str,
    /// `3`: the third of each thread; `1+`: all.
    pub(crate) when: &'a str,
}

/// Where one trace goes.
pub(crate) struct Trace(PathBuf);

/// A strace that is attached. It lets go when dropped.
pub(crate) struct Attached(Child);

impl Trace {
    pub(crate) fn into_file(file: PathBuf) -> Self {
        // What an earlier one has said is of no use.
        drop(fs::remove_file(&file));
        Self(file)
    }

    /// The command line that a program is started by.
    pub(crate) fn words(&self, inject: Option<Inject<'_>>) -> Vec<String> {
        let mut words = vec!["strace".into(), "-f".into(), "-y".into(), "-qq".into()];
        words.extend(["-s".into(), "16".into(), "-o".into(), self.0.display().to_string()]);
        words.extend(["-e".into(), format!("trace={WRITES}")]);
        if let Some(Inject { name, what, when }) = inject {
            words.extend(["-e".into(), format!("inject={name}:{what}:when={when}")]);
        }
        words
    }

    /// Looks on a process that runs, from now on.
    pub(crate) fn attach(&self, pid: u32, inject: Option<Inject<'_>>) -> Attached {
        let words = self.words(inject);
        let mut strace = Command::new("setpriv");
        strace.args(["--pdeathsig", "KILL"]).args(words).args(["-p", &pid.to_string()]);
        let child = strace.stdin(Stdio::null()).spawn().expect("strace");
        let attached = Attached(child);
        let traced = || {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
            tasks.flatten().all(|task| {
                let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
                !status.contains("TracerPid:\t0\n")
            })
        };
        assert!(process::until(ATTACHED, traced), "strace does not attach");
        attached
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let log = fs::read(&self.0).unwrap_or_default();
        let mut counts = std::collections::HashMap::new();
        let mut calls = Vec::new();
        for line in String::from_utf8_lossy(&log).lines() {
            let Some((thread, text)) = line.split_once(' ') else { continue };
            let text = text.trim_start();
            let Some((name, _)) = text.split_once('(') else { continue };
            // The end of one that was told already, a signal, an exit.
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                continue;
            }
            let nth = counts.entry((thread.to_owned(), name.to_owned())).or_insert(0);
            *nth += 1;
            calls.push(Call { name: name.to_owned(), nth: *nth, text: text.to_owned() });
        }
        calls
    }

    /// The calls that have to do with this folder.
    pub(crate) fn calls_in(&self, folder: &Path) -> Vec<Call> {
        let folder = folder.display().to_string();
        let mut calls = self.calls();
        calls.retain(|call| call.text.contains(&folder));
        calls
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        // It lets its process go on, where it is told so politely.
        drop(Command::new("kill").args(["-INT", &pid]).status());
        if process::wait(&mut self.0, ATTACHED).is_none() {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }
}
