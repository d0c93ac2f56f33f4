//! The seam to the outside: a revisioned key-value store with leases, as etcd's v3 API defines it.
//!
//! Every commit has a [`Revision`], one higher than the last. A [`Listing`] is the whole content at one revision; a
//! watch then gives each later commit as one [`Batch`], in order, without a gap, or ends with an error, after which
//! the reader lists again. Keys are relative to the store's prefix (`jobs/app2`).
//!
//! A backend promises the conformance suite in `tests/tests/kv_conformance/`, whatever it is made of. [`embedded`] and
//! [`etcd`] take writes too; [`http`] reads through another gateway.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "etcd")]
pub mod etcd;
#[cfg(feature = "http")]
pub mod http;
pub mod json;
mod portion;

pub(crate) use self::portion::portions;

/// The position of a commit in the store's history; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A lease: keys attached to it go when it is revoked or runs out. etcd's ids use all 63 bits, so JSON carries them
/// as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl std::str::FromStr for LeaseId {
    type Err = String;

    fn from_str(text: &str) -> Result<LeaseId, String> {
        match i64::from_str_radix(text, 16) {
            Ok(id) if id > 0 => Ok(LeaseId(id)),
            _ => Err(format!("`{text}` is no lease id; write the hexadecimal id that registration answered")),
        }
    }
}

/// One key as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub value: Bytes,
    /// The commit that made the key.
    pub created: Revision,
    /// The commit that wrote it last.
    pub modified: Revision,
    pub lease: Option<LeaseId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put(Entry),
    /// Deleted, revoked or expired: the store does not say which.
    Delete {
        key: String,
        revision: Revision,
    },
}

impl Change {
    pub fn key(&self) -> &str {
        match self {
            Change::Put(entry) => &entry.key,
            Change::Delete { key, .. } => key,
        }
    }
}

/// What one or more commits changed, in order; `revision` is the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub revision: Revision,
    pub changes: Vec<Change>,
}

/// Everything, at one revision.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Which history this is (etcd: the cluster id). Two listings with different origins have nothing in common.
    pub origin: String,
    pub revision: Revision,
    pub entries: Vec<Entry>,
}

/// The commits after a revision, and signs of life.
#[derive(Debug)]
pub enum Event {
    Batch(Batch),
    /// The store is alive, and nothing more.
    Progress,
    /// Whoever answers is alive and has itself lost what it follows, so long ago and for this reason. What it gave is
    /// still the best there is.
    Stale {
        age: Duration,
        reason: String,
    },
}

/// Ends (`None`) or gives an error when the store can no longer promise a gapless stream.
pub type Watch = mpsc::Receiver<Result<Event, KvError>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Absent(String),
    /// The key's last write was this commit; revision 0: it is absent.
    At(String, Revision),
    /// No key starts with this.
    Vacant(String),
}

#[derive(Clone, Debug)]
pub enum Op {
    Put { key: String, value: Bytes, lease: Option<LeaseId> },
    Delete(String),
}

/// All operations, if all conditions hold; else nothing.
#[derive(Clone, Debug, Default)]
pub struct Txn {
    pub when: Vec<Condition>,
    pub then: Vec<Op>,
}

impl Txn {
    pub fn new() -> Txn {
        Txn::default()
    }

    #[must_use]
    pub fn when(mut self, condition: Condition) -> Txn {
        self.when.push(condition);
        self
    }

    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Bytes>, lease: Option<LeaseId>) -> Txn {
        self.then.push(Op::Put { key: key.into(), value: value.into(), lease });
        self
    }

    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Txn {
        self.then.push(Op::Delete(key.into()));
        self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    Done(Revision),
    /// A condition did not hold; nothing was written.
    Refused,
}

/// Told apart by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KvError {
    /// Try again later; the store may or may not have taken the write.
    #[error("registry {store} does not answer: {reason}")]
    Unavailable { store: String, reason: String },
    /// It is there and does not let us: somebody must change its users or our settings.
    #[error("registry {store} does not let us in: {reason}")]
    Denied { store: String, reason: String },
    /// The wanted revision is gone from the store's history: list again.
    #[error("registry history before revision {0} is compacted")]
    Compacted(Revision),
    /// Grant a new lease.
    #[error("lease {0} is not there: it ran out or was revoked")]
    NoLease(LeaseId),
    /// The request itself is wrong; the same one will fail again.
    #[error("registry refused the request: {0}")]
    Invalid(String),
}

pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, KvError>> + Send + 'a>>;

/// What a follower needs: everything once, then every change. Calls end within a few seconds whatever the store does.
pub trait Source: Send + Sync + 'static {
    /// For messages: the URL as the operator wrote it.
    fn name(&self) -> String;
    fn list(&self) -> Pending<'_, Listing>;
    /// Every commit after `after`.
    fn watch(&self, after: Revision) -> Pending<'_, Watch>;
    /// The newest revision there is, linearizable: whatever was committed before this was called has it or a lower one.
    /// Through another gateway it is what that one has seen.
    fn newest(&self) -> Pending<'_, Revision>;
}

/// A backend that also takes writes.
pub trait Kv: Source {
    /// The keys that start with `prefix`, linearizable, sorted.
    fn range<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<Entry>>;
    /// One key, linearizable.
    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Entry>>;
    fn commit(&self, txn: Txn) -> Pending<'_, Commit>;
    fn grant(&self, ttl: Duration) -> Pending<'_, LeaseId>;
    /// Sets the lease's clock back to its full TTL.
    fn keep_alive(&self, lease: LeaseId) -> Pending<'_, ()>;
    /// Ends the lease and its keys. A lease that is gone already is no error.
    fn revoke(&self, lease: LeaseId) -> Pending<'_, ()>;
}
