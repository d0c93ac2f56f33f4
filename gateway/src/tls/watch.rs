//! Files that are read again when they change.
//!
//! Whoever rotates certificates writes files and tells nobody. Once a second somebody asks [`WatchedFile::changed`]:
//! that is one stat(2) a file, works on every file system, and sees what inotify(7) does not, such as a mounted secret
//! whose parent's link is moved.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes. The whole of a system's trusted authorities is about a quarter of it.
const MAX_FILE: u64 = 1 << 20;

#[derive(Debug)]
pub struct WatchedFile {
    path: PathBuf,
    /// Of the file that was last read, with success or without; the outer `None`: never read.
    read: Option<Option<Stamp>>,
    /// Of the file at the last look for whether it is whole.
    seen: Option<Option<Stamp>>,
}

/// What changes when a file does. A file that is replaced is another inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    inode: u64,
    length: u64,
}

impl WatchedFile {
    pub fn new(path: impl Into<PathBuf>) -> WatchedFile {
        WatchedFile { path: path.into(), read: None, seen: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether [`WatchedFile::read`] would find another file than it did. A file that is missing, and was, has not
    /// changed.
    pub fn changed(&self) -> bool {
        self.read != Some(stamp(&self.path))
    }

    /// Whether it has changed and is at rest: the same as at the call before. Who writes a file may have come to half of it.
    pub fn settled(&mut self) -> bool {
        let now = stamp(&self.path);
        let at_rest = self.seen.replace(now) == Some(now);
        at_rest && self.read != Some(now)
    }

    pub fn read(&mut self) -> io::Result<String> {
        // Before the file: what is written in between is seen at the next look.
        self.read = Some(stamp(&self.path));
        read(&self.path)
    }
}

/// A whole file of UTF-8, up to 1 MiB.
pub(super) fn read(path: &Path) -> io::Result<String> {
    // To open a FIFO is to wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
    }
    let mut text = String::new();
    if File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)? as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "is longer than 1 MiB"));
    }
    Ok(text)
}

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some(Stamp { modified: found.modified().ok()?, inode: found.ino(), length: found.len() })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_file_is_seen_to_change_once() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("key.pem");
        let mut file = WatchedFile::new(&path);
        assert!(file.changed(), "it was never read");
        assert_eq!(file.read().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!file.changed(), "it is missing, and was");

        std::fs::write(&path, "one").unwrap();
        assert!(file.changed());
        assert_eq!(file.read().unwrap(), "one");
        assert!(!file.changed());

        // Of the same length, and perhaps within the clock's tick: another inode.
        std::fs::write(folder.path().join("new.pem"), "two").unwrap();
        std::fs::rename(folder.path().join("new.pem"), &path).unwrap();
        assert!(file.changed());
        assert_eq!(file.read().unwrap(), "two");

        std::fs::write(&path, "longer").unwrap();
        assert!(file.changed());
        std::fs::remove_file(&path).unwrap();
        assert!(file.changed());
    }

    #[test]
    fn a_file_that_is_being_written_is_waited_for() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("key.pem");
        std::fs::write(&path, "whole").unwrap();
        let mut file = WatchedFile::new(&path);
        file.read().unwrap();
        assert!(!file.settled() && !file.settled(), "nothing has changed");
        std::fs::write(&path, "ha").unwrap();
        assert!(!file.settled());
        std::fs::write(&path, "half").unwrap();
        assert!(!file.settled(), "it still changes");
        assert!(file.settled() && file.settled(), "until it is read");
        assert_eq!(file.read().unwrap(), "half");
        assert!(!file.settled());
    }

    #[test]
    fn a_date_alone_is_a_change() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("key.pem");
        std::fs::write(&path, "one").unwrap();
        let mut file = WatchedFile::new(&path);
        file.read().unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(file.changed());
    }

    #[test]
    fn what_is_no_text_of_bounded_length_is_not_read() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("long");
        File::create(&path).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("longer than 1 MiB"));
        assert!(read(Path::new("/dev/zero")).unwrap_err().to_string().contains("no regular file"));
    }
}
