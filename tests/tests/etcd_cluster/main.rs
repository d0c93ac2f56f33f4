//! Three members: one dies, freezes, leads or does not, and whoever uses the cluster goes on.
//!
//! ```text
//! busy      reads, writes, a watch and a lease at work, checked at the end
//! faults    one member after the other killed, frozen; the leader moved
//! lost      a write whose answer never comes
//! away      no majority; members that were never there; a watch on the frozen one
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod away;
mod busy;
mod faults;
mod lost;

use std::time::Duration;

const PREFIX: &str = "/rh";
/// What the HTTP API promises of every call.
const ANSWER: Duration = Duration::from_secs(3);
