//! lvs-sync: makes load-balancer tables equal to the registry.
//!
//! ```text
//! snapshot ─► desired ─┐                          ┌─► ipvs      generic netlink
//!                      ├─► plan ─► ops, in order ─┼─► nftables  one transaction
//! sink.dump() ─────────┘     │                    ├─► haproxy   Runtime API, and a file for its next start
//!                            ▼                    └─► aws       ELBv2
//!                          state: what is ours, and until when what leaves may stay
//! ```
//!
//! - [`model`]: one type for what is wanted and what is there. [`desired`](mod@desired), [`plan`](mod@plan): pure.
//! - [`sink`]: what a table is programmed into. [`sync`]: one sink, kept equal.
//!
//! Level-triggered and re-entrant: whoever writes the registry, how often and in which order, the same registry ends in the
//! same sink. Invariants: what we did not make is never touched; what is right gets no operation; who has a server does not
//! lose the last one; a registry that is lost changes nothing.

pub mod cli;
pub mod desired;
pub mod ipvsadm;
pub mod model;
pub mod plan;
mod run;
pub mod sink;
pub mod sync;

pub use self::desired::desired;
pub use self::plan::plan;
