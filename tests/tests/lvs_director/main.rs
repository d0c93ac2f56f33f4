//! The program lvs-sync with sinks that need no IPVS: HAProxy, and nftables in networks of the test's own.
//!
//! ```text
//! stage     a gateway with the registry, a HAProxy, and directors that program it
//! announced what the registry, DNS and metrics are told of a director
//! shared    of two directors at one HAProxy one leads
//! stacked   nftables before HAProxy before the hub
//! publishing  job-init's `--pool` and the operator's `pool add`, in whatever order
//! ```

// Helpers of tests stop where they stand, as tests do.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod announced;
mod publishing;
mod shared;
mod stacked;
mod stage;
