//! The redb file: entries, leases, the revision and the store's own id.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::super::{Change, Entry, LeaseId, Revision};
use super::state::{Effects, State};

/// key -> (created, modified, lease or 0, value)
const ENTRIES: TableDefinition<&str, (u64, u64, i64, &[u8])> = TableDefinition::new("entries");
/// lease -> TTL in milliseconds
const LEASES: TableDefinition<i64, u64> = TableDefinition::new("leases");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const ORIGIN: TableDefinition<&str, &str> = TableDefinition::new("origin");

/// redb's default cache is 1 GiB; a registry of 100,000 instances is some 60 MB and is held in memory anyway.
const CACHE: usize = 8 << 20;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open the registry file {path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("cannot read the registry file {path}: {reason}")]
    Read { path: PathBuf, reason: String },
    #[error(
        "the registry file {path} is damaged; put a backup in its place, or delete it to start with an empty one"
    )]
    Damaged { path: PathBuf },
    #[error("cannot start the registry thread: {0}")]
    Thread(std::io::Error),
}

/// Certificates' keys and tokens are in it: nobody else may read it, nor one that was made otherwise.
fn own(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

pub(super) struct Disk {
    db: Database,
    path: PathBuf,
}

impl Disk {
    /// Opens or creates the file.
    pub(super) fn open(path: &Path) -> Result<Disk, OpenError> {
        own(path).map_err(|error| OpenError::File { path: path.to_owned(), reason: error.to_string() })?;
        Disk::checked(path, redb::Builder::new().set_cache_size(CACHE).create(path))
    }

    /// Opens a file that was open before: one that is gone is not replaced by an empty registry.
    pub(super) fn reopen(path: &Path) -> Result<Disk, OpenError> {
        Disk::checked(path, redb::Builder::new().set_cache_size(CACHE).open(path))
    }

    fn checked(path: &Path, opened: Result<Database, redb::DatabaseError>) -> Result<Disk, OpenError> {
        let fail = |reason: String| OpenError::File { path: path.to_owned(), reason };
        let mut db = opened.map_err(|error| fail(error.to_string()))?;
        // All checksums, once: a damaged page must not be served as somebody's address. 100,000 instances take 0.1 s.
        if !db.check_integrity().map_err(|error| fail(error.to_string()))? {
            tracing::warn!(path = %path.display(), "registry file was damaged; its last whole commit is served");
        }
        let disk = Disk { db, path: path.to_owned() };
        disk.prepare().map_err(|error| fail(error.to_string()))?;
        Ok(disk)
    }

    pub(super) fn load(&self, now: Instant) -> Result<State, OpenError> {
        self.read(now).map_err(|error| OpenError::Read { path: self.path.clone(), reason: error.to_string() })
    }

    /// One durable transaction for a whole turn; nothing when nothing changed.
    pub(super) fn write(&self, effects: &Effects) -> Result<(), redb::Error> {
        if effects.batches.is_empty() && effects.granted.is_empty() && effects.ended.is_empty() {
            return Ok(());
        }
        let txn = self.db.begin_write()?;
        {
            let mut leases = txn.open_table(LEASES)?;
            for (id, ttl) in &effects.granted {
                leases.insert(id.0, ttl.as_millis() as u64)?;
            }
            for id in &effects.ended {
                leases.remove(id.0)?;
            }
            let mut entries = txn.open_table(ENTRIES)?;
            for change in effects.batches.iter().flat_map(|batch| &batch.changes) {
                match change {
                    Change::Put(entry) => {
                        let lease = entry.lease.map_or(0, |lease| lease.0);
                        let row = (entry.created.0, entry.modified.0, lease, entry.value.as_ref());
                        entries.insert(entry.key.as_str(), row)?;
                    }
                    Change::Delete { key, .. } => {
                        entries.remove(key.as_str())?;
                    }
                }
            }
            if let Some(last) = effects.batches.last() {
                txn.open_table(META)?.insert("revision", last.revision.0)?;
            }
        }
        txn.commit()?;
        Ok(())
    }

    /// Makes the tables, and the store's id at its first opening.
    fn prepare(&self) -> Result<(), redb::Error> {
        let txn = self.db.begin_write()?;
        {
            txn.open_table(ENTRIES)?;
            txn.open_table(LEASES)?;
            txn.open_table(META)?;
            let mut origin = txn.open_table(ORIGIN)?;
            if origin.get("origin")?.is_none() {
                origin.insert("origin", uuid::Uuid::new_v4().simple().to_string().as_str())?;
            }
        }
        txn.commit()?;
        Ok(())
    }

    fn read(&self, now: Instant) -> Result<State, redb::Error> {
        let txn = self.db.begin_read()?;
        let origin = match txn.open_table(ORIGIN)?.get("origin")? {
            Some(origin) => origin.value().to_owned(),
            None => String::new(),
        };
        let revision = txn.open_table(META)?.get("revision")?.map_or(0, |revision| revision.value());
        let mut leases = Vec::new();
        for row in txn.open_table(LEASES)?.iter()? {
            let (id, ttl) = row?;
            leases.push((LeaseId(id.value()), Duration::from_millis(ttl.value())));
        }
        let mut entries = Vec::new();
        for row in txn.open_table(ENTRIES)?.iter()? {
            let (key, row) = row?;
            let (created, modified, lease, value) = row.value();
            entries.push(Entry {
                key: key.value().to_owned(),
                value: Bytes::copy_from_slice(value),
                created: Revision(created),
                modified: Revision(modified),
                lease: (lease != 0).then_some(LeaseId(lease)),
            });
        }
        // 31 random bits above, room for 2^32 leases in one run below.
        let first_lease = LeaseId(i64::from(rand::random::<u32>() >> 1) << 32 | 1);
        Ok(State::new(origin, first_lease, Revision(revision), entries, leases, now))
    }
}
