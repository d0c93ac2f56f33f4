//! The file, or standard output.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use roundhouse_config::LogPath;

/// Where lines go.
#[derive(Debug)]
pub(super) struct Target {
    file: File,
    /// None: standard output, which is never another one.
    path: Option<PathBuf>,
    /// Its last byte is no end of a line: a write was cut short.
    torn: bool,
}

impl Target {
    pub(super) fn open(path: &LogPath) -> io::Result<Target> {
        let (file, path) = match path {
            LogPath::Stdout => (File::from(io::stdout().as_fd().try_clone_to_owned()?), None),
            LogPath::File(path) => (append(path)?, Some(path.clone())),
        };
        Ok(Target { file, path, torn: false })
    }

    /// Opens the file again if another one, or none, is at its path now, as after logrotate(8); or if it `must` be. The one
    /// that is open stays if that cannot be done.
    pub(super) fn look(&mut self, must: bool) -> io::Result<()> {
        let Some(path) = self.path.as_deref().filter(|path| must || self.is_elsewhere(path)) else {
            return Ok(());
        };
        self.file = append(path)?;
        self.torn = false;
        Ok(())
    }

    /// All of it, or how many of its bytes were written before the error.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        if self.torn {
            // The half of a line that is there ends, so that it spoils no other.
            (&self.file).write_all(b"\n").map_err(|error| (0, error))?;
            self.torn = false;
        }
        let mut written = 0;
        while written < bytes.len() {
            match (&self.file).write(&bytes[written..]) {
                Ok(0) => return Err(self.cut(bytes, written, io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.cut(bytes, written, error)),
            }
        }
        Ok(())
    }

    /// As problems call it.
    pub(super) fn shown(&self) -> String {
        self.path.as_ref().map_or("standard output".to_owned(), |path| path.display().to_string())
    }

    fn cut(&mut self, bytes: &[u8], written: usize, error: io::Error) -> (usize, io::Error) {
        self.torn = written > 0 && bytes[written - 1] != b'\n';
        (written, error)
    }

    fn is_elsewhere(&self, path: &Path) -> bool {
        let identity = |data: Metadata| (data.dev(), data.ino());
        match (path.metadata().map(identity), self.file.metadata().map(identity)) {
            (Ok(there), Ok(open)) => there != open,
            (Err(error), _) => error.kind() == io::ErrorKind::NotFound,
            (_, Err(_)) => true,
        }
    }
}

/// Appended to, as logrotate's `copytruncate` needs it too. Addresses of people are in it, so not everybody may read it.
fn append(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path);
    file.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_file_is_appended_to_and_opened_again_once_it_is_moved_away() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        std::fs::write(&path, "old\n").unwrap();
        let mut target = Target::open(&LogPath::File(path.clone())).unwrap();
        target.write(b"a\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        target.write(b"b\n").unwrap();
        target.look(false).unwrap();
        target.write(b"c\n").unwrap();
        assert_eq!((read(&moved).as_str(), read(&path).as_str()), ("old\na\nb\n", "c\n"));
        assert_eq!(path.metadata().unwrap().mode() & 0o007, 0);

        std::fs::rename(&path, &moved).unwrap();
        std::fs::write(&path, "").unwrap();
        target.look(false).unwrap();
        target.write(b"d\n").unwrap();
        assert_eq!(read(&path), "d\n", "another file at its path");
        // As copytruncate leaves it.
        std::fs::write(&path, "").unwrap();
        target.look(false).unwrap();
        target.write(b"e\n").unwrap();
        assert_eq!(read(&path), "e\n");
    }

    #[test]
    fn a_folder_that_is_gone_keeps_the_file_that_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/access.log");
        let error = Target::open(&LogPath::File(path.clone())).unwrap_err().to_string();
        assert!(error.contains("logs/access.log"), "{error}");
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let mut target = Target::open(&LogPath::File(path.clone())).unwrap();
        std::fs::rename(folder.path().join("logs"), folder.path().join("kept")).unwrap();
        assert!(target.look(false).is_err());
        target.write(b"a\n").unwrap();
        assert_eq!(read(&folder.path().join("kept/access.log")), "a\n");
    }

    #[test]
    fn half_a_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut target = Target::open(&LogPath::File(path.clone())).unwrap();
        target.write(b"{\"a\"").unwrap();
        target.cut(b"{\"a\":1}\n", 4, io::ErrorKind::StorageFull.into());
        target.write(b"{}\n").unwrap();
        target.cut(b"{}\n", 3, io::ErrorKind::StorageFull.into());
        target.write(b"{}\n").unwrap();
        assert_eq!(read(&path), "{\"a\"\n{}\n{}\n");
    }

    #[test]
    fn a_full_disk_is_an_error_with_what_was_written() {
        let mut target = Target::open(&LogPath::File("/dev/full".into())).unwrap();
        let (written, error) = target.write(b"a\n").unwrap_err();
        assert_eq!((written, error.kind()), (0, io::ErrorKind::StorageFull));
    }
}
