//! Files that only their owner may read: written whole or not at all, never left half-done.
//!
//! On Unix the permission bits do it. Elsewhere, on Windows above all, nothing is set: Gatepost's
//! files lie in the user's profile folder, or in the one that `service install --system` has made for a
//! service, whose access list already keeps other users out and is inherited by whatever is made in it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

/// What the names of unfinished files begin and end with. With the dot, whoever lists the folder can pass
/// over them.
const UNFINISHED: (&str, &str) = (".gatepost-", ".tmp");

/// An unfinished file is one for some milliseconds. One that is older than this was left by a writer
/// that was killed.
const LEFT_BEHIND: Duration = Duration::from_secs(60);

/// Why a file is not private enough to be trusted with a secret.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// This machine's file: others than its owner may read or change it.
    #[error("{} is open to others than its owner (mode {mode:04o})", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// This machine would not say.
    #[error("the rights of {} could not be read ({source})", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RightsError {
    /// One thing to do.
    pub fn remedy(&self) -> String {
        match self {
            Self::TooOpen { path, .. } => format!("Run `chmod 600 {}`.", path.display()),
            Self::Io { source, .. } => remedy(source).to_owned(),
        }
    }
}

/// One thing to do where the system refuses a file or a folder that was named in the sentence.
pub fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room on the disk.",
        _ => "Let the user that runs Gatepost read and write there.",
    }
}

/// Makes a folder and whatever is missing above it. On Unix the folders it makes are open to their
/// owner only (0700); those that are there already stay as they are.
///
/// # Errors
/// Whatever the system says, also if `path` is there but is no folder.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    owner_only_folder(&mut builder);
    builder.create(path)
}

/// Writes `contents` to `path` so that after a crash the file holds either the old bytes or the new
/// ones. The new file is open to its owner only (0600 on Unix), whatever the old one was. A
/// symbolic link in its place is replaced, not followed.
///
/// # Errors
/// Whatever the system says. The old file is then untouched, unless it was the last step that
/// failed, flushing the folder: then the new one is there and may not outlive a crash.
pub fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    let written = written_beside(path, contents)?;
    replace(written, path)?;
    sync_dir(folder_of(path))
}

/// As [`write_atomically`], but only if there is nothing at `path` yet.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is; else whatever the system says.
pub fn create_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    let written = written_beside(path, contents)?;
    written.persist_noclobber(path).map_err(|refused| refused.error)?;
    sync_dir(folder_of(path))
}

/// Opens a file to add to its end; one that it makes is open to its owner only (0600 on Unix).
///
/// # Errors
/// Whatever the system says.
pub fn append_to(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.append(true).create(true);
    owner_only(&mut options);
    options.open(path)
}

/// Lets a file that is made with these options be open to its owner only.
#[cfg(unix)]
pub fn owner_only(options: &mut fs::OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// The access list of the user's profile folder does it here.
#[cfg(not(unix))]
pub fn owner_only(_options: &mut fs::OpenOptions) {}

/// The bytes of a plain file that has no more than `limit`. What kind of file it is is asked before opening
/// it, since opening a pipe would wait for its other end.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] if it is no plain file, [`io::ErrorKind::FileTooLarge`]; else whatever the
/// system says.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain file"));
    }
    let too_large = || io::Error::from(io::ErrorKind::FileTooLarge);
    if about.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// Removes a file and makes the removal last.
///
/// # Errors
/// Whatever the system says, [`io::ErrorKind::NotFound`] among it.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    sync_dir(folder_of(path))
}

/// Refuses a file that anyone but its owner may read, write or run.
///
/// One exception: a file of root's and of root's group may be readable by its group (0440), since
/// systemd hands a credential to a service's user through an access list, and `stat` shows the mask
/// of that list in the place of the group's bits (`src/core/exec-credential.c`).
///
/// # Errors
/// [`RightsError::TooOpen`], which names the remedy, or [`RightsError::Io`].
#[cfg(unix)]
pub fn check_owner_only(path: &Path) -> Result<(), RightsError> {
    use std::os::unix::fs::MetadataExt;

    const GROUP_READ: u32 = 0o040;
    let about =
        fs::metadata(path).map_err(|source| RightsError::Io { path: path.to_owned(), source })?;
    let of_root = about.uid() == 0 && about.gid() == 0;
    let tolerated = if of_root { GROUP_READ } else { 0 };
    if about.mode() & 0o077 & !tolerated == 0 {
        return Ok(());
    }
    Err(RightsError::TooOpen { path: path.to_owned(), mode: about.mode() & 0o7777 })
}

