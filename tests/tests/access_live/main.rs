//! Access rules through a real gateway: nobody who may not come in does, whatever he writes, and whoever may no longer be
//! there is gone within a second.
//!
//! Instances are registered at loopback addresses of the test's own network. A client that binds one of them is that
//! instance to the gateway, as one in a container of its own would be.

// Helpers of tests stop where they stand, as tests do.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod ask;
mod auth;
mod bypass;
mod checks;
mod nginx;
mod revocation;
mod stage;
