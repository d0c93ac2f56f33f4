//! The main job, end to end, on the embedded registry: real gateway, real job-init, real clients.

// Helpers of tests stop where they stand, as tests do.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod awkward;
mod balance;
mod bind;
mod by_host;
mod by_name;
mod life;
mod pooled;

use std::net::SocketAddr;

use roundhouse_tests::http;

/// Who answers there, as the sample responder says it: its name and its own address.
fn answer(server: SocketAddr, host: &str) -> String {
    match http::get(server, host, "/") {
        Ok(reply) => reply.body,
        Err(error) => format!("error: {error}"),
    }
}
