//! The data directory: made if it is missing, and held by one process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// flock(2) on a file in the directory: it goes with the process, however that ends.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    #[error(
        "cannot use the data directory {path}: {source}; make it writable for this user, or set data_dir"
    )]
    Unusable { path: PathBuf, source: io::Error },
    #[error(
        "the data directory {path} is in use by another gateway ({holder}); stop that one, or set another data_dir"
    )]
    Held { path: PathBuf, holder: String },
}

impl DataDir {
    pub(crate) fn lock(path: &Path) -> Result<DataDir, DataDirError> {
        let unusable = |source| DataDirError::Unusable { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let unusable = |source| DataDirError::Unusable { path: path.clone(), source };
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = lock.read_to_string(&mut pid);
                return Err(DataDirError::Held { path: path.clone(), holder: format!("pid {}", pid.trim()) });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(unusable)?;
        writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(DataDir { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
