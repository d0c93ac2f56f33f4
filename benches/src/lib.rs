//! What the benches share.
//!
//! ```text
//! fixtures   a registry of any size, made without a store; fill: one in a store
//! Peer       a program from Debian with a configuration of `benches/peers/`; Nginx: as a backend, and in front of it
//! wrk        load, and what it says
//! process    CPU time, memory and cores of a process, as the kernel knows them
//! Samples    measured values; Machine: where and when they were measured; layout: a table for people
//! ```

// A bench is a harness: it may stop where it stands.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod fill;
mod fixtures;
mod gateway;
pub mod layout;
mod machine;
mod nginx;
mod peer;
pub mod process;
mod samples;
pub mod wrk;

pub use self::fill::fill;
pub use self::fixtures::{facts, instance_entry, names, snapshot};
pub use self::gateway::edit;
pub use self::machine::Machine;
pub use self::nginx::Nginx;
pub use self::peer::Peer;
pub use self::samples::Samples;
