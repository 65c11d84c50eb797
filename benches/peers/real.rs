//! Real Dovecot and real Postfix in the mail server's place: the test bed of `tests/real/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::client::{Door, SignOn};
use crate::gatepost_home::{Prepared, YOU};
use crate::relays::Setting;
use crate::rows::message;
use crate::support::bed::Bed;

/// Messages in the inbox.
const MESSAGES: usize = 5_000;
/// The mailbox `Large` has messages of 1 MiB, 2 MiB and so on up to this.
pub(crate) const LARGEST: usize = 4;

/// How long mail may be on its way.
const PATIENCE: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;

/// What is missing for it, in words.
pub(crate) fn missing() -> Option<&'static str> {
    let there = ["/usr/sbin/dovecot", "/usr/lib/dovecot/lmtp", "/usr/lib/postfix/sbin/master"];
    let all = there.iter().all(|file| Path::new(file).exists());
    (!(nix::unistd::geteuid().is_root() && all))
        .then_some("root, Dovecot and Postfix (./test installs them)")
}

/// Starts both, with mail, and signs in.
pub(crate) fn set(
    folder: &Path,
    runtime: &Runtime,
) -> io::Result<(Bed, Rc<Setting>, Rc<Prepared>)> {
    let bed = Bed::with_smtp();
    bed.google.allow_user(YOU);
    bed.store.fill_inbox(YOU, (0..MESSAGES).map(|_| mail(2 * 1024)));
    let postfix = bed.postfix.as_ref().ok_or(io::ErrorKind::NotConnected)?;
    let ca_file = bed.authority();
    let tls = gatepost::tls::client_config(Some(&ca_file)).map_err(io::Error::other)?;
    let sign_on = SignOn::Token { user: YOU.to_owned(), token: bed.google.token_for(YOU) };
    let behind = Door { imap: bed.dovecot.address(), smtp: postfix.tls(), tls: Some(tls), sign_on };
    let mut client = behind.imap()?;
    // What it sees now has the first numbers.
    client.ask("SELECT INBOX")?;
    client.ask("CREATE Large")?;
    for size in 1..=LARGEST {
        client.append("Large", &mail(size * MIB))?;
    }
    let setting = Rc::new(Setting { folder: folder.to_owned(), ca_file, behind });
    let prepared = Rc::new(runtime.block_on(Prepared::at(&setting, &bed.google))?);
    Ok((bed, setting, prepared))
}

/// Waits until what was sent has arrived, and takes away all that came into the inbox.
pub(crate) fn clear(bed: &Bed) -> io::Result<()> {
    // The bed has its servers' folders side by side.
    let beside = |name: &str| bed.dovecot.folder().with_file_name(name);
    let begin = Instant::now();
    let queues = ["incoming", "active"].map(|queue| beside("smtp").join("queue").join(queue));
    while queues.iter().any(|queue| !files(queue).is_empty()) {
        if begin.elapsed() > PATIENCE {
            return Err(io::Error::other("Postfix does not deliver what was sent"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    let inbox = beside("mail").join(YOU).join("Maildir");
    for file in ["cur", "new"].iter().flat_map(|part| files(&inbox.join(part))) {
        // What was there from the start is named by the bed.
        if !file.to_string_lossy().contains(".bed:") {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}

/// None, where nothing has come yet.
fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// A message of so many bytes.
fn mail(size: usize) -> Vec<u8> {
    let header = b"From: Ada <ada@example.com>\r\nTo: you@gmail.com\r\nSubject: hello\r\n\r\n";
    [header.as_slice(), &message(size - header.len())].concat()
}
