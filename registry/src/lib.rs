//! The registry: outside world in, one immutable [`Snapshot`] out.
//!
//! ```text
//! Kv (etcd | embedded) ─► Follower: list + watch ─► apply ─► Arc<Snapshot> ─► Store (ArcSwap + revision channel)
//!  ▲
//!  └─ Registry: the writes (jobs, instances under leases, VIPs, domains), each one transaction
//! ```
//!
//! - [`kv`] is the seam: etcd's own semantics (revisions, leases, compare-and-commit), two backends, one conformance
//!   suite. Nothing outside this crate knows which one is behind it.
//! - [`record`] turns keys and values into types that cannot hold a wrong value. A record that does not parse is
//!   quarantined by [`apply()`]: kept out, listed with its reason, in nobody's way.
//! - [`Store`] has one writer, the [`Follower`]. Readers never lock. A failed watch leaves the last snapshot where it
//!   is and makes it stale; it never makes it empty.
//! - [`registrar`] keeps one instance registered, for ever, against either backend or another gateway's HTTP API;
//!   [`presence`] does the same for a director's record.

#[cfg(feature = "access")]
pub mod access;
pub mod apply;
pub mod delta;
pub mod follow;
pub mod history;
pub mod hold;
#[cfg(feature = "http")]
pub mod http;
pub mod kv;
mod members;
#[cfg(any(feature = "etcd", feature = "http"))]
pub mod presence;
pub mod probe;
pub mod program;
mod quarantine;
pub mod record;
pub mod recorder;
#[cfg(any(feature = "etcd", feature = "http"))]
pub mod registrar;
#[cfg(any(feature = "etcd", feature = "http"))]
mod remote;
pub mod saved;
mod snapshot;
mod store;
pub mod write;

pub use apply::apply;
pub use delta::Delta;
pub use follow::Follower;
pub use history::History;
pub use kv::{Kv, KvError, LeaseId, Revision, Source};
pub use members::Member;
#[cfg(any(feature = "etcd", feature = "http"))]
pub use presence::Presence;
pub use quarantine::{Quarantine, Quarantined};
pub use record::{Domain, Gateway, Instance, InstanceId, Job, State};
#[cfg(any(feature = "etcd", feature = "http"))]
pub use registrar::{Registrar, Registration};
pub use snapshot::{PerInstance, Records, Snapshot, Versioned};
pub use store::{Contact, Store};
pub use write::{Registry, WriteError, Written};
