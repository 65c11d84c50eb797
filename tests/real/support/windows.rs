//! Windows, as far as Wine is it. `tests/windows/run` builds the program and makes the prefix, which is
//! to Wine what the disk and the registry are to Windows.

use std::{
    env,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use super::process;

/// How long a command of Windows' own may take; Wine's first one in a while starts its server.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Windows {
    program: PathBuf,
    prefix: String,
}

/// Dropping it switches the computer off.
pub(crate) struct SwitchedOn(Child);

impl Drop for SwitchedOn {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Windows {
    /// What starts a program for Windows, before its path. Debian's `wine` is a script around it, which
    /// misses the Wine for 32 bits.
    pub(crate) const RUNNER: &'static str = "/usr/lib/wine/wine64";

    /// As `tests/windows/run` has prepared it.
    pub(crate) fn prepared() -> Self {
        let prepared = |name| {
            env::var(name).unwrap_or_else(|_| panic!("{name} isn't set: run tests/windows/run"))
        };
        Self { program: prepared("GATEPOST_EXE").into(), prefix: prepared("WINEPREFIX") }
    }

    /// `gatepost.exe`.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// What Wine has in its environment.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [("WINEPREFIX", self.prefix.as_str()), ("WINEARCH", "win64"), ("WINEDEBUG", "-all")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    /// How Windows calls a file of Linux's.
    pub(crate) fn path(path: &Path) -> String {
        format!("Z:{}", path.display()).replace('/', "\\")
    }

    /// What a key of the registry holds, with all below it; empty if there is no such key.
    pub(crate) fn registry(&self, key: &str) -> String {
        String::from_utf8_lossy(&self.run(&["reg", "query", key, "/s"]).stdout).into_owned()
    }

    /// A command of Windows' own.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(Self::RUNNER);
        process::run(command.args(words).envs(self.environment()), b"", PATIENCE)
    }

    /// The computer is on: Wine's services live as long as some other program runs. They have the output
    /// of the one that comes first, so that this one comes back only once it is there.
    pub(crate) fn switch_on(&self) -> SwitchedOn {
        let mut idle = Command::new(Self::RUNNER);
        idle.arg("cmd").envs(self.environment());
        // It reads its commands from a pipe where none ever comes.
        let idle = idle.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut on = SwitchedOn(idle.spawn().expect("Wine"));
        let greeting = on.0.stdout.as_mut().expect("piped").read_exact(&mut [0]);
        greeting.expect("cmd greets");
        on
    }

    /// Waits until all that ran in it has ended.
    pub(crate) fn wait_until_off(&self) {
        let mut server = Command::new("/usr/lib/wine/wineserver64");
        let output = process::run(server.arg("-w").envs(self.environment()), b"", PATIENCE);
        assert!(output.status.success(), "{}", process::said(&output));
    }

    /// The person logs in: what is to start then, does.
    pub(crate) fn log_in(&self) {
        let mut boot = Command::new(Self::RUNNER);
        // What it starts goes on, and would keep a pipe open.
        let null = || Stdio::null();
        boot.arg("wineboot").envs(self.environment());
        let boot = boot.stdin(null()).stdout(null()).stderr(null()).spawn();
        let status = process::wait(&mut boot.expect("Wine"), PATIENCE);
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
    }
}
