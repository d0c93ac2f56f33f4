//! Access rules for programs that are not in Rust: [`Guard`] behind a small C ABI.
//!
//! ```text
//! C ─► abi (pointers in, answers out; the only unsafe code) ─► opening, asking (texts) ─► Guard
//!                                                                  answer ◄────────────────┘
//! ```
//!
//! - A null pointer, a text that is no text and a panic are answers: no.
//! - Whatever is handed out is owned by the caller (`rh_decision`), static (`reason`) or opaque (`rh_guard`).
//! - `include/roundhouse_access.h` is made of this source; a test compares them.
//!
//! [`Guard`]: roundhouse_registry::access::Guard

// The names are C's.
#![allow(non_camel_case_types)]

pub mod abi;
pub mod answer;
pub mod asking;
pub mod opening;