/// Here nothing is checked but that the file is there: the access list of the user's profile folder
/// keeps others out.
///
/// # Errors
/// [`RightsError::Io`] if the file can't be looked at.
#[cfg(not(unix))]
pub fn check_owner_only(path: &Path) -> Result<(), RightsError> {
    match fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(source) => Err(RightsError::Io { path: path.to_owned(), source }),
    }
}

/// The temporary file lies in the same folder, so that renaming it never crosses file systems.
/// `tempfile` makes it 0600.
fn written_beside(path: &Path, contents: &[u8]) -> io::Result<NamedTempFile> {
    let folder = folder_of(path);
    sweep(folder, SystemTime::now());
    let (before, after) = UNFINISHED;
    let mut file = tempfile::Builder::new().prefix(before).suffix(after).tempfile_in(folder)?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Removes what writers that were killed have left in a folder. What can't be removed is passed over: it
/// is in nobody's way.
fn sweep(folder: &Path, now: SystemTime) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let (before, after) = UNFINISHED;
        if !name.starts_with(before.as_bytes()) || !name.ends_with(after.as_bytes()) {
            continue;
        }
        // Of the entry itself: a link is not followed.
        let modified = entry.metadata().and_then(|about| about.modified());
        let age = modified.ok().and_then(|modified| now.duration_since(modified).ok());
        if age.is_some_and(|age| age > LEFT_BEHIND) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
fn owner_only_folder(builder: &mut fs::DirBuilder) {
    use std::os::unix::fs::DirBuilderExt;
    builder.mode(0o700);
}

#[cfg(not(unix))]
fn owner_only_folder(_builder: &mut fs::DirBuilder) {}

#[cfg(unix)]
fn replace(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.persist(path).map(drop).map_err(|refused| refused.error)
}

/// Windows refuses to replace a file that someone has open at that moment: a reader of ours, a
/// virus scanner, a backup. They let go soon, so the attempt is repeated for up to a second.
#[cfg(not(unix))]
fn replace(mut file: NamedTempFile, path: &Path) -> io::Result<()> {
    const ATTEMPTS: u32 = 50;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match file.persist(path) {
            Ok(_) => return Ok(()),
            Err(refused)
                if left == 0 || refused.error.kind() != io::ErrorKind::PermissionDenied =>
            {
                return Err(refused.error);
            }
            Err(refused) => file = refused.file,
        }
        std::thread::sleep(PAUSE);
    }
}

/// Without this a crash may forget the renaming although the file's bytes have reached the disk.
/// Some network file systems have no such call, which is no reason to do without a file.
#[cfg(unix)]
fn sync_dir(folder: &Path) -> io::Result<()> {
    match fs::File::open(folder)?.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        flushed => flushed,
    }
}

