//! A Gatepost under Callgrind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::profile::Profile;
use crate::client::Door;
use crate::process::{self, Program};
use crate::target::Launch;

/// How often it is looked whether all is done.
const LOOK: Duration = Duration::from_millis(20);
/// CPU seconds in that time which are no work.
const STILL: f64 = 1e-4;

/// One that runs.
pub(super) struct Counted {
    pub(super) door: Door,
    program: Program,
    out: PathBuf,
    /// Profiles that were written so far.
    written: usize,
}

/// What is not installed, if anything.
pub(super) fn missing() -> Option<&'static str> {
    ["valgrind", "vgdb"].into_iter().find(|program| process::installed(program).is_none())
}

impl Counted {
    pub(super) fn start(mut launch: Launch, folder: &Path) -> io::Result<Self> {
        let out = folder.join("callgrind.out");
        let options = [
            // With one worker no thread takes work from another, which is a matter of chance.
            "env".to_owned(),
            "TOKIO_WORKER_THREADS=1".to_owned(),
            // Callgrind counts each byte that `rep stosb` and `rep movsb` move; in vectors it comes
            // nearer to what it costs.
            "GLIBC_TUNABLES=glibc.cpu.x86_rep_stosb_threshold=1073741824:\
             glibc.cpu.x86_rep_movsb_threshold=1073741824"
                .to_owned(),
            // The server and the client go first, so that what is read is there, as far as it can be:
            // in how many pieces it comes is a matter of chance too.
            "nice".to_owned(),
            "-n19".to_owned(),
            "valgrind".to_owned(),
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={}", out.display()),
            "--compress-strings=no".to_owned(),
            "--compress-pos=no".to_owned(),
            prefix(&out),
        ];
        launch.command.splice(0..0, options);
        let program = launch.start()?;
        Ok(Self { door: launch.door, program, out, written: 0 })
    }

    /// What was executed since it was last asked, once it has come to rest. The profile is also left
    /// in a file, which the next one replaces.
    pub(super) fn executed(&mut self) -> io::Result<Profile> {
        let processes = self.program.processes()?;
        let mut before = 0.0;
        loop {
            let now = process::cpu(&processes)?;
            if now - before < STILL {
                break;
            }
            before = now;
            thread::sleep(LOOK);
        }
        let [process] = processes[..] else {
            return Err(io::Error::other("Gatepost under Callgrind has ended"));
        };
        let output = Command::new("vgdb")
            .args([prefix(&self.out), format!("--pid={process}"), "--max-invoke-ms=10".to_owned()])
            .arg("dump")
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        self.written += 1;
        let mut part = self.out.clone().into_os_string();
        part.push(format!(".{}", self.written));
        fs::rename(part, self.latest())?;
        Profile::read(&fs::read_to_string(self.latest())?)
    }

    /// The file with the latest profile.
    pub(super) fn latest(&self) -> PathBuf {
        self.out.with_extension("latest")
    }
}

/// Where the process and vgdb meet.
fn prefix(out: &Path) -> String {
    format!("--vgdb-prefix={}", out.with_extension("vgdb").display())
}
