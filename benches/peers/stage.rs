//! What every measurement needs: the mail server, and an account that Gatepost has for it.

use std::io;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use tokio::runtime::Runtime;

use crate::client::{Door, SignOn};
use crate::gatepost_home::{Prepared, YOU};
use crate::process;
use crate::real;
use crate::relays::Setting;
use crate::support::bed::Bed;
use crate::upstream::Upstream;

/// It ends in this order.
pub(crate) struct Stage {
    pub(crate) prepared: Rc<Prepared>,
    pub(crate) setting: Rc<Setting>,
    /// The token endpoint is here, and answers while there are measurements.
    runtime: Runtime,
    pub(crate) servers: Servers,
    pub(crate) folder: tempfile::TempDir,
}

/// What stands behind.
pub(crate) enum Servers {
    Memory(Upstream),
    Real(Box<Bed>),
}

impl Stage {
    pub(crate) fn set() -> io::Result<Self> {
        process::raise_descriptor_limit()?;
        let folder = folder()?;
        let upstream = Upstream::start(folder.path())?;
        let tls =
            gatepost::tls::client_config(Some(&upstream.ca_file)).map_err(io::Error::other)?;
        let runtime = runtime()?;
        let token = "ya29.".to_owned() + &"t".repeat(200);
        let direct = Door {
            imap: upstream.imap,
            smtp: upstream.smtp,
            tls: Some(tls),
            sign_on: SignOn::Token { user: YOU.to_owned(), token },
        };
        let setting = Rc::new(Setting {
            folder: folder.path().to_owned(),
            ca_file: upstream.ca_file.clone(),
            behind: direct,
        });
        let prepared = Rc::new(runtime.block_on(Prepared::new(&setting))?);
        Ok(Self { prepared, setting, runtime, servers: Servers::Memory(upstream), folder })
    }

    /// Before real Dovecot and Postfix.
    pub(crate) fn real() -> io::Result<Self> {
        process::raise_descriptor_limit()?;
        let folder = folder()?;
        let runtime = runtime()?;
        let (bed, setting, prepared) = real::set(folder.path(), &runtime)?;
        let servers = Servers::Real(Box::new(bed));
        Ok(Self { prepared, setting, runtime, servers, folder })
    }

    /// After a row of one target: the next one finds the servers as this one did.
    pub(crate) fn clear(&self) -> io::Result<()> {
        match &self.servers {
            Servers::Memory(_) => Ok(()),
            Servers::Real(bed) => real::clear(bed),
        }
    }

    /// An account at the same server by the port where no TLS session is resumed.
    pub(crate) fn prepare_without_tickets(&self) -> io::Result<Rc<Prepared>> {
        let folder = self.folder.path().join("without-tickets");
        std::fs::create_dir(&folder)?;
        let Servers::Memory(upstream) = &self.servers else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let behind = Door { imap: upstream.without_tickets, ..self.setting.behind.clone() };
        let setting = Setting { folder, ca_file: self.setting.ca_file.clone(), behind };
        Ok(Rc::new(self.runtime.block_on(Prepared::new(&setting))?))
    }
}

/// Others may pass through it: Dovecot's processes have users of their own.
fn folder() -> io::Result<tempfile::TempDir> {
    let passable = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    tempfile::Builder::new().prefix("gatepost-bench").permissions(passable).tempdir()
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// Gatepost's binary as people get it (`release`), or with its names kept (`profiling`). The one that
/// cargo builds for a bench has what only tests switch on in its libraries.
pub(crate) fn build(profile: &str) -> io::Result<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--profile", profile, "--bin", "gatepost"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut executable = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(std::path::PathBuf::from)
    });
    executable.next_back().ok_or_else(|| io::Error::other("the binary was not built"))
}
