//! Who may come to which job: both the peer's address and its JOBNAME must be right.
//!
//! ```text
//! Snapshot ─► Compiler ─► Table (immutable) ─► decide(policy, query) ─► Decision
//!             rules, guards, jobs ─► Policy of each job
//!             instances, held     ─► who lives at which address
//! ```
//!
//! - The [`Compiler`] has one writer and costs what changed. A [`Table`] is read by everybody, without a lock; gateways and
//!   the guard inside a database proxy share it.
//! - Deciding is pure: the time and the age of what is known are in the [`Query`].
//! - Rules have no order. A deny that matches wins, else an allow, else the job's guard or its `access`.
//! - Nothing opens a door by being lost: what cannot be read keeps its last good form (see [`apply`](crate::apply())), an
//!   expired or deleted rule leaves its guard, and a registry that is away leaves the table as it is.

pub mod bootstrap;
mod catch_up;
mod compile;
mod decide;
mod explain;
mod group;
#[cfg(any(feature = "etcd", feature = "http"))]
pub mod guard;
mod place;
mod policy;
mod query;
mod shards;
mod table;
mod tags;
#[cfg(test)]
mod tests;

pub use self::catch_up::CatchUp;
pub use self::compile::{Changed, Compiler};
pub use self::explain::{Explained, Seen};
pub use self::group::Compiled;
#[cfg(any(feature = "etcd", feature = "http"))]
pub use self::guard::Guard;
pub use self::place::{Resident, Subject};
pub use self::policy::{Otherwise, Policy, Port};
pub use self::query::{Claim, Decision, Http, Query, Reason, Shown, Verdict, Would};
pub use self::table::Table;
