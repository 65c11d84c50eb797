//! Windows, as far as Wine is it. `tests/windows/run` builds the program and makes the prefix, which is
//! to Wine what the disk and the registry are to Windows.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::process;

/// How long a command of Windows' own may take; Wine's first one in a while starts its server.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Windows {
    program: PathBuf,
    prefix: String,
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
        let mut query = Command::new(Self::RUNNER);
        query.args(["reg", "query", key, "/s"]).envs(self.environment());
        let output = process::run(&mut query, b"", PATIENCE);
        String::from_utf8_lossy(&output.stdout).into_owned()
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
