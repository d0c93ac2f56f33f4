//! What the benches share.
//!
//! ```text
//! compare    Roundhouse beside its peers; load: clients where wrk is none
//! fixtures   a registry of any size, made without a store; fill: one in a store; churn: changes to it, all the time
//! Peer       a program from Debian with a configuration of `benches/peers/`; Nginx: as a backend, and in front of it
//! backend    what nginx is no backend for
//! wrk        load, and what it says; h2load: the same over HTTP/2
//! process    CPU time, memory and cores of a process, as the kernel knows them
//! Samples    measured values; Machine: where and when they were measured; layout: a table for people
//! ```

// A bench is a harness: it may stop where it stands.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

pub mod backend;
pub mod churn;
pub mod compare;
mod fill;
mod fixtures;
mod gateway;
pub mod h2load;
pub mod layout;
pub mod load;
mod machine;
mod nginx;
mod peer;
pub mod process;
mod records;
mod samples;
pub mod wrk;

pub use self::fill::{fill, fill_embedded};
pub use self::fixtures::{facts, instance_entry, names, snapshot};
pub use self::gateway::{PORT, edit, prepared, put_domain, put_instance, put_job};
pub use self::machine::Machine;
pub use self::nginx::Nginx;
pub use self::peer::Peer;
pub use self::records::{PREFIX, domain_record, instance_key, job_record};
pub use self::samples::Samples;
