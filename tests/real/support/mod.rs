//! What the tests against real servers stand on. Each part knows Gatepost only by its contract: the
//! command line, `config.toml`, and the wire.

pub(crate) mod bed;
pub(crate) mod clients;
pub(crate) mod fault_proxy;
pub(crate) mod gatepost;
pub(crate) mod leaks;
pub(crate) mod machine;
pub(crate) mod mail_client;
pub(crate) mod messages;
pub(crate) mod middle;
pub(crate) mod mirror;
pub(crate) mod postman;
pub(crate) mod process;
pub(crate) mod scene;
pub(crate) mod servers;
pub(crate) mod thunderbird;
pub(crate) mod tracing;
pub(crate) mod trial;
pub(crate) mod user_manager;
pub(crate) mod windows;
pub(crate) mod wire;

use std::{
    panic::resume_unwind,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

/// Runs a test's body, and fails it by name if it isn't done within `limit`. (Its servers end with
/// the test program then: see `tests/servers/guard.sh`.)
pub(crate) fn within(limit: Duration, body: impl FnOnce() + Send + 'static) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let (done, finished) = channel();
    let worker = thread::Builder::new()
        .name(name.clone())
        .spawn(move || {
            body();
            done.send(()).ok();
        })
        .expect("a thread");
    match finished.recv_timeout(limit) {
        Err(RecvTimeoutError::Timeout) => panic!("{name} hangs: not done after {limit:?}"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = worker.join() {
                resume_unwind(panic);
            }
        }
    }
}

/// The inbox's message with this UID, once it has arrived.
pub(crate) fn fetch_when_there(imap: &mut wire::Wire, uid: u32) -> Vec<u8> {
    fetch_from_when_there(imap, "INBOX", &uid.to_string())
}

/// The message of a mailbox with this UID (or `*`), once it has arrived.
pub(crate) fn fetch_from_when_there(imap: &mut wire::Wire, mailbox: &str, uid: &str) -> Vec<u8> {
    let mut found = None;
    process::until(Duration::from_secs(30), || {
        imap.command("s", &format!("SELECT {mailbox}"));
        found = imap.fetch(uid);
        found.is_some()
    });
    found.unwrap_or_else(|| {
        panic!("no mail with UID {uid} arrived in {mailbox}\n{}", imap.dialogue())
    })
}
