//! The last snapshot on disk: what a start without a registry serves.
//!
//! Lines of JSON, readable with `less` and `jq`: a header, one [entry](crate::kv::json) a line, and the SHA-256 of
//! everything before it. Written to a file beside it, synced and renamed over it, so there is always one whole file;
//! one that is cut off or altered is refused and never half-read. Mode 0600: certificates' keys are in it.
//!
//! The header says which registry (its origin and the prefix) and when that was last heard. A file of another prefix is
//! refused at once; one of another origin as soon as the registry says its own.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::hold::Retained;
use crate::kv::{Entry, Listing, Revision};
use crate::record::Timestamp;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// The layout that this program writes, and the only one it reads.
const VERSION: u32 = 1;
/// At most one write in this time.
const PACE: Duration = Duration::from_secs(1);
/// A large registry takes longer to write; this many times that is left between two writes.
const REST: u32 = 10;
/// How old the time of last contact in the file may be while nothing else changes.
const REFRESH: Duration = Duration::from_secs(30);

/// Where it is, and whose it is.
#[derive(Clone, Debug)]
pub struct SavedFile {
    path: PathBuf,
    prefix: String,
}

/// What was saved.
#[derive(Debug)]
pub struct Saved {
    pub snapshot: Snapshot,
    /// When the registry was last heard.
    pub contact: SystemTime,
}

impl Saved {
    /// How old it is by this machine's clock; one from the future is new.
    pub fn age(&self) -> Duration {
        self.contact.elapsed().unwrap_or_default()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}; it is left as it is and not used: delete it, or put a good one in its place", path.display())]
pub struct SavedError {
    path: PathBuf,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    roundhouse_snapshot: u32,
    prefix: String,
    origin: String,
    revision: Revision,
    contact: Timestamp,
    entries: usize,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    retained: BTreeMap<String, Retained>,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    sha256: String,
}

impl SavedFile {
    pub fn new(path: impl Into<PathBuf>, prefix: impl Into<String>) -> SavedFile {
        SavedFile { path: path.into(), prefix: prefix.into() }
    }

    /// `None`: there is no file.
    pub fn read(&self) -> Result<Option<Saved>, SavedError> {
        let refuse = |reason: String| SavedError { path: self.path.clone(), reason };
        let file = match File::open(&self.path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse(format!("cannot be read: {error}"))),
        };
        let (header, listing) = parse(file).map_err(refuse)?;
        if header.prefix != self.prefix {
            let (own, theirs) = (&self.prefix, &header.prefix);
            return Err(refuse(format!("is of the prefix {theirs}, and this registry's is {own}")));
        }
        let contact = SystemTime::UNIX_EPOCH + Duration::from_secs(header.contact.seconds());
        let mut snapshot = Snapshot::from_listing(listing);
        for (key, retained) in header.retained {
            snapshot.retained.insert(key.into(), retained);
        }
        Ok(Some(Saved { snapshot, contact }))
    }

    /// Replaces the file in one step.
    pub fn write(&self, snapshot: &Snapshot, contact: SystemTime) -> io::Result<()> {
        let entries = snapshot.entries();
        let header = Header {
            roundhouse_snapshot: VERSION,
            prefix: self.prefix.clone(),
            origin: snapshot.origin.to_string(),
            revision: snapshot.revision,
            contact: Timestamp::of(contact),
            entries: entries.len(),
            retained: snapshot.retained.iter().map(|(key, why)| (key.to_string(), why.clone())).collect(),
        };
        let beside = self.path.with_extension("new");
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
        let mut out = Hashed { file: BufWriter::new(file), hash: Sha256::new() };
        out.line(&header)?;
        for entry in &entries {
            out.line(entry)?;
        }
        let sha256 = hex(&out.hash.clone().finalize());
        out.line(&Trailer { sha256 })?;
        out.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&beside, &self.path)?;
        // The rename itself must outlive the power, too.
        let folder =
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    /// Saves the store from now on, until `stop` is there; then once more.
    pub async fn keep(self, store: Arc<Store>, mut stop: watch::Receiver<bool>) {
        let mut changes = store.changes();
        let mut failing = false;
        loop {
            // Asked before the write: what is published until then is in it.
            let last = *stop.borrow_and_update();
            let began = Instant::now();
            let (file, saved) = (self.clone(), store.clone());
            let write =
                tokio::task::spawn_blocking(move || file.write(&saved.load(), saved.contact().heard_at()));
            // The task neither panics nor is cancelled; and the next write says it all again.
            let result = write.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            match &result {
                Ok(()) if failing => tracing::info!(file = %self.path.display(), "snapshot saved again"),
                Err(error) if !failing => {
                    tracing::error!(file = %self.path.display(), %error, "snapshot not saved");
                }
                _ => {}
            }
            failing = result.is_err();
            if last {
                return;
            }
            let rest = PACE.max(began.elapsed() * REST);
            let (wait, lost) = (began + rest, store.contact().lost.is_some());
            let due = async {
                tokio::time::sleep_until(wait.into()).await;
                tokio::select! {
                    _ = changes.changed() => {}
                    // Away, there is no news: not even that of being away longer.
                    () = tokio::time::sleep_until((began + REFRESH).into()), if !lost => {}
                }
            };
            tokio::select! {
                () = due => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }
}

/// A file whose every byte is counted into its checksum.
struct Hashed {
    file: BufWriter<File>,
    hash: Sha256,
}

impl Hashed {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        self.hash.update(&line);
        self.file.write_all(&line)
    }
}

fn parse(mut file: impl BufRead) -> Result<(Header, Listing), String> {
    let mut hash = Sha256::new();
    let mut line = String::new();
    let mut next = |hash: &mut Sha256| -> Result<(String, Sha256), String> {
        let before = hash.clone();
        line.clear();
        file.read_line(&mut line).map_err(|error| format!("cannot be read: {error}"))?;
        hash.update(line.as_bytes());
        match line.strip_suffix('\n') {
            Some(whole) => Ok((whole.to_owned(), before)),
            None => Err("is cut off".to_owned()),
        }
    };
    let (first, _) = next(&mut hash)?;
    let header: Header =
        serde_json::from_str(&first).map_err(|error| format!("is no saved snapshot: {error}"))?;
    if header.roundhouse_snapshot != VERSION {
        let version = header.roundhouse_snapshot;
        return Err(format!("has layout {version}, and this program reads {VERSION}"));
    }
    // The number is not believed before the checksum is; the lines are counted.
    let mut entries: Vec<Entry> = Vec::new();
    while entries.len() < header.entries {
        let (line, _) = next(&mut hash)?;
        let number = entries.len() + 2;
        entries.push(
            serde_json::from_str(&line).map_err(|error| format!("is damaged in line {number}: {error}"))?,
        );
    }
    let (last, before) = next(&mut hash)?;
    let trailer: Trailer =
        serde_json::from_str(&last).map_err(|_| "has no checksum at its end".to_owned())?;
    if trailer.sha256 != hex(&before.finalize()) {
        return Err("does not have the checksum that it says: it was altered".to_owned());
    }
    if !file.fill_buf().map_err(|error| format!("cannot be read: {error}"))?.is_empty() {
        return Err("goes on after its end".to_owned());
    }
    let listing = Listing { origin: header.origin.clone(), revision: header.revision, entries };
    Ok((header, listing))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
