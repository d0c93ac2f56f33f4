//! lvs-sync: makes a load-balancer table equal to the registry.
//!
//! ```text
//! desired (registry) ─┐
//!                     ├─► diff ─► changes, adds before removals
//! actual (sink dump) ─┘
//! ```
//!
//! Both sides have one type, [`Services`], so a diff is a comparison and nothing else. All of this is pure; the sinks
//! that dump and program a kernel or a balancer come with a later version.
//!
//! Invariants: an entry that is not ours is never touched; an entry that is already right gets no change; applying the
//! changes to `actual` gives `desired`, and a second diff is empty.

mod desired;
mod diff;
mod service;

pub use desired::{Pool, desired};
pub use diff::{Change, Diff, diff};
pub use service::{Destination, Forwarding, Scheduler, Service, ServiceKey, Services, Transport};
