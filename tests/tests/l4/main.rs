//! The L4 engine, end to end: a real gateway, real servers and clients, and everything that goes wrong between them.

// Helpers of tests stop where they stand, as tests do.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod failover;
mod half_close;
mod protocols;
mod resets;

use std::io::{Read, Write};
use std::net::TcpStream;

/// Whether the bytes come back.
fn echoes(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    let mut back = vec![0; bytes.len()];
    stream.write_all(bytes).is_ok() && stream.read_exact(&mut back).is_ok() && back == bytes
}
