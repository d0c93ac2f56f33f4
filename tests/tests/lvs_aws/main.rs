//! The sink for Amazon's balancers against moto's server, which plays ELBv2.
//!
//! ```text
//! sink ─► proxy: counts calls, and plays what moto does not: drains, throttling, quotas, answers that are lost ─► moto
//! ```
//!
//! moto     the server, and what an operator would do at it
//! proxy    what stands between
//! stage    a region of the test's own, with a group in it
//! groups   which group is a pool's, and what is said where there is none
//! changes  who comes and who leaves, in which calls
//! limits   throttling, quotas, leases and answers that do not come
//! planned  the planner and the sink together, round after round
//! access   endpoints and credentials that do not do

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod access;
mod changes;
mod groups;
mod limits;
mod moto;
mod planned;
mod proxy;
mod query;
mod stage;
