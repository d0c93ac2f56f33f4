//! The IPVS sink and the program over a real kernel's IPVS, with ipvsadm(8) as the oracle.

// Helpers of tests stop where they stand, as tests do.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod codec;
mod director;
mod hubs;
mod once;
mod shell;
mod stage;
