//! Roundhouse beside its peers: who runs where, in turns, and what is said of it.
//!
//! ```text
//! namespace ─► Stage: cores, report ─► row ─► Contender (proven by its row) ─► alternate ─► Comparison ─► report, picture
//!
//!  core 1: load ──► core 0: a proxy ──► core 1: backend       alone: what the proxy costs
//!                                   └─► core 0: backend       saturated: what capacity means
//! ```
//!
//! - Everybody has one worker, writes no log, and is on loopback in a network of its own ([`namespace`]), with the
//!   same congestion control.
//! - Measured is the CPU time of the proxy's processes, all threads ([`crate::process::Cpu`]), for what the load counted.
//!   Contenders take turns (A B C A B C …), and the medians of the runs are compared.
//! - What a gateway refuses or does not do yet is skipped, with its reason.
//!
//! Nothing fails because a figure misses its aim: the table says so, and a person looks. On a busy machine only the
//! ratios say something; the load average is printed above them.

mod comparison;
mod contender;
mod cores;
mod idle;
mod latency;
pub mod namespace;
mod options;
mod picture;
mod proof;
mod report;
mod stage;

pub use self::comparison::{Against, Comparison, each};
pub use self::contender::{Contender, Who};
pub use self::cores::Cores;
pub use self::idle::Idle;
pub use self::latency::Latency;
pub use self::namespace::Network;
pub use self::options::Options;
pub use self::proof::{ATTEMPT, within};
pub use self::report::{Report, Subject};
pub use self::stage::{Skipped, Stage};
