//! The writes: each is one compare-and-commit transaction, made again when somebody else was faster.
//!
//! ```text
//! jobs/<label>                    first owner keeps the label; an implicit record yields to an explicit one
//! instances/<label>/<uuid>        with addresses/tcp/<ip>:<port>, both only if absent, under one lease
//! directors/<id>                  only if absent or one's own, under one lease
//! leaders/<name>                  only if absent, under the lease of a director that lives
//! vips/<label>, vip-owners/<n>    both in one transaction, so that every gateway agrees and no two jobs share one
//! pools/<pool>, pool-vips/<ip>    in one transaction, so that no two pools share a port of a VIP
//! rules/<id>                      with guards/<selector>, if it is the first allow rule there that is enforced
//! everything else                 by its key: lines, domains, certificates, tokens
//! ```
//!
//! A writer may be [limited](Registry::within) to instances of its own.

mod directors;
mod gateways;
mod instances;
mod jobs;
mod leaders;
mod pools;
mod reach;
mod records;
mod restore;
mod rules;
mod vips;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use roundhouse_config::{JobName, Label};

use crate::kv::{Entry, Kv, KvError, LeaseId, Revision};
use crate::record::{Key, Name, ValueError};

pub use self::instances::NewInstance;
pub use self::leaders::Led;
pub use self::pools::{NewPool, PoolWritten};
pub use self::reach::Reach;
pub use self::restore::Restored;
pub use self::rules::RuleWritten;
pub use self::vips::VipAllocator;

/// Times that a transaction is made again before the caller is told that the registry is too busy. With 8 writers at
/// one key, 64 rounds fail only if something is wrong.
const ATTEMPTS: usize = 64;

/// What the caller believes about the record (RFC 9110, 13.1: `If-Match`, `If-None-Match: *`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    #[default]
    Any,
    Absent,
    /// At whatever revision.
    Present,
    At(Revision),
    /// At one of these; of none it is never so.
    OneOf(Arc<[Revision]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub revision: Revision,
    pub created: bool,
}

/// Told apart by what the caller does next; the HTTP API has a status for each.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Kv(#[from] KvError),
    #[error(transparent)]
    Invalid(#[from] ValueError),
    #[error("there is no {0}")]
    NotFound(String),
    #[error("{key} is at revision {found}, not as expected; read it again and repeat the change", found = found.map_or("none (absent)".to_owned(), |at| at.to_string()))]
    Precondition { key: String, found: Option<Revision> },
    #[error("label `{label}` belongs to {owner}; choose another label for {wanted}, or delete the job first")]
    LabelTaken { label: Label, owner: JobName, wanted: JobName },
    #[error("{wanted} is already served under the label `{label}`; dial that, or delete the job first")]
    JobNameTaken { label: Label, wanted: JobName },
    #[error("{address} is held by the live instance {holder}; stop that one, or register another port")]
    AddressTaken { address: String, holder: String },
    #[error(
        "directors/{id} is held by the live director on {host}; stop that one, or give this one another id"
    )]
    DirectorTaken { id: String, host: String },
    #[error("leaders/{name} is held by the director {director}; it is free when that one leaves or is gone")]
    LeaderTaken { name: Name, director: Box<str> },
    #[error(
        "directors/{id} is not under the lease {lease}; announce the director, and lead under the lease that it has"
    )]
    NoDirector { id: Box<str>, lease: LeaseId },
    #[error(
        "{key} is not the caller's own; an own instance is at {allowed}; register it from there, or with a token that \
         names its range"
    )]
    NotYours { key: String, allowed: String },
    #[error("{key} is not the caller's own: it is static: operators only")]
    Static { key: String },
    #[error("job `{label}` still has {instances} instance(s); stop or drain them first")]
    InUse { label: Label, instances: usize },
    #[error(
        "no VIP is free: {used} of {size} offsets are in use; delete unused jobs or choose a larger `names.vips`"
    )]
    NoVip { used: usize, size: u32 },
    #[error(
        "line `{line}` has no VIP to give: {used} of {size} addresses of {ranges} are in use or rest for 24 h; add a range \
         to the line's `vips`, or delete a pool that is not used"
    )]
    NoPoolVip { line: Label, ranges: String, used: usize, size: u128 },
    #[error(
        "no line has VIPs to give, so pool `{pool}` would have none; write a line with its ranges first, as in PUT \
         /v1/lines/telecom {{\"vips\":[\"203.0.113.0/28\"]}}"
    )]
    NoLine { pool: Label },
    #[error(
        "{vip} port {port}/{protocol} is pool `{holder}`'s; choose another port or VIP, or take the VIP out of that pool \
         first"
    )]
    PoolVipTaken { vip: IpAddr, port: u16, protocol: &'static str, holder: Label },
    #[error(
        "pool `{pool}` leads to job `{owner}`, not to `{wanted}`; choose another name, or lead it here with `roundhouse \
         pool set {pool} --job {wanted}`"
    )]
    PoolTaken { pool: Label, owner: Label, wanted: Label },
    #[error(
        "pool `{pool}` would change {operations} records at once, and a transaction takes {most}; write some of its lines \
         first, then the others"
    )]
    PoolTooLarge { pool: Label, operations: usize, most: usize },
    #[error("{0} changed under every attempt; try again")]
    Busy(String),
}

/// The writing side of a registry.
#[derive(Clone)]
pub struct Registry {
    kv: Arc<dyn Kv>,
    reach: Arc<Reach>,
}

impl Registry {
    pub fn new(kv: Arc<dyn Kv>) -> Registry {
        Registry { kv, reach: Arc::default() }
    }

    /// The same for a writer who may touch only some of the instances.
    #[must_use]
    pub fn within(&self, reach: Reach) -> Registry {
        Registry { kv: self.kv.clone(), reach: Arc::new(reach) }
    }

    pub fn kv(&self) -> &Arc<dyn Kv> {
        &self.kv
    }

    pub async fn keep_alive(&self, lease: LeaseId) -> Result<(), KvError> {
        self.kv.keep_alive(lease).await
    }

    pub async fn revoke(&self, lease: LeaseId) -> Result<(), KvError> {
        self.kv.revoke(lease).await
    }

    /// Writes under a new lease.
    async fn under_lease<W>(
        &self,
        ttl: Duration,
        write: impl FnOnce(LeaseId) -> W,
    ) -> Result<(LeaseId, Written), WriteError>
    where
        W: Future<Output = Result<Written, WriteError>>,
    {
        let lease = self.kv().grant(ttl).await?;
        match write(lease).await {
            Ok(written) => Ok((lease, written)),
            Err(error) => {
                // An unused lease would run out by itself; ending it now keeps the list short.
                let _ = self.kv().revoke(lease).await;
                Err(error)
            }
        }
    }

    async fn read(&self, key: &Key) -> Result<Option<Entry>, KvError> {
        self.kv.get(&key.to_string()).await
    }
}

impl Expect {
    /// Whether the entry is what the caller believes it is.
    fn check(&self, key: &Key, found: Option<&Entry>) -> Result<(), WriteError> {
        let found = found.map(|entry| entry.modified);
        let holds = match self {
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Present => found.is_some(),
            Expect::At(revision) => found == Some(*revision),
            Expect::OneOf(revisions) => found.is_some_and(|found| revisions.contains(&found)),
        };
        if holds { Ok(()) } else { Err(WriteError::Precondition { key: key.to_string(), found }) }
    }
}
