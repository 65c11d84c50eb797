//! Programs under measurement: started so that they end with the bench however it ends, and what
//! `/proc` says of them.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// Runs a program for as long as its standard input is open, and ends its whole process group then.
const GUARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/guard.sh");

/// A program with all its processes; they end when this is dropped.
pub(crate) struct Program {
    guard: Child,
}

impl Program {
    /// Starts it; what it says goes to `log`.
    pub(crate) fn start(command: &[&str], log: &Path) -> io::Result<Self> {
        let out = File::create(log)?;
        Self::spawn(command, out.try_clone()?.into(), out.into())
    }

    /// Starts one whose standard output is read.
    pub(crate) fn start_heard(command: &[&str]) -> io::Result<(Self, ChildStdout)> {
        let mut program = Self::spawn(command, Stdio::piped(), Stdio::inherit())?;
        let out = program.guard.stdout.take();
        out.map(|out| (program, out)).ok_or_else(|| io::Error::other("no standard output"))
    }

    fn spawn(command: &[&str], stdout: Stdio, stderr: Stdio) -> io::Result<Self> {
        let guard = Command::new("sh")
            .arg(GUARD)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .spawn()?;
        Ok(Self { guard })
    }

    /// Its processes, without those that guard it.
    pub(crate) fn processes(&self) -> io::Result<Vec<u32>> {
        let group = self.guard.id();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            // pid (name) state parent group …; the name may have spaces and parentheses in it.
            let Some((front, behind)) = stat.rsplit_once(") ") else { continue };
            let is_ours = behind.split(' ').nth(2).is_some_and(|of| of == group.to_string());
            let guards = pid == group || front.ends_with("(cat") || front.ends_with("(sh");
            if is_ours && !guards {
                found.push(pid);
            }
        }
        Ok(found)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// CPU time that processes have used, in seconds, that of threads which have ended included. The clock
/// counts nanoseconds, where `/proc` has hundredths of a second.
pub(crate) fn cpu(pids: &[u32]) -> io::Result<f64> {
    pids.iter().try_fold(0.0, |sum, pid| {
        let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed()))?;
        Ok(sum + Duration::from(clock.now()?).as_secs_f64())
    })
}

/// Context switches of processes so far.
pub(crate) fn switches(pids: &[u32]) -> io::Result<f64> {
    let mut switches = 0_u64;
    for pid in pids {
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let status = fs::read_to_string(thread?.path().join("status")).unwrap_or_default();
            switches += status
                .lines()
                .filter(|line| line.contains("ctxt_switches:"))
                .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
                .sum::<u64>();
        }
    }
    Ok(switches as f64)
}

/// Memory of processes, in KiB, with their share of what others have in common with them.
pub(crate) fn memory(pids: &[u32]) -> io::Result<f64> {
    pids.iter().try_fold(0.0, |sum, pid| {
        // Gatepost's is closed to its own user too (`private_memory`).
        let text =
            fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).map_err(|error| match error
                .kind()
            {
                io::ErrorKind::PermissionDenied => {
                    io::Error::other("only root sees how much memory it has")
                }
                _ => error,
            })?;
        Ok(sum + kib(&text, "Pss:")?)
    })
}

/// The most memory that processes have had so far, in KiB, what they share with others included.
pub(crate) fn peak(pids: &[u32]) -> io::Result<f64> {
    pids.iter().try_fold(0.0, |sum, pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(sum + kib(&text, "VmHWM:")?)
    })
}

fn kib(text: &str, name: &str) -> io::Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc has no {name}")))
}

/// For all that is started from here. Ten thousand sessions need twice as many descriptors in a proxy;
/// only root may have more than the hard limit.
pub(crate) fn raise_descriptor_limit() -> io::Result<()> {
    const WANTED: u64 = 32_768;
    let (_, hard) = rlimit::getrlimit(rlimit::Resource::NOFILE)?;
    if hard < WANTED && rlimit::setrlimit(rlimit::Resource::NOFILE, WANTED, WANTED).is_ok() {
        return Ok(());
    }
    rlimit::increase_nofile_limit(u64::MAX).map(drop)
}

/// How long a program may take until it listens; under Valgrind, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something listens there.
pub(crate) fn listening(address: SocketAddr) -> io::Result<()> {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        if start.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("nothing listens at {address}")));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// A port of 127.0.0.1 that nobody has, and that was not given before: whom it was for may not have
/// taken it yet.
pub(crate) fn free_port() -> io::Result<SocketAddr> {
    static GIVEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        if !given.contains(&address.port()) {
            given.push(address.port());
            return Ok(address);
        }
    }
}

/// Where a program lies, if it is installed. Debian keeps servers where a user's PATH doesn't lead.
pub(crate) fn installed(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
