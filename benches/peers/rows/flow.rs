//! Bytes in quantity.

use std::io;
use std::time::Instant;

use super::Taken;
use crate::figures::Key;
use crate::options::Effort;
use crate::target::Target;

const MIB: usize = 1024 * 1024;

/// Large messages, one after another.
pub(super) fn download(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let (size, count) = effort.download;
    let mut client = target.door.imap()?;
    client.ask("SELECT Large")?;
    client.ask("FETCH 1 (BODY.PEEK[])")?;
    flow(target, size * count * MIB, [Key::DownloadRate, Key::DownloadCpu], || {
        (0..count).try_for_each(|_| client.ask(&format!("FETCH {size} (BODY.PEEK[])")))
    })
}

/// Short lines, of which a proxy that reads along has to look at each.
pub(super) fn list(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let mut client = target.door.imap()?;
    client.ask("SELECT INBOX")?;
    let before = client.received();
    client.ask("UID FETCH 1:* (FLAGS)")?;
    let size = client.received() - before;
    flow(target, size * effort.lists, [Key::ListRate, Key::ListCpu], || {
        (0..effort.lists).try_for_each(|_| client.ask("UID FETCH 1:* (FLAGS)"))
    })
}

/// Large messages that a mail program puts into a folder.
pub(super) fn append(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let (size, count) = effort.upload;
    let message = message(size * MIB);
    let mut client = target.door.imap()?;
    client.append("INBOX", &message[..MIB])?;
    flow(target, message.len() * count, [Key::AppendRate, Key::AppendCpu], || {
        (0..count).try_for_each(|_| client.append("INBOX", &message))
    })
}

/// Large messages that are sent.
pub(super) fn data(target: &Target, effort: &Effort) -> io::Result<Taken> {
    let (size, count) = effort.upload;
    let message = message(size * MIB);
    let mut client = target.door.smtp()?;
    client.mail(&message[..MIB])?;
    flow(target, message.len() * count, [Key::DataRate, Key::DataCpu], || {
        (0..count).try_for_each(|_| client.mail(&message))
    })
}

/// A message of so many bytes, in lines of 76 characters as base64 has them.
pub(crate) fn message(size: usize) -> Vec<u8> {
    let line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
    let mut message: Vec<u8> = line.iter().copied().cycle().take(size - 2).collect();
    message.truncate(size - 2);
    // Wherever the last line was cut: neither a lone CR nor a dot stands before its end.
    if message.last() == Some(&b'\r') {
        message.pop();
        message.push(b'A');
    }
    message.extend_from_slice(b"\r\n");
    message
}

fn flow(
    target: &Target,
    bytes: usize,
    [rate, cpu]: [Key; 2],
    move_them: impl FnOnce() -> io::Result<()>,
) -> io::Result<Taken> {
    let (cpu_before, begin) = (target.cpu()?, Instant::now());
    move_them()?;
    let took = begin.elapsed().as_secs_f64();
    let mut taken = vec![(rate, bytes as f64 / 1e6 / took)];
    if target.served_by.is_some() {
        taken.push((cpu, (target.cpu()? - cpu_before) / (bytes as f64 / 1e9)));
    }
    Ok(taken)
}
