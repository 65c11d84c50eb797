//! A log's files: a bounded number of bounded size, which only their owner can read.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::private_file;

/// The size at which a new file begins: some 30,000 lines, and small enough to be mailed.
const LARGEST: u64 = 4 * 1024 * 1024;

/// `NAME.log`, and the ones before it: `NAME.1.log`, `NAME.2.log` …
pub(super) struct LogFile {
    folder: PathBuf,
    name: String,
    files: usize,
    current: Option<(File, u64)>,
}

impl LogFile {
    /// Goes on with the file that is there; `files` are kept, this one included.
    pub(super) fn open(folder: &Path, name: &str, files: usize) -> io::Result<Self> {
        private_file::create_private_dir(folder)?;
        let mut log =
            Self { folder: folder.to_owned(), name: name.to_owned(), files, current: None };
        log.current()?;
        Ok(log)
    }

    fn current(&mut self) -> io::Result<&mut (File, u64)> {
        let current = match self.current.take() {
            Some(current) => current,
            None => {
                let file = private_file::append_to(&self.path(0))?;
                let length = file.metadata()?.len();
                (file, length)
            }
        };
        Ok(self.current.insert(current))
    }

    /// Each file takes the name of the one before it; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        // Closed first: Windows renames no file that is open.
        self.current = None;
        if self.files <= 1 {
            return fs::remove_file(self.path(0));
        }
        // The newest is moved out of the way first: where another program has it open, Windows doesn't
        // rename it, and then the older ones must stay.
        let aside = self.folder.join(format!("{}.0.log", self.name));
        rename(&self.path(0), &aside)?;
        for number in (1..self.files - 1).rev() {
            rename(&self.path(number), &self.path(number + 1))?;
        }
        rename(&aside, &self.path(1))
    }

    fn path(&self, number: usize) -> PathBuf {
        let name = &self.name;
        self.folder.join(match number {
            0 => format!("{name}.log"),
            number => format!("{name}.{number}.log"),
        })
    }
}

/// Renames a file that may be missing.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Write for LogFile {
    /// Writes one event, whole. Where there is no room for it, and none can be made, it is lost: a
    /// log must not fill the disk that the mail needs.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (_, length) = self.current()?;
        if *length > 0 && *length + line.len() as u64 > LARGEST {
            self.rotate()?;
        }
        let (file, length) = self.current()?;
        file.write_all(line)?;
        *length += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_bounded_in_size_and_number_and_lose_no_line_between_them() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("logs");
        let line = |n: usize| format!("{n:09} {}\n", "x".repeat(100_000));
        let mut log = LogFile::open(&folder, "gatepost", 3).unwrap();
        for n in 0..200 {
            if n == 100 {
                // A restart goes on where it was.
                log = LogFile::open(&folder, "gatepost", 3).unwrap();
            }
            log.write_all(line(n).as_bytes()).unwrap();
        }
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
        names.sort();
        let kept: Vec<_> = names.iter().map(|name| fs::read_to_string(name).unwrap()).collect();
        assert_eq!(kept.len(), 3);
        assert!(kept.iter().all(|text| text.len() as u64 <= LARGEST));
        // gatepost.1.log, gatepost.2.log, gatepost.log.
        let all = [&kept[1][..], &kept[0], &kept[2]].concat();
        let numbers: Vec<usize> = all.lines().map(|line| line[..9].parse().unwrap()).collect();
        assert!(numbers.len() > 80 && numbers.last() == Some(&199), "{numbers:?}");
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    }

    #[test]
    fn a_newest_file_that_cannot_be_moved_costs_no_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut log = LogFile::open(folder.path(), "gatepost", 3).unwrap();
        let mut write = |byte: u8| log.write_all(&vec![byte; 3 * 1024 * 1024]);
        for byte in [b'a', b'b', b'c'] {
            write(byte).unwrap();
        }
        let begin = |name: &str| fs::read(path(name)).unwrap()[0];
        // In the way, as a program is that has the file open on Windows.
        fs::create_dir_all(path("gatepost.0.log").join("x")).unwrap();
        for _ in 0..3 {
            write(b'd').unwrap_err();
        }
        let names = ["gatepost.2.log", "gatepost.1.log", "gatepost.log"];
        assert_eq!(names.map(begin), [b'a', b'b', b'c']);
        fs::remove_dir_all(path("gatepost.0.log")).unwrap();
        write(b'd').unwrap();
        assert_eq!(names.map(begin), [b'b', b'c', b'd']);
    }

    #[test]
    fn one_file_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(folder.path(), "wire", 1).unwrap();
        for _ in 0..3 {
            log.write_all(&vec![b'x'; 3 * 1024 * 1024]).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(fs::metadata(folder.path().join("wire.log")).unwrap().len(), 3 * 1024 * 1024);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        LogFile::open(&logs, "gatepost", 2).unwrap().write_all(b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&logs), mode(&logs.join("gatepost.log"))), (0o700, 0o600));
    }
}