/// Windows has no such call on a folder; NTFS journals the renaming itself.
#[cfg(not(unix))]
fn sync_dir(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.json");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn create_keeps_what_is_there() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        create_atomically(&path, b"first").unwrap();
        let refused = create_atomically(&path, b"second").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_writer_left_goes_with_a_later_write_and_nothing_else_does() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let others = [".gatepost-notes.txt", "gatepost-1.tmp", ".1.tmp", "a.json"];
        for name in others.iter().chain(&[".gatepost-1.tmp", ".gatepost-2.tmp"]) {
            fs::write(path(name), b"half").unwrap();
        }
        fs::create_dir(path(".gatepost-3.tmp")).unwrap();
        let there = |name: &str| path(name).exists();

        // Another writer may be at it at this moment.
        write_atomically(&path("a.json"), b"whole").unwrap();
        assert!(there(".gatepost-1.tmp") && there(".gatepost-2.tmp"));
        // Nor is it left behind by a clock that was set back.
        sweep(home.path(), SystemTime::UNIX_EPOCH);
        assert!(there(".gatepost-1.tmp"));

        let long_ago = SystemTime::now() - 2 * LEFT_BEHIND;
        let left = File::options().write(true).open(path(".gatepost-1.tmp")).unwrap();
        left.set_modified(long_ago).unwrap();
        drop(left);
        write_atomically(&path("a.json"), b"whole").unwrap();
        assert!(!there(".gatepost-1.tmp") && there(".gatepost-2.tmp"));

        sweep(home.path(), SystemTime::now() + 2 * LEFT_BEHIND);
        assert!(!there(".gatepost-2.tmp") && there(".gatepost-3.tmp"));
        assert!(others.iter().all(|name| there(name)));
    }

    #[test]
    fn a_missing_folder_is_an_error_not_a_new_folder() {
        let home = tempfile::tempdir().unwrap();
        assert!(write_atomically(&home.path().join("no/such/file"), b"x").is_err());
        assert!(!home.path().join("no").exists());
    }

    #[test]
    fn what_is_too_large_or_no_plain_file_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("f");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        let refused = |path: &Path| read_bounded(path, 4).unwrap_err().kind();
        assert_eq!(refused(&path), io::ErrorKind::FileTooLarge);
        // A gigabyte that takes no room.
        File::create(&path).unwrap().set_len(1 << 30).unwrap();
        assert_eq!(refused(&path), io::ErrorKind::FileTooLarge);
        assert_eq!(refused(home.path()), io::ErrorKind::InvalidInput);
        assert_eq!(refused(&home.path().join("none")), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    mod unix {
        use super::super::*;
        use std::os::unix::fs::{PermissionsExt, symlink};

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o7777
        }

        fn set_mode(path: &Path, mode: u32) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }

        #[test]
        fn folders_are_0700_and_files_0600() {
            let home = tempfile::tempdir().unwrap();
            let folder = home.path().join("a/b");
            create_private_dir(&folder).unwrap();
            create_private_dir(&folder).unwrap();
            assert_eq!((mode(&home.path().join("a")), mode(&folder)), (0o700, 0o700));

            let file = folder.join("f");
            fs::write(&file, b"old").unwrap();
            set_mode(&file, 0o644);
            write_atomically(&file, b"new").unwrap();
            assert_eq!(mode(&file), 0o600);
        }

        #[test]
        fn a_symbolic_link_is_replaced_not_followed() {
            let home = tempfile::tempdir().unwrap();
            let (target, link) = (home.path().join("target"), home.path().join("link"));
            fs::write(&target, b"theirs").unwrap();
            symlink(&target, &link).unwrap();
            write_atomically(&link, b"ours").unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"theirs");
            assert!(fs::symlink_metadata(&link).unwrap().is_file());
        }

        #[test]
        fn nobody_waits_for_the_other_end_of_a_pipe() {
            let home = tempfile::tempdir().unwrap();
            let pipe = home.path().join("pipe");
            let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
            assert!(made.success());
            let refused = read_bounded(&pipe, 100).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
            // Writing puts a file in its place.
            write_atomically(&pipe, b"ours").unwrap();
            assert_eq!(read_bounded(&pipe, 100).unwrap(), b"ours");
        }

        #[test]
        fn rights_for_others_are_refused_with_the_remedy() {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("f");
            fs::write(&file, b"x").unwrap();
            for good in [0o400, 0o600] {
                set_mode(&file, good);
                check_owner_only(&file).unwrap();
            }
            for bad in [0o604, 0o620, 0o644, 0o460] {
                set_mode(&file, bad);
                let refused = check_owner_only(&file).unwrap_err();
                let file = file.display();
                assert_eq!(
                    refused.to_string(),
                    format!("{file} is open to others than its owner (mode {bad:04o})")
                );
                assert_eq!(refused.remedy(), format!("Run `chmod 600 {file}`."));
            }
        }

        /// As it looks when systemd hands a root-owned credential to a service's user.
        #[test]
        fn a_group_may_read_only_what_is_roots() {
            use std::os::unix::fs::MetadataExt;
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("f");
            fs::write(&file, b"x").unwrap();
            set_mode(&file, 0o440);
            let about = fs::metadata(&file).unwrap();
            let of_root = about.uid() == 0 && about.gid() == 0;
            assert_eq!(check_owner_only(&file).is_ok(), of_root);
        }
    }
}
