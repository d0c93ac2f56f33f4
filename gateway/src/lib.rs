//! The gateway: one process that proxies every job name and public domain and takes every change without a reload.
//!
//! ```text
//! Store (registry) ─► control ─► Table (ArcSwap) ─► worker: accept ─► route ─► pick ─► L4 relay | L7 exchange
//!                       │  ├─► catch: which VIP:port is listened on
//!                       │  └─► health: which endpoints may be picked
//!                       └─► dns, admin: read the same table
//! ```
//!
//! - [`table`] and [`balance`] are pure: what a name means and whose turn it is. No I/O, no clock, no lock.
//! - [`policy`] is what a domain's route does to a request and its answer: pure functions of the two heads.
//! - [`worker`] is one thread with one current-thread runtime; [`l4`] and [`l7`] are the engines that it runs, over what
//!   [`plane`] gives them.
//! - [`run`] puts the parts together and is the only writer of the table; nothing below it knows it. [`shared`] is what
//!   the parts of a running gateway read of each other.
//! - [`cli`] is the operator's side; it talks to a running gateway over [`admin`]'s HTTP API.

pub mod access;
pub mod access_log;
pub mod admin;
mod app;
pub mod balance;
pub mod capacity;
pub mod catch;
pub mod cli;
pub mod client_address;
mod descriptors;
pub mod dns;
pub mod entrypoint;
mod h1;
pub mod health;
pub mod holder;
mod host_address;
mod jobs;
pub mod l4;
pub mod l7;
mod listening;
pub mod phase;
pub mod plane;
pub mod policy;
pub mod proxy_protocol;
pub mod run;
pub mod sample;
pub mod shared;
pub mod table;
pub mod tls;
pub mod tour;
pub mod trace;
pub mod transfer;
pub mod udp;
pub mod worker;

#[doc(hidden)]
pub use self::h1::whole as http1;
