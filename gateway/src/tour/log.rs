//! The gateway's log, before and after it is known whose gateway serves.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

/// Lines of a log that are shown when its program failed.
const SHOWN: usize = 15;

/// The log of a program that may turn out to have no business here.
///
/// Until [`keep`](Self::keep) it has a name of its own, so that the log of one that runs already stays what it is; and
/// it goes with this value.
pub(super) struct ProvisionalLog {
    path: PathBuf,
    kept: PathBuf,
}

impl ProvisionalLog {
    pub(super) fn create(path: PathBuf) -> io::Result<(ProvisionalLog, File)> {
        let provisional = path.with_extension(format!("{}.log", std::process::id()));
        let file = File::create(&provisional)?;
        Ok((ProvisionalLog { path: provisional, kept: path }, file))
    }

    /// Its program goes on writing into the same file.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.kept)?;
        self.path.clone_from(&self.kept);
        Ok(())
    }

    pub(super) fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN)..].join("\n")
    }
}

impl Drop for ProvisionalLog {
    fn drop(&mut self) {
        if self.path != self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}
