//! The fragment's file: replaced in one step, so that whoever reloads HAProxy at whatever moment has a whole one.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::command;
use crate::sink::SinkError;

/// Of a fragment that is read: 100,000 servers are some 8 MB.
const MOST: u64 = 64 << 20;
/// A check of the same takes a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines of HAProxy's own that an error repeats.
const REASONS: usize = 3;

#[derive(Clone, Debug)]
pub(super) struct FragmentFile {
    path: PathBuf,
}

impl FragmentFile {
    pub(super) fn new(path: PathBuf) -> FragmentFile {
        FragmentFile { path }
    }

    /// Nothing where there is none yet.
    pub(super) fn read(&self) -> Result<String, SinkError> {
        let failed = || SinkError::io(format!("cannot read {}", self.path.display()));
        match fs::metadata(&self.path) {
            Ok(found) if found.len() > MOST => {
                let message = format!("{} is longer than {MOST} bytes: none of ours", self.path.display());
                Err(SinkError::Refused(message))
            }
            // Other bytes than text are none of ours, and are seen not to be.
            Ok(_) => fs::read(&self.path)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .map_err(failed()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(failed()(error)),
        }
    }

    /// Puts the text in its place, unless it is there. `check`: only if HAProxy could start with it.
    pub(super) fn write(&self, text: &str, check: bool) -> Result<(), SinkError> {
        if fs::read(&self.path).is_ok_and(|found| found == text.as_bytes()) {
            return Ok(());
        }
        // HAProxy takes files of a folder by their ending, `.cfg`.
        let beside = self.path.with_extension("new");
        write_out(&beside, text).map_err(SinkError::io(format!("cannot write {}", beside.display())))?;
        if check {
            self.check(&beside)?;
        }
        let failed = || SinkError::io(format!("cannot replace {}", self.path.display()));
        fs::rename(&beside, &self.path).map_err(failed())?;
        // The rename itself must outlive the power, too.
        let folder =
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed())
    }

    /// `haproxy -c`, where there is one: HAProxy may run in a container that nothing is known of here.
    fn check(&self, beside: &Path) -> Result<(), SinkError> {
        let mut haproxy = Command::new("haproxy");
        haproxy.arg("-c").arg("-f").arg(beside);
        let (status, said) = match command::hear(&mut haproxy, PATIENCE) {
            Ok(ended) => ended,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(SinkError::io(format!("haproxy -c -f {}", beside.display()))(error)),
        };
        if status.success() {
            return Ok(());
        }
        let alerts = said.lines().filter(|line| line.contains("[ALERT]")).take(REASONS).collect::<Vec<_>>();
        Err(SinkError::Refused(format!(
            "`haproxy -c -f {}` refuses the new fragment, and {} stays as it was: {}",
            beside.display(),
            self.path.display(),
            alerts.join(" ")
        )))
    }
}

fn write_out(path: &Path, text: &str) -> std::io::Result<()> {
    // No secrets are in it, and HAProxy may read it as another user.
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o644).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn it_is_replaced_only_by_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = FragmentFile::new(folder.path().join("roundhouse.cfg"));
        assert_eq!(file.read().unwrap(), "");
        file.write("# one\n", false).unwrap();
        let first = fs::metadata(&file.path).unwrap().ino();
        file.write("# one\n", false).unwrap();
        assert_eq!(fs::metadata(&file.path).unwrap().ino(), first, "it was rewritten");
        file.write("# two\n", false).unwrap();
        assert_ne!(fs::metadata(&file.path).unwrap().ino(), first, "it was not replaced in one step");
        assert_eq!(file.read().unwrap(), "# two\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_that_cannot_be_read_or_written_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = FragmentFile::new(folder.path().to_owned());
        assert!(file.read().unwrap_err().to_string().contains(&folder.path().display().to_string()));
        let file = FragmentFile::new(folder.path().join("none").join("roundhouse.cfg"));
        assert!(file.write("", false).unwrap_err().to_string().contains("none/roundhouse.new"));
    }

    /// Needs haproxy(1), which `make tools-test` installs.
    #[test]
    fn what_haproxy_would_not_start_with_does_not_get_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = FragmentFile::new(folder.path().join("roundhouse.cfg"));
        let good = "frontend a\n    bind 127.0.0.1:1\n";
        file.write(good, true).unwrap();
        let error = file.write("frontend a\n    bind nowhere\n", true).unwrap_err().to_string();
        assert!(error.contains("stays as it was") && error.contains("[ALERT]"), "{error}");
        assert_eq!(file.read().unwrap(), good);
    }
}
