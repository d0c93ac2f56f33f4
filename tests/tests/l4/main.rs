//! The L4 engine, end to end: a real gateway, real servers and clients, and everything that goes wrong between them.

// Helpers of tests stop where they stand, as tests do.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod draining;
mod entrypoints;
mod failover;
mod half_close;
mod hub;
mod ipv6;
mod limits;
mod origination;
mod passthrough;
mod protocols;
mod proxy;
mod proxy_forged;
mod resets;
mod slow;
mod termination;
mod timeouts;
mod tls;
mod udp;

use std::io::{Read, Write};
use std::net::TcpStream;

/// Whether the bytes come back.
fn echoes(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    let mut back = vec![0; bytes.len()];
    stream.write_all(bytes).is_ok() && stream.read_exact(&mut back).is_ok() && back == bytes
}
