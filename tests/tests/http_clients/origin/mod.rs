//! An instance that a test can look into: it says what it got, in either version of HTTP.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /bytes/N` | N bytes, with their length |
//! | `POST /echo` | the body; in the trailers its hash, and those that came |
//! | `GET /stall` | head and then nothing, until the client goes |
//! | anything else | `ok` |

pub(crate) mod h1;
pub(crate) mod h2;

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| ((i * 31) ^ (i >> 8)) as u8).collect()
}

/// Where [`pattern`] begins anew.
pub(crate) static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(64 << 10));

/// The N of `/bytes/N`.
fn wanted(path: &str) -> Option<usize> {
    path.strip_prefix("/bytes/")?.parse().ok()
}
